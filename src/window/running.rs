//! Calls that still run, by the tick that they started in.

use super::{AtomicU64, Ordering};

/// Books of the calls that still run.
///
/// Shards hold a count for each of the newest twelve ticks, two in a word; a call adds one where it
/// starts and takes one where it ends. What remains in a tick when its place is needed again is
/// moved to one count of *older* calls, and what remains when the window is cleared is written off:
/// those calls end in another generation, and are not counted out. Both only shift what is there,
/// so no race makes a call count twice or for ever.
#[derive(Debug)]
pub(super) struct Running {
    /// What was moved or written off, for each word of the shards.
    settled: [AtomicU64; HALVES],
    /// Calls from before the newest twelve ticks. Below zero, wrapping, for a moment at most.
    older: AtomicU64,
}

/// Words of two counts each.
pub(super) const HALVES: usize = 6;

const PLACES: u64 = 2 * HALVES as u64;

impl Running {
    pub(super) fn new() -> Self {
        Self { settled: Default::default(), older: AtomicU64::new(0) }
    }

    /// The word of a shard that counts the calls which started in `tick`, and what one of them adds.
    pub(super) fn place(tick: u64) -> (usize, u64) {
        let place = tick % PLACES;
        ((place / 2) as usize, 1 << (32 * (place % 2)))
    }

    pub(super) fn finish_older(&self) {
        self.older.fetch_sub(1, Ordering::Relaxed);
    }

    /// Makes room for the `count` ticks up to `tick`.
    pub(super) fn recycle(&self, tick: u64, count: u64, sum: impl Fn(usize) -> u64) {
        for tick in (0..count).filter_map(|back| tick.checked_sub(back)) {
            let (word, one) = Self::place(tick);
            let left = self.left(word, one, &sum);
            if left != 0 {
                // Linear in both halves, so a carry between them is no loss.
                self.settled[word]
                    .fetch_add(one.wrapping_mul(left.cast_unsigned()), Ordering::Relaxed);
                self.older.fetch_add(left.cast_unsigned(), Ordering::Relaxed);
            }
        }
    }

    /// Writes all off.
    pub(super) fn clear(&self, sum: impl Fn(usize) -> u64) {
        for (word, settled) in self.settled.iter().enumerate() {
            settled.store(sum(word), Ordering::Relaxed);
        }
        self.older.store(0, Ordering::Relaxed);
    }

    /// How many run of the ticks up to `newest` that `counts`.
    pub(super) fn count(
        &self,
        newest: u64,
        counts: impl Fn(u64) -> bool,
        sum: impl Fn(usize) -> u64,
    ) -> u64 {
        let known = (0..PLACES)
            .filter_map(|back| newest.checked_sub(back))
            .filter(|tick| counts(*tick))
            .map(|tick| {
                let (word, one) = Self::place(tick);
                self.left(word, one, &sum)
            })
            .sum::<i64>();
        let older = self.older.load(Ordering::Relaxed).cast_signed();
        known.saturating_add(older).max(0).cast_unsigned()
    }

    /// The calls of one half of a word that neither ended nor were settled.
    #[expect(clippy::cast_possible_truncation, reason = "halves of a word")]
    fn left(&self, word: usize, one: u64, sum: &impl Fn(usize) -> u64) -> i64 {
        let both = sum(word).wrapping_sub(self.settled[word].load(Ordering::Relaxed));
        let low = i64::from((both as u32).cast_signed());
        if one == 1 {
            low
        } else {
            // What the lower half borrowed or carried is not the upper one's.
            i64::from(((both.wrapping_sub(low.cast_unsigned()) >> 32) as u32).cast_signed())
        }
    }
}

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use super::*;

    #[test]
    fn twelve_ticks_have_a_place_of_their_own_each() {
        let upper = 1 << 32;
        let expected =
            (0..6).flat_map(|word| [(word, 1), (word, upper)]).cycle().take(30).collect::<Vec<_>>();

        assert_eq!((0..30).map(Running::place).collect::<Vec<_>>(), expected);
    }
}
