//! The service of all gates.

use std::task::{Context, Poll, ready};

use tower_service::Service;

use super::Gate;
use super::future::ResponseFuture;
use crate::error::{Reject, Rejection};
use crate::outcome::Classify;

/// A service behind a [`Gate`].
///
/// Made by [`GateLayer`](super::GateLayer).
///
/// # Example
///
/// ```
/// use seawall::bulkhead::Bulkhead;
/// use seawall::error::BoxError;
/// use seawall::gate::GateService;
/// use seawall::outcome::ByResult;
/// use tower::{Layer, service_fn};
///
/// let echo = service_fn(|id: u64| async move { Ok::<_, BoxError>(id) });
/// let service: GateService<_, Bulkhead, ByResult> =
///     Bulkhead::builder().build()?.layer().layer(echo);
/// # Ok::<(), BoxError>(())
/// ```
#[derive(Debug)]
pub struct GateService<S, G, C> {
    inner: S,
    gate: G,
    classify: C,
    /// Set by `poll_ready` when it found the gate shut. The inner service was not made ready then,
    /// so the next `call` must not use it.
    shut: Option<Rejection>,
}

impl<S, G, C> GateService<S, G, C> {
    #[expect(clippy::inline_always, reason = "a service is built where it stays, and not moved")]
    #[inline(always)]
    pub(super) const fn new(inner: S, gate: G, classify: C) -> Self {
        Self { inner, gate, classify, shut: None }
    }
}

impl<S, G, C, Request> Service<Request> for GateService<S, G, C>
where
    S: Service<Request>,
    S::Error: Reject,
    G: Gate<Request>,
    C: Classify<S::Response, S::Error> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, G::Permit, C>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match self.gate.shut() {
            None => {
                // Looked at before it is written: a rejection is wide, and moving one about costs
                // more than the rest of a gate.
                if self.shut.is_some() {
                    self.shut = None;
                }
                ready!(self.inner.poll_ready(cx))?;
            }
            shut => self.shut = shut,
        }
        Poll::Ready(Ok(()))
    }

    #[expect(clippy::inline_always, reason = "the future is built where it stays, and not moved")]
    #[inline(always)]
    fn call(&mut self, request: Request) -> Self::Future {
        if let Some(rejection) = self.shut {
            self.shut = None;
            self.gate.turned_away(&rejection);
            return ResponseFuture::rejected(rejection);
        }
        match self.gate.enter(&request) {
            Ok(permit) => {
                ResponseFuture::admitted(self.inner.call(request), permit, self.classify.clone())
            }
            Err(rejection) => ResponseFuture::rejected(rejection),
        }
    }
}

impl<S, G, C> Clone for GateService<S, G, C>
where
    S: Clone,
    G: Clone,
    C: Clone,
{
    #[expect(clippy::inline_always, reason = "a clone is built where it stays, and not moved")]
    #[inline(always)]
    fn clone(&self) -> Self {
        // Readiness belongs to the service that was polled, and not to its clones.
        Self::new(self.inner.clone(), self.gate.clone(), self.classify.clone())
    }
}
