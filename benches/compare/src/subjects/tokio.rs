//! What tokio itself has: a timeout and a semaphore.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower::Service as _;

use crate::cases::{Entry, PLACES, TOTAL, handles};
use crate::probe::{AtOnce, Failure as _, Fault, PendingOnce, Probe};
use crate::run::{Closure, Run, answered};

pub(super) fn entries() -> Vec<Entry> {
    vec![
        Entry::new("timeout/ready", SUBJECT, |_, threads| within(AtOnce, threads)),
        Entry::new("timeout/pending-once", SUBJECT, |_, threads| within(PendingOnce, threads)),
        Entry::new("bulkhead/free", SUBJECT, |_, threads| {
            let semaphore = Arc::new(Semaphore::new(PLACES as usize));
            let caller = Closure(async move |request| {
                let _permit = semaphore.try_acquire().map_err(|_| Fault::refused())?;
                AtOnce.call(request).await
            });
            handles(&caller, threads, answered)
        }),
    ]
}

fn within<P>(probe: P, threads: usize) -> Vec<Box<dyn Run>>
where
    P: Probe,
{
    let caller = Closure(async move |request| {
        let mut probe = probe;
        match timeout(TOTAL, probe.call(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(Fault::refused()),
        }
    });
    handles(&caller, threads, answered)
}

const SUBJECT: &str = "tokio";
