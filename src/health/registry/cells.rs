//! The verdicts of groups, as probes read them: no lock, no allocation.

use std::array;
use std::sync::OnceLock;
use std::time::Duration;

use super::forecast::Forecast;
use crate::health::{Group, Verdict};
use crate::sync::{AtomicU64, Ordering};
use crate::time::{Clock, Instant, nanos};

/// The groups of a registry. They are only ever added.
pub(super) struct Cells {
    cells: [OnceLock<Cell>; MAX_GROUPS],
}

/// What is foretold of one group.
///
/// Writers come one at a time, under the registry's lock. Whether the group is up hangs on one
/// word alone, so no reader sees a state that never was; one that reads between the two stores may
/// see it degraded on its way from healthy to down or back.
struct Cell {
    group: Group,
    degraded_from: AtomicU64,
    down_from: AtomicU64,
}

impl Cells {
    pub(super) fn new() -> Self {
        let cells = Self { cells: array::from_fn(|_| OnceLock::new()) };
        for group in [Group::STARTUP, Group::LIVENESS, Group::READINESS, Group::REGION] {
            let _index = cells.add(group);
        }
        cells
    }

    /// The number of `group`, if there is one of that name.
    #[inline]
    pub(super) fn index(&self, group: Group) -> Option<usize> {
        self.iter().position(|known| known == group)
    }

    /// The number of `group`, from now on; none if there is no room. To be called under the lock.
    pub(super) fn add(&self, group: Group) -> Option<usize> {
        if let Some(index) = self.index(group) {
            return Some(index);
        }
        let index = self.iter().count();
        let cell = self.cells.get(index)?;
        cell.get_or_init(|| Cell::new(group, Forecast::HEALTHY));
        Some(index)
    }

    /// All groups, by their numbers.
    #[inline]
    pub(super) fn iter(&self) -> impl Iterator<Item = Group> {
        self.cells.iter().map_while(OnceLock::get).map(|cell| cell.group)
    }

    #[inline]
    pub(super) fn read(&self, index: usize) -> Forecast {
        self.cells.get(index).and_then(OnceLock::get).map_or(Forecast::HEALTHY, Cell::read)
    }

    /// To be called under the lock.
    pub(super) fn write(&self, index: usize, forecast: Forecast) {
        if let Some(cell) = self.cells.get(index).and_then(OnceLock::get) {
            cell.write(forecast);
        }
    }
}

impl Cell {
    fn new(group: Group, forecast: Forecast) -> Self {
        Self {
            group,
            degraded_from: AtomicU64::new(forecast.degraded_from.as_nanos()),
            down_from: AtomicU64::new(forecast.down_from.as_nanos()),
        }
    }

    #[inline]
    fn read(&self) -> Forecast {
        // Relaxed: each is all that it says, and nothing is published with it.
        Forecast {
            degraded_from: Instant::from_nanos(self.degraded_from.load(Ordering::Relaxed)),
            down_from: Instant::from_nanos(self.down_from.load(Ordering::Relaxed)),
        }
    }

    fn write(&self, forecast: Forecast) {
        // Relaxed: see the loads.
        self.degraded_from.store(forecast.degraded_from.as_nanos(), Ordering::Relaxed);
        self.down_from.store(forecast.down_from.as_nanos(), Ordering::Relaxed);
    }
}

/// The last signs of life.
pub(in crate::health) struct Hearts {
    hearts: [Heart; MAX_HEARTS],
    limit: AtomicU64,
}

#[derive(Default)]
struct Heart {
    /// The nanoseconds of the last beat plus one, or 0 while nobody beats.
    last: AtomicU64,
    beats: AtomicU64,
}

impl Hearts {
    pub(super) fn new() -> Self {
        Self {
            hearts: array::from_fn(|_| Heart::default()),
            limit: AtomicU64::new(nanos(DEFAULT_LIMIT)),
        }
    }

    pub(super) fn limit(&self) -> Duration {
        // Relaxed: it publishes nothing.
        Duration::from_nanos(self.limit.load(Ordering::Relaxed))
    }

    pub(super) fn set_limit(&self, limit: Duration) {
        // Relaxed: see the load.
        self.limit.store(nanos(limit), Ordering::Relaxed);
    }

    pub(in crate::health) fn beat(&self, index: usize, now: Instant) {
        if let Some(heart) = self.hearts.get(index) {
            // Relaxed: it says only when it was. A maximum, for who beats may be slow between
            // reading the clock and telling it.
            heart.last.fetch_max(now.as_nanos().saturating_add(1), Ordering::Relaxed);
            heart.beats.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(in crate::health) fn end(&self, index: usize) {
        if let Some(heart) = self.hearts.get(index) {
            // Relaxed: as in `beat`.
            heart.last.store(0, Ordering::Relaxed);
            heart.beats.store(0, Ordering::Relaxed);
        }
    }

    /// When it beat last, and how often it has; none while nobody beats.
    pub(super) fn last(&self, index: usize) -> Option<(Instant, u64)> {
        let heart = self.hearts.get(index)?;
        // Relaxed: as in `beat`.
        let last = heart.last.load(Ordering::Relaxed).checked_sub(1)?;
        Some((Instant::from_nanos(last), heart.beats.load(Ordering::Relaxed)))
    }

    /// Down if any is late.
    #[inline]
    pub(super) fn verdict(&self, clock: &Clock) -> Verdict {
        let limit = self.limit();
        let is_late =
            |index| self.last(index).is_some_and(|(last, _)| clock.has_passed(last + limit));
        if (0..MAX_HEARTS).any(is_late) { Verdict::Down } else { Verdict::Healthy }
    }
}

pub(super) const STARTUP: usize = 0;
pub(super) const LIVENESS: usize = 1;
pub(super) const READINESS: usize = 2;
pub(super) const REGION: usize = 3;
pub(super) const MAX_GROUPS: usize = 64;
pub(super) const MAX_HEARTS: usize = 16;
/// The heart of what runs the checks.
pub(in crate::health) const HEART_OF_START: usize = 0;
const DEFAULT_LIMIT: Duration = Duration::from_secs(10);

#[cfg(test)]
#[cfg(seawall_loom)]
mod loom_tests {
    use std::sync::Arc;

    use loom::thread;

    use super::*;

    /// What a reader sees lies between what was written before and after, and whether it is up is
    /// never made up.
    #[test]
    fn loom_a_reader_sees_nothing_worse_or_better_than_what_was_written() {
        let far = Instant::FAR_FUTURE;
        let start = Instant::default();
        let down = Forecast { degraded_from: start, down_from: start };
        let degraded = Forecast { degraded_from: start, down_from: far };
        for (before, after) in [
            (Forecast::HEALTHY, down),
            (down, Forecast::HEALTHY),
            (down, degraded),
            (degraded, Forecast::HEALTHY),
        ] {
            loom::model(move || {
                let cell = Arc::new(Cell::new(Group::REGION, before));
                let writer = {
                    let cell = Arc::clone(&cell);
                    thread::spawn(move || cell.write(after))
                };

                let seen = cell.read().at(start);

                let (one, other) = (before.at(start), after.at(start));
                assert!(one.min(other) <= seen && seen <= one.max(other), "{seen}");
                writer.join().unwrap();
                assert_eq!(cell.read(), after);
            });
        }
    }
}
