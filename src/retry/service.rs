//! The service of a retry.

use std::task::{Context, Poll};

use tower_service::Service;

use super::Retry;
use super::future::ResponseFuture;
use crate::error::Reject;
use crate::outcome::Classify;
use crate::replay::Replay;

/// A service behind a [`RetryLayer`](super::RetryLayer).
///
/// Its first attempt uses the service that was polled ready. Each repeat uses a clone, and polls
/// that ready before.
#[derive(Clone, Debug)]
pub struct RetryService<S, C, R> {
    inner: S,
    retry: Retry,
    classify: C,
    replay: R,
}

impl<S, C, R> RetryService<S, C, R> {
    pub(super) const fn new(inner: S, retry: Retry, classify: C, replay: R) -> Self {
        Self { inner, retry, classify, replay }
    }
}

impl<S, C, R, Request> Service<Request> for RetryService<S, C, R>
where
    S: Service<Request> + Clone,
    S::Error: Reject,
    C: Classify<S::Response, S::Error> + Clone,
    R: Replay<Request> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, Request, S::Future, Result<S::Response, S::Error>, C, R>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[expect(clippy::inline_always, reason = "the future is built where it stays, and not moved")]
    #[inline(always)]
    fn call(&mut self, request: Request) -> Self::Future {
        let Self { inner, retry, classify, replay } = self;
        // The clone is not ready. It is polled before it is called.
        let keep = |inner: &mut S| inner.clone();
        // The closure is inlined, and tower's own call of a borrowed service is not.
        ResponseFuture::begin(
            request,
            retry,
            classify,
            replay,
            inner,
            |inner, request| S::call(inner, request),
            keep,
        )
    }
}
