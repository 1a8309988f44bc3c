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

mod call;
mod enter;
mod exit;
#[cfg(any(test, fuzzing))]
pub(super) mod model;
mod settings;
#[cfg(test)]
mod tests;
mod word;

use std::time::Duration;

pub(super) use call::{Entered, Exited, Move, Shut, Ticket, View};
pub(super) use settings::{MILLION, OFF, Params, Settings};
use word::{CLOSED_END, Phase, Word};
pub(super) use word::{MAX_IN_A_ROW, MAX_PLACES};

use super::State;
use crate::outcome::Outcome;
use crate::sync::{AtomicU64, Ordering};
use crate::time::Instant;
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
