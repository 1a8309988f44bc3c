//! Keeps an application up when what it depends on slows down, fails, or loses a whole region.
//!
//! Tower layers with a lock-free hot path, and a [standard stack](stack) that puts them together in
//! the right order. Each policy also works without tower.
//!
//! # Example
//!
//! ```
//! use seawall::error::BoxError;
//! use seawall::stack::Stack;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let stack = Stack::builder().name("orders").build()?;
//!
//! let orders = ServiceBuilder::new()
//!     .layer(stack.layer())
//!     .service(service_fn(|id: u64| async move { Ok::<_, std::io::Error>(id) }));
//!
//! assert_eq!(orders.oneshot(7).await?, 7);
//! # Ok(())
//! # }
//! ```
//!
//! # Where to look
//!
//! | for | see |
//! |---|---|
//! | all of it in one call | [`stack`] |
//! | an HTTP client | `http`, behind the feature of that name |
//! | one policy | [`circuit_breaker`], [`retry`], [`timeout`], [`bulkhead`], [`rate_limit`], [`fallback`] |
//! | waiting instead of being turned away | [`queue`] |
//! | a policy per host or tenant | [`gate::Keyed`] |
//! | one leader among many instances | [`lease`] |
//! | saying how well this instance is | [`health`] |
//! | clients of the Azure SDK, databases | `azure`, behind the features that begin so, and `postgres` |
//! | what to choose, and why | [`manual`] |
//! | regions and zones by name | [`region`] |
//! | figures and events | [`telemetry`] |
//! | a policy of your own | [`gate::Gate`] |
//!
//! # The words
//!
//! A *gate* is asked before a call and told after it; a *driver* owns the call and may make it
//! again. A finished call has an [`Outcome`], judged by a [`Classify`]. A policy that ends a call
//! makes a [`Rejection`] and puts it into the error type that is there, through
//! [`error::Reject`]; [`Error`] is that type where there is none.
//!
//! # Features
//!
//! None is on by default, and none changes what a policy does.
//!
//! | feature | adds |
//! |---|---|
//! | `http` | classification, `Retry-After`, idempotency, replay of bodies |
//! | `client` | a ready-made client over hyper-util and rustls |
//! | `health` | health endpoints, the server for them, the status page, checks that need a socket, a prober |
//! | `grpc` | `grpc.health.v1` over the same verdicts |
//! | `tls` | TLS for the health server and the prober, and the check of a certificate's end |
//! | `azure` | any client of the Azure SDK in a standard stack |
//! | `azure-storage` | leadership on blob leases, the Last Sync Time of a storage account |
//! | `azure-cosmos` | Cosmos DB, around its own client |
//! | `azure-sql` | Azure SQL, over tiberius |
//! | `azure-imds` | instance metadata and scheduled maintenance of Azure's virtual machines |
//! | `postgres` | PostgreSQL, over tokio-postgres |
//! | `tracing` | events and spans |
//! | `opentelemetry` | events and levels as metrics |
//! | `serde` | configuration from any format |
//! | `full` | all of the above |
//! | `test-util` | clocks that follow tokio's paused time |

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(feature = "azure", feature = "azure-imds", feature = "azure-sql", feature = "postgres",))]
pub mod azure;
pub mod backoff;
pub mod budget;
pub mod bulkhead;
pub mod circuit_breaker;
pub mod context;
pub mod error;
pub mod fallback;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
pub mod gate;
pub mod health;
#[cfg(feature = "http")]
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
pub mod http;
pub mod lease;
pub mod manual;
mod operation;
pub mod outcome;
pub mod queue;
pub mod rate_limit;
pub mod region;
pub mod replay;
pub mod retry;
mod rng;
mod slot;
pub mod stack;
mod sync;
pub mod telemetry;
pub mod time;
pub mod timeout;
mod window;

pub use error::{Error, Reason, Rejection};
pub use outcome::{Classify, Outcome};

/// The examples of the README, compiled.
#[cfg(all(doctest, feature = "azure-storage", feature = "client", feature = "health"))]
#[doc = include_str!("../README.md")]
struct Readme;
