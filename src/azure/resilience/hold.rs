//! Places and deadlines that end with the body of an answer, and bodies small enough to be kept.

use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use azure_core::Error;
use azure_core::error::ErrorKind;
use azure_core::http::headers::CONTENT_LENGTH;
use azure_core::http::response::PinnedStream;
use azure_core::http::{AsyncRawResponse, Method, StatusCode};
use bytes::Bytes;
use futures_util::Stream;
use tower_layer::Layer;
use tower_service::Service;

use super::failure::{is_failure, told};
use super::journey::Journey;
use crate::azure::policy::{Answering, PolicyCall};
use crate::bulkhead::{Bulkhead, Permit};
use crate::error::{Reason, Reject, Rejection};
use crate::time::{Clock, Instant, Timer};

/// Stands innermost. Reads a body of known and small size within the attempt, so that one that
/// breaks off is tried again; holds a place for as long as any other body is read.
#[derive(Clone, Debug)]
pub(super) struct HoldLayer {
    pub(super) bulkhead: Option<Bulkhead>,
    pub(super) keep_up_to: u64,
    pub(super) body_deadline: bool,
    pub(super) policy: &'static str,
    pub(super) clock: Clock,
}

impl<S> Layer<S> for HoldLayer {
    type Service = Hold<S>;

    fn layer(&self, inner: S) -> Hold<S> {
        Hold { inner, layer: self.clone() }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Hold<S> {
    inner: S,
    layer: HoldLayer,
}

impl<S> Service<PolicyCall> for Hold<S>
where
    S: Service<PolicyCall, Response = AsyncRawResponse, Error = Error, Future: Send>
        + Clone
        + Send
        + 'static,
{
    type Response = AsyncRawResponse;
    type Error = Error;
    type Future = Answering;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: PolicyCall) -> Answering {
        let fresh = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, fresh);
        let layer = self.layer.clone();
        Box::pin(async move {
            let permit = layer.bulkhead.as_ref().map(Bulkhead::enter).transpose();
            let permit = permit.map_err(Error::reject)?;
            let method = call.request().method();
            let deadline = Journey::of(&call).map(|journey| journey.deadline);
            let response = inner.call(call).await?;
            if is_failure(response.status()) {
                // It holds no place: it is kept while others are waited for and asked.
                return Ok(match told(response).await {
                    (response, true) => response,
                    (response, false) => layer.guard(response, None, deadline),
                });
            }
            match length(method, &response) {
                Some(length) if length <= layer.keep_up_to => read(response, length).await,
                _ => Ok(layer.guard(response, permit, deadline)),
            }
        })
    }
}

/// How long the body is, if the head tells.
fn length(method: Method, response: &AsyncRawResponse) -> Option<u64> {
    let has_none = method == Method::Head
        || matches!(response.status(), StatusCode::NoContent | StatusCode::NotModified);
    if has_none {
        return Some(0);
    }
    response.headers().get_optional_str(&CONTENT_LENGTH)?.parse().ok()
}

async fn read(response: AsyncRawResponse, length: u64) -> Result<AsyncRawResponse, Error> {
    let (status, headers, body) = response.deconstruct();
    let body = body.collect().await?;
    if (body.len() as u64) < length {
        let message = format!("the body ended after {} of {length} bytes", body.len());
        return Err(Error::with_message(ErrorKind::Io, message));
    }
    Ok(AsyncRawResponse::from_bytes(status, headers, body))
}

impl HoldLayer {
    fn guard(
        &self,
        response: AsyncRawResponse,
        permit: Option<Permit>,
        deadline: Option<Instant>,
    ) -> AsyncRawResponse {
        let (status, headers, body) = response.deconstruct();
        let guarded = Guarded {
            body: Some(Box::pin(body)),
            permit,
            deadline: deadline.filter(|_| self.body_deadline),
            timer: Timer::idle(),
            policy: self.policy,
            clock: self.clock.clone(),
        };
        AsyncRawResponse::new(status, headers, Box::pin(guarded))
    }
}

/// A body that has a place until it ends, and ends by the deadline.
struct Guarded {
    /// `None` once it is over.
    body: Option<PinnedStream>,
    permit: Option<Permit>,
    deadline: Option<Instant>,
    timer: Timer,
    policy: &'static str,
    clock: Clock,
}

impl Stream for Guarded {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        // Before the bytes: a body that always has some must not outrun its deadline.
        let mut is_late = this.deadline.is_some_and(|deadline| this.clock.has_passed(deadline));
        if !is_late {
            if let Poll::Ready(bytes) = body.as_mut().poll_next(cx) {
                if !matches!(bytes, Some(Ok(_))) {
                    this.end();
                }
                return Poll::Ready(bytes);
            }
            let Some(deadline) = this.deadline else { return Poll::Pending };
            is_late = this.timer.poll_until(deadline, &this.clock, cx).is_ready();
        }
        if !is_late {
            return Poll::Pending;
        }
        this.end();
        let rejection = Rejection::new(this.policy, Reason::TimedOut);
        Poll::Ready(Some(Err(Error::reject(rejection))))
    }
}

impl Guarded {
    fn end(&mut self) {
        self.body = None;
        self.permit = None;
    }
}
