//! Tests through the public API only, with time paused.

mod bulkhead;
mod budget;
mod circuit_breaker;
mod context;
mod fallback;
#[cfg(feature = "http")]
mod http;
mod metastable;
mod keyed;
mod polled;
mod queue;
mod rate_limit;
mod retry;
#[path = "../contract/task.rs"]
mod task;
mod timeout;
