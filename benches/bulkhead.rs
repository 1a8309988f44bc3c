//! A bulkhead with room, and one without.

mod common;

use common::{AtOnce, group};
use criterion::Criterion;
use seawall::bulkhead::Bulkhead;
use seawall::error::BoxError;
use tower::ServiceBuilder;

fn main() -> Result<(), BoxError> {
    let mut criterion = Criterion::default().configure_from_args();
    let bulkhead = Bulkhead::builder().max_calls(1_000).build()?;
    let free = ServiceBuilder::new().layer(bulkhead.layer()).service(AtOnce);
    group(&mut criterion, "bulkhead/free", AtOnce, free);

    let bulkhead = Bulkhead::builder().max_calls(1).build()?;
    let full = ServiceBuilder::new().layer(bulkhead.layer()).service(AtOnce);
    let permit = bulkhead.enter()?;
    group(&mut criterion, "bulkhead/full", AtOnce, full);
    drop(permit);

    let bulkhead = Bulkhead::builder().max_calls(1_000).build()?;
    let queue = ServiceBuilder::new().layer(bulkhead.queue_layer()).service(AtOnce);
    group(&mut criterion, "bulkhead/queue_free", AtOnce, queue);
    criterion.final_summary();
    Ok(())
}
