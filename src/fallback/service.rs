use std::fmt;
use std::task::{Context, Poll};

use tower_service::Service;

use super::layer::Shared;
use super::{ResponseFuture, Substitute};
use crate::error::Reject;
use crate::outcome::Classify;
use crate::slot::Slot;

/// A service with a fallback. Made by [`FallbackLayer`](super::FallbackLayer).
///
/// # Example
///
/// ```
/// use seawall::error::BoxError;
/// use seawall::fallback::{FallbackLayer, FallbackService};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let down = service_fn(async |_: u64| Err::<u32, BoxError>("down".into()));
/// let stock: FallbackService<_, _, _> = FallbackLayer::value(0).layer(down);
///
/// assert_eq!(stock.oneshot(7).await?, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct FallbackService<S, F, C> {
    inner: S,
    substitute: F,
    classify: C,
    shared: Slot<Shared>,
}

impl<S, F, C> FallbackService<S, F, C> {
    pub(super) const fn new(inner: S, substitute: F, classify: C, shared: Slot<Shared>) -> Self {
        Self { inner, substitute, classify, shared }
    }
}

impl<S, F, C, Request> Service<Request> for FallbackService<S, F, C>
where
    S: Service<Request>,
    S::Error: Reject,
    F: Substitute<Request, S::Response, S::Error> + Clone,
    C: Classify<S::Response, S::Error> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, F, F::Kept, F::Future, C, Request>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let kept = self.substitute.keep(&request);
        let inner = self.inner.call(request);
        let (substitute, classify) = (self.substitute.clone(), self.classify.clone());
        ResponseFuture::new(inner, kept, substitute, classify, self.shared.clone())
    }
}

impl<S, F, C> fmt::Debug for FallbackService<S, F, C>
where
    S: fmt::Debug,
    F: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FallbackService")
            .field("inner", &self.inner)
            .field("substitute", &self.substitute)
            .finish_non_exhaustive()
    }
}
