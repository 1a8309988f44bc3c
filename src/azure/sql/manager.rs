//! Opens connections: resolves, connects, logs in, follows.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use bb8::ManageConnection;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tiberius::error::Error;
use tiberius::{AuthMethod, Client};
use tokio::net::{TcpStream, lookup_host};
use tokio_util::compat::TokioAsyncWriteCompatExt;

use super::commit::commit;
use super::connection::Connection;
use super::judge;
use crate::azure::database::{Database, Meaning};
use crate::azure::until::until;
use crate::sync::Arc;
use crate::time::{Clock, Instant};

/// Opens connections to Azure SQL: for bb8, and for [`SqlPool`](super::SqlPool).
///
/// Each connection resolves the server's name anew, since a failover moves it; tries all addresses
/// within [`connect_timeout`](Self::connect_timeout), which covers login and redirection, too; and
/// follows the gateway's redirection to the node of the database, three times at most.
///
/// A pool of bb8's own over it works; it hides the errors of connecting, and repeats nothing.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::azure::sql::Manager;
/// use tiberius::{AuthMethod, Config};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut config = Config::new();
/// config.host("orders.database.windows.net");
/// config.database("orders");
/// config.authentication(AuthMethod::sql_server("app", "secret"));
///
/// let manager = Manager::new(config).connect_timeout(Duration::from_secs(10));
/// let pool = bb8::Pool::builder().max_size(20).build_unchecked(manager);
/// # let _ = pool;
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct Manager {
    config: tiberius::Config,
    connect_timeout: Duration,
    authenticate: Option<Authenticate>,
    clock: Clock,
}

type Authenticate = Arc<dyn Fn() -> Authenticating + Send + Sync>;
type Authenticating = Pin<Box<dyn Future<Output = Result<AuthMethod, Error>> + Send>>;

impl Manager {
    /// Opens connections with these settings.
    pub fn new(config: tiberius::Config) -> Self {
        Self {
            config,
            connect_timeout: Duration::from_secs(30),
            authenticate: None,
            clock: Clock::default(),
        }
    }

    /// How long it may take until a connection is open: name, TCP, handshake, login, redirections.
    ///
    /// tiberius' own handshake timeout (15 s) holds within it.
    ///
    /// Default: 30 s.
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Asks for the way to authenticate before each connection, for tokens that end.
    ///
    /// Default: what the settings say.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::azure::sql::Manager;
    /// use tiberius::{AuthMethod, Config};
    ///
    /// # async fn token() -> Result<String, std::io::Error> { Ok("token".into()) }
    /// let manager = Manager::new(Config::new())
    ///     .authenticate(|| async { Ok(AuthMethod::aad_token(token().await?)) });
    /// # let _ = manager;
    /// ```
    pub fn authenticate<F, Fut>(mut self, authenticate: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<AuthMethod, Error>> + Send + 'static,
    {
        self.authenticate = Some(Arc::new(move || Box::pin(authenticate())));
        self
    }

    pub(super) fn clock(mut self, clock: &Clock) -> Self {
        self.clock = clock.clone();
        self
    }

    pub(super) fn change(mut self, change: impl FnOnce(&mut tiberius::Config)) -> Self {
        change(&mut self.config);
        self
    }

    pub(super) const fn timeout(&self) -> Duration {
        self.connect_timeout
    }

    async fn open(&self) -> Result<Connection, Error> {
        let end = self.clock.now() + self.connect_timeout;
        until(&self.clock, Some(end), Box::pin(self.follow(end)))
            .await
            .unwrap_or_else(|| Err(timed_out("no connection in time")))
    }

    async fn follow(&self, end: Instant) -> Result<Connection, Error> {
        let mut config = self.config.clone();
        if let Some(authenticate) = &self.authenticate {
            config.authentication(authenticate().await?);
        }
        let mut hops = 0;
        loop {
            let stream = self.reach(&config, end).await?;
            stream.set_nodelay(true)?;
            match Client::connect(config.clone(), stream.compat_write()).await {
                Err(Error::Routing { host, port }) if hops < MAX_HOPS => {
                    hops += 1;
                    config.host(host);
                    config.port(port);
                }
                client => return Ok(Connection::new(client?)),
            }
        }
    }

    /// Connects to any address of the server's name, each within its share of the time.
    async fn reach(&self, config: &tiberius::Config, end: Instant) -> Result<TcpStream, Error> {
        let name = config.get_addr();
        let addresses: Vec<SocketAddr> = lookup_host(&name).await?.take(MAX_ADDRESSES).collect();
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the server has no address");
        if config.get_multi_subnet_failover() {
            let mut racing: FuturesUnordered<_> =
                addresses.into_iter().map(TcpStream::connect).collect();
            while let Some(result) = racing.next().await {
                match result {
                    Ok(stream) => return Ok(stream),
                    Err(error) => last = error,
                }
            }
            return Err(last.into());
        }
        for (left, address) in (1..=addresses.len()).rev().zip(addresses.iter().copied()) {
            let now = self.clock.now();
            // A node that swallows packets leaves the others their time.
            let share = end.since(now) / u32::try_from(left).unwrap_or(u32::MAX);
            match until(&self.clock, Some(now + share), TcpStream::connect(address)).await {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(error)) => last = error,
                None => last = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(last.into())
    }
}

fn timed_out(message: &str) -> Error {
    Error::Io { kind: io::ErrorKind::TimedOut, message: message.into() }
}

/// Redirections that are followed for one connection.
const MAX_HOPS: u32 = 3;

/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 64;

impl ManageConnection for Manager {
    type Connection = Connection;
    type Error = Error;

    async fn connect(&self) -> Result<Connection, Error> {
        self.open().await
    }

    async fn is_valid(&self, connection: &mut Connection) -> Result<(), Error> {
        connection.simple_query("SELECT 1").await.map(drop)
    }

    fn has_broken(&self, connection: &mut Connection) -> bool {
        connection.is_broken()
    }
}

impl Database for Manager {
    type Connection = Connection;
    type Error = Error;

    async fn connect(&self) -> Result<Connection, Error> {
        self.open().await
    }

    async fn ping(connection: &mut Connection) -> Result<(), Error> {
        connection.simple_query("SELECT 1").await.map(drop)
    }

    async fn begin(connection: &mut Connection) -> Result<(), Error> {
        connection.begin().await
    }

    async fn commit(connection: &mut Connection) -> Result<(), Error> {
        commit(connection).await
    }

    async fn rollback(connection: &mut Connection) -> Result<(), Error> {
        connection.rollback().await
    }

    fn is_broken(connection: &Connection) -> bool {
        connection.is_broken()
    }

    fn judge(error: &Error) -> Meaning {
        judge::meaning(error)
    }
}

/// Without the settings, which hold secrets.
impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager")
            .field("server", &self.config.get_addr())
            .field("connect_timeout", &self.connect_timeout)
            .finish_non_exhaustive()
    }
}
