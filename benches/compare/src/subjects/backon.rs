//! backon. It has no budget.

use backon::{ExponentialBuilder, Retryable as _};
use tower::Service as _;

use crate::cases::{ATTEMPTS, Entry, handles};
use crate::probe::AtOnce;
use crate::run::{Closure, answered};

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::new("retry/first-try", "backon", |_, threads| {
        let backoff =
            ExponentialBuilder::default().with_jitter().with_max_times(ATTEMPTS as usize - 1);
        let caller = Closure(async move |request| (|| AtOnce.call(request)).retry(backoff).await);
        handles(&caller, threads, answered)
    })]
}
