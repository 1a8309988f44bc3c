//! One operation on its way, and what its end says.

use std::future::Future;
use std::time::Duration;

use super::status::{Handling, judge};
use super::{Cosmos, Op, Reported, Shared};
use crate::azure::until::{sleep_until, until};
use crate::bulkhead::Bulkhead;
use crate::circuit_breaker::CircuitBreaker;
use crate::context;
use crate::error::{Error, Reason, Reject, Rejection};
use crate::gate::Permit as _;
use crate::outcome::Outcome;
use crate::replay::{Safety, Verified};
use crate::sync::Arc;
use crate::telemetry::EventKind;
use crate::time::Instant;

/// How an operation failed.
pub(super) struct Failure<E> {
    pub(super) error: Error<E>,
    pub(super) may_have_run: bool,
    /// Whether the service has answered, so that nothing of it is under way any more.
    pub(super) is_settled: bool,
}

impl<C> Cosmos<C>
where
    C: Clone + Send + Sync + 'static,
{
    /// One operation, through all gates.
    pub(super) async fn attempt<T, E, F>(
        &self,
        op: Op,
        deadline: Instant,
        operation: impl FnOnce(C) -> F,
    ) -> Result<T, Failure<E>>
    where
        T: Reported,
        E: Reported,
        F: Future<Output = Result<T, E>>,
    {
        let Shared { clients, bulkhead, units, clock, emitter, total_timeout, .. } = &*self.shared;
        if clock.has_passed(deadline) {
            let rejection = Rejection::new(self.name(), Reason::DeadlineExceeded);
            return Err(Failure::rejected(rejection));
        }
        let spending = match units {
            Some(units) => Some(units.enter(op, Some(deadline)).await.map_err(Failure::rejected)?),
            None => None,
        };
        // In this order, so that who finds no place has taken none of the breaker's probes.
        let place = bulkhead.as_ref().map(Bulkhead::enter).transpose();
        let gates = place.and_then(|place| {
            let permit = self.circuit_breaker(op).map(CircuitBreaker::enter).transpose()?;
            Ok((place, permit))
        });
        let (place, permit) = match gates {
            Ok(gates) => gates,
            Err(rejection) => {
                if let Some(spending) = spending {
                    spending.cancel();
                }
                return Err(Failure::rejected(rejection));
            }
        };
        let (generation, client) = clients.newest();
        let context = context::capture(clock).deadline(deadline);
        let running = context.scope(async { operation(client).await });
        let Some(result) = until(clock, Some(deadline), running).await else {
            // Dropped within a cut, they count it as a failure. What was taken stays spent.
            context::cut(|| drop((permit, place)));
            emitter.emit(EventKind::TimedOut { after: *total_timeout });
            self.follow(generation, op, true);
            let rejection = Rejection::new(self.name(), Reason::TimedOut);
            return Err(Failure {
                error: Error::Rejected(rejection),
                may_have_run: op.safety() != Safety::Idempotent,
                is_settled: false,
            });
        };
        let report = match &result {
            Ok(answer) => answer.report(),
            Err(error) => error.report(),
        };
        let row = match (&result, report.ended()) {
            (Ok(_), _) => None,
            (Err(_), ended) => ended.map(|(status, sub_status)| judge(status, sub_status)),
        };
        let outcome = match (&result, &row) {
            (Ok(_), _) => Outcome::Success,
            (Err(_), Some(row)) => row.outcome,
            // The operation's own reason, which says nothing of the account.
            (Err(_), None) => Outcome::Neutral,
        };
        if let Some(permit) = permit {
            permit.complete(outcome);
        }
        drop(place);
        if let Some(spending) = spending {
            spending.settle(report.charge());
        }
        self.shared.regions.observe(&report, clock.now());
        let handling = row.as_ref().map(|row| row.handling);
        if let (Some(Handling::Throttled), Some(units)) = (handling, units) {
            units.slow_down(report.hint());
        }
        if outcome != Outcome::Neutral {
            self.follow(generation, op, handling == Some(Handling::Elsewhere));
        }
        result.map_err(|error| Failure {
            error: Error::Service(error),
            may_have_run: op.safety() != Safety::Idempotent && report.may_have_run(),
            is_settled: handling == Some(Handling::Taken),
        })
    }

    /// Looks whether a write was executed, until it is known or `deadline`.
    pub(super) async fn verify<T, E, V>(
        &self,
        deadline: Instant,
        is_settled: bool,
        verify: &mut impl FnMut(C) -> V,
    ) -> Verified<T>
    where
        V: Future<Output = Result<Verified<T>, E>>,
    {
        let Shared { clients, clock, .. } = &*self.shared;
        let settled = if is_settled { clock.now() } else { clock.now() + SETTLE };
        loop {
            let (_, client) = clients.newest();
            let context = context::capture(clock).deadline(deadline);
            let looking = context.scope(async { verify(client).await });
            match until(clock, Some(deadline), looking).await {
                Some(Ok(Verified::NotExecuted)) if !clock.has_passed(settled) => {
                    if settled >= deadline {
                        return Verified::Unknown;
                    }
                    sleep_until(clock, settled).await;
                }
                Some(Ok(verified)) => return verified,
                Some(Err(_)) | None => return Verified::Unknown,
            }
        }
    }

    /// Makes another client when it is time to.
    fn follow(&self, generation: u64, op: Op, is_lost: bool) {
        let Shared { clients, clock, .. } = &*self.shared;
        if !clients.observe(generation, op.is_read(), is_lost, clock) {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let making = async move {
            let Shared { clients, breakers, clock, emitter, .. } = &*shared;
            if clients.make(clock, emitter).await {
                // They judged the old one.
                breakers.iter().flatten().for_each(CircuitBreaker::reset);
            }
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(making)),
            Err(_) => clients.give_up(),
        }
    }

    pub(super) fn tell<E>(&self, failure: Failure<E>) -> Error<E> {
        if failure.may_have_run {
            self.shared.emitter.emit(EventKind::Ambiguous);
            return failure.error.ambiguous();
        }
        failure.error
    }
}

impl<E> Failure<E> {
    /// It did not reach the service.
    fn rejected(rejection: Rejection) -> Self {
        Self { error: Error::Rejected(rejection), may_have_run: false, is_settled: true }
    }
}

/// What was on its way when its answer was lost has arrived by then.
const SETTLE: Duration = Duration::from_secs(1);
