//! Azure: its clients in a standard stack, its data services, and what a machine there can learn of
//! itself.
//!
//! | for | see |
//! |---|---|
//! | any client of the SDK, in three lines | `resilience`, behind `azure` |
//! | what each service promises: answers, safe repeats, waits | `contract`, behind `azure` |
//! | tokens while the token endpoint fails | `credential`, behind `azure` |
//! | reads from the other region | `storage`, behind `azure` |
//! | leadership on a blob lease | `lease`, behind `azure-storage` |
//! | Cosmos DB, around its own client | `cosmos`, behind `azure-cosmos` |
//! | Azure SQL | `sql`, behind `azure-sql` |
//! | PostgreSQL | `postgres`, behind `postgres` |
//! | what SQL databases have in common | `database`, behind `azure-sql` or `postgres` |
//! | regions, their pairs, and which is near | [`region`] |
//! | region, zone, fault domain, name | `imds`, behind `azure-imds` |
//! | maintenance that is announced: drain, hand over, approve | `scheduled_events`, behind `azure-imds` |
//! | tower layers of one's own in a client | `policy`, behind `azure` |
//! | tower services under a client, and its transport as one | `transport`, behind `azure` |

#[cfg(feature = "azure")]
mod classify;
#[cfg(feature = "azure")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure")))]
pub mod contract;
#[cfg(feature = "azure-cosmos")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure-cosmos")))]
pub mod cosmos;
#[cfg(feature = "azure")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure")))]
pub mod credential;
#[cfg(any(feature = "azure-sql", feature = "postgres"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "azure-sql", feature = "postgres"))))]
pub mod database;
#[cfg(feature = "azure")]
mod error;
#[cfg(feature = "azure-imds")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure-imds")))]
pub mod imds;
#[cfg(feature = "azure-storage")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure-storage")))]
pub mod lease;
#[cfg(feature = "azure")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure")))]
pub mod policy;
#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
pub mod postgres;
pub mod region;
#[cfg(feature = "azure")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure")))]
pub mod resilience;
#[cfg(feature = "azure-imds")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure-imds")))]
pub mod scheduled_events;
#[cfg(feature = "azure-sql")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure-sql")))]
pub mod sql;
#[cfg(feature = "azure")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure")))]
pub mod storage;
#[cfg(feature = "azure")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure")))]
pub mod transport;
#[cfg(any(feature = "azure", feature = "azure-sql", feature = "postgres"))]
mod until;

#[cfg(feature = "azure")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure")))]
pub use contract::Contract;
#[cfg(feature = "azure-cosmos")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure-cosmos")))]
pub use cosmos::Cosmos;
#[cfg(feature = "azure")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure")))]
pub use credential::Credential;
#[cfg(feature = "azure")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure")))]
pub use error::is_ambiguous;
#[cfg(feature = "azure-imds")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure-imds")))]
pub use imds::Imds;
#[cfg(feature = "azure-storage")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure-storage")))]
pub use lease::BlobLease;
#[cfg(feature = "azure")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure")))]
pub use policy::TowerPolicy;
#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
pub use postgres::PgPool;
#[cfg(feature = "azure")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure")))]
pub use resilience::{CallOptions, Resilience};
#[cfg(feature = "azure-imds")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure-imds")))]
pub use scheduled_events::ScheduledEvents;
#[cfg(feature = "azure-sql")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure-sql")))]
pub use sql::SqlPool;
#[cfg(feature = "azure")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure")))]
pub use transport::{HttpClientService, TowerTransport};
