use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project::{pin_project, pinned_drop};

use super::Shared;
use crate::context;
use crate::error::{Reason, Reject, Rejection};
use crate::slot::Pooled;
use crate::telemetry::EventKind;
use crate::time::{Instant, Lane, Timer, nanos};

/// The answer of a [`TimeoutService`](super::TimeoutService).
///
/// # Cancel safety
///
/// Dropping it drops the call.
///
/// # Example
///
/// ```
/// use std::future::Ready;
/// use std::time::Duration;
///
/// use seawall::error::BoxError;
/// use seawall::timeout::{ResponseFuture, Timeout};
/// use tower::{Layer, Service, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let double = service_fn(|n: u32| std::future::ready(Ok::<_, BoxError>(2 * n)));
/// let mut service = Timeout::new(Duration::from_secs(2))?.layer().layer(double);
///
/// let answer: ResponseFuture<Ready<Result<u32, BoxError>>> = service.call(21);
/// assert_eq!(answer.await?, 42);
/// # Ok(())
/// # }
/// ```
#[pin_project(PinnedDrop)]
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<F> {
    #[pin]
    state: State<F>,
    /// How long the call may take.
    lane: Lane,
    /// Set at the first `Pending`. From then on the deadline is known.
    timer: Timer,
    shared: Pooled<Shared>,
}

#[pin_project(project = StateProj)]
#[derive(Debug)]
enum State<F> {
    Calling {
        #[pin]
        inner: F,
    },
    /// The caller's deadline had passed before the call began.
    Late,
    Done,
}

impl<F> ResponseFuture<F> {
    #[expect(clippy::inline_always, reason = "the future is built where it stays, and not moved")]
    #[inline(always)]
    pub(super) fn begun(shared: Pooled<Shared>, lane: Lane, call: impl FnOnce() -> F) -> Self {
        Self { state: State::Calling { inner: call() }, lane, timer: Timer::idle(), shared }
    }

    #[cold]
    pub(super) const fn late(shared: Pooled<Shared>, lane: Lane) -> Self {
        Self { state: State::Late, lane, timer: Timer::idle(), shared }
    }

    /// Whether the time is over. Sets the timer when asked first.
    fn poll_end(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let clock = &this.shared.clock;
        let outer = context::named_deadline();
        if outer != Instant::FAR_FUTURE && this.timer.deadline().is_none() {
            let now = clock.coarse();
            if outer <= now + this.lane.period() {
                // The caller has less time than this timeout allows.
                *this.lane = Lane::once(nanos(outer.since(now)));
                return this.timer.poll_until(outer, clock, cx);
            }
        }
        if this.lane.nanos() == u64::MAX {
            // Without an end there is nothing to wait for.
            return Poll::Pending;
        }
        this.timer.poll_timeout(*this.lane, clock, cx)
    }

    /// Drops the call, whose time is over.
    #[cold]
    fn cut(self: Pin<&mut Self>) -> Rejection {
        let mut this = self.project();
        context::cut(|| this.state.set(State::Done));
        this.shared.emitter.emit(EventKind::TimedOut { after: this.lane.period() });
        Rejection::new(this.shared.emitter.name(), Reason::TimedOut)
    }

    /// Says why there is no call.
    #[cold]
    fn reject(self: Pin<&mut Self>) -> Rejection {
        let mut this = self.project();
        assert!(matches!(*this.state, State::Late), "a call was polled again after its end");
        this.state.set(State::Done);
        let reason = Reason::DeadlineExceeded;
        this.shared.emitter.emit(EventKind::Rejected { reason });
        Rejection::new(this.shared.emitter.name(), reason)
    }
}

impl<F, T, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Reject,
{
    type Output = Result<T, E>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.as_mut().project();
        let (within_nanos, deadline) = match this.timer.deadline() {
            Some(deadline) => (u64::MAX, deadline),
            None => (this.lane.nanos(), Instant::FAR_FUTURE),
        };
        // The answer beats the deadline: the time is looked at after the call.
        let state = this.state.as_mut();
        match context::limited(within_nanos, deadline, || state.poll_call(cx)) {
            Some(Poll::Ready(answer)) => Poll::Ready(answer),
            Some(Poll::Pending) => {
                ready!(self.as_mut().poll_end(cx));
                Poll::Ready(Err(E::reject(self.cut())))
            }
            None => Poll::Ready(Err(E::reject(self.reject()))),
        }
    }
}

impl<F> State<F>
where
    F: Future,
{
    /// Polls the call, if there is one, and drops it when it has its answer.
    #[inline]
    fn poll_call(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Option<Poll<F::Output>> {
        let StateProj::Calling { inner } = self.as_mut().project() else {
            return None;
        };
        let polled = inner.poll(cx);
        if polled.is_ready() {
            self.set(Self::Done);
        }
        Some(polled)
    }
}

#[pinned_drop]
impl<F> PinnedDrop for ResponseFuture<F> {
    #[inline]
    fn drop(self: Pin<&mut Self>) {
        let mut this = self.project();
        if matches!(*this.state, State::Calling { .. }) {
            let deadline = this.timer.deadline().unwrap_or(Instant::FAR_FUTURE);
            context::limited(u64::MAX, deadline, || this.state.set(State::Done));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::mpsc::{Sender, channel};
    use std::task::Waker;
    use std::time::Duration;

    use super::*;
    use crate::error::BoxError;
    use crate::telemetry::Environment;
    use crate::time::Clock;
    use crate::timeout::Timeout;

    /// Tells at its drop whether it was cut.
    struct Witness(Sender<bool>);

    impl Drop for Witness {
        fn drop(&mut self) {
            self.0.send(context::is_cut()).expect("the test listens");
        }
    }

    #[test]
    fn what_a_timeout_ends_is_cut_and_what_a_caller_drops_is_not() {
        let clock = Clock::manual();
        let timeout = after(1, &clock);
        let (sender, cut) = channel();
        let witness = || {
            let witness = Witness(sender.clone());
            timeout.run_with(async || {
                let _witness = witness;
                pending::<Result<(), BoxError>>().await
            })
        };

        let mut given_up = Box::pin(witness());
        assert!(poll(given_up.as_mut()).is_pending());
        drop(given_up);
        assert_eq!(cut.try_iter().collect::<Vec<_>>(), [false]);

        let mut late = Box::pin(witness());
        assert!(poll(late.as_mut()).is_pending());
        clock.advance(Duration::from_secs(1));
        assert!(poll(late.as_mut()).is_ready());
        assert_eq!(cut.try_iter().collect::<Vec<_>>(), [true]);
    }

    #[test]
    fn the_total_timeout_cuts_through_attempts_that_have_time_left() {
        let clock = Clock::manual();
        let (total, attempt) = (after(1, &clock), after(60, &clock));
        let (sender, cut) = channel();
        let witness = Witness(sender);
        let mut call = Box::pin(total.run_with(async || {
            attempt
                .run_with(async || {
                    let _witness = witness;
                    pending::<Result<(), BoxError>>().await
                })
                .await
        }));

        assert!(poll(call.as_mut()).is_pending());
        clock.advance(Duration::from_secs(1));
        assert!(poll(call.as_mut()).is_ready());

        assert_eq!(cut.try_iter().collect::<Vec<_>>(), [true]);
    }

    #[test]
    fn a_call_that_is_answered_is_dropped_at_once_and_not_cut() {
        let clock = Clock::manual();
        let (sender, cut) = channel();
        let witness = Witness(sender);
        let mut timeout = after(1, &clock);
        let mut call = Box::pin(timeout.begin(|| {
            std::future::poll_fn(move |_| {
                let _ = &witness;
                Poll::Ready(Ok::<_, BoxError>(()))
            })
        }));

        assert!(poll(call.as_mut()).is_ready());

        assert_eq!(cut.try_iter().collect::<Vec<_>>(), [false]);
    }

    #[test]
    fn what_is_around_a_call_is_small() {
        let around = size_of::<ResponseFuture<[u64; 4]>>() - size_of::<[u64; 4]>();

        assert!(around <= 96, "{around} bytes");
    }

    fn after(seconds: u64, clock: &Clock) -> Timeout {
        Timeout::builder()
            .after(Duration::from_secs(seconds))
            .build_in(&Environment::new().clock(clock.clone()))
            .unwrap()
    }

    fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }
}
