//! The circuit breaker itself: no runtime, no lock, no source of time or chance of its own.
//!
//! The state is one word, so every change is one compare-and-swap, and a reader never sees half of
//! one. A call through a closed circuit costs two loads to enter, and a load and one plain store
//! into the window to leave.
//!
//! ```text
//!            tripped                                 ┌── a probe failed
//!   Closed ───────────▶ Open ◀───────────────────────┤
//!     ▲                  │ time is over              │
//!     │                  ▼                           │
//!     │               HalfOpen ──────────────────────┤
//!     │                  │ all probes passed         │
//!     │ ramp is over     ▼                           │
//!     └────────────── Recovering ────────────────────┘
//! ```
//!
//! By hand, any of them becomes `Isolated`, `ForcedClosed`, `MetricsOnly`, or `Closed` again.

#[cfg(any(test, fuzzing))]
pub(super) mod model;
mod settings;
#[cfg(test)]
mod tests;
mod word;

use std::time::Duration;

pub(super) use settings::{MILLION, OFF, Params, Settings};
use word::{CLOSED_END, PAYLOAD, PAYLOAD_BITS, Phase, Word, generation_of};
pub(super) use word::{MAX_IN_A_ROW, MAX_PLACES};

use super::State;
use crate::outcome::Outcome;
use crate::sync::{AtomicU64, Ordering};
use crate::time::{Instant, nanos};
use crate::window::{Span, Tally, Window};

/// What a core asks of its surroundings, and only when it needs it.
pub(super) trait Outside {
    /// The time, up to one [`tick`](Self::tick) ago.
    fn coarse(&self) -> Instant;

    /// The time, to the nanosecond.
    fn now(&self) -> Instant;

    /// How far [`coarse`](Self::coarse) may be behind.
    fn tick(&self) -> Duration;

    /// Any number.
    fn chance(&self) -> u64;

    fn settings(&self) -> &Settings;

    /// The time, right about whether `until` has come.
    fn around(&self, until: Instant) -> Instant {
        let coarse = self.coarse();
        if coarse < until && until.since(coarse) <= self.tick() { self.now() } else { coarse }
    }
}

#[derive(Debug)]
pub(super) struct Core {
    word: AtomicU64,
    /// Until when all calls are held back, in nanoseconds; zero when they are not.
    paused_until: AtomicU64,
    /// When the state was entered, in nanoseconds. Only grows.
    since: AtomicU64,
    /// How often the circuit has opened again since it was last closed.
    reopened: AtomicU64,
    window: Window,
}

/// An admitted call. It must come back through [`Core::exit`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Ticket {
    /// The state that admitted the call, without payload. When the breaker is in another term, the
    /// outcome is old news.
    term: u64,
    /// When the call was first pending and counted as running; [`OFF`] if it was not.
    started_nanos: u64,
}

/// A call was let in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Entered {
    pub(super) ticket: Ticket,
    pub(super) moved: Option<Move>,
}

/// What the end of a call has changed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Exited {
    pub(super) moved: Option<Move>,
    /// The service asked all callers to wait so long.
    pub(super) paused: Option<Duration>,
}

/// A change of state, told to the thread whose swap made it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Move {
    pub(super) from: State,
    pub(super) to: State,
}

/// No call is let in. Two words, which travel in registers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Shut {
    /// How long that surely lasts; [`OFF`] when nobody knows.
    pub(super) rest_nanos: u64,
    /// Whether the service asked for it, and not its failures.
    pub(super) is_pause: bool,
}

/// What there is to see.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct View {
    pub(super) state: State,
    pub(super) since: Instant,
    pub(super) tally: Tally,
    /// Calls that still run and are slow by now.
    pub(super) running_slow: u64,
    pub(super) shut: Option<Shut>,
}

/// Steps of the way back to full traffic.
const STEPS: u64 = 8;

/// A whole call, in the units of [`Phase::Recovering`].
const WHOLE: u64 = 1 << 20;

/// No wait is as long as this, and the payload of an open word tells all that are shorter.
const ERA: u64 = 3 * 24 * 3600 * 1_000_000_000;

/// No coarse clock is as coarse as this; so most need not ask how coarse it is.
const LONGEST_TICK: u64 = 1_000_000_000;

impl Shut {
    pub(super) const UNTIL_FURTHER_NOTICE: Self = Self { rest_nanos: OFF, is_pause: false };

    /// How long that surely lasts, if anybody knows.
    #[inline]
    pub(super) fn retry_after(self) -> Option<Duration> {
        (self.rest_nanos != OFF).then(|| Duration::from_nanos(self.rest_nanos))
    }
}

impl Ticket {
    /// Stands for a call that has ended.
    pub(super) const SPENT: Self = Self { term: OFF, started_nanos: OFF };

    #[inline]
    pub(super) fn is_spent(self) -> bool {
        self.term == OFF
    }

    /// Whether the call has run for longer than it may, to the coarse reading.
    pub(super) fn is_slow(self, outside: &impl Outside) -> bool {
        self.started_nanos != OFF
            && outside.coarse().as_nanos().saturating_sub(self.started_nanos)
                > outside.settings().slow_nanos()
    }

    #[inline]
    fn of(word: u64) -> Self {
        Self { term: word & !PAYLOAD, started_nanos: OFF }
    }

    fn is_of(self, word: Word) -> bool {
        generation_of(self.term) == word.generation
    }
}

impl Core {
    pub(super) fn new(window: Window, now: Instant) -> Self {
        Self {
            word: AtomicU64::new(Word::FIRST.pack()),
            paused_until: AtomicU64::new(0),
            since: AtomicU64::new(now.as_nanos()),
            reopened: AtomicU64::new(0),
            window,
        }
    }

    /// Begins anew, for another owner.
    pub(super) fn restart(&self, outside: &impl Outside) {
        self.force(State::Closed, outside);
        // Nobody else has it now. In a test, its past may be ahead of a clock that began anew.
        self.since.store(outside.now().as_nanos(), Ordering::Relaxed);
        self.window.restart(outside.now());
    }

    pub(super) fn span(&self) -> Span {
        self.window.span()
    }

    /// Starts a call, if nothing speaks against it and nothing follows from it.
    #[expect(clippy::inline_always, reason = "a call would move the ticket through memory")]
    #[inline(always)]
    pub(super) fn enter_plainly(&self) -> Option<Ticket> {
        let word = self.word.load(Ordering::Relaxed);
        self.is_wide_open(word).then(|| Ticket::of(word))
    }

    /// Asks to start a call.
    #[cfg(any(test, fuzzing))]
    pub(super) fn enter(&self, outside: &impl Outside) -> Result<Entered, Shut> {
        match self.enter_plainly() {
            Some(ticket) => Ok(Entered { ticket, moved: None }),
            None => self.enter_slowly(outside),
        }
    }

    /// Whether, and why, every call would be turned away. Changes nothing.
    #[inline]
    pub(super) fn peek(&self, outside: &impl Outside) -> Option<Shut> {
        // Acquire as in `load`; the same instruction on most processors.
        let word = self.word.load(Ordering::Acquire);
        if self.is_wide_open(word) { None } else { self.peek_slowly(word, outside) }
    }

    #[inline(never)]
    fn peek_slowly(&self, word: u64, outside: &impl Outside) -> Option<Shut> {
        // An outage has as many calls as the good times.
        match Word::unpack(word).phase {
            Phase::Open { until_micros } => self.rest_of_open(until_micros, outside),
            _ => self.look(outside),
        }
    }

    /// Notes that a call did not end at once. Returns the state that this moved the breaker to, for
    /// the first who calls in a tick looks at all that run.
    pub(super) fn pending(&self, ticket: &mut Ticket, outside: &impl Outside) -> Option<Move> {
        if outside.settings().slow_nanos() == OFF || !ticket.is_of(self.load()) {
            return None;
        }
        let now = outside.coarse();
        let is_due = self.window.advance(now);
        self.window.start(now);
        ticket.started_nanos = now.as_nanos();
        if is_due { self.evaluate(*ticket, now, outside) } else { None }
    }

    /// Ends a call, if it was good, quick, and nothing follows from it. Returns whether it was.
    #[expect(clippy::inline_always, reason = "a call would move the ticket through memory")]
    #[inline(always)]
    pub(super) fn exit_plainly(
        &self,
        ticket: Ticket,
        outcome: Outcome,
        outside: &impl Outside,
    ) -> bool {
        let is_plain = matches!(outcome, Outcome::Success | Outcome::Permanent)
            && ticket.started_nanos == OFF
            && ticket.term < CLOSED_END
            // Equal to the whole word: no failures in a row either.
            && ticket.term == self.word.load(Ordering::Relaxed);
        is_plain && self.window.record_plain(|| outside.coarse())
    }

    /// Ends a call.
    #[cfg(any(test, fuzzing))]
    pub(super) fn exit(&self, ticket: Ticket, outcome: Outcome, outside: &impl Outside) -> Exited {
        if self.exit_plainly(ticket, outcome, outside) {
            return Exited::default();
        }
        self.exit_slowly(ticket, outcome, outside)
    }

    pub(super) fn state(&self) -> State {
        self.load().phase.state()
    }

    /// What there is to see. Changes nothing.
    pub(super) fn view(&self, outside: &impl Outside) -> View {
        let now = outside.now();
        let slow = outside.settings().slow_nanos();
        View {
            state: self.state(),
            since: self.since(),
            tally: self.window.tally(now).unwrap_or_default(),
            running_slow: if slow == OFF { 0 } else { self.window.running_for(slow, now) },
            shut: self.look(outside),
        }
    }

    /// Whether a new breaker would do as well: closed without failures, or left alone for so long
    /// after it opened that nobody knows any more.
    pub(super) fn is_forgettable(&self, outside: &impl Outside) -> bool {
        let now = outside.coarse();
        match self.load().phase {
            Phase::Closed { failures } => {
                let is_clean = |tally: Tally| tally.failed == 0 && tally.slow == 0;
                failures == 0
                    && self.paused(outside).is_none()
                    && self.window.tally(now).is_some_and(is_clean)
            }
            Phase::HalfOpen { .. } | Phase::Open { .. } | Phase::Recovering { .. } => {
                let longest = Duration::from_nanos(outside.settings().max_open_nanos());
                self.look(outside).is_none() && now.since(self.since()) > longest * 2
            }
            // A hand has set these, and a hand lifts them.
            Phase::ForcedClosed | Phase::Isolated | Phase::MetricsOnly => false,
        }
    }

    /// Goes to a state that is set by hand, or begins anew when that is `Closed`.
    pub(super) fn force(&self, state: State, outside: &impl Outside) -> Option<Move> {
        let phase = match state {
            State::ForcedClosed => Phase::ForcedClosed,
            State::Isolated => Phase::Isolated,
            State::MetricsOnly => Phase::MetricsOnly,
            State::Closed | State::HalfOpen | State::Open | State::Recovering => {
                Phase::Closed { failures: 0 }
            }
        };
        self.paused_until.store(0, Ordering::Relaxed);
        self.reopened.store(0, Ordering::Relaxed);
        self.window.clear(outside.coarse());
        let (before, after, ()) = self.update(outside, |word| (word.advance(phase), ()));
        before.moved_to(after)
    }

    /// Asks to start a call, whatever follows.
    #[inline(never)]
    pub(super) fn enter_slowly(&self, outside: &impl Outside) -> Result<Entered, Shut> {
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
    fn look(&self, outside: &impl Outside) -> Option<Shut> {
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

    /// Ends a call, whatever follows.
    #[inline(never)]
    pub(super) fn exit_slowly(
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
    fn evaluate(&self, ticket: Ticket, now: Instant, outside: &impl Outside) -> Option<Move> {
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

    /// Whether the service has asked all callers to wait.
    #[inline]
    fn paused(&self, outside: &impl Outside) -> Option<Shut> {
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

    /// Applies `step` until it holds. Returns the words before and after it, and what it returned.
    fn update<R>(
        &self,
        outside: &impl Outside,
        step: impl Fn(Word) -> (Word, R),
    ) -> (Word, Word, R) {
        let mut packed = self.word.load(Ordering::Acquire);
        loop {
            let before = Word::unpack(packed);
            let (after, result) = step(before);
            if after == before {
                return (before, after, result);
            }
            if before.state() != after.state() || before.generation != after.generation {
                // Before the new word, whose readers count from here. A thread that loses the race
                // has read the time before the winner's swap, so it moves this on by next to nothing.
                self.since.fetch_max(outside.now().as_nanos(), Ordering::Relaxed);
            }
            // Release pairs with the acquires here and in `load`: who sees a state sees what led
            // to it.
            match self.word.compare_exchange(
                packed,
                after.pack(),
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return (before, after, result),
                Err(actual) => packed = actual,
            }
        }
    }

    /// What the winner of a swap has to do and to tell.
    fn announce(&self, before: Word, after: Word) -> Option<Move> {
        let moved = before.moved_to(after)?;
        match (moved.from, moved.to) {
            (_, State::Closed) => self.reopened.store(0, Ordering::Relaxed),
            (State::HalfOpen | State::Recovering, State::Open) => {
                self.reopened.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
        Some(moved)
    }

    /// Whether calls pass without a second look.
    #[inline]
    fn is_wide_open(&self, word: u64) -> bool {
        // Relaxed: nothing is read on the strength of it.
        word < CLOSED_END && self.paused_until.load(Ordering::Relaxed) == 0
    }

    #[inline]
    fn since(&self) -> Instant {
        Instant::from_nanos(self.since.load(Ordering::Relaxed))
    }

    fn load(&self) -> Word {
        Word::unpack(self.word.load(Ordering::Acquire))
    }
}

impl Word {
    fn state(self) -> State {
        self.phase.state()
    }

    fn moved_to(self, after: Self) -> Option<Move> {
        let (from, to) = (self.state(), after.state());
        (from != to).then_some(Move { from, to })
    }
}

impl Phase {
    const fn state(self) -> State {
        match self {
            Self::Closed { .. } => State::Closed,
            Self::ForcedClosed => State::ForcedClosed,
            Self::HalfOpen { .. } => State::HalfOpen,
            Self::Isolated => State::Isolated,
            Self::MetricsOnly => State::MetricsOnly,
            Self::Open { .. } => State::Open,
            Self::Recovering { .. } => State::Recovering,
        }
    }
}

/// How long calls are held back until then, if they are.
#[inline(never)]
fn rest_of_pause(until: Instant, outside: &impl Outside) -> Option<Shut> {
    let now = outside.around(until);
    (now < until).then(|| Shut { rest_nanos: nanos(until.since(now)), is_pause: true })
}

/// The time to stay open: doubled for each failed recovery up to the longest, less a random part.
fn open_time(settings: &Settings, reopened: u64, chance: u64) -> Duration {
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
