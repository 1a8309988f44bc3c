//! The outer end of a stack around an HTTP client.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use pin_project::{pin_project, pinned_drop};
use tower_layer::Layer;
use tower_service::Service;

use super::body::{DEFAULT_CAP, ReplayBody};
use super::response_body::ResponseBody;
use crate::context::{self, Ambient};
use crate::error::intern;
use crate::replay::NotReplayable;
use crate::time::{Clock, Instant};
use crate::timeout::Timeout;

/// Wraps the bodies of a stack around an HTTP client: requests so that they can be sent again,
/// answers so that they end with the deadline.
///
/// Goes outermost. Inside of it,
///
/// - the request's body is a [`ReplayBody`], recorded up to [`replay_cap`](Self::replay_cap) bytes;
///   [`Idempotency`](super::Idempotency) tells retry how to repeat it;
/// - the [deadline](crate::context::deadline) of the call is set, if there is a
///   [`timeout`](Self::timeout) or the call already has one. It is absolute, and the answer's body
///   ends with it, too. The headers are cut by a [`Timeout`](crate::timeout::Timeout) further in,
///   which observes it;
///
/// and an answer to a request that could not have been sent again says so: the
/// [`NotReplayable`] is in its extensions.
///
/// Costs what a [`ReplayBody`] costs, and a clock read when there is a deadline.
///
/// # Example
///
/// ```
/// use std::convert::Infallible;
/// use std::time::Duration;
///
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::{BodyExt, Full};
/// use seawall::http::{EdgeLayer, ReplayBody};
/// use seawall::replay::NotReplayable;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // Sends everything back.
/// let echo = service_fn(async |request: Request<ReplayBody<Full<Bytes>>>| {
///     Ok::<_, Infallible>(Response::new(request.into_body()))
/// });
/// let client = ServiceBuilder::new()
///     .layer(EdgeLayer::new().timeout(Duration::from_secs(3)).replay_cap(8))
///     .service(echo);
///
/// let request = Request::new(Full::new(Bytes::from("two shirts")));
/// let response = client.oneshot(request).await?;
/// let why = response.extensions().get::<NotReplayable>();
/// assert_eq!(why, Some(&NotReplayable::BodyTooLarge));
/// assert_eq!(response.into_body().collect().await?.to_bytes(), "two shirts");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct EdgeLayer {
    policy: &'static str,
    limit: Option<Limit>,
    body_deadline: bool,
    replay_cap: usize,
    clock: Clock,
}

/// The time for the whole call.
#[derive(Clone, Debug)]
enum Limit {
    Fixed(Duration),
    Follows(Timeout),
}

impl EdgeLayer {
    /// Records up to 64 KiB of a request, and sets no deadline of its own.
    pub fn new() -> Self {
        Self {
            policy: "http",
            limit: None,
            body_deadline: true,
            replay_cap: DEFAULT_CAP,
            clock: Clock::default(),
        }
    }

    /// The name that rejections of late bodies carry.
    ///
    /// Default: `http`.
    pub fn name(self, name: &str) -> Self {
        Self { policy: intern(name), ..self }
    }

    /// The time for the whole call, its answer's body included. `None` for no end.
    ///
    /// An earlier deadline that the call already has counts in any case.
    ///
    /// Default: `None`.
    pub fn timeout(self, timeout: impl Into<Option<Duration>>) -> Self {
        Self { limit: timeout.into().map(Limit::Fixed), ..self }
    }

    /// The time for the whole call, its answer's body included: that of `timeout`, also when it is
    /// set anew.
    pub fn follow(self, timeout: &Timeout) -> Self {
        Self { limit: Some(Limit::Follows(timeout.clone())), ..self }
    }

    /// Whether the body of the answer ends with the deadline. `false` for downloads that may take
    /// longer than their call.
    ///
    /// Default: `true`.
    pub fn body_deadline(self, body_deadline: bool) -> Self {
        Self { body_deadline, ..self }
    }

    /// The size up to which a request's body is recorded for another attempt, in bytes.
    ///
    /// Default: 65,536.
    pub fn replay_cap(self, bytes: usize) -> Self {
        Self { replay_cap: bytes, ..self }
    }

    /// The clock for the deadline.
    ///
    /// Default: the system's.
    pub fn clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    fn deadline(&self) -> Option<Instant> {
        let given = context::deadline(&self.clock);
        let own = match &self.limit {
            None => None,
            Some(Limit::Fixed(timeout)) => Some(*timeout),
            Some(Limit::Follows(timeout)) => Some(timeout.after()),
        };
        let own = own.map(|timeout| self.clock.now() + timeout);
        own.into_iter().chain(given).min()
    }
}

impl Default for EdgeLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for EdgeLayer {
    type Service = Edge<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Edge { inner, layer: self.clone() }
    }
}

/// A stack behind an [`EdgeLayer`].
///
/// # Example
///
/// ```
/// use seawall::http::{Edge, EdgeLayer};
/// use tower::Layer;
///
/// struct Stack;
///
/// let stack: Edge<Stack> = EdgeLayer::new().layer(Stack);
/// # let _ = stack;
/// ```
#[derive(Clone, Debug)]
pub struct Edge<S> {
    inner: S,
    layer: EdgeLayer,
}

impl<S, A, B> Service<Request<A>> for Edge<S>
where
    S: Service<Request<ReplayBody<A>>, Response = Response<B>>,
    A: Body,
{
    type Response = Response<ResponseBody<B>>;
    type Error = S::Error;
    type Future = EdgeFuture<S::Future, A>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let request = request.map(|body| ReplayBody::new(body, self.layer.replay_cap));
        let sent = request.body().again();
        let deadline = self.layer.deadline();
        let mut ambient = Ambient::current();
        if let Some(deadline) = deadline {
            ambient = ambient.until(deadline);
        }
        let inner = context::scope(&mut ambient, || self.inner.call(request));
        let deadline = deadline.filter(|_| self.layer.body_deadline);
        let limit =
            deadline.map(|deadline| (self.layer.policy, deadline, self.layer.clock.clone()));
        EdgeFuture { inner: Some(inner), ambient, sent, limit }
    }
}

/// The answer of an [`Edge`].
///
/// # Example
///
/// ```
/// use std::convert::Infallible;
/// use std::future::Ready;
///
/// use bytes::Bytes;
/// use http::Response;
/// use http_body_util::Full;
/// use seawall::http::EdgeFuture;
///
/// type Answer = EdgeFuture<Ready<Result<Response<()>, Infallible>>, Full<Bytes>>;
/// # fn _named(_: Answer) {}
/// ```
#[pin_project(PinnedDrop)]
#[must_use = "futures do nothing unless polled"]
pub struct EdgeFuture<F, A> {
    /// `None` only while this is dropped.
    #[pin]
    inner: Option<F>,
    ambient: Ambient,
    /// Knows whether the request could be sent again.
    sent: Result<ReplayBody<A>, NotReplayable>,
    limit: Option<(&'static str, Instant, Clock)>,
}

impl<F, A, B, E> Future for EdgeFuture<F, A>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let inner = this.inner.as_pin_mut().expect("only dropped with the whole");
        let response = ready!(context::scope(this.ambient, || inner.poll(cx)))?;
        let mut response = response.map(|body| {
            let body = ResponseBody::new(body);
            match this.limit.take() {
                Some((policy, deadline, clock)) => body.deadline(policy, deadline, &clock),
                None => body,
            }
        });
        if let Err(why) = this.sent.as_ref().map_or_else(|why| Err(*why), ReplayBody::replayable) {
            response.extensions_mut().insert(why);
        }
        Poll::Ready(Ok(response))
    }
}

#[pinned_drop]
impl<F, A> PinnedDrop for EdgeFuture<F, A> {
    fn drop(self: Pin<&mut Self>) {
        let mut this = self.project();
        context::scope(this.ambient, || this.inner.set(None));
    }
}

impl<F, A> fmt::Debug for EdgeFuture<F, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EdgeFuture").field("sent", &self.sent).finish_non_exhaustive()
    }
}
