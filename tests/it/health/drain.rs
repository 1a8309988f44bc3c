use std::sync::mpsc::channel;
use std::time::Duration;

use proptest::prelude::*;
use seawall::Reason;
use seawall::error::BoxError;
use seawall::health::drain::{Cause, Config, Drain, Loss, Plan, Product};
use seawall::health::{Group, Phase, Registry, Verdict};
use seawall::telemetry::{Environment, Event, EventKind, Measure};
use seawall::time::Clock;

use crate::task::Task;

/// What is known of each product at its own defaults: the longest time to look away, that and the
/// time until everybody knows, the same when it ends the process itself, and the time that it
/// leaves then, of which a tenth, at most a second, is for the process to end.
#[test]
#[expect(clippy::type_complexity, reason = "it is a table")]
fn products_at_their_defaults_take_what_the_table_says() {
    #[rustfmt::skip]
    let rows: [(Product, &str, u64, u64, u64, Option<u64>, bool); 8] = [
        (Product::load_balancer(),       "load_balancer",        15,  30,  30, None,         false),
        (Product::application_gateway(), "application_gateway",  90,  90,  90, None,         false),
        (Product::traffic_manager(),     "traffic_manager",     120, 180, 180, None,         true),
        (Product::front_door(),          "front_door",           90,  90,  90, None,         true),
        (Product::app_service(),         "app_service",         600, 600,   0, Some(4_500),  false),
        (Product::kubernetes(),          "kubernetes",           30,  40,  10, Some(29_000), false),
        (Product::container_apps(),      "container_apps",      240, 250,  10, Some(29_000), false),
        (Product::scale_set(),           "scale_set",             0,   0,   0, None,         false),
    ];
    for (product, name, detects, by_operator, at_end, limit, region) in rows {
        assert_eq!(product.name(), name);
        assert_eq!(product.takes_region_down(), region, "{name}");
        assert_eq!(product.detects_within().unwrap(), secs(detects), "{name}");
        let drain = Drain::for_products([product]).finish(Duration::ZERO).closing(Duration::ZERO);
        let drain = drain.build().unwrap();
        assert_eq!(drain.takes_region_down(), region, "{name}");
        let plan = drain.plan(Cause::Operator);
        assert_eq!(plan.length(), secs(by_operator), "{name}");
        assert_eq!((plan.limit(), plan.decided_by()), (None, name));
        let plan = drain.plan(Cause::Termination);
        assert_eq!(plan.length(), secs(at_end), "{name}");
        assert_eq!(plan.limit(), limit.map(Duration::from_millis), "{name}");
    }
    let scale_set = Drain::for_products([Product::scale_set()]).build().unwrap();
    assert_eq!(scale_set.plan(Cause::Maintenance).limit(), Some(secs(300)));
}

#[test]
fn products_as_set_take_what_follows() {
    let fast = Product::traffic_manager().interval(secs(10)).tolerated(0).ttl(secs(10));
    let strict = Product::front_door().sample_size(4).successful_samples(3);
    let slow = Product::front_door().interval(secs(100));
    #[rustfmt::skip]
    let rows = [
        (fast,                                                         10, 30),
        (strict,                                                       60, 60),
        (slow,                                                        300, 300),
        (Product::load_balancer().interval(secs(5)),                    5, 10),
        (Product::load_balancer().threshold(2),                        30, 45),
        (Product::load_balancer().propagation(secs(1)),                15, 16),
        (Product::application_gateway().interval(secs(5)).threshold(2), 10, 10),
        (Product::app_service().threshold(2),                         120, 120),
        (Product::other("haproxy").interval(secs(2)).threshold(2),      4, 4),
    ];
    for (product, detects, lead) in rows {
        assert_eq!(product.detects_within().unwrap(), secs(detects), "{product:?}");
        let drain = Drain::for_products([product.clone()]).build().unwrap();
        let plan = drain.plan(Cause::Operator);
        assert_eq!(plan.length_of(Phase::NotReady), secs(lead), "{product:?}");
    }
}

#[test]
fn an_instance_that_is_gone_is_noticed_a_timeout_later() {
    for (product, within) in [
        (Product::traffic_manager(), 130),
        (Product::application_gateway(), 120),
        (Product::kubernetes(), 31),
    ] {
        assert_eq!(product.detects_silence_within().unwrap(), secs(within), "{product:?}");
    }
}

#[test]
fn the_slowest_product_decides() {
    let drain = Drain::for_products([Product::load_balancer(), Product::traffic_manager()]).build();
    let plan = drain.unwrap().plan(Cause::Operator);

    assert_eq!(plan.decided_by(), "traffic_manager");
    let phases = [Phase::NotReady, Phase::Closing, Phase::Rejecting].map(|p| plan.length_of(p));
    assert_eq!(phases, [secs(180), secs(5), secs(10)]);
    assert_eq!(plan.length(), secs(195));
    assert!(plan.fits());
}

#[test]
fn short_time_is_shared_as_the_table_says() {
    // 60 s until the product has looked away, 5 s of closing, 10 s to finish.
    let drain = slow(&Clock::manual());
    let overlap = |s| Loss::Overlap { early: secs(s) };
    let turned_away = |s| Loss::TurnedAway { early: secs(s) };
    let cut_off = |s| Loss::CutOff { short: secs(s) };
    let untold = |s| Loss::Untold { short: secs(s) };
    #[rustfmt::skip]
    let rows: [(u64, [u64; 3], &[Loss]); 8] = [
        (100, [60, 5, 10], &[]),
        (75,  [60, 5, 10], &[]),
        (72,  [57, 5, 10], &[overlap(3)]),
        (70,  [55, 5, 10], &[overlap(5)]),
        (40,  [25, 5, 10], &[overlap(35), turned_away(30)]),
        (20,  [5,  5, 10], &[overlap(55), turned_away(50)]),
        (8,   [0,  4, 4],  &[overlap(60), untold(1), turned_away(56), cut_off(6)]),
        (0,   [0,  0, 0],  &[overlap(60), untold(5), turned_away(60), cut_off(10)]),
    ];
    for (limit, lengths, losses) in rows {
        let plan = drain.plan_within(Cause::Maintenance, secs(limit));
        let phases = [Phase::NotReady, Phase::Closing, Phase::Rejecting];
        assert_eq!(phases.map(|p| plan.length_of(p)), lengths.map(secs), "{limit}");
        assert_eq!(plan.losses().collect::<Vec<_>>(), losses, "{limit}");
        assert_eq!(plan.fits(), losses.is_empty());
    }
}

#[test]
fn what_is_not_needed_for_the_wait_is_left_to_those_under_way() {
    let drain = Drain::for_products([Product::app_service()]).closing(Duration::ZERO).build();
    let plan = drain.unwrap().plan(Cause::Termination);

    assert_eq!(plan.length_of(Phase::Rejecting), Duration::from_millis(4_500));
}

#[test]
fn a_plan_prints_for_people() {
    let drain = Drain::for_products([Product::kubernetes(), Product::application_gateway()]);
    let plan = drain.build().unwrap().plan(Cause::Termination);

    assert_eq!(
        plan.to_string(),
        "drain for termination in 29s of 29s\n  \
         not_ready 14s, until application_gateway has looked away\n  \
         closing   5s\n  \
         rejecting 10s\n  \
         lost: asks clients to leave 76s before all products have looked away\n  \
         lost: turns requests away 71s before all products have looked away"
    );
}

#[test]
fn goes_through_the_phases_by_the_clock() {
    let clock = Clock::manual();
    let drain = slow(&clock);
    clock.advance(secs(1_000));
    assert_eq!((drain.phase(), drain.time_until(Phase::Closing)), (Phase::Serving, None));

    drain.start(Cause::Operator);

    for (phase, lasts) in [(Phase::NotReady, 60), (Phase::Closing, 5), (Phase::Rejecting, 10)] {
        assert_eq!(drain.phase(), phase);
        clock.advance(secs(lasts) - NANOSECOND);
        assert_eq!(drain.phase(), phase);
        clock.advance(NANOSECOND);
    }
    assert_eq!(drain.phase(), Phase::Closed);
    assert_eq!(drain.time_until(Phase::Closing), Some(Duration::ZERO));
}

#[test]
fn the_earliest_deadline_wins() {
    let clock = Clock::manual();
    let drain = slow(&clock);
    drain.start(Cause::Operator);
    assert_eq!(drain.time_until(Phase::Closed), Some(secs(75)));
    clock.advance(secs(10));

    drain.start(Cause::Operator);
    assert_eq!(drain.time_until(Phase::Closed), Some(secs(65)), "a second start is none");
    drain.start_by(Cause::Maintenance, clock.now() + secs(30));
    assert_eq!(drain.time_until(Phase::Closed), Some(secs(30)));
    assert_eq!(drain.time_until(Phase::Rejecting), Some(secs(20)));
    drain.start_by(Cause::Maintenance, clock.now() + secs(1_000));
    assert_eq!(drain.time_until(Phase::Closed), Some(secs(30)));
    drain.start(Cause::Termination);

    // The grace of 20 s, less a second for the process to end.
    assert_eq!(drain.time_until(Phase::Closed), Some(secs(19)));
}

#[test]
fn what_was_called_off_serves_again() {
    let clock = Clock::manual();
    let drain = slow(&clock);
    assert!(!drain.resume(Cause::Maintenance), "nothing to take back");
    drain.start_by(Cause::Maintenance, clock.now() + secs(30));
    assert!(!drain.resume(Cause::Operator), "somebody else's");
    drain.start(Cause::Operator);

    assert!(!drain.resume(Cause::Maintenance), "the operator still wants it");
    assert_eq!(drain.phase(), Phase::NotReady);
    assert!(drain.resume(Cause::Operator));
    assert_eq!(drain.phase(), Phase::Serving);
    assert_eq!(drain.time_until(Phase::Closed), None);

    drain.start(Cause::Operator);
    clock.advance(secs(100));
    assert!(drain.may_go());
    assert!(drain.resume(Cause::Operator), "also from its end");
    assert_eq!((drain.phase(), drain.may_go()), (Phase::Serving, false));

    drain.start(Cause::Termination);
    drain.start(Cause::Maintenance);
    assert!(!drain.resume(Cause::Termination), "the process ends, whatever anybody wants");
    assert!(!drain.resume(Cause::Maintenance));
    assert_eq!(drain.phase(), Phase::NotReady);
}

#[test]
fn who_waits_for_a_phase_is_woken_by_the_start_and_by_the_clock() {
    let clock = Clock::manual();
    let drain = slow(&clock);
    let (mut leaves, mut closes) =
        (Task::new(drain.reached(Phase::NotReady)), Task::new(drain.reached(Phase::Closing)));
    assert!(leaves.poll().is_pending() && closes.poll().is_pending());
    clock.advance(secs(1_000));
    assert_eq!((leaves.wakes.count(), closes.wakes.count()), (0, 0));

    drain.start(Cause::Operator);
    assert!(leaves.wakes.count() > 0);
    assert!(leaves.poll().is_ready() && closes.poll().is_pending());
    let wakes = closes.wakes.count();
    clock.advance(secs(60));

    assert!(closes.wakes.count() > wakes);
    assert!(closes.poll().is_ready());
}

#[test]
fn an_earlier_deadline_wakes_who_waits_for_a_later_one() {
    let clock = Clock::manual();
    let drain = slow(&clock);
    let mut closed = Task::new(drain.reached(Phase::Closed));
    drain.start(Cause::Operator);
    assert!(closed.poll().is_pending());

    drain.start_by(Cause::Maintenance, clock.now() + secs(2));
    assert!(closed.poll().is_pending());
    let wakes = closed.wakes.count();
    clock.advance(secs(2));

    assert!(closed.wakes.count() > wakes);
    assert!(closed.poll().is_ready());
}

#[test]
fn who_waits_is_not_woken_for_a_drain_that_was_called_off() {
    let clock = Clock::manual();
    let drain = slow(&clock);
    let mut closes = Task::new(drain.reached(Phase::Closing));
    drain.start(Cause::Maintenance);
    assert!(closes.poll().is_pending());

    drain.resume(Cause::Maintenance);
    assert!(closes.poll().is_pending());
    clock.advance(secs(1_000));
    assert!(closes.poll().is_pending());
    drain.start(Cause::Maintenance);
    assert!(closes.poll().is_pending());
    clock.advance(secs(60));

    assert!(closes.poll().is_ready());
}

#[test]
fn may_go_when_none_is_under_way_any_more() {
    let clock = Clock::manual();
    let drain = slow(&clock);
    let under_way = [drain.enter().unwrap(), drain.enter().unwrap()];
    let mut closed = Task::new(drain.closed());
    drain.start(Cause::Operator);
    clock.advance(secs(65));
    assert_eq!(drain.phase(), Phase::Rejecting);
    assert!(closed.poll().is_pending());
    let wakes = closed.wakes.count();

    assert_eq!(drain.enter().unwrap_err().reason(), Reason::Draining);
    assert_eq!(drain.in_flight(), 2, "one that was turned away is not under way");
    assert!(closed.poll().is_pending());
    drop(under_way);

    assert!(closed.wakes.count() > wakes);
    assert!(closed.poll().is_ready());
}

#[test]
fn may_go_at_once_when_nothing_is_under_way_and_not_before_requests_are_turned_away() {
    let clock = Clock::manual();
    let drain = slow(&clock);
    let mut closed = Task::new(drain.closed());
    drain.start(Cause::Operator);
    clock.advance(secs(65) - NANOSECOND);
    assert!(closed.poll().is_pending());
    clock.advance(NANOSECOND);

    assert!(closed.poll().is_ready());
}

#[test]
fn may_go_at_the_deadline_whatever_is_under_way() {
    let clock = Clock::manual();
    let drain = slow(&clock);
    let _hangs = drain.enter().unwrap();
    let mut closed = Task::new(drain.closed());
    drain.start(Cause::Operator);
    clock.advance(secs(75) - NANOSECOND);
    assert!(closed.poll().is_pending());
    clock.advance(NANOSECOND);

    assert!(closed.poll().is_ready());
}

#[test]
fn a_wait_that_is_given_up_leaves_nothing_behind() {
    let drain = slow(&Clock::manual());
    let mut given_up = Task::new(drain.reached(Phase::NotReady));
    assert!(given_up.poll().is_pending());
    let wakes = std::sync::Arc::clone(&given_up.wakes);
    drop(given_up);

    drain.start(Cause::Operator);

    assert_eq!(wakes.count(), 0);
    assert_eq!(std::sync::Arc::strong_count(&wakes), 1, "its waker is still kept");
}

#[test]
fn tells_of_each_phase_once() {
    let clock = Clock::manual();
    let (sender, receiver) = channel();
    let environment = Environment::new().clock(clock.clone()).observer(move |event: &Event| {
        let EventKind::StateChanged { from, to } = event.kind() else { panic!("{event}") };
        sender.send((event.policy(), *from, *to)).unwrap();
    });
    let drain = config().name("shop").build_in(&environment).unwrap();
    let mut waits: Vec<_> = [Phase::Closing, Phase::Rejecting, Phase::Closed]
        .into_iter()
        .flat_map(|phase| [Task::new(drain.reached(phase)), Task::new(drain.reached(phase))])
        .collect();

    drain.start(Cause::Operator);
    drain.start(Cause::Operator);
    for _ in 0..100 {
        clock.advance(secs(1));
        waits.retain_mut(|wait| wait.poll().is_pending());
    }

    let expected = [
        ("shop", "serving", "not_ready"),
        ("shop", "not_ready", "closing"),
        ("shop", "closing", "rejecting"),
        ("shop", "rejecting", "closed"),
    ];
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn has_levels() {
    let clock = Clock::manual();
    let drain = slow(&clock);
    let _permit = drain.enter().unwrap();
    drain.start(Cause::Operator);

    let mut levels = Vec::new();
    drain.measure(&mut |level| levels.push((level.name(), level.value())));

    assert_eq!(levels, [("phase", 1.0), ("in_flight", 1.0)]);
}

#[test]
fn a_permit_that_is_dropped_by_a_panic_is_counted_out() {
    let drain = slow(&Clock::manual());
    let layer = drain.layer();
    let mut call = Task::new(async move {
        layer.run_with(async || -> Result<(), BoxError> { panic!("as services do") }).await
    });

    assert!(crate::task::panics(|| call.poll()));
    assert_eq!(drain.in_flight(), 0);
}

#[test]
fn a_registry_says_what_the_drain_means() {
    for (product, region) in
        [(Product::load_balancer(), Verdict::Healthy), (Product::front_door(), Verdict::Down)]
    {
        let clock = Clock::manual();
        let environment = Environment::new().clock(clock.clone());
        let drain = Drain::for_products([product]).build_in(&environment).unwrap();
        let registry = Registry::new_in(&environment);
        registry.start_with(drop);
        registry.attach(&drain).unwrap();
        let own = Group::named("checkout");
        let groups = [Group::READINESS, Group::REGION, Group::LIVENESS, Group::STARTUP, own];
        let verdicts = || groups.map(|group| registry.verdict(group));
        let well = [Verdict::Healthy; 5];
        assert_eq!((verdicts(), registry.phase()), (well, Phase::Serving));

        drain.start_by(Cause::Maintenance, clock.now() + secs(4));
        let [.., live, started, other] = well;
        let leaving = [Verdict::Down, region, live, started, other];
        // Short of time, it asks clients to leave from the beginning.
        for phase in [Phase::Closing, Phase::Rejecting, Phase::Closed] {
            assert_eq!(
                (verdicts(), registry.phase(), registry.report().phase),
                (leaving, phase, phase)
            );
            clock.advance(secs(2));
        }
        drain.resume(Cause::Maintenance);

        assert_eq!((verdicts(), registry.phase()), (well, Phase::Serving));
        assert_eq!(registry.attach(&drain).unwrap_err().field(), "drain");
    }
}

#[test]
fn settings_that_make_no_sense_are_refused_by_name() {
    let zero = Duration::ZERO;
    let days = secs(2 * 86_400);
    let of = |product| Drain::for_products([product]);
    let rows = [
        (Drain::for_products([]), "products"),
        (Config::default(), "products"),
        (Drain::for_products(vec![Product::kubernetes(); 33]), "products"),
        (Drain::for_products(std::iter::repeat(Product::kubernetes())), "products"),
        (config().grace(zero), "grace"),
        (config().grace(days), "grace"),
        (config().closing(days), "closing"),
        (config().finish(Duration::MAX), "finish"),
        (config().retry_after(days), "retry_after"),
        (of(Product::load_balancer().interval(zero)), "load_balancer.interval"),
        (of(Product::load_balancer().interval(days)), "load_balancer.interval"),
        (of(Product::load_balancer().threshold(0)), "load_balancer.threshold"),
        (of(Product::load_balancer().ttl(secs(1))), "load_balancer.ttl"),
        (of(Product::load_balancer().grace(secs(1))), "load_balancer.grace"),
        (of(Product::traffic_manager().tolerated(10)), "traffic_manager.tolerated"),
        (of(Product::traffic_manager().threshold(1)), "traffic_manager.threshold"),
        (of(Product::front_door().sample_size(0)), "front_door.sample_size"),
        (of(Product::front_door().successful_samples(0)), "front_door.successful_samples"),
        (of(Product::front_door().successful_samples(5)), "front_door.successful_samples"),
        (of(Product::scale_set().interval(secs(1))), "scale_set.interval"),
        (of(Product::app_service().grace(zero)), "app_service.grace"),
        (of(Product::other("haproxy").propagation(days)), "haproxy.propagation"),
    ];
    for (config, field) in rows {
        assert_eq!(config.build().unwrap_err().field(), field);
    }
}

#[cfg(feature = "serde")]
#[test]
fn settings_are_read_from_a_file() {
    let second = r#"{"secs":1,"nanos":0}"#;
    let text = format!(
        r#"{{"name":"shop","finish":{second},
            "products":[{{"product":"kubernetes"}},{{"product":"traffic_manager","ttl":{second}}}]}}"#
    );
    let expected =
        Drain::for_products([Product::kubernetes(), Product::traffic_manager().ttl(secs(1))]);
    let expected = expected.name("shop").finish(secs(1));

    let read: Config = serde_json::from_str(&text).unwrap();

    assert_eq!(read, expected);
    let written = serde_json::to_string(&expected).unwrap();
    assert_eq!(serde_json::from_str::<Config>(&written).unwrap(), expected);
}

fn limits() -> impl Strategy<Value = (Cause, Option<u64>, u64)> {
    let cause =
        prop_oneof![Just(Cause::Termination), Just(Cause::Maintenance), Just(Cause::Operator)];
    (cause, prop::option::of(0_u64..200), 0_u64..40)
}

proptest! {
    #[test]
    fn whatever_starts_it_no_phase_goes_back_and_no_deadline_is_missed(
        starts in prop::collection::vec(limits(), 1..6)
    ) {
        let clock = Clock::manual();
        let drain = slow(&clock);
        let mut seen = Phase::Serving;
        let mut deadline = u64::MAX;
        let mut now = 0;
        for (cause, limit, wait) in starts {
            match limit {
                Some(limit) => drain.start_by(cause, clock.now() + secs(limit)),
                None => drain.start(cause),
            }
            let grace = if cause == Cause::Termination { 19 } else { 75 };
            deadline = deadline.min(now + grace.min(limit.unwrap_or(u64::MAX)));
            for _ in 0..wait {
                let phase = drain.phase();
                prop_assert!(phase >= seen && phase > Phase::Serving);
                prop_assert_eq!(phase == Phase::Closed, now >= deadline);
                prop_assert_eq!(drain.time_until(Phase::Closed), Some(secs(deadline.saturating_sub(now))));
                seen = phase;
                clock.advance(secs(1));
                now += 1;
            }
        }
    }

    #[test]
    fn a_plan_uses_all_the_time_that_it_needs_and_no_more_than_it_has(
        interval in 1_u64..100, closing in 0_u64..30, finish in 0_u64..30, limit in 0_u64..200
    ) {
        let product = Product::other("any").interval(secs(interval)).threshold(1);
        let drain = Drain::for_products([product]).closing(secs(closing)).finish(secs(finish));
        let drain = drain.build().unwrap();
        let whole = drain.plan(Cause::Operator);
        let plan = drain.plan_within(Cause::Operator, secs(limit));

        prop_assert_eq!(plan.length(), whole.length().min(secs(limit)));
        prop_assert_eq!(plan.fits(), plan.length() == whole.length());
        let served = |plan: &Plan| plan.length_of(Phase::NotReady) + plan.length_of(Phase::Closing);
        prop_assert!(served(&plan) <= served(&whole));
        prop_assert!(plan.length_of(Phase::Closing) <= whole.length_of(Phase::Closing));
        // Those under way are cut off only when all else is cut to half.
        let finishing = plan.length_of(Phase::Rejecting);
        prop_assert!(finishing >= secs(finish) || served(&plan) <= secs(limit) / 2);
    }
}

/// 60 s until its product has looked away, 5 s of closing, 10 s to finish; 20 s at SIGTERM.
fn config() -> Config {
    let product = Product::other("slow").interval(secs(20)).threshold(3);
    Drain::for_products([product]).grace(secs(20)).retry_after(Duration::from_millis(2_001))
}

pub(super) fn slow(clock: &Clock) -> Drain {
    config().build_in(&Environment::new().clock(clock.clone())).unwrap()
}

pub(super) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const NANOSECOND: Duration = Duration::from_nanos(1);
