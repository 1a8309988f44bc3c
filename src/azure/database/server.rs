//! One server: its places, its breaker, and which of its connections are still good.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use bb8::{Pool, PooledConnection, QueueStrategy};

use super::Database;
use super::place::{Birth, Open, Place, Places};
use super::settings::Params;
use crate::azure::until::until;
use crate::circuit_breaker::{CircuitBreaker, Permit};
use crate::error::{InvalidConfig, Reason, Rejection, intern};
use crate::gate::Gate;
use crate::sync::{AtomicU64, Ordering};
use crate::telemetry::Environment;
use crate::time::Clock;

/// One server of a database.
pub(crate) struct Server<D: Database> {
    name: &'static str,
    database: D,
    breaker: Option<CircuitBreaker>,
    /// Made by the first call, for it lives in that one's runtime.
    pool: OnceLock<Pool<Places<D::Connection>>>,
    /// Connections of an earlier one are not used any more.
    generation: AtomicU64,
    /// Failures of one kind in a row: the kind above, their number below.
    streak: AtomicU64,
    size: u32,
    acquire_timeout: Duration,
    max_lifetime: Duration,
    validate_after: Duration,
    clock: Clock,
}

/// A place of a server's pool, for as long as it is held.
pub(super) type Held<'a, D> = PooledConnection<'a, Places<<D as Database>::Connection>>;

impl<D> Server<D>
where
    D: Database,
{
    pub(super) fn new(
        name: &str,
        database: D,
        params: &Params,
        environment: &Environment,
    ) -> Result<Self, InvalidConfig> {
        let breaker = params
            .circuit_breaker
            .clone()
            .map(|breaker| breaker.name(name).build_in(environment))
            .transpose()
            .map_err(|error| error.within("circuit_breaker"))?;
        Ok(Self {
            name: intern(name),
            database,
            breaker,
            pool: OnceLock::new(),
            generation: AtomicU64::new(0),
            streak: AtomicU64::new(0),
            size: params.size,
            acquire_timeout: params.acquire_timeout,
            max_lifetime: params.max_lifetime,
            validate_after: params.validate_after,
            clock: environment.clock.clone(),
        })
    }

    /// Its name, in rejections and levels.
    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// Its breaker, if it has one.
    pub(crate) const fn breaker(&self) -> Option<&CircuitBreaker> {
        self.breaker.as_ref()
    }

    /// From now on, no connection that is open is used for another call.
    pub(crate) fn purge(&self) {
        // Relaxed: it publishes nothing, and who reads the old one a moment later had begun before.
        self.generation.fetch_add(1, Ordering::Relaxed);
    }

    /// Why every call would be turned away, if that is so: nobody waits for a place then.
    pub(super) fn shut(&self) -> Option<Rejection> {
        let breaker = self.breaker.as_ref()?;
        Gate::<()>::shut(breaker)
    }

    pub(super) fn enter(&self) -> Result<Option<Permit>, Rejection> {
        self.breaker.as_ref().map(CircuitBreaker::enter).transpose()
    }

    /// Waits for a place.
    pub(super) async fn place(&self) -> Result<Held<'_, D>, Rejection> {
        let pool = self.pool.get_or_init(|| {
            Pool::builder()
                .max_size(self.size)
                .test_on_check_out(false)
                .queue_strategy(QueueStrategy::Lifo)
                .connection_timeout(self.acquire_timeout)
                // A place costs nothing, and goes with the connection that has been idle so long.
                .idle_timeout(self.max_lifetime)
                .max_lifetime(None)
                .build_unchecked(Places::new())
        });
        pool.get().await.map_err(|_| Rejection::new(self.name, Reason::QueueTimedOut))
    }

    /// Takes the connection out of `place`, or opens one.
    pub(super) async fn open(
        &self,
        place: &mut Place<D::Connection>,
    ) -> Result<(D::Connection, Birth), D::Error> {
        if let Some(Open { mut connection, birth, used }) = place.open.take()
            && self.is_fresh(birth)
            && !D::is_broken(&connection)
        {
            let now = self.clock.now();
            if now.since(used) <= self.validate_after {
                return Ok((connection, birth));
            }
            let ping = Box::pin(D::ping(&mut connection));
            if let Some(Ok(())) = until(&self.clock, Some(now + PING_TIMEOUT), ping).await {
                return Ok((connection, birth));
            }
        }
        // Read before it is opened: a purge meanwhile means this one, too.
        let birth =
            Birth { at: self.clock.now(), generation: self.generation.load(Ordering::Relaxed) };
        // Boxed, since it is large and seldom.
        Ok((Box::pin(self.database.connect()).await?, birth))
    }

    /// Puts a connection back that can be used again.
    pub(super) fn give_back(
        &self,
        place: &mut Place<D::Connection>,
        connection: D::Connection,
        birth: Birth,
    ) {
        if self.is_fresh(birth) && !D::is_broken(&connection) {
            place.open = Some(Open { connection, birth, used: self.clock.now() });
        }
    }

    fn is_fresh(&self, birth: Birth) -> bool {
        birth.generation == self.generation.load(Ordering::Relaxed)
            && self.clock.now().since(birth.at) < self.max_lifetime
    }

    /// A call has worked.
    pub(super) fn worked(&self) {
        if self.streak.load(Ordering::Relaxed) != 0 {
            self.streak.store(0, Ordering::Relaxed);
        }
    }

    /// A connection was lost. Several losses of one kind in a row mean all connections.
    ///
    /// Two at once may count as one: the next one counts again.
    pub(super) fn lost(&self, kind: u32) {
        let streak = self.streak.load(Ordering::Relaxed);
        let same = streak >> 32 == u64::from(kind);
        let length = if same { (streak & 0xFFFF_FFFF) + 1 } else { 1 };
        if length >= STREAK {
            self.purge();
            self.streak.store(0, Ordering::Relaxed);
        } else {
            self.streak.store(u64::from(kind) << 32 | length, Ordering::Relaxed);
        }
    }

    /// How many connections there are, used or not.
    pub(crate) fn places(&self) -> u32 {
        self.pool.get().map_or(0, |pool| pool.state().connections)
    }
}

impl<D> fmt::Debug for Server<D>
where
    D: Database,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("name", &self.name).finish_non_exhaustive()
    }
}

/// How long an idle connection has to answer before another one is opened.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// How many losses of one kind in a row give all connections up.
const STREAK: u64 = 3;
