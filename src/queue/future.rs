//! The answer to a call that may wait.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project::pin_project;
use tower_service::Service;

use crate::error::Reject;
use crate::gate::{self, Permit, Waitable};
use crate::outcome::Classify;

/// The answer of a [`QueueService`](super::QueueService).
///
/// # Cancel safety
///
/// Dropped before its end, it leaves the line, or drops the inner future and then its permit.
#[pin_project]
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<S, Request, G, C>
where
    S: Service<Request>,
    G: Waitable<Request>,
{
    #[pin]
    state: State<S::Future, Request, G::Place, G::Permit, C>,
    service: S,
    gate: G,
    classify: C,
}

#[pin_project(project = StateProj)]
enum State<F, Request, Place, P, C> {
    Waiting {
        request: Option<Request>,
        place: Option<Place>,
    },
    /// Let in; the service is not ready yet.
    Readying {
        request: Option<Request>,
        permit: Option<P>,
    },
    Calling {
        #[pin]
        inner: gate::ResponseFuture<F, P, C>,
    },
}

impl<S, Request, G, C> ResponseFuture<S, Request, G, C>
where
    S: Service<Request>,
    G: Waitable<Request>,
{
    #[inline]
    pub(super) const fn new(service: S, request: Request, gate: G, classify: C) -> Self {
        let state = State::Waiting { request: Some(request), place: None };
        Self { state, service, gate, classify }
    }
}

impl<S, Request, G, C> Future for ResponseFuture<S, Request, G, C>
where
    S: Service<Request>,
    S::Error: Reject,
    G: Waitable<Request>,
    C: Classify<S::Response, S::Error> + Clone,
{
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::Waiting { request, place } => {
                    let waiting = request.as_ref().expect("not polled again after completion");
                    match ready!(this.gate.poll_enter(waiting, place, cx)) {
                        Ok(permit) => {
                            *place = None;
                            State::Readying { request: request.take(), permit: Some(permit) }
                        }
                        Err(rejection) => {
                            *request = None;
                            *place = None;
                            return Poll::Ready(Err(S::Error::reject(rejection)));
                        }
                    }
                }
                StateProj::Readying { request, permit } => {
                    let is_ready = ready!(this.service.poll_ready(cx));
                    let request = request.take().expect("not polled again after completion");
                    if let Err(error) = is_ready {
                        let outcome = this.classify.classify(Err(&error));
                        if let Some(permit) = permit.take() {
                            permit.complete(outcome);
                        }
                        return Poll::Ready(Err(error));
                    }
                    let inner = this.service.call(request);
                    let permit = permit.take().expect("taken with the request");
                    let inner =
                        gate::ResponseFuture::admitted(inner, permit, this.classify.clone());
                    State::Calling { inner }
                }
                StateProj::Calling { inner } => return inner.poll(cx),
            };
            this.state.set(next);
        }
    }
}

impl<S, Request, G, C> fmt::Debug for ResponseFuture<S, Request, G, C>
where
    S: Service<Request>,
    G: Waitable<Request>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Waiting { .. } => "waiting",
            State::Readying { .. } => "admitted",
            State::Calling { .. } => "calling",
        };
        f.debug_struct("ResponseFuture").field("state", &state).finish_non_exhaustive()
    }
}
