//! Where a drain is: four instants, each of which only moves towards now.

use super::Phase;
use super::plan::Lengths;
use crate::sync::{AtomicU64, Ordering};
use crate::time::Instant;

/// When each phase after the first begins. [`Instant::FAR_FUTURE`] while nothing has begun.
///
/// A beginning moves only to an earlier time, so whoever has read a phase never reads an earlier
/// one, whatever is written meanwhile; until a [reset](Self::reset).
#[derive(Debug)]
pub(super) struct Course {
    begins: [AtomicU64; 4],
}

/// The phases that begin, in their order.
const PHASES: [Phase; 4] = [Phase::NotReady, Phase::Closing, Phase::Rejecting, Phase::Closed];

impl Course {
    pub(super) fn new() -> Self {
        Self { begins: std::array::from_fn(|_| AtomicU64::new(FAR)) }
    }

    /// The phase at `now`, which is not asked for while nothing has begun.
    #[inline]
    pub(super) fn phase(&self, now: impl FnOnce() -> Instant) -> Phase {
        // Acquire, here and below: pairs with the releases in `begin`.
        if self.begins[0].load(Ordering::Acquire) == FAR {
            return Phase::Serving;
        }
        let now = now().as_nanos();
        let last = PHASES.iter().zip(&self.begins).rev();
        last.into_iter()
            .find(|(_, begin)| begin.load(Ordering::Acquire) <= now)
            .map_or(Phase::Serving, |(phase, _)| *phase)
    }

    /// When `phase` begins, as far as is known. The first one always has.
    pub(super) fn begin_of(&self, phase: Phase) -> Instant {
        let index = match phase {
            Phase::Serving => return Instant::default(),
            Phase::NotReady => 0,
            Phase::Closing => 1,
            Phase::Rejecting => 2,
            Phase::Closed => 3,
        };
        Instant::from_nanos(self.begins[index].load(Ordering::Acquire))
    }

    /// Begins at `now` with phases of these lengths, where they end no later than they would have.
    pub(super) fn begin(&self, now: Instant, lengths: Lengths) {
        let closing = now + lengths.not_ready;
        let rejecting = closing + lengths.closing;
        let closed = rejecting + lengths.rejecting;
        for (begin, at) in self.begins.iter().zip([now, closing, rejecting, closed]) {
            // Release: whoever sees that a drain has begun sees why.
            begin.fetch_min(at.as_nanos(), Ordering::AcqRel);
        }
    }

    /// Nothing has begun.
    pub(super) fn reset(&self) {
        // The last first: nobody is to see one that has begun without those before it.
        for begin in self.begins.iter().rev() {
            begin.store(FAR, Ordering::Release);
        }
    }
}

const FAR: u64 = Instant::FAR_FUTURE.as_nanos();

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn lengths() -> impl Strategy<Value = Lengths> {
        let length = || (0_u64..50).prop_map(Duration::from_secs);
        (length(), length(), length()).prop_map(|(not_ready, closing, rejecting)| Lengths {
            not_ready,
            closing,
            rejecting,
        })
    }

    proptest! {
        #[test]
        fn phases_never_go_back_and_no_end_is_put_off(
            begins in prop::collection::vec((0_u64..40, lengths()), 1..6)
        ) {
            let course = Course::new();
            let mut now = Instant::default();
            let mut seen = course.phase(|| now);
            prop_assert_eq!(seen, Phase::Serving);
            let mut earliest = Instant::FAR_FUTURE;

            for (wait, lengths) in begins {
                for _ in 0..wait {
                    now += Duration::from_secs(1);
                    let phase = course.phase(|| now);
                    prop_assert!(phase >= seen);
                    seen = phase;
                }
                course.begin(now, lengths);
                earliest = earliest
                    .min(now + lengths.not_ready + lengths.closing + lengths.rejecting);
                prop_assert_eq!(course.begin_of(Phase::Closed), earliest);
                let phase = course.phase(|| now);
                prop_assert!(phase >= seen && phase >= Phase::NotReady);
                seen = phase;
            }
            prop_assert_eq!(course.phase(|| earliest), Phase::Closed);
            prop_assert!(course.begin_of(Phase::NotReady) <= course.begin_of(Phase::Closing));
            prop_assert!(course.begin_of(Phase::Closing) <= course.begin_of(Phase::Rejecting));
            prop_assert!(course.begin_of(Phase::Rejecting) <= course.begin_of(Phase::Closed));
        }
    }

    #[test]
    fn a_reset_course_serves() {
        let course = Course::new();
        course.begin(Instant::from_nanos(5), Lengths::default());
        assert_eq!(course.phase(|| Instant::from_nanos(5)), Phase::Closed);

        course.reset();

        assert_eq!(course.phase(|| Instant::from_nanos(5)), Phase::Serving);
    }
}
