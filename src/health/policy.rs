//! Checks of Seawall's own policies: what they keep the calls from is what is wrong.
//!
//! They read the policy's state, which costs no call anything, once per second. All settings of a
//! [`Check`] can be changed afterwards, and a check is called by its pattern and the policy's name,
//! such as `circuit_breaker/orders`. Registries take each name once: name the policies.
//!
//! | check | down | degraded | counts |
//! |---|---|---|---|
//! | [`circuit_breaker`] | open, isolated | half-open, recovering | critical, shared |
//! | [`circuit_breakers`] | all keys as above | any key as above | critical, shared |
//! | [`budget`] | spent | | degraded only, shared |
//! | [`bulkhead`] | full, or calls wait | | degraded only, local |
//! | [`rate_limiter`] | reached, or calls wait | | degraded only, local |
//! | [`leadership`] | the store has not answered for a lease, or nobody runs the election | | degraded only, shared |
//!
//! An open breaker is the best evidence there is that a dependency is down for this instance, so
//! it is critical, and since the others see the same dependency it counts for the region. A spent
//! budget only says that failures are not repeated any more. A full bulkhead says that this
//! instance has as much work as it may have: taken out of its balancer for that, it would leave
//! its share to others that are as full, which then follow.

use std::future::ready;
use std::hash::Hash;
use std::time::Duration;

use super::{Check, Finding};
use crate::budget::Budget;
use crate::bulkhead::Bulkhead;
use crate::circuit_breaker::{CircuitBreaker, State};
use crate::gate::Keyed;
use crate::lease::Leadership;
use crate::rate_limit::RateLimiter;

/// Whether the breaker lets calls pass.
///
/// The breaker is patient enough already: the check follows it at once, and is shared and critical.
///
/// # Example
///
/// ```
/// use seawall::circuit_breaker::CircuitBreaker;
/// use seawall::health::{Registry, policy};
///
/// let breaker = CircuitBreaker::builder().name("orders").build()?;
/// let registry = Registry::new();
///
/// registry.add(policy::circuit_breaker(&breaker))?;
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
pub fn circuit_breaker(breaker: &CircuitBreaker) -> Check {
    let name = format!("circuit_breaker/{}", breaker.name());
    let breaker = breaker.clone();
    follow(name, move || {
        let state = breaker.state();
        match passes(state) {
            Passes::All => Finding::healthy(),
            Passes::Some => Finding::degraded(state),
            Passes::None => Finding::down(state),
        }
    })
}

/// Whether the breakers of a family let calls pass: degraded if any does not, down if none does.
///
/// A family without keys is healthy. Each look clones all keys.
///
/// # Example
///
/// ```
/// use seawall::circuit_breaker::CircuitBreaker;
/// use seawall::gate::Keyed;
/// use seawall::health::{Registry, policy};
///
/// let hosts: Keyed<String, _> = Keyed::new(CircuitBreaker::builder().name("hosts").build()?);
/// let registry = Registry::new();
///
/// registry.add(policy::circuit_breakers("hosts", &hosts))?;
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
pub fn circuit_breakers<K>(name: impl Into<String>, breakers: &Keyed<K, CircuitBreaker>) -> Check
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
{
    let breakers = breakers.clone();
    follow(name.into(), move || {
        let all = breakers.snapshot();
        let count = |wanted: fn(Passes) -> bool| {
            all.iter().filter(|(_, breaker)| wanted(passes(breaker.state()))).count()
        };
        let shut = count(|passes| matches!(passes, Passes::None));
        let impaired = count(|passes| !matches!(passes, Passes::All));
        // Keys may be names of hosts or tenants: they stay where they are.
        match (shut, impaired) {
            (_, 0) => Finding::healthy(),
            (shut, _) if shut == all.len() => Finding::down(format_args!("all {shut} are open")),
            (shut, impaired) => Finding::degraded(format_args!(
                "{shut} of {} are open, {} on trial",
                all.len(),
                impaired - shut
            )),
        }
    })
}

/// Whether the budget has a repeat left.
///
/// Down after three looks in a row at which it was spent; shared, and degrades only.
///
/// # Example
///
/// ```
/// use seawall::budget::Budget;
/// use seawall::health::{Registry, policy};
///
/// let budget = Budget::builder().name("orders").build()?;
/// let registry = Registry::new();
///
/// registry.add(policy::budget(&budget))?;
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
pub fn budget(budget: &Budget) -> Check {
    let name = format!("budget/{}", budget.name());
    let budget = budget.clone();
    watch(
        name,
        move || {
            if budget.available() == 0 { Finding::down("spent") } else { Finding::healthy() }
        },
    )
}

/// Whether the bulkhead has a place left.
///
/// Down after three looks in a row at which it was full or calls waited for it; local, and degrades
/// only.
///
/// # Example
///
/// ```
/// use seawall::bulkhead::Bulkhead;
/// use seawall::health::{Registry, policy};
///
/// let bulkhead = Bulkhead::builder().name("orders").max_calls(8).build()?;
/// let registry = Registry::new();
///
/// registry.add(policy::bulkhead(&bulkhead))?;
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
pub fn bulkhead(bulkhead: &Bulkhead) -> Check {
    let name = format!("bulkhead/{}", bulkhead.name());
    let bulkhead = bulkhead.clone();
    watch(name, move || {
        let (in_flight, waiting) = (bulkhead.in_flight(), bulkhead.waiting());
        let finding = if in_flight >= bulkhead.max_calls() || waiting > 0 {
            Finding::down(format_args!("{in_flight} calls in flight, {waiting} waiting"))
        } else {
            Finding::healthy()
        };
        finding.observed(in_flight.into(), "{call}")
    })
    .local()
}

/// Whether the limiter would let another call pass.
///
/// Down after three looks in a row at which it would not, or at which calls waited for it; local,
/// and degrades only.
///
/// # Example
///
/// ```
/// use seawall::health::{Registry, policy};
/// use seawall::rate_limit::Quota;
///
/// let limiter = Quota::per_second(100).name("orders").build()?;
/// let registry = Registry::new();
///
/// registry.add(policy::rate_limiter(&limiter))?;
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
pub fn rate_limiter(limiter: &RateLimiter) -> Check {
    let name = format!("rate_limit/{}", limiter.name());
    let limiter = limiter.clone();
    watch(name, move || {
        let (available, waiting) = (limiter.available(), limiter.waiting());
        let finding = if available == 0 || waiting > 0 {
            Finding::down(format_args!("no call available, {waiting} waiting"))
        } else {
            Finding::healthy()
        };
        finding.observed(available.into(), "{call}")
    })
    .local()
}

/// Whether a leader can be elected, as far as this candidate sees: the store of the lease answers.
///
/// To follow is as well as to lead, and so is to have given the lease back; what is observed is 1 for
/// the leader and 0 for all others. Down when the store has not answered for the time of a lease, and
/// when nobody runs the election. Shared, and degrades only.
///
/// # Example
///
/// ```
/// use seawall::health::{Registry, policy};
/// use seawall::lease::{InMemory, Leadership};
///
/// let (leadership, election) = Leadership::builder().name("billing").build(InMemory::new())?;
/// let registry = Registry::new();
///
/// registry.add(policy::leadership(&leadership))?;
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
pub fn leadership(leadership: &Leadership) -> Check {
    let name = format!("lease/{}", leadership.name());
    let leadership = leadership.clone();
    follow(name, move || {
        let leads = leadership.term().is_some();
        let silent = leadership.store_silent_for();
        let finding = if leadership.is_abandoned() {
            Finding::down("nobody runs the election")
        } else if silent.is_some_and(|silent| silent >= leadership.duration()) {
            // What the store said may hold an address.
            Finding::down("the store of the lease does not answer")
        } else {
            Finding::healthy()
        };
        finding.observed(f64::from(u8::from(leads)), "1")
    })
    .degraded_only()
}

/// What a breaker lets pass.
#[derive(Clone, Copy)]
enum Passes {
    All,
    Some,
    None,
}

const fn passes(state: State) -> Passes {
    match state {
        // Forced by hand, all calls pass, and whoever did it knows.
        State::Closed | State::ForcedClosed | State::MetricsOnly => Passes::All,
        State::HalfOpen | State::Recovering => Passes::Some,
        State::Isolated | State::Open => Passes::None,
    }
}

/// A check of what is patient itself.
fn follow(name: String, mut look: impl FnMut() -> Finding + Send + 'static) -> Check {
    Check::new(name, move || ready(look()))
        .interval(EACH_SECOND)
        .max_interval(EACH_SECOND)
        .fall(1)
        .rise(1)
        .flap_detection(false)
}

/// A check of what may be so for a moment.
fn watch(name: String, mut look: impl FnMut() -> Finding + Send + 'static) -> Check {
    Check::new(name, move || ready(look()))
        .interval(EACH_SECOND)
        .max_interval(EACH_SECOND)
        .degraded_only()
}

const EACH_SECOND: Duration = Duration::from_secs(1);
