//! Resilience for HTTP.

pub mod retry_after;

pub use self::retry_after::{quota_reset, retry_after};
