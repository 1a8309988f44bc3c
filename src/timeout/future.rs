use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project::{pin_project, pinned_drop};

use super::Shared;
use crate::context;
use crate::error::{Reason, Reject, Rejection};
use crate::slot::Lent;
use crate::telemetry::EventKind;
use crate::time::{Instant, Timer, nanos};

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
    after_nanos: u64,
    /// Set at the first `Pending`. From then on the deadline is known.
    ///
    /// This and the next are dropped by hand, when the call ends or is given up: then the state is
    /// `Done`. Most calls end at once, and have nothing to look at after that.
    timer: ManuallyDrop<Option<Timer>>,
    shared: Lent<Shared>,
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
    pub(super) fn begin(
        after_nanos: u64,
        call: Option<impl FnOnce() -> F>,
        lend: impl FnOnce() -> Lent<Shared>,
    ) -> Self {
        let state = match call {
            Some(call) => State::Calling { inner: call() },
            None => State::Late,
        };
        // Lent when the call has begun: it may panic, and what is lent must come back.
        Self { state, after_nanos, timer: ManuallyDrop::new(None), shared: lend() }
    }

    /// When the time is over, as far as that is known.
    #[inline]
    fn deadline(&self) -> Option<Instant> {
        self.timer.as_ref().and_then(Timer::deadline)
    }

    /// Whether the time is over. Sets the timer when asked first.
    fn poll_end(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let timer = this.timer.get_or_insert_default();
        let clock = &this.shared.clock;
        let outer = context::named_deadline();
        if outer != Instant::FAR_FUTURE && timer.deadline().is_none() {
            let now = clock.coarse();
            if outer <= now + Duration::from_nanos(*this.after_nanos) {
                // The caller has less time than this timeout allows.
                *this.after_nanos = nanos(outer.since(now));
                return timer.poll_until(outer, clock, cx);
            }
        }
        if *this.after_nanos == u64::MAX {
            // Without an end there is nothing to wait for.
            return Poll::Pending;
        }
        timer.poll_timeout(*this.after_nanos, clock, cx)
    }

    /// Drops the call, which has ended or is given up.
    #[inline(never)]
    fn clean_up(self: Pin<&mut Self>) {
        let deadline = self.deadline().unwrap_or(Instant::FAR_FUTURE);
        let mut this = self.project();
        // What is dropped may panic: the rest is out of the way before.
        let _timer = this.timer.take();
        this.shared.give_back();
        context::limited(u64::MAX, deadline, || this.state.set(State::Done));
    }

    /// Drops the call, whose time is over.
    #[cold]
    fn cut(self: Pin<&mut Self>) -> Rejection {
        let mut this = self.project();
        // The timer, which has told that the time is over, is idle.
        let Shared { emitter, .. } = &*this.shared.owned();
        context::cut(|| this.state.set(State::Done));
        emitter.emit(EventKind::TimedOut { after: Duration::from_nanos(*this.after_nanos) });
        Rejection::new(emitter.name(), Reason::TimedOut)
    }

    /// Says why there is no call.
    #[cold]
    fn reject(self: Pin<&mut Self>) -> Rejection {
        let mut this = self.project();
        assert!(matches!(*this.state, State::Late), "a call was polled again after its end");
        let Shared { emitter, .. } = &*this.shared.owned();
        this.state.set(State::Done);
        let reason = Reason::DeadlineExceeded;
        emitter.emit(EventKind::Rejected { reason });
        Rejection::new(emitter.name(), reason)
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
        if self.timer.is_none() {
            let this = self.as_mut().project();
            // The answer beats the deadline: the time is looked at after the call.
            let polled = context::limited(*this.after_nanos, Instant::FAR_FUTURE, || {
                this.state.poll_first(this.shared, cx)
            });
            if polled.is_ready() {
                return polled;
            }
        }
        self.poll_on(cx)
    }
}

impl<F, T, E> ResponseFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Reject,
{
    /// Goes on from the first `Pending`.
    #[inline(never)]
    fn poll_on(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, E>> {
        let is_first = self.timer.is_none();
        let (within_nanos, deadline) = match self.deadline() {
            Some(deadline) => (u64::MAX, deadline),
            None => (self.after_nanos, Instant::FAR_FUTURE),
        };
        let StateProj::Calling { inner } = self.as_mut().project().state.project() else {
            return Poll::Ready(Err(E::reject(self.reject())));
        };
        if !is_first {
            let polled = context::limited(within_nanos, deadline, || inner.poll(cx));
            if polled.is_ready() {
                self.clean_up();
                return polled;
            }
        }
        ready!(self.as_mut().poll_end(cx));
        Poll::Ready(Err(E::reject(self.cut())))
    }
}

impl<F> State<F>
where
    F: Future,
{
    /// Polls the call, if there is one, and drops it when it has its answer.
    #[expect(clippy::inline_always, reason = "out of line, it costs as much again")]
    #[inline(always)]
    fn poll_first(
        mut self: Pin<&mut Self>,
        shared: &mut Lent<Shared>,
        cx: &mut Context<'_>,
    ) -> Poll<F::Output> {
        let StateProj::Calling { inner } = self.as_mut().project() else {
            return Poll::Pending;
        };
        let polled = inner.poll(cx);
        if polled.is_ready() {
            shared.give_back();
            self.set(Self::Done);
        }
        polled
    }
}

#[pinned_drop]
impl<F> PinnedDrop for ResponseFuture<F> {
    #[inline(always)]
    fn drop(self: Pin<&mut Self>) {
        if !matches!(self.state, State::Done) {
            self.clean_up();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::sync::mpsc::{Sender, channel};
    use std::task::{Wake, Waker};
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::error::BoxError;
    use crate::telemetry::{Environment, Event};
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
    fn however_a_call_ends_nothing_is_left_of_it() {
        use Step::{Answer, Panic, Wait};

        let clock = Clock::manual();
        let mut timeout = after(1, &clock);
        let witness = Arc::new(Nothing);
        let waker = Waker::from(Arc::clone(&witness));
        let mut cx = Context::from_waker(&waker);
        let endings: [&[Step]; 7] =
            [&[], &[Answer], &[Wait], &[Wait, Answer], &[Wait, Wait], &[Panic], &[Wait, Panic]];
        for (steps, drop_panics) in endings.into_iter().flat_map(|it| [(it, false), (it, true)]) {
            let caught = catch_unwind(AssertUnwindSafe(|| {
                let mut call = Box::pin(timeout.begin(|| Call { steps, drop_panics }));
                for step in steps {
                    let _ = call.as_mut().poll(&mut cx);
                    if matches!(step, Wait) && steps.len() == 2 && matches!(steps[1], Wait) {
                        clock.advance(Duration::from_secs(1));
                    }
                }
            }));

            assert_eq!(caught.is_err(), drop_panics || matches!(steps, [.., Panic]), "{steps:?}");
            assert_eq!(timeout.shared.others(), 0, "{steps:?}");
            assert_eq!(Arc::strong_count(&witness), 2, "{steps:?}");
        }
    }

    #[test]
    fn a_call_that_does_not_begin_leaves_nothing() {
        let clock = Clock::manual();
        let mut timeout = after(1, &clock);

        let panic = || -> Call { panic!("as expected") };
        assert!(catch_unwind(AssertUnwindSafe(|| drop(timeout.begin(panic)))).is_err());
        assert_eq!(timeout.shared.others(), 0);

        let never = pending::<Result<(), BoxError>>;
        context::limited(u64::MAX, clock.now(), || {
            drop(Box::pin(timeout.begin(never)));
            assert_eq!(timeout.shared.others(), 0);
            let mut late = Box::pin(timeout.begin(never));
            assert!(poll(late.as_mut()).is_ready());
            assert_eq!(timeout.shared.others(), 0);
        });
    }

    #[test]
    fn a_call_that_outlives_its_timeout_tells_whom_that_told() {
        let clock = Clock::manual();
        let named = |sender: Sender<bool>, first: bool| {
            let environment = Environment::new().clock(clock.clone());
            let environment = environment.observer(move |_: &Event| {
                sender.send(first).expect("the test listens");
            });
            Timeout::builder().after(Duration::from_secs(1)).build_in(&environment).unwrap()
        };
        let (sender, told) = channel();
        let mut timeout = named(sender.clone(), true);
        let mut call = Box::pin(timeout.begin(pending::<Result<(), BoxError>>));
        drop(timeout);

        let _others = [(); 20].map(|()| named(sender.clone(), false));
        assert!(poll(call.as_mut()).is_pending());
        clock.advance(Duration::from_secs(1));
        assert!(poll(call.as_mut()).is_ready());

        assert_eq!(told.try_iter().collect::<Vec<_>>(), [true]);
    }

    #[test]
    fn a_timeout_makes_room_for_its_calls_before_they_come() {
        let (first, second) =
            (Duration::from_nanos(7_777_777_701), Duration::from_nanos(7_777_777_702));
        let timeout = Timeout::new(first).unwrap();
        assert!(Timer::is_prepared(nanos(first)) && !Timer::is_prepared(nanos(second)));

        timeout.reload(&Timeout::builder().after(second)).unwrap();
        assert!(Timer::is_prepared(nanos(second)));

        after(7_777_777, &Clock::manual());
        assert!(!Timer::is_prepared(nanos(Duration::from_secs(7_777_777))));
    }

    #[test]
    fn what_is_around_a_call_is_small() {
        let around = size_of::<ResponseFuture<[u64; 4]>>() - size_of::<[u64; 4]>();

        assert!(around <= 96, "{around} bytes");
    }

    /// What a call does at each poll.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Answer,
        Panic,
        Wait,
    }

    struct Call {
        steps: &'static [Step],
        drop_panics: bool,
    }

    impl Future for Call {
        type Output = Result<(), BoxError>;

        fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
            let (step, rest) = self.steps.split_first().expect("not polled again");
            self.steps = rest;
            match step {
                Step::Answer => Poll::Ready(Ok(())),
                Step::Panic => panic!("as expected"),
                Step::Wait => Poll::Pending,
            }
        }
    }

    impl Drop for Call {
        fn drop(&mut self) {
            assert!(!self.drop_panics || thread::panicking(), "as expected");
        }
    }

    struct Nothing;

    impl Wake for Nothing {
        fn wake(self: Arc<Self>) {}
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
