//! What a budget allows, seen from outside.

use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use seawall::budget::{Budget, Charge};
use seawall::telemetry::{Environment, LevelKind, Measure};
use seawall::time::Clock;

#[test]
fn the_ratio_is_not_rounded() {
    for (ratio, expected) in
        [(0.1, 100), (0.3, 300), (0.4, 400), (0.6, 600), (0.8, 800), (0.9, 900), (1.0, 1_000)]
    {
        let budget = Budget::builder().ratio(ratio).per_second(0.0).build().unwrap();
        let mut granted = 0;
        for _ in 0..1_000 {
            budget.deposit();
            granted += u32::from(budget.withdraw().map(Charge::spend).is_some());
        }

        assert_eq!(granted, expected, "of 1000 calls at {ratio}");
    }
}

#[test]
fn so_many_per_hour_are_so_many() {
    for per_hour in 1_u32..=10 {
        let budget = Budget::builder()
            .ratio(0.0)
            .per_second(f64::from(per_hour) / 3_600.0)
            .window(Duration::from_secs(3_600))
            .build()
            .unwrap();

        assert_eq!(budget.available(), u64::from(per_hour));
    }
}

#[test]
fn settings_that_make_no_sense_are_refused_by_name() {
    let cases = [
        (Budget::builder().ratio(-0.1), "ratio"),
        (Budget::builder().ratio(1.1), "ratio"),
        (Budget::builder().ratio(1e-7), "ratio"),
        (Budget::builder().ratio(f64::NAN), "ratio"),
        (Budget::builder().ratio(f64::INFINITY), "ratio"),
        (Budget::builder().per_second(-1.0), "per_second"),
        (Budget::builder().per_second(f64::NAN), "per_second"),
        (Budget::builder().per_second(1_000_001.0), "per_second"),
        // Less than one in the window would be none at all, and the first call is never repeated.
        (Budget::builder().per_second(0.099), "per_second"),
        (Budget::builder().window(Duration::ZERO), "window"),
        (Budget::builder().window(Duration::from_millis(999)), "window"),
        (Budget::builder().window(Duration::from_secs(3_601)), "window"),
        (Budget::builder().window(Duration::MAX), "window"),
    ];
    for (config, field) in cases {
        assert_eq!(config.build().unwrap_err().field(), field, "{config:?}");
        assert_eq!(Budget::default().reload(&config).unwrap_err().field(), field);
    }
    for config in [
        Budget::builder().ratio(0.0).per_second(0.1),
        Budget::builder().ratio(1e-6).per_second(1e6).window(Duration::from_secs(3_600)),
        Budget::builder().ratio(0.0).per_second(0.0),
    ] {
        assert!(config.build().is_ok(), "{config:?}");
    }
}

#[test]
fn the_reserve_comes_back_as_the_window_slides() {
    let clock = Clock::manual();
    let budget = on(&clock, |config| config.ratio(0.0).per_second(1.0));
    for _ in 0..10 {
        budget.withdraw().unwrap().spend();
    }
    assert!(budget.withdraw().is_none());

    clock.advance(Duration::from_secs(10));
    assert!(budget.withdraw().is_none());
    clock.advance(Duration::from_secs(1));
    assert_eq!(budget.available(), 10);
}

#[test]
fn no_window_of_any_position_holds_more_than_is_allowed() {
    let clock = Clock::manual();
    let budget = on(&clock, |config| config.ratio(0.0).per_second(1.0));
    let mut charges = Vec::new();
    for step in 0..10_000_u64 {
        clock.advance(Duration::from_millis(7 + step % 60));
        if let Some(charge) = budget.withdraw() {
            charge.spend();
            charges.push(clock.now());
        }
    }

    assert!(charges.len() > 250, "{} charges", charges.len());
    for (first, eleventh) in charges.iter().zip(&charges[10..]) {
        assert!(eleventh.since(*first) > Duration::from_secs(10), "at {first:?}");
    }
}

#[test]
fn a_charge_that_is_dropped_on_another_thread_is_given_back() {
    let budget = Budget::builder().ratio(0.0).per_second(0.1).build().unwrap();
    let charge = budget.withdraw().unwrap();
    assert_eq!(budget.available(), 0);

    thread::spawn(move || drop(charge)).join().unwrap();

    assert_eq!(budget.available(), 1);
}

#[test]
fn threads_that_race_for_the_last_charge_get_one() {
    for _ in 0..200 {
        let budget = Budget::builder().ratio(0.0).per_second(0.1).build().unwrap();
        let granted: usize = thread::scope(|scope| {
            let racers: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| budget.withdraw().map(Charge::spend).is_some()))
                .collect();
            racers.into_iter().map(|it| usize::from(it.join().unwrap())).sum()
        });

        assert_eq!(granted, 1);
    }
}

#[test]
fn its_levels_are_what_it_holds() {
    let budget = Budget::builder().name("orders").ratio(0.0).per_second(0.3).build().unwrap();
    budget.withdraw().unwrap().spend();
    drop(budget.withdraw());

    let mut levels = Vec::new();
    budget.measure(&mut |level| {
        assert_eq!((level.pattern(), level.policy()), ("budget", "orders"));
        levels.push((level.name(), level.kind(), level.value()));
    });

    assert_eq!(
        levels,
        [("available", LevelKind::Gauge, 2.0), ("charged", LevelKind::Counter, 2.0)]
    );
}

#[test]
fn a_reload_changes_what_is_allowed_and_keeps_what_was_spent() {
    let clock = Clock::manual();
    let config = Budget::builder().ratio(0.0).per_second(0.5);
    let budget = config.build_in(&Environment::new().clock(clock.clone())).unwrap();
    for _ in 0..5 {
        budget.withdraw().unwrap().spend();
    }

    budget.reload(&config.clone().per_second(0.6).ratio(1.0)).unwrap();
    assert_eq!(budget.available(), 1);
    budget.deposit();
    assert_eq!(budget.available(), 2);
    // Less than was spent already is no debt beyond the window.
    budget.reload(&config.clone().per_second(0.1)).unwrap();
    assert_eq!(budget.available(), 0);
    clock.advance(Duration::from_secs(11));
    assert_eq!(budget.available(), 1);

    assert_eq!(budget.reload(&config.clone().name("other")).unwrap_err().field(), "name");
    let longer = config.window(Duration::from_secs(20));
    assert_eq!(budget.reload(&longer).unwrap_err().field(), "window");
}

#[cfg(feature = "serde")]
#[test]
fn settings_are_read_from_a_file() {
    let config: seawall::budget::Config =
        serde_json::from_str(r#"{ "name": "orders", "per_second": 2.5 }"#).unwrap();

    assert_eq!(config, Budget::builder().name("orders").per_second(2.5));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn holds_what_a_naive_budget_holds(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        crate::budget_model::check(&bytes);
    }
}

fn on(
    clock: &Clock,
    with: impl FnOnce(seawall::budget::Config) -> seawall::budget::Config,
) -> Budget {
    let environment = Environment::new().clock(clock.clone());
    with(Budget::builder()).build_in(&environment).expect("the test's settings are in range")
}
