use std::future::Future;
use std::mem::{self, ManuallyDrop};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project::{pin_project, pinned_drop};
use tower_service::Service;

use super::core::Course;
use super::repeats::{Kept, Repeats};
use super::{Retry, Shared};
use crate::context::{self, Ambient};
use crate::error::Reject;
use crate::outcome::{Classify, Outcome};
use crate::replay::Replay;
use crate::slot::Lent;

/// The answer of a [`RetryService`](super::RetryService).
///
/// # Cancel safety
///
/// Dropping it drops the attempt that runs. A repeat that was decided and not sent yet is given
/// back to the budget.
#[pin_project(project = Parts, PinnedDrop)]
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<S, Request, F, A, C, R> {
    /// The attempt that runs.
    #[pin]
    pub(super) attempt: Option<F>,
    pub(super) service: S,
    pub(super) kept: Kept<Request>,
    pub(super) classify: C,
    pub(super) replay: R,
    pub(super) course: Course,
    /// This and the next are dropped by hand, out of line, for there is nothing to drop of them in a
    /// call whose first attempt ended it.
    pub(super) stage: ManuallyDrop<Stage<Request, A>>,
    /// Held until the call is over.
    pub(super) shared: Lent<Shared>,
}

/// How far a call has come.
#[derive(Debug)]
pub(super) enum Stage<Request, A> {
    First,
    /// The first attempt did not end the call.
    Later(Repeats<Request, A>),
    /// The first attempt ended it, and what the call held is given back.
    Over,
}

impl<S, Request, F, A, C, R> ResponseFuture<S, Request, F, A, C, R> {
    /// Makes the first attempt with `call`. `keep` makes the service for repeats.
    ///
    /// All parts are made where they stay, the attempt before those that do not unwind: what lives
    /// while something else may unwind is kept in memory for it, and copied afterwards.
    #[expect(clippy::inline_always, reason = "the future is built where it stays, and not moved")]
    #[inline(always)]
    pub(super) fn begin<I>(
        mut request: Request,
        retry: &mut Retry,
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
            attempt: Some(call(&mut inner, request)),
            course,
            service: keep(inner),
            kept,
            classify: classify.clone(),
            replay: replay.clone(),
            stage: ManuallyDrop::new(Stage::First),
            // After all that may panic: what is lent must come back.
            shared: retry.shared.lend(),
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
        if matches!(*self.stage, Stage::First) {
            let this = self.as_mut().project();
            let inner =
                this.attempt.as_pin_mut().expect("the first attempt is there from the start");
            // The first attempt runs in the caller's own context: it needs no other.
            let result = ready!(inner.poll(cx));
            let outcome = this.classify.classify(result.as_ref());
            if is_settled(outcome) {
                this.shared.give_back();
                // Without a drop of what it was.
                *this.stage = ManuallyDrop::new(Stage::Over);
                return Poll::Ready(result);
            }
            if let Some(end) = self.as_mut().follow_first(result, outcome) {
                return Poll::Ready(end);
            }
        }
        // Taken apart out of line: what is only needed from here on is not to be laid out before.
        self.poll_repeats(cx)
    }
}

impl<S, Request, F, A, C, R> Parts<'_, S, Request, F, A, C, R> {
    /// Drops a repeat's attempt under its own number, as it was polled.
    #[cold]
    pub(super) fn drop_repeat(&mut self) {
        // As the caller's: whether a deadline cuts the call is for him to say.
        let mut ambient = Ambient::current().attempt(self.course.attempt());
        context::scope(&mut ambient, || self.attempt.set(None));
    }
}

impl<S, Request, F, A, C, R> ResponseFuture<S, Request, F, A, C, R> {
    /// Drops a call that is given up, or was not ended by its first attempt.
    #[inline(never)]
    fn clean_up(self: Pin<&mut Self>) {
        let mut this = self.project();
        // What is dropped may panic: the rest is out of the way before.
        this.shared.give_back();
        match mem::replace(&mut **this.stage, Stage::Over) {
            Stage::Later(_repeats) => this.drop_repeat(),
            Stage::First | Stage::Over => this.attempt.set(None),
        }
    }
}

#[pinned_drop]
impl<S, Request, F, A, C, R> PinnedDrop for ResponseFuture<S, Request, F, A, C, R> {
    #[inline]
    fn drop(self: Pin<&mut Self>) {
        if !matches!(*self.stage, Stage::Over) {
            self.clean_up();
        }
    }
}

#[inline]
pub(super) fn is_settled(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Neutral | Outcome::Permanent | Outcome::Success => true,
        Outcome::Overload { .. } | Outcome::Transient => false,
    }
}

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::task::{Wake, Waker};
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::error::BoxError;
    use crate::outcome::ByResult;
    use crate::replay::Cloned;
    use crate::telemetry::Environment;
    use crate::time::Clock;

    #[test]
    fn however_a_call_ends_nothing_is_left_of_it() {
        use Step::{Answer, Fail, Panic, Wait};

        let scripts: [&[&[Step]]; 9] = [
            &[&[Answer]],
            &[&[Wait, Answer]],
            &[&[Wait, Panic]],
            &[&[Fail], &[Answer]],
            &[&[Wait, Fail], &[Wait, Fail], &[Wait, Fail]],
            &[&[Fail], &[Fail], &[Panic]],
            &[&[Fail], &[Wait, Panic]],
            &[&[Fail], &[Wait; 9]],
            &[&[Wait; 9]],
        ];
        for attempts in scripts {
            for polls in 0..9 {
                for drop_panics in [false, true] {
                    for seconds in [None, Some(30), Some(150)] {
                        ends(attempts, polls, drop_panics, seconds);
                    }
                }
            }
        }
    }

    /// Polls a call so often, a minute apart, and drops it.
    fn ends(
        attempts: &'static [&'static [Step]],
        polls: usize,
        drop_panics: bool,
        seconds: Option<u64>,
    ) {
        let clock = Clock::manual();
        let mut retry =
            Retry::builder().build_in(&Environment::new().clock(clock.clone())).unwrap();
        let end = seconds.map(|seconds| clock.now() + Duration::from_secs(seconds));
        let witness = Arc::new(Nothing);
        let waker = Waker::from(Arc::clone(&witness));
        let mut cx = Context::from_waker(&waker);

        let caught = catch_unwind(AssertUnwindSafe(|| {
            let script = Script { attempts, drop_panics };
            let call = |script: &mut Script, ()| script.call(());
            let (judge, replay) = (&ByResult, &Cloned::new());
            let mut call = Box::pin(ResponseFuture::begin(
                (),
                &mut retry,
                judge,
                replay,
                script,
                call,
                |script| script,
            ));
            for _ in 0..polls {
                let end = end.unwrap_or(crate::time::Instant::FAR_FUTURE);
                if context::limited(u64::MAX, end, || call.as_mut().poll(&mut cx)).is_ready() {
                    break;
                }
                clock.advance(Duration::from_secs(60));
            }
        }));

        assert!(
            caught.is_ok() || drop_panics || attempts.iter().any(|it| it.ends_with(&[Step::Panic]))
        );
        assert_eq!(retry.shared.others(), 0, "{attempts:?}, {polls} polls, {seconds:?}");
        assert_eq!(Arc::strong_count(&witness), 2, "{attempts:?}, {polls} polls, {seconds:?}");
    }

    /// What an attempt does at each poll.
    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    enum Step {
        Answer,
        Fail,
        Panic,
        Wait,
    }

    struct Script {
        attempts: &'static [&'static [Step]],
        drop_panics: bool,
    }

    impl Service<()> for Script {
        type Response = ();
        type Error = BoxError;
        type Future = Attempt;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, (): ()) -> Attempt {
            let (steps, rest) = self.attempts.split_first().expect("no more attempts than these");
            self.attempts = rest;
            Attempt { steps, drop_panics: self.drop_panics }
        }
    }

    struct Attempt {
        steps: &'static [Step],
        drop_panics: bool,
    }

    impl Future for Attempt {
        type Output = Result<(), BoxError>;

        fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
            let (step, rest) = self.steps.split_first().expect("not polled again");
            self.steps = rest;
            match step {
                Step::Answer => Poll::Ready(Ok(())),
                Step::Fail => Poll::Ready(Err("down".into())),
                Step::Panic => panic!("as expected"),
                Step::Wait => Poll::Pending,
            }
        }
    }

    impl Drop for Attempt {
        fn drop(&mut self) {
            assert!(!self.drop_panics || thread::panicking(), "as expected");
        }
    }

    struct Nothing;

    impl Wake for Nothing {
        fn wake(self: Arc<Self>) {}
    }
}
