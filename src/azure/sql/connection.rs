//! A connection that knows whether it may be used again.

use std::fmt;
use std::ops::{Deref, DerefMut};

use futures_util::TryStreamExt;
use tiberius::error::Error;
use tiberius::{Client, ExecuteResult, QueryItem, QueryStream, ToSql};
use tokio::net::TcpStream;
use tokio_util::compat::Compat;

use super::commit::Witness;
use super::judge;

/// The client of tiberius that a [`Connection`] is made of.
pub type RawClient = Client<Compat<TcpStream>>;

/// An open connection to Azure SQL.
///
/// A client of tiberius is left out of step with its server when one of its futures is dropped: its
/// next command would wait for an answer that is not its own, for ever. This one marks itself
/// broken before each command and takes that back when the command has ended. After a dropped one,
/// every further command fails at once, and no pool takes the connection back.
///
/// A transaction that the server has rolled back for another one's sake (1205, 3960) is over,
/// whether the operation returns that error or not: its further commands and its commit fail with
/// it, or each of them would be a transaction of its own. What is done through [`raw`](Self::raw)
/// is not watched, and after `SET XACT_ABORT ON` any error ends the transaction: there, return it.
///
/// # Example
///
/// ```no_run
/// use seawall::azure::sql::Connection;
///
/// async fn names(connection: &mut Connection) -> Result<Vec<String>, tiberius::error::Error> {
///     let rows = connection.query("SELECT name FROM customers WHERE city = @P1", &[&"Lyon"]).await?;
///     rows.iter().map(|row| Ok(row.try_get::<&str, _>(0)?.unwrap_or_default().into())).collect()
/// }
/// ```
pub struct Connection {
    client: RawClient,
    state: State,
    /// Who is told which transaction is about to be committed.
    pub(super) witness: Option<Witness>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Idle,
    /// A command runs, or was dropped.
    Busy,
    /// An error has ended it.
    Gone,
}

#[derive(Clone, Debug)]
struct State {
    phase: Phase,
    /// The pool has begun a transaction, and not ended it.
    in_transaction: bool,
    /// What the server has rolled that transaction back for.
    doomed: Option<Error>,
}

impl State {
    const IDLE: Self = Self { phase: Phase::Idle, in_transaction: false, doomed: None };

    /// A command begins: marks the connection broken, until [`end`](Self::end).
    fn begin(&mut self) -> Result<(), Error> {
        if self.phase != Phase::Idle {
            return Err(Error::Protocol(
                "the connection is broken: an earlier command was dropped or has failed".into(),
            ));
        }
        if let Some(error) = &self.doomed {
            return Err(error.clone());
        }
        self.phase = Phase::Busy;
        Ok(())
    }

    /// A command has ended.
    fn end(&mut self, error: Option<&Error>) {
        self.phase = error.map_or(Phase::Idle, after);
        if let Some(error @ Error::Server(server)) = error {
            self.failed(server.code(), error);
        }
    }

    fn failed(&mut self, number: u32, error: &Error) {
        if self.in_transaction && judge::ends_the_transaction(number) {
            self.doomed = Some(error.clone());
        }
    }
}

impl Connection {
    pub(super) const fn new(client: RawClient) -> Self {
        Self { client, state: State::IDLE, witness: None }
    }

    /// Whether it can not be used again.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::azure::sql::Connection;
    ///
    /// fn is_fit(connection: &Connection) -> bool {
    ///     !connection.is_broken()
    /// }
    /// # let _ = is_fit;
    /// ```
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.state.phase != Phase::Idle
    }

    /// The rows of a query, those of its first result, with parameters `@P1` and so on.
    ///
    /// # Errors
    ///
    /// What the server says, or what broke the connection.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future breaks the connection, and does not end the command at the server before
    /// the connection is closed.
    ///
    /// # Example
    ///
    /// See [`Connection`].
    pub async fn query(
        &mut self,
        sql: &str,
        parameters: &[&dyn ToSql],
    ) -> Result<Vec<tiberius::Row>, Error> {
        self.enter()?;
        let answer = match self.client.query(sql, parameters).await {
            Ok(stream) => stream.into_first_result().await,
            Err(error) => Err(error),
        };
        self.exit(answer)
    }

    /// All results of a batch without parameters.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    ///
    /// # Cancel safety
    ///
    /// As [`query`](Self::query).
    ///
    /// # Example
    ///
    /// ```no_run
    /// use seawall::azure::sql::Connection;
    ///
    /// async fn isolate(connection: &mut Connection) -> Result<(), tiberius::error::Error> {
    ///     connection.simple_query("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE").await?;
    ///     Ok(())
    /// }
    /// ```
    pub async fn simple_query(&mut self, sql: &str) -> Result<Vec<Vec<tiberius::Row>>, Error> {
        self.enter()?;
        let answer = match self.client.simple_query(sql).await {
            Ok(stream) => stream.into_results().await,
            Err(error) => Err(error),
        };
        self.exit(answer)
    }

    /// Executes a statement, with parameters `@P1` and so on, and counts the rows that it changed.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    ///
    /// # Cancel safety
    ///
    /// As [`query`](Self::query).
    ///
    /// # Example
    ///
    /// ```no_run
    /// use seawall::azure::sql::Connection;
    ///
    /// async fn delete(connection: &mut Connection, id: i32) -> Result<u64, tiberius::error::Error> {
    ///     Ok(connection.execute("DELETE FROM carts WHERE id = @P1", &[&id]).await?.total())
    /// }
    /// ```
    pub async fn execute(
        &mut self,
        sql: &str,
        parameters: &[&dyn ToSql],
    ) -> Result<ExecuteResult, Error> {
        self.enter()?;
        let answer = self.client.execute(sql, parameters).await;
        self.exit(answer)
    }

    /// The rows of a query one by one, for results that are larger than memory should be.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    ///
    /// # Cancel safety
    ///
    /// The connection stays broken unless all rows are read.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use seawall::azure::sql::Connection;
    ///
    /// async fn count(connection: &mut Connection) -> Result<u64, tiberius::error::Error> {
    ///     let mut rows = connection.stream("SELECT id FROM events", &[]).await?;
    ///     let mut count = 0;
    ///     while rows.next().await?.is_some() {
    ///         count += 1;
    ///     }
    ///     Ok(count)
    /// }
    /// ```
    pub async fn stream<'a>(
        &'a mut self,
        sql: &str,
        parameters: &[&dyn ToSql],
    ) -> Result<Rows<'a>, Error> {
        self.enter()?;
        let state = &mut self.state;
        match self.client.query(sql, parameters).await {
            Ok(stream) => Ok(Rows { stream, state }),
            Err(error) => {
                state.end(Some(&error));
                Err(error)
            }
        }
    }

    /// The client itself, for what this type has no method for (bulk inserts, savepoints).
    ///
    /// The connection stays broken unless [`Raw::finish`] is called.
    ///
    /// # Errors
    ///
    /// When the connection is broken already.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use seawall::azure::sql::Connection;
    ///
    /// async fn fill(connection: &mut Connection) -> Result<(), tiberius::error::Error> {
    ///     let mut raw = connection.raw()?;
    ///     let load = raw.bulk_insert("numbers").await?;
    ///     load.finalize().await?;
    ///     raw.finish();
    ///     Ok(())
    /// }
    /// ```
    pub fn raw(&mut self) -> Result<Raw<'_>, Error> {
        self.enter()?;
        Ok(Raw { connection: self })
    }

    pub(super) async fn begin(&mut self) -> Result<(), Error> {
        self.enter()?;
        let answer = self.client.begin_transaction().await;
        self.state.in_transaction = answer.is_ok();
        self.exit(answer)
    }

    pub(super) async fn commit(&mut self) -> Result<(), Error> {
        self.enter()?;
        let answer = self.client.commit_transaction().await;
        self.state.in_transaction = false;
        self.exit(answer)
    }

    /// A deadlock has rolled it back already, and then there is none.
    pub(super) async fn rollback(&mut self) -> Result<(), Error> {
        self.state.in_transaction = false;
        self.state.doomed = None;
        self.simple_query("IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION").await.map(drop)
    }

    /// Marks the connection broken, until [`exit`](Self::exit).
    fn enter(&mut self) -> Result<(), Error> {
        self.state.begin()
    }

    fn exit<T>(&mut self, answer: Result<T, Error>) -> Result<T, Error> {
        self.state.end(answer.as_ref().err());
        answer
    }
}

fn after(error: &Error) -> Phase {
    match error {
        // The answer has been read to its end, if the server does not close the connection.
        Error::Server(_) if !judge::meaning(error).gone => Phase::Idle,
        _ => Phase::Gone,
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("state", &self.state.phase).finish_non_exhaustive()
    }
}

/// Rows that are read one by one, from [`Connection::stream`].
///
/// # Example
///
/// See [`Connection::stream`].
#[derive(Debug)]
pub struct Rows<'a> {
    stream: QueryStream<'a>,
    state: &'a mut State,
}

impl Rows<'_> {
    /// The next row, of whatever result, or `None` after the last.
    ///
    /// # Errors
    ///
    /// As [`Connection::query`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no row.
    pub async fn next(&mut self) -> Result<Option<tiberius::Row>, Error> {
        loop {
            match self.stream.try_next().await {
                Ok(Some(QueryItem::Row(row))) => return Ok(Some(row)),
                Ok(Some(QueryItem::Metadata(_))) => {}
                Ok(None) => {
                    if self.state.phase == Phase::Busy {
                        self.state.end(None);
                    }
                    return Ok(None);
                }
                Err(error) => {
                    self.state.end(Some(&error));
                    return Err(error);
                }
            }
        }
    }
}

/// The client of a [`Connection`], from [`Connection::raw`].
///
/// # Example
///
/// See [`Connection::raw`].
#[derive(Debug)]
#[must_use = "the connection stays broken until `finish`"]
pub struct Raw<'a> {
    connection: &'a mut Connection,
}

impl Raw<'_> {
    /// All that was begun has ended, and its answers have been read: the connection may be used
    /// again.
    pub fn finish(self) {
        self.connection.state.phase = Phase::Idle;
    }
}

impl Deref for Raw<'_> {
    type Target = RawClient;

    fn deref(&self) -> &RawClient {
        &self.connection.client
    }
}

impl DerefMut for Raw<'_> {
    fn deref_mut(&mut self) -> &mut RawClient {
        &mut self.connection.client
    }
}

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_that_lost_against_another_one_is_over_whatever_the_operation_makes_of_it() {
        for number in [1205, 3960, 41302] {
            let mut state = State { in_transaction: true, ..State::IDLE };
            state.begin().unwrap();
            state.end(None);
            // No error with a number can be made here, and which one it is does not matter.
            state.failed(number, &Error::Utf8);

            // As often as it tries, and without harm to the connection.
            for _ in 0..2 {
                assert_eq!(state.begin(), Err(Error::Utf8));
                assert_eq!(state.phase, Phase::Idle);
            }
        }
    }

    #[test]
    fn other_errors_and_those_outside_of_a_transaction_end_their_statement_only() {
        for (number, in_transaction) in [(1205, false), (1222, true), (2627, true)] {
            let mut state = State { in_transaction, ..State::IDLE };
            state.begin().unwrap();
            assert!(state.begin().is_err(), "busy");
            state.end(None);
            state.failed(number, &Error::Utf8);

            assert_eq!(state.begin(), Ok(()), "{number}");
        }
    }
}
