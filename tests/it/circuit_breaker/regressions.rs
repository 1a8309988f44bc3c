//! What went wrong in other breakers, each under the name of what went wrong.

use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use seawall::circuit_breaker::{CircuitBreaker, State};
use seawall::error::BoxError;
use seawall::gate::{Keyed, Permit as _, Sibling as _};
use seawall::{Error, Outcome, Reason};
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer, Service, ServiceExt, service_fn};

use super::{SECOND, build, call, calls, sensitive, trip};

#[test]
fn a_dropped_probe_frees_its_place() {
    let (breaker, clock, _) = build(&sensitive());
    trip(&breaker);
    clock.advance(5 * SECOND);
    // Dropped before its first poll, and at each await point.
    for polls in 0..4 {
        let mut probe = Box::pin(breaker.run(async || {
            for _ in 0..3 {
                yield_once().await;
            }
            Ok::<_, Infallible>(())
        }));
        for _ in 0..polls {
            assert!(poll(probe.as_mut()).is_pending());
        }
        drop(probe);
        assert_ne!(breaker.state(), State::Closed, "after {polls} polls");
    }

    call(&breaker, Outcome::Success);

    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn a_probe_that_never_ends_gives_its_place_back() {
    let (breaker, clock, _) = build(&sensitive().probe_lease(3 * SECOND));
    trip(&breaker);
    clock.advance(5 * SECOND);
    let hung = breaker.enter().unwrap();
    clock.advance(3 * SECOND - Duration::from_nanos(1));
    assert!(breaker.enter().is_err());

    clock.advance(Duration::from_nanos(1));
    let second = breaker.enter().unwrap();

    assert!(breaker.enter().is_err());
    hung.complete(Outcome::Success);
    assert_eq!(breaker.state(), State::HalfOpen, "a lease that has ended decides nothing");
    second.complete(Outcome::Success);
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn a_neutral_probe_frees_its_place() {
    let (breaker, clock, _) = build(&sensitive());
    trip(&breaker);
    clock.advance(5 * SECOND);
    calls(&breaker, 100, Outcome::Neutral);
    assert_eq!(breaker.state(), State::HalfOpen);

    call(&breaker, Outcome::Success);

    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn a_herd_at_the_transition_is_turned_away() {
    let (breaker, clock, events) = build(&sensitive().probes(3));
    trip(&breaker);
    clock.advance(5 * SECOND);
    let let_in = AtomicUsize::new(0);

    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                let permits: Vec<_> = (0..50).filter_map(|_| breaker.enter().ok()).collect();
                let_in.fetch_add(permits.len(), Ordering::Relaxed);
                // None ends: they hang.
                permits.into_iter().for_each(std::mem::forget);
            });
        }
    });

    assert_eq!(let_in.into_inner(), 3);
    assert_eq!(events.try_iter().collect::<Vec<_>>(), [("closed", "open"), ("open", "half_open")]);
}

#[test]
fn late_results_of_another_term_decide_nothing() {
    let (breaker, clock, _) = build(&sensitive().probes(2));
    let [before_one, before_two] = [breaker.enter().unwrap(), breaker.enter().unwrap()];
    trip(&breaker);
    before_one.complete(Outcome::Success);
    assert_eq!(breaker.state(), State::Open, "an open circuit is not closed by old news");
    clock.advance(5 * SECOND);

    let probe = breaker.enter().unwrap();
    before_two.complete(Outcome::Transient);
    assert_eq!(breaker.state(), State::HalfOpen, "nor opened");
    let failing = breaker.enter().unwrap();
    failing.complete(Outcome::Transient);
    clock.advance(5 * SECOND);

    // The probe of the first recovery ends in the second.
    let second = breaker.enter().unwrap();
    probe.complete(Outcome::Success);
    second.complete(Outcome::Success);
    assert_eq!(breaker.state(), State::HalfOpen, "one of two probes has passed");
    call(&breaker, Outcome::Success);
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn calls_from_before_a_recovery_do_not_count_after_it() {
    let slow = sensitive().slow_call_duration(SECOND).slow_call_rate(0.5);
    let (breaker, clock, _) = build(&slow);
    let hung: Vec<_> = (0..50).map(|_| breaker.enter().unwrap()).collect();
    trip(&breaker);
    clock.advance(5 * SECOND);
    call(&breaker, Outcome::Success);
    assert_eq!(breaker.state(), State::Closed);

    for _ in 0..30 {
        clock.advance(SECOND);
        calls(&breaker, 4, Outcome::Success);
    }

    assert_eq!(breaker.snapshot().running_slow(), 0);
    for permit in hung {
        permit.complete(Outcome::Transient);
    }
    assert_eq!((breaker.state(), breaker.snapshot().failed()), (State::Closed, 0));
}

#[test]
fn reading_the_state_changes_nothing() {
    let (breaker, clock, events) = build(&sensitive());
    trip(&breaker);
    clock.advance(3600 * SECOND);

    let before = breaker.snapshot();
    for _ in 0..1_000 {
        assert_eq!(breaker.state(), State::Open);
        assert_eq!(breaker.snapshot(), before);
    }

    assert_eq!(before.retry_after(), None);
    assert_eq!(events.try_iter().count(), 1);
    assert!(breaker.enter().is_ok());
}

#[test]
fn an_open_circuit_does_not_wait_for_a_service_that_is_never_ready() {
    let (breaker, ..) = build(&sensitive());
    let mut service = breaker.layer().layer(NeverReady);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_pending());
    trip(&breaker);

    assert!(service.poll_ready(&mut cx).is_ready());
    let Poll::Ready(Err(Error::Rejected(rejection))) = poll(pin!(service.call(()))) else {
        panic!("rejected at once");
    };

    assert_eq!(rejection.reason(), Reason::CircuitOpen);
}

#[test]
fn a_hung_service_whose_callers_give_up_is_found_out() {
    let (breaker, clock, _) = build(
        &CircuitBreaker::builder()
            .slow_call_duration(Duration::from_millis(4))
            .open_for(60 * SECOND),
    );
    let attempts = AtomicUsize::new(0);

    for _ in 0..200 {
        let mut call = Box::pin(breaker.run(async || {
            attempts.fetch_add(1, Ordering::Relaxed);
            pending::<Result<(), Infallible>>().await
        }));
        // The caller's own timeout, of 5 ms.
        let _ = poll(call.as_mut());
        clock.advance(Duration::from_millis(5));
        drop(call);
    }

    assert_eq!(attempts.into_inner(), 20);
}

#[test]
fn a_healthy_service_whose_callers_change_their_minds_is_not_blamed() {
    let (breaker, clock, _) =
        build(&CircuitBreaker::builder().slow_call_duration(Duration::from_millis(6)));

    for _ in 0..1_000 {
        let mut call = Box::pin(breaker.run(async || pending::<Result<(), Infallible>>().await));
        assert!(poll(call.as_mut()).is_pending());
        clock.advance(Duration::from_millis(5));
        drop(call);
    }

    assert_eq!((breaker.state(), breaker.snapshot().calls()), (State::Closed, 0));
}

#[test]
fn calls_that_hang_open_the_circuit_while_they_hang() {
    let (breaker, clock, _) =
        build(&CircuitBreaker::builder().slow_call_duration(SECOND).slow_call_rate(0.5));
    let mut hung = Vec::new();

    // A timeout of five seconds, which would have to pass before any of them fails.
    let opened = (0..50).find(|_| {
        for _ in 0..10 {
            hung.extend(breaker.enter());
        }
        clock.advance(Duration::from_millis(100));
        breaker.state() == State::Open
    });

    assert!(opened.is_some_and(|tenths| tenths <= 30), "{opened:?} tenths of a second");
}

#[test]
fn a_count_window_slides_however_many_calls_there_were() {
    let (breaker, ..) = build(&sensitive().call_window(10).failure_rate(0.5));
    calls(&breaker, 100_000, Outcome::Success);

    let failures = (1..1_000).find(|_| {
        call(&breaker, Outcome::Transient);
        breaker.state() == State::Open
    });

    assert_eq!(failures, Some(5));
}

#[test]
fn probes_slower_than_the_window_close_the_circuit() {
    let (breaker, clock, _) =
        build(&sensitive().time_window(SECOND).probes(3).probe_lease(60 * SECOND));
    trip(&breaker);
    clock.advance(5 * SECOND);

    for _ in 0..3 {
        call(&breaker, Outcome::Success);
        clock.advance(4 * SECOND);
    }

    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn rejections_are_ready_at_once_however_many_threads_ask() {
    let (breaker, ..) = build(&sensitive());
    trip(&breaker);

    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut service = breaker.layer().layer(NeverReady);
                let mut cx = Context::from_waker(Waker::noop());
                for _ in 0..10_000 {
                    assert!(service.poll_ready(&mut cx).is_ready());
                    assert!(poll(pin!(service.call(()))).is_ready());
                }
            });
        }
    });
}

#[test]
fn a_recovered_service_has_its_traffic_back_within_two_open_times() {
    for seed in 0..20 {
        let clock = seawall::time::Clock::manual();
        let environment = seawall::telemetry::Environment::new().clock(clock.clone()).seed(seed);
        let breaker = CircuitBreaker::builder().build_in(&environment).unwrap();
        let tick = |outcome| {
            clock.advance(Duration::from_millis(10));
            breaker.enter().map(|permit| permit.complete(outcome)).is_ok()
        };
        // However long it was gone: the open time does not grow.
        for _ in 0..30_000 + seed * 37 {
            tick(Outcome::Transient);
        }
        for _ in 0..1_000 {
            tick(Outcome::Success);
        }

        let let_in = (0..1_000).filter(|_| tick(Outcome::Success)).count();

        assert_eq!(let_in, 1_000, "seed {seed}");
    }
}

#[test]
fn calls_within_one_moment_all_count() {
    let (breaker, ..) = build(&sensitive().min_calls(100).failure_rate(0.9));

    call(&breaker, Outcome::Success);
    calls(&breaker, 98, Outcome::Transient);
    assert_eq!(breaker.state(), State::Closed);
    call(&breaker, Outcome::Transient);

    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn the_first_window_is_not_blind() {
    let (breaker, clock, _) = build(&CircuitBreaker::builder().time_window(30 * SECOND));

    calls(&breaker, 20, Outcome::Transient);
    assert_eq!(breaker.state(), State::Open);

    // Nor is the first one after a recovery.
    clock.advance(5 * SECOND);
    calls(&breaker, 3, Outcome::Success);
    clock.advance(2 * SECOND);
    calls(&breaker, 19, Outcome::Transient);
    assert_eq!(breaker.state(), State::Closed);
    call(&breaker, Outcome::Transient);
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn a_window_below_a_second_is_as_long_as_it_says() {
    let (breaker, clock, _) =
        build(&sensitive().time_window(Duration::from_millis(900)).failure_rate(0.5));
    calls(&breaker, 100, Outcome::Success);
    call(&breaker, Outcome::Transient);
    assert_eq!(breaker.snapshot().calls(), 101);

    clock.advance(Duration::from_millis(800));
    assert_eq!(breaker.snapshot().calls(), 101);
    clock.advance(Duration::from_millis(100));
    assert_eq!(breaker.snapshot().calls(), 0);
}

#[test]
fn a_service_that_limits_itself_is_polled_ready_before_it_is_called() {
    // `ConcurrencyLimit` panics when it is called without.
    let (breaker, ..) = build(&sensitive());
    let limited = ConcurrencyLimitLayer::new(1)
        .layer(service_fn(|(): ()| async { Ok::<_, Error<BoxError>>(1) }));
    let mut service = breaker.layer().layer(limited);

    for _ in 0..3 {
        let ready = poll(pin!(service.ready()));
        assert!(matches!(ready, Poll::Ready(Ok(_))));
        assert!(matches!(poll(pin!(service.call(()))), Poll::Ready(Ok(1))));
    }
}

#[test]
fn one_dead_host_of_ten_costs_the_others_nothing() {
    let (family, ..) = build(&sensitive());
    let hosts = Keyed::new(family);
    let mut let_in = [0; 10];

    for _ in 0..100 {
        for (host, let_in) in let_in.iter_mut().enumerate() {
            let Ok(permit) = hosts.gate(&host).enter() else { continue };
            *let_in += 1;
            permit.complete(if host == 3 { Outcome::Transient } else { Outcome::Success });
        }
    }

    assert_eq!(let_in, [100, 100, 100, 4, 100, 100, 100, 100, 100, 100]);
}

#[test]
fn breakers_of_keys_that_are_used_once_are_given_up() {
    let (family, ..) = build(&sensitive());
    let hosts = Keyed::bounded(family, NonZeroUsize::new(100).unwrap());
    trip(&hosts.gate(&u64::MAX));

    for host in 0..20_000_u64 {
        call(&hosts.gate(&host), Outcome::Success);
    }

    assert!(hosts.len() <= 100);
    assert_eq!(hosts.gate(&u64::MAX).state(), State::Open, "what matters is kept");
}

#[test]
fn breakers_of_keys_that_stay_dead_are_given_up_in_the_end() {
    let (breaker, clock, _) = build(&sensitive());
    let other = breaker.sibling();
    assert!(other.is_idle());
    trip(&other);
    assert!(!other.is_idle());

    clock.advance(10 * SECOND);
    assert!(!other.is_idle());
    clock.advance(SECOND);

    assert!(other.is_idle());
    breaker.isolate();
    assert!(!breaker.is_idle());
}

#[test]
fn a_call_that_panics_is_a_failure() {
    let (breaker, ..) = build(&sensitive());

    for _ in 0..4 {
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let call = breaker.run(async || -> Result<(), Infallible> { panic!("in the call") });
            poll(pin!(call))
        }));
        assert!(caught.is_err());
    }

    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn an_observer_may_use_the_breaker_that_it_hears_of() {
    let clock = seawall::time::Clock::manual();
    let slot: Arc<std::sync::OnceLock<CircuitBreaker>> = Arc::default();
    let environment = seawall::telemetry::Environment::new().clock(clock).observer({
        let slot = Arc::clone(&slot);
        move |event: &seawall::telemetry::Event| {
            let breaker = slot.get().unwrap();
            if event.kind().name() == "state_changed" {
                let _ = (breaker.state(), breaker.snapshot(), breaker.enter());
            }
        }
    });
    let breaker = sensitive().build_in(&environment).unwrap();
    slot.set(breaker.clone()).unwrap();

    trip(&breaker);

    assert_eq!(breaker.state(), State::Open);
}

/// A service that is never ready.
#[derive(Clone)]
struct NeverReady;

impl Service<()> for NeverReady {
    type Response = ();
    type Error = Error<BoxError>;
    type Future = std::future::Ready<Result<(), Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Pending
    }

    fn call(&mut self, (): ()) -> Self::Future {
        panic!("called without being ready")
    }
}

fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

async fn yield_once() {
    let mut yielded = false;
    poll_fn(
        |_| if std::mem::replace(&mut yielded, true) { Poll::Ready(()) } else { Poll::Pending },
    )
    .await;
}
