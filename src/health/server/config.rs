//! Settings of the server.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
#[cfg(feature = "tls")]
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::Server;
use super::connection::Limits;
use super::error::ServeError;
use super::thread::{Place, Settings};
#[cfg(feature = "tls")]
use super::tls::Tls;
use crate::error::{BoxError, InvalidConfig};

/// Settings of a [`Server`], and its builder.
///
/// Plain data: it can be compared, printed and, with the feature `serde`, read from a file (all but
/// the certificate). It is checked once, in [`serve`](Self::serve). [The module's page](super) says
/// what the limits are for.
///
/// # Example
///
/// ```
/// use std::convert::Infallible;
/// use std::net::SocketAddr;
/// use std::time::Duration;
///
/// use http::{Request, Response};
/// use http_body_util::Empty;
/// use seawall::health::Server;
/// use tower::service_fn;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let service = service_fn(|_: Request<()>| async {
///     Ok::<_, Infallible>(Response::new(Empty::<&[u8]>::new()))
/// });
///
/// let server = Server::builder()
///     .address(SocketAddr::from(([127, 0, 0, 1], 0))) // port 0: a free one
///     .max_connections(64)
///     .header_timeout(Duration::from_secs(1))
///     .connection_limit(Duration::from_secs(5))
///     .serve(service)?;
///
/// assert_ne!(server.local_addr().port(), 0);
/// server.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[must_use]
pub struct Config {
    address: SocketAddr,
    max_connections: usize,
    header_timeout: Duration,
    connection_limit: Duration,
    keep_alive: bool,
    max_buffer: usize,
    max_headers: usize,
    #[cfg(feature = "tls")]
    #[cfg_attr(feature = "serde", serde(skip))]
    tls: Option<Tls>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 8081)),
            max_connections: 256,
            header_timeout: Duration::from_secs(2),
            connection_limit: Duration::from_secs(10),
            keep_alive: false,
            max_buffer: 16 * 1024,
            max_headers: 64,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

impl Config {
    /// Where to listen. Port 0 takes a free one, which [`Server::local_addr`] tells.
    ///
    /// Probes that come from outside need an address that is reached from there, `0.0.0.0` at the
    /// most: keep such a port behind a firewall or a network policy.
    ///
    /// Default: `127.0.0.1:8081`, which only this machine reaches.
    pub fn address(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// How many connections are held at one time: from 1 to 65,535. One peer holds a quarter at the
    /// most. A newer connection pushes out an older one.
    ///
    /// Default: 256.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// The time for a request's head, and for the TLS handshake before the first one. With
    /// [`keep_alive`](Self::keep_alive) it is also the time that a connection may be idle.
    ///
    /// Default: 2 s.
    pub fn header_timeout(mut self, timeout: Duration) -> Self {
        self.header_timeout = timeout;
        self
    }

    /// The life of a connection: handshake, requests, answers and all. From `header_timeout` to an
    /// hour. Only a [`Prolong`](super::Prolong) lets a connection live longer.
    ///
    /// Default: 10 s.
    pub fn connection_limit(mut self, limit: Duration) -> Self {
        self.connection_limit = limit;
        self
    }

    /// Whether a connection takes more than one request. A connection with a body, with a malformed
    /// request, or past its limit ends all the same.
    ///
    /// Default: `false`, because a probe on a new connection also tests that one can be made.
    pub fn keep_alive(mut self, keep: bool) -> Self {
        self.keep_alive = keep;
        self
    }

    /// The bytes that are held of a request, and of an answer until it is sent: from 8 KiB to 1 MiB.
    /// The request line may have half of it.
    ///
    /// Default: 16 KiB.
    pub fn max_buffer(mut self, bytes: usize) -> Self {
        self.max_buffer = bytes;
        self
    }

    /// How many headers a request may have: from 1 to 1,024.
    ///
    /// Default: 64.
    pub fn max_headers(mut self, headers: usize) -> Self {
        self.max_headers = headers;
        self
    }

    /// Speaks TLS, with these certificates and, for mutual TLS, this verifier of clients.
    ///
    /// ALPN is set to `http/1.1`, whatever `tls` says, since the server speaks nothing else.
    ///
    /// Default: none, plain HTTP.
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    pub fn tls(mut self, tls: Arc<rustls::ServerConfig>) -> Self {
        self.tls = Some(Tls::new(tls));
        self
    }

    /// Checks the settings, listens, and serves on a thread of its own until the [`Server`] is
    /// closed or dropped.
    ///
    /// Blocks for the moment that a thread needs to start.
    ///
    /// # Errors
    ///
    /// The first field that makes no sense; an address that can not be listened at; no thread.
    pub fn serve<S, B>(&self, service: S) -> Result<Server, ServeError>
    where
        S: Service<Request<()>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        Server::start(Place::Address(self.address), self.settings()?, service)
    }

    /// As [`serve`](Self::serve), on a listener that is there: made with options of one's own, or
    /// handed over by the service manager. [`address`](Self::address) is not looked at.
    ///
    /// # Errors
    ///
    /// As [`serve`](Self::serve).
    ///
    /// # Example
    ///
    /// ```
    /// use std::convert::Infallible;
    /// use std::net::TcpListener;
    ///
    /// use http::{Request, Response};
    /// use http_body_util::Empty;
    /// use seawall::health::Server;
    /// use tower::service_fn;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let address = listener.local_addr()?;
    /// let service = service_fn(|_: Request<()>| async {
    ///     Ok::<_, Infallible>(Response::new(Empty::<&[u8]>::new()))
    /// });
    ///
    /// let server = Server::builder().serve_on(listener, service)?;
    ///
    /// assert_eq!(server.local_addr(), address);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn serve_on<S, B>(&self, listener: TcpListener, service: S) -> Result<Server, ServeError>
    where
        S: Service<Request<()>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        Server::start(Place::Listener(listener), self.settings()?, service)
    }

    /// Past this point nothing is checked again.
    fn settings(&self) -> Result<Settings, InvalidConfig> {
        if !(1..=65_535).contains(&self.max_connections) {
            return Err(InvalidConfig::new("max_connections", "from 1 to 65,535"));
        }
        if self.header_timeout.is_zero() {
            return Err(InvalidConfig::new("header_timeout", "longer than zero"));
        }
        if !(self.header_timeout..=LONGEST).contains(&self.connection_limit) {
            return Err(InvalidConfig::new("connection_limit", "from `header_timeout` to an hour"));
        }
        if !(8 * 1024..=1024 * 1024).contains(&self.max_buffer) {
            return Err(InvalidConfig::new("max_buffer", "from 8 KiB to 1 MiB"));
        }
        if !(1..=1_024).contains(&self.max_headers) {
            return Err(InvalidConfig::new("max_headers", "from 1 to 1,024"));
        }
        Ok(Settings {
            connections: self.max_connections,
            limits: Limits::new(
                self.header_timeout,
                self.connection_limit,
                self.keep_alive,
                self.max_buffer,
                self.max_headers,
            ),
            #[cfg(feature = "tls")]
            tls: self.tls.clone(),
        })
    }
}

/// The longest life of a connection.
const LONGEST: Duration = Duration::from_secs(3_600);
