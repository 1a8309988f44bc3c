//! From a request on the wire to the service and back.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use http::header::CONNECTION;
use http::{Extensions, HeaderValue, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{Either, Empty};
use tower_service::Service;

use super::progress::Progress;
use super::prolong::Prolong;
use crate::health::Peer;
use crate::sync::Arc;

/// The service's body, or none.
pub(super) type Reply<B> = Either<B, Empty<<B as Body>::Data>>;

/// What answers the requests of one connection.
#[derive(Debug)]
pub(super) struct Answer<S> {
    service: S,
    peer: SocketAddr,
    progress: Arc<Progress>,
}

impl<S> Answer<S> {
    pub(super) const fn new(service: S, peer: SocketAddr, progress: Arc<Progress>) -> Self {
        Self { service, peer, progress }
    }

    /// Answers a request. The service sees it only when it has no body.
    pub(super) fn answer<I, B>(
        &self,
        request: Request<I>,
    ) -> impl Future<Output = Result<Response<Reply<B>>, Infallible>> + Send + use<S, I, B>
    where
        I: Body,
        S: Service<Request<()>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send,
        B: Body + Send,
    {
        let progress = Arc::clone(&self.progress);
        progress.request_came();
        let asked = if request.body().is_end_stream() {
            // A clone is the user's code, too.
            let service = caught(|| self.service.clone()).ok_or(StatusCode::SERVICE_UNAVAILABLE);
            service.map(|service| (service, bare(request, self.peer)))
        } else {
            progress.left_unread();
            Err(StatusCode::PAYLOAD_TOO_LARGE)
        };
        async move {
            let response = match asked {
                Ok((service, request)) => {
                    ask(service, request).await.ok_or(StatusCode::SERVICE_UNAVAILABLE)
                }
                Err(status) => Err(status),
            };
            if let Ok(response) = &response
                && let Some(prolong) = response.extensions().get::<Prolong>()
            {
                progress.prolong(prolong.time());
            }
            progress.answered();
            Ok(response.map_or_else(refusal, |response| response.map(Either::Left)))
        }
    }
}

/// The request as the service sees it: without a body, and with its peer as the only extension.
fn bare<I>(request: Request<I>, peer: SocketAddr) -> Request<()> {
    let (mut parts, _) = request.into_parts();
    // The way to take the connection over is among them.
    parts.extensions = Extensions::new();
    parts.extensions.insert(Peer::new(peer));
    Request::from_parts(parts, ())
}

/// The service's answer, or none if it has none: it failed, it panicked, or it answered with what
/// is no answer yet.
async fn ask<S, B>(mut service: S, request: Request<()>) -> Option<Response<B>>
where
    S: Service<Request<()>, Response = Response<B>>,
{
    let ready = poll_fn(|cx| match caught(|| service.poll_ready(cx)) {
        Some(poll) => poll.map(|result| result.is_ok()),
        None => Poll::Ready(false),
    });
    if !ready.await {
        return None;
    }
    let mut response = pin!(caught(|| service.call(request))?);
    let response = poll_fn(|cx| match caught(|| response.as_mut().poll(cx)) {
        Some(poll) => poll.map(Result::ok),
        None => Poll::Ready(None),
    });
    response.await.filter(|response| !response.status().is_informational())
}

/// What `call` returns, unless it panics.
///
/// After a panic, nothing is used again of what it may have left half done.
fn caught<T>(call: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(call)).ok()
}

/// An answer that ends the connection.
fn refusal<B>(status: StatusCode) -> Response<Reply<B>>
where
    B: Body,
{
    let mut response = Response::new(Either::Right(Empty::new()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
