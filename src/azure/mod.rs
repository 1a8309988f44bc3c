//! Azure: its clients in a standard stack, and what a machine there can learn of itself.
//!
//! | for | see |
//! |---|---|
//! | what each service promises: answers, safe repeats, waits | `contract`, behind `azure` |
//! | tokens while the token endpoint fails | `credential`, behind `azure` |
//! | region, zone, fault domain, name | `imds`, behind `azure-imds` |
//! | maintenance that is announced: drain, hand over, approve | `scheduled_events`, behind `azure-imds` |

#[cfg(feature = "azure")]
mod classify;
#[cfg(feature = "azure")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure")))]
pub mod contract;
pub mod credential;
#[cfg(feature = "azure")]
mod error;
#[cfg(feature = "azure-imds")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure-imds")))]
pub mod imds;
#[cfg(feature = "azure")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure")))]
pub mod policy;
#[cfg(feature = "azure-imds")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure-imds")))]
pub mod scheduled_events;
#[cfg(feature = "azure")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure")))]
pub mod transport;

#[cfg(feature = "azure")]
pub use contract::Contract;
#[cfg(feature = "azure")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure")))]
pub use credential::Credential;
#[cfg(feature = "azure")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure")))]
pub use error::is_ambiguous;
#[cfg(feature = "azure-imds")]
pub use imds::Imds;
#[cfg(feature = "azure-imds")]
pub use scheduled_events::ScheduledEvents;
#[cfg(feature = "azure")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure")))]
pub use {
    policy::TowerPolicy,
    transport::{HttpClientService, TowerTransport},
};
