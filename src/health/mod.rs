//! Health-endpoint monitoring: every load balancer, orchestrator and monitor gets the answer that
//! makes it do the right thing.

mod check;
mod criticality;
pub mod drain;
mod finding;
mod group;
mod report;
mod verdict;

pub use check::Check;
pub use criticality::Criticality;
pub use drain::Phase;
pub use finding::Finding;
pub use group::{Aggregation, Group};
pub use report::{CheckReport, GroupReport, Report, Run};
pub use verdict::Verdict;
