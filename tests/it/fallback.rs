use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use seawall::error::{BoxError, Reject};
use seawall::fallback::{FallbackLayer, LastGood};
use seawall::telemetry::{Environment, Event, EventKind};
use seawall::time::Clock;
use seawall::{Error, Outcome, Reason, Rejection};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::task::{Task, panics};

type Failed = Result<u32, Error<&'static str>>;

#[tokio::test]
async fn only_a_failure_falls_back() {
    let outcomes = [
        (Outcome::Success, 1),
        (Outcome::Permanent, 1),
        (Outcome::Neutral, 1),
        (Outcome::Transient, 0),
        (Outcome::Overload { retry_after: None }, 0),
    ];
    for (outcome, expected) in outcomes {
        let layer = FallbackLayer::value(0_u32)
            .classify(move |_: Result<&u32, &Error<&'static str>>| outcome);

        let answer = layer.run_with((), async |()| Failed::Ok(1)).await;

        assert_eq!(answer, Ok(expected), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_rejection_falls_back_though_it_says_nothing_of_the_service() {
    let shut = Rejection::new("orders", Reason::CircuitOpen);

    let answer =
        FallbackLayer::value(0).run_with((), async |()| Failed::Err(Error::reject(shut))).await;

    assert_eq!(answer, Ok(0));
}

#[tokio::test]
async fn a_failure_that_the_classifier_calls_final_is_the_answer() {
    let layer = FallbackLayer::value(0_u32)
        .classify(|_: Result<&u32, &Error<&'static str>>| Outcome::Permanent);

    let answer = layer.run((), async |()| Err("no such order")).await;

    assert_eq!(answer, Err(Error::Service("no such order")));
}

#[tokio::test]
async fn the_function_sees_request_and_failure() {
    let layer = FallbackLayer::new(|request: u32, failed: Failed| match failed {
        Err(Error::Service("down")) => Ok(request + 1),
        other => other,
    });

    assert_eq!(layer.run(41, async |_| Err("down")).await, Ok(42));
    assert_eq!(layer.run(41, async |_| Err("gone")).await, Err(Error::Service("gone")));
}

#[test]
fn a_deferred_answer_is_waited_for() {
    let clock = Clock::manual();
    let layer = FallbackLayer::deferred(async |request: u32, _: Result<u32, BoxError>| {
        tokio::task::yield_now().await;
        Ok(request * 2)
    });
    let service = layer.layer(service_fn(async |_: u32| Err::<u32, BoxError>("down".into())));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut task = Task::new(service.clone().oneshot(21));

    assert!(task.poll().is_pending());
    drop(task);

    assert_eq!(runtime.block_on(service.oneshot(21)).unwrap(), 42);
    drop(clock);
}

#[tokio::test]
async fn layers_of_fallbacks_try_one_after_the_other() {
    let cache: LastGood<u32, u32> = LastGood::builder().build().unwrap();
    let down = service_fn(async |_: u32| Err::<u32, BoxError>("down".into()));
    let service = FallbackLayer::value(0).layer(cache.layer(|request: &u32| *request).layer(down));
    cache.put(7, 70);

    assert_eq!(service.clone().oneshot(7).await.unwrap(), 70);
    assert_eq!(service.oneshot(8).await.unwrap(), 0);
}

#[tokio::test]
async fn the_last_good_answer_stands_in_until_it_is_too_old() {
    let clock = Clock::manual();
    let environment = Environment::new().clock(clock.clone());
    let last_good: LastGood<u32, u32> =
        LastGood::builder().max_age(10 * SECOND).build_in(&environment).unwrap();
    let calls = Arc::new(AtomicU32::new(0));
    let mut service = last_good.layer(|request: &u32| *request).layer(once(&calls));

    assert_eq!(service.ready().await.unwrap().call(7).await.unwrap(), 7);
    clock.advance(10 * SECOND);
    assert_eq!(service.ready().await.unwrap().call(7).await.unwrap(), 7);
    assert_eq!(last_good.get(&7), Some((7, 10 * SECOND)));
    clock.advance(Duration::from_nanos(1));

    assert!(service.ready().await.unwrap().call(7).await.is_err());
    assert_eq!(last_good.get(&7), None);
    assert_eq!(calls.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn an_answer_that_stands_in_says_how_old_it_is() {
    let clock = Clock::manual();
    let (environment, events) = observed(&clock);
    let last_good: LastGood<u32, (u32, Duration)> =
        LastGood::builder().build_in(&environment).unwrap();
    let layer = last_good
        .layer(|request: &u32| *request)
        .mark(|(answer, _), age| (answer, age))
        .name("prices")
        .environment(&environment);
    last_good.put(7, (70, Duration::ZERO));
    clock.advance(3 * SECOND);

    let answer: Result<_, Error<&str>> = layer.run(7, async |_| Err("down")).await;

    assert_eq!(answer, Ok((70, 3 * SECOND)));
    let events: Vec<_> = events.try_iter().collect();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].policy(), "prices");
    assert_eq!(*events[0].kind(), EventKind::Fallback { stale: Some(3 * SECOND) });
}

#[tokio::test]
async fn no_answer_is_no_event() {
    let (environment, events) = observed(&Clock::manual());
    let last_good: LastGood<u32, u32> = LastGood::builder().build().unwrap();
    let stale = last_good.layer(|request: &u32| *request).environment(&environment);
    let same = FallbackLayer::new(|_: u32, failed: Failed| failed).environment(&environment);

    assert!(stale.run(7, async |_| Err::<u32, _>("down")).await.is_err());
    assert!(same.run(7, async |_| Err("down")).await.is_err());

    assert_eq!(events.try_iter().count(), 0);
}

#[tokio::test]
async fn only_good_answers_are_learned() {
    let last_good: LastGood<u32, u32> = LastGood::builder().build().unwrap();
    let layer = last_good.layer(|request: &u32| *request).classify(
        |result: Result<&u32, &Error<&'static str>>| match result {
            Ok(404) => Outcome::Permanent,
            Ok(500..) | Err(_) => Outcome::Transient,
            Ok(_) => Outcome::Success,
        },
    );

    for answer in [404, 503] {
        assert_eq!(layer.run_with(7, async |_| Failed::Ok(answer)).await, Ok(answer));
        assert!(last_good.is_empty());
    }
    assert_eq!(layer.run_with(7, async |_| Failed::Ok(200)).await, Ok(200));
    assert_eq!(layer.run_with(7, async |_| Failed::Ok(503)).await, Ok(200));
}

#[test]
fn a_million_keys_take_no_more_than_their_places() {
    for capacity in [1, 255, 256, 1_000, 5_000] {
        let last_good: LastGood<u32, u32> = LastGood::builder().capacity(capacity).build().unwrap();
        let keys = if capacity == 1_000 { 1_000_000 } else { 20_000 };
        for key in 0..keys {
            last_good.put(key, key);
        }

        assert!(last_good.len() <= capacity, "{} of {capacity}", last_good.len());
        assert!(last_good.len() * 10 >= capacity * 9, "{} of {capacity}", last_good.len());
        // What came last is there.
        assert!(last_good.get(&(keys - 1)).is_some());
    }
}

#[test]
fn stores_without_room_or_time_are_refused() {
    let build = |config: seawall::fallback::Config| {
        config.build::<u32, u32>().map_err(|error| error.field().to_owned())
    };

    assert_eq!(build(LastGood::builder().capacity(0)).unwrap_err(), "capacity");
    assert_eq!(build(LastGood::builder().capacity(usize::MAX)).unwrap_err(), "capacity");
    assert_eq!(build(LastGood::builder().max_age(Duration::ZERO)).unwrap_err(), "max_age");
    assert!(build(LastGood::builder().max_age(Duration::MAX)).is_ok());
}

#[test]
fn keys_and_answers_that_panic_do_not_break_the_store() {
    #[derive(PartialEq, Eq)]
    struct Key(u32, bool);

    impl std::hash::Hash for Key {
        fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
            self.0.hash(state);
        }
    }

    impl Clone for Key {
        fn clone(&self) -> Self {
            if self.1 {
                std::panic::resume_unwind(Box::new("clone"));
            }
            Self(self.0, self.1)
        }
    }

    let last_good: LastGood<Key, u32> = LastGood::builder().capacity(2).build().unwrap();
    for round in 0..10 {
        last_good.put(Key(round, false), round);
        assert!(panics(|| last_good.put(Key(100 + round, true), 0)));
        assert_eq!(last_good.get(&Key(round, false)).unwrap().0, round);
    }
    assert_eq!(last_good.len(), 2);
}

#[test]
fn a_panic_of_the_fallback_is_the_callers_and_no_more() {
    let clock = Clock::manual();
    let layer = FallbackLayer::new(|request: u32, failed: Result<u32, BoxError>| {
        if request == 0 {
            std::panic::resume_unwind(Box::new("fallback"));
        }
        drop(failed);
        Ok(request)
    });
    let service = layer.layer(service_fn(async |_: u32| Err::<u32, BoxError>("down".into())));

    assert!(panics(|| Task::new(service.clone().oneshot(0)).finish(&clock)));
    assert_eq!(Task::new(service.oneshot(1)).finish(&clock).unwrap(), 1);
}

const SECOND: Duration = Duration::from_secs(1);

/// Answers the first call, and fails ever after.
fn once(
    calls: &Arc<AtomicU32>,
) -> impl Service<u32, Response = u32, Error = BoxError, Future: Send> + Clone {
    let calls = Arc::clone(calls);
    service_fn(move |request: u32| {
        let first = calls.fetch_add(1, Ordering::Relaxed) == 0;
        async move { if first { Ok(request) } else { Err(BoxError::from("down")) } }
    })
}

fn observed(clock: &Clock) -> (Environment, Receiver<Event>) {
    let (sender, receiver) = channel();
    let environment = Environment::new()
        .clock(clock.clone())
        .observer(move |event: &Event| sender.send(*event).expect("the test listens"));
    (environment, receiver)
}
