//! Leadership on a blob's lease, over a blob service in memory that does what the real one does.

mod blob;
mod fake;
mod fenced;
