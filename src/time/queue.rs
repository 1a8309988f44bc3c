//! Who waits for which instant, in order: for deadlines that have nothing in common.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

use super::instant::Instant;
use crate::sync::Mutex;

/// Wakers by their deadline.
///
/// A key is a deadline with a number that is never given twice, so a key can outlive its entry:
/// to cancel it then does nothing. Arming and cancelling take a lock and O(log n).
#[derive(Default)]
pub(super) struct Queue {
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    next: u64,
    wakers: BTreeMap<(Instant, u64), Waker>,
}

/// The entry is gone: its deadline has come.
pub(super) struct Expired;

impl Queue {
    /// Adds an entry and returns its number.
    pub(super) fn arm(&self, deadline: Instant, waker: Waker) -> u64 {
        let mut entries = self.entries.lock();
        let number = entries.next;
        entries.next += 1;
        entries.wakers.insert((deadline, number), waker);
        number
    }

    /// Wakes someone else instead.
    pub(super) fn replace(
        &self,
        deadline: Instant,
        number: u64,
        waker: Waker,
    ) -> Result<(), Expired> {
        // Dropped after the lock is free: a waker's drop is not our code.
        let _old = match self.entries.lock().wakers.get_mut(&(deadline, number)) {
            Some(entry) => std::mem::replace(entry, waker),
            None => return Err(Expired),
        };
        Ok(())
    }

    /// Takes an entry out, if it is still there.
    pub(super) fn cancel(&self, deadline: Instant, number: u64) {
        let waker = self.entries.lock().wakers.remove(&(deadline, number));
        drop(waker);
    }

    /// Moves the wakers of all that is due into `due`.
    pub(super) fn expire(&self, now: Instant, due: &mut Vec<Waker>) {
        let mut entries = self.entries.lock();
        while let Some(first) = entries.wakers.first_entry() {
            if first.key().0 > now {
                return;
            }
            due.push(first.remove());
        }
    }

    /// The first deadline.
    pub(super) fn next(&self) -> Option<Instant> {
        self.entries.lock().wakers.first_key_value().map(|(key, _)| key.0)
    }
}

/// Wakes them all, whatever their wakers do: one that panics does not keep the others asleep.
pub(super) fn wake_all(due: &mut Vec<Waker>) {
    for waker in due.drain(..) {
        // The panic has been reported by the panic hook, and is nobody's business here.
        let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
    }
}
