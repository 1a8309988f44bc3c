//! Ports of this machine that nobody listens on.

use std::net::{Ipv4Addr, TcpListener};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// A free port that the system gives to nobody by itself.
///
/// A server that is to come back at its port must not find it taken by a connection of somebody else; and who asks, again
/// and again, for a port of that range where nobody listens may end up connected to itself.
///
/// # Panics
///
/// If none is free.
#[must_use]
pub fn free() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    (0..RANGE)
        .find_map(|_| {
            // Processes that start at the same time begin far from each other.
            let step =
                process::id().wrapping_mul(97).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
            let port = u16::try_from(FIRST + step % RANGE).expect("the range ends below 2^16");
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok().map(|_| port)
        })
        .expect("a free port")
}

/// Below the range that Linux, macOS and Windows take ports for connections from.
const FIRST: u32 = 20_000;
const RANGE: u32 = 10_000;
