//! How well the database is, and how far its replicas are behind.

use std::time::{Duration, SystemTime};

use tokio_postgres::Client;

use super::connection::Connection;
use super::manager::Manager;
use super::pool::PgPool;
use crate::azure::database::{Loan, Server};
use crate::context::Context;
use crate::error::Error;
use crate::health::{Check, Finding, RecoveryPoint};
use crate::replay::Safety;

impl PgPool {
    /// Checks for a [`Registry`](crate::health::Registry): of the primary, and of the replicas if
    /// reads go there, which degrades only.
    ///
    /// Each takes a place, asks the server whether it can be written to, and is down when that is
    /// not answered within 4 s. A primary that is read-only is down, and its connections are given
    /// up.
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
        let pool = self.clone();
        let mut checks = vec![Check::new(self.name(), move || {
            let pool = pool.clone();
            async move {
                let primary = &pool.shared.primary;
                match pool.is_writable(primary).await {
                    Ok(true) => Finding::healthy(),
                    Ok(false) => {
                        primary.purge();
                        Finding::down("it takes no writes")
                    }
                    Err(error) => Finding::down(error),
                }
            }
        })];
        if let Some(replica) = &self.shared.replica {
            let pool = self.clone();
            let check = Check::new(replica.name(), move || {
                let pool = pool.clone();
                async move {
                    let Some(replica) = &pool.shared.replica else { return Finding::healthy() };
                    pool.is_writable(replica).await.map(drop).into()
                }
            });
            checks.push(check.degraded_only());
        }
        checks
    }

    /// Up to when a replica has what was committed: what [`read`](Self::read) finds is that old.
    ///
    /// It is now if the answer came from the primary, or from a replica that has replayed all that
    /// it received and is still receiving.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    ///
    /// # Example
    ///
    /// ```no_run
    /// # async fn example(pool: seawall::azure::postgres::PgPool) -> Result<(), Box<dyn std::error::Error>> {
    /// println!("reads are {:?} old", pool.replicated_until().await?.elapsed()?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn replicated_until(&self) -> Result<SystemTime, Error<tokio_postgres::Error>> {
        self.read(|client| async move { client.query_one(REPLICATED_UNTIL, &[]).await?.try_get(0) })
            .await
    }

    /// A check of the replicas' age against an objective: see [`Check::recovery_point`].
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use seawall::azure::postgres::PgPool;
    ///
    /// let pool = PgPool::builder("host=a,b user=orders".parse()?).name("orders").build()?;
    /// let check = pool.recovery_point(Duration::from_secs(60));
    /// # let _ = check;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recovery_point(&self, objective: impl Into<RecoveryPoint>) -> Check {
        let pool = self.clone();
        Check::recovery_point(format!("{}.lag", self.name()), objective, move || {
            let pool = pool.clone();
            async move { pool.patience().scope(pool.replicated_until()).await }
        })
    }

    async fn is_writable(
        &self,
        server: &Server<Manager>,
    ) -> Result<bool, Error<tokio_postgres::Error>> {
        let ask = |client: Loan<Connection>| async move {
            let client: &Client = &client;
            let row = client.query_one("SHOW transaction_read_only", &[]).await?;
            Ok(row.try_get::<_, &str>(0)? == "off")
        };
        self.patience().scope(self.shared.driver.run([server], Safety::Idempotent, ask)).await
    }

    fn patience(&self) -> Context {
        Context::new().deadline(self.shared.driver.clock().now() + PATIENCE)
    }
}

/// The last commit that a standby has replayed says nothing while nothing is committed.
const REPLICATED_UNTIL: &str = "\
    SELECT CASE \
        WHEN NOT pg_is_in_recovery() THEN now() \
        WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() \
            AND EXISTS (SELECT FROM pg_stat_wal_receiver) THEN now() \
        ELSE coalesce(pg_last_xact_replay_timestamp(), to_timestamp(0)) \
    END";

/// Less than a run of a check may take, so that its finding has the real error.
const PATIENCE: Duration = Duration::from_secs(4);
