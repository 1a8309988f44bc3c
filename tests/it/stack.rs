//! The standard stack: what its parts do together.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use seawall::circuit_breaker::State;
use seawall::error::BoxError;
use seawall::rate_limit::Quota;
use seawall::stack::{Config, Stack};
use seawall::telemetry::{Environment, Measure};
use seawall::time::follow_tokio;
use seawall::{Error, Reason, bulkhead, circuit_breaker, retry};
use tokio::time::{Instant, sleep};
use tower::util::BoxCloneService;
use tower::{Layer, Service, ServiceExt, service_fn};

#[test]
fn an_attempt_longer_than_the_call_is_refused() {
    let error = Stack::builder()
        .total_timeout(Duration::from_secs(1))
        .attempt_timeout(Duration::from_millis(1_001))
        .build()
        .unwrap_err();

    assert_eq!(error.field(), "attempt_timeout");
}

#[test]
fn a_window_that_forgets_attempts_which_still_run_is_refused() {
    let error = Stack::builder()
        .attempt_timeout(Duration::from_secs(3))
        .circuit_breaker(circuit_breaker::Config::default().time_window(Duration::from_secs(5)))
        .build()
        .unwrap_err();

    assert_eq!(error.field(), "circuit_breaker.time_window");
}

#[test]
fn a_breaker_that_never_sees_enough_calls_is_refused() {
    let error = Stack::builder().rate_limit(Quota::per_minute(60).burst(1)).build().unwrap_err();

    assert_eq!(error.field(), "circuit_breaker.min_calls");
}

#[test]
fn a_wrong_part_is_named_with_its_field() {
    let of = |config: Config| config.build().unwrap_err().field().to_owned();

    assert_eq!(of(Stack::builder().total_timeout(Duration::ZERO)), "total_timeout");
    assert_eq!(
        of(Stack::builder().bulkhead(bulkhead::Config::default().max_calls(0))),
        "bulkhead.max_calls"
    );
    assert_eq!(
        of(Stack::builder().retry(retry::Config::default().max_attempts(0))),
        "retry.max_attempts"
    );
    assert_eq!(
        of(Stack::builder()
            .circuit_breaker(circuit_breaker::Config::default().failure_rate(f64::NAN))),
        "circuit_breaker.failure_rate"
    );
    assert_eq!(of(Stack::builder().rate_limit(Quota::per_second(0))), "rate_limit.limit");
}

#[test]
fn what_is_not_set_follows_what_is() {
    let text = |config: Config| config.build().unwrap().describe().to_string();

    let short = text(Stack::builder().total_timeout(Duration::from_millis(500)));
    assert!(short.contains("attempt timeout  500ms"), "{short}");

    let long = text(Stack::builder().attempt_timeout(Duration::from_secs(20)));
    assert!(long.contains("total timeout    60s"), "{long}");
    assert!(long.contains("or more in 40s fail"), "{long}");
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_with_its_total_timeout_whatever_its_attempts_do() {
    follow_tokio();
    let stack = Stack::builder()
        .total_timeout(Duration::from_secs(3))
        .attempt_timeout(Duration::from_secs(2))
        .build()
        .unwrap();
    let begin = Instant::now();

    let error = stack.run(std::future::pending::<Result<(), io::Error>>).await.unwrap_err();

    // The second attempt does not fit any more; what comes back is the end of the first.
    let Error::Rejected(rejection) = error else { panic!("{error:?}") };
    assert_eq!(rejection.reason(), Reason::TimedOut);
    assert!(begin.elapsed() <= Duration::from_secs(3), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_last_real_failure_comes_back_and_not_what_a_policy_says_of_it() {
    follow_tokio();
    let stack = Stack::builder().build().unwrap();

    let error = stack.run(|| async { Err::<(), _>(io::ErrorKind::ConnectionReset) }).await;

    assert_eq!(error, Err(Error::Service(io::ErrorKind::ConnectionReset)));
}

#[tokio::test(start_paused = true)]
async fn an_outage_does_not_multiply_the_load() {
    follow_tokio();
    let stack = Stack::builder().build_in(&Environment::new().seed(7)).unwrap();
    let sent = AtomicU32::new(0);

    for _ in 0..10_000 {
        let answer = stack
            .run(|| async {
                sent.fetch_add(1, Ordering::Relaxed);
                Err::<(), _>("down")
            })
            .await;
        assert!(answer.is_err());
        sleep(Duration::from_millis(5)).await;
    }

    // The breaker lets a few probes through every few seconds, and the budget a repeat a second.
    let sent = sent.load(Ordering::Relaxed);
    assert!(sent < 1_000, "{sent} attempts of 10,000 calls");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_only_hangs_opens_the_breaker_although_its_callers_give_up() {
    follow_tokio();
    let stack = Stack::builder().total_timeout(Duration::from_millis(5)).build().unwrap();
    let sent = AtomicU32::new(0);

    for _ in 0..200 {
        let answer = stack
            .run(|| {
                sent.fetch_add(1, Ordering::Relaxed);
                std::future::pending::<Result<(), io::Error>>()
            })
            .await;
        assert!(answer.is_err());
    }

    let sent = sent.load(Ordering::Relaxed);
    assert!(sent <= 30, "{sent} of 200 calls reached a service that hangs");
    assert_eq!(
        stack.circuit_breaker().map(circuit_breaker::CircuitBreaker::state),
        Some(State::Open)
    );
}

#[tokio::test(start_paused = true)]
async fn three_tiers_of_stacks_do_not_multiply_attempts() {
    follow_tokio();
    let bottom = Arc::new(AtomicU32::new(0));
    let tier = |name: &str| Stack::builder().name(name).build().unwrap();
    let (top, middle, low) = (tier("top"), tier("middle"), tier("low"));
    let service = {
        let bottom = Arc::clone(&bottom);
        service_fn(move |(): ()| {
            bottom.fetch_add(1, Ordering::Relaxed);
            async { Err::<(), BoxError>("down".into()) }
        })
    };
    // Boxed in between, as services on different machines are.
    let low = BoxCloneService::new(low.layer().bare().layer(service));
    let middle = BoxCloneService::new(middle.layer().bare().layer(low));
    let mut top = top.layer().bare().layer(middle);

    let calls = 1_000;
    for _ in 0..calls {
        top.ready().await.unwrap().call(()).await.unwrap_err();
    }

    let attempts = bottom.load(Ordering::Relaxed);
    assert!(attempts <= calls * 13 / 10, "{attempts} attempts for {calls} calls");
}

#[tokio::test(start_paused = true)]
async fn new_settings_keep_an_open_circuit_open() {
    follow_tokio();
    let stack = Stack::builder().without_retry().build().unwrap();
    for _ in 0..40 {
        stack.run(|| async { Err::<(), _>("down") }).await.unwrap_err();
    }
    let state = || stack.circuit_breaker().unwrap().state();
    assert_eq!(state(), State::Open);

    stack
        .reload(&Stack::builder().without_retry().attempt_timeout(Duration::from_millis(250)))
        .unwrap();

    assert_eq!(state(), State::Open);
    assert!(stack.describe().to_string().contains("attempt timeout  250ms"));
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_is_refused_changes_nothing() {
    follow_tokio();
    let stack = Stack::builder().name("orders").build().unwrap();
    let before = stack.describe();
    let refused = |config: Config| stack.reload(&config).unwrap_err().field().to_owned();

    let named = || Stack::builder().name("orders").attempt_timeout(Duration::from_millis(9));
    assert_eq!(refused(Stack::builder().name("others")), "name");
    assert_eq!(refused(named().without_bulkhead()), "bulkhead");
    assert_eq!(refused(named().rate_limit(Quota::per_second(100))), "rate_limit");
    assert_eq!(
        refused(named().bulkhead(bulkhead::Config::default().max_calls(0))),
        "bulkhead.max_calls"
    );

    assert_eq!(stack.describe(), before);
    let answer = stack
        .run(|| async {
            sleep(Duration::from_millis(100)).await;
            Ok::<_, io::Error>(1)
        })
        .await;
    assert_eq!(answer.ok(), Some(1), "the attempt's timeout is not 9 ms");
}

#[tokio::test(start_paused = true)]
async fn new_settings_hold_for_services_that_exist() {
    follow_tokio();
    let stack = Stack::builder().without_retry().build().unwrap();
    let mut service = stack.layer().layer(service_fn(async |(): ()| {
        sleep(Duration::from_millis(100)).await;
        Ok::<_, io::Error>(1)
    }));
    assert!(service.ready().await.unwrap().call(()).await.is_ok());

    stack
        .reload(&Stack::builder().without_retry().attempt_timeout(Duration::from_millis(50)))
        .unwrap();

    let error = service.ready().await.unwrap().call(()).await.unwrap_err();
    assert!(matches!(error, Error::Rejected(rejection) if rejection.reason() == Reason::TimedOut));
}

#[test]
fn all_parts_carry_the_name_of_the_stack() {
    let stack = Stack::builder().name("orders").rate_limit(Quota::per_second(100)).build().unwrap();

    let mut patterns = Vec::new();
    stack.measure(&mut |level| {
        assert_eq!(level.policy(), "orders", "{level:?}");
        patterns.push(level.pattern());
    });
    patterns.dedup();
    assert_eq!(patterns, ["rate_limit", "budget", "circuit_breaker", "bulkhead"]);
}

#[cfg(feature = "serde")]
#[test]
fn settings_can_be_read_from_a_file() {
    let config: Config = serde_json::from_str(
        r#"{
            "name": "orders",
            "attempt_timeout": { "secs": 1, "nanos": 0 },
            "bulkhead": { "max_calls": 50 },
            "circuit_breaker": "off"
        }"#,
    )
    .unwrap();

    let expected = Stack::builder()
        .name("orders")
        .attempt_timeout(Duration::from_secs(1))
        .bulkhead(bulkhead::Config::default().max_calls(50))
        .without_circuit_breaker();
    assert_eq!(config, expected);
    let again: Config = serde_json::from_str(&serde_json::to_string(&config).unwrap()).unwrap();
    assert_eq!(again, config);
}

#[cfg(feature = "serde")]
#[test]
fn a_setting_that_does_not_exist_is_refused() {
    let error = serde_json::from_str::<Config>(r#"{ "timeout": 3 }"#).unwrap_err();

    assert!(error.to_string().contains("unknown field `timeout`"), "{error}");
}
