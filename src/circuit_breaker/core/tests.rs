//! Laws of the core: by comparison with the model, under stress, and under loom.

use std::time::Duration;

use super::{Core, MILLION, OFF, Outside, Params, Settings};
use crate::time::Instant;

/// A outside that stands still.
#[derive(Debug)]
struct Still {
    now: Instant,
    settings: Settings,
}

impl Outside for Still {
    fn coarse(&self) -> Instant {
        self.now
    }

    fn now(&self) -> Instant {
        self.now
    }

    fn tick(&self) -> Duration {
        Duration::ZERO
    }

    fn chance(&self) -> u64 {
        0
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }
}

/// The outside at that second. Opens at `min_calls` failures, for a second; one probe, no ramp.
fn at(second: u64, min_calls: u64) -> Still {
    Still {
        now: Instant::from_nanos(second * 1_000_000_000),
        settings: Settings::new(&params(min_calls)),
    }
}

fn params(min_calls: u64) -> Params {
    let nanos = |seconds: u64| seconds * 1_000_000_000;
    Params {
        consecutive_failures: OFF,
        failure_ppm: MILLION / 2,
        jitter_ppm: 0,
        max_open_nanos: nanos(1),
        max_pause_nanos: nanos(30),
        min_calls,
        open_nanos: nanos(1),
        probe_lease_nanos: nanos(10),
        probes: 1,
        ramp_nanos: 0,
        recent_failure_ppm: OFF,
        slow_nanos: OFF,
        slow_ppm: OFF,
    }
}

#[cfg(not(seawall_loom))]
mod sequential {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::exit::open_time;
    use super::super::model::check;
    use super::*;
    use crate::circuit_breaker::State;
    use crate::circuit_breaker::core::Shut;
    use crate::outcome::Outcome;
    use crate::window::{Span, Window};

    /// Calls of a full window all end well while others hang in it. Found by the fuzzer.
    #[test]
    fn a_window_of_good_calls_does_not_hide_those_that_hang() {
        check(&[7, 221, 68, 34, 1, 208, 187, 218, 187, 208, 187, 221, 208, 90]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

        #[test]
        fn does_what_the_model_does(bytes in vec(any::<u8>(), 0..200)) {
            check(&bytes);
        }
    }

    #[test]
    fn another_owner_sees_nothing_of_a_past_that_is_ahead_of_his_clock() {
        let core = core(&at(100, 1));
        core.force(State::Isolated, &at(200, 1));

        core.restart(&at(10, 1));

        let view = core.view(&at(10, 1));
        assert_eq!((view.state, view.since), (State::Closed, at(10, 1).now));
    }

    #[test]
    fn a_result_is_old_news_however_many_terms_ago_it_began() {
        let outside = at(0, 1);
        let core = core(&outside);
        let old = core.enter(&outside).unwrap().ticket;
        for _ in 0..10_000 {
            core.force(State::Isolated, &outside);
        }
        core.force(State::Closed, &outside);
        assert!(core.enter(&outside).is_ok());

        core.exit(old, Outcome::Transient, &outside);

        assert_eq!(core.state(), State::Closed);
    }

    #[test]
    fn a_circuit_that_nobody_asked_for_decades_is_not_shut() {
        for days in [1, 3, 6, 7, 12, 13, 18, 19, 365, 7_300] {
            let outside = at(1, 1);
            let core = core(&outside);
            let ticket = core.enter(&outside).unwrap().ticket;
            core.exit(ticket, Outcome::Transient, &outside);
            assert_eq!(core.state(), State::Open);

            let later = at(days * 24 * 3600, 1);

            assert!(core.enter(&later).is_ok(), "after {days} days");
        }
    }

    #[test]
    fn good_calls_through_a_closed_circuit_take_the_short_way_in_and_out() {
        let outside = at(0, 1);
        let core = core(&outside);
        let ticket = core.enter_plainly().unwrap();

        assert!(core.exit_plainly(ticket, Outcome::Success, &outside));
        assert!(core.exit_plainly(ticket, Outcome::Permanent, &outside));

        for outcome in [Outcome::Transient, Outcome::Neutral] {
            assert!(!core.exit_plainly(ticket, outcome, &outside), "{outcome:?}");
        }
        // None is short when the circuit is not closed.
        let core = open();
        assert_eq!(core.enter_plainly(), None);
        assert!(!core.exit_plainly(ticket, Outcome::Success, &outside));
    }

    #[test]
    fn the_open_time_doubles_up_to_the_longest_and_chance_takes_its_part_off() {
        let seconds = |seconds: u64| seconds * 1_000_000_000;
        let settings = |open, longest, jitter_ppm| {
            let (open_nanos, max_open_nanos) = (seconds(open), seconds(longest));
            Settings::new(&Params { jitter_ppm, max_open_nanos, open_nanos, ..params(1) })
        };
        let steady = settings(1, 10, 0);
        for (reopened, expected) in
            [(0, 1), (1, 2), (3, 8), (4, 10), (63, 10), (64, 10), (u64::MAX, 10)]
        {
            let open = open_time(&steady, reopened, u64::MAX);
            assert_eq!(open.as_secs(), expected, "opened again {reopened} times");
        }
        assert_eq!(open_time(&settings(5, 1, 0), 3, 0).as_secs(), 5);

        let spread = settings(1, 10, 400_000);
        for (reopened, chance, millis) in
            [(0, 0, 1_000), (0, 1 << 63, 800), (0, u64::MAX, 600), (2, 1 << 62, 3_600)]
        {
            let open = open_time(&spread, reopened, chance);
            // The last chance takes a nanosecond less than all of the part.
            assert_eq!(open.as_nanos().div_euclid(1_000_000), millis, "{chance}");
        }
    }

    /// It costs ten times as much as the coarse one.
    #[test]
    fn the_precise_clock_is_asked_only_close_to_the_end_of_a_wait() {
        let nano = Duration::from_nanos(1);
        for (until, is_asked) in [
            (SECOND.saturating_sub(nano), false),
            (SECOND, false),
            (SECOND + nano, true),
            (SECOND + TICK, true),
            (SECOND + TICK + nano, false),
        ] {
            let outside = Moments::at(SECOND, Duration::ZERO);
            let until = Instant::default() + until;

            let around = outside.around(until);

            assert_eq!(outside.is_asked.get(), is_asked, "{until:?}");
            assert_eq!(around >= until, outside.coarse() >= until);
        }
    }

    #[test]
    fn the_precise_clock_is_asked_only_close_to_the_end_of_an_open_time() {
        // Open until second 1.
        let core = open();
        for (left, is_asked) in [
            (SECOND / 2, false),
            (TICK + Duration::from_nanos(1), false),
            (TICK, true),
            (Duration::from_nanos(1), true),
            (Duration::ZERO, false),
        ] {
            let outside = Moments::at(SECOND.saturating_sub(left), Duration::ZERO);

            let is_shut = core.peek(&outside).is_some();

            assert_eq!(outside.is_asked.get(), is_asked, "{left:?}");
            assert_eq!(is_shut, !left.is_zero());
        }
    }

    #[test]
    fn an_open_time_ends_with_the_microsecond_that_its_last_nanosecond_is_in() {
        let nanos = Duration::from_nanos;
        let core = closed();
        let outside = Moments::at(nanos(300), Duration::ZERO);
        let ticket = core.enter(&outside).unwrap().ticket;
        core.exit(ticket, Outcome::Transient, &outside);

        let rest = |now| core.peek(&Moments::at(now, Duration::ZERO)).and_then(Shut::retry_after);

        assert_eq!(rest(nanos(300)), Some(SECOND + nanos(700)));
        assert_eq!(rest(SECOND + nanos(999)), Some(nanos(1)));
        assert_eq!(rest(SECOND + nanos(1_000)), None);
    }

    #[test]
    fn a_circuit_that_opens_after_weeks_is_shut_as_long_as_any() {
        for days in [12, 13, 20, 26, 400] {
            let second = days * 24 * 3600;
            let core = core(&at(second, 1));
            let ticket = core.enter(&at(second, 1)).unwrap().ticket;
            core.exit(ticket, Outcome::Transient, &at(second, 1));

            let rest = core.peek(&at(second, 1)).and_then(Shut::retry_after);

            assert_eq!(rest, Some(SECOND), "after {days} days");
            assert!(core.enter(&at(second + 1, 1)).is_ok(), "after {days} days");
        }
    }

    #[test]
    fn a_ramp_ends_to_the_nanosecond() {
        let core = open();
        let outside = |now, late| {
            let mut outside = Moments::at(now, late);
            outside.settings = Settings::new(&Params { ramp_nanos: 800_000_000, ..params(1) });
            outside
        };
        let probe = core.enter(&outside(SECOND, Duration::ZERO)).unwrap().ticket;
        core.exit(probe, Outcome::Success, &outside(SECOND, Duration::ZERO));
        // The coarse clock is a tick behind.
        let coarse = SECOND + Duration::from_millis(796);
        let nano = Duration::from_nanos(1);

        let _ = core.enter(&outside(coarse, TICK.saturating_sub(nano)));
        assert_eq!(core.state(), State::Recovering);
        let _ = core.enter(&outside(coarse, TICK));
        assert_eq!(core.state(), State::Closed);
    }

    #[test]
    fn only_a_pause_that_is_longer_than_the_one_there_is_is_told_of() {
        let outside = at(0, 1);
        let core = core(&outside);
        let tickets = [(); 5].map(|()| core.enter(&outside).unwrap().ticket);
        let waits = [2, 1, 2, 3, 60].map(Duration::from_secs);

        let told: Vec<_> = tickets
            .into_iter()
            .zip(waits)
            .map(|(ticket, wait)| {
                let overload = Outcome::Overload { retry_after: Some(wait) };
                core.exit(ticket, overload, &outside).paused.map(|told| told.as_secs())
            })
            .collect();

        // The last one asks for more than it may.
        assert_eq!(told, [Some(2), None, None, Some(3), Some(30)]);
    }

    #[test]
    fn when_a_pause_is_over_calls_take_the_short_way_again() {
        let core = closed();
        let ticket = core.enter(&at(0, 1)).unwrap().ticket;
        let overload = Outcome::Overload { retry_after: Some(SECOND) };
        core.exit(ticket, overload, &at(0, 1));
        assert_eq!(core.enter_plainly(), None);
        assert!(core.enter(&at(0, 1)).is_err());

        assert!(core.enter(&at(1, 1)).is_ok());

        assert!(core.enter_plainly().is_some());
    }

    #[test]
    fn a_breaker_that_remembers_anything_is_not_forgotten() {
        let settings = |change: fn(&mut Params)| {
            let mut params = params(100);
            change(&mut params);
            Still { settings: Settings::new(&params), ..at(0, 100) }
        };
        let ends = |outcome, outside: &Still| {
            let core = core(outside);
            let ticket = core.enter(outside).unwrap().ticket;
            core.exit(ticket, outcome, outside);
            core
        };
        let plain = settings(|_| {});

        assert!(core(&plain).is_forgettable(&plain));
        assert!(ends(Outcome::Success, &plain).is_forgettable(&plain));
        // A failed call in the window, and it alone: ten ticks later nothing is left.
        let failed = ends(Outcome::Transient, &plain);
        assert!(!failed.is_forgettable(&plain));
        assert!(failed.is_forgettable(&at(20, 100)));
        // A failure in a row outlasts the window.
        let in_a_row = settings(|params| params.consecutive_failures = 5);
        assert!(!ends(Outcome::Transient, &in_a_row).is_forgettable(&at(20, 100)));
        // A pause.
        let overload = Outcome::Overload { retry_after: Some(SECOND * 25) };
        let paused = ends(overload, &plain);
        assert!(!paused.is_forgettable(&at(20, 100)));
        assert!(paused.is_forgettable(&at(25, 100)));
        // A slow call.
        let slow = settings(|params| params.slow_nanos = 1);
        let core = core(&slow);
        let mut ticket = core.enter(&slow).unwrap().ticket;
        core.pending(&mut ticket, &slow);
        let late = Still { now: Instant::default() + SECOND, ..slow };
        core.exit(ticket, Outcome::Success, &late);
        assert!(!core.is_forgettable(&late));
        // One that has opened, until it was left alone for twice the longest open time.
        let open = open();
        let forgettable = [0, 1, 2, 3].map(|second| open.is_forgettable(&at(second, 1)));
        assert_eq!(forgettable, [false, false, false, true]);
    }

    const SECOND: Duration = Duration::from_secs(1);
    const TICK: Duration = Duration::from_millis(4);

    /// A precise clock, and one that is late.
    struct Moments {
        coarse: Instant,
        now: Instant,
        is_asked: Cell<bool>,
        settings: Settings,
    }

    impl Moments {
        fn at(coarse: Duration, late: Duration) -> Self {
            let coarse = Instant::default() + coarse;
            let settings = Settings::new(&params(1));
            Self { coarse, now: coarse + late, is_asked: Cell::new(false), settings }
        }
    }

    impl Outside for Moments {
        fn coarse(&self) -> Instant {
            self.coarse
        }

        fn now(&self) -> Instant {
            self.is_asked.set(true);
            self.now
        }

        fn tick(&self) -> Duration {
            TICK
        }

        fn chance(&self) -> u64 {
            0
        }

        fn settings(&self) -> &Settings {
            &self.settings
        }
    }

    #[test]
    fn changes_are_told_once_each_and_in_the_order_of_the_circle() {
        // Threads that hurry a breaker round and round. Whatever they do, every change has one
        // winner, and changes lead round the circle, so none is told more than once more than what
        // comes before it.
        let seconds = AtomicU64::new(1);
        let core = core(&at(0, 2));
        let told = [const { AtomicU64::new(0) }; 3];
        thread::scope(|scope| {
            for number in 0..4_u64 {
                let (seconds, core, told) = (&seconds, &core, &told);
                scope.spawn(move || {
                    for round in 0..20_000_u64 {
                        let outside = at(seconds.fetch_add(1, Ordering::Relaxed), 2);
                        let Ok(entered) = core.enter(&outside) else { continue };
                        let outcome = match (round + number) % 5 {
                            0 => Outcome::Neutral,
                            1 | 2 => Outcome::Success,
                            _ => Outcome::Transient,
                        };
                        let moved = core.exit(entered.ticket, outcome, &outside).moved;
                        for moved in [entered.moved, moved].into_iter().flatten() {
                            let to = match moved.to {
                                State::Open => 0,
                                State::HalfOpen => 1,
                                State::Closed => 2,
                                other => panic!("no way to {other}"),
                            };
                            told[to].fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });

        let [open, half_open, closed] = told.map(AtomicU64::into_inner);
        let still_shut = u64::from(core.state() == State::Open);
        let trying = u64::from(core.state() == State::HalfOpen);
        assert!(closed > 10, "{open} {half_open} {closed}");
        // What opens is half open later, unless it is still open; and closed again or open again.
        assert_eq!(open, half_open + still_shut);
        assert!(half_open >= closed + trying);
        // Nothing was lost on the way: there is a way back to closed.
        let outside = at(1_000_000, 2);
        let probe = core.enter(&outside).unwrap().ticket;
        core.exit(probe, Outcome::Success, &outside);
        assert_eq!(core.state(), State::Closed);
    }

    #[test]
    fn no_probe_place_is_lost_or_doubled_under_stress() {
        let settings = at(0, 1);
        let core = core(&settings);
        let ticket = core.enter(&settings).unwrap().ticket;
        core.exit(ticket, Outcome::Transient, &settings);
        let outside = at(5, 1);
        let within = AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        let Ok(entered) = core.enter(&outside) else { continue };
                        assert_eq!(within.fetch_add(1, Ordering::AcqRel), 0);
                        within.fetch_sub(1, Ordering::AcqRel);
                        core.exit(entered.ticket, Outcome::Neutral, &outside);
                    }
                });
            }
        });

        assert_eq!(core.state(), State::HalfOpen);
        assert!(core.enter(&outside).is_ok());
    }

    fn closed() -> Core {
        core(&at(0, 1))
    }

    /// Open until second 1.
    fn open() -> Core {
        let core = closed();
        let ticket = core.enter(&at(0, 1)).unwrap().ticket;
        core.exit(ticket, Outcome::Transient, &at(0, 1));
        core
    }

    fn core(outside: &Still) -> Core {
        let span = Span::Time { tick_nanos: 1_000_000_000 };
        Core::new(Window::new(span, outside.now), outside.now)
    }
}

#[cfg(seawall_loom)]
mod concurrent {
    use loom::thread;

    use super::*;
    use crate::circuit_breaker::State;
    use crate::circuit_breaker::core::Ticket;
    use crate::outcome::Outcome;
    use crate::sync::Arc;
    use crate::window::{Span, Window};

    #[test]
    fn loom_never_admits_more_probes_than_places_and_tells_of_it_once() {
        loom::model(|| {
            let core = open();

            let other = thread::spawn({
                let core = Arc::clone(&core);
                move || core.enter(&at(5, 1)).map(|entered| entered.moved).ok()
            });
            let mine = core.enter(&at(5, 1)).map(|entered| entered.moved).ok();
            let both = [mine, other.join().unwrap()];

            assert_eq!(both.iter().flatten().count(), 1, "one is let in");
            assert_eq!(both.iter().flatten().flatten().count(), 1, "and tells of it");
        });
    }

    #[test]
    fn loom_a_dropped_probe_frees_its_place_whoever_asks_meanwhile() {
        loom::model(|| {
            let core = open();
            let probe = core.enter(&at(5, 1)).unwrap().ticket;

            let other = thread::spawn({
                let core = Arc::clone(&core);
                move || core.enter(&at(5, 1)).map(|entered| entered.ticket).ok()
            });
            core.exit(probe, Outcome::Neutral, &at(5, 1));
            if let Some(ticket) = other.join().unwrap() {
                core.exit(ticket, Outcome::Neutral, &at(5, 1));
            }

            let last = core.enter(&at(5, 1)).unwrap().ticket;
            core.exit(last, Outcome::Success, &at(5, 1));
            assert_eq!(core.state(), State::Closed);
        });
    }

    #[test]
    fn loom_a_lapsed_lease_is_taken_by_one_and_its_probe_decides_nothing() {
        loom::model(|| {
            let core = open();
            let hung = core.enter(&at(5, 1)).unwrap().ticket;

            let other = thread::spawn({
                let core = Arc::clone(&core);
                move || core.enter(&at(20, 1)).is_ok()
            });
            let mine = core.enter(&at(20, 1)).is_ok();
            assert!(mine ^ other.join().unwrap());

            core.exit(hung, Outcome::Success, &at(20, 1));
            assert_eq!(core.state(), State::HalfOpen);
        });
    }

    #[test]
    fn loom_failures_at_the_same_time_open_once() {
        loom::model(|| {
            let (core, tickets) = closed(2);
            let [one, two] = tickets;

            let other = thread::spawn({
                let core = Arc::clone(&core);
                move || core.exit(one, Outcome::Transient, &at(0, 2)).moved
            });
            let mine = core.exit(two, Outcome::Transient, &at(0, 2)).moved;
            let told = [mine, other.join().unwrap()].into_iter().flatten().count();

            // Either sees both failures, or both see but one has won.
            assert_eq!(core.state(), State::Open);
            assert_eq!(told, 1);
        });
    }

    #[test]
    fn loom_a_late_result_does_not_touch_the_next_term() {
        loom::model(|| {
            let (core, tickets) = closed(1);
            let [one, two] = tickets;
            let outside = at(0, 1);
            core.exit(one, Outcome::Transient, &outside);
            let probe = core.enter(&at(5, 1)).unwrap().ticket;

            let other = thread::spawn({
                let core = Arc::clone(&core);
                move || core.exit(two, Outcome::Transient, &at(5, 1)).moved
            });
            core.exit(probe, Outcome::Success, &at(5, 1));

            assert_eq!(other.join().unwrap(), None);
            assert_eq!(core.state(), State::Closed);
        });
    }

    #[test]
    fn loom_a_result_that_comes_while_the_term_ends_opens_no_other() {
        bounded().check(|| {
            let (core, [failed, _]) = closed(1);

            let other = thread::spawn({
                let core = Arc::clone(&core);
                move || core.exit(failed, Outcome::Transient, &at(0, 1)).moved
            });
            core.force(State::Closed, &at(0, 1));
            other.join().unwrap();

            // Opened before it was set by hand, or not at all.
            assert_eq!(core.state(), State::Closed);
        });
    }

    #[test]
    fn loom_a_failure_that_comes_while_the_term_ends_is_in_no_other_row() {
        bounded().check(|| {
            let outside = || Still {
                now: Instant::default(),
                settings: Settings::new(&Params { consecutive_failures: 2, ..params(9) }),
            };
            let (core, [failed, _]) = closed(9);

            let other = thread::spawn({
                let core = Arc::clone(&core);
                move || core.exit(failed, Outcome::Transient, &outside()).moved
            });
            core.force(State::Closed, &outside());
            other.join().unwrap();
            let next = core.enter(&outside()).unwrap().ticket;
            core.exit(next, Outcome::Transient, &outside());

            // The first of its own row.
            assert_eq!(core.state(), State::Closed);
        });
    }

    #[test]
    fn loom_a_new_pause_is_not_ended_with_an_old_one() {
        loom::model(|| {
            let (core, tickets) = closed(1);
            let [one, two] = tickets;
            let second = Outcome::Overload { retry_after: Some(Duration::from_secs(1)) };
            core.exit(one, second, &at(0, 1));

            let other = thread::spawn({
                let core = Arc::clone(&core);
                move || core.exit(two, second, &at(2, 1)).paused
            });
            // The old pause is over.
            let _ = core.enter(&at(2, 1));

            assert!(other.join().unwrap().is_some());
            assert!(core.enter(&at(2, 1)).is_err());
            assert!(core.enter(&at(3, 1)).is_ok());
        });
    }

    /// To set a state by hand takes too many steps to go all ways through them on every change.
    fn bounded() -> loom::model::Builder {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = model.preemption_bound.or(Some(3));
        model
    }

    /// A breaker that is open until second 1.
    fn open() -> Arc<Core> {
        let (core, tickets) = closed(1);
        core.exit(tickets[0], Outcome::Transient, &at(0, 1));
        core
    }

    /// A closed breaker, and two calls in flight.
    fn closed(min_calls: u64) -> (Arc<Core>, [Ticket; 2]) {
        let outside = at(0, min_calls);
        let span = Span::Time { tick_nanos: 1_000_000_000 };
        let core = Core::new(Window::compact(span, outside.now), outside.now);
        let tickets = [(); 2].map(|()| core.enter(&outside).unwrap().ticket);
        (Arc::new(core), tickets)
    }
}
