use std::future::{pending, ready};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use seawall::bulkhead::Bulkhead;
use seawall::error::{BoxError, Reject};
use seawall::gate::Permit as _;
use seawall::telemetry::{Environment, Event, EventKind, Measure};
use seawall::{Error, Outcome, Reason};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::polled::Polled;

#[test]
fn a_call_too_many_is_turned_away_by_name_and_told_of() {
    let (sender, receiver) = mpsc::channel();
    let environment = Environment::new().observer(move |event: &Event| {
        sender.send(*event).unwrap();
    });
    let bulkhead = Bulkhead::builder().name("told of").max_calls(1).build_in(&environment).unwrap();
    let _permit = bulkhead.enter().unwrap();

    let rejection = bulkhead.enter().unwrap_err();

    assert_eq!((rejection.policy(), rejection.reason()), ("told of", Reason::BulkheadFull));
    assert!(!rejection.reason().may_have_run());
    let event = receiver.try_recv().unwrap();
    assert_eq!(event.pattern(), "bulkhead");
    assert_eq!(*event.kind(), EventKind::Rejected { reason: Reason::BulkheadFull });
    assert!(receiver.try_recv().is_err());
}

#[test]
fn a_place_is_free_when_the_call_ends_and_not_when_its_future_is_dropped() {
    let bulkhead = Bulkhead::builder().max_calls(1).build().unwrap();
    let mut service = bulkhead.layer().layer(service_fn(|()| ready(Ok::<_, BoxError>(()))));
    let mut call = Polled::new(service.call(()));
    assert_eq!(bulkhead.in_flight(), 1);

    call.output().unwrap();

    assert_eq!(bulkhead.in_flight(), 0);
    assert!(bulkhead.enter().is_ok());
    drop(call);
    assert_eq!(bulkhead.in_flight(), 0);
}

#[test]
fn a_call_that_is_dropped_or_panics_frees_its_place() {
    let bulkhead = Bulkhead::builder().max_calls(1).build().unwrap();
    let mut call = Polled::new(bulkhead.run_with(pending::<Result<(), BoxError>>));
    assert!(call.is_pending());
    assert_eq!(bulkhead.in_flight(), 1);
    drop(call);
    assert_eq!(bulkhead.in_flight(), 0);

    let panics = bulkhead.run_with(|| async {
        std::hint::black_box(()); // not a constant panic
        panic!("in the call");
        #[expect(unreachable_code, reason = "gives the future its type")]
        Ok::<(), BoxError>(())
    });
    let caught =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| Polled::new(panics).poll()));

    assert!(caught.is_err());
    assert_eq!(bulkhead.in_flight(), 0);
}

/// `tower_loadshed_concurrency_ghost_waiter`: a clone that was polled once and is idle since held
/// the only place.
#[tokio::test]
async fn an_idle_clone_that_was_polled_holds_nothing() {
    let bulkhead = Bulkhead::builder().max_calls(1).build().unwrap();
    let service = bulkhead.layer().layer(service_fn(|()| ready(Ok::<_, BoxError>(()))));
    let mut idle = service.clone();
    idle.ready().await.unwrap();

    for _ in 0..100 {
        service.clone().oneshot(()).await.unwrap();
    }
}

#[test]
fn a_thousand_clones_have_one_limit() {
    let bulkhead = Bulkhead::builder().max_calls(7).build().unwrap();
    let service = bulkhead.layer().layer(service_fn(|()| pending::<Result<(), BoxError>>()));

    let mut calls: Vec<_> = (0..1_000).map(|_| Polled::new(service.clone().call(()))).collect();
    let pending = calls.iter_mut().filter_map(|call| call.is_pending().then_some(())).count();

    assert_eq!((pending, bulkhead.in_flight()), (7, 7));
    drop(calls);
    assert_eq!(bulkhead.in_flight(), 0);
}

/// Calls that are given up at random, over two threads, never exceed the limit or lose a place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_calls_with_random_cancellation_lose_no_place() {
    const LIMIT: u32 = 5;
    let bulkhead = Bulkhead::builder().max_calls(LIMIT).max_waiting(10_000).build().unwrap();
    let running = Arc::new(AtomicU32::new(0));
    let service = bulkhead.queue_layer().layer(service_fn({
        let running = Arc::clone(&running);
        move |yields: u64| {
            let running = Running::enter(&running);
            async move {
                assert!(running.0.load(Ordering::SeqCst) <= LIMIT);
                for _ in 0..yields {
                    tokio::task::yield_now().await;
                }
                Ok::<_, BoxError>(())
            }
        }
    }));

    let calls: Vec<_> = (0..10_000_u64)
        .map(|n| {
            let service = service.clone();
            tokio::spawn(async move {
                let call = service.oneshot(n % 4);
                let patience = (n * 7_919) % 64;
                let give_up = async {
                    for _ in 0..patience {
                        tokio::task::yield_now().await;
                    }
                };
                tokio::select! { done = call => done.is_ok(), () = give_up => false }
            })
        })
        .collect();
    let mut done = 0;
    for call in calls {
        done += u32::from(call.await.unwrap());
    }

    assert!(done > 0);
    assert_eq!((bulkhead.in_flight(), bulkhead.waiting()), (0, 0));
    let permits: Vec<_> = (0..LIMIT).map(|_| bulkhead.enter().unwrap()).collect();
    assert!(bulkhead.enter().is_err());
    drop(permits);
}

#[test]
fn limits_of_zero_are_refused_by_name() {
    let config = Bulkhead::builder();
    let field = |config: seawall::bulkhead::Config| config.build().unwrap_err().field().to_owned();

    assert_eq!(field(config.clone().max_calls(0)), "max_calls");
    assert_eq!(field(config.clone().max_waiting(0)), "max_waiting");
    assert_eq!(field(config.clone().max_wait(Duration::ZERO)), "max_wait");
    assert!(
        config.max_calls(u32::MAX).max_waiting(u32::MAX).max_wait(Duration::MAX).build().is_ok()
    );
}

#[test]
fn a_reload_changes_limits_and_keeps_calls() {
    let config = Bulkhead::builder().name("reloaded").max_calls(2);
    let bulkhead = config.build().unwrap();
    let permits = [bulkhead.enter().unwrap(), bulkhead.enter().unwrap()];

    bulkhead.reload(&config.clone().max_calls(1)).unwrap();
    let [first, second] = permits;
    first.complete(Outcome::Success);
    assert!(bulkhead.enter().is_err());
    drop(second);
    assert!(bulkhead.enter().is_ok());

    let refused = bulkhead.reload(&config.clone().name("another")).unwrap_err();
    assert_eq!(refused.field(), "name");
    let refused = bulkhead.reload(&config.max_calls(0)).unwrap_err();
    assert_eq!((refused.field(), bulkhead.max_calls()), ("max_calls", 1));
}

#[test]
fn a_new_bulkhead_knows_nothing_of_an_old_one() {
    for calls in 1..100 {
        let bulkhead = Bulkhead::builder().name("again").max_calls(calls).build().unwrap();
        assert_eq!((bulkhead.in_flight(), bulkhead.max_calls()), (0, calls));
        let permits: Vec<_> = (0..calls).map(|_| bulkhead.enter().unwrap()).collect();
        assert!(bulkhead.enter().is_err());
        drop(bulkhead);
        drop(permits);
    }
}

#[test]
fn a_permit_outlives_the_handle() {
    let bulkhead = Bulkhead::builder().name("outlived").max_calls(1).build().unwrap();
    let permit = bulkhead.enter().unwrap();
    drop(bulkhead);
    let other = Bulkhead::builder().name("outlived").max_calls(1).build().unwrap();

    assert_eq!(other.in_flight(), 0);
    drop(permit);
    assert_eq!(other.in_flight(), 0);
}

#[tokio::test]
async fn run_takes_any_error() {
    let bulkhead = Bulkhead::builder().max_calls(1).build().unwrap();
    assert_eq!(bulkhead.run(|| ready(Err::<(), _>(7))).await, Err(Error::Service(7)));

    let _permit = bulkhead.enter().unwrap();
    let error = bulkhead.run(|| ready(Err::<(), _>(7))).await.unwrap_err();

    assert_eq!(error.rejection().unwrap().reason(), Reason::BulkheadFull);
}

#[test]
fn levels_can_be_read_at_any_time() {
    let bulkhead = Bulkhead::builder().name("measured").max_calls(8).build().unwrap();
    let _permit = bulkhead.enter().unwrap();

    let mut levels = Vec::new();
    bulkhead.measure(&mut |level| levels.push((level.policy(), level.name(), level.value())));

    let of = |name, value| ("measured", name, value);
    assert_eq!(levels, [of("in_flight", 1.0), of("max_calls", 8.0), of("waiting", 0.0)]);
}

/// Counts itself as long as it lives.
struct Running(Arc<AtomicU32>);

impl Running {
    fn enter(count: &Arc<AtomicU32>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(feature = "serde")]
#[test]
fn settings_are_read_from_files_and_what_is_unknown_is_refused() {
    let config = Bulkhead::builder().name("read").max_calls(7);
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<seawall::bulkhead::Config>(&text).unwrap(), config);

    let partial = r#"{"name": "read", "max_calls": 7}"#;
    assert_eq!(serde_json::from_str::<seawall::bulkhead::Config>(partial).unwrap(), config);
    assert!(serde_json::from_str::<seawall::bulkhead::Config>(r#"{"max_cals": 7}"#).is_err());
}
