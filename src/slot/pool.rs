//! Slots that are used again.

use std::collections::VecDeque;

use super::{Cell, Counts, Pooled, Slot};
use crate::sync::{Mutex, Owned};

/// Slots of one type, to be used again.
///
/// There are never more slots than twice the most that were in use at a time, and a few: memory is
/// not given back, and does not grow.
pub(crate) struct Pool<T>
where
    T: 'static,
{
    pub(super) slots: Mutex<Slots<T>>,
}

pub(super) struct Slots<T>
where
    T: 'static,
{
    /// Given out, when the last sweep passed.
    pub(super) used: Vec<&'static Cell<T>>,
    /// Without a handle.
    free: VecDeque<&'static Cell<T>>,
    /// Slots taken since the last sweep.
    pub(super) taken: usize,
    /// Slots that were in use after it.
    survivors: usize,
}

impl<T> Pool<T> {
    /// A pool without slots.
    pub(crate) const fn new() -> Self {
        let slots = Slots { used: Vec::new(), free: VecDeque::new(), taken: 0, survivors: 0 };
        Self { slots: Mutex::new(slots) }
    }

    /// As [`acquire_pooled`](Self::acquire_pooled), for a handle that can be counted as well.
    pub(crate) fn acquire(
        &self,
        reuse: impl FnMut(&T) -> bool,
        make: impl FnOnce() -> T,
    ) -> Slot<T> {
        Slot::pooled(self.acquire_pooled(reuse, make))
    }

    /// Gives out a free slot that `reuse` accepts, or a new one of what `make` returns.
    ///
    /// `reuse` sets up the value for its next life; when it returns false (the old shape does not
    /// fit) the slot stays free. A few slots are offered, not all. Neither closure runs under the
    /// pool's lock; a slot that `reuse` panics over is not offered again. Takes the lock twice, and
    /// now and then looks at all slots: O(1) amortised.
    pub(crate) fn acquire_pooled(
        &self,
        mut reuse: impl FnMut(&T) -> bool,
        make: impl FnOnce() -> T,
    ) -> Pooled<T> {
        for _ in 0..OFFERS {
            // The lock must be free again while `reuse` runs.
            let Some(cell) = self.slots.lock().take() else { break };
            if reuse(&cell.value) {
                return self.give_out(cell);
            }
            self.slots.lock().free.push_back(cell);
        }
        let cell =
            Cell { owned: Owned::new(Counts::default), value: make(), shared: Counts::default() };
        self.give_out(Box::leak(Box::new(cell)))
    }

    /// A handle to each slot that is in use, in the order in which they were given out.
    ///
    /// One whose last handle is being dropped meanwhile may be among them, and then lives on.
    #[cfg(any(test, feature = "health"))]
    pub(crate) fn handles(&self) -> Vec<Pooled<T>> {
        let slots = self.slots.lock();
        slots.used.iter().filter(|cell| !cell.is_free()).map(|cell| cell.handle()).collect()
    }

    fn give_out(&self, cell: &'static Cell<T>) -> Pooled<T> {
        // The handle is made before anyone can sweep the slot.
        let slot = cell.handle();
        self.slots.lock().used.push(cell);
        slot
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let slots = self.slots.lock();
        slots.used.len() + slots.free.len()
    }
}

impl<T> Slots<T> {
    pub(super) fn take(&mut self) -> Option<&'static Cell<T>> {
        // A sweep looks at every slot, so it must be paid for by as many that were taken. It does not
        // wait until none is free: those may be ones that fit nobody.
        let is_due = self.taken >= self.survivors;
        if is_due || (self.free.is_empty() && self.used.len() <= FEW) {
            self.sweep();
        }
        self.taken += 1;
        self.free.pop_front()
    }

    fn sweep(&mut self) {
        let free = &mut self.free;
        self.used.retain(|cell| {
            let is_free = cell.is_free();
            if is_free {
                // To the front: what was given back last fits most likely.
                free.push_front(cell);
            }
            !is_free
        });
        self.taken = 0;
        self.survivors = self.used.len();
    }
}

/// How many free slots are offered before a new one is made. One that is refused goes to the end
/// of the line, so that others are offered the next time.
const OFFERS: usize = 16;

/// So few slots can be swept at any time.
pub(super) const FEW: usize = 16;
