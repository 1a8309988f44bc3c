//! Five layers in the order of the standard stack, put together by hand.

mod common;

use std::time::Duration;

use common::{AtOnce, PendingOnce, group, runtime};
use criterion::Criterion;
use seawall::bulkhead::Bulkhead;
use seawall::circuit_breaker::CircuitBreaker;
use seawall::error::InvalidConfig;
use seawall::retry::Retry;
use seawall::timeout::Timeout;
use tower::ServiceBuilder;

fn main() -> Result<(), InvalidConfig> {
    let runtime = runtime();
    let _entered = runtime.enter();
    let mut criterion = Criterion::default().configure_from_args();
    let total = Timeout::new(Duration::from_secs(30))?;
    let retry = Retry::builder().build()?;
    let breaker = CircuitBreaker::builder().build()?;
    let attempt = Timeout::new(Duration::from_secs(10))?;
    let bulkhead = Bulkhead::builder().max_calls(1_000).build()?;
    let stack = ServiceBuilder::new()
        .layer(total.layer())
        .layer(retry.layer())
        .layer(breaker.layer())
        .layer(attempt.layer())
        .layer(bulkhead.layer());
    group(&mut criterion, "stack/ready", AtOnce, stack.service(AtOnce));
    group(&mut criterion, "stack/pending_once", PendingOnce, stack.service(PendingOnce));
    criterion.final_summary();
    Ok(())
}
