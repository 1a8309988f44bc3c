use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project::{pin_project, pinned_drop};

use super::Shared;
use crate::context::{self, Allowance};
use crate::error::{Reason, Reject, Rejection};
use crate::slot::Slot;
use crate::telemetry::EventKind;
use crate::time::{Instant, Lane, Timer};

/// The answer of a [`TimeoutService`](super::TimeoutService).
#[pin_project(PinnedDrop)]
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<F> {
    #[pin]
    state: State<F>,
    /// The time that the call has. Its deadline is named when the timer is set.
    allowed: Allowance,
    limit: Limit,
    timer: Timer,
    lane: Lane,
    shared: Slot<Shared>,
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

/// What ends the call.
#[derive(Clone, Copy, Debug)]
enum Limit {
    /// Not known before the first `Pending`, when the clock is read.
    Unset,
    /// The timeout.
    Own,
    /// The caller's deadline, which comes first.
    Outer { until: Instant, allowed: Duration },
}

impl<F> ResponseFuture<F> {
    #[inline]
    pub(super) fn begun(inner: F, allowed: Allowance, shared: Slot<Shared>, lane: Lane) -> Self {
        let state = State::Calling { inner };
        Self { state, allowed, limit: Limit::Unset, timer: Timer::idle(), lane, shared }
    }

    #[cold]
    pub(super) fn late(shared: Slot<Shared>, lane: Lane) -> Self {
        let allowed = Allowance::new(Duration::MAX);
        Self {
            state: State::Late,
            allowed,
            limit: Limit::Unset,
            timer: Timer::idle(),
            lane,
            shared,
        }
    }

    /// Whether the time is over. Sets the timer when asked first.
    fn poll_end(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let clock = &this.shared.clock;
        if let Limit::Unset = *this.limit {
            *this.limit = Limit::Own;
            let outer = context::named_deadline();
            if outer != Instant::FAR_FUTURE {
                let now = clock.coarse();
                if outer <= now + this.lane.period() {
                    *this.limit = Limit::Outer { until: outer, allowed: outer.since(now) };
                }
            }
        }
        match *this.limit {
            Limit::Outer { until, .. } => this.timer.poll_until(until, clock, cx),
            Limit::Own | Limit::Unset => {
                let ended = this.timer.poll_timeout(*this.lane, clock, cx);
                if let Some(end) = this.timer.deadline() {
                    this.allowed.name(end);
                }
                ended
            }
        }
    }

    /// Drops the call, whose time is over.
    #[cold]
    fn cut(self: Pin<&mut Self>) -> Rejection {
        let mut this = self.project();
        context::cut(|| this.allowed.scope(|| this.state.set(State::Done)));
        let after = match *this.limit {
            Limit::Outer { allowed, .. } => allowed,
            Limit::Own | Limit::Unset => this.lane.period(),
        };
        this.shared.emitter.emit(EventKind::TimedOut { after });
        Rejection::new(this.shared.emitter.name(), Reason::TimedOut)
    }

    #[cold]
    fn reject(self: Pin<&mut Self>) -> Rejection {
        let mut this = self.project();
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
        // The answer beats the deadline: the time is looked at after the call.
        match this.allowed.scope(|| this.state.as_mut().poll_call(cx)) {
            Called::Answered(answer) => Poll::Ready(answer),
            Called::Pending => {
                ready!(self.as_mut().poll_end(cx));
                Poll::Ready(Err(E::reject(self.cut())))
            }
            Called::Late => Poll::Ready(Err(E::reject(self.reject()))),
            Called::Done => panic!("a call was polled again after its end"),
        }
    }
}

/// How far the call is.
enum Called<R> {
    Answered(R),
    Pending,
    Late,
    Done,
}

impl<F> State<F>
where
    F: Future,
{
    /// Polls the call, and drops it when it has its answer.
    #[inline]
    fn poll_call(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Called<F::Output> {
        match self.as_mut().project() {
            StateProj::Calling { inner } => {
                let Poll::Ready(answer) = inner.poll(cx) else {
                    return Called::Pending;
                };
                self.set(Self::Done);
                Called::Answered(answer)
            }
            StateProj::Late => Called::Late,
            StateProj::Done => Called::Done,
        }
    }
}

#[pinned_drop]
impl<F> PinnedDrop for ResponseFuture<F> {
    #[inline]
    fn drop(self: Pin<&mut Self>) {
        let mut this = self.project();
        if matches!(*this.state, State::Calling { .. }) {
            this.allowed.scope(|| this.state.set(State::Done));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::mpsc::{Sender, channel};
    use std::task::Waker;

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
            let _witness = witness;
            std::future::poll_fn(move |_| {
                let _ = &_witness;
                Poll::Ready(Ok::<_, BoxError>(()))
            })
        }));

        assert!(poll(call.as_mut()).is_ready());

        assert_eq!(cut.try_iter().collect::<Vec<_>>(), [false]);
    }

    #[test]
    fn what_is_around_a_call_is_small() {
        let around = size_of::<ResponseFuture<[u64; 4]>>() - size_of::<[u64; 4]>();

        assert!(around <= 192, "{around} bytes");
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
