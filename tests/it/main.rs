//! Tests through the public API only, with time paused.

mod circuit_breaker;

#[cfg(feature = "http")]
mod http;
