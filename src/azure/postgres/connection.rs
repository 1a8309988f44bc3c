//! A connection, and the task that drives it.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Semaphore, oneshot};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Client, Config, Error, IsolationLevel, NoTls, Socket};

use super::commit::Witness;
use crate::azure::until::until;
use crate::time::Clock;

/// A client of a PostgreSQL server, together with what drives it. It is used like the [`Client`].
///
/// The task that drives it ends with it. If a statement is still being executed when this is
/// dropped, the server is told to stop, and the connection is closed: nobody waits behind a
/// statement that nobody wants any more. As many leave like that at once as the pool may have
/// connections ([`size`](crate::azure::database::Settings::size)); what is dropped beyond that is
/// closed without a word, and the server goes on until it notices.
///
/// # Example
///
/// ```no_run
/// use seawall::azure::postgres::{PgPool, Target};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = PgPool::builder("host=db-a.internal,db-b.internal user=orders".parse()?);
/// let pool = bb8::Pool::builder().build(config.manager(Target::ReadWrite)?).await?;
///
/// let mut connection = pool.get().await?;
/// connection.run(async |client| client.execute("UPDATE stock SET count = 7", &[]).await).await?;
/// # Ok(())
/// # }
/// ```
pub struct Connection {
    // Dropped first: an idle connection then takes leave by itself.
    client: Client,
    /// Tells the task when it is dropped.
    _held: oneshot::Sender<()>,
    /// Between the beginning of a call and its end.
    busy: bool,
    /// How a transaction begins.
    pub(super) begin: &'static str,
    /// Who is told which transaction is about to be committed.
    pub(super) witness: Option<Witness>,
}

impl Connection {
    /// Makes a call, for a pool of your own. Until it has ended, the connection counts as broken: a
    /// pool that gets it back from a call that was dropped closes it.
    ///
    /// # Errors
    ///
    /// The call's own.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves a connection that no pool uses again.
    pub async fn run<T, E>(
        &mut self,
        operation: impl AsyncFnOnce(&mut Client) -> Result<T, E>,
    ) -> Result<T, E> {
        self.busy = true;
        let result = operation(&mut self.client).await;
        self.busy = false;
        result
    }

    /// Whether it can not be used again.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.busy || self.client.is_closed()
    }
}

impl Deref for Connection {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("is_broken", &self.is_broken()).finish_non_exhaustive()
    }
}

/// How a transaction of that isolation begins.
pub(super) const fn begin(isolation: Option<IsolationLevel>) -> &'static str {
    match isolation {
        Some(IsolationLevel::ReadUncommitted) => "BEGIN ISOLATION LEVEL READ UNCOMMITTED",
        Some(IsolationLevel::ReadCommitted) => "BEGIN ISOLATION LEVEL READ COMMITTED",
        Some(IsolationLevel::RepeatableRead) => "BEGIN ISOLATION LEVEL REPEATABLE READ",
        Some(IsolationLevel::Serializable) => "BEGIN ISOLATION LEVEL SERIALIZABLE",
        // The server's own.
        _ => "BEGIN",
    }
}

/// A future of an object-safe trait.
pub(super) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How connections leave.
#[derive(Clone, Debug)]
pub(super) struct Exits {
    clock: Clock,
    /// For how many at once the server is waited for, and told to stop. The others are closed.
    room: Arc<Semaphore>,
}

impl Exits {
    pub(super) fn new(clock: &Clock, room: u32) -> Self {
        let room = usize::try_from(room).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self { clock: clock.clone(), room: Arc::new(Semaphore::new(room)) }
    }
}

/// Connects with some kind of TLS, or none.
pub(super) trait Connect: fmt::Debug + Send + Sync {
    fn connect<'a>(
        &'a self,
        config: &'a Config,
        begin: &'static str,
        exits: &'a Exits,
    ) -> Boxed<'a, Result<Connection, Error>>;
}

/// Connects over `T`.
pub(super) struct Over<T>(pub(super) T);

impl<T> Connect for Over<T>
where
    T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
    T::Stream: Send + 'static,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    fn connect<'a>(
        &'a self,
        config: &'a Config,
        begin: &'static str,
        exits: &'a Exits,
    ) -> Boxed<'a, Result<Connection, Error>> {
        Box::pin(async move {
            let (client, connection) = config.connect(self.0.clone()).await?;
            let (cancel, tls) = (client.cancel_token(), self.0.clone());
            let cancel = async move {
                // It is closed then, whether the server has heard it or not.
                let _ = cancel.cancel_query(tls).await;
            };
            Ok(drive(client, connection, cancel, begin, exits.clone()))
        })
    }
}

impl<T> fmt::Debug for Over<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::any::type_name::<T>())
    }
}

/// Spawns the task of a connection, and ties it to the client.
pub(super) fn drive<D>(
    client: Client,
    mut driver: D,
    cancel: impl Future<Output = ()> + Send + 'static,
    begin: &'static str,
    exits: Exits,
) -> Connection
where
    D: Future + Send + Unpin + 'static,
{
    let (held, mut dropped) = oneshot::channel::<()>();
    tokio::spawn(async move {
        let ended = poll_fn(|cx| {
            if Pin::new(&mut driver).poll(cx).is_ready() {
                return Poll::Ready(true);
            }
            Pin::new(&mut dropped).poll(cx).map(|_| false)
        });
        if ended.await {
            return;
        }
        let Exits { clock, room } = exits;
        // Calls that are dropped faster than they leave must not pile sessions up.
        let Ok(_room) = room.try_acquire() else { return };
        // What is idle is closed within this time. What is not would go on until its statement has
        // ended, and keep its locks for as long.
        if until(&clock, Some(clock.now() + LEAVE), &mut driver).await.is_none() {
            until(&clock, Some(clock.now() + CANCEL), cancel).await;
            // The server's last words: then it takes leave in order.
            until(&clock, Some(clock.now() + LAST_WORDS), driver).await;
        }
    });
    Connection { client, _held: held, busy: false, begin, witness: None }
}

/// The driver's own error of a server that does not answer in time: what it makes of a socket that
/// says so.
pub(super) async fn timed_out() -> Error {
    struct Late;

    fn late() -> io::Error {
        io::Error::new(io::ErrorKind::TimedOut, "the server did not answer in time")
    }

    impl AsyncRead for Late {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Ready(Err(late()))
        }
    }

    impl AsyncWrite for Late {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(late()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Err(late()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    let refused = Config::new().user("nobody").connect_raw(Late, NoTls).await;
    refused.err().expect("nothing can be written to it")
}

/// How long an idle connection has to take leave.
const LEAVE: Duration = Duration::from_millis(20);

/// How long a server has to hear that it is to stop.
const CANCEL: Duration = Duration::from_secs(5);

/// How long it has to stop.
const LAST_WORDS: Duration = Duration::from_secs(1);

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::io::{AsyncReadExt, DuplexStream};

    use super::*;
    use crate::azure::postgres::fake::{read_statement, session};

    #[tokio::test]
    async fn an_idle_connection_takes_leave_when_it_is_dropped() {
        let (connection, mut server, cancelled) = connection().await;

        drop(connection);

        assert_eq!(rest(&mut server).await, [b'X', 0, 0, 0, 4]);
        assert!(!cancelled.load(Ordering::Relaxed));
    }

    #[tokio::test(start_paused = true)]
    async fn a_statement_is_stopped_when_its_connection_is_dropped() {
        let (mut connection, mut server, cancelled) = connection().await;
        let statement = connection.run(async |client| client.batch_execute("SELECT").await);
        let (_, dropped) = tokio::join!(read_statement(&mut server), async {
            let clock = Clock::tokio();
            until(&clock, Some(clock.now() + Duration::from_millis(1)), statement).await
        });
        assert!(dropped.is_none());

        drop(connection);

        // It is closed though the server says nothing.
        assert!(rest(&mut server).await.is_empty());
        assert!(cancelled.load(Ordering::Relaxed));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_sessions_leave_at_once_than_there_is_room_for() {
        let exits = Exits::new(&Clock::tokio(), 1);
        let mut servers = Vec::new();
        for _ in 0..3 {
            let (mut connection, mut server, cancelled) = connection_with(exits.clone()).await;
            let statement = connection.run(async |client| client.batch_execute("SELECT").await);
            let (_, dropped) = tokio::join!(read_statement(&mut server), async {
                let clock = Clock::tokio();
                until(&clock, Some(clock.now() + Duration::from_millis(1)), statement).await
            });
            assert!(dropped.is_none());
            servers.push((connection, server, cancelled));
        }
        let start = Clock::tokio().now();
        let mut servers: Vec<_> =
            servers.into_iter().map(|(_, server, cancelled)| (server, cancelled)).collect();

        for (server, cancelled) in servers.iter_mut().rev().take(2) {
            assert!(rest(server).await.is_empty());
            assert!(!cancelled.load(Ordering::Relaxed));
        }
        assert_eq!(Clock::tokio().now(), start, "at once");
        let (server, cancelled) = &mut servers[0];
        assert!(rest(server).await.is_empty());
        assert!(cancelled.load(Ordering::Relaxed), "the first one has left in order");
        // Which leaves room again.
        let (connection, mut server, _) = connection_with(exits).await;
        drop(connection);
        assert_eq!(rest(&mut server).await, [b'X', 0, 0, 0, 4]);
    }

    #[tokio::test]
    async fn a_connection_that_its_server_has_closed_is_broken() {
        let (connection, server, _) = connection().await;
        assert!(!connection.is_broken());

        drop(server);

        assert!(connection.batch_execute("SELECT").await.unwrap_err().is_closed());
        assert!(connection.is_broken());
    }

    #[test]
    fn a_transaction_begins_with_the_isolation_that_is_asked_for() {
        let levels = [
            (None, "BEGIN"),
            (Some(IsolationLevel::ReadUncommitted), "BEGIN ISOLATION LEVEL READ UNCOMMITTED"),
            (Some(IsolationLevel::ReadCommitted), "BEGIN ISOLATION LEVEL READ COMMITTED"),
            (Some(IsolationLevel::RepeatableRead), "BEGIN ISOLATION LEVEL REPEATABLE READ"),
            (Some(IsolationLevel::Serializable), "BEGIN ISOLATION LEVEL SERIALIZABLE"),
        ];
        for (level, statement) in levels {
            assert_eq!(begin(level), statement);
        }
    }

    async fn connection() -> (Connection, DuplexStream, Arc<AtomicBool>) {
        connection_with(Exits::new(&Clock::tokio(), 1)).await
    }

    async fn connection_with(exits: Exits) -> (Connection, DuplexStream, Arc<AtomicBool>) {
        let (client, driver, server) = session().await;
        let cancelled = Arc::new(AtomicBool::new(false));
        let cancel = {
            let cancelled = Arc::clone(&cancelled);
            async move { cancelled.store(true, Ordering::Relaxed) }
        };
        (drive(client, driver, cancel, "BEGIN", exits), server, cancelled)
    }

    async fn rest(server: &mut DuplexStream) -> Vec<u8> {
        let mut rest = Vec::new();
        server.read_to_end(&mut rest).await.unwrap();
        rest
    }
}
