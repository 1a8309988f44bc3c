//! A pool, and the calls on it.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use std::time::SystemTime;

use tokio_postgres::Client;

use super::commit::Witness;
use super::config::Config;
use super::connection::Connection;
use super::manager::Manager;
use crate::azure::database::{Driver, Holds, Loan, Server, Settings};
use crate::circuit_breaker::CircuitBreaker;
use crate::error::{Error, InvalidConfig};
use crate::health::{Check, Finding, policy};
use crate::replay::{Safety, Verified};
use crate::sync::Mutex;
use crate::telemetry::Environment;

/// Connections to the primary of a `PostgreSQL` database, and to its replicas.
///
/// A cheap clone, to be shared: one for each database.
///
/// # Example
///
/// ```no_run
/// use seawall::azure::postgres::PgPool;
/// use seawall::replay::{Safety, Verified};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hosts = "host=db-a.internal,db-b.internal user=orders dbname=orders";
/// let pool = PgPool::builder(hosts.parse()?).name("orders").build()?;
///
/// // A key that the client has made: a second time changes nothing.
/// let key = "7f0c2a";
/// pool.run(Safety::Idempotent, |client| async move {
///     let add = "INSERT INTO orders (key) VALUES ($1) ON CONFLICT DO NOTHING";
///     client.execute(add, &[&key]).await
/// })
/// .await?;
///
/// // Where the connection is lost at the commit, only a look can tell.
/// pool.transaction(
///     |client| async move {
///         client.execute("INSERT INTO orders (key) VALUES ($1)", &[&key]).await?;
///         client.execute("UPDATE stock SET count = count - 1", &[]).await
///     },
///     |client| async move {
///         let seen = client.query_opt("SELECT 1 FROM orders WHERE key = $1", &[&key]).await?;
///         Ok(seen.map_or(Verified::NotExecuted, |_| Verified::Executed(1)))
///     },
/// )
/// .await?;
///
/// let count = "SELECT count(*) FROM orders";
/// let row = pool.read(|client| async move { client.query_one(count, &[]).await }).await?;
/// println!("{} orders", row.get::<_, i64>(0));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PgPool {
    shared: Arc<Shared>,
}

struct Shared {
    driver: Driver,
    primary: Server<Manager>,
    replica: Option<Server<Manager>>,
}

impl PgPool {
    /// Starts from the default settings, and from the hosts, the user and the database of a
    /// connection string.
    pub fn builder(database: tokio_postgres::Config) -> Config {
        Config::new(database)
    }

    pub(super) fn new(
        name: &str,
        settings: &Settings,
        primary: Manager,
        replica: Option<Manager>,
        environment: &Environment,
    ) -> Result<Self, InvalidConfig> {
        let driver = Driver::new(name, settings, environment)?;
        let primary = driver.server(name, primary)?;
        let replica = replica.map(|replica| driver.server(&format!("{name}/replica"), replica));
        let replica = replica.transpose()?;
        Ok(Self { shared: Arc::new(Shared { driver, primary, replica }) })
    }

    /// Runs `operation` on a connection to the primary, and again where its error passes.
    ///
    /// What is not safe to repeat is made again only if it certainly was not begun. Each attempt
    /// has a connection for itself. What of it is to happen together belongs into a
    /// [`transaction`](Self::transaction): an operation must leave no transaction open.
    ///
    /// # Errors
    ///
    /// The last real error; [`Error::Ambiguous`] if the operation may have taken effect and is not
    /// safe to repeat; a rejection when the breaker was open or no connection was free in time.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection that it uses, and tells the server to stop what
    /// it executes. No other call notices.
    pub async fn run<T, E, F>(
        &self,
        safety: Safety,
        operation: impl FnMut(Loan<Connection>) -> F,
    ) -> Result<T, Error<E>>
    where
        E: Holds<tokio_postgres::Error>,
        F: Future<Output = Result<T, E>>,
    {
        let Shared { driver, primary, .. } = &*self.shared;
        driver.run([primary], safety, operation).await
    }

    /// Runs `operation`, which must be safe to repeat, on a connection to a replica; on one to the
    /// primary if no replica can do it.
    ///
    /// A replica may be behind: see [`replicated_until`](Self::replicated_until).
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), of the last server that was asked.
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run).
    pub async fn read<T, E, F>(
        &self,
        operation: impl FnMut(Loan<Connection>) -> F,
    ) -> Result<T, Error<E>>
    where
        E: Holds<tokio_postgres::Error>,
        F: Future<Output = Result<T, E>>,
    {
        let Shared { driver, primary, replica } = &*self.shared;
        match replica {
            Some(replica) => driver.run([replica, primary], Safety::Idempotent, operation).await,
            None => driver.run([primary], Safety::Idempotent, operation).await,
        }
    }

    /// Runs `operation` in a transaction on the primary: as a whole, and as a whole again where
    /// it lost against another transaction, or its connection.
    ///
    /// The transaction is begun before `operation` and committed after it, or rolled back if it
    /// fails. It may be run several times, and is not to begin or end transactions itself.
    ///
    /// When nobody knows whether the commit was executed, `verify` looks, on another connection:
    /// by a row that the transaction wrote, under a key that the client made. A server that is
    /// still at that commit is waited for first, so that what is not there will not come.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run); [`Error::Ambiguous`] if `verify` could not tell, either.
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run): the transaction is rolled back, unless its commit is on its way.
    ///
    /// # Cost
    ///
    /// A round trip more than the operation's, the `BEGIN` and the `COMMIT`: what is about to be
    /// committed is noted before.
    pub async fn transaction<T, E, F, V>(
        &self,
        mut operation: impl FnMut(Transaction) -> F,
        verify: impl FnMut(Loan<Connection>) -> V,
    ) -> Result<T, Error<E>>
    where
        E: Holds<tokio_postgres::Error>,
        F: Future<Output = Result<T, E>>,
        V: Future<Output = Result<Verified<T>, E>>,
    {
        let Shared { driver, primary, .. } = &*self.shared;
        let witness = Witness::default();
        let operation = |mut connection: Loan<Connection>| {
            connection.witness = Some(witness.clone());
            operation(Transaction(connection))
        };
        // Not begun before the wait is over, for its future is the caller's and may begin at once.
        let verify = Mutex::new(verify);
        let verify = |connection: Loan<Connection>| {
            let (witness, clock, verify) = (&witness, driver.clock(), &verify);
            async move {
                if !witness.ended(&connection, clock).await? {
                    return Ok(Verified::Unknown);
                }
                let look = (verify.lock())(connection);
                look.await
            }
        };
        driver.transaction(primary, operation, verify).await
    }

    /// Up to when a replica has what was committed: what [`read`](Self::read) finds is that old.
    ///
    /// It is now if the answer came from the primary, or from a replica that has all that it was
    /// sent and is connected to its primary.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use seawall::azure::postgres::PgPool;
    /// use seawall::health::{Check, RecoveryPoint};
    ///
    /// let pool = PgPool::builder("host=a,b user=orders".parse()?).build()?;
    /// let objective = RecoveryPoint::objective(Duration::from_secs(60));
    /// let check = Check::recovery_point("orders replica", objective, move || {
    ///     let pool = pool.clone();
    ///     async move { pool.replicated_until().await }
    /// });
    /// # let _ = check;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn replicated_until(&self) -> Result<SystemTime, Error<tokio_postgres::Error>> {
        self.read(|client| async move { client.query_one(REPLICATED_UNTIL, &[]).await?.try_get(0) })
            .await
    }

    /// From now on, no connection that is open is used for another call. They are closed when they
    /// are idle.
    pub fn discard(&self) {
        self.shared.primary.purge();
        if let Some(replica) = &self.shared.replica {
            replica.purge();
        }
    }

    /// The breaker of the primary, if there is one.
    #[must_use]
    pub fn breaker(&self) -> Option<&CircuitBreaker> {
        self.shared.primary.breaker()
    }

    /// How many connections to the primary there are, or are being made.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.shared.primary.places()
    }

    /// What a registry is to watch: the breakers, and a host that takes writes. Replicas only
    /// degrade.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::azure::postgres::PgPool;
    /// use seawall::health::Registry;
    ///
    /// let pool = PgPool::builder("host=a,b user=orders".parse()?).name("orders").build()?;
    /// let registry = Registry::new();
    /// for check in pool.health() {
    ///     registry.add(check)?;
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn health(&self) -> Vec<Check> {
        let Shared { primary, replica, .. } = &*self.shared;
        let mut checks = Vec::new();
        checks.extend(primary.breaker().map(policy::circuit_breaker));
        let replica = replica.as_ref().and_then(Server::breaker);
        checks.extend(replica.map(|breaker| policy::circuit_breaker(breaker).degraded_only()));
        let pool = self.clone();
        checks.push(Check::new(format!("postgres/{}", primary.name()), move || {
            let pool = pool.clone();
            async move { pool.takes_writes().await }
        }));
        checks
    }

    async fn takes_writes(&self) -> Result<Finding, Error<tokio_postgres::Error>> {
        let is_read_only = self
            .run(Safety::Idempotent, |client| async move {
                let row = client.query_one("SHOW transaction_read_only", &[]).await?;
                Ok::<_, tokio_postgres::Error>(row.try_get::<_, &str>(0)? == "on")
            })
            .await?;
        if is_read_only {
            // What the pool was connected to has become a standby.
            self.shared.primary.purge();
            return Ok(Finding::down("it takes no writes"));
        }
        Ok(Finding::healthy())
    }
}

/// A connection with a transaction that the pool has begun, and that the pool will end.
///
/// It is used like the client, but has no transactions of its own: those would end this one.
#[derive(Debug)]
pub struct Transaction(Loan<Connection>);

impl Deref for Transaction {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.0
    }
}

impl fmt::Debug for PgPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgPool")
            .field("name", &self.shared.driver.name())
            .field("primary", &self.shared.primary)
            .field("replica", &self.shared.replica)
            .finish()
    }
}

/// The last commit that a standby has replayed says nothing while nothing is committed: one that
/// has replayed all that it received, and is still receiving, is up to date.
const REPLICATED_UNTIL: &str = "\
    SELECT CASE \
        WHEN NOT pg_is_in_recovery() THEN now() \
        WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() \
            AND EXISTS (SELECT FROM pg_stat_wal_receiver) THEN now() \
        ELSE coalesce(pg_last_xact_replay_timestamp(), to_timestamp(0)) \
    END";
