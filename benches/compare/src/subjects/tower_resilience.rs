//! tower-resilience, metrics and tracing off.
//!
//! Its breaker counts over a number of calls here, which is its fastest form: over a time window it looks at every
//! call of the window again at each call (see the case `window`).

use std::time::Duration;

use tower::{Layer, ServiceBuilder};
use tower_resilience::bulkhead::BulkheadLayer;
use tower_resilience::circuitbreaker::{
    CircuitBreakerConfigBuilder, CircuitBreakerError, CircuitBreakerLayer, DefaultClassifier,
    SlidingWindowType,
};
use tower_resilience::ratelimiter::RateLimiterLayer;
use tower_resilience::retry::{RetryBudgetBuilder, RetryLayer};
use tower_resilience::timelimiter::TimeLimiterLayer;

use crate::cases::{
    ATTEMPT, ATTEMPTS, BUDGET_FLOOR, BURST, Entry, MIN_CALLS, OPEN_FOR, PLACES, RATE, TOTAL,
    TRIPPING, handles,
};
use crate::probe::{AtOnce, PendingOnce, Probe, Rejecting};
use crate::run::{Run, Tower, answered, rejected};

/// Calls over which the breaker counts, where it counts calls.
const COUNT: usize = 100;

pub(super) fn entries() -> Vec<Entry> {
    vec![
        Entry::new("breaker/closed", SUBJECT, |_, threads| {
            handles(&Tower(layer(breaker()).layer(AtOnce)), threads, answered)
        }),
        Entry::new("breaker/open", SUBJECT, |_, threads| {
            handles(&Tower(layer(breaker()).layer(Rejecting)), threads, |caller| {
                let mut run =
                    rejected(caller, |error| matches!(error, CircuitBreakerError::OpenCircuit));
                run.fail(TRIPPING);
                run
            })
        }),
        Entry::new("retry/first-try", SUBJECT, |_, threads| {
            handles(&Tower(retry().layer(AtOnce)), threads, answered)
        }),
        Entry::new("timeout/ready", SUBJECT, |_, threads| {
            handles(&Tower(timeout(TOTAL).layer(AtOnce)), threads, answered)
        }),
        Entry::new("timeout/pending-once", SUBJECT, |_, threads| {
            handles(&Tower(timeout(TOTAL).layer(PendingOnce)), threads, answered)
        }),
        Entry::new("bulkhead/free", SUBJECT, |_, threads| {
            handles(&Tower(bulkhead().layer(AtOnce)), threads, answered)
        }),
        Entry::new("rate/free", SUBJECT, |_, threads| {
            let layer = RateLimiterLayer::burst(RATE as usize, BURST as usize)
                .build()
                .expect("rate and burst are above zero");
            handles(&Tower(layer.layer(AtOnce)), threads, answered)
        }),
        Entry::new("stack/ready", SUBJECT, |_, threads| stack(AtOnce, threads)),
        Entry::new("stack/pending-once", SUBJECT, |_, threads| stack(PendingOnce, threads)),
    ]
}

fn stack<P>(probe: P, threads: usize) -> Vec<Box<dyn Run>>
where
    P: Probe,
{
    let service = ServiceBuilder::new()
        .layer(timeout(TOTAL))
        .layer(retry())
        .layer(layer(breaker()))
        .layer(timeout(ATTEMPT))
        .layer(bulkhead())
        .service(probe);
    handles(&Tower(service), threads, answered)
}

/// A breaker over a time window of `span`.
pub(crate) fn time_window(span: Duration) -> Box<dyn Run> {
    let breaker =
        breaker().sliding_window_type(SlidingWindowType::TimeBased).sliding_window_duration(span);
    answered(Tower(layer(breaker).layer(AtOnce)))
}

/// A breaker that counts calls, for the memory it takes.
pub(crate) fn one() -> Box<dyn Run> {
    answered(Tower(layer(breaker()).layer(AtOnce)))
}

fn breaker() -> CircuitBreakerConfigBuilder<DefaultClassifier> {
    CircuitBreakerLayer::builder()
        .failure_rate_threshold(0.5)
        .sliding_window_size(COUNT)
        .minimum_number_of_calls(MIN_CALLS as usize)
        .wait_duration_in_open(OPEN_FOR)
}

fn layer(
    breaker: CircuitBreakerConfigBuilder<DefaultClassifier>,
) -> CircuitBreakerLayer<DefaultClassifier> {
    breaker.build().expect("the settings are the ones of every subject")
}

fn retry<E>() -> RetryLayer<u64, u64, E>
where
    E: Send + Sync + 'static,
{
    let budget = RetryBudgetBuilder::new()
        .token_bucket()
        .tokens_per_second(f64::from(BUDGET_FLOOR))
        .max_tokens(100)
        .initial_tokens(100)
        .build()
        .expect("rate and size are above zero");
    RetryLayer::builder().max_attempts(ATTEMPTS as usize).budget(budget).build()
}

fn timeout(after: Duration) -> TimeLimiterLayer<tower_resilience::timelimiter::FixedTimeout> {
    TimeLimiterLayer::builder().timeout_duration(after).cancel_running_future(true).build()
}

/// In the form that reserves its place in `poll_ready`, which is the fastest of its three.
fn bulkhead() -> BulkheadLayer {
    BulkheadLayer::builder()
        .max_concurrent_calls(PLACES as usize)
        .backpressure()
        .build()
        .expect("the places are more than none")
}

const SUBJECT: &str = "tower-resilience";
