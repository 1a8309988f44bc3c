//! Seawall, through its tower layers, with their default settings but for those of [`crate::cases`].

use std::time::Duration;

use seawall::bulkhead::{Bulkhead, BulkheadLayer};
use seawall::circuit_breaker::{CircuitBreaker, CircuitBreakerLayer};
use seawall::gate::Keyed;
use seawall::rate_limit::Quota;
use seawall::retry::{Retry, RetryLayer};
use seawall::timeout::{Timeout, TimeoutLayer};
use tower::{Layer, ServiceBuilder};

use crate::cases::{
    ATTEMPT, ATTEMPTS, BURST, Entry, OPEN_FOR, PLACES, RATE, TOTAL, TRIPPING, handles,
};
use crate::probe::{AtOnce, Failure, PendingOnce, Probe, Rejecting};
use crate::run::{Run, Tower, answered, rejected};

pub(super) fn entries() -> Vec<Entry> {
    vec![
        Entry::new("breaker/closed", SUBJECT, |_, threads| {
            handles(&Tower(breaker().layer(AtOnce)), threads, answered)
        }),
        Entry::new("breaker/open", SUBJECT, |_, threads| {
            let breaker = CircuitBreaker::builder().open_for(OPEN_FOR).max_open_for(OPEN_FOR);
            let layer = breaker.build().expect(SETTINGS).layer();
            handles(&Tower(layer.layer(Rejecting)), threads, |caller| {
                let mut run = rejected(caller, Failure::is_refused);
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
            let limiter = Quota::per_second(RATE).burst(BURST).build().expect(SETTINGS);
            handles(&Tower(limiter.layer().layer(AtOnce)), threads, answered)
        }),
        Entry::new("stack/ready", SUBJECT, |_, threads| stack(AtOnce, threads)),
        Entry::new("stack/pending-once", SUBJECT, |_, threads| stack(PendingOnce, threads)),
    ]
}

/// Five public layers, put together by hand.
fn stack<P>(probe: P, threads: usize) -> Vec<Box<dyn Run>>
where
    P: Probe,
{
    let service = ServiceBuilder::new()
        .layer(timeout(TOTAL))
        .layer(retry())
        .layer(breaker())
        .layer(timeout(ATTEMPT))
        .layer(bulkhead())
        .service(probe);
    handles(&Tower(service), threads, answered)
}

/// A breaker over a time window of `span`.
pub(crate) fn time_window(span: Duration) -> Box<dyn Run> {
    let breaker = CircuitBreaker::builder().time_window(span).build().expect(SETTINGS);
    answered(Tower(breaker.layer().layer(AtOnce)))
}

/// A breaker for each request, for the memory that each key takes.
pub(crate) fn keyed() -> Box<dyn Run> {
    let keyed = Keyed::new(CircuitBreaker::builder().build().expect(SETTINGS));
    answered(Tower(keyed.layer(|request: &u64| *request).layer(AtOnce)))
}

fn breaker() -> CircuitBreakerLayer {
    CircuitBreaker::builder().build().expect(SETTINGS).layer()
}

fn retry() -> RetryLayer {
    Retry::builder().max_attempts(ATTEMPTS).build().expect(SETTINGS).layer()
}

fn timeout(after: Duration) -> TimeoutLayer {
    Timeout::new(after).expect(SETTINGS).layer()
}

fn bulkhead() -> BulkheadLayer {
    Bulkhead::builder().max_calls(PLACES).build().expect(SETTINGS).layer()
}

const SUBJECT: &str = "seawall";

const SETTINGS: &str = "the settings are within their bounds";
