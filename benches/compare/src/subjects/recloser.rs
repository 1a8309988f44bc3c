//! recloser, through its futures. It counts calls and not time, so its work in `breaker/closed` is less.

use recloser::{AsyncRecloser, Error, Recloser};
use tower::Service as _;

use crate::cases::{Entry, MIN_CALLS, OPEN_FOR, TRIPPING, handles};
use crate::probe::{AtOnce, Fault, Rejecting};
use crate::run::{Caller, Closure, Run, answered, rejected};

/// Calls over which it counts.
const COUNT: usize = 100;

pub(super) fn entries() -> Vec<Entry> {
    vec![
        Entry::new("breaker/closed", SUBJECT, |_, threads| {
            handles(&over(COUNT), threads, answered)
        }),
        Entry::new("breaker/open", SUBJECT, |_, threads| {
            let recloser = recloser(MIN_CALLS as usize);
            let caller = Closure(async move |request| {
                recloser.call(async { Rejecting.call(request).await }).await
            });
            handles(&caller, threads, |caller| {
                let mut run = rejected(caller, |error| matches!(error, Error::Rejected));
                run.fail(TRIPPING);
                run
            })
        }),
    ]
}

/// A breaker, for the memory it takes.
pub(crate) fn one() -> Box<dyn Run> {
    answered(over(COUNT))
}

fn over(calls: usize) -> impl Caller<Error = Error<Fault>> + Clone {
    let recloser = recloser(calls);
    Closure(async move |request| recloser.call(async { AtOnce.call(request).await }).await)
}

fn recloser(calls: usize) -> AsyncRecloser {
    let recloser = Recloser::custom().error_rate(0.5).closed_len(calls).open_wait(OPEN_FOR).build();
    AsyncRecloser::from(recloser)
}

const SUBJECT: &str = "recloser";
