//! Commits, of which somebody knows when they have ended.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::{Client, Error, SimpleQueryMessage};

use super::connection::Connection;
use crate::azure::until::until;
use crate::sync::Mutex;
use crate::time::Clock;

/// Knows the transaction that was to be committed last.
///
/// When the wire is cut at a commit, the server may still be at it, for as long as a standby takes
/// to confirm it. Who looks meanwhile finds nothing, and would be wrong to begin again.
#[derive(Clone, Debug, Default)]
pub(super) struct Witness(Arc<Mutex<Option<Transaction>>>);

/// One transaction of one session.
#[derive(Clone, Copy, Debug)]
struct Transaction {
    session: i32,
    /// In microseconds since 1970, by the server's clock.
    begun: i64,
}

impl Witness {
    /// Waits until that transaction has ended, one way or the other: false if it does not.
    pub(super) async fn ended(&self, client: &Client, clock: &Clock) -> Result<bool, Error> {
        let Some(Transaction { session, begun }) = *self.0.lock() else { return Ok(true) };
        let end = clock.now() + PATIENCE;
        let query = format!(
            "SELECT FROM pg_stat_activity WHERE pid = {session} AND {} = {begun}",
            micros("xact_start")
        );
        while rows(&client.simple_query(&query).await?).next().is_some() {
            if clock.now() >= end {
                return Ok(false);
            }
            until(clock, Some(clock.now() + POLL), pending::<()>()).await;
        }
        Ok(true)
    }
}

pub(super) async fn commit(connection: &mut Connection) -> Result<(), Error> {
    // This also fails if a statement of the transaction has failed and the operation has not said
    // so. The commit alone would then roll back without a word.
    let query = format!("SELECT pg_backend_pid(), {}", micros("now()"));
    let messages = connection.simple_query(&query).await?;
    if let Some(witness) = &connection.witness {
        let transaction = rows(&messages).next().and_then(|row| {
            let session = row.get(0)?.parse().ok()?;
            Some(Transaction { session, begun: row.get(1)?.parse().ok()? })
        });
        *witness.0.lock() = transaction;
    }
    connection.batch_execute("COMMIT").await
}

fn rows(messages: &[SimpleQueryMessage]) -> impl Iterator<Item = &tokio_postgres::SimpleQueryRow> {
    messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    })
}

fn micros(time: &str) -> String {
    format!("(extract(epoch FROM {time}) * 1000000)::bigint")
}

const POLL: Duration = Duration::from_millis(50);

/// A commit that takes longer waits for a standby that may never come.
const PATIENCE: Duration = Duration::from_secs(30);
