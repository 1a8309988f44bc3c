//! A pool, and the calls on it.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;

use tokio_postgres::Client;

use super::commit::Witness;
use super::config::Config;
use super::connection::Connection;
use super::manager::Manager;
use crate::azure::database::{Driver, Holds, Loan, Server, Settings};
use crate::circuit_breaker::CircuitBreaker;
use crate::error::{Error, InvalidConfig};
use crate::replay::{Safety, Verified};
use crate::sync::Mutex;
use crate::telemetry::{Environment, Level, Measure};

/// Connections to the primary of a PostgreSQL database, and to its replicas.
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
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) driver: Driver,
    pub(super) primary: Server<Manager>,
    pub(super) replica: Option<Server<Manager>>,
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
    /// A replica may be behind: see [`recovery_point`](Self::recovery_point).
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

    /// From now on, no connection that is open is used for another call. They are closed when they
    /// are idle.
    pub fn purge(&self) {
        self.shared.primary.purge();
        if let Some(replica) = &self.shared.replica {
            replica.purge();
        }
    }

    /// The breaker of the primary, if there is one.
    #[must_use]
    pub fn circuit_breaker(&self) -> Option<&CircuitBreaker> {
        self.shared.primary.breaker()
    }

    /// The name that it was given.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.shared.driver.name()
    }

    /// How many connections to the primary there are, or are being made.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.shared.primary.places()
    }
}

/// The levels of its breakers and its budget, and how many places there are.
impl Measure for PgPool {
    fn measure(&self, sink: &mut dyn FnMut(Level)) {
        let Shared { driver, primary, replica } = &*self.shared;
        if let Some(budget) = driver.budget() {
            budget.measure(sink);
        }
        for server in replica.iter().chain([primary]) {
            if let Some(breaker) = server.breaker() {
                breaker.measure(sink);
            }
            let places = f64::from(server.places());
            sink(Level::gauge("database", server.name(), "connections", places));
        }
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
