//! Azure SQL over tiberius: failovers, throttling and deadlocks, each handled in its own way.
//!
//! # Example
//!
//! ```no_run
//! use seawall::azure::sql::{FailoverGroup, SqlPool};
//! use seawall::error::BoxError;
//! use seawall::replay::{Safety, Verified};
//! use tiberius::{AuthMethod, Config};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let mut config = Config::new();
//! config.database("shop");
//! config.authentication(AuthMethod::sql_server("app", std::env::var("SQL_PASSWORD")?));
//! let pool = SqlPool::builder(config)
//!     .name("shop")
//!     .failover_group(&FailoverGroup::new("shop-group")?)
//!     .build()?;
//!
//! // From the secondary, and from the primary when that can not answer.
//! let carts = pool
//!     .read(|mut sql| async move { sql.query("SELECT id FROM carts", &[]).await })
//!     .await?;
//!
//! // One statement that may be executed twice.
//! pool.run(Safety::Idempotent, |mut sql| async move {
//!     sql.execute("UPDATE carts SET open = 0 WHERE id = @P1", &[&7]).await
//! })
//! .await?;
//!
//! // A transaction, made again as a whole. Its row tells whether a commit that was lost was
//! // executed.
//! let order = 4711_i64;
//! pool.transaction(
//!     |mut sql| async move {
//!         sql.execute("INSERT INTO orders (id) VALUES (@P1)", &[&order]).await?;
//!         sql.execute("DELETE FROM carts WHERE id = @P1", &[&7]).await.map(drop)
//!     },
//!     |mut sql| async move {
//!         let found = sql.query("SELECT 1 FROM orders WHERE id = @P1", &[&order]).await?;
//!         Ok(if found.is_empty() { Verified::NotExecuted } else { Verified::Executed(()) })
//!     },
//! )
//! .await?;
//! # let _ = carts;
//! # Ok(())
//! # }
//! ```
//!
//! # When to use it
//!
//! For every database of Azure SQL: single, elastic pool, Hyperscale, managed instance. Switch no
//! other retry on around it: attempts multiply.
//!
//! # How it decides
//!
//! By the error's number, through one [table](rows()): the manual's page
//! [`azure_sql`](crate::manual::azure_sql) prints it. What is done is told by
//! [`Handling`](super::database::Handling).
//!
//! | call | is made again |
//! |---|---|
//! | [`read`](SqlPool::read) | on the primary at once, then on both after the backoff |
//! | [`run`](SqlPool::run), idempotent or keyed | after whatever passes |
//! | [`run`](SqlPool::run), unsafe | only if no connection could be had; what was refused comes back as it is, what may have been executed as [ambiguous](crate::Error::Ambiguous) |
//! | [`transaction`](SqlPool::transaction) | after whatever passes before the commit; after a commit that was lost, as the hook decides |
//!
//! # Where it stands
//!
//! tiberius reads and writes the protocol; bb8 counts the places. Both are set up so that nothing
//! is repeated below this pool.
//!
//! - *Connections* live for 5 minutes at most, are asked before they are used after half a minute's
//!   rest, and are given up together after three losses of one kind or after an answer of a wrong
//!   replica. Names are resolved for each anew.
//! - *Dropped calls* close their connection and free their place: see [`Connection`].
//! - *TLS* is tiberius' own: switch one of its features on (`rustls`, `native-tls`), for Azure
//!   refuses what is not encrypted.
//! - *Sessions* are not reset between calls, but for what a failed one has left open, which is
//!   rolled back: an operation leaves no transaction open, no temporary
//!   table and no changed setting behind, or it does all of that in a
//!   [`transaction`](SqlPool::transaction)'s scope.
//!
//! # Telemetry
//!
//! Events of pattern `database` (`Retry`, `RetriesExhausted`, `BudgetExhausted`, `Ambiguous`) and
//! those of the breakers; levels of the breakers, the budget and the places. [`SqlPool::health`]
//! brings checks for a registry.
//!
//! # Cost
//!
//! On top of the round trip: bb8's lock twice, a channel for the connection's way back, and a
//! permit of the breaker.

mod commit;
mod config;
mod connection;
mod failover_group;
mod health;
mod judge;
mod manager;
mod numbers;
#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests;

use commit::Witness;
pub use config::Config;
pub use connection::{Connection, Raw, RawClient, Rows};
pub use failover_group::FailoverGroup;
pub use judge::{ByNumber, handling_of, inner_code};
pub use manager::Manager;
pub use numbers::{Row, handling, rows};

use std::future::Future;

use super::database::{Driver, Holds, Loan, Server, Settings};
use crate::circuit_breaker::CircuitBreaker;
use crate::error::{Error, InvalidConfig};
use crate::replay::{Safety, Verified};
use crate::sync::{Arc, Mutex};
use crate::telemetry::{Environment, Level, Measure};

/// Connections to one database of Azure SQL, and how its calls are made.
///
/// A handle: clones are the same pool. See the [module](self) for what it does and an example.
///
/// An operation gets its [`Connection`] as a [`Loan`]. It may end in any error that
/// [holds](Holds) tiberius' own.
#[derive(Clone, Debug)]
pub struct SqlPool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    driver: Driver,
    primary: Server<Manager>,
    secondary: Option<Server<Manager>>,
}

impl SqlPool {
    /// Starts from the settings of a connection.
    pub fn builder(config: tiberius::Config) -> Config {
        Config::new(config)
    }

    fn new(
        name: &str,
        primary: Manager,
        secondary: Option<Manager>,
        settings: &Settings,
        environment: &Environment,
    ) -> Result<Self, InvalidConfig> {
        let driver = Driver::new(name, settings, environment)?;
        let clock = driver.clock();
        let primary = driver.server(name, primary.clock(clock))?;
        let secondary = secondary
            .map(|secondary| driver.server(&format!("{name}.secondary"), secondary.clock(clock)))
            .transpose()?;
        Ok(Self { shared: Arc::new(Shared { driver, primary, secondary }) })
    }

    /// Runs `operation` on the primary.
    ///
    /// `safety` says whether it may be executed twice. One that may not is made again only while it
    /// was not begun. Operations that change several things belong into a
    /// [`transaction`](Self::transaction).
    ///
    /// # Errors
    ///
    /// The last error of `operation` or of connecting, as [`Error::Ambiguous`] if what is not safe
    /// to repeat may have been executed; or a rejection.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the operation's connection and frees its place.
    ///
    /// # Example
    ///
    /// See the [module](self).
    pub async fn run<T, E, F>(
        &self,
        safety: Safety,
        operation: impl FnMut(Loan<Connection>) -> F,
    ) -> Result<T, Error<E>>
    where
        E: Holds<tiberius::error::Error>,
        F: Future<Output = Result<T, E>>,
    {
        let Shared { driver, primary, .. } = &*self.shared;
        driver.run([primary], safety, operation).await
    }

    /// Runs an `operation` that only reads: on the secondary, if there is one, and where that can
    /// not answer at once on the primary.
    ///
    /// What a secondary answers may be some seconds old.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), and never ambiguous.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run).
    ///
    /// # Example
    ///
    /// See the [module](self).
    pub async fn read<T, E, F>(
        &self,
        operation: impl FnMut(Loan<Connection>) -> F,
    ) -> Result<T, Error<E>>
    where
        E: Holds<tiberius::error::Error>,
        F: Future<Output = Result<T, E>>,
    {
        let Shared { driver, .. } = &*self.shared;
        let servers: Vec<_> = self.servers().collect();
        driver.run(servers, Safety::Idempotent, operation).await
    }

    /// Runs `operation` in a transaction on the primary, and as a whole again.
    ///
    /// A commit whose answer is lost may have been executed. Then `verify` looks, on a connection
    /// of its own: by a row that the transaction has written under a key of the caller's. What it
    /// finds is the call's answer; where it finds nothing, not before the first backoff has passed,
    /// the transaction is made again. A server that is still at that commit is waited for first, for
    /// half of the time that is left and 30 s at most; if it stays at it, the call is ambiguous. To
    /// answer [`Verified::NotExecuted`] in any case says that the
    /// transaction may be executed twice.
    ///
    /// # Errors
    ///
    /// The last error of `operation`, of connecting or of the commit. [`Error::Ambiguous`] if
    /// nobody knows whether the commit was executed. When `operation` keeps its connection, nothing
    /// is committed, and the call ends as timed out.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection, and the server rolls the transaction back unless
    /// the commit was on its way.
    ///
    /// # Cost
    ///
    /// A round trip more than the operation's, the beginning and the commit: for a lock of the
    /// application's (`sp_getapplock`) that tells whether the commit is over.
    ///
    /// # Example
    ///
    /// See the [module](self).
    pub async fn transaction<T, E, F, V>(
        &self,
        mut operation: impl FnMut(Loan<Connection>) -> F,
        verify: impl FnMut(Loan<Connection>) -> V,
    ) -> Result<T, Error<E>>
    where
        E: Holds<tiberius::error::Error>,
        F: Future<Output = Result<T, E>>,
        V: Future<Output = Result<Verified<T>, E>>,
    {
        let Shared { driver, primary, .. } = &*self.shared;
        let witness = Witness::default();
        let operation = |mut connection: Loan<Connection>| {
            connection.witness = Some(witness.clone());
            operation(connection)
        };
        // Not begun before the wait is over, for its future is the caller's and may begin at once.
        let verify = Mutex::new(verify);
        let verify = |mut connection: Loan<Connection>| {
            let (witness, clock, verify) = (&witness, driver.clock(), &verify);
            async move {
                if !witness.ended(&mut connection, clock).await? {
                    return Ok(Verified::Unknown);
                }
                let look = (verify.lock())(connection);
                look.await
            }
        };
        driver.transaction(primary, operation, verify).await
    }

    /// Uses no connection again that is open now: after a failover that somebody has announced.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::azure::sql::SqlPool;
    ///
    /// let pool = SqlPool::builder(tiberius::Config::new()).build()?;
    /// pool.purge();
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    pub fn purge(&self) {
        self.servers().for_each(Server::purge);
    }

    /// The primary's breaker, unless there is none.
    #[must_use]
    pub fn circuit_breaker(&self) -> Option<&CircuitBreaker> {
        self.shared.primary.breaker()
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.shared.driver.name()
    }

    /// The secondary first, if there is one.
    fn servers(&self) -> impl Iterator<Item = &Server<Manager>> {
        self.shared.secondary.iter().chain([&self.shared.primary])
    }
}

/// The levels of its breakers and its budget, and how many places there are.
impl Measure for SqlPool {
    fn measure(&self, sink: &mut dyn FnMut(Level)) {
        if let Some(budget) = self.shared.driver.budget() {
            budget.measure(sink);
        }
        for server in self.servers() {
            if let Some(breaker) = server.breaker() {
                breaker.measure(sink);
            }
            let places = f64::from(server.places());
            sink(Level::gauge("database", server.name(), "connections", places));
        }
    }
}
