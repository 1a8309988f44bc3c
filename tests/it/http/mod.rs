//! HTTP: what is read from answers, what is sent again, and what ends with the deadline.

mod body;
mod call_headers;
mod classify;
#[cfg(feature = "client")]
mod client;
mod edge;
mod idempotency;
mod response_body;
#[cfg(feature = "test-util")]
mod stack;
