//! How a call is let in, or why it is not.

use std::time::Duration;

use super::word::{PAYLOAD_BITS, Phase, Word};
use super::{Core, Entered, Outside, Shut, Ticket};
use crate::sync::Ordering;
use crate::time::{Instant, nanos};

/// Steps of the way back to full traffic.
pub(super) const STEPS: u64 = 8;

/// A whole call, in the units of [`Phase::Recovering`].
pub(super) const WHOLE: u64 = 1 << 20;

/// No wait is as long as this, and the payload of an open word tells all that are shorter.
const ERA: u64 = 3 * 24 * 3600 * 1_000_000_000;

/// No coarse clock is as coarse as this; so most need not ask how coarse it is.
const LONGEST_TICK: u64 = 1_000_000_000;

impl Core {
    /// Asks to start a call, whatever follows.
    #[inline(never)]
    pub(in crate::circuit_breaker) fn enter_slowly(
        &self,
        outside: &impl Outside,
    ) -> Result<Entered, Shut> {
        self.end_pause(outside);
        let (before, after, shut) = self.update(outside, |word| self.admit(word, outside));
        match shut {
            None => Ok(Entered {
                ticket: Ticket::of(after.pack()),
                moved: self.announce(before, after),
            }),
            Some(shut) => Err(shut),
        }
    }

    #[inline(never)]
    pub(super) fn peek_slowly(&self, word: u64, outside: &impl Outside) -> Option<Shut> {
        // An outage has as many calls as the good times.
        match Word::unpack(word).phase {
            Phase::Open { until_micros } => self.rest_of_open(until_micros, outside),
            _ => self.look(outside),
        }
    }

    #[inline(never)]
    pub(super) fn look(&self, outside: &impl Outside) -> Option<Shut> {
        match self.load().phase {
            Phase::Open { until_micros } => self.rest_of_open(until_micros, outside),
            Phase::Isolated => Some(Shut::UNTIL_FURTHER_NOTICE),
            Phase::ForcedClosed | Phase::MetricsOnly => None,
            // Whoever comes next may be one of the share that is let in.
            Phase::Closed { .. } | Phase::Recovering { .. } => self.paused(outside),
            Phase::HalfOpen { admitted, .. } => self.paused(outside).or_else(|| {
                let is_full = admitted >= outside.settings().probes() && !self.is_lapsed(outside);
                is_full.then_some(Shut::UNTIL_FURTHER_NOTICE)
            }),
        }
    }

    /// The word after one more call was let in, or why it was not.
    fn admit(&self, word: Word, outside: &impl Outside) -> (Word, Option<Shut>) {
        let first_probe = || word.advance(Phase::HalfOpen { admitted: 1, passed: 0 });
        let pause = match word.phase {
            Phase::Closed { .. } | Phase::HalfOpen { .. } | Phase::Recovering { .. } => {
                self.paused(outside)
            }
            Phase::ForcedClosed | Phase::Isolated | Phase::MetricsOnly | Phase::Open { .. } => None,
        };
        if pause.is_some() {
            return (word, pause);
        }
        match word.phase {
            Phase::Closed { .. } | Phase::ForcedClosed | Phase::MetricsOnly => (word, None),
            Phase::Open { until_micros } => match self.rest_of_open(until_micros, outside) {
                None => (first_probe(), None),
                shut => (word, shut),
            },
            Phase::HalfOpen { admitted, passed } if admitted < outside.settings().probes() => {
                (word.stay(Phase::HalfOpen { admitted: admitted + 1, passed }), None)
            }
            // Whoever still has a place is given up.
            Phase::HalfOpen { .. } if self.is_lapsed(outside) => (first_probe(), None),
            Phase::HalfOpen { .. } | Phase::Isolated => (word, Some(Shut::UNTIL_FURTHER_NOTICE)),
            Phase::Recovering { credit } => match self.share(outside) {
                None => (word.stay(Phase::Closed { failures: 0 }), None),
                Some(share) if credit + share >= WHOLE => {
                    (word.stay(Phase::Recovering { credit: credit + share - WHOLE }), None)
                }
                Some(share) => (
                    word.stay(Phase::Recovering { credit: credit + share }),
                    Some(Shut::UNTIL_FURTHER_NOTICE),
                ),
            },
        }
    }

    /// Whether the places of the half-open state are no longer lent.
    fn is_lapsed(&self, outside: &impl Outside) -> bool {
        let end = self.since() + Duration::from_nanos(outside.settings().probe_lease_nanos());
        outside.around(end) >= end
    }

    /// The share of calls that the ramp lets in now; none when it is over.
    fn share(&self, outside: &impl Outside) -> Option<u64> {
        let ramp = outside.settings().ramp_nanos();
        let since = self.since();
        let passed = nanos(outside.around(since + Duration::from_nanos(ramp)).since(since));
        if passed >= ramp {
            return None;
        }
        // Below STEPS, as `passed` is below `ramp`.
        let step = passed.saturating_mul(STEPS) / ramp;
        Some((step + 1) * WHOLE / STEPS)
    }

    /// How long an open circuit stays so; none when its time is over.
    #[inline]
    fn rest_of_open(&self, until_micros: u64, outside: &impl Outside) -> Option<Shut> {
        let rest = |now: Instant| {
            let shift = u64::BITS - PAYLOAD_BITS;
            let micros = now.as_nanos() / 1_000;
            // The difference modulo 2^40, with its sign.
            let ahead = (until_micros.wrapping_sub(micros) << shift).cast_signed() >> shift;
            if ahead <= 0 || now.as_nanos().saturating_sub(self.since().as_nanos()) >= ERA {
                return 0;
            }
            // `ahead` counts from the start of this microsecond, and is one at least.
            ahead.cast_unsigned() * 1_000 - now.as_nanos() % 1_000
        };
        // Most look well before the end, and a coarse reading does for them.
        let mut left = rest(outside.coarse());
        if left <= LONGEST_TICK && left != 0 && left <= nanos(outside.tick()) {
            left = rest(outside.now());
        }
        // A pause that began later may last longer.
        let paused = self.paused(outside).map_or(0, |shut| shut.rest_nanos);
        let left = left.max(paused);
        (left != 0).then_some(Shut { rest_nanos: left, is_pause: false })
    }

    /// Whether the service has asked all callers to wait.
    #[inline]
    pub(super) fn paused(&self, outside: &impl Outside) -> Option<Shut> {
        let paused = self.paused_until.load(Ordering::Relaxed);
        if paused == 0 { None } else { rest_of_pause(Instant::from_nanos(paused), outside) }
    }

    /// Makes room on the fast path again.
    fn end_pause(&self, outside: &impl Outside) {
        let paused = self.paused_until.load(Ordering::Relaxed);
        if paused != 0 && self.paused(outside).is_none() {
            // One that began meanwhile stays. Relaxed: nothing is published.
            let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
            _ = self.paused_until.compare_exchange(paused, 0, success, failure);
        }
    }
}

/// How long calls are held back until then, if they are.
#[inline(never)]
fn rest_of_pause(until: Instant, outside: &impl Outside) -> Option<Shut> {
    let now = outside.around(until);
    (now < until).then(|| Shut { rest_nanos: nanos(until.since(now)), is_pause: true })
}
