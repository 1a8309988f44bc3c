//! governor: a direct limiter with its default clock, asked before the call.

use std::num::NonZeroU32;
use std::sync::Arc;

use governor::{Quota, RateLimiter};
use tower::Service as _;

use crate::cases::{BURST, Entry, RATE, handles};
use crate::probe::{AtOnce, Failure as _, Fault};
use crate::run::{Closure, answered};

pub(super) fn entries() -> Vec<Entry> {
    vec![Entry::new("rate/free", "governor", |_, threads| {
        let rate = NonZeroU32::new(RATE).expect("the rate is above zero");
        let burst = NonZeroU32::new(BURST).expect("the burst is above zero");
        let limiter = Arc::new(RateLimiter::direct(Quota::per_second(rate).allow_burst(burst)));
        let caller = Closure(async move |request| {
            limiter.check().map_err(|_| Fault::refused())?;
            AtOnce.call(request).await
        });
        handles(&caller, threads, answered)
    })]
}
