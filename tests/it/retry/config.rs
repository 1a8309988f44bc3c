//! What is refused, what each setting does, and what a reload keeps.

use super::*;

#[test]
fn settings_that_make_no_sense_are_refused_by_name() {
    let year = Duration::from_secs(366 * 24 * 3_600);
    let cases = [
        (Retry::builder().max_attempts(0), "max_attempts"),
        (Retry::builder().max_retry_after(year), "max_retry_after"),
        (Retry::builder().max_retry_after(Duration::MAX), "max_retry_after"),
        (Retry::builder().min_attempt_time(year), "min_attempt_time"),
        (Retry::builder().backoff(Backoff::exponential(Duration::ZERO)), "backoff.base"),
        (Retry::builder().backoff(Backoff::default().factor(f64::NAN)), "backoff.factor"),
        (Retry::builder().backoff(Backoff::default().max(Duration::ZERO)), "backoff.max"),
        (Retry::builder().budget(Budget::builder().ratio(f64::NAN)), "budget.ratio"),
        (Retry::builder().budget(Budget::builder().per_second(-1.0)), "budget.per_second"),
        (Retry::builder().budget(Budget::builder().window(Duration::ZERO)), "budget.window"),
    ];
    for (config, field) in cases {
        assert_eq!(config.build().unwrap_err().field(), field);
        let running = Retry::builder().build().unwrap();
        assert_eq!(running.reload(&config).unwrap_err().field(), field);
    }
}

#[test]
fn the_edges_of_what_makes_sense_are_accepted() {
    let year = Duration::from_secs(365 * 24 * 3_600);
    for config in [
        Retry::builder().max_attempts(1),
        Retry::builder().max_attempts(u32::MAX),
        Retry::builder().max_retry_after(Duration::ZERO).min_attempt_time(year),
        Retry::builder().max_retry_after(year),
        Retry::builder().backoff(Backoff::constant(Duration::ZERO)),
        Retry::builder().backoff(Backoff::exponential(year)),
        Retry::builder().budget(Budget::builder().ratio(0.0).per_second(0.0)),
    ] {
        assert!(config.build().is_ok(), "{config:?}");
    }
}

#[test]
fn a_reload_takes_effect_and_keeps_what_the_budget_holds() {
    let Stage { clock, environment, events } = stage();
    let config = plain().name("orders").budget(Budget::builder().ratio(0.0).per_second(0.3));
    let retry = config.build_in(&environment).unwrap();
    let (service, sent) = scripted(&clock, vec![RESET; 20]);
    assert!(call(&clock, retry.layer().layer(service.clone())).is_err());
    assert_eq!(attempts(&sent), [1, 2, 3]);
    events.try_iter().for_each(drop);

    // One more charge than before is allowed, and two have been made.
    let budget = Budget::builder().ratio(0.0).per_second(0.4);
    let backoff = Backoff::constant(millis(7)).jitter(Jitter::None);
    let reloaded = config.max_attempts(9).budget(budget).backoff(backoff);
    retry.reload(&reloaded).unwrap();
    assert_eq!(retry.budget().unwrap().available(), 2);
    assert!(call(&clock, retry.layer().layer(service)).is_err());

    assert_eq!(attempts(&sent), [1, 2, 3]);
    let events: Vec<_> = events.try_iter().map(|event| *event.kind()).collect();
    let retry_after = |attempt| EventKind::Retry { attempt, after: millis(7) };
    assert_eq!(
        events,
        [
            EventKind::Reloaded,
            retry_after(2),
            retry_after(3),
            EventKind::BudgetExhausted { attempt: 3 },
        ]
    );
}

#[test]
fn a_reload_reaches_calls_that_run() {
    let Stage { clock, environment, .. } = stage();
    let config = plain().max_attempts(9);
    let retry = config.build_in(&environment).unwrap();
    let (service, sent) = scripted(&clock, vec![RESET; 9]);
    let mut task = task(retry.layer().layer(service));
    assert!(task.poll().is_pending());

    retry.reload(&config.max_attempts(2)).unwrap();

    assert_eq!(task.finish(&clock), RESET);
    assert_eq!(attempts(&sent), [1, 2]);
}

#[test]
fn a_reload_that_is_refused_changes_nothing() {
    let Stage { environment, .. } = stage();
    let retry = plain().build_in(&environment).unwrap();
    let budget = Budget::builder().per_second(2.0);
    let others = [
        (plain().name("others"), "name"),
        (plain().without_budget(), "budget"),
        (plain().budget(budget.clone().name("others")), "budget.name"),
        (plain().budget(budget.window(millis(1_000))), "budget.window"),
    ];
    for (config, field) in others {
        let error = retry.reload(&config.max_attempts(7)).unwrap_err();
        assert_eq!(error.field(), field);
        assert_eq!(retry.budget().unwrap().available(), 10);
    }

    let without = plain().without_budget().build_in(&environment).unwrap();
    assert_eq!(without.reload(&plain()).unwrap_err().field(), "budget");
    assert!(without.reload(&plain().without_budget()).is_ok());
}

#[test]
fn a_shared_budget_is_reloaded_by_its_own_handle() {
    let Stage { environment, .. } = stage();
    let budget = Budget::builder().build_in(&environment).unwrap();
    let retry = plain().build_sharing(&budget, &environment).unwrap();

    let elsewhere = Budget::builder().name("elsewhere").per_second(9.0);
    retry.reload(&plain().budget(elsewhere)).unwrap();
    retry.reload(&plain().without_budget()).unwrap();

    assert_eq!(budget.available(), 10);
}

#[test]
fn a_retry_that_is_built_after_another_knows_nothing_of_it() {
    let Stage { clock, environment, .. } = stage();
    for round in 0..3 {
        let config = plain().name("one after the other").max_attempts(2 + round);
        let retry = config.build_in(&environment).unwrap();
        assert_eq!(retry.budget().unwrap().available(), 10);
        let (service, sent) = scripted(&clock, vec![RESET; 9]);
        assert!(call(&clock, retry.layer().layer(service)).is_err());
        assert_eq!(u32::try_from(sent.try_iter().count()), Ok(2 + round));
    }
}

#[cfg(feature = "serde")]
#[test]
fn settings_are_read_from_a_file_and_what_is_not_there_is_default() {
    let config: Config = serde_json::from_str(
        r#"{
            "max_attempts": 4,
            "backoff": { "jitter": "equal", "factor": 3.0 },
            "budget": { "ratio": 0.2 }
        }"#,
    )
    .unwrap();
    let expected = Retry::builder()
        .max_attempts(4)
        .backoff(Backoff::default().jitter(Jitter::Equal).factor(3.0))
        .budget(Budget::builder().ratio(0.2));
    assert_eq!(config, expected);

    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<Config>(&text).unwrap(), config);
    assert!(serde_json::from_str::<Config>(r#"{ "max_atempts": 4 }"#).is_err());
    let without: Config = serde_json::from_str(r#"{ "budget": null }"#).unwrap();
    assert_eq!(without, Retry::builder().without_budget());
}
