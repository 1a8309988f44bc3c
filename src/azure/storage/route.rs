//! The two places of an account behind one service.

use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use azure_core::Error;
use azure_core::http::headers::HeaderName;
use azure_core::http::{AsyncRawResponse, Method, StatusCode, Url};
use tower_layer::Layer;
use tower_service::Service;

use super::account::{Account, Accounts, authority};
use super::host::{receives_messages, secondary_of};
use super::place::{Location, Pin};
use super::{is_unknown_name, probe, sync};
use crate::azure::policy::{Answering, PolicyCall};
use crate::azure::resilience::{Journey, Judge, ready_call};
use crate::error::{Reason, Reject, Rejection};
use crate::outcome::{Classify, Outcome};

/// Stands between retry and the breakers: each attempt may ask both places, one after the other.
#[derive(Clone, Debug)]
pub(in crate::azure) struct RouteLayer {
    pub(in crate::azure) accounts: Option<Arc<Accounts>>,
    pub(in crate::azure) judge: Judge,
    pub(in crate::azure) policy: &'static str,
}

impl<S> Layer<S> for RouteLayer {
    type Service = Route<S>;

    fn layer(&self, inner: S) -> Route<S> {
        Route { inner, layer: self.clone() }
    }
}

#[derive(Clone, Debug)]
pub(in crate::azure) struct Route<S> {
    inner: S,
    layer: RouteLayer,
}

impl<S> Service<PolicyCall> for Route<S>
where
    S: Service<PolicyCall, Response = AsyncRawResponse, Error = Error, Future: Send>
        + Clone
        + Send
        + 'static,
{
    type Response = AsyncRawResponse;
    type Error = Error;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // Which of the two will be asked is not known yet.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: PolicyCall) -> Answering {
        let fresh = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, fresh);
        let layer = self.layer.clone();
        Box::pin(async move {
            let url = call.request().url();
            let twin = layer.accounts.as_ref().and_then(|accounts| {
                let secondary = secondary_of(url, &accounts.settings.twins)?;
                Some((accounts, secondary, accounts.of(url)?))
            });
            if let Some((accounts, secondary, account)) = twin {
                let trip = Trip { accounts, account, secondary, layer: &layer };
                return trip.make(&mut inner, call).await;
            }
            let host = authority(url);
            let journey = Journey::of(&call).cloned();
            let result = ready_call(&mut inner, call).await;
            if let (Ok(_), Some(journey)) = (&result, journey) {
                journey.visit.lock().served_by = Some(host);
            }
            result
        })
    }
}

/// One attempt at an account with a secondary.
struct Trip<'a> {
    accounts: &'a Arc<Accounts>,
    account: Arc<Account>,
    secondary: Url,
    layer: &'a RouteLayer,
}

/// What one place said.
struct Heard {
    location: Location,
    host: String,
    result: Result<AsyncRawResponse, Error>,
    said: Said,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Said {
    Answer,
    /// It failed, or has too much to do.
    Failure,
    /// It was not asked, or does not have what it was asked for because it is behind.
    Nothing,
}

impl Trip<'_> {
    async fn make<S>(&self, inner: &mut S, call: PolicyCall) -> Result<AsyncRawResponse, Error>
    where
        S: Service<PolicyCall, Response = AsyncRawResponse, Error = Error>,
    {
        let journey = Journey::of(&call).cloned();
        let place = journey.as_ref().and_then(|journey| journey.options.place());
        let pinned = place.and_then(Pin::location);
        let is_read = matches!(call.request().method(), Method::Get | Method::Head)
            && !receives_messages(call.request().url());
        self.account.remember(&call, self.accounts);
        if self.account.is_away() {
            // As a rule it runs already; where it could not begin or was ended, it does now.
            probe::begin(&self.account);
        }
        let heard = if !is_read {
            if self.accounts.settings.refuse_writes && self.account.is_away() {
                return Err(Error::reject(Rejection::new(self.layer.policy, Reason::ReadOnly)));
            }
            self.ask(inner, call, Location::Primary).await
        } else if let Some(location) = pinned {
            self.ask(inner, call, location).await
        } else {
            sync::refresh(&self.account);
            self.read(inner, call, journey.as_deref()).await
        };
        if let (Ok(_), Some(journey)) = (&heard.result, &journey) {
            let mut visit = journey.visit.lock();
            visit.last_sync = match heard.location {
                Location::Primary => None,
                Location::Secondary => self.account.last_sync_text(),
            };
            visit.served_by = Some(heard.host);
            drop(visit);
            if let Some(place) = place.filter(|_| heard.said == Said::Answer) {
                place.settle(heard.location);
            }
        }
        heard.result
    }

    /// Asks one place, and the other where the first has no answer.
    async fn read<S>(&self, inner: &mut S, call: PolicyCall, journey: Option<&Journey>) -> Heard
    where
        S: Service<PolicyCall, Response = AsyncRawResponse, Error = Error>,
    {
        let (first, second) = self.order(&call, journey);
        let heard = self.ask(inner, call.clone(), first).await;
        let Some(second) = second.filter(|_| heard.calls_for_another()) else { return heard };
        let other = self.ask(inner, call, second).await;
        self.settle(&heard, &other, journey);
        self.settle(&other, &heard, journey);
        let (primary, secondary) =
            if first == Location::Primary { (heard, other) } else { (other, heard) };
        // The primary's word counts, unless it has none and the secondary does.
        match (primary.said, secondary.said) {
            (Said::Failure | Said::Nothing, Said::Answer) | (Said::Nothing, Said::Failure) => {
                secondary
            }
            _ => primary,
        }
    }

    /// Where to ask, and where after that.
    fn order(&self, call: &PolicyCall, journey: Option<&Journey>) -> (Location, Option<Location>) {
        let is_over = journey.is_some_and(|journey| journey.visit.lock().secondary_is_over);
        if is_over || is_leased(call) || !self.account.has_secondary(&self.accounts.clock) {
            (Location::Primary, None)
        } else if self.account.is_away() {
            (Location::Secondary, Some(Location::Primary))
        } else {
            (Location::Primary, Some(Location::Secondary))
        }
    }

    /// Remembers that the secondary is of no use to this call.
    fn settle(&self, heard: &Heard, other: &Heard, journey: Option<&Journey>) {
        if heard.location == Location::Primary {
            return;
        }
        // With both names unknown, it is the resolver that is not well.
        let is_gone = heard.is_unknown_name() && !other.is_unknown_name();
        if is_gone {
            self.account.lose_secondary(self.accounts);
        }
        if (is_gone || (heard.result.is_ok() && heard.said == Said::Nothing))
            && let Some(journey) = journey
        {
            journey.visit.lock().secondary_is_over = true;
        }
    }

    async fn ask<S>(&self, inner: &mut S, mut call: PolicyCall, location: Location) -> Heard
    where
        S: Service<PolicyCall, Response = AsyncRawResponse, Error = Error>,
    {
        if location == Location::Secondary {
            *call.request_mut().url_mut() = self.secondary.clone();
        }
        let host = authority(call.request().url());
        let journey = Journey::of(&call).cloned();
        let result = ready_call(inner, call).await;
        let said = self.understand(location, &result);
        if location == Location::Primary {
            self.observe(said, &result, journey.as_deref());
        }
        Heard { location, host, result, said }
    }

    /// Counts what the primary did, once per call.
    fn observe(
        &self,
        said: Said,
        result: &Result<AsyncRawResponse, Error>,
        journey: Option<&Journey>,
    ) {
        let is_well = match said {
            Said::Answer => true,
            // One that has too much to do is not gone; one that its breaker guards from us may be.
            Said::Failure if self.layer.judge.classify(result.as_ref()).is_failure() => false,
            Said::Nothing if is_rejected_for(result, Reason::CircuitOpen) => false,
            Said::Failure | Said::Nothing => return,
        };
        let has_failed = journey.is_some_and(|journey| {
            let mut visit = journey.visit.lock();
            mem::replace(&mut visit.primary_has_failed, !is_well)
        });
        if is_well || !has_failed {
            self.account.observe(self.accounts, is_well);
        }
    }

    fn understand(&self, location: Location, result: &Result<AsyncRawResponse, Error>) -> Said {
        if is_local(result) {
            return Said::Nothing;
        }
        if location == Location::Secondary
            && let Ok(answer) = result
            && matches!(
                answer.status(),
                StatusCode::Unauthorized
                    | StatusCode::Forbidden
                    | StatusCode::NotFound
                    | StatusCode::Conflict
                    | StatusCode::PreconditionFailed
                    | StatusCode::RequestedRangeNotSatisfiable
            )
        {
            return Said::Nothing;
        }
        match self.layer.judge.classify(result.as_ref()) {
            Outcome::Transient | Outcome::Overload { .. } => Said::Failure,
            _ => Said::Answer,
        }
    }
}

impl Heard {
    fn is_unknown_name(&self) -> bool {
        self.result.as_ref().is_err_and(is_unknown_name)
    }

    /// Whether the other place is to be asked.
    fn calls_for_another(&self) -> bool {
        let rejection = self.result.as_ref().err().and_then(Reject::rejection);
        match (self.said, rejection) {
            (Said::Answer, _) => false,
            // What we have too little of here, we have too little of for the other place, too.
            (Said::Nothing, Some(rejection)) => {
                matches!(rejection.reason(), Reason::CircuitOpen | Reason::Paused)
            }
            (Said::Failure | Said::Nothing, _) => true,
        }
    }
}

fn is_local(result: &Result<AsyncRawResponse, Error>) -> bool {
    let rejection = result.as_ref().err().and_then(Reject::rejection);
    rejection.is_some_and(|rejection| !rejection.reason().reached_service())
}

fn is_rejected_for(result: &Result<AsyncRawResponse, Error>, reason: Reason) -> bool {
    let rejection = result.as_ref().err().and_then(Reject::rejection);
    rejection.is_some_and(|rejection| rejection.reason() == reason)
}

/// Whether the read names a lease, which only the primary knows.
fn is_leased(call: &PolicyCall) -> bool {
    call.request().headers().get_optional_str(&LEASE_ID).is_some()
}

const LEASE_ID: HeaderName = HeaderName::from_static("x-ms-lease-id");
