//! Resilience for HTTP.

pub mod body;
pub mod classify;
pub mod idempotency;
pub mod retry_after;

pub use self::body::ReplayBody;
pub use self::classify::{Ambiguous, ByStatus, Foreign, Meaning};
pub use self::idempotency::{ForeignRequests, Idempotency};
pub use self::retry_after::{quota_reset, retry_after};
