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
    let nanos = |seconds: u64| seconds * 1_000_000_000;
    Still {
        now: Instant::from_nanos(nanos(second)),
        settings: Settings::new(&Params {
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
        }),
    }
}

#[cfg(not(seawall_loom))]
mod sequential {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::model::check;
    use super::*;
    use crate::circuit_breaker::State;
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
