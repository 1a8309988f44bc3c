use std::future::ready;
use std::time::Duration;

use seawall::Reason;
use seawall::context::Context;
use seawall::error::{BoxError, Reject};
use seawall::rate_limit::{Quota, RateLimiter};
use seawall::telemetry::Environment;
use seawall::time::Clock;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::polled::Polled;

const SECOND: Duration = Duration::from_secs(1);

/// A limiter whose every clone has a quota of its own limits nothing.
#[tokio::test]
async fn all_clones_share_one_quota() {
    let (limiter, _) = build(&Quota::per_second(10));
    let service = limiter.layer().layer(service_fn(|()| ready(Ok::<_, BoxError>(()))));

    let mut passed = 0;
    for _ in 0..100 {
        let (service, other) = (service.clone(), limiter.clone());
        passed += u32::from(service.oneshot(()).await.is_ok());
        passed += u32::from(other.enter().is_ok());
    }

    assert_eq!(passed, 10);
}

#[test]
fn a_rejection_names_the_wait_that_is_enough() {
    let (limiter, clock) = build(&Quota::per_second(3).burst(2));
    for _ in 0..50 {
        while limiter.enter().is_ok() {}
        let rejection = limiter.enter().unwrap_err();
        assert_eq!((rejection.policy(), rejection.reason()), ("orders", Reason::RateLimited));
        let wait = rejection.retry_after().unwrap();
        assert!(wait <= Duration::from_nanos(333_333_334), "{wait:?}");

        clock.advance(wait - Duration::from_nanos(1));
        assert!(limiter.enter().is_err());
        clock.advance(Duration::from_nanos(1));
        assert!(limiter.enter().is_ok());
    }
}

/// `tr_ratelimiter_futile_wait_and_token_loss`, first half.
#[test]
fn who_can_not_be_served_in_time_is_turned_away_at_once() {
    let quota = Quota::per_hour(1).max_wait(2 * SECOND);
    let (limiter, clock) = build(&quota);
    limiter.enter().unwrap();
    let layer = limiter.queue_layer();

    let error = Polled::new(layer.run_with(answer)).output().unwrap_err();

    let rejection = error.rejection().unwrap();
    assert_eq!(rejection.reason(), Reason::RateLimited);
    assert_eq!(rejection.retry_after(), Some(3_598 * SECOND));
    clock.advance(3_598 * SECOND);
    let mut call = Polled::new(layer.run_with(answer));
    assert!(call.is_pending());
    clock.advance(2 * SECOND);
    assert_eq!(call.woken(), 1);
    call.output().unwrap();
}

/// The same, second half: what was granted and not used is given back.
#[tokio::test]
async fn nothing_is_lost_when_a_hundred_are_given_up() {
    let (limiter, clock) = build(&Quota::per_second(100).burst(100).max_waiting(1_000));
    let service = limiter.queue_layer().layer(service_fn(|()| answer()));
    // Services that are ready and never called take nothing.
    for _ in 0..100 {
        service.clone().ready().await.unwrap();
    }
    assert_eq!(limiter.available(), 100);
    limiter.enter_weighted(100).unwrap();

    let mut calls: Vec<_> = (0..100).map(|_| Polled::new(service.clone().oneshot(()))).collect();
    assert!(calls.iter_mut().all(Polled::is_pending));
    assert_eq!(limiter.waiting(), 100);
    drop(calls);

    assert_eq!(limiter.waiting(), 0);
    let mut next = Polled::new(service.clone().oneshot(()));
    assert!(next.is_pending());
    clock.advance(SECOND / 100);
    next.output().unwrap();
}

#[test]
fn turns_come_in_order_and_at_the_rate() {
    let (limiter, clock) = build(&Quota::per_second(10).burst(1));
    limiter.enter().unwrap();
    let layer = limiter.queue_layer();
    let mut calls: Vec<_> = (0..10).map(|_| Polled::new(layer.run_with(answer))).collect();
    assert!(calls.iter_mut().all(Polled::is_pending));

    for n in 0..10 {
        clock.advance(SECOND / 10);
        let woken: Vec<_> = calls.iter().map(Polled::woken).collect();
        assert_eq!(woken.iter().sum::<u32>(), n + 1, "{woken:?}");
        let n = usize::try_from(n).unwrap();
        assert!(calls[n + 1..].iter_mut().all(Polled::is_pending));
        calls[n].output().unwrap();
    }
    assert_eq!(limiter.waiting(), 0);
}

#[test]
fn nobody_waits_for_a_turn_past_his_deadline() {
    let (limiter, clock) = build(&Quota::per_second(1));
    limiter.enter().unwrap();
    let layer = limiter.queue_layer();
    let within = |wait| Context::new().deadline(clock.now() + wait);

    let mut early = Polled::new(within(SECOND / 2).scope(layer.run_with(answer)));
    let rejection = *early.output().unwrap_err().rejection().unwrap();
    assert_eq!((rejection.reason(), rejection.retry_after()), (Reason::RateLimited, Some(SECOND)));
    let mut over = Polled::new(within(Duration::ZERO).scope(layer.run_with(answer)));
    assert_eq!(reason(&over.output().unwrap_err()), Reason::DeadlineExceeded);
    let mut in_time = Polled::new(within(SECOND).scope(layer.run_with(answer)));
    assert!(in_time.is_pending());

    clock.advance(SECOND);
    in_time.output().unwrap();
}

#[test]
fn the_number_of_those_who_wait_is_bounded() {
    let (limiter, _) = build(&Quota::per_second(100).burst(1).max_waiting(2));
    limiter.enter().unwrap();
    let layer = limiter.queue_layer();
    let mut calls: Vec<_> = (0..2).map(|_| Polled::new(layer.run_with(answer))).collect();
    assert!(calls.iter_mut().all(Polled::is_pending));

    let error = Polled::new(layer.run_with(answer)).output().unwrap_err();
    assert_eq!(reason(&error), Reason::QueueFull);
    calls.pop();
    assert!(Polled::new(layer.run_with(answer)).is_pending());
}

#[test]
fn a_call_that_waits_for_its_turn_may_move_to_another_task() {
    let (limiter, clock) = build(&Quota::per_second(1));
    limiter.enter().unwrap();
    let layer = limiter.queue_layer();
    let mut call = Polled::new(layer.run_with(answer));
    assert!(call.is_pending());
    let mut call = call.moved();
    assert!(call.is_pending());

    clock.advance(SECOND);

    assert_eq!(call.woken(), 1);
    call.output().unwrap();
}

#[test]
fn a_call_takes_what_it_weighs_and_one_that_is_too_heavy_is_told_so() {
    let (limiter, clock) = build(&Quota::per_second(10).burst(10));
    let layer = limiter.weighted(|weight: &u32| *weight).layer();
    let mut service = layer.layer(service_fn(|_: u32| answer()));

    Polled::new(service.call(10)).output().unwrap();
    let error = Polled::new(service.call(5)).output().unwrap_err();
    assert_eq!(error.rejection().unwrap().retry_after(), Some(SECOND / 2));
    let error = Polled::new(service.call(11)).output().unwrap_err();
    let rejection = error.rejection().unwrap();
    assert_eq!((rejection.reason(), rejection.retry_after()), (Reason::TooHeavy, None));

    let mut queue =
        limiter.weighted(|weight: &u32| *weight).queue_layer().layer(service_fn(|_: u32| answer()));
    let mut heavy = Polled::new(queue.call(5));
    assert!(heavy.is_pending());
    let error = Polled::new(queue.call(u32::MAX)).output().unwrap_err();
    assert_eq!(reason(&error), Reason::TooHeavy);
    clock.advance(SECOND / 2);
    heavy.output().unwrap();
}

/// Over the system's clock, coarse and precise: no more than the rate, and not much less.
#[test]
fn the_rate_holds_in_real_time() {
    for burst in [1, 100_000] {
        let limiter = Quota::per_second(100_000).burst(burst).build().unwrap();
        limiter.enter_weighted(burst).unwrap();
        let mut admitted = 0_u32;
        let clock = Clock::system();
        let start = clock.now();
        while clock.now().since(start) < Duration::from_millis(50) {
            admitted += u32::from(limiter.enter().is_ok());
        }
        let elapsed = clock.now().since(start) + Duration::from_millis(20);

        let most = f64::from(1) + 100_000.0 * elapsed.as_secs_f64();
        assert!(f64::from(admitted) <= most, "{admitted} of {most} with a burst of {burst}");
        assert!(admitted > 0);
    }
}

#[test]
fn the_largest_burst_at_a_million_a_second_lets_all_in() {
    let limiter = Quota::per_second(1_000_000).burst(u32::MAX).build().unwrap();

    assert!((0..100_000).all(|_| limiter.enter().is_ok()));
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    let field = |quota: &Quota| quota.build().unwrap_err().field().to_owned();
    let quota = Quota::default();

    assert_eq!(field(&quota.clone().limit(0)), "limit");
    assert_eq!(field(&quota.clone().burst(0)), "burst");
    assert_eq!(field(&quota.clone().per(Duration::ZERO)), "per");
    assert_eq!(field(&quota.clone().per(Duration::MAX)), "per");
    assert_eq!(field(&quota.clone().limit(2).per(Duration::from_nanos(1))), "limit");
    assert_eq!(field(&quota.clone().max_waiting(0)), "max_waiting");
    assert_eq!(field(&quota.clone().max_wait(Duration::ZERO)), "max_wait");
    assert!(
        quota.limit(u32::MAX).per(Duration::from_secs(5)).max_wait(Duration::MAX).build().is_ok()
    );
}

#[test]
fn a_reload_keeps_what_is_owed_and_those_who_wait() {
    let quota = Quota::per_second(10).burst(10);
    let (limiter, clock) = build(&quota);
    clock.advance(1_000 * SECOND);
    limiter.enter_weighted(10).unwrap();
    let layer = limiter.queue_layer();
    let mut waiting = Polled::new(layer.run_with(answer));
    assert!(waiting.is_pending());

    limiter.reload(&quota.clone().limit(1).name("orders")).unwrap();

    assert_eq!(limiter.available(), 0);
    clock.advance(SECOND / 10);
    waiting.output().unwrap();
    clock.advance(SECOND * 9 / 10);
    assert_eq!(limiter.available(), 1);
    assert_eq!(limiter.reload(&quota.clone().name("others")).unwrap_err().field(), "name");
    assert_eq!(limiter.reload(&quota.limit(0).name("orders")).unwrap_err().field(), "limit");
}

#[test]
fn a_new_limiter_knows_nothing_of_an_old_one() {
    for burst in 1..100 {
        let quota = Quota::per_hour(1).burst(burst).name("again");
        let limiter = quota.build().unwrap();
        assert_eq!(limiter.available(), burst);
        limiter.enter_weighted(burst).unwrap();
        assert!(limiter.enter().is_err());
    }
}

fn build(quota: &Quota) -> (RateLimiter, Clock) {
    let clock = Clock::manual();
    let environment = Environment::new().clock(clock.clone());
    let limiter = quota.clone().name("orders").build_in(&environment).unwrap();
    (limiter, clock)
}

fn answer() -> std::future::Ready<Result<(), BoxError>> {
    ready(Ok(()))
}

fn reason(error: &BoxError) -> Reason {
    error.rejection().expect("a policy ended the call").reason()
}

#[cfg(feature = "serde")]
#[test]
fn a_quota_is_read_from_files_and_what_is_unknown_is_refused() {
    let quota = Quota::per_minute(7).name("read");
    let text = serde_json::to_string(&quota).unwrap();
    assert_eq!(serde_json::from_str::<Quota>(&text).unwrap(), quota);

    let partial = r#"{"name": "read", "limit": 7, "per": {"secs": 60, "nanos": 0}}"#;
    assert_eq!(serde_json::from_str::<Quota>(partial).unwrap(), quota);
    assert!(serde_json::from_str::<Quota>(r#"{"rate": 7}"#).is_err());
}
