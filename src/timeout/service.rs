use std::task::{Context, Poll};

use tower_service::Service;

use super::{ResponseFuture, Timeout};
use crate::error::Reject;

/// A service within a [`Timeout`].
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::error::BoxError;
/// use seawall::timeout::{Timeout, TimeoutService};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let double = service_fn(async |n: u32| Ok::<_, BoxError>(2 * n));
/// let service: TimeoutService<_> = Timeout::new(Duration::from_secs(2))?.layer().layer(double);
///
/// assert_eq!(service.oneshot(21).await?, 42);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TimeoutService<S> {
    inner: S,
    timeout: Timeout,
}

impl<S> TimeoutService<S> {
    pub(super) const fn new(inner: S, timeout: Timeout) -> Self {
        Self { inner, timeout }
    }
}

impl<S, Request> Service<Request> for TimeoutService<S>
where
    S: Service<Request>,
    S::Error: Reject,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[expect(clippy::inline_always, reason = "the future is built where it stays, and not moved")]
    #[inline(always)]
    fn call(&mut self, request: Request) -> Self::Future {
        let Self { inner, timeout } = self;
        timeout.begin(|| inner.call(request))
    }
}
