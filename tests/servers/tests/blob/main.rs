//! Blobs through the SDK's own clients, with Seawall around them and without.

mod faults;
mod session;
mod store;
