//! Opens connections: to the one that takes writes, wherever it is by now.

use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::select_ok;
use tokio::sync::Mutex;
use tokio_postgres::Error;
use tokio_postgres::config::TargetSessionAttrs;

use super::code::judge;
use super::commit::commit;
use super::connection::{Connect, Connection, Exits, timed_out};
use super::target::{Target, of_kind};
use crate::azure::database::{Database, Handling, Meaning};
use crate::azure::until::until;
use crate::backoff::portion;
use crate::rng::Rng;
use crate::sync::{self, AtomicUsize, Ordering};
use crate::time::{Clock, Instant, nanos};

/// Opens connections to one of several hosts, for a pool of bb8's.
///
/// Built by [`Config::manager`](super::Config::manager). [`PgPool`](super::PgPool) has its own.
///
/// A [read-write](Target::ReadWrite) target is looked for: the host that took writes the last time
/// is asked first, then all at once, again and again, until one does or the
/// [patience](super::Config::patience) is at an end. Only one connection of a manager looks at any
/// time, the others wait for what it finds. So a primary that is promoted is found within one
/// [interval](super::Config::poll_interval), whatever other hosts do, and those that recover see
/// one connection in that time.
///
/// Other targets are asked one after the other. One that has let somebody wait in vain is asked last
/// for half a minute, and has a second then: so a dead standby costs one connection its time.
///
/// Names are resolved for each connection anew.
///
/// A connection counts as broken from the beginning of a [call](Connection::run) until its end.
pub struct Manager {
    pub(super) hosts: Vec<tokio_postgres::Config>,
    pub(super) target: Target,
    pub(super) connect: Arc<dyn Connect>,
    pub(super) begin: &'static str,
    pub(super) handshake: Duration,
    pub(super) interval: Duration,
    pub(super) patience: Duration,
    pub(super) clock: Clock,
    pub(super) exits: Exits,
    pub(super) rng: Rng,
    /// The host that was connected to last.
    pub(super) known: AtomicUsize,
    /// When each host has last let a look wait in vain, for those that have.
    pub(super) slow: sync::Mutex<Vec<Option<Instant>>>,
    /// Held by who looks.
    pub(super) looking: Mutex<()>,
}

impl Manager {
    /// Which of the hosts will do.
    #[must_use]
    pub const fn target(&self) -> Target {
        self.target
    }

    async fn find(&self) -> Result<Connection, Error> {
        match self.target {
            Target::Any => self.round(TargetSessionAttrs::Any).await,
            Target::ReadOnly => self.round(TargetSessionAttrs::ReadOnly).await,
            Target::PreferStandby => match self.round(TargetSessionAttrs::ReadOnly).await {
                Err(error) if passes(&error) => self.round(TargetSessionAttrs::Any).await,
                result => result,
            },
            Target::ReadWrite => self.primary().await,
        }
    }

    /// Asks one host after the other, each time from another one on: so connections are spread.
    ///
    /// Those that have just let somebody wait in vain come last, and must be quick.
    async fn round(&self, kind: TargetSessionAttrs) -> Result<Connection, Error> {
        // Relaxed: it is a hint.
        let first = self.known.fetch_add(1, Ordering::Relaxed);
        let count = self.hosts.len();
        let mut hosts: Vec<_> = (0..count)
            .map(|n| first.wrapping_add(n) % count)
            .map(|host| (self.is_slow(host), host))
            .collect();
        hosts.sort_by_key(|(is_slow, _)| *is_slow);
        let mut last = None;
        for (is_slow, host) in hosts {
            let begun = self.clock.now();
            let limit =
                if is_slow { self.handshake.min(PATIENCE_WITH_ONE) } else { self.handshake };
            let result = self.ask_within(limit, host, kind).await;
            let now = self.clock.now();
            let in_vain = result.is_err() && now.since(begun) >= limit.min(PATIENCE_WITH_ONE);
            self.slow.lock()[host] = in_vain.then_some(now);
            match result {
                Ok(connection) => return Ok(connection),
                Err(error) => last = Some(error),
            }
        }
        Err(last.expect("there is a host"))
    }

    fn is_slow(&self, host: usize) -> bool {
        let slow = self.slow.lock()[host];
        slow.is_some_and(|at| self.clock.now().since(at) < SLOW_FOR)
    }

    async fn primary(&self) -> Result<Connection, Error> {
        let end = self.clock.now() + self.patience;
        // Relaxed: it is a hint.
        let known = self.known.load(Ordering::Relaxed) % self.hosts.len();
        let asked = self.ask(known, TargetSessionAttrs::ReadWrite);
        if self.patience.is_zero() {
            return asked.await;
        }
        // One that hangs must not keep the others from being asked.
        let error =
            match until(&self.clock, Some(self.clock.now() + PATIENCE_WITH_ONE), asked).await {
                Some(Err(error)) if passes(&error) => Some(error),
                Some(result) => return result,
                None => None,
            };
        if let Some(_looking) = until(&self.clock, Some(end), self.looking.lock()).await {
            let all = (0..self.hosts.len()).map(|host| {
                Box::pin(async move {
                    loop {
                        match self.ask(host, TargetSessionAttrs::ReadWrite).await {
                            Err(error) if may_pass(&error) && self.clock.now() < end => {}
                            result => return result.map(|connection| (connection, host)),
                        }
                        let end = self.clock.now() + self.pause();
                        until(&self.clock, Some(end), pending::<()>()).await;
                    }
                })
            });
            let ((connection, host), _others) = select_ok(all).await?;
            self.known.store(host, Ordering::Relaxed);
            return Ok(connection);
        }
        match error {
            Some(error) => Err(error),
            None => Err(timed_out().await),
        }
    }

    /// From three quarters of the interval to five: clients that were cut off together spread.
    fn pause(&self) -> Duration {
        let spread = Duration::from_nanos(portion(nanos(self.interval / 2), self.rng.next()));
        self.interval * 3 / 4 + spread
    }

    async fn ask(&self, host: usize, kind: TargetSessionAttrs) -> Result<Connection, Error> {
        self.ask_within(self.handshake, host, kind).await
    }

    async fn ask_within(
        &self,
        limit: Duration,
        host: usize,
        kind: TargetSessionAttrs,
    ) -> Result<Connection, Error> {
        let config = of_kind(&self.hosts[host], kind);
        let connect = self.connect.connect(&config, self.begin, &self.exits);
        match until(&self.clock, Some(self.clock.now() + limit), connect).await {
            Some(result) => result,
            None => Err(timed_out().await),
        }
    }
}

/// Whether another host may do at once.
fn passes(error: &Error) -> bool {
    matches!(judge(error).handling, Handling::Reconnect | Handling::WrongReplica)
}

/// Whether the same host may do in a moment.
fn may_pass(error: &Error) -> bool {
    judge(error).handling.is_transient()
}

impl Database for Manager {
    type Connection = Connection;
    type Error = Error;

    async fn connect(&self) -> Result<Connection, Error> {
        self.find().await
    }

    async fn ping(connection: &mut Connection) -> Result<(), Error> {
        connection.check_connection().await
    }

    async fn begin(connection: &mut Connection) -> Result<(), Error> {
        connection.batch_execute(connection.begin).await
    }

    async fn commit(connection: &mut Connection) -> Result<(), Error> {
        commit(connection).await
    }

    async fn rollback(connection: &mut Connection) -> Result<(), Error> {
        connection.batch_execute("ROLLBACK").await
    }

    fn is_broken(connection: &Connection) -> bool {
        connection.is_broken()
    }

    fn judge(error: &Error) -> Meaning {
        judge(error)
    }
}

impl bb8::ManageConnection for Manager {
    type Connection = Connection;
    type Error = Error;

    async fn connect(&self) -> Result<Connection, Error> {
        self.find().await
    }

    async fn is_valid(&self, connection: &mut Connection) -> Result<(), Error> {
        connection.run(async |client| client.check_connection().await).await
    }

    fn has_broken(&self, connection: &mut Connection) -> bool {
        connection.is_broken()
    }
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager")
            .field("hosts", &self.hosts.len())
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

/// How long the host that took writes the last time is asked alone.
const PATIENCE_WITH_ONE: Duration = Duration::from_secs(1);

/// How long reads ask a host last that has let one wait in vain.
const SLOW_FOR: Duration = Duration::from_secs(30);

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests;
