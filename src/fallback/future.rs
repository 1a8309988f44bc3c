use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project::pin_project;

use super::layer::Shared;
use super::substitute::Found;
use super::{Answer, Substitute};
use crate::error::Reject;
use crate::outcome::{Classify, Outcome};
use crate::slot::Slot;
use crate::telemetry::EventKind;

/// The answer of a [`FallbackService`](super::FallbackService): of the service, of its fallback, or
/// the failure.
///
/// # Cancel safety
///
/// Dropping it drops the call, or what looks for another answer.
///
/// # Example
///
/// ```
/// use seawall::error::BoxError;
/// use seawall::fallback::{FallbackLayer, ResponseFuture};
/// use tower::{Layer, Service, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let down = service_fn(async |_: u64| Err::<u32, BoxError>("down".into()));
///
/// let answer: ResponseFuture<_, _, _, _, _, _> = FallbackLayer::value(0).layer(down).call(7);
/// assert_eq!(answer.await?, 0);
/// # Ok(())
/// # }
/// ```
#[pin_project]
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<I, F, K, A, C, Request> {
    #[pin]
    state: State<I, A>,
    /// Taken when the call has ended.
    kept: Option<K>,
    substitute: F,
    classify: C,
    shared: Slot<Shared>,
    request: PhantomData<fn(Request)>,
}

#[pin_project(project = StateProj)]
enum State<I, A> {
    Calling {
        #[pin]
        inner: I,
    },
    Substituting {
        #[pin]
        other: A,
    },
    Done,
}

impl<I, F, K, A, C, Request> ResponseFuture<I, F, K, A, C, Request> {
    pub(super) const fn new(
        inner: I,
        kept: K,
        substitute: F,
        classify: C,
        shared: Slot<Shared>,
    ) -> Self {
        let state = State::Calling { inner };
        Self { state, kept: Some(kept), substitute, classify, shared, request: PhantomData }
    }
}

impl<I, F, K, A, C, Request, T, E> Future for ResponseFuture<I, F, K, A, C, Request>
where
    I: Future<Output = Result<T, E>>,
    F: Substitute<Request, T, E, Kept = K, Future = A>,
    A: Future<Output = Answer<T, E>>,
    C: Classify<T, E>,
    E: Reject,
{
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Calling { inner } => {
                    let result = ready!(inner.poll(cx));
                    // Both are the user's and may panic: nothing has been taken by then.
                    let outcome = this.classify.classify(result.as_ref());
                    let fails = fails(outcome, &result);
                    let kept = this.kept.take().expect("taken once, at the end of the call");
                    if fails {
                        let other = this.substitute.substitute(kept, result);
                        this.state.set(State::Substituting { other });
                        continue;
                    }
                    if let (Outcome::Success, Ok(response)) = (outcome, &result) {
                        this.substitute.learn(kept, response);
                    }
                    this.state.set(State::Done);
                    return Poll::Ready(result);
                }
                StateProj::Substituting { other } => {
                    let answer = ready!(other.poll(cx));
                    this.state.set(State::Done);
                    if let Found::Other { stale } = answer.found {
                        this.shared.emitter.emit(EventKind::Fallback { stale });
                    }
                    return Poll::Ready(answer.result);
                }
                StateProj::Done => panic!("a call was polled again after its end"),
            }
        }
    }
}

/// Whether another answer is to be found.
#[inline]
fn fails<T, E>(outcome: Outcome, result: &Result<T, E>) -> bool
where
    E: Reject,
{
    match outcome {
        Outcome::Transient | Outcome::Overload { .. } => true,
        Outcome::Success | Outcome::Permanent => false,
        // A rejection is no evidence about the service, but the caller is without an answer.
        Outcome::Neutral => result.as_ref().is_err_and(|error| error.rejection().is_some()),
    }
}

impl<I, F, K, A, C, Request> fmt::Debug for ResponseFuture<I, F, K, A, C, Request> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Calling { .. } => "Calling",
            State::Substituting { .. } => "Substituting",
            State::Done => "Done",
        };
        f.debug_struct("ResponseFuture").field("state", &state).finish_non_exhaustive()
    }
}
