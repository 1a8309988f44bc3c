//! A server of its own for the health endpoints, made to answer probes while someone attacks the
//! port.
//!
//! # Example
//!
//! ```
//! use seawall::health::{Endpoints, Registry, Server};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use tokio::net::TcpStream;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let registry = Registry::new();
//! registry.start()?;
//! // Any other tower service over `http` will do as well.
//! let endpoints = Endpoints::builder().build(&registry)?;
//!
//! let server = Server::builder().address(([127, 0, 0, 1], 0).into()).serve(endpoints)?;
//!
//! let mut probe = TcpStream::connect(server.local_addr()).await?;
//! probe.write_all(b"GET /livez HTTP/1.1\r\nhost: me\r\n\r\n").await?;
//! let mut answer = String::new();
//! probe.read_to_string(&mut answer).await?;
//! assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
//!
//! server.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! # When to use it
//!
//! For probes, beside the server that does the application's work: on a port of its own that a
//! flood of work does not fill, and on a thread of its own that a blocked worker does not stop. It
//! is no server for anything else: it takes no bodies, and it cuts every connection short.
//!
//! # How it decides
//!
//! | a peer that                                        | gets                                      |
//! |----------------------------------------------------|-------------------------------------------|
//! | sends nothing, or a head too slowly                | closed after `header_timeout`             |
//! | does not read its answer, or gets none             | reset after `connection_limit`            |
//! | holds a quarter of all places, and opens one more  | its own oldest connection reset           |
//! | opens a connection when all places are taken       | served; another's is reset, see below     |
//! | sends a body, with a length or in chunks           | 413 and the end, with nothing of it used  |
//! | sends a request line above half of `max_buffer`    | 414 and the end                           |
//! | sends a head above `max_buffer` or `max_headers`   | 431 and the end                           |
//! | sends what is not HTTP/1                           | 400 and the end, or the end (HTTP/2)      |
//! | asks when the service fails or panics              | 503 and the end                           |
//! | asks again, without `keep_alive`                   | the end after the first answer            |
//! | shuts down its side after the request              | its answer                                |
//!
//! *Who goes when all places are taken*: the oldest connection of the peer that holds the most, or
//! the oldest of all where nobody holds more than four. A probe lives for a millisecond, so what is
//! old is not a probe. A peer is an IPv4 address or an IPv6 network of 64 bits. A plain bound
//! without eviction would be an attack of its own: as many silent connections as it allows would
//! make the orchestrator restart a process that is well.
//!
//! A request with both `Transfer-Encoding` and `Content-Length` has a body, so it ends with 413 and
//! with its connection, like any other: what follows it is never taken for a request.
//!
//! Nothing of a request is logged or sent back. Answers carry a `Date` and what the service says,
//! and no name or version of the server.
//!
//! When no connection can be accepted, because descriptors have run out, it tries again after 5 ms,
//! and then after ever longer waits up to 200 ms, for as long as it lives.
//!
//! # Defaults
//!
//! | setting            | default          | why                                                        |
//! |--------------------|------------------|------------------------------------------------------------|
//! | `address`          | `127.0.0.1:8081` | reachable from outside only when asked for                 |
//! | `max_connections`  | 256              | some MB at the worst                                       |
//! | `header_timeout`   | 2 s              | a probe sends its head at once, and times out in seconds   |
//! | `connection_limit` | 10 s             | the longest that products let a probe take                 |
//! | `keep_alive`       | `false`          | a new connection is part of what a probe tests             |
//! | `max_buffer`       | 16 KiB           | a probe has some hundred bytes                             |
//! | `max_headers`      | 64               | proxies add some; nobody adds 64                           |
//!
//! # Cost
//!
//! A thread, a runtime without workers, and per connection a task, two timers and up to two buffers
//! of `max_buffer`. Accepting costs time that grows with the logarithm of the connections.
//!
//! The service runs on the server's thread: code in it that blocks holds up every probe. That is
//! meant for what the [`Registry`](super::Registry) does, which only reads what is known.

mod answer;
mod config;
mod connection;
mod error;
mod head;
mod progress;
mod prolong;
mod stop;
mod table;
mod thread;
#[cfg(feature = "tls")]
mod tls;
#[cfg(any(test, all(fuzzing, feature = "test-util")))]
mod wire;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;
use std::{fmt, io};

use http::{Request, Response};
use http_body::Body;
use tokio::sync::watch;
use tower_service::Service;

pub use config::Config;
pub use error::ServeError;
pub use prolong::Prolong;
#[cfg(all(fuzzing, feature = "test-util"))]
pub use wire::check as check_socket;

use crate::error::BoxError;
use crate::sync::Mutex;
use stop::Stop;
use thread::{Lines, Place, Settings};

/// How long a drop waits for the port to be free: a thousand times of what it takes, unless the
/// service blocks the thread.
const UNTIL_FREE: Duration = Duration::from_millis(250);

/// A running server. [The module's page](self) says what it stands up to.
///
/// Dropped, it stops at once: the port is free, and connections are cut. The drop waits for that,
/// 250 ms at the most, also inside a runtime.
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
/// let service = service_fn(|_: Request<()>| async {
///     Ok::<_, Infallible>(Response::new(Empty::<&[u8]>::new()))
/// });
/// let server = Server::builder().address(([127, 0, 0, 1], 0).into()).serve(service)?;
/// let address = server.local_addr();
///
/// assert!(TcpListener::bind(address).is_err());
/// drop(server);
/// assert!(TcpListener::bind(address).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a server that is dropped stops"]
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<Stop>,
    listening: Mutex<mpsc::Receiver<Infallible>>,
}

impl Server {
    /// Starts from the default settings.
    pub fn builder() -> Config {
        Config::default()
    }

    fn start<S, B>(place: Place, settings: Settings, service: S) -> Result<Self, ServeError>
    where
        S: Service<Request<()>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let (started, start) = mpsc::channel();
        let (listening, free) = mpsc::channel();
        let (stop, stopped) = watch::channel(Stop::No);
        let lines = Lines { started, listening, stop: stopped };
        std::thread::Builder::new()
            .name("seawall-health".into())
            .spawn(move || thread::run(place, settings, service, lines))
            .map_err(ServeError::Start)?;
        // The thread always says something, or is gone and drops its end.
        let address = start
            .recv()
            .unwrap_or_else(|_| Err(ServeError::Start(io::ErrorKind::BrokenPipe.into())))?;
        Ok(Self { address, stop, listening: Mutex::new(free) })
    }

    /// Where it listens.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Takes no further connection, lets those that are there end, and returns when all have: after
    /// `connection_limit` at the most, unless the service blocks the thread.
    ///
    /// Works on any runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropped before its end, it stops the server at once, as dropping the server does.
    pub async fn close(self) {
        self.stop.send_replace(Stop::Gracefully);
        self.stop.closed().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send_replace(Stop::Now);
        // Nothing is ever sent: this ends when the thread drops its end.
        let _ = self.listening.lock().recv_timeout(UNTIL_FREE);
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}
