//! What follows on a first attempt that failed.

use std::mem::{self, ManuallyDrop};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tower_service::Service;

use super::core::{Decision, End};
use super::future::{Parts, ResponseFuture, Stage, is_settled};
use crate::budget::Charge;
use crate::context::{self, Ambient};
use crate::error::Reject;
use crate::outcome::{Classify, Outcome};
use crate::replay::{NotReplayable, Replay, Safety};
use crate::telemetry::EventKind;
use crate::time::{Instant, Timer};

/// The state of a call from the end of its first attempt on.
#[derive(Debug)]
pub(super) struct Repeats<Request, A> {
    phase: Phase,
    /// Decided, and not sent yet.
    repeat: Option<Repeat<Request>>,
    /// The last real failure, while a repeat is under way. It comes back when the repeat comes to
    /// nothing.
    failure: Option<A>,
    timer: Timer,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// A repeat is decided, and its wait is not over.
    Waiting { until: Instant },
    /// The wait is over, and the service is not ready.
    Readying,
    /// A repeat runs.
    Repeating,
    /// The call has ended, or nothing is decided yet.
    Over,
}

/// A repeat that was decided, and not sent yet. Dropped, it gives its charge back.
#[derive(Debug)]
struct Repeat<Request> {
    request: Request,
    charge: Option<Charge>,
}

/// What is left of the request after it was sent.
#[derive(Debug)]
pub(super) enum Kept<Request> {
    Whole(Request),
    Nothing(NotReplayable, Safety),
}

impl<Request, A> Default for Repeats<Request, A> {
    fn default() -> Self {
        Self { phase: Phase::Over, repeat: None, failure: None, timer: Timer::idle() }
    }
}

impl<Request, A> Repeats<Request, A> {
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.timer.reset();
    }
}

impl<S, Request, C, R> ResponseFuture<S, Request, S::Future, Result<S::Response, S::Error>, C, R>
where
    S: Service<Request>,
    S::Error: Reject,
    C: Classify<S::Response, S::Error>,
    R: Replay<Request>,
{
    /// Decides what follows on the first attempt, and drops it.
    #[cold]
    #[inline(never)]
    pub(super) fn follow_first(
        self: Pin<&mut Self>,
        result: Result<S::Response, S::Error>,
        outcome: Outcome,
    ) -> Option<Result<S::Response, S::Error>> {
        let mut this = self.project();
        *this.stage = ManuallyDrop::new(Stage::Later(Repeats::default()));
        this.attempt.set(None);
        this.follow(result, outcome)
    }

    /// Goes on with what was decided.
    #[cold]
    #[inline(never)]
    pub(super) fn poll_repeats(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<S::Response, S::Error>> {
        self.project().poll(cx)
    }
}

impl<S, Request, C, R> Parts<'_, S, Request, S::Future, Result<S::Response, S::Error>, C, R>
where
    S: Service<Request>,
    S::Error: Reject,
    C: Classify<S::Response, S::Error>,
    R: Replay<Request>,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<S::Response, S::Error>> {
        // Asked for before the context is taken, so that both know it.
        let end = context::deadline(&self.shared.clock);
        // What the repeat asks and calls sees its own number, and the caller's deadline.
        let mut ambient = Ambient::current().attempt(self.course.attempt());
        loop {
            let clock = &self.shared.clock;
            let Stage::Later(repeats) = &mut **self.stage else { polled_after_the_end() };
            match repeats.phase {
                Phase::Waiting { until } => {
                    ready!(repeats.timer.poll_until(until, clock, cx));
                    repeats.enter(Phase::Readying);
                }
                Phase::Readying => {
                    // Looked at again, for the wait may have ended late.
                    let limit = end.map(|end| self.shared.limit(end));
                    if limit.is_some_and(|limit| clock.has_passed(limit)) {
                        return Poll::Ready(self.give_up(false));
                    }
                    let service = &mut *self.service;
                    match context::scope(&mut ambient, || service.poll_ready(cx)) {
                        Poll::Ready(Ok(())) => {}
                        Poll::Ready(Err(error)) => return Poll::Ready(self.end_unready(error)),
                        Poll::Pending => {
                            let Some(limit) = limit else { return Poll::Pending };
                            ready!(repeats.timer.poll_until(limit, clock, cx));
                            return Poll::Ready(self.give_up(false));
                        }
                    }
                    let repeat = repeats.repeat.take().expect("only taken when it is sent");
                    if let Some(charge) = repeat.charge {
                        charge.spend();
                    }
                    repeats.enter(Phase::Repeating);
                    let inner = context::scope(&mut ambient, || service.call(repeat.request));
                    self.attempt.set(Some(inner));
                }
                Phase::Repeating => {
                    let inner = self.attempt.as_mut().as_pin_mut();
                    let inner = inner.expect("only taken when the attempt is dropped");
                    let Poll::Ready(result) = context::scope(&mut ambient, || inner.poll(cx))
                    else {
                        let Some(end) = end else { return Poll::Pending };
                        ready!(repeats.timer.poll_until(end, clock, cx));
                        // The timeout that set the deadline would only know that time is over.
                        return Poll::Ready(self.give_up(true));
                    };
                    repeats.enter(Phase::Over);
                    self.drop_repeat();
                    let outcome = self.classify.classify(result.as_ref());
                    if let Some(end) = self.follow(result, outcome) {
                        return Poll::Ready(end);
                    }
                    ambient = ambient.attempt(self.course.attempt());
                }
                Phase::Over => polled_after_the_end(),
            }
        }
    }

    /// Ends the call with `result`, or sets the phase for its repeat. No attempt runs.
    fn follow(
        &mut self,
        result: Result<S::Response, S::Error>,
        outcome: Outcome,
    ) -> Option<Result<S::Response, S::Error>> {
        let shared = &**self.shared;
        let Stage::Later(repeats) = &mut **self.stage else { unreachable!("{FAILED}") };
        if is_local(&result) {
            // The policy that ended this attempt knew nothing of the service. An earlier attempt
            // did.
            return Some(repeats.failure.take().unwrap_or(result));
        }
        if is_settled(outcome) {
            return Some(self.end(result, End::Settled));
        }
        let safety = safety(self.kept, self.replay);
        let is_safe = safety.is_repeatable() || !self.classify.may_have_run(result.as_ref());
        let now = shared.clock.now();
        let remaining = context::deadline(&shared.clock).map(|end| end.since(now));
        let params = shared.settings.load();
        let decision =
            self.course.decide(outcome, is_safe, remaining, &params, || shared.rng.next());
        let after = match decision {
            Decision::Repeat { after } => after,
            Decision::Finish(end) => return Some(self.end(result, end)),
        };
        let made = self.course.made();
        let request = match &*self.kept {
            Kept::Whole(kept) => self.replay.again(kept),
            Kept::Nothing(reason, _) => Err(*reason),
        };
        let request = match request {
            Ok(request) => request,
            Err(reason) => {
                shared.emitter.emit(EventKind::NotReplayable { reason });
                return Some(result);
            }
        };
        let charge = shared.withdraw();
        if let Some(None) = charge {
            shared.emitter.emit(EventKind::BudgetExhausted { attempt: made });
            return Some(result);
        }
        repeats.repeat = Some(Repeat { request, charge: charge.flatten() });
        shared.emitter.emit(EventKind::Retry { attempt: made.saturating_add(1), after });
        repeats.failure = Some(result);
        repeats.enter(Phase::Waiting { until: now + after });
        None
    }

    /// Ends the call with the result of its last attempt.
    fn end(
        &self,
        result: Result<S::Response, S::Error>,
        end: End,
    ) -> Result<S::Response, S::Error> {
        let emitter = &self.shared.emitter;
        match end {
            End::Settled => result,
            End::Ambiguous => {
                emitter.emit(EventKind::Ambiguous);
                mark(result, &*self.classify)
            }
            End::Spent | End::TooFar | End::TooLate => {
                emitter.emit(EventKind::RetriesExhausted { attempts: self.course.made() });
                result
            }
        }
    }

    /// Ends the call with the failure before the repeat, whose time is over.
    fn give_up(&mut self, is_sent: bool) -> Result<S::Response, S::Error> {
        let failure = context::cut(|| {
            self.drop_repeat();
            self.failure()
        });
        let is_repeatable = safety(self.kept, self.replay).is_repeatable();
        self.end(failure, if is_sent && !is_repeatable { End::Ambiguous } else { End::TooLate })
    }

    /// Ends the call because the service will never be ready again.
    fn end_unready(&mut self, error: S::Error) -> Result<S::Response, S::Error> {
        let failure = self.failure();
        let error = Err(error);
        if is_local(&error) { failure } else { error }
    }

    /// The failure before the repeat, which is given up.
    fn failure(&mut self) -> Result<S::Response, S::Error> {
        let Stage::Later(repeats) = &mut **self.stage else { unreachable!("{FAILED}") };
        mem::take(repeats).failure.expect("a repeat follows on a failure")
    }
}

fn safety<Request, R>(kept: &Kept<Request>, replay: &R) -> Safety
where
    R: Replay<Request>,
{
    match kept {
        Kept::Whole(request) => replay.safety(request),
        Kept::Nothing(_, safety) => *safety,
    }
}

fn is_local<T, E>(result: &Result<T, E>) -> bool
where
    E: Reject,
{
    let rejection = result.as_ref().err().and_then(Reject::rejection);
    rejection.is_some_and(|rejection| !rejection.reason().reached_service())
}

fn mark<T, E, C>(result: Result<T, E>, classify: &C) -> Result<T, E>
where
    E: Reject,
    C: Classify<T, E>,
{
    match result {
        Ok(response) => Ok(classify.ambiguous(response)),
        Err(error) => Err(error.ambiguous()),
    }
}

const FAILED: &str = "set when the first attempt failed";

#[cold]
#[inline(never)]
fn polled_after_the_end() -> ! {
    panic!("a call was polled again after its end")
}
