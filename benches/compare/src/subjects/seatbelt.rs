//! seatbelt, metrics and logs off, through `layered`: its tower adapters box each call.
//!
//! `seatbelt` has its clock as it comes. `seatbelt+coarse` has the clock's opt-in coarse instants, which its author
//! advises to leave alone until a measurement asks for them; it is shown beside, and no bar is held against it.

use std::time::Duration;

use layered::{Execute, Stack};
use seatbelt::breaker::{Breaker, BreakerId, BreakerLayer};
use seatbelt::retry::{Retry, RetryLayer};
use seatbelt::timeout::{Timeout, TimeoutLayer};
use seatbelt::{RecoveryInfo, ResilienceContext};
use tick::Clock;
use tower::Service as _;

use crate::cases::{
    ATTEMPT, ATTEMPTS, Entry, MIN_CALLS, OPEN_FOR, TOTAL, TRIPPING, WINDOW, handles,
};
use crate::environment::Environment;
use crate::probe::{AtOnce, Failure, Fault, Inline, PendingOnce, Probe, Rejecting};
use crate::run::{Layered, Run, answered, rejected};

pub(super) fn entries() -> Vec<Entry> {
    let mut all = entries_of("seatbelt", |environment| &environment.clock);
    all.extend(entries_of("seatbelt+coarse", |environment| &environment.coarse_clock));
    all
}

fn entries_of(subject: &'static str, clock: fn(&Environment) -> &Clock) -> Vec<Entry> {
    let context = move |environment: &Environment| ResilienceContext::new(clock(environment));
    vec![
        Entry::new("breaker/closed", subject, move |environment, threads| {
            let service = (breaker(&context(environment), WINDOW), execute(AtOnce)).into_service();
            handles(&Layered(service), threads, answered)
        }),
        Entry::new("breaker/open", subject, move |environment, threads| {
            let context = ResilienceContext::new(clock(environment));
            let breaker = breaker::<Inline>(&context, WINDOW);
            let service = (breaker, Execute::new(|request| Rejecting.call(request))).into_service();
            handles(&Layered(service), threads, |caller| {
                let mut run = rejected(caller, Failure::is_refused);
                run.fail(TRIPPING);
                run
            })
        }),
        Entry::new("retry/first-try", subject, move |environment, threads| {
            let service = (retry(&context(environment)), execute(AtOnce)).into_service();
            handles(&Layered(service), threads, answered)
        }),
        Entry::new("timeout/ready", subject, move |environment, threads| {
            let service = (timeout(&context(environment), TOTAL), execute(AtOnce)).into_service();
            handles(&Layered(service), threads, answered)
        }),
        Entry::new("timeout/pending-once", subject, move |environment, threads| {
            let service =
                (timeout(&context(environment), TOTAL), execute(PendingOnce)).into_service();
            handles(&Layered(service), threads, answered)
        }),
        Entry::new("stack/ready", subject, move |environment, threads| {
            stack(&context(environment), AtOnce, threads)
        }),
        Entry::new("stack/pending-once", subject, move |environment, threads| {
            stack(&context(environment), PendingOnce, threads)
        }),
    ]
}

/// Without a bulkhead and without a retry budget: seatbelt has neither.
fn stack<P>(context: &Context, probe: P, threads: usize) -> Vec<Box<dyn Run>>
where
    P: Probe,
{
    let service = (
        timeout(context, TOTAL),
        retry(context),
        breaker(context, WINDOW),
        timeout(context, ATTEMPT),
        execute(probe),
    )
        .into_service();
    handles(&Layered(service), threads, answered)
}

/// A breaker over a time window of `span`.
pub(crate) fn time_window(environment: &Environment, span: Duration) -> Box<dyn Run> {
    let context = ResilienceContext::new(&environment.clock);
    answered(Layered((breaker(&context, span), execute(AtOnce)).into_service()))
}

/// A breaker for each request, for the memory that each key takes.
pub(crate) fn keyed(environment: &Environment) -> Box<dyn Run> {
    let context = ResilienceContext::new(&environment.clock);
    let breaker = breaker(&context, WINDOW).breaker_id(|request| BreakerId::from(*request));
    answered(Layered((breaker, execute(AtOnce)).into_service()))
}

fn breaker<E>(
    context: &ResilienceContext<u64, Result<u64, E>>,
    span: Duration,
) -> BreakerLayer<u64, Result<u64, E>>
where
    E: Failure,
{
    Breaker::layer("breaker", context)
        .recovery_with(|answer, _| recovery(answer))
        .rejected_input_error(|_, _| E::refused())
        .failure_threshold(0.5)
        .min_throughput(MIN_CALLS)
        .sampling_duration(span)
        .break_duration(OPEN_FOR)
}

fn retry(context: &Context) -> RetryLayer<u64, Answer> {
    Retry::layer("retry", context)
        .clone_input()
        .recovery_with(|answer, _| recovery(answer))
        .max_retry_attempts(ATTEMPTS - 1)
}

fn timeout(context: &Context, after: Duration) -> TimeoutLayer<u64, Answer> {
    Timeout::layer("timeout", context).timeout_error(|_| Fault::refused()).timeout(after)
}

fn recovery<E>(answer: &Result<u64, E>) -> RecoveryInfo {
    if answer.is_ok() { RecoveryInfo::never() } else { RecoveryInfo::retry() }
}

fn execute<P>(probe: P) -> Execute<impl Fn(u64) -> P::Future + Clone + Send + Sync>
where
    P: Probe,
{
    Execute::new(move |request| {
        let mut probe = probe;
        probe.call(request)
    })
}

type Context = ResilienceContext<u64, Answer>;
type Answer = Result<u64, Fault>;
