//! A queue for deadlines that come in order, because they are all equally far away.

use std::task::Waker;

use super::instant::Instant;
use super::queue::Expired;

/// Entries in the order of their deadlines, in one slab.
///
/// To add one at the end, to take one out of the middle and to take the first one off are O(1).
/// Memory follows the most entries at a time, and is freed when a large queue runs empty.
#[derive(Debug)]
pub(super) struct Fifo {
    entries: Vec<Entry>,
    first: u32,
    last: u32,
    /// Vacant entries, linked through `next`.
    vacant: u32,
    generation: u32,
}

#[derive(Debug)]
struct Entry {
    deadline: Instant,
    /// None when vacant.
    waker: Option<Waker>,
    previous: u32,
    next: u32,
    generation: u32,
}

/// Where an entry is. It may outlive the entry: the generation tells them apart, unless the very
/// same place was used four billion times in between.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    index: u32,
    generation: u32,
}

impl Fifo {
    pub(super) const fn new() -> Self {
        Self { entries: Vec::new(), first: NIL, last: NIL, vacant: NIL, generation: 0 }
    }

    /// Adds an entry, whose deadline must not be before the ones of others, unless there are four
    /// billion already.
    pub(super) fn push(&mut self, deadline: Instant, waker: Waker) -> Option<Key> {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let previous = self.last;
        let entry = Entry { deadline, waker: Some(waker), previous, next: NIL, generation };
        let index = if let Some(vacant) = self.entries.get_mut(self.vacant as usize) {
            std::mem::replace(&mut self.vacant, std::mem::replace(vacant, entry).next)
        } else {
            let index = u32::try_from(self.entries.len()).ok().filter(|index| *index != NIL)?;
            self.entries.push(entry);
            index
        };
        match self.entries.get_mut(previous as usize) {
            Some(before) => before.next = index,
            None => self.first = index,
        }
        self.last = index;
        Some(Key { index, generation })
    }

    /// Takes an entry out, if it is still there.
    pub(super) fn remove(&mut self, key: Key) -> Option<Waker> {
        let entry = self.entries.get_mut(key.index as usize)?;
        if entry.generation != key.generation {
            return None;
        }
        let waker = entry.waker.take()?;
        let (previous, next) = (entry.previous, entry.next);
        entry.next = std::mem::replace(&mut self.vacant, key.index);
        match self.entries.get_mut(previous as usize) {
            Some(before) => before.next = next,
            None => self.first = next,
        }
        match self.entries.get_mut(next as usize) {
            Some(after) => after.previous = previous,
            None => self.last = previous,
        }
        if self.first == NIL && self.entries.len() > KEPT {
            self.entries = Vec::new();
            self.vacant = NIL;
        }
        Some(waker)
    }

    /// Wakes someone else instead. Returns the old waker.
    pub(super) fn replace(&mut self, key: Key, waker: Waker) -> Result<Waker, Expired> {
        let entry = self.entries.get_mut(key.index as usize).ok_or(Expired)?;
        if entry.generation != key.generation {
            return Err(Expired);
        }
        let old = entry.waker.as_mut().ok_or(Expired)?;
        Ok(std::mem::replace(old, waker))
    }

    /// Moves the wakers of all that is due into `due`. Returns the first deadline left.
    pub(super) fn expire(&mut self, now: Instant, due: &mut Vec<Waker>) -> Option<Instant> {
        loop {
            let first = self.entries.get(self.first as usize)?;
            if first.deadline > now {
                return Some(first.deadline);
            }
            let key = Key { index: self.first, generation: first.generation };
            due.extend(self.remove(key));
        }
    }
}

/// No entry.
const NIL: u32 = u32::MAX;

/// A slab of so many entries is kept for the next ones.
const KEPT: usize = 1_024;

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn entries_expire_in_order_and_not_before_their_time() {
        let mut fifo = Fifo::new();
        for n in [10, 20, 20, 30] {
            fifo.push(at(n), Waker::noop().clone()).unwrap();
        }
        let mut due = Vec::new();

        assert_eq!(fifo.expire(at(9), &mut due), Some(at(10)));
        assert_eq!(due.len(), 0);
        assert_eq!(fifo.expire(at(20), &mut due), Some(at(30)));
        assert_eq!(due.len(), 3);
        assert_eq!(fifo.expire(Instant::FAR_FUTURE, &mut due), None);
        assert_eq!(due.len(), 4);
    }

    #[test]
    fn a_key_that_outlived_its_entry_does_not_touch_the_next_one() {
        let mut fifo = Fifo::new();
        let old = fifo.push(at(1), Waker::noop().clone()).unwrap();
        fifo.expire(at(1), &mut Vec::new());
        let new = fifo.push(at(2), Waker::noop().clone()).unwrap();

        assert_eq!(new.index, old.index);
        assert!(fifo.remove(old).is_none());
        assert!(fifo.replace(old, Waker::noop().clone()).is_err());
        assert!(fifo.remove(new).is_some());
        assert!(fifo.remove(new).is_none());
    }

    #[test]
    fn a_large_slab_is_given_back_when_it_runs_empty() {
        let mut fifo = Fifo::new();
        let mut keys = Vec::new();
        for n in 0..=KEPT as u64 {
            keys.push(fifo.push(at(n), Waker::noop().clone()).unwrap());
        }
        for key in &keys {
            assert!(fifo.remove(*key).is_some());
        }

        assert_eq!(fifo.entries.capacity(), 0);
        let key = fifo.push(at(9), Waker::noop().clone()).unwrap();
        assert!(keys.iter().all(|old| fifo.remove(*old).is_none()));
        assert!(fifo.remove(key).is_some());
    }

    #[test]
    fn a_slab_that_is_not_large_is_kept_for_the_next_entries() {
        let mut fifo = Fifo::new();
        let keys: Vec<_> =
            (0..KEPT as u64).map(|n| fifo.push(at(n), Waker::noop().clone()).unwrap()).collect();
        for key in keys {
            assert!(fifo.remove(key).is_some());
        }

        assert_eq!(fifo.entries.len(), KEPT);
    }

    proptest! {
        #[test]
        fn does_what_a_list_does(steps in prop::collection::vec((0..4_u8, 0..8_usize), 0..200)) {
            let mut fifo = Fifo::new();
            let mut model = VecDeque::new();
            let mut gone: Vec<Key> = Vec::new();
            for (now, (step, pick)) in (0_u64..).zip(steps) {
                match step {
                    0 | 1 => {
                        let key = fifo.push(at(now), Waker::noop().clone()).unwrap();
                        model.push_back((now, key));
                    }
                    2 => {
                        if let Some((_, key)) = model.remove(pick) {
                            prop_assert!(fifo.remove(key).is_some());
                            gone.push(key);
                        }
                    }
                    _ => {
                        let until = now.saturating_sub(pick as u64);
                        let mut due = Vec::new();
                        let next = fifo.expire(at(until), &mut due);
                        let before = model.len();
                        while model.front().is_some_and(|first| first.0 <= until) {
                            gone.extend(model.pop_front().map(|first| first.1));
                        }
                        prop_assert_eq!(due.len(), before - model.len());
                        prop_assert_eq!(next, model.front().map(|first| at(first.0)));
                    }
                }
                for key in &gone {
                    prop_assert!(fifo.remove(*key).is_none());
                }
                for (_, key) in &model {
                    prop_assert!(fifo.replace(*key, Waker::noop().clone()).is_ok());
                }
            }
        }
    }

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }
}
