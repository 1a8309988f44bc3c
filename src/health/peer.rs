//! Who asks.

use std::net::SocketAddr;

/// The address that a request came from, as an extension of the request.
///
/// The [server](super::server) sets it. Whoever serves the endpoints with a server of his own sets
/// it by hand, from the connection and never from a header that a client can write.
///
/// # Example
///
/// ```
/// use std::net::SocketAddr;
///
/// use seawall::health::Peer;
///
/// let peer = Peer::new(SocketAddr::from(([127, 0, 0, 1], 40_000)));
///
/// let mut request = http::Request::new(());
/// request.extensions_mut().insert(peer);
///
/// assert!(peer.addr().ip().is_loopback());
/// assert_eq!(request.extensions().get(), Some(&peer));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Peer(SocketAddr);

impl Peer {
    /// A request from this address.
    #[must_use]
    pub const fn new(addr: SocketAddr) -> Self {
        Self(addr)
    }

    /// The address.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.0
    }
}
