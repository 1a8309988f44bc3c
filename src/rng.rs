//! Chance: for jitter, sampling and choices. Not for secrets.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

use rand::TryRng;
use rand::rngs::SysRng;

use crate::sync::{Arc, AtomicU64, Ordering};

/// A source of random numbers.
///
/// All clones of one draw from one sequence, so that no two ever repeat each other: what jitter is
/// to prevent. The default draws from a sequence of the running thread (1 ns, shares nothing); a
/// [seeded](Self::seeded) one is the same in every run (one atomic addition).
///
/// Both are `SplitMix64` (Steele, Lea and Flood, *Fast splittable pseudorandom number generators*,
/// 2014): a counter with a large odd step, mixed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rng {
    /// The counter of a seeded sequence.
    seeded: Option<Arc<AtomicU64>>,
}

impl Rng {
    /// A sequence that is the same for the same seed.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self { seeded: Some(Arc::new(AtomicU64::new(seed))) }
    }

    /// Any number.
    #[inline]
    pub(crate) fn next(&self) -> u64 {
        match &self.seeded {
            None => mix(step_of_thread()),
            // Relaxed: numbers publish nothing, and an addition gives each to one caller only.
            Some(counter) => mix(counter.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP)),
        }
    }

    /// Any number below `n`, and 0 below 0.
    ///
    /// By multiplication and shift (Lemire, *Fast random integer generation in an interval*, 2019),
    /// without his correction: numbers differ in frequency by n / 2^64 at most.
    #[inline]
    pub(crate) fn below(&self, n: u64) -> u64 {
        let product = u128::from(self.next()) * u128::from(n);
        (product >> 64) as u64
    }
}

/// Whether both draw from one sequence.
impl PartialEq for Rng {
    fn eq(&self, other: &Self) -> bool {
        match (&self.seeded, &other.seeded) {
            (None, None) => true,
            (Some(one), Some(two)) => Arc::ptr_eq(one, two),
            _ => false,
        }
    }
}

impl Eq for Rng {}

/// 2^64 divided by the golden ratio, odd.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// The next count of the running thread.
#[inline]
fn step_of_thread() -> u64 {
    thread_local! {
        /// Has no destructor, so that chance can be asked for at any time.
        static COUNTER: Cell<Option<u64>> = const { Cell::new(None) };
    }
    let count = COUNTER.get().unwrap_or_else(entropy);
    COUNTER.set(Some(count.wrapping_add(STEP)));
    count
}

/// From the system's source of entropy, or if that fails from the one that hash maps use.
#[cold]
fn entropy() -> u64 {
    SysRng.try_next_u64().unwrap_or_else(|_| RandomState::new().hash_one(STEP))
}

/// Stirs the bits of `count`: each of them moves about half of the result's.
#[inline]
pub(crate) fn mix(count: u64) -> u64 {
    let count = (count ^ (count >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let count = (count ^ (count >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    count ^ (count >> 31)
}

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use std::collections::HashSet;
    use std::thread;

    use super::*;

    #[test]
    fn clones_do_not_repeat_each_other() {
        for rng in [Rng::default(), Rng::seeded(7)] {
            let clone = rng.clone();
            let drawn: HashSet<_> = (0..500).flat_map(|_| [rng.next(), clone.next()]).collect();

            assert_eq!(drawn.len(), 1_000);
        }
    }

    #[test]
    fn threads_do_not_repeat_each_other() {
        for rng in [Rng::default(), Rng::seeded(7)] {
            let other = rng.clone();
            let theirs = thread::spawn(move || (0..500).map(|_| other.next()).collect::<Vec<_>>());
            let mut drawn: HashSet<_> = (0..500).map(|_| rng.next()).collect();
            drawn.extend(theirs.join().unwrap());

            assert_eq!(drawn.len(), 1_000);
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let (one, two, three) = (Rng::seeded(1), Rng::seeded(1), Rng::seeded(2));
        let draw = |rng: Rng| (0..100).map(|_| rng.next()).collect::<Vec<_>>();

        let drawn = draw(one);
        assert_eq!(drawn, draw(two));
        assert_ne!(drawn, draw(three));
    }

    #[test]
    fn seeded_numbers_are_splitmix64() {
        // The first numbers of the authors' reference implementation for this seed.
        let rng = Rng::seeded(1_234_567);

        assert_eq!(rng.next(), 6_457_827_717_110_365_317);
        assert_eq!(rng.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn numbers_below_a_bound_reach_all_of_it_and_no_more() {
        let rng = Rng::seeded(3);
        let drawn: HashSet<_> = (0..1_000).map(|_| rng.below(10)).collect();

        assert_eq!(drawn, (0..10).collect());
        assert_eq!(rng.below(0), 0);
        assert_eq!(rng.below(1), 0);
        assert!(rng.below(u64::MAX) < u64::MAX);
    }
}
