//! The core with the line of those who wait: whose turn it is, and who wakes him.
//!
//! Whoever gives a place back while someone waits (the word says so) comes here, takes the lock,
//! and calls the first of the line for every place that is free. Whoever joins the line does so
//! under the same lock, and the same swap that counts him as waiting sees that no place is free or
//! others wait. So either he finds the place, or whoever gives it back finds him; no wake-up is
//! lost. One that is called and gives up passes his place on.

use std::task::Waker;

use super::core::{Core, Full, Joined};
use crate::queue::line::{Line, Place};
use crate::sync::Mutex;

/// A room for so many calls, with a line in front of it.
#[derive(Debug)]
pub(super) struct Room {
    core: Core,
    line: Mutex<Line>,
}

impl Room {
    pub(super) fn new(max_calls: u32) -> Self {
        Self { core: Core::new(max_calls), line: Mutex::new(Line::new()) }
    }

    /// Goes in, if there is room and nobody waits for it.
    #[inline]
    pub(super) fn enter(&self) -> Result<(), Full> {
        self.core.enter()
    }

    /// Goes out, and calls the first in line.
    #[inline]
    pub(super) fn exit(&self) {
        if self.core.exit() {
            self.call();
        }
    }

    /// Goes in (`None`), or joins the line if it is not too long.
    pub(super) fn join(&self, max_waiting: u32, waker: &Waker) -> Result<Option<Place>, Full> {
        // Cloned outside of the lock: its code is not ours.
        let waker = waker.clone();
        let mut line = self.line.lock();
        match self.core.join(max_waiting) {
            Joined::Entered => Ok(None),
            Joined::Waiting => Ok(Some(line.join(waker))),
            Joined::Full => Err(Full),
        }
    }

    /// Whether the turn of `place` has come: then its owner is in, and the place is given back.
    /// Otherwise `waker` is woken when it does.
    pub(super) fn has_come(&self, place: Place, waker: &Waker) -> bool {
        let mut line = self.line.lock();
        if line.collect(place) {
            return true;
        }
        let old = line.rewake(place, waker);
        drop(line);
        drop(old);
        false
    }

    /// Leaves the line. Returns whether the turn had come after all: then its owner is in.
    #[must_use]
    pub(super) fn leave(&self, place: Place) -> bool {
        let mut line = self.line.lock();
        let left = line.leave(place);
        if !left.was_called {
            self.core.leave();
        }
        drop(line);
        drop(left.waker);
        left.was_called
    }

    /// Sets how many may be in.
    pub(super) fn set_max_calls(&self, max_calls: u32) {
        self.core.set_max_calls(max_calls);
        self.call();
    }

    pub(super) fn max_calls(&self) -> u32 {
        self.core.max_calls()
    }

    pub(super) fn running(&self) -> u32 {
        self.core.running()
    }

    pub(super) fn waiting(&self) -> u32 {
        self.core.waiting()
    }

    /// Calls the first in line for every free place.
    #[cold]
    fn call(&self) {
        loop {
            let mut line = self.line.lock();
            if !self.core.promote() {
                return;
            }
            let waker = line.call_first();
            // Woken outside of the lock: an executor may poll at once.
            drop(line);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, OnceLock};
    use std::task::Wake;

    use super::*;

    #[test]
    fn a_raised_limit_calls_all_for_whom_there_is_room() {
        let room = Room::new(1);
        room.enter().unwrap();
        let places: Vec<_> =
            (0..3).map(|_| room.join(3, Waker::noop()).unwrap().unwrap()).collect();

        room.set_max_calls(3);

        let called: Vec<_> =
            places.iter().map(|place| room.has_come(*place, Waker::noop())).collect();
        assert_eq!(called, [true, true, false]);
        assert_eq!((room.running(), room.waiting()), (3, 1));
    }

    /// An executor may poll the call that it wakes at once, on the same thread.
    #[test]
    fn who_is_woken_may_come_back_at_once() {
        struct Back {
            room: Room,
            place: OnceLock<Place>,
            has_come: AtomicBool,
        }
        impl Wake for Back {
            fn wake(self: Arc<Self>) {
                let has_come = self.room.has_come(*self.place.get().unwrap(), Waker::noop());
                self.has_come.store(has_come, Ordering::Relaxed);
            }
        }
        let (place, has_come) = (OnceLock::new(), AtomicBool::new(false));
        let back = Arc::new(Back { room: Room::new(1), place, has_come });
        back.room.enter().unwrap();
        let place = back.room.join(1, &Waker::from(Arc::clone(&back))).unwrap();
        back.place.set(place.unwrap()).unwrap();

        back.room.exit();

        assert!(back.has_come.load(Ordering::Relaxed));
    }

    /// Every way to leave, as often as the fault it looks for was once reported to need: a waiter
    /// that gives up at the very moment that it is handed a place.
    #[test]
    fn a_million_waiters_that_give_up_lose_no_place() {
        const CALLS: u32 = 3;
        let room = Room::new(CALLS);
        let mut inside = 0_u32;
        let mut waiting = Vec::new();
        let mut chance = 0x9E37_79B9_7F4A_7C15_u64;
        let mut given_up_when_called = 0;
        for _ in 0..1_000_000 {
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            let nth = usize::try_from(chance >> 32).unwrap();
            match chance % 4 {
                0 if inside > 0 => {
                    room.exit();
                    inside -= 1;
                }
                1 if !waiting.is_empty() => {
                    let place = waiting.swap_remove(nth % waiting.len());
                    if room.leave(place) {
                        given_up_when_called += 1;
                        room.exit();
                    }
                }
                2 if !waiting.is_empty() => {
                    let nth = nth % waiting.len();
                    if room.has_come(waiting[nth], Waker::noop()) {
                        waiting.swap_remove(nth);
                        inside += 1;
                    }
                }
                _ => match room.join(8, Waker::noop()) {
                    Ok(None) => inside += 1,
                    Ok(Some(place)) => waiting.push(place),
                    Err(Full) => {}
                },
            }
            assert!(inside <= CALLS && room.running() <= CALLS);
            assert!(room.waiting() == 0 || room.running() == CALLS, "a free place beside a line");
        }
        for place in waiting {
            inside += u32::from(room.leave(place));
        }
        for _ in 0..inside {
            room.exit();
        }

        assert_eq!((room.running(), room.waiting()), (0, 0));
        assert!(
            given_up_when_called > 10_000,
            "the test must meet the case: {given_up_when_called}"
        );
    }
}

#[cfg(test)]
#[cfg(seawall_loom)]
mod loom_tests {
    use std::task::Wake;

    use loom::thread;

    use super::*;
    use crate::sync::{Arc, AtomicU32, Ordering};

    #[test]
    fn loom_no_wake_up_is_lost() {
        loom::model(|| {
            let room = Arc::new(Room::new(1));
            room.enter().unwrap();
            let other = thread::spawn({
                let room = Arc::clone(&room);
                move || room.exit()
            });
            let woken = Woken::default();
            let place = room.join(1, &woken.waker()).unwrap();
            other.join().unwrap();

            // The place is taken, or it was handed over and its new owner was told.
            if let Some(place) = place {
                assert_eq!(woken.count(), 1);
                assert!(room.has_come(place, &woken.waker()));
            }
            assert_eq!((room.running(), room.waiting()), (1, 0));
        });
    }

    #[test]
    fn loom_who_gives_up_passes_his_turn_on() {
        loom::model(|| {
            let room = Arc::new(Room::new(1));
            room.enter().unwrap();
            let first = room.join(2, Waker::noop()).unwrap().unwrap();
            let woken = Woken::default();
            let second = room.join(2, &woken.waker()).unwrap().unwrap();
            let other = thread::spawn({
                let room = Arc::clone(&room);
                move || room.exit()
            });
            if room.leave(first) {
                room.exit();
            }
            other.join().unwrap();

            assert_eq!(woken.count(), 1);
            assert!(room.has_come(second, Waker::noop()));
            assert_eq!((room.running(), room.waiting()), (1, 0));
        });
    }

    #[test]
    fn loom_a_raised_limit_is_seen_by_who_joins() {
        loom::model(|| {
            let room = Arc::new(Room::new(1));
            room.enter().unwrap();
            let other = thread::spawn({
                let room = Arc::clone(&room);
                move || room.set_max_calls(2)
            });
            let woken = Woken::default();
            let place = room.join(1, &woken.waker()).unwrap();
            other.join().unwrap();

            assert!(place.is_none_or(|place| room.has_come(place, Waker::noop())));
            assert_eq!((room.running(), room.waiting()), (2, 0));
        });
    }

    #[test]
    fn loom_who_waits_is_not_overtaken() {
        loom::model(|| {
            let room = Arc::new(Room::new(1));
            room.enter().unwrap();
            let place = room.join(1, Waker::noop()).unwrap().unwrap();
            let other = thread::spawn({
                let room = Arc::clone(&room);
                move || room.enter().is_ok()
            });
            room.exit();

            assert!(!other.join().unwrap());
            assert!(room.has_come(place, Waker::noop()));
        });
    }

    /// A waker that counts. The flag is loom's, its count of references is not.
    #[derive(Clone, Default)]
    struct Woken(std::sync::Arc<Flag>);

    struct Flag(AtomicU32);

    impl Default for Flag {
        fn default() -> Self {
            Self(AtomicU32::new(0))
        }
    }

    impl Woken {
        fn waker(&self) -> Waker {
            std::sync::Arc::clone(&self.0).into()
        }

        fn count(&self) -> u32 {
            self.0.0.load(Ordering::Relaxed)
        }
    }

    impl Wake for Flag {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}
