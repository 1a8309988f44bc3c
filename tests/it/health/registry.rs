//! The registry by its public API, on a clock that is moved by hand.

#![expect(clippy::disallowed_types, reason = "plain state of a test")]

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::{Future, pending, poll_fn, ready};
use std::panic::panic_any;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use seawall::bulkhead::Bulkhead;
use seawall::circuit_breaker::CircuitBreaker;
use seawall::gate::Keyed;
use seawall::health::{
    Aggregation, Check, Criticality, Finding, Group, Phase, Registry, Signal, Verdict, policy,
};
use seawall::rate_limit::Quota;
use seawall::telemetry::{Environment, Event, EventKind, Measure};
use seawall::time::Clock;
use seawall::timeout::Timeout;

use Verdict::{Degraded, Down, Healthy};

#[test]
fn a_check_runs_at_its_interval_and_says_what_it_finds() {
    let world = World::new();
    let (runs, up) = (Count::default(), Flag::default());
    world.registry.add(counted("db", &runs, &up).fall(2).rise(2)).unwrap();
    world.start();
    assert_eq!((runs.get(), world.verdict(Group::REGION)), (1, Healthy));

    let mut seen = Vec::new();
    up.set(false);
    for second in 1..=40 {
        world.advance(1);
        seen.push((second, runs.get(), world.verdict(Group::REGION)));
    }

    // Every 10 s until it has fallen, from then on twice as long.
    let at = |second: usize| (seen[second - 1].1, seen[second - 1].2);
    assert_eq!(at(9), (1, Healthy));
    assert_eq!(at(10), (2, Healthy));
    assert_eq!(at(19), (2, Healthy));
    assert_eq!(at(20), (3, Down));
    assert_eq!(at(39), (3, Down));
    assert_eq!(at(40), (4, Down));

    up.set(true);
    // The next is 40 s later; a good run brings the interval back at once.
    world.advance(39);
    assert_eq!(runs.get(), 4);
    world.advance(1);
    assert_eq!((runs.get(), world.verdict(Group::REGION)), (5, Down));
    world.advance(10);
    assert_eq!((runs.get(), world.verdict(Group::REGION)), (6, Healthy));
}

#[test]
fn the_interval_grows_no_further_than_it_may() {
    let world = World::new();
    let (runs, up) = (Count::default(), Flag::default());
    up.set(false);
    world.registry.add(counted("db", &runs, &up).max_interval(Duration::from_secs(25))).unwrap();
    world.start();

    // At 0, 10, 20, 40 and 65 s.
    for _ in 0..89 {
        world.advance(1);
    }

    assert_eq!(runs.get(), 5);
    world.advance(1);
    assert_eq!(runs.get(), 6);
}

#[test]
fn a_check_that_has_not_run_counts_as_down() {
    let world = World::new();
    world.registry.add(Check::new("slow", pending::<()>)).unwrap();
    world
        .registry
        .add(Check::new("helper", pending::<()>).degraded_only().groups([Group::named("help")]))
        .unwrap();
    world
        .registry
        .add(Check::new("shown", pending::<()>).informational().groups([Group::named("show")]))
        .unwrap();
    world.start();

    assert_eq!(world.verdict(Group::REGION), Down);
    assert_eq!(world.verdict(Group::named("help")), Degraded);
    assert_eq!(world.verdict(Group::named("show")), Healthy);
    assert_eq!(world.verdict(Group::named("nobody's")), Healthy);
    let report = world.registry.report();
    assert!(
        report
            .checks
            .iter()
            .filter(|check| check.name != "heartbeat")
            .all(|check| { check.verdict.is_none() && check.runs == 1 && check.age.is_none() })
    );
}

#[test]
fn twenty_hanging_checks_leave_liveness_alone() {
    let world = World::new();
    let flights = world.flights();
    for n in 0..20 {
        let check = flights.check(&format!("db {n}"), None);
        world.registry.add(check.timeout(Duration::from_secs(2)).local()).unwrap();
    }
    world.start();

    for _ in 0..120 {
        for group in [Group::READINESS, Group::LIVENESS, Group::STARTUP] {
            let expected = if group == Group::READINESS { Down } else { Healthy };
            assert_eq!(world.verdict(group), expected, "{group}");
        }
        world.advance(1);
    }

    assert_eq!(flights.most_of_one(), 1, "single flight");
    assert_eq!(flights.under_way(), 0, "a run that timed out has been dropped");
    let report = world.registry.report();
    let finding = report.checks[0].finding.as_ref().unwrap();
    assert_eq!(finding.detail(), Some("timed out"));
    assert_eq!(report.checks[0].took, Some(Duration::from_secs(2)));
}

#[test]
fn a_hundred_thousand_readers_start_no_check() {
    let world = World::new();
    let flights = world.flights();
    for n in 0..20 {
        let takes = Some(Duration::from_secs(2));
        let check = flights.check(&format!("db {n}"), takes).interval(Duration::from_secs(1));
        world.registry.add(check.jitter(0.0)).unwrap();
    }
    world.start();

    for _ in 0..100 {
        for _ in 0..1_000 {
            let _read = world.verdict(Group::REGION);
        }
        world.advance_by(Duration::from_millis(100));
    }

    assert_eq!(world.verdict(Group::REGION), Healthy);
    assert_eq!(flights.most_of_one(), 1);
    // Ten seconds: a run each two, since it takes longer than its interval.
    assert_eq!(flights.started(), 20 * 6);
}

#[test]
fn a_panic_goes_nowhere() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in a drop");
        }
    }
    fn panics() {
        panic!("in it");
    }
    fn throws() {
        panic_any(Bomb);
    }

    let world = World::new();
    let (runs, up) = (Count::default(), Flag::default());
    world
        .registry
        .add(Check::new("closure", || -> std::future::Ready<()> { panic!("in it") }))
        .unwrap();
    world.registry.add(Check::new("future", || async { panics() })).unwrap();
    world.registry.add(Check::new("payload", || async { throws() })).unwrap();
    world
        .registry
        .add(Check::new("end", || {
            let bomb = Bomb;
            poll_fn(move |_| {
                let _kept = &bomb;
                Poll::Ready(())
            })
        }))
        .unwrap();
    world
        .registry
        .add(Check::new("timeout", || async {
            let _bomb = Bomb;
            pending::<()>().await;
        }))
        .unwrap();
    let bomb = Bomb;
    world
        .registry
        .add(Check::new("removed", move || {
            let _kept = &bomb;
            ready(())
        }))
        .unwrap();
    world.registry.add(counted("well", &runs, &up)).unwrap();
    world.start();

    for _ in 0..60 {
        world.advance(1);
    }
    assert!(world.registry.remove("removed"));
    world.advance(1);

    let report = world.registry.report();
    let of = |name: &str| report.checks.iter().find(|check| check.name == name).unwrap();
    for name in ["closure", "future", "payload", "end"] {
        assert_eq!(of(name).finding.as_ref().unwrap().detail(), Some("panicked"), "{name}");
        assert!(of(name).runs > 2, "{name} runs on");
    }
    assert_eq!(of("timeout").finding.as_ref().unwrap().detail(), Some("timed out"));
    assert_eq!((runs.get(), of("well").verdict), (7, Some(Healthy)));
}

#[test]
fn a_verdict_that_nobody_renews_goes_stale() {
    let world = World::new();
    // Of its own, for readiness and the region fall with liveness before that.
    let watched = Group::named("watched");
    let (runs, up) = (Count::default(), Flag::default());
    world
        .registry
        .add(counted("db", &runs, &up).timeout(Duration::from_secs(4)).groups([watched]))
        .unwrap();
    world
        .registry
        .add(
            counted("helper", &runs, &up)
                .degraded_only()
                .groups([watched])
                .interval(Duration::from_secs(2)),
        )
        .unwrap();
    world.start();

    // Nothing runs any more: the clock goes on, and no task is polled.
    world.clock.advance(Duration::from_millis(10_999));
    assert_eq!(world.verdict(watched), Healthy);
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(world.verdict(watched), Degraded, "three times 2 s, and a timeout of 5 s");
    world.clock.advance(Duration::from_millis(22_999));
    assert_eq!(world.verdict(watched), Degraded);
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(world.verdict(watched), Down, "three times 10 s, and a timeout of 4 s");
    assert!(world.registry.report().checks.iter().all(|check| check.stale));
    for group in [Group::LIVENESS, Group::READINESS, Group::REGION] {
        assert_eq!(world.verdict(group), Down, "{group}");
    }
    let report = world.registry.report();
    let readiness = report.groups.iter().find(|group| group.group == Group::READINESS).unwrap();
    assert_eq!(readiness.reason.as_deref(), Some("a heartbeat is late"));

    world.run();
    assert_eq!(world.verdict(watched), Healthy);
    for group in [Group::LIVENESS, Group::READINESS, Group::REGION] {
        assert_eq!(world.verdict(group), Healthy, "{group}");
    }
}

#[test]
fn time_in_which_nothing_ran_is_not_made_up_for() {
    let world = World::new();
    let (runs, up) = (Count::default(), Flag::default());
    for n in 0..1_000 {
        world.registry.add(counted(&format!("check {n}"), &runs, &up)).unwrap();
    }
    world.start();
    for _ in 0..100 {
        world.advance_by(Duration::from_millis(100));
    }
    assert_eq!(runs.get(), 1_000);

    let before = runs.get();
    world.clock.advance(Duration::from_secs(3_600));
    world.run();
    let at_once = runs.get() - before;
    let mut most = 0;
    for _ in 0..100 {
        let before = runs.get();
        world.advance_by(Duration::from_millis(100));
        most = most.max(runs.get() - before);
    }

    assert!(at_once < 50, "{at_once} at once");
    assert!(most < 50, "{most} within 100 ms");
    assert_eq!(runs.get() - before, 1_000, "each once");
}

#[test]
fn up_to_32_checks_start_at_once_and_more_at_random() {
    for (checks, at_once) in [(32, 32), (33, 0)] {
        let world = World::new();
        let (runs, up) = (Count::default(), Flag::default());
        for n in 0..checks {
            world.registry.add(counted(&format!("check {n}"), &runs, &up)).unwrap();
        }
        world.start();

        assert_eq!(runs.get(), at_once, "of {checks}");
        world.advance(10);
        world.run();
        assert!(runs.get() >= checks);
    }
}

#[test]
fn a_check_is_started_once_per_interval_whatever_is_done_to_the_registry() {
    let world = World::new();
    let flights = world.flights();
    let takes = Some(Duration::from_secs(3));
    world.registry.add(flights.check("db", takes)).unwrap();
    world.start();

    // Ten seconds of everything at once, while a run of three seconds is under way.
    for step in 0..100 {
        match step % 5 {
            0 => world.start(),
            1 => {
                world.registry.stop();
                world.start();
            }
            2 => {
                assert!(world.registry.remove("db"));
                world.registry.add(flights.check("db", takes)).unwrap();
            }
            3 => {
                world.registry.stop();
                world.run();
                world.start();
            }
            _ => world.lose_tasks(),
        }
        world.run();
        if step < 99 {
            world.advance_by(Duration::from_millis(100));
        }
    }
    assert_eq!((flights.started(), flights.most_of_one()), (1, 1));

    world.start();
    world.advance_by(Duration::from_millis(100));
    assert_eq!(flights.started(), 2);
    world.advance(10);
    assert_eq!((flights.started(), flights.most_of_one()), (3, 1));
}

#[test]
fn a_check_that_is_taken_out_while_it_runs_ends() {
    let world = World::new();
    let flights = world.flights();
    world.registry.add(flights.check("db", None)).unwrap();
    world.start();
    assert_eq!((flights.under_way(), world.verdict(Group::REGION)), (1, Down));

    assert!(world.registry.remove("db"));
    assert!(!world.registry.remove("db"));
    world.run();

    assert_eq!((flights.under_way(), world.verdict(Group::REGION)), (0, Healthy));
    assert_eq!(flights.probes(), 0, "its closure has been dropped");
    assert_eq!(world.tasks(), 1, "the heartbeat");
}

#[test]
fn the_last_registry_takes_its_tasks_along() {
    let world = World::new();
    let flights = world.flights();
    world.registry.add(flights.check("db", None)).unwrap();
    world.start();
    let clone = world.registry.clone();
    let World { registry, executor, clock } = world;

    drop(registry);
    executor.run();
    assert_eq!(flights.under_way(), 1);
    drop(clone);
    executor.run();

    assert_eq!((flights.under_way(), flights.probes(), executor.tasks()), (0, 0, 0));
    drop(clock);
}

#[test]
fn stopping_keeps_what_is_known_until_it_is_stale() {
    let world = World::new();
    let (runs, up) = (Count::default(), Flag::default());
    world.registry.add(counted("db", &runs, &up)).unwrap();
    world.start();
    world.registry.stop();
    world.run();
    assert_eq!(world.tasks(), 0);

    world.advance(30);
    assert_eq!(world.verdict(Group::REGION), Healthy);
    assert_eq!(world.verdict(Group::LIVENESS), Healthy, "nobody beats, and nobody is missed");
    world.advance(5);
    assert_eq!((runs.get(), world.verdict(Group::REGION)), (1, Down));
    world.start();
    assert_eq!((runs.get(), world.verdict(Group::REGION)), (2, Healthy));
}

#[test]
fn a_runtime_that_is_gone_is_missed() {
    let world = World::new();
    world.start();
    world.advance(5);
    assert_eq!(world.verdict(Group::LIVENESS), Healthy);

    world.lose_tasks();
    world.advance(9);
    assert_eq!(world.verdict(Group::LIVENESS), Healthy);
    world.advance(1);
    assert_eq!(world.verdict(Group::LIVENESS), Down);

    world.start();
    assert_eq!(world.verdict(Group::LIVENESS), Healthy);
}

#[test]
fn each_heartbeat_counts_and_no_check_does() {
    let world = World::new();
    world.start();
    let loop_ = world.registry.heartbeat("loop").unwrap();
    let error = world.registry.add(Check::new("db", || ready(())).groups([Group::LIVENESS]));
    assert_eq!(error.unwrap_err().field(), "groups");
    assert!(world.registry.group(Group::LIVENESS, Aggregation::Any).is_err());
    assert!(!world.registry.remove("loop"), "not by name");

    for _ in 0..20 {
        world.advance(1);
    }
    assert_eq!(world.verdict(Group::LIVENESS), Healthy, "it has not begun");
    loop_.beat();
    for _ in 0..9 {
        world.advance(1);
    }
    assert_eq!(world.verdict(Group::LIVENESS), Healthy);
    world.advance(1);
    assert_eq!(world.verdict(Group::LIVENESS), Down);
    assert!(world.registry.heartbeat_limit(Duration::from_secs(2)).is_err());
    world.registry.heartbeat_limit(Duration::from_secs(20)).unwrap();
    assert_eq!(world.verdict(Group::LIVENESS), Healthy);
    world.advance(10);
    assert_eq!(world.verdict(Group::LIVENESS), Down);
    drop(loop_);
    assert_eq!(world.verdict(Group::LIVENESS), Healthy);

    let other = world.registry.heartbeat("runtime").unwrap();
    world.executor.spawn(Box::pin(async move {
        other.run().await;
    }));
    for _ in 0..60 {
        world.advance(1);
    }
    assert_eq!(world.verdict(Group::LIVENESS), Healthy);
    let all: Vec<_> =
        (0..).map_while(|n| world.registry.heartbeat(format!("h {n}")).ok()).collect();
    assert_eq!(all.len(), 14);
}

#[test]
fn startup_waits_for_its_checks_and_warm_ups_and_then_stays_up() {
    let world = World::new();
    let (runs, up) = (Count::default(), Flag::default());
    up.set(false);
    world.registry.add(counted("schema", &runs, &up).groups([Group::STARTUP])).unwrap();
    let cache = world.registry.warmup("cache").unwrap();
    let code = world.registry.warmup("code").unwrap();
    assert_eq!(world.startup_and_readiness(), (Down, Down));
    world.start();
    assert_eq!(world.startup_and_readiness(), (Down, Down));

    cache.done();
    drop(code);
    up.set(true);
    world.advance(10);
    assert_eq!(world.startup_and_readiness(), (Down, Down));
    let report = world.registry.report();
    let code = report.checks.iter().find(|check| check.name == "code").unwrap();
    assert!(code.finding.as_ref().unwrap().detail().unwrap().contains("given up"));
    let readiness = report.groups.iter().find(|group| group.group == Group::READINESS).unwrap();
    assert_eq!(readiness.reason.as_deref(), Some("startup is not over"));

    assert!(world.registry.remove("code"));
    assert_eq!(world.startup_and_readiness(), (Healthy, Healthy));

    up.set(false);
    for _ in 0..100 {
        world.advance(1);
    }
    let _late = world.registry.warmup("late").unwrap();
    assert_eq!(world.startup_and_readiness(), (Healthy, Healthy));
}

#[test]
fn startup_does_not_end_before_the_start() {
    let world = World::new();
    assert_eq!(world.startup_and_readiness(), (Down, Down));

    world.start();

    assert_eq!(world.startup_and_readiness(), (Healthy, Healthy));
}

#[test]
fn the_region_is_drained_by_hand_whatever_its_checks_say() {
    let world = World::new();
    world.start();
    world.registry.group(Group::REGION, Aggregation::Any).unwrap();
    world.registry.signal("failover").unwrap().set(true);

    world.registry.drain_region("moving to the north");
    assert_eq!(world.verdict(Group::REGION), Down);
    let report = world.registry.report();
    assert_eq!(report.verdict(Group::REGION), Down);
    let region = report.groups.iter().find(|group| group.group == Group::REGION).unwrap();
    assert!(region.reason.as_ref().unwrap().contains("moving to the north"));

    world.registry.resume_region();
    assert_eq!(world.verdict(Group::REGION), Healthy);
    assert_eq!(world.registry.phase(), Phase::Serving);
}

#[test]
fn a_signal_is_believed_as_long_as_it_lives() {
    let world = World::new();
    world.start();
    let failover = Signal::builder("failover").time_to_live(Duration::from_secs(30));
    let failover = world.registry.signal(failover).unwrap();
    assert_eq!(world.verdict(Group::REGION), Down, "never set");

    failover.set(true);
    world.advance_slowly(29);
    assert_eq!(world.verdict(Group::REGION), Healthy);
    failover.set(Finding::degraded("lags"));
    world.advance_slowly(29);
    assert_eq!(world.verdict(Group::REGION), Degraded);
    world.advance_slowly(1);
    assert_eq!(world.verdict(Group::REGION), Down);

    assert!(world.registry.remove("failover"));
    failover.set(true);
    assert_eq!(world.verdict(Group::REGION), Healthy);
    assert!(!world.registry.report().checks.iter().any(|check| check.name == "failover"));
}

#[test]
fn groups_go_by_their_aggregation_and_each_check_by_its_groups() {
    let world = World::new();
    world.start();
    let shop = Group::named("shop");
    world.registry.group(shop, Aggregation::AtLeast(2)).unwrap();
    let replicas: Vec<_> = ["a", "b", "c"]
        .into_iter()
        .map(|name| world.registry.signal(Signal::builder(name).groups([shop])).unwrap())
        .collect();

    let verdicts: Vec<_> = replicas
        .iter()
        .map(|replica| {
            replica.set(true);
            world.verdict(shop)
        })
        .collect();

    assert_eq!(verdicts, [Down, Degraded, Healthy]);
    assert_eq!(world.verdict(Group::REGION), Healthy);
    let report = world.registry.report();
    let names: Vec<_> = report.groups.iter().map(|group| group.group.name()).collect();
    assert_eq!(names, ["liveness", "readiness", "region", "shop", "startup"]);
    assert!(world.registry.group(shop, Aggregation::AtLeast(0)).is_err());
}

#[test]
fn what_a_check_looks_at_decides_where_it_counts() {
    let world = World::new();
    world.start();
    world.registry.add(Check::new("database", || ready(false))).unwrap();
    world.run();
    assert_eq!((world.verdict(Group::REGION), world.verdict(Group::READINESS)), (Down, Healthy));

    world.registry.add(Check::new("disk", || ready(false)).local()).unwrap();
    world.run();
    assert_eq!((world.verdict(Group::REGION), world.verdict(Group::READINESS)), (Down, Down));
    assert_eq!(world.verdict(Group::LIVENESS), Healthy);
}

#[test]
fn nothing_grows_without_bound() {
    let world = World::new();
    let (runs, up) = (Count::default(), Flag::default());
    for n in 0.. {
        if let Err(error) = world.registry.signal(format!("signal {n}")) {
            assert_eq!((error.field(), n), ("name", 1_023));
            break;
        }
    }
    for n in 0..1_023 {
        assert!(world.registry.remove(&format!("signal {n}")));
    }
    let taken = world.registry.add(counted("heartbeat", &runs, &up));
    assert_eq!(taken.unwrap_err().field(), "name");
    for n in 0..60 {
        world.registry.group(Group::named(&format!("group {n}")), Aggregation::All).unwrap();
    }
    let many = world.registry.group(Group::named("group 60"), Aggregation::All);
    assert_eq!(many.unwrap_err().field(), "group");
    let check = counted("db", &runs, &up).groups([Group::named("group 61")]);
    assert_eq!(world.registry.add(check).unwrap_err().field(), "groups");

    world.registry.add(counted("db", &runs, &up)).unwrap();
    world.start();
    for _ in 0..2_000 {
        world.advance(1);
    }
    let report = world.registry.report();
    let check = report.checks.iter().find(|check| check.name == "db").unwrap();
    assert_eq!((check.history.len(), check.runs), (100, 201));
}

#[test]
fn changes_are_told_once_also_those_that_time_alone_makes() {
    let (sender, told) = mpsc::channel();
    let clock = Clock::manual();
    let environment =
        Environment::new().clock(clock.clone()).seed(1).observer(move |event: &Event| {
            if let EventKind::StateChanged { from, to } = *event.kind() {
                sender.send((event.pattern(), event.policy(), from, to)).unwrap();
            }
        });
    let world = World::in_environment(&environment, clock);
    let (runs, up) = (Count::default(), Flag::default());
    world.registry.add(counted("told db", &runs, &up)).unwrap();
    let told = || told.try_iter().collect::<Vec<_>>();
    assert_eq!(told(), []);

    world.start();
    let mut news = told();
    news.sort_unstable();
    let expected = [
        ("health", "readiness", "down", "healthy"),
        ("health", "region", "down", "healthy"),
        ("health", "startup", "down", "healthy"),
        ("health_check", "heartbeat", "unknown", "healthy"),
        ("health_check", "told db", "unknown", "healthy"),
    ];
    assert_eq!(news, expected);

    // Nobody sets the signal again, and the heartbeat finds out.
    assert!(world.registry.remove("told db"));
    let signal = Signal::builder("told").time_to_live(Duration::from_secs(5));
    world.registry.signal(signal).unwrap().set(true);
    drop(told());
    world.advance(6);
    let expected =
        [("health_check", "told", "healthy", "down"), ("health", "region", "healthy", "down")];
    assert_eq!(told(), expected);
    world.advance(6);
    assert_eq!(told(), []);
}

#[test]
fn levels_tell_verdicts_ages_and_runs() {
    let world = World::new();
    let (runs, up) = (Count::default(), Flag::default());
    world.registry.add(counted("measured", &runs, &up)).unwrap();
    world.start();
    world.advance(3);

    let mut levels = Vec::new();
    world.registry.measure(&mut |level| {
        levels.push((level.pattern(), level.policy(), level.name(), level.value()));
    });

    for expected in [
        ("health", "region", "verdict", 2.0),
        ("health", "liveness", "verdict", 2.0),
        ("health_check", "measured", "verdict", 2.0),
        ("health_check", "measured", "age", 3.0),
        ("health_check", "measured", "runs", 1.0),
    ] {
        assert!(levels.contains(&expected), "{expected:?} in {levels:?}");
    }
}

#[test]
fn a_callback_may_use_the_registry() {
    let world = World::new();
    let registry = world.registry.clone();
    let check = Check::new("selfish", move || {
        registry.remove("selfish");
        drop(registry.report());
        ready(registry.verdict(Group::REGION))
    });
    world.registry.add(check).unwrap();

    world.start();

    assert_eq!(world.verdict(Group::REGION), Healthy);
    assert_eq!(world.tasks(), 1);
}

#[test]
fn policies_are_checks() {
    let world = World::new();
    let environment = Environment::new().clock(world.clock.clone());
    let breaker = CircuitBreaker::builder().name("orders").build_in(&environment).unwrap();
    let hosts: Keyed<u32, _> = Keyed::new(breaker.clone());
    let bulkhead = Bulkhead::builder().name("orders").max_calls(1).build_in(&environment).unwrap();
    let limiter = Quota::per_hour(1).burst(1).name("orders").build_in(&environment).unwrap();
    let budget = seawall::budget::Budget::builder().name("orders").ratio(0.0).per_second(0.0);
    let budget = budget.build_in(&environment).unwrap();
    for check in [
        policy::circuit_breaker(&breaker),
        policy::circuit_breakers("hosts", &hosts),
        policy::bulkhead(&bulkhead),
        policy::rate_limiter(&limiter),
        policy::budget(&budget),
    ] {
        world.registry.add(check).unwrap();
    }
    let of = |name: &str| {
        let report = world.registry.report();
        report.checks.into_iter().find(|check| check.name == name).unwrap().verdict.unwrap()
    };
    world.start();
    assert_eq!(of("circuit_breaker/orders"), Healthy);
    assert_eq!(of("hosts"), Healthy);
    assert_eq!(of("bulkhead/orders"), Healthy);
    assert_eq!(of("rate_limit/orders"), Healthy);
    assert_eq!(of("budget/orders"), Down, "it never gives anything");
    assert_eq!(world.verdict(Group::REGION), Degraded);

    breaker.isolate();
    hosts.gate(&1).isolate();
    hosts.gate(&2).force_closed();
    let _place = bulkhead.enter().unwrap();
    limiter.enter().unwrap();
    for _ in 0..6 {
        world.advance(1);
    }
    assert_eq!(of("circuit_breaker/orders"), Down);
    assert_eq!(of("hosts"), Degraded);
    assert_eq!(of("bulkhead/orders"), Down);
    assert_eq!(of("rate_limit/orders"), Down);
    assert_eq!(
        world.verdict(Group::READINESS),
        Degraded,
        "the full ones are local and only degrade"
    );
    assert_eq!(world.verdict(Group::REGION), Down);

    hosts.gate(&2).isolate();
    breaker.reset();
    world.advance(1);
    world.advance(1);
    assert_eq!((of("circuit_breaker/orders"), of("hosts")), (Healthy, Down));
}

#[test]
fn a_check_that_flaps_is_degraded_until_it_has_calmed() {
    let world = World::new();
    let (runs, up) = (Count::default(), Flag::default());
    let shown = Group::named("not calmed");
    world.registry.add(counted("flaps", &runs, &up)).unwrap();
    world
        .registry
        .add(counted("ignored", &runs, &up).groups([shown]).flap_detection(false))
        .unwrap();
    world.start();

    for run in 0..20 {
        up.set(run % 2 == 1);
        world.advance(10);
    }
    assert_eq!((world.verdict(Group::REGION), world.verdict(shown)), (Degraded, Healthy));
    let report = world.registry.report();
    let flapping: Vec<_> =
        report.checks.iter().filter(|check| check.flapping).map(|check| &check.name).collect();
    assert_eq!(flapping, ["flaps"]);

    for _ in 0..20 {
        world.advance(10);
    }
    assert_eq!(world.verdict(Group::REGION), Healthy);
}

#[cfg(feature = "health")]
#[tokio::test(start_paused = true)]
async fn runs_on_the_current_runtime() {
    let environment = Environment::new().clock(Clock::tokio());
    let registry = Registry::new_in(&environment);
    let (runs, up) = (Count::default(), Flag::default());
    registry.add(counted("db", &runs, &up)).unwrap();
    registry
        .add(Check::new("slow", || tokio::time::sleep(Duration::from_secs(2))).local().jitter(0.0))
        .unwrap();
    registry.start().unwrap();

    tokio::time::sleep(Duration::from_millis(1_999)).await;
    assert_eq!((runs.get(), registry.verdict(Group::READINESS)), (1, Down));
    tokio::time::sleep(Duration::from_secs(3_600)).await;

    assert_eq!((runs.get(), registry.verdict(Group::READINESS)), (361, Healthy));
    assert_eq!(registry.verdict(Group::LIVENESS), Healthy);
}

#[cfg(feature = "health")]
#[test]
fn without_a_runtime_it_says_so() {
    assert!(Registry::new().start().is_err());
}

#[test]
fn criticality_decides_what_a_failure_means() {
    for (criticality, expected) in [
        (Criticality::Critical, Down),
        (Criticality::DegradedOnly, Degraded),
        (Criticality::Informational, Healthy),
    ] {
        let world = World::new();
        world.registry.add(Check::new("db", || ready(false)).criticality(criticality)).unwrap();
        world.start();
        assert_eq!(world.verdict(Group::REGION), expected, "{criticality:?}");
    }
}

/// A registry, its time, and what runs its tasks.
struct World {
    registry: Registry,
    executor: Executor,
    clock: Clock,
}

impl World {
    fn new() -> Self {
        let clock = Clock::manual();
        Self::in_environment(&Environment::new().clock(clock.clone()).seed(7), clock)
    }

    fn in_environment(environment: &Environment, clock: Clock) -> Self {
        // A time at which nothing is zero by chance.
        clock.advance(Duration::from_secs(1_000));
        Self { registry: Registry::new_in(environment), executor: Executor::default(), clock }
    }

    fn start(&self) {
        let executor = self.executor.clone();
        self.registry.start_with(move |task| executor.spawn(task));
        self.run();
    }

    fn run(&self) {
        self.executor.run();
    }

    fn advance(&self, seconds: u64) {
        self.advance_by(Duration::from_secs(seconds));
    }

    /// So that no heartbeat is late.
    fn advance_slowly(&self, seconds: u64) {
        for _ in 0..seconds {
            self.advance(1);
        }
    }

    fn advance_by(&self, time: Duration) {
        self.clock.advance(time);
        self.run();
    }

    fn verdict(&self, group: Group) -> Verdict {
        self.registry.verdict(group)
    }

    fn startup_and_readiness(&self) -> (Verdict, Verdict) {
        (self.verdict(Group::STARTUP), self.verdict(Group::READINESS))
    }

    fn flights(&self) -> Flights {
        Flights(Arc::default(), self.clock.clone())
    }

    fn tasks(&self) -> usize {
        self.executor.tasks()
    }

    fn lose_tasks(&self) {
        self.executor.0.lock().unwrap().all.clear();
    }
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Polls what has been woken, until nothing is.
#[derive(Clone, Default)]
struct Executor(Arc<Mutex<Tasks>>);

#[derive(Default)]
struct Tasks {
    all: Vec<(usize, Option<Task>)>,
    woken: VecDeque<usize>,
    next: usize,
}

struct Woken(usize, Executor);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.1.0.lock().unwrap().woken.push_back(self.0);
    }
}

impl Executor {
    fn spawn(&self, task: Task) {
        let mut tasks = self.0.lock().unwrap();
        tasks.next += 1;
        let number = tasks.next;
        tasks.all.push((number, Some(task)));
        tasks.woken.push_back(number);
    }

    fn run(&self) {
        loop {
            let mut tasks = self.0.lock().unwrap();
            let Some(number) = tasks.woken.pop_front() else { return };
            let Some(place) = tasks.all.iter_mut().find(|(other, _)| *other == number) else {
                continue;
            };
            let Some(mut task) = place.1.take() else { continue };
            drop(tasks);
            let waker = Waker::from(Arc::new(Woken(number, self.clone())));
            let is_done = task.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
            let mut tasks = self.0.lock().unwrap();
            let at = tasks.all.iter().position(|(other, _)| *other == number);
            match at {
                Some(at) if is_done => drop(tasks.all.swap_remove(at)),
                Some(at) => tasks.all[at].1 = Some(task),
                None => {}
            }
        }
    }

    fn tasks(&self) -> usize {
        self.0.lock().unwrap().all.len()
    }
}

#[derive(Clone, Default)]
struct Count(Arc<AtomicUsize>);

impl Count {
    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Up, unless it is set to something else.
#[derive(Clone, Default)]
struct Flag(Arc<Mutex<Cell<Option<bool>>>>);

impl Flag {
    fn set(&self, up: bool) {
        self.0.lock().unwrap().set(Some(up));
    }

    fn get(&self) -> bool {
        self.0.lock().unwrap().get().unwrap_or(true)
    }
}

/// A check that answers at once, every 10 s.
fn counted(name: &str, runs: &Count, up: &Flag) -> Check {
    let (runs, up) = (runs.clone(), up.clone());
    Check::new(name, move || {
        runs.0.fetch_add(1, Ordering::SeqCst);
        ready(up.get())
    })
    .jitter(0.0)
}

/// Runs that are under way, by the name of their check.
#[derive(Clone)]
struct Flights(Arc<Mutex<FlightsState>>, Clock);

#[derive(Default)]
struct FlightsState {
    under_way: Vec<String>,
    most_of_one: usize,
    started: usize,
    probes: usize,
}

struct Probe(Flights, String);

struct Flight(Flights, String);

impl Flights {
    /// A check whose runs end after `takes`, or never.
    fn check(&self, name: &str, takes: Option<Duration>) -> Check {
        self.0.lock().unwrap().probes += 1;
        let probe = Probe(self.clone(), name.to_owned());
        let environment = Environment::new().clock(self.1.clone());
        let sleep =
            takes.map(|takes| Timeout::builder().after(takes).build_in(&environment).unwrap());
        Check::new(name, move || {
            let flight = probe.0.begin(&probe.1);
            let sleep = sleep.clone();
            async move {
                let _flight = flight;
                match sleep {
                    Some(sleep) => drop(sleep.run(pending::<Result<(), ()>>).await),
                    None => pending().await,
                }
            }
        })
        .jitter(0.0)
    }

    fn begin(&self, name: &str) -> Flight {
        let mut state = self.0.lock().unwrap();
        state.started += 1;
        state.under_way.push(name.to_owned());
        let of_one = state.under_way.iter().filter(|other| *other == name).count();
        state.most_of_one = state.most_of_one.max(of_one);
        Flight(self.clone(), name.to_owned())
    }

    fn under_way(&self) -> usize {
        self.0.lock().unwrap().under_way.len()
    }

    fn most_of_one(&self) -> usize {
        self.0.lock().unwrap().most_of_one
    }

    fn started(&self) -> usize {
        self.0.lock().unwrap().started
    }

    fn probes(&self) -> usize {
        self.0.lock().unwrap().probes
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut state = self.0.0.lock().unwrap();
        let at = state.under_way.iter().position(|other| *other == self.1).unwrap();
        state.under_way.swap_remove(at);
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().probes -= 1;
    }
}
