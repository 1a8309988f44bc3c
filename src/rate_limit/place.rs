//! A turn that is waited for.

use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use super::core::Refusal;
use super::{Shared, Turn};
use crate::context;
use crate::error::{Reason, Rejection};
use crate::slot::Slot;
use crate::time::Timer;

/// A call's turn, while it waits for it in front of a [`RateLimiter`](super::RateLimiter).
///
/// Only [`QueueService`](crate::queue::QueueService) has to do with it. Dropped before its time, it
/// gives the turn back.
///
/// # Example
///
/// ```
/// use seawall::gate::Waitable;
/// use seawall::rate_limit::{Place, Quota};
///
/// fn waits_for_a_turn<G: Waitable<(), Place = Place>>(_: &G) {}
///
/// waits_for_a_turn(&Quota::per_second(10).build()?);
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Debug)]
#[must_use = "dropping it gives the turn back"]
pub struct Place {
    shared: Slot<Shared>,
    /// `None`, once it has come.
    turn: Option<Turn>,
    timer: Timer,
}

impl Place {
    /// Takes the next turn, if it comes early enough.
    pub(super) fn reserve(shared: &Slot<Shared>, weight: u32) -> Result<Self, Rejection> {
        let now = shared.clock.now();
        let max_wait = shared.max_wait();
        let left = context::deadline(&shared.clock).map(|deadline| deadline.since(now));
        if left.is_some_and(|left| left.is_zero()) {
            return Err(shared.reject_for(Reason::DeadlineExceeded));
        }
        if shared.core.heal(|| shared.clock.now(), max_wait) {
            shared.waiting.lock().gaps.clear();
        }
        let turn = {
            let mut waiting = shared.waiting.lock();
            // Relaxed: a setting, and one of a moment ago is as good.
            if waiting.calls >= shared.max_waiting.load(Ordering::Relaxed) {
                Err(None)
            } else {
                let wait = left.map_or(max_wait, |left| left.min(max_wait));
                let turn = shared.core.reserve(weight, now, wait, &mut waiting.gaps);
                waiting.calls += u32::from(turn.is_ok());
                turn.map_err(Some)
            }
        };
        // The lock is free: an observer is told of what follows.
        match turn {
            Ok(turn) => Ok(Self { shared: shared.clone(), turn: Some(turn), timer: Timer::idle() }),
            // A deadline does not move with who comes again: he needs a turn that is due at once.
            Err(Some(Refusal::Later(excess))) => match left {
                Some(left) if left < max_wait => Err(shared.reject(Refusal::Later(excess + left))),
                Some(_) | None => Err(shared.reject(Refusal::Later(excess))),
            },
            Err(Some(Refusal::TooHeavy)) => Err(shared.reject(Refusal::TooHeavy)),
            Err(None) => Err(shared.reject_for(Reason::QueueFull)),
        }
    }

    /// Waits for the turn.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self { shared, turn, timer } = self;
        let Some(due) = turn.map(|turn| turn.at) else { return Poll::Ready(()) };
        if timer.poll_until(due, &shared.clock, cx).is_pending() {
            return Poll::Pending;
        }
        *turn = None;
        shared.waiting.lock().calls -= 1;
        Poll::Ready(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(turn) = self.turn.take() else { return };
        let now = self.shared.clock.now();
        let mut waiting = self.shared.waiting.lock();
        waiting.calls -= 1;
        self.shared.core.give_back(turn, now, &mut waiting.gaps);
    }
}
