//! The stack of a dependency as a policy of the SDK.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::http::headers::{HeaderName, HeaderValue};
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{AsyncRawResponse, Context, Request};

use super::answer::{AMBIGUOUS, ATTEMPTS, LAST_SYNC, SERVED_BY, with_headers};
use super::chain::Answer;
use super::journey::Journey;
use super::options::{CallOptions, Verify};
use super::{Shared, context};
use crate::azure::error::is_ambiguous;
use crate::azure::policy::PolicyCall;
use crate::azure::until::until;
use crate::replay::Verified;
use crate::sync::Ordering;

/// Put into the pipeline by [`Resilience::apply`](super::Resilience::apply).
pub(super) struct ResiliencePolicy {
    pub(super) shared: Arc<Shared>,
}

#[expect(
    elided_lifetimes_in_paths,
    reason = "async_trait tells the trait's elision from a named one"
)]
#[async_trait]
impl Policy for ResiliencePolicy {
    async fn send(
        &self,
        ctx: &Context,
        request: &mut Request,
        next: &[Arc<dyn Policy>],
    ) -> PolicyResult {
        let Some((first, rest)) = next.split_first() else {
            return Err(azure_core::Error::with_message(
                azure_core::error::ErrorKind::Other,
                "a resilience policy can not be the last of a pipeline",
            ));
        };
        if ctx.value::<Arc<Journey>>().is_some_and(|outer| outer.is_in(next)) {
            // One stack around another multiplies attempts. The outer one does all of it.
            self.shared.is_stacked.store(true, Ordering::Relaxed);
            return first.send(ctx, request, rest).await;
        }
        let options = ctx.value::<CallOptions>().cloned().unwrap_or_default();
        let mut call = PolicyCall::new(ctx, request, next);
        let journey = self.begin(options, &mut call, next);
        let clock = &self.shared.clock;
        let scoped = context::capture(clock).deadline(journey.deadline);
        scoped.scope(self.drive(call, &journey, next)).await
    }
}

impl ResiliencePolicy {
    fn begin(
        &self,
        options: CallOptions,
        call: &mut PolicyCall,
        next: &[Arc<dyn Policy>],
    ) -> Arc<Journey> {
        let total = options.deadline.unwrap_or_else(|| self.shared.total.after());
        let clock = &self.shared.clock;
        let own = clock.now() + total;
        let deadline = context::deadline(clock).map_or(own, |outer| outer.min(own));
        let journey = Journey::new(options, deadline, next);
        call.context_mut().insert(Arc::clone(&journey));
        journey
    }

    async fn drive(
        &self,
        call: PolicyCall,
        journey: &Arc<Journey>,
        next: &[Arc<dyn Policy>],
    ) -> Answer {
        let answer = (self.shared.chain)(call.clone()).await;
        let answer = self.settle(answer, &call, journey);
        let Some(verify) = journey.options.verify.as_ref().filter(|_| is_unknown(&answer)) else {
            return answer.map(|answer| tell(answer, journey));
        };
        match self.look(verify, journey).await {
            Verified::Executed(found) => {
                let (status, headers, body) = found.deconstruct();
                let found = AsyncRawResponse::from_bytes(status, headers, body);
                Ok(tell(found, journey))
            }
            Verified::NotExecuted => {
                let mut again = call;
                if journey.has_lost_body() || !self.put_back(&mut again, journey).await {
                    return answer.map(|answer| tell(answer, journey));
                }
                let options = CallOptions { verify: None, ..journey.options.clone() };
                let second = Journey::again(journey, options, next);
                again.context_mut().insert(Arc::clone(&second));
                let answer = (self.shared.chain)(again.clone()).await;
                self.settle(answer, &again, &second).map(|answer| tell(answer, &second))
            }
            Verified::Unknown => answer.map(|answer| tell(answer, journey)),
        }
    }

    /// Marks an answer that an earlier attempt may have caused.
    fn settle(&self, answer: Answer, call: &PolicyCall, journey: &Journey) -> Answer {
        let answer = answer?;
        let is_own_doing = journey.may_have_run()
            && journey.attempts() > 1
            && self.shared.contract.after_ambiguous(call.request(), answer.status());
        Ok(if is_own_doing {
            with_headers(answer, [(AMBIGUOUS, HeaderValue::from_static("true"))])
        } else {
            answer
        })
    }

    /// Whether the body is at its start again.
    async fn put_back(&self, call: &mut PolicyCall, journey: &Journey) -> bool {
        let reset = call.request_mut().body_mut().reset();
        let reset = until(&self.shared.clock, Some(journey.deadline), reset).await;
        matches!(reset, Some(Ok(())))
    }

    /// Looks within what is left of the call's time.
    async fn look(
        &self,
        verify: &Verify,
        journey: &Journey,
    ) -> Verified<azure_core::http::RawResponse> {
        let look = until(&self.shared.clock, Some(journey.deadline), verify.look()).await;
        look.unwrap_or(Verified::Unknown)
    }
}

fn is_unknown(answer: &Answer) -> bool {
    match answer {
        Ok(answer) => answer.headers().get_optional_str(&AMBIGUOUS).is_some(),
        Err(error) => is_ambiguous(error),
    }
}

/// Says on the answer how it came about.
fn tell(answer: AsyncRawResponse, journey: &Journey) -> AsyncRawResponse {
    let visit = journey.visit.lock();
    let text = |name: HeaderName, value: &Option<String>| {
        value.as_ref().map(|value| (name, HeaderValue::from(value.clone())))
    };
    let more = [
        Some((ATTEMPTS, HeaderValue::from(journey.attempts().to_string()))),
        text(SERVED_BY, &visit.served_by),
        text(LAST_SYNC, &visit.last_sync),
    ];
    drop(visit);
    with_headers(answer, more.into_iter().flatten())
}

impl fmt::Debug for ResiliencePolicy {
    /// [`Resilience::apply`](super::Resilience::apply) finds itself by this.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple(super::MARK).field(&self.shared.name).finish()
    }
}
