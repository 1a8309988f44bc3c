//! A call that was let in.

use std::mem;
use std::thread;

use super::core::Ticket;
use super::shared::Shared;
use crate::context;
use crate::gate;
use crate::outcome::Outcome;
use crate::slot::Slot;

/// A call that a [`CircuitBreaker`](super::CircuitBreaker) let in.
///
/// Dropped without [`complete`](gate::Permit::complete), it judges the call by itself:
///
/// | dropped | counts as |
/// |---|---|
/// | while its thread panics | a failure |
/// | because a deadline of this crate cut the call | a failure |
/// | after it ran longer than [`slow_call_duration`](super::Config::slow_call_duration) | a failure |
/// | otherwise: the caller changed his mind | nothing |
///
/// # Example
///
/// ```
/// use seawall::circuit_breaker::{CircuitBreaker, Permit};
/// use seawall::gate::Permit as _;
/// use seawall::Outcome;
///
/// let breaker = CircuitBreaker::builder().build()?;
///
/// let permit: Permit = breaker.enter()?;
/// permit.complete(Outcome::Success);
/// drop(breaker.enter()?);
///
/// assert_eq!(breaker.snapshot().calls(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a permit that is dropped ends its call"]
pub struct Permit {
    /// Until the call has ended.
    shared: Option<Slot<Shared>>,
    ticket: Ticket,
}

impl Permit {
    #[inline]
    pub(super) fn new(shared: Slot<Shared>, ticket: Ticket) -> Self {
        Self { shared: Some(shared), ticket }
    }

    #[expect(clippy::inline_always, reason = "a call would move the permit through memory")]
    #[inline(always)]
    fn spend(&mut self, outcome: Outcome) {
        if let Some(shared) = self.shared.take() {
            shared.exit(self.ticket, outcome);
        }
    }

    /// Ends a call that has no outcome.
    #[cold]
    fn abandon(&mut self) {
        let Some(shared) = self.shared.take() else { return };
        let Shared { family, .. } = &*shared;
        let is_failure = thread::panicking() || context::is_cut() || self.ticket.is_slow(&**family);
        let outcome = if is_failure { Outcome::Transient } else { Outcome::Neutral };
        shared.exit_slowly(self.ticket, outcome);
    }
}

impl gate::Permit for Permit {
    fn pending(&mut self) {
        let Some(shared) = &self.shared else { return };
        let Shared { core, family } = &**shared;
        if let Some(moved) = core.pending(&mut self.ticket, &**family) {
            shared.tell(Some(moved));
        }
    }

    #[inline]
    fn complete(mut self, outcome: Outcome) {
        self.spend(outcome);
    }

    #[expect(clippy::inline_always, reason = "a call would move the permit through memory")]
    #[inline(always)]
    fn complete_in_place(permit: &mut Option<Self>, outcome: Outcome) {
        // Taken out, the permit would be moved, which costs more than to write that it is spent.
        let Some(Self { shared, ticket }) = permit else { return };
        let (shared, ticket) = (shared.take(), *ticket);
        // So that nobody looks into it any more.
        mem::forget(permit.take());
        if let Some(shared) = shared {
            shared.exit(ticket, outcome);
        }
    }
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        if self.shared.is_some() {
            self.abandon();
        }
    }
}
