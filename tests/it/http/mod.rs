//! HTTP: what is read from answers, what is sent again, and what ends with the deadline.

#![expect(clippy::unwrap_used, reason = "clippy sees tests only where they are marked as such")]

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
