//! Tests through the public API only, with time paused.

#[cfg(feature = "http")]
mod http;
