//! Health-endpoint monitoring: every load balancer, orchestrator and monitor gets the answer that
//! makes it do the right thing.

#[cfg(feature = "health")]
mod body;
mod check;
pub mod checks;
mod criticality;
pub mod drain;
#[cfg(feature = "health")]
#[cfg_attr(docsrs, doc(cfg(feature = "health")))]
pub mod endpoint;
#[cfg(any(feature = "client", feature = "health"))]
mod expect;
mod finding;
#[cfg(feature = "health")]
mod format;
mod group;
#[cfg(feature = "grpc")]
#[cfg_attr(docsrs, doc(cfg(feature = "grpc")))]
pub mod grpc;
mod heartbeat;
mod hysteresis;
#[cfg(feature = "health")]
mod no_runtime;
#[cfg(feature = "health")]
mod peer;
pub mod policy;
#[cfg(feature = "health")]
#[cfg_attr(docsrs, doc(cfg(feature = "health")))]
pub mod probe;
mod recovery_point;
mod registry;
mod report;
#[cfg(feature = "health")]
#[cfg_attr(docsrs, doc(cfg(feature = "health")))]
pub mod server;
pub mod signal;
#[cfg(feature = "health")]
#[cfg_attr(docsrs, doc(cfg(feature = "health")))]
pub mod status;
#[cfg(feature = "health")]
mod token;
mod verdict;
mod warmup;

#[cfg(feature = "health")]
#[cfg_attr(docsrs, doc(cfg(feature = "health")))]
pub use body::Body;
pub use check::Check;
pub use criticality::Criticality;
pub use drain::{Drain, Phase};
#[cfg(feature = "health")]
#[cfg_attr(docsrs, doc(cfg(feature = "health")))]
pub use endpoint::{Endpoints, Route};
pub use finding::Finding;
#[cfg(feature = "health")]
#[cfg_attr(docsrs, doc(cfg(feature = "health")))]
pub use format::Format;
pub use group::{Aggregation, Group};
pub use heartbeat::Heartbeat;
#[cfg(feature = "health")]
#[cfg_attr(docsrs, doc(cfg(feature = "health")))]
pub use no_runtime::NoRuntime;
#[cfg(feature = "health")]
#[cfg_attr(docsrs, doc(cfg(feature = "health")))]
pub use peer::Peer;
pub use recovery_point::RecoveryPoint;
pub use registry::Registry;
pub use report::{CheckReport, GroupReport, Report, Run};
#[cfg(feature = "health")]
#[cfg_attr(docsrs, doc(cfg(feature = "health")))]
pub use server::Server;
pub use signal::Signal;
#[cfg(feature = "health")]
#[cfg_attr(docsrs, doc(cfg(feature = "health")))]
pub use token::Token;
pub use verdict::Verdict;
pub use warmup::Warmup;
