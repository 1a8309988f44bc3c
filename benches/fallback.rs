//! A fallback that is not asked, and one that is.

mod common;

use common::{AtOnce, Failing, group};
use criterion::Criterion;
use seawall::error::InvalidConfig;
use seawall::fallback::{FallbackLayer, LastGood};
use tower::ServiceBuilder;

fn main() -> Result<(), InvalidConfig> {
    let mut criterion = Criterion::default().configure_from_args();
    let idle = ServiceBuilder::new().layer(FallbackLayer::value(0_u64)).service(AtOnce);
    group(&mut criterion, "fallback/idle", AtOnce, idle);
    let value = ServiceBuilder::new().layer(FallbackLayer::value(0_u64)).service(Failing);
    group(&mut criterion, "fallback/value", Failing, value);
    let last_good = LastGood::builder().build()?;
    let layer = last_good.layer(|request: &u64| *request);
    let last_good = ServiceBuilder::new().layer(layer).service(AtOnce);
    group(&mut criterion, "fallback/last_good_kept", AtOnce, last_good);
    criterion.final_summary();
    Ok(())
}
