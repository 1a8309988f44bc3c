//! Tests through the public API only, with time paused.

<<<<<<< HEAD
mod circuit_breaker;

mod context;
mod fallback;
#[cfg(feature = "http")]
mod http;
mod metastable;
#[path = "../contract/task.rs"]
mod task;
mod timeout;
=======
mod bulkhead;
#[cfg(feature = "http")]
mod http;
mod keyed;
mod queue;
mod rate_limit;
mod task;
>>>>>>> aef90fc (wip)
