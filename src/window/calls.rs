//! The newest calls, whenever they were.

use std::iter;

use super::{AtomicU64, Ordering, Tally};

/// A ring of bits, one for each of the newest calls, with running totals.
#[derive(Debug)]
pub(super) struct Calls {
    len: u64,
    /// How many calls there have been; the place of the next is the remainder.
    next: AtomicU64,
    /// What `next` was when the window was cleared.
    since: AtomicU64,
    /// `failed << 32` and slow calls in the ring. Either may be below zero, wrapping, for a moment.
    totals: AtomicU64,
    failed: Box<[AtomicU64]>,
    slow: Box<[AtomicU64]>,
}

const FAILED: u64 = 1 << 32;

impl Calls {
    pub(super) fn new(len: u32) -> Self {
        let words = usize::try_from(len.div_ceil(64)).unwrap_or(1).max(1);
        let bits = || iter::repeat_with(AtomicU64::default).take(words).collect();
        Self {
            len: u64::from(len.max(1)),
            next: AtomicU64::new(0),
            since: AtomicU64::new(0),
            totals: AtomicU64::new(0),
            failed: bits(),
            slow: bits(),
        }
    }

    /// Whether the ring is full of good calls, so that one more changes nothing.
    #[inline]
    pub(super) fn is_all_good(&self) -> bool {
        // Relaxed throughout: each word is right by itself, and none publishes another.
        self.totals.load(Ordering::Relaxed) == 0 && self.seen() >= self.len
    }

    /// Counts a call. Returns whether anything changed.
    pub(super) fn record(&self, failed: bool, slow: bool) -> bool {
        if !failed && !slow && self.is_all_good() {
            return false;
        }
        self.put(failed, slow);
        true
    }

    fn put(&self, failed: bool, slow: bool) {
        let place = self.next.fetch_add(1, Ordering::Relaxed) % self.len;
        let change = set(&self.failed, place, failed)
            .wrapping_mul(FAILED)
            .wrapping_add(set(&self.slow, place, slow));
        if change != 0 {
            self.totals.fetch_add(change, Ordering::Relaxed);
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "halves of a word")]
    pub(super) fn tally(&self) -> Tally {
        let calls = self.seen().min(self.len);
        let totals = self.totals.load(Ordering::Relaxed);
        let slow = i64::from((totals as u32).cast_signed());
        let failed =
            i64::from(((totals.wrapping_sub(slow.cast_unsigned()) >> 32) as u32).cast_signed());
        let within = |count: i64| count.max(0).cast_unsigned().min(calls);
        Tally { calls, failed: within(failed), slow: within(slow), ..Tally::default() }
    }

    pub(super) fn clear(&self) {
        for (bits, one) in [(&self.failed, FAILED), (&self.slow, 1)] {
            for word in bits {
                // Taken from the totals is what was taken from the ring, and nothing else: a call
                // that ends right now stays in both, or in neither.
                let cleared = u64::from(word.swap(0, Ordering::Relaxed).count_ones());
                self.totals.fetch_sub(cleared.wrapping_mul(one), Ordering::Relaxed);
            }
        }
        self.since.store(self.next.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    #[inline]
    fn seen(&self) -> u64 {
        self.next.load(Ordering::Relaxed).wrapping_sub(self.since.load(Ordering::Relaxed))
    }
}

/// Sets a bit to `value`. Returns what that adds to the number of bits set: 1, 0 or -1, wrapping.
fn set(bits: &[AtomicU64], place: u64, value: bool) -> u64 {
    let Some(word) = usize::try_from(place / 64).ok().and_then(|word| bits.get(word)) else {
        return 0;
    };
    let bit = 1 << (place % 64);
    if value {
        u64::from(word.fetch_or(bit, Ordering::Relaxed) & bit == 0)
    } else if word.load(Ordering::Relaxed) & bit == 0 {
        0
    } else {
        u64::from(word.fetch_and(!bit, Ordering::Relaxed) & bit != 0).wrapping_neg()
    }
}

#[cfg(test)]
#[cfg(seawall_loom)]
mod loom_tests {
    use loom::thread;

    use super::*;
    use crate::sync::Arc;

    #[test]
    fn loom_a_bit_that_two_threads_clear_is_taken_off_once() {
        loom::model(|| {
            let bits = Arc::new([AtomicU64::new(1)]);
            let theirs = Arc::clone(&bits);
            let other = thread::spawn(move || set(&*theirs, 0, false));
            let ours = set(&*bits, 0, false);

            assert_eq!(ours.wrapping_add(other.join().unwrap()), 1_u64.wrapping_neg());
        });
    }
}
