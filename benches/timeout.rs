//! A timeout that is never armed, and one that is armed and taken back.

mod common;

use std::time::Duration;

use common::{AtOnce, PendingOnce, group, runtime};
use criterion::Criterion;
use seawall::error::InvalidConfig;
use seawall::timeout::Timeout;
use tower::ServiceBuilder;

fn main() -> Result<(), InvalidConfig> {
    let runtime = runtime();
    let _entered = runtime.enter();
    let mut criterion = Criterion::default().configure_from_args();
    let timeout = Timeout::new(Duration::from_secs(30))?;
    let ready = ServiceBuilder::new().layer(timeout.layer()).service(AtOnce);
    group(&mut criterion, "timeout/ready", AtOnce, ready);
    let pending = ServiceBuilder::new().layer(timeout.layer()).service(PendingOnce);
    group(&mut criterion, "timeout/pending_once", PendingOnce, pending);
    criterion.final_summary();
    Ok(())
}
