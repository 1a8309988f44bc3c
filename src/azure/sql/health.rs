//! How well the database is.

use std::time::{Duration, SystemTime};

use super::{Connection, Manager, SqlPool};
use crate::azure::database::{Loan, Server};
use crate::context::Context;
use crate::error::{BoxError, Error};
use crate::health::{Check, Finding, RecoveryPoint};
use crate::replay::Safety;

impl SqlPool {
    /// Checks for a [`Registry`](crate::health::Registry): of the primary, and of the secondary if
    /// there is one, which degrades only.
    ///
    /// Each takes a place, asks the server whether it can be written to, and is down when that is
    /// not answered within 4 s. A primary that is read-only is degraded. Nothing is repeated.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::azure::sql::SqlPool;
    ///
    /// let pool = SqlPool::builder(tiberius::Config::new()).name("orders").build()?;
    /// assert_eq!(pool.health().len(), 1);
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn health(&self) -> Vec<Check> {
        let primary = self.clone();
        let mut checks = vec![Check::new(self.name(), move || {
            let pool = primary.clone();
            async move {
                match pool.is_writable(&pool.shared.primary).await {
                    Ok(true) => Finding::healthy(),
                    Ok(false) => {
                        Finding::degraded("the primary's name leads to a read-only replica")
                    }
                    Err(error) => Finding::down(error),
                }
            }
        })];
        if let Some(secondary) = &self.shared.secondary {
            let pool = self.clone();
            let check = Check::new(secondary.name(), move || {
                let pool = pool.clone();
                async move {
                    let Some(secondary) = &pool.shared.secondary else {
                        return Finding::healthy();
                    };
                    pool.is_writable(secondary).await.map(drop).into()
                }
            });
            checks.push(check.degraded_only());
        }
        checks
    }

    /// How far the furthest secondary is behind: `None` where there is no geo-replication.
    ///
    /// Read from `sys.dm_geo_replication_link_status` on the primary, for which the login needs
    /// `VIEW DATABASE STATE`.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    ///
    /// # Example
    ///
    /// ```no_run
    /// # async fn example(pool: seawall::azure::sql::SqlPool) -> Result<(), Box<dyn std::error::Error>> {
    /// if let Some(lag) = pool.replication_lag().await? {
    ///     println!("the secondary is {lag:?} behind");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn replication_lag(&self) -> Result<Option<Duration>, Error<tiberius::error::Error>> {
        self.run(Safety::Idempotent, |mut sql: Loan<Connection>| async move {
            let rows = sql.simple_query(LAG).await?;
            let Some(row) = rows.first().and_then(|rows| rows.first()) else { return Ok(None) };
            let seconds: Option<i32> = row.try_get(0)?;
            // Below zero by the difference of two clocks.
            Ok(seconds.map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0))))
        })
        .await
    }

    /// A check of the secondary's lag against an objective: see [`Check::recovery_point`].
    ///
    /// Down where there is no geo-replication.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use seawall::azure::sql::SqlPool;
    ///
    /// let pool = SqlPool::builder(tiberius::Config::new()).name("orders").build()?;
    /// let check = pool.recovery_point(Duration::from_secs(5 * 60));
    /// # let _ = check;
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    pub fn recovery_point(&self, objective: impl Into<RecoveryPoint>) -> Check {
        let pool = self.clone();
        Check::recovery_point(format!("{}.lag", self.name()), objective, move || {
            let pool = pool.clone();
            async move {
                let clock = pool.shared.driver.clock();
                let context = Context::new().deadline(clock.now() + PATIENCE);
                match context.scope(pool.replication_lag()).await? {
                    // What lies before the start of time is as old as can be.
                    Some(lag) => {
                        Ok(SystemTime::now().checked_sub(lag).unwrap_or(SystemTime::UNIX_EPOCH))
                    }
                    None => Err(BoxError::from("the database has no geo-replication")),
                }
            }
        })
    }

    async fn is_writable(
        &self,
        server: &Server<Manager>,
    ) -> Result<bool, Error<tiberius::error::Error>> {
        let driver = &self.shared.driver;
        let call =
            driver.run([server], Safety::Idempotent, |mut sql: Loan<Connection>| async move {
                let rows = sql.simple_query(UPDATEABILITY).await?;
                let row = rows.first().and_then(|rows| rows.first());
                let answer = row.map(|row| row.try_get::<&str, _>(0)).transpose()?.flatten();
                Ok(answer.is_none_or(|answer| !answer.eq_ignore_ascii_case("READ_ONLY")))
            });
        // Shorter than the first backoff: a check repeats nothing.
        Context::new().deadline(driver.clock().now() + PATIENCE).scope(call).await
    }
}

/// Below the timeout that checks have by default, so that the real error is seen.
const PATIENCE: Duration = Duration::from_secs(4);

const UPDATEABILITY: &str =
    "SELECT CONVERT(nvarchar(60), DATABASEPROPERTYEX(DB_NAME(), 'Updateability'))";

const LAG: &str = "SELECT MAX(replication_lag_sec) FROM sys.dm_geo_replication_link_status";
