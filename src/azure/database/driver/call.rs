//! One call: where its attempts are made, and what follows from how they fail.

use std::future::Future;
use std::time::Duration;

use super::Driver;
use super::attempt::{Attempt, Failure, Mode, Ran};
use crate::azure::database::pace::{Course, Decision};
use crate::azure::database::{Database, Handling, Holds, Loan, Server};
use crate::azure::until::sleep_until;
use crate::budget::Budget;
use crate::context;
use crate::error::{Error, Reason, Rejection};
use crate::replay::Verified;
use crate::telemetry::EventKind;
use crate::time::Instant;

/// One call, with what it has met so far.
pub(super) struct Call<'a, E> {
    driver: &'a Driver,
    deadline: Option<Instant>,
    course: Course,
    /// It has begun: being turned away now runs nothing, and need not end it.
    is_begun: bool,
    /// The last real failure.
    last: Option<Error<E>>,
}

impl<'a, E> Call<'a, E> {
    pub(super) fn begin(driver: &'a Driver) -> Self {
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
    pub(super) async fn attempt<D, T, F>(
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
            let attempt = Attempt { server, mode, number: self.course.attempt(), limit, clock };
            let failure = match attempt.make(operation).await {
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

    /// Waits for the next attempt after `failure`, or ends the call with what there is to say.
    pub(super) async fn follow(
        &mut self,
        failure: Failure<E>,
        repeatable: bool,
    ) -> Result<(), Error<E>> {
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
    pub(super) fn timed_out(&mut self) -> Error<E> {
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
    pub(super) async fn wait(
        &mut self,
        error: Error<E>,
        handling: Handling,
    ) -> Result<(), Error<E>> {
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
    pub(super) async fn verify<D, T, V>(
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
