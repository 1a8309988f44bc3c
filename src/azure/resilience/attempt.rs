//! One attempt of a call: counted, and its body put back afterwards.

use std::future::poll_fn;
use std::mem;
use std::task::{Context, Poll};

use azure_core::Error;
use azure_core::http::{AsyncRawResponse, Body};
use tower_layer::Layer;
use tower_service::Service;

use super::journey::Journey;
use super::judge::Judge;
use crate::azure::policy::{Answering, PolicyCall};
use crate::azure::until::until;
use crate::outcome::Classify;
use crate::time::Clock;

/// Stands between retry and what makes an attempt.
///
/// A body that is a stream is put back to its start right after an attempt that failed, while the
/// answer is still there: a stream that can not be put back ends the call with that answer.
#[derive(Clone, Debug)]
pub(super) struct AttemptLayer {
    pub(super) judge: Judge,
    pub(super) clock: Clock,
}

impl<S> Layer<S> for AttemptLayer {
    type Service = Attempt<S>;

    fn layer(&self, inner: S) -> Attempt<S> {
        Attempt { inner, judge: self.judge.clone(), clock: self.clock.clone() }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Attempt<S> {
    inner: S,
    judge: Judge,
    clock: Clock,
}

impl<S> Service<PolicyCall> for Attempt<S>
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
        let (judge, clock) = (self.judge.clone(), self.clock.clone());
        Box::pin(async move {
            let Some(journey) = Journey::of(&call).cloned() else {
                return inner.call(call).await;
            };
            journey.begin_attempt();
            let stream = match call.request().body() {
                Body::SeekableStream(stream) => Some(stream.clone()),
                Body::Bytes(_) => None,
            };
            let result = inner.call(call).await;
            let outcome = judge.classify(result.as_ref());
            if !super::may_be_repeated(outcome) {
                return result;
            }
            if judge.may_have_run(result.as_ref()) {
                journey.set_may_have_run();
            }
            if let Some(mut stream) = stream {
                let reset = until(&clock, Some(journey.deadline), stream.reset()).await;
                if !matches!(reset, Some(Ok(()))) {
                    journey.lose_body();
                }
            }
            result
        })
    }
}

/// Waits until `service` is ready, and calls it.
pub(in crate::azure) async fn ready_call<S>(
    service: &mut S,
    call: PolicyCall,
) -> Result<AsyncRawResponse, Error>
where
    S: Service<PolicyCall, Response = AsyncRawResponse, Error = Error>,
{
    poll_fn(|cx| service.poll_ready(cx)).await?;
    service.call(call).await
}
