//! What the settings mean.

use std::sync::mpsc;
use std::time::Duration;

use futures_util::FutureExt as _;
use seawall::circuit_breaker::{CircuitBreaker, Config, State};
use seawall::error::BoxError;
use seawall::gate::Permit as _;
use seawall::telemetry::{Environment, Event, EventKind, Measure};
use seawall::time::Clock;
use seawall::{Outcome, Reason};
use tower::{Layer, ServiceExt, service_fn};

use super::{NANOSECOND, SECOND, build, call, calls, sensitive, trip};

#[test]
fn opens_at_the_rate_and_not_below_it() {
    let (breaker, ..) = build(&sensitive().min_calls(10).failure_rate(0.5));
    calls(&breaker, 5, Outcome::Success);
    calls(&breaker, 4, Outcome::Transient);
    assert_eq!(breaker.state(), State::Closed);

    call(&breaker, Outcome::Transient);

    assert_eq!(breaker.state(), State::Open);
    let rejection = breaker.enter().unwrap_err();
    assert_eq!(rejection.reason(), Reason::CircuitOpen);
    assert_eq!(rejection.retry_after(), Some(5 * SECOND));
    assert_eq!(rejection.policy(), "circuit_breaker");
}

#[test]
fn opens_with_the_success_that_is_the_last_of_the_least_calls() {
    let (breaker, clock, _) = build(&sensitive().min_calls(4).failure_rate(0.5));
    calls(&breaker, 3, Outcome::Transient);

    // The first call of a tick looks at the window, whatever its outcome.
    clock.advance(SECOND);
    call(&breaker, Outcome::Success);

    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn a_call_window_opens_with_a_success_at_once() {
    let (breaker, ..) = build(&sensitive().call_window(10).min_calls(4).failure_rate(0.5));
    calls(&breaker, 3, Outcome::Transient);
    assert_eq!(breaker.state(), State::Closed);

    call(&breaker, Outcome::Success);

    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn what_is_older_than_the_window_is_forgotten() {
    let (breaker, clock, _) = build(&sensitive());
    calls(&breaker, 3, Outcome::Transient);
    clock.advance(9 * SECOND);
    assert_eq!(breaker.snapshot().failed(), 3);

    clock.advance(SECOND);

    assert_eq!(breaker.snapshot().failed(), 0);
    calls(&breaker, 3, Outcome::Transient);
    assert_eq!(breaker.state(), State::Closed);
    call(&breaker, Outcome::Transient);
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn a_sudden_outage_shows_before_half_of_the_window_has_failed() {
    let config = CircuitBreaker::builder();
    let seconds_until_open = |config: &Config| {
        let (breaker, clock, _) = build(config);
        for _ in 0..10 {
            calls(&breaker, 100, Outcome::Success);
            clock.advance(SECOND);
        }
        (1..20).find(|_| {
            for _ in 0..100 {
                if let Ok(permit) = breaker.enter() {
                    permit.complete(Outcome::Transient);
                }
            }
            clock.advance(SECOND);
            breaker.state() == State::Open
        })
    };

    assert_eq!(seconds_until_open(&config), Some(3));
    assert_eq!(seconds_until_open(&config.recent_failure_rate(None)), Some(5));
}

#[test]
fn failures_in_a_row_open_whatever_the_rate() {
    let (breaker, ..) = build(&sensitive().min_calls(1_000).consecutive_failures(3));
    calls(&breaker, 2, Outcome::Transient);
    call(&breaker, Outcome::Permanent);
    calls(&breaker, 2, Outcome::Transient);
    call(&breaker, Outcome::Neutral);
    call(&breaker, Outcome::Overload { retry_after: None });
    assert_eq!(breaker.state(), State::Closed);

    call(&breaker, Outcome::Transient);

    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn slow_calls_open_when_they_end() {
    let slow = sensitive().slow_call_duration(SECOND).slow_call_rate(0.5);
    let (breaker, clock, _) = build(&slow);
    calls(&breaker, 2, Outcome::Success);
    for _ in 0..2 {
        assert_eq!(breaker.state(), State::Closed);
        let permit = breaker.enter().unwrap();
        clock.advance(SECOND + NANOSECOND);
        permit.complete(Outcome::Success);
    }

    assert_eq!(breaker.state(), State::Open);
    assert_eq!(breaker.snapshot().slow(), 2);
}

#[test]
fn a_call_exactly_as_long_as_allowed_is_not_slow() {
    let slow = sensitive().slow_call_duration(SECOND).slow_call_rate(0.5);
    let (breaker, clock, _) = build(&slow);

    let permit = breaker.enter().unwrap();
    clock.advance(SECOND);
    permit.complete(Outcome::Success);

    assert_eq!(breaker.snapshot().slow(), 0);
}

#[test]
fn an_overload_never_opens() {
    let (breaker, ..) = build(&sensitive().consecutive_failures(1));

    calls(&breaker, 1_000, Outcome::Overload { retry_after: None });

    assert_eq!(breaker.state(), State::Closed);
    assert_eq!(breaker.snapshot().calls(), 0);
}

#[test]
fn a_hint_holds_all_calls_back_until_it_has_passed_to_the_nanosecond() {
    let (breaker, clock, _) = build(&sensitive());
    let clone = breaker.clone();
    clock.advance(NANOSECOND * 17);
    let wait = SECOND * 2 + NANOSECOND;

    call(&breaker, Outcome::Overload { retry_after: Some(wait) });

    let rejection = clone.enter().unwrap_err();
    assert_eq!((rejection.reason(), rejection.retry_after()), (Reason::Paused, Some(wait)));
    assert!(clone.snapshot().is_paused());
    clock.advance(wait - NANOSECOND);
    assert_eq!(clone.enter().unwrap_err().retry_after(), Some(NANOSECOND));
    clock.advance(NANOSECOND);
    call(&clone, Outcome::Success);
    assert_eq!(breaker.state(), State::Closed);
    assert!(!breaker.snapshot().is_shut());
}

#[test]
fn a_hint_is_capped_and_a_shorter_one_does_not_shorten_it() {
    let (breaker, ..) = build(&sensitive().max_pause(3 * SECOND));
    let late = breaker.enter().unwrap();

    call(&breaker, Outcome::Overload { retry_after: Some(Duration::MAX) });
    late.complete(Outcome::Overload { retry_after: Some(SECOND) });

    assert_eq!(breaker.snapshot().retry_after(), Some(3 * SECOND));
}

#[test]
fn hints_can_be_ignored() {
    let (breaker, ..) = build(&sensitive().max_pause(Duration::ZERO));

    call(&breaker, Outcome::Overload { retry_after: Some(SECOND) });

    assert!(breaker.enter().is_ok());
}

#[test]
fn a_hint_makes_the_open_time_longer_before_it_and_after_it() {
    let eight = Outcome::Overload { retry_after: Some(8 * SECOND) };
    let (breaker, clock, _) = build(&sensitive());
    let late = breaker.enter().unwrap();
    trip(&breaker);
    late.complete(eight);
    assert_eq!(breaker.enter().unwrap_err().retry_after(), Some(8 * SECOND));
    assert_eq!(breaker.enter().unwrap_err().reason(), Reason::CircuitOpen);
    clock.advance(8 * SECOND);
    assert!(breaker.enter().is_ok());

    let (breaker, ..) = build(&sensitive());
    let permits: Vec<_> = (0..4).map(|_| breaker.enter().unwrap()).collect();
    call(&breaker, eight);
    for permit in permits {
        permit.complete(Outcome::Transient);
    }
    assert_eq!(breaker.state(), State::Open);
    assert_eq!(breaker.enter().unwrap_err().retry_after(), Some(8 * SECOND));
}

#[test]
fn an_overloaded_probe_proves_nothing_and_pauses() {
    let (breaker, clock, _) = build(&sensitive());
    trip(&breaker);
    clock.advance(5 * SECOND);

    call(&breaker, Outcome::Overload { retry_after: Some(SECOND) });

    assert_eq!(breaker.state(), State::HalfOpen);
    assert_eq!(breaker.enter().unwrap_err().reason(), Reason::Paused);
    clock.advance(SECOND);
    call(&breaker, Outcome::Success);
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn the_open_time_doubles_up_to_its_cap_and_begins_anew_when_closed() {
    let (breaker, clock, _) = build(&sensitive().max_open_for(15 * SECOND));
    trip(&breaker);
    for seconds in [5, 10, 15, 15] {
        let wait = breaker.enter().unwrap_err().retry_after().unwrap();
        assert_eq!(wait, seconds * SECOND);
        clock.advance(wait);
        call(&breaker, Outcome::Transient);
    }
    clock.advance(15 * SECOND);
    call(&breaker, Outcome::Success);
    assert_eq!(breaker.state(), State::Closed);

    trip(&breaker);

    for seconds in [5, 10] {
        let wait = breaker.snapshot().retry_after().unwrap();
        assert_eq!(wait, seconds * SECOND);
        clock.advance(wait);
        call(&breaker, Outcome::Transient);
    }
}

#[test]
fn the_longest_open_time_is_waited_for_to_its_end() {
    let (breaker, clock, _) = build(&sensitive().open_for(24 * 3600 * SECOND));
    trip(&breaker);

    clock.advance((24 * 3600 - 1) * SECOND);
    assert_eq!(breaker.enter().unwrap_err().retry_after(), Some(SECOND));
    clock.advance(SECOND);
    call(&breaker, Outcome::Success);

    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn jitter_only_shortens_and_spreads() {
    let (breaker, ..) = build(&sensitive().jitter(0.5));
    let waits: Vec<_> = (0..200)
        .map(|_| {
            breaker.reset();
            trip(&breaker);
            breaker.snapshot().retry_after().unwrap()
        })
        .collect();

    let (least, most) = (*waits.iter().min().unwrap(), *waits.iter().max().unwrap());
    assert!(least >= SECOND * 5 / 2 && least < SECOND * 3, "{least:?}");
    assert!(most <= SECOND * 5 && most > SECOND * 9 / 2, "{most:?}");
}

#[test]
fn traffic_comes_back_in_steps() {
    let (breaker, clock, events) = build(&sensitive().ramp(8 * SECOND).probes(2));
    trip(&breaker);
    clock.advance(5 * SECOND);
    calls(&breaker, 2, Outcome::Success);
    assert_eq!(breaker.state(), State::Recovering);

    let let_in: Vec<_> = (0..9)
        .map(|_| {
            let count = (0..80)
                .filter(|_| breaker.enter().map(|permit| permit.complete(Outcome::Success)).is_ok())
                .count();
            clock.advance(SECOND);
            count
        })
        .collect();

    assert_eq!(let_in, [10, 20, 30, 40, 50, 60, 70, 80, 80]);
    let moves: Vec<_> = events.try_iter().collect();
    assert_eq!(
        moves,
        [
            ("closed", "open"),
            ("open", "half_open"),
            ("half_open", "recovering"),
            ("recovering", "closed")
        ]
    );
}

#[test]
fn failures_on_the_way_back_open_again() {
    let (breaker, clock, _) = build(&sensitive().ramp(8 * SECOND).probes(2).failure_rate(0.5));
    trip(&breaker);
    clock.advance(5 * SECOND);
    calls(&breaker, 2, Outcome::Success);

    // As few calls as there were probes.
    let mut ended = 0;
    while breaker.state() == State::Recovering {
        if let Ok(permit) = breaker.enter() {
            permit.complete(Outcome::Transient);
            ended += 1;
        }
    }

    assert_eq!(ended, 2);
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn a_ramp_and_what_follows_are_one_term() {
    let (breaker, clock, _) = build(&sensitive().ramp(8 * SECOND));
    trip(&breaker);
    clock.advance(5 * SECOND);
    call(&breaker, Outcome::Success);
    let early: Vec<_> = (0..100).filter_map(|_| breaker.enter().ok()).take(4).collect();
    clock.advance(8 * SECOND);
    call(&breaker, Outcome::Neutral);
    assert_eq!(breaker.state(), State::Closed);

    for permit in early {
        permit.complete(Outcome::Transient);
    }

    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn a_probe_that_succeeds_too_slowly_is_no_recovery() {
    let slow = sensitive().slow_call_duration(SECOND).slow_call_rate(1.0);
    let (breaker, clock, _) = build(&slow);
    trip(&breaker);
    clock.advance(5 * SECOND);

    let probe = breaker.enter().unwrap();
    clock.advance(2 * SECOND);
    probe.complete(Outcome::Success);

    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn hands_decide_until_they_let_go() {
    let (breaker, _, events) = build(&sensitive());

    breaker.isolate();
    assert_eq!(breaker.enter().unwrap_err().retry_after(), None);

    breaker.force_closed();
    trip(&breaker);
    assert_eq!((breaker.state(), breaker.snapshot().calls()), (State::ForcedClosed, 0));

    breaker.metrics_only();
    trip(&breaker);
    assert_eq!((breaker.state(), breaker.snapshot().failed()), (State::MetricsOnly, 4));

    breaker.reset();
    assert_eq!((breaker.state(), breaker.snapshot().calls()), (State::Closed, 0));
    breaker.reset();

    let moves: Vec<_> = events.try_iter().collect();
    assert_eq!(
        moves,
        [
            ("closed", "isolated"),
            ("isolated", "forced_closed"),
            ("forced_closed", "metrics_only"),
            ("metrics_only", "closed")
        ]
    );
}

#[test]
fn a_reset_ends_a_pause_and_an_open_circuit() {
    let (breaker, ..) = build(&sensitive());
    call(&breaker, Outcome::Overload { retry_after: Some(SECOND) });
    breaker.reset();
    trip(&breaker);

    breaker.reset();

    assert!(breaker.enter().is_ok());
}

#[test]
fn a_reload_keeps_state_and_tally() {
    let config = sensitive();
    let (breaker, clock, _) = build(&config);
    calls(&breaker, 3, Outcome::Transient);
    breaker.reload(&config.clone().min_calls(5)).unwrap();
    call(&breaker, Outcome::Transient);
    assert_eq!((breaker.state(), breaker.snapshot().failed()), (State::Closed, 4));

    breaker.reload(&config.clone().min_calls(4)).unwrap();
    call(&breaker, Outcome::Transient);
    assert_eq!(breaker.state(), State::Open);
    breaker.reload(&config.open_for(60 * SECOND)).unwrap();
    assert_eq!(breaker.snapshot().retry_after(), Some(5 * SECOND));

    clock.advance(5 * SECOND);
    call(&breaker, Outcome::Transient);
    assert_eq!(breaker.snapshot().retry_after(), Some(60 * SECOND));
}

#[test]
fn what_can_not_be_reloaded_is_named_and_nothing_changes() {
    let config = sensitive();
    let (breaker, ..) = build(&config);
    let other = |config: Config| breaker.reload(&config.min_calls(1)).unwrap_err();

    assert_eq!(other(config.clone().name("other")).field(), "name");
    assert_eq!(other(config.clone().time_window(SECOND)).field(), "time_window");
    assert_eq!(other(config.clone().call_window(10)).field(), "call_window");
    assert_eq!(other(config.failure_rate(0.0)).field(), "failure_rate");
    call(&breaker, Outcome::Transient);
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn settings_that_make_no_sense_are_refused_by_name() {
    let config = CircuitBreaker::builder;
    let day = Duration::from_secs(24 * 3600);
    let wrong = [
        ("name", config().name("")),
        ("time_window", config().time_window(Duration::ZERO)),
        ("time_window", config().time_window(Duration::from_millis(99))),
        ("time_window", config().time_window(Duration::MAX)),
        ("call_window", config().call_window(0)),
        ("call_window", config().call_window(65_537)),
        ("min_calls", config().min_calls(0)),
        ("min_calls", config().call_window(10).min_calls(11)),
        ("failure_rate", config().failure_rate(0.0)),
        ("failure_rate", config().failure_rate(-0.5)),
        ("failure_rate", config().failure_rate(1.1)),
        ("failure_rate", config().failure_rate(f64::NAN)),
        ("failure_rate", config().failure_rate(f64::INFINITY)),
        ("recent_failure_rate", config().recent_failure_rate(f64::NAN)),
        ("slow_call_rate", config().slow_call_duration(SECOND).slow_call_rate(0.0)),
        ("slow_call_duration", config().slow_call_rate(0.5)),
        ("slow_call_duration", config().slow_call_duration(Duration::ZERO)),
        ("slow_call_duration", config().slow_call_duration(11 * SECOND)),
        ("slow_call_duration", config().call_window(10).slow_call_duration(Duration::MAX)),
        ("consecutive_failures", config().consecutive_failures(0)),
        ("open_for", config().open_for(Duration::ZERO)),
        ("open_for", config().open_for(day + SECOND)),
        ("max_open_for", config().max_open_for(SECOND)),
        ("max_open_for", config().max_open_for(Duration::MAX)),
        ("jitter", config().jitter(-0.1)),
        ("jitter", config().jitter(1.1)),
        ("jitter", config().jitter(f64::NAN)),
        ("probes", config().probes(0)),
        ("probes", config().probes(u32::MAX)),
        ("probe_lease", config().probe_lease(Duration::ZERO)),
        ("ramp", config().ramp(Duration::MAX)),
        ("max_pause", config().max_pause(Duration::MAX)),
    ];

    for (field, config) in wrong {
        assert_eq!(config.build().unwrap_err().field(), field, "{config:?}");
    }
}

#[test]
fn the_least_calls_follow_a_short_window() {
    let (breaker, ..) = build(&CircuitBreaker::builder().call_window(5));

    calls(&breaker, 5, Outcome::Transient);

    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn a_slow_call_duration_can_be_as_long_as_it_likes_in_a_call_window() {
    let config = CircuitBreaker::builder()
        .call_window(10)
        .slow_call_duration(600 * SECOND)
        .slow_call_rate(1.0);
    let (breaker, ..) = build(&config);

    breaker.reload(&config.clone().slow_call_duration(1_200 * SECOND)).unwrap();
    let error = breaker.reload(&config.slow_call_duration(1_201 * SECOND)).unwrap_err();

    assert_eq!(error.field(), "slow_call_duration");
}

#[cfg(feature = "serde")]
#[test]
fn settings_can_be_read_from_a_file_and_unknown_ones_are_refused() {
    let config = sensitive().slow_call_duration(SECOND).call_window(50);

    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<Config>(&text).unwrap(), config);
    assert_eq!(serde_json::from_str::<Config>("{}").unwrap(), Config::default());
    assert!(serde_json::from_str::<Config>(r#"{"failure_rat":0.5}"#).is_err());
}

#[test]
fn levels_tell_of_state_and_rates() {
    let (breaker, ..) = build(&sensitive().name("levels"));
    call(&breaker, Outcome::Success);
    trip(&breaker);
    call(&breaker, Outcome::Transient);
    breaker.isolate();
    breaker.metrics_only();
    call(&breaker, Outcome::Success);
    call(&breaker, Outcome::Transient);
    let mut levels = Vec::new();

    breaker.measure(&mut |level| levels.push((level.name(), level.value())));

    let expected = [("state", 6.0), ("calls", 2.0), ("failure_rate", 0.5), ("slow_rate", 0.0)];
    assert_eq!(levels, expected);
    assert_eq!(breaker.name(), "levels");
}

#[test]
fn every_rejection_is_told_of_whether_the_service_was_polled_or_not() {
    let (sender, receiver) = mpsc::channel();
    let environment = Environment::new().clock(Clock::manual()).observer(move |event: &Event| {
        if let EventKind::Rejected { reason } = event.kind() {
            let _ = sender.send(*reason);
        }
    });
    let breaker = sensitive().build_in(&environment).unwrap();
    let service = breaker.layer().layer(service_fn(|(): ()| async { Ok::<_, BoxError>(()) }));
    breaker.isolate();

    assert!(breaker.enter().is_err());
    assert!(service.oneshot(()).now_or_never().unwrap().is_err());

    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [Reason::CircuitOpen; 2]);
}
