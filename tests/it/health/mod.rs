//! Health: verdicts, checks, and who asks for them.

mod registry;
mod server;
#[cfg(feature = "tls")]
mod server_tls;
