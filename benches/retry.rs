//! A first attempt that works, with a budget and without one.

mod common;

use common::{AtOnce, group};
use criterion::Criterion;
use seawall::error::InvalidConfig;
use seawall::retry::{Config, Retry};
use tower::ServiceBuilder;

fn main() -> Result<(), InvalidConfig> {
    let mut criterion = Criterion::default().configure_from_args();
    first_try(&mut criterion, "retry/first_try", &Retry::builder())?;
    first_try(
        &mut criterion,
        "retry/first_try_without_budget",
        &Retry::builder().without_budget(),
    )?;
    criterion.final_summary();
    Ok(())
}

fn first_try(criterion: &mut Criterion, name: &str, config: &Config) -> Result<(), InvalidConfig> {
    let retry = config.build()?;
    let service = ServiceBuilder::new().layer(retry.layer()).service(AtOnce);
    group(criterion, name, AtOnce, service);
    Ok(())
}
