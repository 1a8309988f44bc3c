//! Makes calls, and makes them again.

use std::future::Future;
use std::time::Duration;

use super::pace::{Course, Decision};
use super::place::{Birth, Place};
use super::settings::Params;
use super::{Database, Handling, Holds, Loan, Meaning, Server, Settings};
use crate::azure::until::{sleep_until, until};
use crate::budget::Budget;
use crate::circuit_breaker::Permit;
use crate::context;
use crate::error::{Error, InvalidConfig, Reason, Reject, Rejection, intern};
use crate::gate::Permit as _;
use crate::outcome::Outcome;
use crate::replay::{Safety, Verified};
use crate::rng::Rng;
use crate::telemetry::{Emitter, Environment, EventKind};
use crate::time::{Clock, Instant};

/// Makes the calls of one database, to any of its servers.
#[derive(Debug)]
pub(crate) struct Driver {
    params: Params,
    budget: Option<Budget>,
    clock: Clock,
    rng: Rng,
    emitter: Emitter,
    environment: Environment,
}

/// One call, with what it has met so far.
struct Call<'a, E> {
    driver: &'a Driver,
    deadline: Option<Instant>,
    course: Course,
    /// It has begun: being turned away now runs nothing, and need not end it.
    is_begun: bool,
    /// The last real failure.
    last: Option<Error<E>>,
}

/// How an attempt failed.
enum Failure<E> {
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
enum Ran {
    No,
    /// The statement was refused, and nobody here knows what the operation did before.
    Refused,
    Maybe,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mode {
    Plain,
    Transaction,
}

impl Mode {
    /// When a rollback that begins now must have ended: in any case before the attempt is cut, for
    /// its error is known already.
    fn rollback_end(self, clock: &Clock, limit: Option<Instant>) -> Instant {
        let timeout = match self {
            Self::Plain => CLEANUP_TIMEOUT,
            Self::Transaction => ROLLBACK_TIMEOUT,
        };
        let end = clock.now() + timeout;
        limit.map_or(end, |limit| limit.min(end))
    }
}

/// How far an attempt has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Outside,
    Connecting,
    Running,
    Committing,
}

impl Driver {
    pub(crate) fn new(
        name: &str,
        settings: &Settings,
        environment: &Environment,
    ) -> Result<Self, InvalidConfig> {
        let params = settings.params()?;
        let budget = params
            .budget
            .as_ref()
            .map(|budget| budget.build_for(name, environment))
            .transpose()
            .map_err(|error| error.within("budget"))?;
        Ok(Self {
            params,
            budget,
            clock: environment.clock.clone(),
            rng: environment.rng.clone(),
            emitter: Emitter::new("database", intern(name), environment),
            environment: environment.clone(),
        })
    }

    /// A server of this database.
    pub(crate) fn server<D>(&self, name: &str, database: D) -> Result<Server<D>, InvalidConfig>
    where
        D: Database,
    {
        Server::new(name, database, &self.params, &self.environment)
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.emitter.name()
    }

    pub(crate) const fn budget(&self) -> Option<&Budget> {
        self.budget.as_ref()
    }

    pub(crate) const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Runs `operation` on the first of `servers` that can do it.
    ///
    /// What is not safe to repeat is made again only if the operation was not begun.
    pub(crate) async fn run<'s, D, T, E, F>(
        &self,
        servers: impl AsRef<[&'s Server<D>]>,
        safety: Safety,
        mut operation: impl FnMut(Loan<D::Connection>) -> F,
    ) -> Result<T, Error<E>>
    where
        D: Database,
        E: Holds<D::Error>,
        F: Future<Output = Result<T, E>>,
    {
        let mut call = Call::begin(self);
        loop {
            match call.attempt(servers.as_ref(), Mode::Plain, &mut operation).await {
                Ok(value) => return Ok(value),
                Err(failure) => call.follow(failure, safety.is_repeatable()).await?,
            }
        }
    }

    /// Runs `operation` in a transaction, and as a whole again.
    ///
    /// When nobody knows whether the commit was executed, `verify` looks, on a connection of its
    /// own.
    pub(crate) async fn transaction<D, T, E, F, V>(
        &self,
        server: &Server<D>,
        mut operation: impl FnMut(Loan<D::Connection>) -> F,
        mut verify: impl FnMut(Loan<D::Connection>) -> V,
    ) -> Result<T, Error<E>>
    where
        D: Database,
        E: Holds<D::Error>,
        F: Future<Output = Result<T, E>>,
        V: Future<Output = Result<Verified<T>, E>>,
    {
        let mut call = Call::begin(self);
        loop {
            let failure = match call.attempt(&[server], Mode::Transaction, &mut operation).await {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            let error = match failure {
                Failure::Failed { error, ran: Ran::Maybe, .. } => Error::Service(error),
                Failure::Cut { ran: Ran::Maybe } => call.timed_out(),
                failure => {
                    call.follow(failure, false).await?;
                    continue;
                }
            };
            match call.verify(server, &mut verify).await {
                Verified::Executed(value) => return Ok(value),
                // The server has just answered: nothing is to be waited for.
                Verified::NotExecuted => call.wait(error, Handling::Rerun).await?,
                Verified::Unknown => return Err(self.ambiguous(error)),
            }
        }
    }

    fn ambiguous<E>(&self, error: Error<E>) -> Error<E> {
        self.emitter.emit(EventKind::Ambiguous);
        error.ambiguous()
    }
}

impl<'a, E> Call<'a, E> {
    fn begin(driver: &'a Driver) -> Self {
        let clock = &driver.clock;
        let own = driver.params.total_timeout.map(|timeout| clock.now() + timeout);
        let deadline = match (own, context::deadline(clock)) {
            (Some(own), Some(outer)) => Some(own.min(outer)),
            (own, outer) => own.or(outer),
        };
        let incoming = context::attempt();
        if let (Some(budget), 0..=1) = (&driver.budget, incoming) {
            budget.deposit();
        }
        Self { driver, deadline, course: Course::new(incoming), is_begun: false, last: None }
    }

    /// One attempt: on the first server, and where that can not do it at once on the next.
    async fn attempt<D, T, F>(
        &self,
        servers: &[&Server<D>],
        mode: Mode,
        operation: &mut impl FnMut(Loan<D::Connection>) -> F,
    ) -> Result<T, Failure<E>>
    where
        D: Database,
        E: Holds<D::Error>,
        F: Future<Output = Result<T, E>>,
    {
        let clock = &self.driver.clock;
        let mut first = None;
        for (index, server) in servers.iter().enumerate() {
            let is_last = index + 1 == servers.len();
            // A server that hangs must leave the next one time.
            let limit = match self.deadline {
                Some(deadline) if !is_last => {
                    let now = clock.now();
                    Some(now + deadline.since(now) / 2)
                }
                deadline => deadline,
            };
            let failure = match self.attempt_on(server, mode, limit, operation).await {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            if is_last || !failure.is_of_the_server() {
                // A policy that ends the last knows nothing of the service; the first did.
                return match (failure, first) {
                    (Failure::Rejected(_), Some(first @ Failure::Failed { .. })) => Err(first),
                    (failure, _) => Err(failure),
                };
            }
            first = Some(failure);
        }
        Err(Failure::Rejected(Rejection::new(self.driver.name(), Reason::CircuitOpen)))
    }

    async fn attempt_on<D, T, F>(
        &self,
        server: &Server<D>,
        mode: Mode,
        limit: Option<Instant>,
        operation: &mut impl FnMut(Loan<D::Connection>) -> F,
    ) -> Result<T, Failure<E>>
    where
        D: Database,
        E: Holds<D::Error>,
        F: Future<Output = Result<T, E>>,
    {
        let clock = &self.driver.clock;
        let mut stage = Stage::Outside;
        let mut permit = None;
        let attempt = async {
            server.shut().map_or(Ok(()), |rejection| Err(Ended::Rejected(rejection)))?;
            let mut place = server.place().await.map_err(Ended::Rejected)?;
            permit = server.enter().map_err(Ended::Rejected)?;
            stage = Stage::Connecting;
            let (mut connection, birth) =
                server.open(&mut place).await.map_err(Ended::lost::<D>)?;
            if mode == Mode::Transaction {
                D::begin(&mut connection).await.map_err(Ended::lost::<D>)?;
            }
            stage = Stage::Running;
            let (loan, mut back) = Loan::of(connection);
            let result = operation(loan).await;
            let mut back = back.try_recv().ok();
            if let (Mode::Transaction, Ok(_), Some(connection)) = (mode, &result, &mut back) {
                stage = Stage::Committing;
                // Who looks afterwards must have time left, too.
                let now = clock.now();
                let end = limit.map(|limit| now + limit.since(now) / 2);
                let Some(commit) = until(clock, end, D::commit(connection)).await else {
                    return Err(Ended::Cut);
                };
                if let Err(error) = commit {
                    let cleanup = Some(mode.rollback_end(clock, limit));
                    let meaning = D::judge(&error);
                    tidy(server, &mut place, back, birth, Some(meaning), cleanup, clock).await;
                    return Err(Ended::failed(E::from(error), Some(meaning)));
                }
            }
            let meaning = result.as_ref().err().and_then(|error| error.held().map(D::judge));
            // One that has failed may have left a transaction of its own open, in either mode.
            let cleanup = result.as_ref().err().map(|_| mode.rollback_end(clock, limit));
            let was_kept = back.is_none();
            let is_settled = tidy(server, &mut place, back, birth, meaning, cleanup, clock).await;
            match result {
                Ok(_) if mode == Mode::Transaction && was_kept => Err(Ended::Kept),
                result => result.map_err(|error| Ended::Failed { error, meaning, is_settled }),
            }
        };
        let mut context = context::capture(clock).attempt(self.course.attempt());
        if let Some(limit) = limit {
            context = context.deadline(limit);
        }
        // Boxed, or the call's own future would be large: it holds the driver's, which are.
        let ended = until(clock, limit, context.scope(Box::pin(attempt))).await;
        conclude(server, permit, mode, stage, ended)
    }

    /// Waits for the next attempt after `failure`, or ends the call with what there is to say.
    async fn follow(&mut self, failure: Failure<E>, repeatable: bool) -> Result<(), Error<E>> {
        match failure {
            Failure::Rejected(rejection) => self.wait_out(rejection).await,
            Failure::Cut { ran } => {
                let error = self.timed_out();
                let is_ambiguous = ran != Ran::No && !repeatable;
                Err(if is_ambiguous { self.driver.ambiguous(error) } else { error })
            }
            Failure::Failed { error, handling, ran } => match ran {
                Ran::Maybe if !repeatable => Err(self.driver.ambiguous(Error::Service(error))),
                Ran::Refused if !repeatable => Err(Error::Service(error)),
                Ran::No | Ran::Refused | Ran::Maybe => {
                    self.wait(Error::Service(error), handling).await
                }
            },
        }
    }

    /// The last real failure of a call whose time is over.
    fn timed_out(&mut self) -> Error<E> {
        let timed_out = Rejection::new(self.driver.name(), Reason::TimedOut);
        self.last.take().unwrap_or(Error::Rejected(timed_out))
    }

    /// Waits until the policy that has turned a call away that has begun may let it in, or ends it.
    async fn wait_out(&mut self, rejection: Rejection) -> Result<(), Error<E>> {
        let Driver { params, clock, rng, .. } = self.driver;
        let now = clock.now();
        let remaining = self.deadline.map(|deadline| deadline.since(now));
        // Who found no place has waited already.
        let wait = match rejection.reason() {
            Reason::QueueTimedOut => Duration::ZERO,
            _ => rejection.retry_after().unwrap_or(params.pace.backoff.interval(0)),
        };
        if self.is_begun
            && let Decision::Repeat { after } =
                self.course.wait_out(wait, remaining, &params.pace, rng.next())
        {
            sleep_until(clock, now + after).await;
            return Ok(());
        }
        Err(self.last.take().unwrap_or(Error::Rejected(rejection)))
    }

    /// Waits for the next attempt, or ends the call with `error`.
    async fn wait(&mut self, error: Error<E>, handling: Handling) -> Result<(), Error<E>> {
        let Driver { params, budget, clock, rng, emitter, .. } = self.driver;
        let now = clock.now();
        let remaining = self.deadline.map(|deadline| deadline.since(now));
        let decision = self.course.decide(handling, remaining, &params.pace, rng.next());
        let Decision::Repeat { after } = decision else {
            if handling.is_transient() {
                emitter.emit(EventKind::RetriesExhausted { attempts: self.course.made() });
            }
            return Err(error);
        };
        let charge = match budget.as_ref().map(Budget::withdraw) {
            None => None,
            Some(Some(charge)) => Some(charge),
            Some(None) => {
                emitter.emit(EventKind::BudgetExhausted { attempt: self.course.made() });
                return Err(error);
            }
        };
        self.last = Some(error);
        self.is_begun = true;
        emitter.emit(EventKind::Retry { attempt: self.course.made().saturating_add(1), after });
        sleep_until(clock, now + after).await;
        if let Some(charge) = charge {
            charge.spend();
        }
        Ok(())
    }

    /// Looks whether a commit was executed: as often as there is time for, on connections that
    /// take part in nothing else.
    ///
    /// That it was executed can be seen at once. That it was not is believed after the first wait
    /// only: a commit that was still on its way has arrived by then.
    async fn verify<D, T, V>(
        &self,
        server: &Server<D>,
        verify: &mut impl FnMut(Loan<D::Connection>) -> V,
    ) -> Verified<T>
    where
        D: Database,
        E: Holds<D::Error>,
        V: Future<Output = Result<Verified<T>, E>>,
    {
        let Driver { clock, params, .. } = self.driver;
        let settled = clock.now() + params.pace.backoff.interval(0);
        let mut call = Self { last: None, course: Course::new(1), is_begun: true, ..*self };
        loop {
            match call.attempt(&[server], Mode::Plain, verify).await {
                Ok(Verified::NotExecuted) if !clock.has_passed(settled) => {
                    if self.deadline.is_some_and(|deadline| settled >= deadline) {
                        return Verified::Unknown;
                    }
                    sleep_until(clock, settled).await;
                }
                Ok(verified) => return verified,
                Err(failure) => {
                    if call.follow(failure, true).await.is_err() {
                        return Verified::Unknown;
                    }
                }
            }
        }
    }
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

impl<E> Ended<E> {
    const fn failed(error: E, meaning: Option<Meaning>) -> Self {
        Self::Failed { error, meaning, is_settled: true }
    }

    /// An error of connecting or beginning.
    fn lost<D>(error: D::Error) -> Self
    where
        D: Database,
        E: From<D::Error>,
    {
        let meaning = D::judge(&error);
        Self::failed(E::from(error), Some(meaning))
    }
}

impl<E> Failure<E> {
    /// Whether another server may do better, right now.
    fn is_of_the_server(&self) -> bool {
        match self {
            Self::Rejected(_) | Self::Cut { .. } => true,
            Self::Failed { handling, .. } => {
                handling.is_transient() && !matches!(handling, Handling::Rerun)
            }
        }
    }
}

/// Gives the connection back, if it can be used again. False if a statement may be under way on it:
/// the operation has given one up, and may have ended in an error of its own for that.
async fn tidy<D>(
    server: &Server<D>,
    place: &mut Place<D::Connection>,
    connection: Option<D::Connection>,
    birth: Birth,
    meaning: Option<Meaning>,
    rolled_back_by: Option<Instant>,
    clock: &Clock,
) -> bool
where
    D: Database,
{
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
        let Some(Ok(())) = until(clock, rolled_back_by, rollback).await else { return false };
    }
    server.give_back(place, connection, birth);
    true
}

/// Tells the breaker and the pool how an attempt ended, and says what it means for the call.
fn conclude<D, T, E>(
    server: &Server<D>,
    permit: Option<Permit>,
    mode: Mode,
    stage: Stage,
    ended: Option<Result<T, Ended<E>>>,
) -> Result<T, Failure<E>>
where
    D: Database,
    E: Holds<D::Error>,
{
    let complete = |outcome| {
        if let Some(permit) = permit {
            permit.complete(outcome);
        }
    };
    match ended {
        None | Some(Err(Ended::Cut)) => {
            complete(Outcome::Transient);
            let ran = match (mode, stage) {
                (_, Stage::Outside | Stage::Connecting) | (Mode::Transaction, Stage::Running) => {
                    Ran::No
                }
                (Mode::Plain, Stage::Running) | (_, Stage::Committing) => Ran::Maybe,
            };
            Err(Failure::Cut { ran })
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
        Some(Err(Ended::Failed { error, meaning, is_settled })) => {
            let Some(meaning) = meaning else {
                // The operation's own reason, which says nothing of the server.
                complete(Outcome::Neutral);
                // A transaction ends with its connection.
                let ran =
                    if is_settled || mode == Mode::Transaction { Ran::No } else { Ran::Maybe };
                return Err(Failure::Failed { error, handling: Handling::Never, ran });
            };
            let Meaning { handling, gone, kind } = meaning;
            match handling {
                Handling::Reconnect => server.lost(kind),
                Handling::WrongReplica => server.purge(),
                _ => {}
            }
            complete(handling.outcome());
            let ran = match (mode, stage) {
                (_, Stage::Outside | Stage::Connecting) | (Mode::Transaction, Stage::Running) => {
                    Ran::No
                }
                (Mode::Plain, Stage::Running) if gone || !is_settled => Ran::Maybe,
                (Mode::Plain, Stage::Running) => Ran::Refused,
                (_, Stage::Committing) => {
                    // What the server has decided against is not executed; of the rest nobody knows.
                    let is_decided = matches!(
                        handling,
                        Handling::Never | Handling::Rerun | Handling::WrongReplica
                    );
                    if is_decided && !gone { Ran::No } else { Ran::Maybe }
                }
            };
            Err(Failure::Failed { error, handling, ran })
        }
    }
}

/// How long a rollback may take before its connection is closed instead, which rolls back, too.
const ROLLBACK_TIMEOUT: Duration = Duration::from_secs(5);

/// The same where most likely there is nothing to roll back, and the caller waits for an error of
/// his own. Behind a statement that he has given up it takes longer, and that is to be closed.
const CLEANUP_TIMEOUT: Duration = Duration::from_secs(1);
