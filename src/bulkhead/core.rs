//! The bulkhead itself: no clock, no runtime, no lock.
//!
//! How many calls run and how many wait are one word, so that *is there room, and does nobody wait
//! for it?* is answered, and acted upon, by one compare-and-swap. A call costs that swap and one
//! subtraction.
//!
//! ```text
//! waiting:32 | running:32
//! ```
//!
//! The order of those who wait is kept outside, under a lock. A place that becomes free while
//! someone waits goes to whom has waited longest: newcomers are turned away until then.

use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// Counts calls, and lets in as many as may run at a time.
///
/// Alone on its cache line: every call writes it, and what is beside it is read by others.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Core {
    word: AtomicU64,
    max_calls: AtomicU32,
}

/// No room, or others were first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Full;

/// What became of a call that would rather wait than be turned away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Joined {
    /// There was room after all.
    Entered,
    /// It is now one of those who wait.
    Waiting,
    /// As many wait as may.
    Full,
}

impl Core {
    pub(super) fn new(max_calls: u32) -> Self {
        Self { word: AtomicU64::new(0), max_calls: AtomicU32::new(max_calls) }
    }

    /// Asks for a place.
    #[inline]
    pub(super) fn enter(&self) -> Result<(), Full> {
        self.update(|counts| {
            let is_free = counts.waiting == 0 && counts.running < self.max_calls();
            if is_free { Ok(counts.run()) } else { Err(Full) }
        })
        .map(drop)
    }

    /// Gives a place back. Returns whether someone waits for it.
    #[inline]
    #[must_use]
    pub(super) fn exit(&self) -> bool {
        // Release pairs with the acquire of the `enter` that takes the place: who comes after a
        // call sees what the call did.
        let before = Counts::unpack(self.word.fetch_sub(Counts::RUNNING.pack(), Ordering::AcqRel));
        before.waiting > 0
    }

    /// Asks for a place, or to be one of those who wait. Only under the lock of the line.
    pub(super) fn join(&self, max_waiting: u32) -> Joined {
        let joined = self.update(|counts| match counts {
            Counts { waiting: 0, running } if running < self.max_calls() => Ok(counts.run()),
            Counts { waiting, .. } if waiting >= max_waiting => Err(Full),
            Counts { waiting, .. } => Ok(Counts { waiting: waiting + 1, ..counts }),
        });
        match joined {
            Ok((before, after)) if before.waiting == after.waiting => Joined::Entered,
            Ok(_) => Joined::Waiting,
            Err(Full) => Joined::Full,
        }
    }

    /// Takes a free place for one of those who wait, if there is one of each. Only under the lock
    /// of the line.
    #[must_use]
    pub(super) fn promote(&self) -> bool {
        let promoted = self.update(|counts| {
            let can = counts.waiting > 0 && counts.running < self.max_calls();
            if can { Ok(Counts { waiting: counts.waiting - 1, ..counts.run() }) } else { Err(Full) }
        });
        promoted.is_ok()
    }

    /// One of those who wait gives up. Only under the lock of the line.
    pub(super) fn leave(&self) {
        // Relaxed: it publishes nothing. The lock orders it with the others who count who waits.
        self.word.fetch_sub(Counts::WAITING.pack(), Ordering::Relaxed);
    }

    /// Sets how many calls may run. Those that run already do so to their end.
    pub(super) fn set_max_calls(&self, max_calls: u32) {
        // Relaxed: the line's lock, which is taken next, orders it with whoever is about to wait.
        self.max_calls.store(max_calls, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn max_calls(&self) -> u32 {
        // Relaxed: a limit of a moment ago is as good.
        self.max_calls.load(Ordering::Relaxed)
    }

    pub(super) fn running(&self) -> u32 {
        self.load().running
    }

    pub(super) fn waiting(&self) -> u32 {
        self.load().waiting
    }

    /// Applies `step` until it holds. Returns the counts before and after it.
    #[inline]
    fn update(
        &self,
        step: impl Fn(Counts) -> Result<Counts, Full>,
    ) -> Result<(Counts, Counts), Full> {
        let mut before = self.load();
        loop {
            let after = step(before)?;
            // Acquire pairs with the release of `exit`.
            match self.word.compare_exchange_weak(
                before.pack(),
                after.pack(),
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok((before, after)),
                Err(actual) => before = Counts::unpack(actual),
            }
        }
    }

    #[inline]
    fn load(&self) -> Counts {
        // Relaxed: decides nothing that a swap does not check again.
        Counts::unpack(self.word.load(Ordering::Relaxed))
    }
}

/// The word, unpacked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Counts {
    waiting: u32,
    running: u32,
}

impl Counts {
    const RUNNING: Self = Self { waiting: 0, running: 1 };
    const WAITING: Self = Self { waiting: 1, running: 0 };

    /// With one more call. Only below the limit, which is a `u32`.
    #[inline]
    const fn run(self) -> Self {
        Self { running: self.running + 1, ..self }
    }

    #[inline]
    const fn pack(self) -> u64 {
        (self.waiting as u64) << 32 | self.running as u64
    }

    #[inline]
    const fn unpack(word: u64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
        Self { waiting: (word >> 32) as u32, running: word as u32 }
    }
}

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lets_in_as_many_as_may_run() {
        let core = Core::new(2);
        assert_eq!([core.enter(), core.enter(), core.enter()], [Ok(()), Ok(()), Err(Full)]);

        assert!(!core.exit());

        assert_eq!([core.enter(), core.enter()], [Ok(()), Err(Full)]);
    }

    #[test]
    fn a_newcomer_does_not_overtake_who_waits() {
        let core = Core::new(1);
        core.enter().unwrap();
        assert_eq!(core.join(1), Joined::Waiting);

        assert!(core.exit());

        assert_eq!(core.enter(), Err(Full));
        assert_eq!(core.join(1), Joined::Full);
        assert!(core.promote());
        assert_eq!((core.running(), core.waiting()), (1, 0));
    }

    #[test]
    fn a_lowered_limit_lets_nobody_in_until_enough_have_left() {
        let core = Core::new(3);
        for _ in 0..3 {
            core.enter().unwrap();
        }
        core.set_max_calls(1);
        assert_eq!(core.join(1), Joined::Waiting);

        for _ in 0..2 {
            assert!(core.exit());
            assert!(!core.promote());
        }
        assert!(core.exit());

        assert!(core.promote());
    }

    #[test]
    fn counts_up_to_the_largest_limit() {
        let full = Counts { waiting: u32::MAX, running: u32::MAX - 1 };
        assert_eq!(Counts::unpack(full.run().pack()), Counts { running: u32::MAX, ..full });
    }

    #[derive(Clone, Copy, Debug)]
    enum Op {
        Enter,
        Exit,
        Join,
        Promote,
        Leave,
        Limit(u32),
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        /// The core beside two plain numbers.
        #[test]
        fn counts_like_a_naive_model(ops in proptest::collection::vec(op(), 0..200)) {
            let core = Core::new(3);
            let (mut running, mut waiting, mut limit) = (0_u32, 0_u32, 3_u32);
            for op in ops {
                match op {
                    Op::Enter => {
                        let free = waiting == 0 && running < limit;
                        prop_assert_eq!(core.enter().is_ok(), free);
                        running += u32::from(free);
                    }
                    Op::Exit if running > 0 => {
                        prop_assert_eq!(core.exit(), waiting > 0);
                        running -= 1;
                    }
                    Op::Join => {
                        let expected = match () {
                            () if waiting == 0 && running < limit => Joined::Entered,
                            () if waiting < 4 => Joined::Waiting,
                            () => Joined::Full,
                        };
                        prop_assert_eq!(core.join(4), expected);
                        running += u32::from(expected == Joined::Entered);
                        waiting += u32::from(expected == Joined::Waiting);
                    }
                    Op::Promote => {
                        let can = waiting > 0 && running < limit;
                        prop_assert_eq!(core.promote(), can);
                        running += u32::from(can);
                        waiting -= u32::from(can);
                    }
                    Op::Leave if waiting > 0 => {
                        core.leave();
                        waiting -= 1;
                    }
                    Op::Limit(new) => {
                        core.set_max_calls(new);
                        limit = new;
                    }
                    Op::Exit | Op::Leave => {}
                }
                prop_assert_eq!((core.running(), core.waiting()), (running, waiting));
            }
        }
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            Just(Op::Enter),
            Just(Op::Exit),
            Just(Op::Join),
            Just(Op::Promote),
            Just(Op::Leave),
            (1..5_u32).prop_map(Op::Limit),
        ]
    }
}

#[cfg(test)]
#[cfg(seawall_loom)]
mod loom_tests {
    use loom::thread;

    use super::*;
    use crate::sync::Arc;

    #[test]
    fn loom_never_lets_in_more_than_may_run() {
        loom::model(|| {
            let core = Arc::new(Core::new(1));
            let running = Arc::new(AtomicU32::new(0));
            let call = |core: &Core, running: &AtomicU32| {
                if core.enter().is_ok() {
                    assert_eq!(running.fetch_add(1, Ordering::Relaxed), 0);
                    running.fetch_sub(1, Ordering::Relaxed);
                    let _ = core.exit();
                }
            };
            let others = [(); 2].map(|()| {
                let (core, running) = (Arc::clone(&core), Arc::clone(&running));
                thread::spawn(move || call(&core, &running))
            });
            call(&core, &running);
            for other in others {
                other.join().unwrap();
            }
            assert_eq!(core.running(), 0);
        });
    }
}
