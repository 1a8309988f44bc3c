//! What follows on the end of a call.

use std::time::Duration;

use super::enter::{STEPS, WHOLE};
use super::settings::{MILLION, OFF, Settings};
use super::word::{PAYLOAD, Phase};
use super::{Core, Exited, Move, Outside, Ticket};
use crate::outcome::Outcome;
use crate::sync::Ordering;
use crate::time::Instant;

impl Core {
    /// Ends a call, whatever follows.
    #[inline(never)]
    pub(in crate::circuit_breaker) fn exit_slowly(
        &self,
        ticket: Ticket,
        outcome: Outcome,
        outside: &impl Outside,
    ) -> Exited {
        let paused = match outcome {
            Outcome::Overload { retry_after: Some(wait) } => self.pause(wait, outside),
            Outcome::Overload { retry_after: None }
            | Outcome::Neutral
            | Outcome::Permanent
            | Outcome::Success
            | Outcome::Transient => None,
        };
        let word = self.load();
        if !ticket.is_of(word) {
            // Nor is it counted out: what ran when the term ended was written off.
            return Exited { moved: None, paused };
        }
        let is_slow = ticket.is_slow(outside);
        if ticket.started_nanos != OFF {
            self.window.finish(Instant::from_nanos(ticket.started_nanos));
        }
        let failed = match outcome {
            Outcome::Transient => Some(true),
            Outcome::Permanent | Outcome::Success => Some(false),
            Outcome::Neutral | Outcome::Overload { .. } => None,
        };
        let moved = match (word.phase, failed) {
            (
                Phase::Closed { .. } | Phase::Recovering { .. } | Phase::MetricsOnly,
                Some(failed),
            ) => self.count(ticket, failed, is_slow, outside),
            (Phase::HalfOpen { .. }, failed) => {
                // A service that answers, but as slowly as it may not, is not well.
                let is_too_slow = is_slow && outside.settings().slow_ppm() != OFF;
                self.probed(ticket, failed.map(|failed| failed || is_too_slow), outside)
            }
            _ => None,
        };
        Exited { moved, paused }
    }

    /// Counts a call in the window, and in the row of failures.
    fn count(
        &self,
        ticket: Ticket,
        failed: bool,
        slow: bool,
        outside: &impl Outside,
    ) -> Option<Move> {
        let now = outside.coarse();
        let is_due = self.window.record(failed, slow, || now);
        let limit = outside.settings().consecutive_failures();
        if limit != OFF {
            let (_, after, ()) = self.update(outside, |word| {
                let phase = match word.phase {
                    Phase::Closed { failures } if ticket.is_of(word) => {
                        let failures = if failed { (failures + 1).min(limit) } else { 0 };
                        Phase::Closed { failures }
                    }
                    other => other,
                };
                (word.stay(phase), ())
            });
            if matches!(after.phase, Phase::Closed { failures } if failures >= limit) {
                return self.trip(ticket, outside);
            }
        }
        if failed || slow || is_due { self.evaluate(ticket, now, outside) } else { None }
    }

    /// Opens the circuit if what the window holds says so.
    #[cold]
    pub(super) fn evaluate(
        &self,
        ticket: Ticket,
        now: Instant,
        outside: &impl Outside,
    ) -> Option<Move> {
        let settings = outside.settings();
        let min_calls = match self.load().phase {
            Phase::Closed { .. } => settings.min_calls(),
            // A service that has just come back gets no credit: as few calls as a verdict on its
            // recovery took send it back.
            Phase::Recovering { .. } => settings.min_calls().min(settings.probes()),
            _ => return None,
        };
        let tally = self.window.tally(now)?;
        let reaches = |part: u64, calls: u64, ppm: u64| {
            ppm != OFF && calls >= min_calls && part * MILLION >= calls.saturating_mul(ppm)
        };
        let is_tripped = reaches(tally.failed, tally.calls, settings.failure_ppm())
            || reaches(tally.recent_failed, tally.recent_calls, settings.recent_failure_ppm())
            || settings.slow_ppm() != OFF && {
                let running = self.window.running_for(settings.slow_nanos(), now);
                reaches(tally.slow + running, tally.calls + running, settings.slow_ppm())
            };
        if is_tripped { self.trip(ticket, outside) } else { None }
    }

    /// Opens the circuit, if it is in the term of `ticket` and not open.
    #[cold]
    fn trip(&self, ticket: Ticket, outside: &impl Outside) -> Option<Move> {
        let chance = outside.chance();
        let (before, after, ()) = self.update(outside, |word| match word.phase {
            Phase::Closed { .. } | Phase::HalfOpen { .. } | Phase::Recovering { .. }
                if ticket.is_of(word) =>
            {
                let reopened = match word.phase {
                    Phase::Closed { .. } => 0,
                    _ => self.reopened.load(Ordering::Relaxed) + 1,
                };
                let until = outside.now() + open_time(outside.settings(), reopened, chance);
                let until = until.as_nanos().max(self.paused_until.load(Ordering::Relaxed));
                (word.advance(Phase::Open { until_micros: until.div_ceil(1_000) & PAYLOAD }), ())
            }
            _ => (word, ()),
        });
        self.announce(before, after)
    }

    /// Takes the answer of a probe: failed, passed, or none of both.
    fn probed(&self, ticket: Ticket, failed: Option<bool>, outside: &impl Outside) -> Option<Move> {
        if failed == Some(true) {
            return self.trip(ticket, outside);
        }
        let (before, after, ()) = self.update(outside, |word| {
            let Phase::HalfOpen { admitted, passed } = word.phase else { return (word, ()) };
            if !ticket.is_of(word) {
                return (word, ());
            }
            if failed.is_none() {
                let admitted = admitted.saturating_sub(1);
                return (word.stay(Phase::HalfOpen { admitted, passed }), ());
            }
            let passed = passed + 1;
            if passed < outside.settings().probes() {
                return (word.stay(Phase::HalfOpen { admitted, passed }), ());
            }
            // Before the new term is seen by anyone. A thread that is overtaken here clears what
            // others have just begun to count, which makes the breaker slower to open, once.
            self.window.clear(outside.coarse());
            let phase = if outside.settings().ramp_nanos() == 0 {
                Phase::Closed { failures: 0 }
            } else {
                // The first call is let in.
                Phase::Recovering { credit: WHOLE - WHOLE / STEPS }
            };
            (word.advance(phase), ())
        });
        self.announce(before, after)
    }

    /// Holds all calls back for `wait`, if that is longer than what they wait for now.
    #[cold]
    fn pause(&self, wait: Duration, outside: &impl Outside) -> Option<Duration> {
        let wait = wait.min(Duration::from_nanos(outside.settings().max_pause_nanos()));
        if wait.is_zero() {
            return None;
        }
        let until = (outside.now() + wait).as_nanos();
        // Relaxed: the pause publishes nothing.
        let before = self.paused_until.fetch_max(until, Ordering::Relaxed);
        (before < until).then_some(wait)
    }
}

/// The time to stay open: doubled for each failed recovery up to the longest, less a random part.
pub(super) fn open_time(settings: &Settings, reopened: u64, chance: u64) -> Duration {
    let doubled = u32::try_from(reopened)
        .ok()
        .and_then(|doublings| 1_u64.checked_shl(doublings))
        .unwrap_or(u64::MAX);
    let longest = settings.max_open_nanos().max(settings.open_nanos());
    let full = settings.open_nanos().saturating_mul(doubled).min(longest);
    let most_off = u128::from(full) * u128::from(settings.jitter_ppm()) / u128::from(MILLION);
    let off = (most_off * u128::from(chance)) >> 64;
    Duration::from_nanos(full - u64::try_from(off).unwrap_or(full))
}
