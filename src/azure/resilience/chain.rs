//! The stack of a dependency, in order.

use std::sync::Arc;

use azure_core::Error;
use azure_core::http::AsyncRawResponse;
use tower_layer::Layer;

use super::attempt::AttemptLayer;
use super::hold::HoldLayer;
use super::judge::{Again, Judge};
use crate::azure::contract::Contract;
use crate::azure::policy::{Erased, Next, PolicyCall, erase};
use crate::azure::storage::{Accounts, RouteLayer, authority};
use crate::circuit_breaker::CircuitBreaker;
use crate::gate::{GateLayer, Keyed};
use crate::outcome::Outcome;
use crate::stack::Parts;

/// What the stack is made of.
pub(super) struct Materials {
    pub(super) contract: Contract,
    pub(super) parts: Parts,
    pub(super) breakers: Option<Keyed<String, CircuitBreaker>>,
    pub(super) accounts: Option<Arc<Accounts>>,
    pub(super) hold: HoldLayer,
    pub(super) policy: &'static str,
}

/// Rate limit ▸ retry ▸ the body put back ▸ the place ▸ its breaker ▸ attempt timeout ▸ place in the
/// bulkhead, until the body ends ▸ the rest of the pipeline.
///
/// The deadline is around all of it, see [`Journey`](super::Journey).
pub(super) fn build(materials: Materials) -> Erased {
    let Materials { contract, parts, breakers, accounts, hold, policy } = materials;
    let (judge, clock) = (Judge(contract), hold.clock.clone());
    let by_authority =
        breakers.map(|breakers| breakers.by(|call: &PolicyCall| authority(call.request().url())));
    let breaker = GateLayer::new(by_authority).classify(judge.clone());
    let route = RouteLayer { accounts, judge: judge.clone(), policy };
    let retry = parts.retry.layer().classify(judge.clone()).replay(Again(contract));
    let rate = GateLayer::new(parts.rate).classify(judge.clone());
    let attempt = parts.attempt.layer().layer(hold.layer(Next::new()));
    let placed = route.layer(breaker.layer(attempt));
    erase(rate.layer(retry.layer(AttemptLayer { judge, clock }.layer(placed))))
}

/// Whether retry may look at a call with this outcome again.
pub(super) const fn may_be_repeated(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Transient | Outcome::Overload { .. })
}

/// The answer of a call.
pub(super) type Answer = Result<AsyncRawResponse, Error>;
