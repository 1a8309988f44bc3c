//! Makes any service's error fit for policies.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::Error;

/// Turns a service's error `E` into [`Error<E>`], so that policies can put rejections into it.
///
/// Innermost in a stack, around a service whose error type is nobody's to change.
///
/// # Example
///
/// ```
/// use std::io;
/// use std::time::Duration;
///
/// use seawall::Error;
/// use seawall::error::WrapLayer;
/// use seawall::timeout::Timeout;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let refused = service_fn(|()| async { Err::<(), _>(io::ErrorKind::ConnectionRefused) });
/// let service = ServiceBuilder::new()
///     .layer(Timeout::new(Duration::from_secs(1))?.layer())
///     .layer(WrapLayer::new())
///     .service(refused);
///
/// let error = service.oneshot(()).await.unwrap_err();
/// assert_eq!(error, Error::Service(io::ErrorKind::ConnectionRefused));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct WrapLayer {
    _private: (),
}

impl WrapLayer {
    /// Creates the layer.
    #[must_use]
    pub const fn new() -> Self {
        Self { _private: () }
    }
}

impl<S> Layer<S> for WrapLayer {
    type Service = Wrap<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Wrap { inner }
    }
}

/// A service behind a [`WrapLayer`].
#[derive(Clone, Copy, Debug)]
pub struct Wrap<S> {
    inner: S,
}

impl<S, Request> Service<Request> for Wrap<S>
where
    S: Service<Request>,
{
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = WrapFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Error::Service)
    }

    #[inline]
    fn call(&mut self, request: Request) -> Self::Future {
        WrapFuture { inner: self.inner.call(request) }
    }
}

/// The answer of a [`Wrap`].
#[pin_project]
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct WrapFuture<F> {
    #[pin]
    inner: F,
}

impl<F, T, E> Future for WrapFuture<F>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<T, Error<E>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().inner.poll(cx).map_err(Error::Service)
    }
}
