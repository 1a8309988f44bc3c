//! One attempt on one server: a connection, the operation on it, and what its end means.

use std::future::Future;
use std::time::Duration;

use crate::azure::database::place::{Birth, Place};
use crate::azure::database::{Database, Handling, Holds, Loan, Meaning, Server};
use crate::azure::until::until;
use crate::circuit_breaker::Permit;
use crate::context;
use crate::error::Rejection;
use crate::gate::Permit as _;
use crate::outcome::Outcome;
use crate::time::{Clock, Instant};

/// How long a rollback may take before its connection is closed instead, which rolls back, too.
const ROLLBACK_TIMEOUT: Duration = Duration::from_secs(5);

/// The same where most likely there is nothing to roll back, and the caller waits for an error of
/// his own. Behind a statement that he has given up it takes longer, and that is to be closed.
const CLEANUP_TIMEOUT: Duration = Duration::from_secs(1);

/// One attempt, before it is made.
pub(super) struct Attempt<'a, D>
where
    D: Database,
{
    pub(super) server: &'a Server<D>,
    pub(super) mode: Mode,
    pub(super) number: u32,
    /// When it is cut.
    pub(super) limit: Option<Instant>,
    pub(super) clock: &'a Clock,
}

/// How an attempt failed.
pub(super) enum Failure<E> {
    /// It did not reach the server.
    Rejected(Rejection),
    /// Its time was over.
    Cut {
        ran: Ran,
    },
    Failed {
        error: E,
        handling: Handling,
        ran: Ran,
    },
}

/// Whether what failed may have taken effect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ran {
    No,
    /// The statement was refused, and nobody here knows what the operation did before.
    Refused,
    Maybe,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mode {
    Plain,
    Transaction,
}

/// How far an attempt has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Outside,
    Connecting,
    Running,
    Committing,
}

/// How an attempt ended that was not cut from outside.
enum Ended<E> {
    Rejected(Rejection),
    /// The commit had no more time.
    Cut,
    /// The operation did not give the connection back, so there was nothing to commit.
    Kept,
    Failed {
        error: E,
        meaning: Option<Meaning>,
        /// No statement of the operation's is under way any more: its error tells all there is.
        is_settled: bool,
    },
}

impl<D> Attempt<'_, D>
where
    D: Database,
{
    /// Makes it, and tells the breaker and the pool how it ended.
    pub(super) async fn make<T, E, F>(
        self,
        operation: &mut impl FnMut(Loan<D::Connection>) -> F,
    ) -> Result<T, Failure<E>>
    where
        E: Holds<D::Error>,
        F: Future<Output = Result<T, E>>,
    {
        let Self { limit, clock, .. } = self;
        let mut stage = Stage::Outside;
        let mut permit = None;
        let mut context = context::capture(clock).attempt(self.number);
        if let Some(limit) = limit {
            context = context.deadline(limit);
        }
        // Boxed, or the call's own future would be large: it holds the driver's, which are.
        let steps = Box::pin(self.steps(&mut stage, &mut permit, operation));
        let ended = until(clock, limit, context.scope(steps)).await;
        self.conclude(permit, stage, ended)
    }

    async fn steps<T, E, F>(
        &self,
        stage: &mut Stage,
        permit: &mut Option<Permit>,
        operation: &mut impl FnMut(Loan<D::Connection>) -> F,
    ) -> Result<T, Ended<E>>
    where
        E: Holds<D::Error>,
        F: Future<Output = Result<T, E>>,
    {
        let Self { server, mode, limit, clock, .. } = *self;
        server.shut().map_or(Ok(()), |rejection| Err(Ended::Rejected(rejection)))?;
        let mut place = server.place().await.map_err(Ended::Rejected)?;
        *permit = server.enter().map_err(Ended::Rejected)?;
        *stage = Stage::Connecting;
        let (mut connection, birth) = server.open(&mut place).await.map_err(Ended::lost::<D>)?;
        if mode == Mode::Transaction {
            D::begin(&mut connection).await.map_err(Ended::lost::<D>)?;
        }
        *stage = Stage::Running;
        let (loan, mut back) = Loan::of(connection);
        let result = operation(loan).await;
        let mut back = back.try_recv().ok();
        if let (Mode::Transaction, Ok(_), Some(connection)) = (mode, &result, &mut back) {
            *stage = Stage::Committing;
            // Who looks afterwards must have time left, too.
            let now = clock.now();
            let end = limit.map(|limit| now + limit.since(now) / 2);
            let Some(commit) = until(clock, end, D::commit(connection)).await else {
                return Err(Ended::Cut);
            };
            if let Err(error) = commit {
                let meaning = Some(D::judge(&error));
                self.tidy(&mut place, back, birth, meaning, Some(self.rollback_end())).await;
                return Err(Ended::lost::<D>(error));
            }
        }
        let meaning = result.as_ref().err().and_then(|error| error.held().map(D::judge));
        // One that has failed may have left a transaction of its own open, in either mode.
        let cleanup = result.as_ref().err().map(|_| self.rollback_end());
        let was_kept = back.is_none();
        let is_settled = self.tidy(&mut place, back, birth, meaning, cleanup).await;
        match result {
            Ok(_) if mode == Mode::Transaction && was_kept => Err(Ended::Kept),
            result => result.map_err(|error| Ended::Failed { error, meaning, is_settled }),
        }
    }

    /// When a rollback that begins now must have ended: in any case before the attempt is cut, for
    /// its error is known already.
    fn rollback_end(&self) -> Instant {
        let timeout = match self.mode {
            Mode::Plain => CLEANUP_TIMEOUT,
            Mode::Transaction => ROLLBACK_TIMEOUT,
        };
        let end = self.clock.now() + timeout;
        self.limit.map_or(end, |limit| limit.min(end))
    }

    /// Gives the connection back, if it can be used again. False if a statement may be under way on
    /// it: the operation has given one up, and may have ended in an error of its own for that.
    async fn tidy(
        &self,
        place: &mut Place<D::Connection>,
        connection: Option<D::Connection>,
        birth: Birth,
        meaning: Option<Meaning>,
        rolled_back_by: Option<Instant>,
    ) -> bool {
        let Some(mut connection) = connection else { return false };
        if D::is_broken(&connection) {
            return false;
        }
        let is_spent = meaning.is_some_and(|meaning| {
            meaning.gone
                || matches!(
                    meaning.handling,
                    Handling::Reconnect | Handling::WrongReplica | Handling::Primary
                )
        });
        if is_spent {
            return true;
        }
        if rolled_back_by.is_some() {
            let rollback = D::rollback(&mut connection);
            let Some(Ok(())) = until(self.clock, rolled_back_by, rollback).await else {
                return false;
            };
        }
        self.server.give_back(place, connection, birth);
        true
    }

    /// Tells the breaker and the pool how the attempt ended, and says what it means for the call.
    fn conclude<T, E>(
        &self,
        permit: Option<Permit>,
        stage: Stage,
        ended: Option<Result<T, Ended<E>>>,
    ) -> Result<T, Failure<E>> {
        let Self { server, mode, .. } = *self;
        let complete = |outcome| {
            if let Some(permit) = permit {
                permit.complete(outcome);
            }
        };
        match ended {
            None | Some(Err(Ended::Cut)) => {
                complete(Outcome::Transient);
                Err(Failure::Cut { ran: stage.cut(mode) })
            }
            Some(Ok(value)) => {
                server.worked();
                complete(Outcome::Success);
                Ok(value)
            }
            Some(Err(Ended::Rejected(rejection))) => {
                complete(Outcome::Neutral);
                Err(Failure::Rejected(rejection))
            }
            Some(Err(Ended::Kept)) => {
                complete(Outcome::Neutral);
                Err(Failure::Cut { ran: Ran::No })
            }
            Some(Err(Ended::Failed { error, meaning: None, is_settled })) => {
                // The operation's own reason, which says nothing of the server.
                complete(Outcome::Neutral);
                // A transaction ends with its connection.
                let is_undone = is_settled || mode == Mode::Transaction;
                let ran = if is_undone { Ran::No } else { Ran::Maybe };
                Err(Failure::Failed { error, handling: Handling::Never, ran })
            }
            Some(Err(Ended::Failed { error, meaning: Some(meaning), is_settled })) => {
                match meaning.handling {
                    Handling::Reconnect => server.lost(meaning.kind),
                    Handling::WrongReplica => server.purge(),
                    _ => {}
                }
                complete(meaning.handling.outcome());
                let ran = stage.failed(mode, meaning, is_settled);
                Err(Failure::Failed { error, handling: meaning.handling, ran })
            }
        }
    }
}

impl Stage {
    /// What has run of an attempt that was cut.
    const fn cut(self, mode: Mode) -> Ran {
        match (mode, self) {
            (_, Self::Outside | Self::Connecting) | (Mode::Transaction, Self::Running) => Ran::No,
            (Mode::Plain, Self::Running) | (_, Self::Committing) => Ran::Maybe,
        }
    }

    /// What has run of an attempt that failed with an error of the database's.
    const fn failed(self, mode: Mode, meaning: Meaning, is_settled: bool) -> Ran {
        // What the server has decided against is not executed; of the rest nobody knows.
        let is_decided = !meaning.gone
            && matches!(
                meaning.handling,
                Handling::Never | Handling::Rerun | Handling::WrongReplica
            );
        match (mode, self) {
            (Mode::Plain, Self::Running) if is_settled && !meaning.gone => Ran::Refused,
            (_, Self::Committing) if is_decided => Ran::No,
            _ => self.cut(mode),
        }
    }
}

impl<E> Ended<E> {
    /// An error of connecting, beginning or committing.
    fn lost<D>(error: D::Error) -> Self
    where
        D: Database,
        E: From<D::Error>,
    {
        let meaning = Some(D::judge(&error));
        Self::Failed { error: E::from(error), meaning, is_settled: true }
    }
}

impl<E> Failure<E> {
    /// Whether another server may do better, right now.
    pub(super) fn is_of_the_server(&self) -> bool {
        match self {
            Self::Rejected(_) | Self::Cut { .. } => true,
            Self::Failed { handling, .. } => {
                handling.is_transient() && !matches!(handling, Handling::Rerun)
            }
        }
    }
}
