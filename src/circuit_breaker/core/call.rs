//! What a core hands out, and what it says.

use std::time::Duration;

use super::settings::OFF;
use super::word::{PAYLOAD, Word, generation_of};
use super::{Outside, State};
use crate::time::Instant;
use crate::window::Tally;

/// An admitted call. It must come back through [`Core::exit`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::circuit_breaker) struct Ticket {
    /// The state that admitted the call, without payload. When the breaker is in another term, the
    /// outcome is old news.
    pub(super) term: u64,
    /// When the call was first pending and counted as running; [`OFF`] if it was not.
    pub(super) started_nanos: u64,
}

/// A call was let in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::circuit_breaker) struct Entered {
    pub(in crate::circuit_breaker) ticket: Ticket,
    pub(in crate::circuit_breaker) moved: Option<Move>,
}

/// What the end of a call has changed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(in crate::circuit_breaker) struct Exited {
    pub(in crate::circuit_breaker) moved: Option<Move>,
    /// The service asked all callers to wait so long.
    pub(in crate::circuit_breaker) paused: Option<Duration>,
}

/// A change of state, told to the thread whose swap made it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::circuit_breaker) struct Move {
    pub(in crate::circuit_breaker) from: State,
    pub(in crate::circuit_breaker) to: State,
}

/// No call is let in. Two words, which travel in registers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::circuit_breaker) struct Shut {
    /// How long that surely lasts; [`OFF`] when nobody knows.
    pub(in crate::circuit_breaker) rest_nanos: u64,
    /// Whether the service asked for it, and not its failures.
    pub(in crate::circuit_breaker) is_pause: bool,
}

/// What there is to see.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::circuit_breaker) struct View {
    pub(in crate::circuit_breaker) state: State,
    pub(in crate::circuit_breaker) since: Instant,
    pub(in crate::circuit_breaker) tally: Tally,
    /// Calls that still run and are slow by now.
    pub(in crate::circuit_breaker) running_slow: u64,
    pub(in crate::circuit_breaker) shut: Option<Shut>,
}

impl Shut {
    pub(in crate::circuit_breaker) const UNTIL_FURTHER_NOTICE: Self =
        Self { rest_nanos: OFF, is_pause: false };

    /// How long that surely lasts, if anybody knows.
    #[inline]
    pub(in crate::circuit_breaker) fn retry_after(self) -> Option<Duration> {
        (self.rest_nanos != OFF).then(|| Duration::from_nanos(self.rest_nanos))
    }
}

impl Ticket {
    /// Stands for a call that has ended.
    pub(in crate::circuit_breaker) const SPENT: Self = Self { term: OFF, started_nanos: OFF };

    #[inline]
    pub(in crate::circuit_breaker) fn is_spent(self) -> bool {
        self.term == OFF
    }

    /// Whether the call has run for longer than it may, to the coarse reading.
    pub(in crate::circuit_breaker) fn is_slow(self, outside: &impl Outside) -> bool {
        self.started_nanos != OFF
            && outside.coarse().as_nanos().saturating_sub(self.started_nanos)
                > outside.settings().slow_nanos()
    }

    #[inline]
    pub(super) fn of(word: u64) -> Self {
        Self { term: word & !PAYLOAD, started_nanos: OFF }
    }

    pub(super) fn is_of(self, word: Word) -> bool {
        generation_of(self.term) == word.generation
    }
}
