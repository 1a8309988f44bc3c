//! Health: verdicts, checks, and who asks for them.

mod registry;
mod server;
