//! failsafe, through its futures.

use std::time::Duration;

use failsafe::futures::CircuitBreaker as _;
use failsafe::{Config, Error, backoff, failure_policy};
use tower::Service as _;

use crate::cases::{Entry, MIN_CALLS, OPEN_FOR, TRIPPING, WINDOW, handles};
use crate::probe::{AtOnce, Fault, Rejecting};
use crate::run::{Caller, Closure, Run, answered, rejected};

pub(super) fn entries() -> Vec<Entry> {
    vec![
        Entry::new("breaker/closed", SUBJECT, |_, threads| {
            handles(&over(WINDOW), threads, answered)
        }),
        // By failures in a row: its success rate can not trip in its first window.
        Entry::new("breaker/open", SUBJECT, |_, threads| {
            let policy =
                failure_policy::consecutive_failures(MIN_CALLS, backoff::constant(OPEN_FOR));
            let breaker = Config::new().failure_policy(policy).build();
            let caller = Closure(async move |request| {
                breaker.call(async { Rejecting.call(request).await }).await
            });
            handles(&caller, threads, |caller| {
                let mut run = rejected(caller, |error| matches!(error, Error::Rejected));
                run.fail(TRIPPING);
                run
            })
        }),
    ]
}

/// A breaker over a time window of `span`.
pub(crate) fn time_window(span: Duration) -> Box<dyn Run> {
    answered(over(span))
}

fn over(span: Duration) -> impl Caller<Error = Error<Fault>> + Clone {
    let policy = failure_policy::success_rate_over_time_window(
        0.5,
        MIN_CALLS,
        span,
        backoff::constant(OPEN_FOR),
    );
    let breaker = Config::new().failure_policy(policy).build();
    Closure(async move |request| breaker.call(async { AtOnce.call(request).await }).await)
}

const SUBJECT: &str = "failsafe";
