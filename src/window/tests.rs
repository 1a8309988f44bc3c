//! Laws of the window.

use super::*;

const TICK: u64 = 1_000;

fn at(tick: u64) -> Instant {
    Instant::from_nanos(tick * TICK)
}

#[cfg(not(seawall_loom))]
mod sequential {
    use std::collections::VecDeque;
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn counts_the_newest_calls_like_a_list(
            len in 1_u32..100,
            calls in vec((any::<bool>(), any::<bool>(), 0_u8..100), 0..400),
        ) {
            let window = Window::new(Span::Calls { calls: len, tick_nanos: TICK }, at(0));
            let mut list = VecDeque::new();
            for (failed, slow, clears) in calls {
                if clears == 0 {
                    window.clear(at(0));
                    list.clear();
                }
                window.record(failed, slow, || at(0));
                list.push_back((failed, slow));
                if list.len() > len as usize {
                    list.pop_front();
                }
                let tally = window.tally(at(0)).unwrap();
                prop_assert_eq!(tally.calls, list.len() as u64);
                prop_assert_eq!(tally.failed, list.iter().filter(|call| call.0).count() as u64);
                prop_assert_eq!(tally.slow, list.iter().filter(|call| call.1).count() as u64);
            }
        }
    }

    #[test]
    fn a_tick_is_counted_until_it_is_ten_ticks_old() {
        for start in [0, 1, 5, 9, 11, 12, 1_000] {
            let window = time(start);
            window.record(true, true, || at(start));
            let seen = |tick| window.tally(at(tick)).unwrap();

            assert_eq!((seen(start + 9).calls, seen(start + 10).calls), (1, 0));
            assert_eq!((seen(start + 9).slow, seen(start + 10).slow), (1, 0));
            assert_eq!((seen(start + 2).recent_failed, seen(start + 3).recent_failed), (1, 0));
        }
    }

    #[test]
    fn is_due_once_for_each_tick() {
        let window = time(0);
        assert!(!window.record(false, false, || at(0)));

        assert!(window.record(false, false, || at(1)));
        assert!(!window.record(false, false, || at(1)));
        assert!(!window.advance(at(1)));
        assert!(window.advance(at(500)));
        // A reading that comes late turns nothing back.
        assert!(!window.record(false, false, || at(3)));
        assert_eq!(window.tally(at(500)).unwrap().calls, 1);
    }

    #[test]
    fn a_good_call_within_a_tick_is_counted_the_short_way() {
        let window = time(3);
        let last = Instant::from_nanos(4 * TICK - 1);
        assert!(window.record_plain(|| at(3)));
        assert!(window.record_plain(|| last));
        // The first call of a tick has more to do.
        assert!(!window.record_plain(|| at(4)));
        assert!(!window.record_plain(|| at(5)));

        assert_eq!(window.tally(last).unwrap().calls, 2);

        let full = Window::new(Span::Calls { calls: 2, tick_nanos: TICK }, at(0));
        assert!(!full.record_plain(|| at(0)), "the window is not full");
        for _ in 0..2 {
            full.record(false, false, || at(0));
        }
        assert!(full.record_plain(|| at(0)));
        assert!(!full.record_plain(|| at(1)));
        full.record(true, false, || at(0));
        assert!(!full.record_plain(|| at(0)), "a bad call is to be replaced");
    }

    #[test]
    fn begun_anew_it_follows_a_clock_that_is_behind_the_old_one() {
        let window = time(100);
        window.record(true, true, || at(100));

        window.restart(at(7));

        assert_eq!(window.tally(at(7)), Some(Tally::default()));
        assert!(window.record_plain(|| at(7)));
        assert!(!window.record_plain(|| at(8)));
        assert!(window.record(true, false, || at(8)));
        assert_eq!(window.tally(at(8)).unwrap().failed, 1);
    }

    #[test]
    fn cleared_it_stays_in_the_newest_tick() {
        let window = time(100);

        window.clear(at(7));

        assert!(window.record_plain(|| at(99)));
        assert!(!window.record_plain(|| at(101)));
    }

    #[test]
    fn who_clears_keeps_others_from_turning() {
        let window = time(5);

        assert_eq!(window.lock_turning(), 5 << 1);

        assert!(!window.advance(at(6)));
        assert_eq!(window.tally(at(5)), None);
        window.publish(5);
        assert!(window.advance(at(6)));
    }

    #[test]
    fn counts_carry_into_no_neighbour() {
        // More good calls than half a word holds, as a program of weeks makes.
        let window = time(0);
        let own = window.shards.own();
        own.add(|shard| &shard.ended, u64::from(u32::MAX) - 1, Ordering::Relaxed);
        window.advance(at(100));
        for _ in 0..10 {
            window.record(false, false, || at(100));
        }
        window.record(true, false, || at(100));

        let tally = window.tally(at(100)).unwrap();

        assert_eq!((tally.calls, tally.failed), (11, 1));
    }

    #[test]
    fn time_that_goes_on_for_centuries_ends_nothing() {
        let window = time(0);
        for now in [u64::MAX / 2, u64::MAX - 1, u64::MAX, u64::MAX] {
            window.record(true, false, || Instant::from_nanos(now));
            assert!(window.tally(Instant::from_nanos(now)).unwrap().failed >= 1);
        }
    }

    #[test]
    fn calls_that_run_are_counted_from_when_they_are_surely_old_enough() {
        let window = time(0);
        window.start(at(0));
        let old = |tick| window.running_for(2 * TICK, at(tick));

        assert_eq!((old(2), old(3), old(10_000)), (0, 1, 1));
        window.finish(at(0));
        assert_eq!((old(3), old(10_000)), (0, 0));
    }

    #[test]
    fn a_call_that_ends_when_its_place_has_just_been_given_away_is_counted_out() {
        let window = time(0);
        window.start(at(0));
        window.advance(at(RING as u64));
        window.finish(at(0));

        assert_eq!(window.running_for(TICK, at(RING as u64)), 0);
    }

    #[test]
    fn calls_that_run_for_many_windows_are_counted_until_they_end() {
        let window = time(0);
        for tick in 0..100 {
            window.advance(at(tick));
            window.start(at(tick));
            window.start(at(tick));
            window.finish(at(tick));
        }
        assert_eq!(window.running_for(TICK, at(200)), 100);

        for tick in 0..100 {
            window.finish(at(tick));
        }

        assert_eq!(window.running_for(TICK, at(200)), 0);
        assert_eq!(window.running_for(TICK, at(1_000)), 0);
    }

    #[test]
    fn nothing_is_lost_while_threads_and_ticks_race() {
        const EACH: u64 = 50_000;
        for span in
            [Span::Time { tick_nanos: TICK }, Span::Calls { calls: 60_000, tick_nanos: TICK }]
        {
            let window = Window::new(span, at(0));
            let done = AtomicBool::new(false);
            thread::scope(|scope| {
                let writers: Vec<_> = (0..4_u64)
                    .map(|number| {
                        let window = &window;
                        scope.spawn(move || {
                            for n in 0..EACH {
                                let now = at(n * 8 / EACH);
                                window.start(now);
                                window.record(n % 10 == number, n % 10 == 5, || now);
                                window.finish(now);
                            }
                        })
                    })
                    .collect();
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        let tally = window.tally(at(0)).unwrap_or_default();
                        // A sum that is older than what it is taken from would be billions.
                        assert!(tally.calls <= 4 * EACH && tally.failed <= tally.calls);
                        assert!(tally.recent_calls <= tally.calls);
                    }
                });
                for writer in writers {
                    writer.join().unwrap();
                }
                done.store(true, Ordering::Relaxed);
            });

            let tally = window.tally(at(7)).unwrap();
            let expected = match span {
                Span::Time { .. } => (4 * EACH, 4 * EACH / 10, 4 * EACH / 10),
                Span::Calls { calls, .. } => {
                    // Which calls were last is chance; that the totals are those of the ring's
                    // bits is not.
                    window.clear(at(7));
                    let empty = window.tally(at(7)).unwrap();
                    assert_eq!((empty.calls, empty.failed, empty.slow), (0, 0, 0));
                    (u64::from(calls), tally.failed, tally.slow)
                }
            };
            assert_eq!((tally.calls, tally.failed, tally.slow), expected);
            assert_eq!(window.running_for(TICK, at(100)), 0);
        }
    }

    fn time(now: u64) -> Window {
        Window::new(Span::Time { tick_nanos: TICK }, at(now))
    }
}

#[cfg(seawall_loom)]
mod concurrent {
    use loom::thread;

    use super::*;
    use crate::sync::Arc;

    /// Few enough steps for all orders of them.
    fn model(f: impl Fn() + Sync + Send + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = builder.preemption_bound.or(Some(3));
        builder.check(f);
    }

    #[test]
    fn loom_a_reader_never_sees_a_sum_that_is_older_than_what_it_is_taken_from() {
        model(|| {
            let window = Arc::new(Window::new(Span::Time { tick_nanos: TICK }, at(0)));
            let other = thread::spawn({
                let window = Arc::clone(&window);
                move || {
                    window.record(true, false, || at(0));
                    // Notes the sum where a reader who is late looks for an older one.
                    window.record(true, false, || at(20));
                }
            });

            if let Some(tally) = window.tally(at(0)) {
                assert!(tally.calls <= 2 && tally.failed <= 2, "{tally:?}");
            }
            other.join().unwrap();

            assert_eq!(window.tally(at(20)).unwrap().failed, 1);
        });
    }

    /// Fails when the tick is not looked at again: what the reader takes away was noted meanwhile.
    #[test]
    fn loom_a_turn_hides_no_call_from_a_reader() {
        model(|| {
            let window = Arc::new(Window::new(Span::Time { tick_nanos: TICK }, at(0)));
            window.record(true, false, || at(0));
            let other = thread::spawn({
                let window = Arc::clone(&window);
                move || window.record(false, false, || at(9))
            });

            if let Some(tally) = window.tally(at(0)) {
                assert_eq!(tally.failed, 1);
            }
            other.join().unwrap();
        });
    }

    #[test]
    fn loom_one_thread_turns() {
        model(|| {
            let window = Arc::new(Window::compact(Span::Time { tick_nanos: TICK }, at(0)));
            let other = thread::spawn({
                let window = Arc::clone(&window);
                move || window.record(false, false, || at(1))
            });
            let mine = window.record(false, false, || at(1));

            assert!(mine ^ other.join().unwrap());
            assert_eq!(window.tally(at(1)).unwrap().calls, 2);
        });
    }

    #[test]
    fn loom_a_call_that_ends_while_its_tick_is_recycled_is_counted_out_once() {
        model(|| {
            let window = Arc::new(Window::compact(Span::Time { tick_nanos: TICK }, at(0)));
            window.start(at(0));
            let other = thread::spawn({
                let window = Arc::clone(&window);
                move || {
                    window.advance(at(12));
                }
            });
            window.finish(at(0));
            other.join().unwrap();

            window.advance(at(24));
            assert_eq!(window.running_for(TICK, at(40)), 0);
        });
    }

    #[test]
    fn loom_a_ring_of_calls_agrees_with_its_totals() {
        model(|| {
            let window = Window::compact(Span::Calls { calls: 1, tick_nanos: TICK }, at(0));
            let window = Arc::new(window);
            let other = thread::spawn({
                let window = Arc::clone(&window);
                move || {
                    window.record(true, false, || at(0));
                }
            });
            window.record(false, true, || at(0));
            other.join().unwrap();

            let tally = window.tally(at(0)).unwrap();
            assert_eq!(tally.calls, 1);
            window.record(false, false, || at(0));
            let tally = window.tally(at(0)).unwrap();
            assert_eq!((tally.failed, tally.slow), (0, 0));
        });
    }
}
