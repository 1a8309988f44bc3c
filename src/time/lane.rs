//! Timeouts of one length, which expire in the order in which they were armed.

use std::fmt;
use std::task::Waker;
use std::time::Duration;

use super::driver::{DRIVER, Driver};
use super::fifo::{Fifo, Key};
use super::instant::{Instant, nanos};
use super::queue::Expired;
use super::system;
use crate::sync::{Mutex, PerThread};

/// A length of time that many timers wait for.
///
/// To be looked up when a policy is built or its setting changes, and kept: that takes a lock. All
/// lanes of one length are the same one. The first 256 lengths of a process have a queue for each
/// thread, in which a timer is armed and disarmed in O(1), without contention. They stay for ever.
/// Further ones share a slower queue.
#[derive(Clone, Copy)]
pub(crate) struct Lane {
    /// In one word, so that it is cheap to hold and to compare.
    nanos: u64,
    shards: Option<&'static Shards>,
}

/// The queues of a lane.
pub(super) struct Shards {
    period: Duration,
    fifos: PerThread<Mutex<Fifo>>,
    driver: &'static Driver,
}

/// Where a timer is in a lane.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Which thread's queue: timers move between threads.
    fifo: u16,
    key: Key,
}

impl Lane {
    /// The lane of `period`.
    pub(crate) fn of(period: Duration) -> Self {
        Self { nanos: nanos(period), shards: DRIVER.lane(period) }
    }

    /// A lane for one timer, which need not be looked up.
    pub(crate) const fn once(nanos: u64) -> Self {
        Self { nanos, shards: None }
    }

    /// How long a timer in this lane waits.
    pub(crate) const fn period(self) -> Duration {
        Duration::from_nanos(self.nanos)
    }

    /// The same in nanoseconds.
    #[inline]
    pub(crate) const fn nanos(self) -> u64 {
        self.nanos
    }

    pub(super) fn shards(self) -> Option<&'static Shards> {
        self.shards
    }
}

impl PartialEq for Lane {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Lane {}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lane").field(&self.period()).finish()
    }
}

impl Shards {
    pub(super) fn new(period: Duration, driver: &'static Driver) -> Self {
        Self { period, fifos: PerThread::new(|| Mutex::new(Fifo::new())), driver }
    }

    pub(super) fn period(&self) -> Duration {
        self.period
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

    /// Moves the wakers of all that is due into `due`. Returns the first deadline left.
    pub(super) fn expire(&self, now: Instant, due: &mut Vec<Waker>) -> Option<Instant> {
        self.fifos.iter().filter_map(|queue| queue.lock().expire(now, due)).min()
    }

    /// When a timer that is armed now is due: never before `period` has passed.
    fn deadline(&self) -> Instant {
        if self.period < LONG {
            return system::now() + self.period;
        }
        // The coarse clock is behind by up to a tick.
        system::coarse() + system::tick() + self.period
    }
}

/// From here on a tick more does not matter.
const LONG: Duration = Duration::from_millis(256);

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use super::*;

    #[test]
    fn a_lane_has_queues_of_its_own_and_a_single_timer_has_none() {
        let period = Duration::from_secs(7);

        assert_eq!(Lane::of(period).shards().unwrap().period(), period);
        assert!(Lane::once(nanos(period)).shards().is_none());
    }

    #[test]
    fn lanes_are_equal_when_they_are_equally_long() {
        let (short, long) = (Duration::from_secs(7), Duration::from_secs(8));

        assert_eq!(Lane::of(short), Lane::of(short));
        assert_eq!(Lane::of(short), Lane::once(nanos(short)));
        assert_ne!(Lane::of(short), Lane::of(long));
    }

    #[test]
    fn short_timeouts_are_exact_and_long_ones_take_the_cheap_clock() {
        let just_short = LONG.saturating_sub(Duration::from_nanos(1));
        let between = |period, now: fn() -> Instant| {
            let shards = Lane::of(period).shards().unwrap();
            // Often, for the two clocks may show the same once.
            (0..100).all(|_| {
                let (from, deadline, to) = (now(), shards.deadline(), now());
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
}
