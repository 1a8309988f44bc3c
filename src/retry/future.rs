//! The answer of a retry: the first attempt, and what may follow on it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project::{pin_project, pinned_drop};
use tower_service::Service;

use super::Retry;
use super::core::{Course, Decision, End};
use crate::budget::{Budget, Charge};
use crate::context::{self, Ambient};
use crate::error::Reject;
use crate::outcome::{Classify, Outcome};
use crate::replay::{NotReplayable, Replay, Safety};
use crate::telemetry::EventKind;
use crate::time::{Instant, Timer};

/// The answer of a [`RetryService`](super::RetryService).
///
/// # Cancel safety
///
/// Dropping it drops the attempt that runs. A repeat that was decided and not sent yet is given
/// back to the budget.
#[pin_project(project = Parts)]
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<S, Request, F, A, C, R> {
    #[pin]
    state: State<F, Request>,
    course: Course,
    retry: Retry,
    service: S,
    kept: Kept<Request>,
    /// The last real failure, while a repeat is under way. It comes back when the repeat comes to
    /// nothing.
    failure: Option<A>,
    classify: C,
    replay: R,
}

#[pin_project(project = StateProj)]
#[derive(Debug)]
enum State<F, Request> {
    /// The first attempt runs.
    First {
        #[pin]
        inner: F,
    },
    /// A repeat follows, or runs.
    Again {
        #[pin]
        phase: Phase<F, Request>,
    },
    Done,
}

/// Where a repeat is. Apart from [`State`], so that the drop of a call that needs no repeat has one
/// thing to rule out.
#[pin_project(project = PhaseProj)]
#[derive(Debug)]
enum Phase<F, Request> {
    /// A repeat is decided, and its wait is not over.
    Waiting { timer: Timer, until: Instant, repeat: Repeat<Request> },
    /// The wait is over, and the service is not ready.
    Readying { timer: Timer, repeat: Repeat<Request> },
    /// A repeat runs.
    Repeating {
        #[pin]
        attempt: Attempt<F>,
        timer: Timer,
    },
}

/// A repeat that was sent. It is dropped under its own number, as it was polled.
///
/// The drop is this type's and not the whole future's, so that a call that needs no repeat does not
/// pay for it.
#[pin_project(PinnedDrop)]
#[derive(Debug)]
struct Attempt<F> {
    /// Taken when it is dropped.
    #[pin]
    inner: Option<F>,
    number: u32,
}

/// A repeat that was decided, and not sent yet. Dropped, it gives its charge back.
#[derive(Debug)]
struct Repeat<Request> {
    /// Taken when it is sent.
    parts: Option<(Request, Option<Charge>)>,
}

/// What is left of the request after it was sent.
#[derive(Debug)]
enum Kept<Request> {
    Whole(Request),
    Nothing(NotReplayable, Safety),
}

impl<S, Request, F, A, C, R> ResponseFuture<S, Request, F, A, C, R> {
    /// Makes the first attempt with `call`. `keep` makes the service for repeats.
    ///
    /// All parts are made where they stay, the attempt before those that can not unwind: what lives
    /// while something else may unwind is kept in memory for it, and copied afterwards.
    #[expect(clippy::inline_always, reason = "the future is built where it stays, and not moved")]
    #[inline(always)]
    pub(super) fn begin<I>(
        mut request: Request,
        retry: &Retry,
        classify: &C,
        replay: &R,
        mut inner: I,
        call: impl FnOnce(&mut I, Request) -> F,
        keep: impl FnOnce(I) -> S,
    ) -> Self
    where
        C: Clone,
        R: Replay<Request> + Clone,
    {
        let kept = match replay.keep(&mut request) {
            Ok(kept) => Kept::Whole(kept),
            Err(reason) => Kept::Nothing(reason, replay.safety(&request)),
        };
        let course = retry.begin();
        Self {
            state: State::First { inner: call(&mut inner, request) },
            course,
            retry: retry.clone(),
            service: keep(inner),
            kept,
            failure: None,
            classify: classify.clone(),
            replay: replay.clone(),
        }
    }
}

impl<S, Request, C, R> Future
    for ResponseFuture<S, Request, S::Future, Result<S::Response, S::Error>, C, R>
where
    S: Service<Request>,
    S::Error: Reject,
    C: Classify<S::Response, S::Error>,
    R: Replay<Request>,
{
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.as_mut().project();
        if let StateProj::First { inner } = this.state.project() {
            // The first attempt runs in the caller's own context: it needs no other.
            let result = ready!(inner.poll(cx));
            let outcome = this.classify.classify(result.as_ref());
            if is_settled(outcome) {
                return Poll::Ready(result);
            }
            if let Some(end) = self.as_mut().project().follow(result, outcome) {
                return Poll::Ready(end);
            }
        }
        // Taken apart anew: what is only needed from here on is not to be laid out before.
        self.project().poll_repeats(cx)
    }
}

impl<S, Request, C, R> Parts<'_, S, Request, S::Future, Result<S::Response, S::Error>, C, R>
where
    S: Service<Request>,
    S::Error: Reject,
    C: Classify<S::Response, S::Error>,
    R: Replay<Request>,
{
    /// Drives the call from its first failure on.
    #[cold]
    #[inline(never)]
    fn poll_repeats(&mut self, cx: &mut Context<'_>) -> Poll<Result<S::Response, S::Error>> {
        // Asked for before the context is taken, so that both know it.
        let end = context::deadline(self.retry.clock());
        // What the repeat asks and calls sees its own number, and the caller's deadline.
        let mut ambient = Ambient::current().attempt(self.course.attempt());
        loop {
            let StateProj::Again { phase } = self.state.as_mut().project() else {
                panic!("a call was polled again after its end")
            };
            match phase.project() {
                PhaseProj::Waiting { timer, until, repeat } => {
                    ready!(timer.poll_until(*until, self.retry.clock(), cx));
                    let repeat = Repeat { parts: repeat.parts.take() };
                    self.again(Phase::Readying { timer: Timer::idle(), repeat });
                }
                PhaseProj::Readying { timer, repeat } => {
                    let clock = self.retry.clock();
                    let limit = end.map(|end| self.retry.limit(end));
                    if limit.is_some_and(|limit| clock.has_passed(limit)) {
                        return Poll::Ready(self.give_up(false));
                    }
                    let service = &mut *self.service;
                    match context::scope(&mut ambient, || service.poll_ready(cx)) {
                        Poll::Ready(Ok(())) => {}
                        Poll::Ready(Err(error)) => return Poll::Ready(self.end_unready(error)),
                        Poll::Pending => {
                            let Some(limit) = limit else { return Poll::Pending };
                            ready!(timer.poll_until(limit, clock, cx));
                            return Poll::Ready(self.give_up(false));
                        }
                    }
                    let (request, charge) =
                        repeat.parts.take().expect("only taken when the repeat is sent");
                    if let Some(charge) = charge {
                        charge.spend();
                    }
                    let inner = context::scope(&mut ambient, || service.call(request));
                    let attempt = Attempt { inner: Some(inner), number: self.course.attempt() };
                    self.again(Phase::Repeating { attempt, timer: Timer::idle() });
                }
                PhaseProj::Repeating { attempt, timer } => {
                    let inner = attempt.project().inner.as_pin_mut();
                    let inner = inner.expect("only taken when the attempt is dropped");
                    let Poll::Ready(result) = context::scope(&mut ambient, || inner.poll(cx))
                    else {
                        let Some(end) = end else { return Poll::Pending };
                        ready!(timer.poll_until(end, self.retry.clock(), cx));
                        // The timeout that set the deadline would only know that time is over.
                        return Poll::Ready(self.give_up(true));
                    };
                    self.state.set(State::Done);
                    let outcome = self.classify.classify(result.as_ref());
                    if let Some(end) = self.follow(result, outcome) {
                        return Poll::Ready(end);
                    }
                    ambient = ambient.attempt(self.course.attempt());
                }
            }
        }
    }

    /// Ends the call with `result`, or sets the state for its repeat.
    #[cold]
    #[inline(never)]
    fn follow(
        &mut self,
        result: Result<S::Response, S::Error>,
        outcome: Outcome,
    ) -> Option<Result<S::Response, S::Error>> {
        let shared = &*self.retry.shared;
        if is_local(&result) {
            // The policy that ended this attempt knew nothing of the service. An earlier attempt
            // did.
            self.state.set(State::Done);
            return Some(self.failure.take().unwrap_or(result));
        }
        if is_settled(outcome) {
            return Some(self.end(result, End::Settled));
        }
        let is_safe = self.safety().is_repeatable() || !self.classify.may_have_run(result.as_ref());
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
                self.state.set(State::Done);
                return Some(result);
            }
        };
        let charge = self.retry.budget.as_ref().map(Budget::withdraw);
        if let Some(None) = charge {
            shared.emitter.emit(EventKind::BudgetExhausted { attempt: made });
            self.state.set(State::Done);
            return Some(result);
        }
        let repeat = Repeat { parts: Some((request, charge.flatten())) };
        shared.emitter.emit(EventKind::Retry { attempt: made.saturating_add(1), after });
        *self.failure = Some(result);
        self.again(Phase::Waiting { timer: Timer::idle(), until: now + after, repeat });
        None
    }

    /// Ends the call with the result of its last attempt.
    fn end(
        &mut self,
        result: Result<S::Response, S::Error>,
        end: End,
    ) -> Result<S::Response, S::Error> {
        self.state.set(State::Done);
        let emitter = &self.retry.shared.emitter;
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
        context::cut(|| self.state.set(State::Done));
        let failure = self.failure.take().expect("a repeat follows on a failure");
        let end =
            if is_sent && !self.safety().is_repeatable() { End::Ambiguous } else { End::TooLate };
        self.end(failure, end)
    }

    /// Ends the call because the service will never be ready again.
    fn end_unready(&mut self, error: S::Error) -> Result<S::Response, S::Error> {
        self.state.set(State::Done);
        let failure = self.failure.take().expect("a repeat follows on a failure");
        let error = Err(error);
        if is_local(&error) { failure } else { error }
    }

    fn again(&mut self, phase: Phase<S::Future, Request>) {
        self.state.set(State::Again { phase });
    }

    fn safety(&self) -> Safety {
        match &*self.kept {
            Kept::Whole(request) => self.replay.safety(request),
            Kept::Nothing(_, safety) => *safety,
        }
    }
}

#[pinned_drop]
impl<F> PinnedDrop for Attempt<F> {
    #[cold]
    fn drop(self: Pin<&mut Self>) {
        // As the caller's: whether a deadline cuts the call is for him to say.
        let mut ambient = Ambient::current().attempt(self.number);
        let mut this = self.project();
        context::scope(&mut ambient, || this.inner.set(None));
    }
}

/// Whether nothing can follow on `outcome`.
#[inline]
fn is_settled(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Neutral | Outcome::Permanent | Outcome::Success => true,
        Outcome::Overload { .. } | Outcome::Transient => false,
    }
}

/// Whether a policy ended the attempt before it reached the service.
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
