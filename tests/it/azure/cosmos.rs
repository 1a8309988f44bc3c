//! Cosmos DB: what is done around the client, with a client of the test's own.

use std::future::pending;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use seawall::azure::Cosmos;
use seawall::azure::cosmos::{
    Config, Op, RegionState, Report, Reported, Request, RequestUnits, UnitsConfig,
};
use seawall::circuit_breaker::State;
use seawall::context::Context;
use seawall::health::Verdict;
use seawall::region::Region;
use seawall::replay::{Safety, Verified};
use seawall::telemetry::{Environment, Event, Measure};
use seawall::time::Clock;
use seawall::{Error, Reason, bulkhead, circuit_breaker};
use tokio::time::{Instant, sleep};

/// What an operation fails with.
#[derive(Clone, Debug, PartialEq)]
struct Failed(Report);

impl Reported for Failed {
    fn report(&self) -> Report {
        self.0.clone()
    }
}

type Answer = (&'static str, Report);

#[tokio::test(start_paused = true)]
async fn an_answer_comes_through_and_an_error_too() {
    let orders = build(orders());

    let read = orders.run(Op::Read, async |client| Ok::<_, Failed>(costs(client, 1.0))).await;
    assert_eq!(read.unwrap().0, "first");

    let missing = orders.run(Op::Read, async |_| Err::<Answer, _>(ended(404, 0))).await;
    assert_eq!(missing.unwrap_err(), Error::Service(ended(404, 0)));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_made_twice() {
    let orders = build(orders());
    let made = AtomicU32::new(0);

    for (status, sub_status) in [(503, 20_003), (429, 3200), (449, 0), (404, 1002), (500, 0)] {
        let fail = async |_| {
            made.fetch_add(1, Ordering::Relaxed);
            Err::<Answer, _>(ended(status, sub_status))
        };
        orders.run(Op::Read, fail).await.unwrap_err();
    }

    assert_eq!(made.load(Ordering::Relaxed), 5);
}

#[tokio::test(start_paused = true)]
async fn a_create_that_the_driver_sent_twice_and_that_ends_with_a_conflict_is_ambiguous() {
    let (orders, events) = observed(orders());

    let lost = orders.run(Op::Create, async |_| Err::<Answer, _>(taken())).await;
    assert_eq!(lost.unwrap_err(), Error::Ambiguous(taken()));
    assert_eq!(events.lock().unwrap().concat(), "cosmos ended ambiguous");

    // One that was sent once was refused for what others did.
    let once = orders.run(Op::Create, async |_| Err::<Answer, _>(ended(409, 0))).await;
    assert_eq!(once.unwrap_err(), Error::Service(ended(409, 0)));
    // What may be executed twice is not unknown, and a read executes nothing.
    for op in [Op::Read, Op::Query, Op::Other(Safety::Idempotent)] {
        let safe = orders.run(op, async |_| Err::<Answer, _>(taken())).await;
        assert_eq!(safe.unwrap_err(), Error::Service(taken()), "{op:?}");
    }
    for op in [Op::Upsert, Op::Delete, Op::Batch, Safety::Keyed.into(), Safety::Unsafe.into()] {
        let write = orders.run(op, async |_| Err::<Answer, _>(taken())).await;
        assert_eq!(write.unwrap_err(), Error::Ambiguous(taken()), "{op:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_tells_what_became_of_a_create() {
    let orders = build(orders());
    let cases = [
        (Verified::Executed(costs("mine", 1.0)), Ok("mine")),
        (Verified::NotExecuted, Err(Error::Service(taken()))),
        (Verified::Unknown, Err(Error::Ambiguous(taken()))),
    ];
    for (found, expected) in cases {
        let begun = Instant::now();

        let create = async |_| Err(taken());
        let result = orders.run_verified(Op::Create, create, |_| {
            let found = found.clone();
            async move { Ok(found) }
        });

        assert_eq!(result.await.map(|it| it.0), expected);
        // The conflict is an answer: nothing of the call is on its way any more.
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_that_fails_or_hangs_leaves_it_open() {
    let orders = build(orders());

    let fails = orders.run_verified(
        Op::Create,
        async |_| Err::<Answer, _>(taken()),
        async |_| Err(ended(503, 0)),
    );
    assert_eq!(fails.await.unwrap_err(), Error::Ambiguous(taken()));

    let begun = Instant::now();
    let hangs = orders.run_verified(
        Op::Create,
        async |_| Err::<Answer, _>(taken()),
        |_| pending::<Result<Verified<Answer>, Failed>>(),
    );
    assert_eq!(hangs.await.unwrap_err(), Error::Ambiguous(taken()));
    assert_eq!(begun.elapsed().as_secs(), 15);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_had_no_answer_is_looked_for_twice_before_it_is_taken_for_not_executed() {
    let orders = build(orders().total_timeout(Duration::from_secs(10)));
    for (arrives, expected) in [(Some(2), Ok("mine")), (None, Err(false))] {
        let looks = AtomicU32::new(0);
        let begun = Instant::now();

        let hang = |_| pending::<Result<Answer, Failed>>();
        let result = orders.run_verified(Op::Create, hang, async |_| {
            let look = looks.fetch_add(1, Ordering::Relaxed) + 1;
            Ok(if arrives == Some(look) {
                Verified::Executed(costs("mine", 1.0))
            } else {
                Verified::NotExecuted
            })
        });

        let told = result.await.map(|it| it.0).map_err(|error| match error {
            Error::Rejected(it) if it.reason() == Reason::TimedOut => it.is_ambiguous(),
            other => panic!("{other:?}"),
        });
        assert_eq!(told, expected);
        assert_eq!(looks.load(Ordering::Relaxed), 2);
        // Three seconds of the ten are kept for the looks, and one of them lies between.
        assert_eq!(begun.elapsed().as_secs(), 8);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_with_its_deadline_and_a_write_is_ambiguous_then() {
    let orders = build(orders().total_timeout(Duration::from_secs(2)));
    let hang = |_| pending::<Result<Answer, Failed>>();

    let begun = Instant::now();
    for (op, is_ambiguous) in [(Op::Read, false), (Op::Create, true), (Op::Upsert, true)] {
        let Err(Error::Rejected(rejection)) = orders.run(op, hang).await else { panic!("{op:?}") };
        assert_eq!(rejection.reason(), Reason::TimedOut);
        assert_eq!(rejection.is_ambiguous(), is_ambiguous, "{op:?}");
    }
    assert_eq!(begun.elapsed().as_secs(), 6);

    let clock = Clock::tokio();
    let outer = Context::new().deadline(clock.now() + Duration::from_secs(1));
    let begun = Instant::now();
    outer.scope(orders.run(Op::Read, hang)).await.unwrap_err();
    assert_eq!(begun.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_operation_knows_its_deadline_and_one_that_is_over_is_not_begun() {
    let orders = build(orders().total_timeout(Duration::from_secs(2)));
    let clock = Clock::tokio();

    let (clock, now) = (&clock, clock.now());
    let deadline = orders.run(Op::Read, async |_| {
        let deadline = seawall::context::deadline(clock).unwrap();
        assert!(orders.operation_options().end_to_end_latency_policy.is_some());
        Ok::<_, Failed>((deadline, Report::new()))
    });
    assert_eq!(deadline.await.unwrap().0, now + Duration::from_secs(2));

    let over = Context::new().deadline(now);
    let late = over.scope(orders.run(Op::Create, async |_| Ok::<_, Failed>(())));
    let Err(Error::Rejected(rejection)) = late.await else { panic!() };
    assert_eq!(rejection.reason(), Reason::DeadlineExceeded);
    assert!(!rejection.is_ambiguous());
}

#[tokio::test(start_paused = true)]
async fn places_are_bounded() {
    let orders = build(orders().bulkhead(bulkhead::Config::default().max_calls(1)));

    let held = orders.run(Op::Read, |_| pending::<Result<Answer, Failed>>());
    let mut held = tokio_test::task::spawn(held);
    assert!(held.poll().is_pending());
    let second = orders.run(Op::Read, async |_| Ok::<_, Failed>(())).await;
    let Err(Error::Rejected(rejection)) = second else { panic!() };
    assert_eq!(rejection.reason(), Reason::BulkheadFull);

    drop(held);
    orders.run(Op::Read, async |_| Ok::<_, Failed>(())).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn reads_go_on_while_writes_fail() {
    let breaker = circuit_breaker::Config::default().min_calls(5);
    let orders = build(orders().circuit_breaker(breaker));

    for _ in 0..20 {
        orders.run(Op::Create, async |_| Err::<Answer, _>(ended(503, 0))).await.unwrap_err();
        orders.run(Op::Read, async |_| Ok::<_, Failed>(())).await.unwrap();
    }

    assert_eq!(orders.circuit_breaker(Op::Create).unwrap().state(), State::Open);
    assert_eq!(orders.circuit_breaker(Op::Read).unwrap().state(), State::Closed);
    // What the callers do wrong, and what their own code does, opens nothing.
    let own = Failed(Report::new());
    for error in [ended(400, 0), ended(409, 0), ended(429, 3200), own] {
        for _ in 0..20 {
            orders.run(Op::Query, async |_| Err::<Answer, _>(error.clone())).await.unwrap_err();
        }
        assert_eq!(orders.circuit_breaker(Op::Read).unwrap().state(), State::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn clients_spend_one_quota_together() {
    let units =
        units(&RequestUnits::per_second(400.0).share(0.5).max_wait(Duration::from_secs(30)));
    let clients = ["carts", "orders"].map(|name| {
        build(
            Cosmos::builder(name, "first")
                .request_units(units.clone())
                .bulkhead(None)
                .total_timeout(Duration::from_secs(60)),
        )
    });
    sleep(Duration::from_secs(5)).await;

    let spent = Arc::new(AtomicU32::new(0));
    let begun = Instant::now();
    let mut calls = Vec::new();
    for number in 0..600_u32 {
        let client = clients[number as usize % 2].clone();
        let spent = Arc::clone(&spent);
        // Nobody told beforehand what they cost: from 1 to 9, and 5 in the middle.
        let cost = number % 9 + 1;
        calls.push(tokio::spawn(async move {
            let write = async |_| {
                sleep(Duration::from_millis(5)).await;
                spent.fetch_add(cost, Ordering::Relaxed);
                Ok::<_, Failed>(costs("done", f64::from(cost)))
            };
            client.run(Op::Create, write).await.unwrap();
        }));
    }
    for second in 1..=12_u32 {
        sleep(Duration::from_secs(1)).await;
        let spent = spent.load(Ordering::Relaxed);
        // The second that was saved up, and a tenth: they begin by what such calls cost lately.
        assert!(spent <= (second + 1) * 220, "{spent} in {second} s");
    }
    for call in calls {
        call.await.unwrap();
    }

    let rate = f64::from(spent.load(Ordering::Relaxed)) / begun.elapsed().as_secs_f64();
    assert!((180.0..=230.0).contains(&rate), "{rate}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_would_wait_too_long_for_the_quota_is_told_how_long() {
    let units = units(&RequestUnits::per_second(100.0));
    let orders = build(orders().request_units(units.clone()));
    sleep(Duration::from_secs(5)).await;

    orders.run(Op::Query, async |_| Ok::<_, Failed>(costs("all", 450.0))).await.unwrap();
    let Err(Error::Rejected(rejection)) = orders.run(Op::Read, async |_| Ok::<_, Failed>(())).await
    else {
        panic!()
    };

    assert_eq!(rejection.reason(), Reason::RateLimited);
    let wait = rejection.retry_after().unwrap();
    assert!((3_400..=3_500).contains(&wait.as_millis()), "{wait:?}");
    assert!((-350.5..-349.5).contains(&units.available()));
    // It does not wait past its deadline either.
    sleep(Duration::from_secs(3)).await;
    let clock = Clock::tokio();
    let hasty = Context::new().deadline(clock.now() + Duration::from_millis(100));
    let result = hasty.scope(orders.run(Op::Read, async |_| Ok::<_, Failed>(()))).await;
    assert!(matches!(result, Err(Error::Rejected(it)) if it.reason() == Reason::RateLimited));
    orders.run(Op::Read, async |_| Ok::<_, Failed>(())).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_or_turned_away_before_it_began_spends_nothing() {
    let units = units(&RequestUnits::per_second(100.0));
    let full = bulkhead::Config::default().max_calls(1);
    let orders = build(orders().request_units(units.clone()).bulkhead(full));
    sleep(Duration::from_secs(5)).await;
    let hang = |_| pending::<Result<Answer, Failed>>();

    let mut held = tokio_test::task::spawn(orders.run(Op::Read, hang));
    assert!(held.poll().is_pending());
    let before = units.available();
    orders.run(Op::Batch, hang).await.unwrap_err();
    assert!((units.available() - before).abs() < 1e-6, "no place");

    drop(held);
    orders.run(Op::Read, async |_| Ok::<_, Failed>(costs("all", 150.0))).await.unwrap();
    let before = units.available();
    let mut waiting = tokio_test::task::spawn(orders.run(Op::Batch, hang));
    assert!(waiting.poll().is_pending());
    assert!(units.available() < before - 10.0);
    drop(waiting);
    assert!((units.available() - before).abs() < 1e-6, "dropped while it waited");
}

#[tokio::test(start_paused = true)]
async fn throttling_that_gets_through_slows_everybody_down_until_the_hint_has_passed() {
    let units = units(&RequestUnits::per_second(100.0).name("shop"));
    let orders = build(Cosmos::builder("orders", "first").request_units(units.clone()));
    let throttled = |sub_status, seconds| {
        let report = ended(429, sub_status).0.retry_after(Duration::from_secs(seconds));
        move |_| {
            let report = report.clone();
            async move { Err::<Answer, _>(Failed(report)) }
        }
    };

    orders.run(Op::Read, throttled(3214, 3)).await.unwrap_err();
    assert!(!units.is_slow(), "one key is hot, others are not");
    orders.run(Op::Read, throttled(3200, 3)).await.unwrap_err();
    assert!(units.is_slow());
    let mut checks = orders.health();
    // Both breakers and the bulkhead come first.
    let check = &mut checks[3];
    assert_eq!(check.run_once().await.verdict(), Verdict::Degraded);

    sleep(Duration::from_millis(2_900)).await;
    assert!(units.is_slow());
    sleep(Duration::from_millis(200)).await;
    assert!(!units.is_slow());
    assert_eq!(check.run_once().await.verdict(), Verdict::Healthy);
}

#[tokio::test(start_paused = true)]
async fn regions_are_known_by_what_operations_met() {
    let named = [region("westus"), region("eastus")];
    let orders = build(orders().regions(named).circuit_breaker(None));
    let mut checks = orders.health();
    assert_eq!(verdicts(&mut checks).await, [Verdict::Healthy; 3]);

    // Reads that find one region dead, and whose driver gets them from the other.
    let over = |status, last| {
        Report::new()
            .request(Request::new(status, 20_003).region(region("West US")))
            .request(Request::new(last, 0).region(region("East US")))
    };
    for _ in 0..3 {
        orders.run(Op::Read, async |_| Ok::<_, Failed>(("", over(503, 200)))).await.unwrap();
    }
    assert_eq!(verdicts(&mut checks).await, [Verdict::Degraded, Verdict::Down, Verdict::Healthy]);
    let states: Vec<_> = orders.regions().into_iter().map(|it| it.state).collect();
    assert_eq!(states, [RegionState::Down, RegionState::Up]);

    // Then the other one fails as well: nobody answers any more.
    for _ in 0..3 {
        let dead = Failed(over(503, 503).status(503, 20_003));
        orders.run(Op::Read, async |_| Err::<Answer, _>(dead.clone())).await.unwrap_err();
    }
    assert_eq!(verdicts(&mut checks).await[0], Verdict::Down);

    orders.run(Op::Read, async |_| Ok::<_, Failed>(("", over(200, 200)))).await.unwrap();
    assert_eq!(verdicts(&mut checks).await, [Verdict::Healthy; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_keeps_failing_is_made_anew_once() {
    let made = Arc::new(AtomicU32::new(0));
    let factory = {
        let made = Arc::clone(&made);
        move || {
            made.fetch_add(1, Ordering::Relaxed);
            async {
                sleep(Duration::from_millis(100)).await;
                Ok("second")
            }
        }
    };
    let (orders, events) = observed(orders().rebuild(factory).circuit_breaker(None));
    let write = async |client| {
        if client == "first" { Err(ended(503, 20_003)) } else { Ok(costs(client, 1.0)) }
    };

    for _ in 0..4 {
        // Reads that go on do not hide that no write does.
        orders.run(Op::Create, write).await.unwrap_err();
        orders.run(Op::Read, async |_| Ok::<_, Failed>(())).await.unwrap();
    }
    tokio::task::yield_now().await;
    assert_eq!(made.load(Ordering::Relaxed), 0);
    for _ in 0..20 {
        orders.run(Op::Create, write).await.unwrap_err();
        orders.run(Op::Read, async |_| Ok::<_, Failed>(())).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!((made.load(Ordering::Relaxed), orders.rebuilt()), (1, 0));

    sleep(Duration::from_millis(150)).await;
    assert_eq!(orders.run(Op::Create, write).await.unwrap().0, "second");
    assert_eq!((orders.client(), orders.rebuilt()), ("second", 1));
    let told = events.lock().unwrap().iter().filter(|it| it.contains("new_client")).count();
    assert_eq!(told, 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_is_not_made_anew_for_what_another_one_would_not_change() {
    let factory = || async { panic!("not to be called") };
    let orders = build(orders().rebuild(factory).rebuild_after(1).circuit_breaker(None));

    for (status, sub_status) in [(400, 0), (409, 0), (429, 3200), (449, 0), (404, 1002), (500, 0)] {
        orders
            .run(Op::Create, async |_| Err::<Answer, _>(ended(status, sub_status)))
            .await
            .unwrap_err();
    }
    sleep(Duration::from_secs(60)).await;

    assert_eq!(orders.rebuilt(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_can_not_be_made_is_tried_again_after_the_cool_down() {
    let made = Arc::new(AtomicU32::new(0));
    let factory = {
        let made = Arc::clone(&made);
        move || {
            let number = made.fetch_add(1, Ordering::Relaxed);
            async move {
                match number {
                    0 => Err("no endpoint answers".into()),
                    1 => panic!("a defect of the caller's"),
                    2 => pending().await,
                    _ => Ok("second"),
                }
            }
        }
    };
    let orders = orders().rebuild(factory).rebuild_after(1).cool_down(Duration::from_secs(40));
    let orders = build(orders.circuit_breaker(None));
    let fail = async |client: &'static str| {
        if client == "first" { Err(ended(403, 1008)) } else { Ok(costs(client, 1.0)) }
    };

    for second in 0..130_u32 {
        // It may begin at once, and every 40 s, no matter how the last ended.
        let expected = second / 40;
        assert_eq!(made.load(Ordering::Relaxed), expected + u32::from(second % 40 > 0), "{second}");
        drop(orders.run(Op::Create, fail).await);
        sleep(Duration::from_secs(1)).await;
    }

    assert_eq!(orders.client(), "second");
}

#[tokio::test(start_paused = true)]
async fn a_result_of_the_old_client_says_nothing_of_the_new_one() {
    let orders = build(
        orders().rebuild(|| async { Ok("second") }).rebuild_after(2).cool_down(Duration::ZERO),
    );
    let late = async |_| {
        sleep(Duration::from_secs(1)).await;
        Err::<Answer, _>(ended(503, 20_003))
    };

    let fail = async |_| Err::<Answer, _>(ended(503, 20_003));
    let old = async {
        tokio::join!(orders.run(Op::Create, late), orders.run(Op::Create, late)).0.unwrap_err()
    };
    let soon = async {
        orders.run(Op::Create, fail).await.unwrap_err();
        orders.run(Op::Create, fail).await.unwrap_err()
    };
    tokio::join!(old, soon);
    sleep(Duration::from_secs(5)).await;

    assert_eq!(orders.rebuilt(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_cut_counts_for_a_new_client() {
    let orders = build(orders().rebuild(|| async { Ok("second") }).circuit_breaker(None));

    for _ in 0..5 {
        orders.run(Op::Create, |_| pending::<Result<Answer, Failed>>()).await.unwrap_err();
    }
    tokio::task::yield_now().await;

    assert_eq!(orders.client(), "second");
}

#[tokio::test(start_paused = true)]
async fn calls_that_are_cut_open_the_breaker_and_a_new_client_closes_it() {
    let breaker =
        circuit_breaker::Config::default().min_calls(5).open_for(Duration::from_secs(600));
    let factory = || async {
        sleep(Duration::from_secs(1)).await;
        Ok("second")
    };
    let orders = orders().rebuild(factory).circuit_breaker(breaker);
    let orders = build(orders.total_timeout(Duration::from_secs(1)));
    let state = || orders.circuit_breaker(Op::Create).unwrap().state();

    for _ in 0..5 {
        orders.run(Op::Create, |_| pending::<Result<Answer, Failed>>()).await.unwrap_err();
    }
    assert_eq!(state(), State::Open);
    sleep(Duration::from_secs(2)).await;

    assert_eq!((orders.client(), state()), ("second", State::Closed));
}

#[test]
fn settings_out_of_range_are_named() {
    let cases: [(Config<&str>, &str); 8] = [
        (orders().total_timeout(Duration::ZERO), "total_timeout"),
        (orders().total_timeout(Duration::MAX), "total_timeout"),
        (orders().verify_within(Duration::MAX), "verify_within"),
        (orders().rebuild_after(0), "rebuild_after"),
        (orders().cool_down(Duration::MAX), "cool_down"),
        (orders().bulkhead(bulkhead::Config::default().max_calls(0)), "bulkhead.max_calls"),
        (
            orders().circuit_breaker(circuit_breaker::Config::default().failure_rate(f64::NAN)),
            "circuit_breaker.failure_rate",
        ),
        (orders().regions((0..200).map(|it| region(&format!("r{it}")))), "regions"),
    ];
    for (config, field) in cases {
        assert_eq!(config.build().unwrap_err().field(), field);
    }
    let per_second = RequestUnits::per_second;
    let cases: [(UnitsConfig, &str); 9] = [
        (per_second(0.0), "per_second"),
        (per_second(-1.0), "per_second"),
        (per_second(f64::NAN), "per_second"),
        (per_second(f64::INFINITY), "per_second"),
        (per_second(1.0).share(0.0), "share"),
        (per_second(1.0).share(1.1), "share"),
        (per_second(1.0).share(1e-9), "share"),
        (per_second(1.0).burst(Duration::MAX), "burst"),
        (per_second(1.0).max_wait(Duration::MAX), "max_wait"),
    ];
    for (config, field) in cases {
        assert_eq!(config.build().unwrap_err().field(), field);
    }
}

#[test]
fn nothing_prints_the_client() {
    let config = Cosmos::builder("orders", "AccountKey=hunter2");

    let printed = format!("{config:?} {:?}", config.clone().build().unwrap());

    assert!(!printed.contains("hunter2"), "{printed}");
}

#[test]
fn levels_of_all_parts_can_be_read() {
    let units = RequestUnits::per_second(100.0).build().unwrap();
    let orders = orders().request_units(units).build().unwrap();

    let mut patterns = Vec::new();
    orders.measure(&mut |level| patterns.push(level.pattern()));

    patterns.dedup();
    assert_eq!(patterns, ["circuit_breaker", "bulkhead", "request_units", "cosmos"]);
}

/// The SDK's own error, built as the driver builds it.
#[test]
fn the_errors_of_the_sdk_tell_their_status() {
    use azure_core::http::StatusCode;
    use azure_data_cosmos::{CosmosError, CosmosStatus};
    use seawall::error::BoxError;

    let status = CosmosStatus::new(StatusCode::ServiceUnavailable).with_sub_status(20_010);
    let error = CosmosError::builder().with_status(status).with_message("refused").build();

    assert_eq!(error.report(), Report::new().status(503, 20_010));
    assert_eq!(BoxError::from(error).report(), Report::new().status(503, 20_010));
    assert_eq!(BoxError::from("an own error").report(), Report::new());
}

#[test]
fn what_is_made_up_of_answers_costs_what_they_cost_together() {
    let page = |charge: f64| ("", Report::new().request(Request::new(200, 0).charge(charge)));

    let pages = vec![page(2.0), page(f64::NAN), page(-3.0), page(0.5)];

    assert!((pages.report().charge() - 2.5).abs() < 1e-9);
    assert_eq!(pages.report().requests().len(), 4);
    assert!(None::<Vec<Answer>>.report().charge().abs() < 1e-9);
}

fn orders() -> Config<&'static str> {
    Cosmos::builder("orders", "first")
}

fn units(config: &UnitsConfig) -> RequestUnits {
    config.build_in(&Environment::new().clock(Clock::tokio())).unwrap()
}

fn build(config: Config<&'static str>) -> Cosmos<&'static str> {
    config.build_in(&Environment::new().clock(Clock::tokio())).unwrap()
}

/// With what it tells of, but for the rejections.
fn observed(config: Config<&'static str>) -> (Cosmos<&'static str>, Arc<Mutex<Vec<String>>>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let environment = Environment::new().clock(Clock::tokio()).observer({
        let events = Arc::clone(&events);
        move |event: &Event| {
            events.lock().unwrap().push(format!("{} {}", event.pattern(), event.kind()));
        }
    });
    (config.build_in(&environment).unwrap(), events)
}

fn costs(answer: &'static str, units: f64) -> Answer {
    (answer, Report::new().request(Request::new(200, 0).charge(units)))
}

fn ended(status: u16, sub_status: u16) -> Failed {
    let request = Request::new(status, sub_status);
    Failed(Report::new().request(request).status(status, sub_status))
}

/// A create whose first answer was lost, and whose second one is a conflict.
fn taken() -> Failed {
    let report = Report::new().request(Request::new(503, 20_003)).request(Request::new(409, 0));
    Failed(report.status(409, 0))
}

fn region(name: &str) -> Region {
    Region::new(name).unwrap()
}

/// Of the regions together, and of each, behind the bulkhead.
async fn verdicts(checks: &mut [seawall::health::Check]) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for check in &mut checks[1..] {
        verdicts.push(check.run_once().await.verdict());
    }
    verdicts
}

/// Futures can be spawned.
#[expect(dead_code, reason = "that it compiles is the test")]
fn futures_are_send(orders: &Cosmos<&'static str>) {
    fn is_send<T: Send>(_: T) {}
    is_send(orders.run(Op::Read, |_| async { Ok::<(), Failed>(()) }));
    let look = |_| async { Ok(Verified::Executed(())) };
    is_send(orders.run_verified(Op::Create, |_| async { Err::<(), _>(taken()) }, look));
}
