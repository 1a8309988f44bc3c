//! The service that makes calls wait.

use std::task::{Context, Poll};

use tower_service::Service;

use super::future::ResponseFuture;
use crate::error::Reject;
use crate::gate::Waitable;
use crate::outcome::Classify;

/// A service behind a gate, in front of which calls wait.
///
/// Made by [`QueueLayer`](super::QueueLayer). It is always ready; the future of a call waits, and
/// then makes a clone of the inner service ready and calls it. The service itself is never polled.
///
/// # Example
///
/// ```
/// use seawall::bulkhead::Bulkhead;
/// use seawall::error::BoxError;
/// use seawall::queue::QueueService;
/// use tower::{Layer, service_fn};
///
/// let echo = service_fn(|id: u64| async move { Ok::<_, BoxError>(id) });
/// let service: QueueService<_, Bulkhead> =
///     Bulkhead::builder().build()?.queue_layer().layer(echo);
/// # Ok::<(), BoxError>(())
/// ```
#[derive(Clone, Debug)]
pub struct QueueService<S, G, C = crate::outcome::ByResult> {
    // Never polled, so that a clone has no readiness to leave behind.
    inner: S,
    gate: G,
    classify: C,
}

impl<S, G, C> QueueService<S, G, C> {
    pub(super) const fn new(inner: S, gate: G, classify: C) -> Self {
        Self { inner, gate, classify }
    }
}

impl<S, G, C, Request> Service<Request> for QueueService<S, G, C>
where
    S: Service<Request> + Clone,
    S::Error: Reject,
    G: Waitable<Request> + Clone,
    C: Classify<S::Response, S::Error> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, Request, G, C>;

    #[inline]
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: Request) -> Self::Future {
        ResponseFuture::new(self.inner.clone(), request, self.gate.clone(), self.classify.clone())
    }
}
