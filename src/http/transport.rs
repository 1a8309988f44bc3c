//! The inner end of a stack: directly around an HTTP client.

use std::fmt;
use std::task::{Context, Poll};

use http::{HeaderMap, Request};
use tower_layer::Layer;
use tower_service::Service;

use super::call_headers::CallHeaders;
use crate::error::{Error, Wrap, WrapFuture, WrapLayer};
use crate::time::Clock;

/// Makes an HTTP client fit for a stack: tells the server about the call, and gives policies an
/// error type to put rejections into.
///
/// Goes innermost, around the client. It writes the [`CallHeaders`] anew for each attempt, and turns
/// the client's error `E` into [`Error<E>`]. It does not touch requests otherwise, and answers not
/// at all. Costs a clock read and a header or two when there is a deadline.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use http::{Request, Response};
/// use seawall::error::BoxError;
/// use seawall::http::TransportLayer;
/// use seawall::timeout::Timeout;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// // What the server sees.
/// let client = service_fn(async |request: Request<()>| {
///     Ok::<_, std::io::Error>(Response::new(request.into_parts().0.headers))
/// });
/// let client = ServiceBuilder::new()
///     .layer(Timeout::new(Duration::from_secs(3))?.layer())
///     .layer(TransportLayer::new())
///     .service(client);
///
/// let seen = client.oneshot(Request::new(())).await?.into_body();
/// assert!(seen["x-envoy-expected-rq-timeout-ms"].to_str()?.parse::<u64>()? <= 3000);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct TransportLayer<H = HttpHeaders> {
    headers: CallHeaders,
    clock: Clock,
    access: H,
}

impl TransportLayer {
    /// For requests of the `http` crate.
    pub fn new() -> Self {
        Self::default()
    }

    /// For requests of a client that has types of its own. The function says where they have their
    /// headers.
    ///
    /// # Example
    ///
    /// With reqwest, this is `TransportLayer::foreign(reqwest::Request::headers_mut)`, and in
    /// general:
    ///
    /// ```
    /// use http::Request;
    /// use seawall::http::TransportLayer;
    ///
    /// let layer = TransportLayer::foreign(Request::<String>::headers_mut);
    /// # let _ = layer;
    /// ```
    pub fn foreign<R>(headers: fn(&mut R) -> &mut HeaderMap) -> TransportLayer<ForeignHeaders<R>> {
        TransportLayer {
            headers: CallHeaders::new(),
            clock: Clock::default(),
            access: ForeignHeaders(headers),
        }
    }
}

impl<H> TransportLayer<H> {
    /// What to tell the server.
    ///
    /// Default: [`CallHeaders::new`].
    pub fn headers(self, headers: CallHeaders) -> Self {
        Self { headers, ..self }
    }

    /// The clock for the time that is left.
    ///
    /// Default: the system's.
    pub fn clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }
}

impl<S, H> Layer<S> for TransportLayer<H>
where
    H: Clone,
{
    type Service = Transport<S, H>;

    fn layer(&self, inner: S) -> Self::Service {
        Transport { inner: WrapLayer::new().layer(inner), layer: self.clone() }
    }
}

/// An HTTP client behind a [`TransportLayer`].
///
/// # Example
///
/// ```
/// use seawall::http::{Transport, TransportLayer};
/// use tower::Layer;
///
/// struct Client;
///
/// let client: Transport<Client> = TransportLayer::new().layer(Client);
/// # let _ = client;
/// ```
#[derive(Clone, Debug)]
pub struct Transport<S, H = HttpHeaders> {
    inner: Wrap<S>,
    layer: TransportLayer<H>,
}

impl<S, H, R> Service<R> for Transport<S, H>
where
    S: Service<R>,
    H: HeadersOf<R>,
{
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = WrapFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::<R>::poll_ready(&mut self.inner, cx)
    }

    fn call(&mut self, mut request: R) -> Self::Future {
        let TransportLayer { headers, clock, access } = &self.layer;
        headers.write(access.headers_of(&mut request), clock);
        self.inner.call(request)
    }
}

/// Where a request has its headers.
///
/// Implemented by [`HttpHeaders`] for requests of the `http` crate, and by [`ForeignHeaders`] for
/// others.
///
/// # Example
///
/// ```
/// use http::Request;
/// use seawall::http::{HeadersOf, HttpHeaders};
///
/// let mut request = Request::new(());
/// assert!(HttpHeaders.headers_of(&mut request).is_empty());
/// ```
pub trait HeadersOf<R> {
    /// The headers of `request`.
    fn headers_of<'a>(&self, request: &'a mut R) -> &'a mut HeaderMap;
}

/// Finds the headers of an [`http::Request`].
///
/// # Example
///
/// ```
/// use seawall::http::{HttpHeaders, TransportLayer};
///
/// let layer: TransportLayer<HttpHeaders> = TransportLayer::new();
/// # let _ = layer;
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing to add to it")]
pub struct HttpHeaders;

impl<B> HeadersOf<Request<B>> for HttpHeaders {
    fn headers_of<'a>(&self, request: &'a mut Request<B>) -> &'a mut HeaderMap {
        request.headers_mut()
    }
}

/// Finds the headers of another crate's request. Made by [`TransportLayer::foreign`].
///
/// # Example
///
/// ```
/// use http::Request;
/// use seawall::http::{ForeignHeaders, TransportLayer};
///
/// let layer: TransportLayer<ForeignHeaders<Request<()>>> =
///     TransportLayer::foreign(Request::headers_mut);
/// # let _ = layer;
/// ```
pub struct ForeignHeaders<R>(fn(&mut R) -> &mut HeaderMap);

impl<R> HeadersOf<R> for ForeignHeaders<R> {
    fn headers_of<'a>(&self, request: &'a mut R) -> &'a mut HeaderMap {
        (self.0)(request)
    }
}

impl<R> Clone for ForeignHeaders<R> {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

impl<R> fmt::Debug for ForeignHeaders<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ForeignHeaders")
    }
}
