//! Health-endpoint monitoring: every load balancer, orchestrator and monitor gets the answer that
//! makes it do the right thing.

mod check;
pub mod checks;
mod criticality;
pub mod drain;
mod finding;
mod group;
mod heartbeat;
mod hysteresis;
#[cfg(feature = "health")]
mod no_runtime;
pub mod policy;
mod recovery_point;
mod registry;
mod report;
pub mod signal;
mod peer;
#[cfg_attr(docsrs, doc(cfg(feature = "health")))]
pub mod server;
mod verdict;
mod warmup;

pub use check::Check;
pub use criticality::Criticality;
pub use drain::{Drain, Phase};
pub use finding::Finding;
pub use group::{Aggregation, Group};
pub use heartbeat::Heartbeat;
#[cfg(feature = "health")]
#[cfg_attr(docsrs, doc(cfg(feature = "health")))]
pub use no_runtime::NoRuntime;
pub use recovery_point::RecoveryPoint;
pub use registry::Registry;
pub use report::{CheckReport, GroupReport, Report, Run};
pub use signal::Signal;
pub use peer::Peer;
pub use server::Server;
pub use verdict::Verdict;
pub use warmup::Warmup;
