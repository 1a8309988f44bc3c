//! The layer for HTTP: requests count until their answer's body has ended.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::{CONNECTION, RETRY_AFTER};
use http::{HeaderValue, Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{Drain, Permit, Phase};

impl Drain {
    /// A layer for an HTTP server's service.
    ///
    /// # Example
    ///
    /// ```
    /// use std::convert::Infallible;
    ///
    /// use http::{Request, Response, StatusCode};
    /// use http_body_util::Empty;
    /// use seawall::health::drain::{Cause, Drain, Product};
    /// use seawall::telemetry::Environment;
    /// use seawall::time::Clock;
    /// use tower::{ServiceBuilder, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let clock = Clock::manual();
    /// let drain = Drain::for_products([Product::load_balancer()])
    ///     .build_in(&Environment::new().clock(clock.clone()))?;
    /// let orders = ServiceBuilder::new().layer(drain.http_layer()).service(service_fn(
    ///     async |_: Request<()>| Ok::<_, Infallible>(Response::new(Empty::<bytes::Bytes>::new())),
    /// ));
    /// assert_eq!(orders.clone().oneshot(Request::new(())).await?.status(), StatusCode::OK);
    ///
    /// drain.start_by(Cause::Maintenance, clock.now());
    /// let response = orders.oneshot(Request::new(())).await?;
    /// assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    /// assert_eq!(response.headers()["retry-after"], "1");
    /// # Ok(())
    /// # }
    /// ```
    pub fn http_layer(&self) -> HttpDrainLayer {
        let wait = self.shared.params.retry_after;
        let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
        HttpDrainLayer { drain: self.clone(), retry_after: seconds.into() }
    }
}

/// Takes an HTTP service out of service with its [`Drain`]. Made by [`Drain::http_layer`].
///
/// A request is under way until its answer's body has ended or was dropped. From
/// [`Phase::Closing`] on, each answer to an HTTP/1 request says `Connection: close`; from
/// [`Phase::Rejecting`] on, new requests get 503 without a body, with a `Retry-After` of whole
/// seconds, and the service does not see them.
///
/// Goes outermost. Costs two locked read-modify-writes per request, and no allocation.
///
/// # Example
///
/// ```
/// use seawall::health::drain::{Drain, HttpDrainLayer, Product};
///
/// let layer: HttpDrainLayer =
///     Drain::for_products([Product::load_balancer()]).build()?.http_layer();
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct HttpDrainLayer {
    drain: Drain,
    retry_after: HeaderValue,
}

impl<S> Layer<S> for HttpDrainLayer {
    type Service = HttpDrainService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        HttpDrainService { inner, layer: self.clone(), turned_away: false }
    }
}

/// A service behind an [`HttpDrainLayer`].
///
/// # Example
///
/// ```
/// use seawall::health::drain::{Drain, HttpDrainService, Product};
/// use tower::Layer;
///
/// let drain = Drain::for_products([Product::load_balancer()]).build()?;
/// let service: HttpDrainService<()> = drain.http_layer().layer(());
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Debug)]
pub struct HttpDrainService<S> {
    inner: S,
    layer: HttpDrainLayer,
    /// Set by `poll_ready` when it found that requests are turned away. The inner service was not
    /// made ready then, so the next `call` must not use it.
    turned_away: bool,
}

impl<S, A, B> Service<Request<A>> for HttpDrainService<S>
where
    S: Service<Request<A>, Response = Response<B>>,
{
    type Response = Response<DrainBody<B>>;
    type Error = S::Error;
    type Future = HttpDrainFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.turned_away = !self.layer.drain.phase().takes_requests();
        if !self.turned_away {
            ready!(self.inner.poll_ready(cx))?;
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let turned_away = std::mem::take(&mut self.turned_away);
        let version = request.version();
        let state = match self.layer.drain.enter() {
            Ok(permit) if !turned_away => {
                State::Admitted { inner: self.inner.call(request), permit: Some(permit) }
            }
            _ => State::TurnedAway { retry_after: Some(self.layer.retry_after.clone()) },
        };
        HttpDrainFuture { state, version }
    }
}

impl<S> Clone for HttpDrainService<S>
where
    S: Clone,
{
    fn clone(&self) -> Self {
        // Readiness belongs to the service that was polled, and not to its clones.
        self.layer.layer(self.inner.clone())
    }
}

/// The answer of an [`HttpDrainService`].
///
/// # Cancel safety
///
/// Dropping it drops the inner call, and counts the request out.
///
/// # Example
///
/// ```
/// use std::convert::Infallible;
/// use std::future::Ready;
///
/// use http::Response;
/// use seawall::health::drain::HttpDrainFuture;
///
/// type Answer = HttpDrainFuture<Ready<Result<Response<()>, Infallible>>>;
/// # fn _named(_: Answer) {}
/// ```
#[pin_project]
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct HttpDrainFuture<F> {
    #[pin]
    state: State<F>,
    version: Version,
}

#[pin_project(project = StateProj)]
#[derive(Debug)]
enum State<F> {
    Admitted {
        #[pin]
        inner: F,
        permit: Option<Permit>,
    },
    TurnedAway {
        retry_after: Option<HeaderValue>,
    },
}

impl<F, B, E> Future for HttpDrainFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<DrainBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (mut response, leave) = match this.state.project() {
            StateProj::Admitted { inner, permit } => {
                let response = ready!(inner.poll(cx))?;
                let permit = permit.take();
                let leave = permit.as_ref().is_some_and(|permit| permit.phase() >= Phase::Closing);
                let body = |inner| DrainBody { inner: Some(inner), permit };
                (response.map(body), leave)
            }
            StateProj::TurnedAway { retry_after } => {
                let retry_after = retry_after.take().expect("not polled again after its end");
                let mut response = Response::new(DrainBody { inner: None, permit: None });
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                response.headers_mut().insert(RETRY_AFTER, retry_after);
                (response, true)
            }
        };
        // HTTP/2 forbids the header, and has GOAWAY.
        if leave && *this.version <= Version::HTTP_11 {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Poll::Ready(Ok(response))
    }
}

/// The body of an answer: its request is under way until it has ended.
///
/// # Cancel safety
///
/// No frame is lost when a read is dropped.
///
/// # Example
///
/// ```
/// use http::Response;
/// use http_body_util::Empty;
/// use seawall::health::drain::DrainBody;
///
/// type Answer = Response<DrainBody<Empty<bytes::Bytes>>>;
/// # fn _named(_: Answer) {}
/// ```
#[pin_project]
pub struct DrainBody<B> {
    /// `None` for the answer to a request that was turned away.
    #[pin]
    inner: Option<B>,
    permit: Option<Permit>,
}

impl<B> Body for DrainBody<B>
where
    B: Body,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        let frame = ready!(inner.poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            *this.permit = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B> fmt::Debug for DrainBody<B> {
    /// Tells nothing of what the body holds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrainBody").finish_non_exhaustive()
    }
}
