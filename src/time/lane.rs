//! Timeouts of one length, which expire in the order in which they were armed.

use std::sync::OnceLock;
use std::task::Waker;
use std::time::Duration;

use super::driver::Driver;
use super::fifo::{Fifo, Key};
use super::instant::Instant;
use super::queue::Expired;
use super::system;
use crate::rng::mix;
use crate::sync::{Mutex, PerThread};

/// The timers that wait for one length of time, in a queue for each thread.
///
/// One is armed and disarmed in O(1), without contention.
pub(super) struct Lane {
    /// In one word, so that it is cheap to compare.
    nanos: u64,
    fifos: PerThread<Mutex<Fifo>>,
    driver: &'static Driver,
}

/// The lanes of a driver, one for each length. The first 256 lengths have one, and keep it for ever.
pub(super) struct Lanes {
    /// By their length: each stands where [`place`] says, or in the next place that was free. They
    /// fill half of it, so a search ends soon, and at the latest where none is.
    table: Box<[OnceLock<&'static Lane>; 1 << TABLE_BITS]>,
    /// In the order in which they were added.
    list: Mutex<Vec<&'static Lane>>,
    /// Set when no further length gets a lane.
    full: OnceLock<()>,
}

/// Where a timer is in a lane.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Which thread's queue: timers move between threads.
    fifo: u16,
    key: Key,
}

impl Lanes {
    pub(super) fn new() -> Self {
        let table = Box::new([const { OnceLock::new() }; 1 << TABLE_BITS]);
        Self { table, list: Mutex::default(), full: OnceLock::new() }
    }

    /// The lane of so many nanoseconds, which is added if need be; none if there are too many others.
    /// Takes a lock only to add one.
    #[inline]
    pub(super) fn of(&self, nanos: u64, driver: &'static Driver) -> Option<&'static Lane> {
        match self.find(nanos) {
            Ok(lane) => Some(lane),
            Err(_) if self.full.get().is_some() => None,
            Err(_) => self.add(nanos, driver),
        }
    }

    #[cfg(test)]
    pub(super) fn has(&self, nanos: u64) -> bool {
        self.find(nanos).is_ok()
    }

    /// Moves the wakers of all that is due into `due`. Returns the first deadline left.
    pub(super) fn expire(&self, now: Instant, due: &mut Vec<Waker>) -> Option<Instant> {
        self.list.lock().iter().filter_map(|lane| lane.expire(now, due)).min()
    }

    /// The lane of so many nanoseconds, or the place for it.
    #[inline]
    fn find(&self, nanos: u64) -> Result<&'static Lane, &OnceLock<&'static Lane>> {
        let mut at = place(nanos);
        loop {
            let slot = &self.table[at % self.table.len()];
            match slot.get() {
                Some(lane) if lane.nanos == nanos => return Ok(lane),
                Some(_) => at += 1,
                None => return Err(slot),
            }
        }
    }

    #[cold]
    fn add(&self, nanos: u64, driver: &'static Driver) -> Option<&'static Lane> {
        let mut list = self.list.lock();
        let free = match self.find(nanos) {
            // Another thread was faster.
            Ok(lane) => return Some(lane),
            Err(free) => free,
        };
        if list.len() == LANES {
            self.full.get_or_init(|| ());
            return None;
        }
        let lane = *free.get_or_init(|| Box::leak(Box::new(Lane::new(nanos, driver))));
        list.push(lane);
        Some(lane)
    }
}

/// Where in the table the search for a length begins. Lengths are multiples of round numbers, whose
/// bits must all be stirred.
#[inline]
fn place(nanos: u64) -> usize {
    (mix(nanos) % (1 << TABLE_BITS)) as usize
}

/// The most lanes. Each takes a queue per thread.
const LANES: usize = 256;

/// The table is twice as long.
const TABLE_BITS: u32 = LANES.ilog2() + 1;

impl Lane {
    fn new(nanos: u64, driver: &'static Driver) -> Self {
        Self { nanos, fifos: PerThread::new(|| Mutex::new(Fifo::new())), driver }
    }

    /// Adds a timer, and says when it will be due; none if it is to be armed in another way.
    pub(super) fn arm(&self, waker: Waker) -> Option<(Instant, Place)> {
        let thread = self.driver.thread()?;
        let index = self.fifos.own_index();
        let fifo = u16::try_from(index).ok()?;
        let mut queue = self.fifos.get(index).lock();
        // Under the lock, so that deadlines come in the order of the entries.
        let deadline = self.deadline();
        let key = queue.push(deadline, waker);
        drop(queue);
        // Only for the first of a queue this can be earlier than what the driver waits for, but
        // to ask costs one load.
        self.driver.hurry(deadline, thread);
        Some((deadline, Place { fifo, key: key? }))
    }

    pub(super) fn replace(&self, place: Place, waker: Waker) -> Result<(), Expired> {
        // The old waker, if any, is dropped when the lock is free.
        let old = self.fifos.get(place.fifo.into()).lock().replace(place.key, waker);
        old.map(drop)
    }

    pub(super) fn cancel(&self, place: Place) {
        let waker = self.fifos.get(place.fifo.into()).lock().remove(place.key);
        drop(waker);
    }

    fn expire(&self, now: Instant, due: &mut Vec<Waker>) -> Option<Instant> {
        self.fifos.iter().filter_map(|queue| queue.lock().expire(now, due)).min()
    }

    /// When a timer that is armed now is due: never before `period` has passed.
    fn deadline(&self) -> Instant {
        let period = Duration::from_nanos(self.nanos);
        if period < LONG {
            return system::now() + period;
        }
        // The coarse clock is behind by up to a tick.
        system::coarse() + system::tick() + period
    }
}

/// From here on a tick more does not matter.
const LONG: Duration = Duration::from_millis(256);

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use std::sync::{Barrier, LazyLock};
    use std::thread;

    use super::*;
    use crate::time::nanos;

    #[test]
    fn lanes_of_one_length_are_the_same_and_their_number_is_bounded() {
        let (lanes, driver) = (Lanes::new(), driver());
        let of = |nanos| lanes.of(nanos, driver);
        let first = of(1).unwrap();

        let others: Vec<_> = (2..=LANES as u64).map(|n| of(n).unwrap()).collect();

        assert!(std::ptr::eq(first, of(1).unwrap()));
        assert!(
            (2..)
                .zip(others)
                .all(|(n, lane)| { lane.nanos == n && std::ptr::eq(lane, of(n).unwrap()) })
        );
        for n in 100_000..101_000 {
            assert!(of(n).is_none());
        }
        assert!(std::ptr::eq(first, of(1).unwrap()));
        assert_eq!(lanes.list.lock().len(), LANES);
    }

    #[test]
    fn a_lane_is_found_whatever_its_length() {
        let (lanes, driver) = (Lanes::new(), driver());

        for nanos in (0..64).map(|bit| 1 << bit).chain([0, u64::MAX]) {
            let lane = lanes.of(nanos, driver).unwrap();
            assert_eq!(lane.nanos, nanos);
            assert!(std::ptr::eq(lane, lanes.of(nanos, driver).unwrap()));
        }
    }

    #[test]
    fn a_search_is_short_and_takes_no_lock() {
        for unit in [1_000_000, 1_000_000_000, 60_000_000_000] {
            let (lanes, driver) = (Lanes::new(), driver());
            for nanos in (1..=LANES as u64).map(|n| n * unit) {
                lanes.of(nanos, driver).unwrap();
            }
            assert!(lanes.of(1, driver).is_none());

            // Who takes this lock again waits for ever.
            let _held = lanes.list.lock();
            assert!(lanes.of(1, driver).is_none());
            let steps = (1..=LANES as u64).map(|n| {
                let lane = lanes.of(n * unit, driver).unwrap();
                let is_here =
                    |it: &OnceLock<&Lane>| it.get().is_some_and(|it| it.nanos == lane.nanos);
                let here = lanes.table.iter().position(is_here).unwrap();
                (here + lanes.table.len() - place(n * unit)) % lanes.table.len()
            });
            assert!(steps.max().unwrap() < 16);
        }
    }

    #[test]
    fn threads_that_look_for_a_new_length_at_once_get_the_same_lane() {
        let (lanes, driver) = (Lanes::new(), driver());
        for n in 1..=LANES as u64 {
            let start = Barrier::new(3);
            let look = || {
                start.wait();
                lanes.of(n, driver).unwrap()
            };
            let found = thread::scope(|scope| {
                [(); 3].map(|()| scope.spawn(look)).map(|it| it.join().unwrap())
            });

            assert!(found.iter().all(|lane| std::ptr::eq(*lane, found[0])));
        }
        assert_eq!(lanes.list.lock().len(), LANES);
    }

    #[test]
    fn short_timeouts_are_exact_and_long_ones_take_the_cheap_clock() {
        let just_short = LONG.saturating_sub(Duration::from_nanos(1));
        let between = |period, now: fn() -> Instant| {
            let lane = Lane::new(nanos(period), driver());
            // Often, for the two clocks may show the same once.
            (0..100).all(|_| {
                let (from, deadline, to) = (now(), lane.deadline(), now());
                (from + period..=to + period).contains(&deadline)
            })
        };

        for period in [Duration::from_millis(1), just_short] {
            assert!(between(period, system::now), "{period:?}");
        }
        for period in [LONG, Duration::from_secs(60)] {
            assert!(between(period, || system::coarse() + system::tick()), "{period:?}");
        }
    }
    /// A driver whose thread does not run.
    fn driver() -> &'static Driver {
        static IDLE: LazyLock<Driver> = LazyLock::new(Driver::new);
        &IDLE
    }
}
