//! A limiter that lets through, fast and slow, and one that rejects.

mod common;

use common::{AtOnce, call, group};
use criterion::Criterion;
use seawall::error::InvalidConfig;
use seawall::rate_limit::{Quota, RateLimiter};
use tower::ServiceBuilder;

fn main() -> Result<(), InvalidConfig> {
    let mut criterion = Criterion::default().configure_from_args();
    let fast = Quota::per_second(1_000_000).burst(u32::MAX).build()?;
    free(&mut criterion, "rate_limit/free", &fast);
    let slow = Quota::per_hour(1).burst(u32::MAX).build()?;
    free(&mut criterion, "rate_limit/free_slow", &slow);

    let limiter = Quota::per_hour(1).burst(1).build()?;
    let mut spent = ServiceBuilder::new().layer(limiter.layer()).service(AtOnce);
    let _ = call(&mut spent);
    group(&mut criterion, "rate_limit/reject", AtOnce, spent);
    criterion.final_summary();
    Ok(())
}

fn free(criterion: &mut Criterion, name: &str, limiter: &RateLimiter) {
    let service = ServiceBuilder::new().layer(limiter.layer()).service(AtOnce);
    group(criterion, name, AtOnce, service);
}
