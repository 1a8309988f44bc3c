//! Health: verdicts, checks, drains, and who asks for them.
#![expect(clippy::unwrap_used, reason = "clippy sees tests only where they are marked as such")]

mod checks;
mod drain;
#[cfg(feature = "http")]
mod drain_http;
mod endpoint;
#[cfg(feature = "grpc")]
mod grpc;
#[cfg(feature = "health")]
mod probe;
mod products;
mod registry;
mod server;
#[cfg(feature = "tls")]
mod server_tls;
mod status;
