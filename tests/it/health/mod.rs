//! Health: verdicts, checks, and who asks for them.

mod endpoint;
#[cfg(feature = "grpc")]
mod grpc;
mod registry;
mod server;
#[cfg(feature = "tls")]
mod server_tls;
//! Health: checks, endpoints, draining.
#![expect(clippy::unwrap_used, reason = "clippy sees tests only where they are marked as such")]
mod drain;
#[cfg(feature = "http")]
mod drain_http;
mod checks;
