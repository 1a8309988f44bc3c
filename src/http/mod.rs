//! Resilience for HTTP.

pub mod body;
pub mod retry_after;

pub use self::body::ReplayBody;
pub use self::retry_after::{quota_reset, retry_after};
