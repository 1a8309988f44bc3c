//! A call through a closed breaker, a failure through one, and the rejection of an open one.

mod common;

use std::time::Duration;

use common::{AtOnce, Failing, call, group};
use criterion::Criterion;
use seawall::circuit_breaker::{CircuitBreaker, Config};
use seawall::error::InvalidConfig;
use tower::ServiceBuilder;

/// Failures that open any breaker of this bench.
const TRIPPING: usize = 200;

fn main() -> Result<(), InvalidConfig> {
    let mut criterion = Criterion::default().configure_from_args();
    closed(&mut criterion, "circuit_breaker/closed", &CircuitBreaker::builder())?;
    closed(
        &mut criterion,
        "circuit_breaker/count_window",
        &CircuitBreaker::builder().call_window(100),
    )?;
    failing(&mut criterion)?;
    open(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

fn closed(criterion: &mut Criterion, name: &str, config: &Config) -> Result<(), InvalidConfig> {
    let breaker = config.build()?;
    let service = ServiceBuilder::new().layer(breaker.layer()).service(AtOnce);
    group(criterion, name, AtOnce, service);
    Ok(())
}

/// Every call fails, and the breaker only counts.
fn failing(criterion: &mut Criterion) -> Result<(), InvalidConfig> {
    let breaker = CircuitBreaker::builder().build()?;
    breaker.metrics_only();
    let service = ServiceBuilder::new().layer(breaker.layer()).service(Failing);
    group(criterion, "circuit_breaker/failure", Failing, service);
    Ok(())
}

fn open(criterion: &mut Criterion) -> Result<(), InvalidConfig> {
    let hour = Duration::from_secs(3_600);
    let breaker = CircuitBreaker::builder().open_for(hour).max_open_for(hour).build()?;
    let mut service = ServiceBuilder::new().layer(breaker.layer()).service(Failing);
    for _ in 0..TRIPPING {
        let _ = call(&mut service);
    }
    group(criterion, "circuit_breaker/open", Failing, service);
    Ok(())
}
