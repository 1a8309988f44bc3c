//! A `tracing` span around each call.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project::pin_project;
use tower_layer::Layer;
use tower_service::Service;
use tracing::Span;
use tracing::field::Empty;

use crate::context;
use crate::error::intern;
use crate::outcome::{ByResult, Classify};

/// Puts a `tracing` span around each call.
///
/// The span `call` has the target `seawall` and the fields `policy`, `attempt`, and at its end
/// `outcome`. Put it outside a stack to see whole calls, and inside to see attempts, as children.
/// When no subscriber is interested, a call costs one check.
///
/// # Example
///
/// ```
/// use seawall::error::BoxError;
/// use seawall::telemetry::SpanLayer;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let service = ServiceBuilder::new()
///     .layer(SpanLayer::new("orders"))
///     .service(service_fn(|id: u64| async move { Ok::<_, BoxError>(id) }));
///
/// assert_eq!(service.oneshot(7).await?, 7);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SpanLayer<C = ByResult> {
    name: &'static str,
    classify: C,
}

impl SpanLayer {
    /// Creates a layer whose spans say that they belong to `name`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: intern(name), classify: ByResult }
    }
}

impl<C> SpanLayer<C> {
    /// Judges calls with `classify` instead of by their result.
    pub fn classify<D>(self, classify: D) -> SpanLayer<D> {
        SpanLayer { name: self.name, classify }
    }
}

impl<S, C> Layer<S> for SpanLayer<C>
where
    C: Clone,
{
    type Service = SpanService<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        SpanService { inner, name: self.name, classify: self.classify.clone() }
    }
}

/// A service behind a [`SpanLayer`].
#[derive(Clone, Debug)]
pub struct SpanService<S, C = ByResult> {
    inner: S,
    name: &'static str,
    classify: C,
}

impl<S, C, Request> Service<Request> for SpanService<S, C>
where
    S: Service<Request>,
    C: Classify<S::Response, S::Error> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = SpanFuture<S::Future, C>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let span = tracing::info_span!(
            target: "seawall",
            "call",
            policy = self.name,
            attempt = context::attempt(),
            outcome = Empty,
        );
        let inner = span.in_scope(|| self.inner.call(request));
        SpanFuture { inner, span, classify: self.classify.clone() }
    }
}

/// The answer of a [`SpanService`].
#[pin_project]
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct SpanFuture<F, C> {
    #[pin]
    inner: F,
    span: Span,
    classify: C,
}

impl<F, C, T, E> Future for SpanFuture<F, C>
where
    F: Future<Output = Result<T, E>>,
    C: Classify<T, E>,
{
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let _entered = this.span.enter();
        let result = std::task::ready!(this.inner.poll(cx));
        if !this.span.is_disabled() {
            let outcome = this.classify.classify(result.as_ref());
            this.span.record("outcome", outcome.name());
        }
        Poll::Ready(result)
    }
}
