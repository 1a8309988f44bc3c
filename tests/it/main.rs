//! Tests through the public API only, with time paused.

mod circuit_breaker;

mod context;
mod fallback;
#[cfg(feature = "http")]
mod http;
mod metastable;
#[path = "../contract/task.rs"]
mod task;
mod timeout;
