//! A ready-made HTTP client, with the limits that outages ask for.
//!
//! hyper-util's pooling client over rustls, for HTTP/1.1 and HTTP/2, as a tower service. It is what
//! goes innermost into a stack, and adds what the stack can not: limits on connections.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//!
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::{BodyExt, Empty};
//! use seawall::error::BoxError;
//! use seawall::http::Client;
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! # let server = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let url = format!("http://{}/", server.local_addr()?);
//! # tokio::spawn(async move {
//! #     use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! #     let (mut connection, _) = server.accept().await?;
//! #     connection.read(&mut [0; 1024]).await?;
//! #     connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await
//! # });
//! let client = Client::builder().connect_timeout(Duration::from_secs(1)).plain_http(true).build()?;
//!
//! let request = Request::get(url).body(Empty::<Bytes>::new())?;
//! let response = client.oneshot(request).await?;
//! assert_eq!(response.into_body().collect().await?.to_bytes(), "hi");
//! # Ok(())
//! # }
//! ```
//!
//! # Limits
//!
//! | limit | why | default |
//! |-------|-----|---------|
//! | [`connect_timeout`](Config::connect_timeout) | a host that is gone answers nothing. Covers name resolution, TCP and TLS | 2 s |
//! | [`tcp_user_timeout`](Config::tcp_user_timeout) | a connection whose other end vanished fails after about a quarter of an hour without it. Linux and Android | 10 s |
//! | [`keep_alive`](Config::keep_alive) | finds dead connections while they are idle: TCP probes, and pings on HTTP/2 | 15 s |
//! | [`max_age`](Config::max_age) | a connection outlives any change of DNS without it, and no traffic moves | 5 min, less up to 20 % |
//! | [`idle_timeout`](Config::idle_timeout), [`max_idle_per_host`](Config::max_idle_per_host) | bound what the pool keeps | 90 s, 100 |
//!
//! A connection past its age takes no further request; what runs on it may end. The jitter keeps
//! connections that were made together from ending together.
//!
//! An error that [`is_connect`](hyper_util::client::legacy::Error::is_connect) means that the
//! request was not sent; [`ByStatus`](super::ByStatus) knows.
//!
//! # What it does not do
//!
//! It follows no redirects, keeps no cookies, decompresses nothing, asks no proxy, and sets no
//! timeout on requests: that is for the stack. Plain HTTP is refused unless it is
//! [allowed](Config::plain_http). Certificates are checked against the roots of Mozilla, or by a
//! [configuration](Config::build_with_tls) of one's own; there is no way to leave that out.
//!
//! # Cost
//!
//! One box per request that has a body.

mod config;
mod connector;

pub use config::Config;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::{Request, Response};
use http_body::Body;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::{CaptureConnection, HttpConnector, capture_connection};
use pin_project::pin_project;
use tower_service::Service;

use self::connector::{Age, Connector};
use crate::error::BoxError;

/// A pooling HTTP client. [The module's page](self) tells of its limits.
///
/// Clones share one pool. Takes requests with any body; needs a tokio runtime with IO and time
/// enabled when it is called.
#[derive(Clone)]
pub struct Client {
    inner: legacy::Client<Connector<hyper_rustls::HttpsConnector<HttpConnector>>, AnyBody>,
    /// Whether connections have a bounded age.
    ages: bool,
}

type AnyBody = UnsyncBoxBody<Bytes, BoxError>;

impl Client {
    /// Starts from the default settings.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::http::Client;
    ///
    /// let client = Client::builder().build()?;
    /// # let _ = client;
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    pub fn builder() -> Config {
        Config::default()
    }
}

impl<B> Service<Request<B>> for Client
where
    B: Body<Data: Buf, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Incoming>;
    type Error = legacy::Error;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::<Request<AnyBody>>::poll_ready(&mut self.inner, cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut request = request.map(any);
        let record = self.ages.then(|| capture_connection(&mut request));
        ResponseFuture { inner: self.inner.call(request), record }
    }
}

/// The answer of a [`Client`].
///
/// # Cancel safety
///
/// Dropping it gives the call up: an HTTP/1.1 connection is closed, an HTTP/2 stream reset.
///
/// # Example
///
/// ```
/// use bytes::Bytes;
/// use http::Request;
/// use http_body_util::Empty;
/// use seawall::http::Client;
/// use seawall::http::client::ResponseFuture;
/// use tower::Service;
///
/// fn start(client: &mut Client) -> ResponseFuture {
///     client.call(Request::new(Empty::<Bytes>::new()))
/// }
/// ```
#[pin_project]
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture {
    #[pin]
    inner: legacy::ResponseFuture,
    record: Option<CaptureConnection>,
}

impl Future for ResponseFuture {
    type Output = Result<Response<Incoming>, legacy::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        if let (Some(age), Some(record)) =
            (response.extensions_mut().remove::<Age>(), this.record.take())
        {
            age.know(&record);
        }
        Poll::Ready(Ok(response))
    }
}

/// One type for all bodies, so that all requests share one pool.
fn any<B>(body: B) -> AnyBody
where
    B: Body<Data: Buf, Error: Into<BoxError>> + Send + 'static,
{
    if body.is_end_stream() {
        // Has no size, so its box is none.
        return Empty::new().map_err(|never| match never {}).boxed_unsync();
    }
    // Free of copies when the data is `Bytes` already.
    let frames =
        body.map_frame(|frame| frame.map_data(|mut data| data.copy_to_bytes(data.remaining())));
    frames.map_err(Into::into).boxed_unsync()
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}
