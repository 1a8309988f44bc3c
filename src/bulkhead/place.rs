//! A place in the line of a bulkhead, and how long it is kept.

use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::Shared;
use super::core::Full;
use crate::context;
use crate::error::{Reason, Rejection};
use crate::queue::line;
use crate::slot::Slot;
use crate::time::{Instant, Timer};

/// A call's place in the line of a [`Bulkhead`](super::Bulkhead).
///
/// Only [`QueueService`](crate::queue::QueueService) has to do with it. Dropped, it leaves the
/// line, and passes its turn on if that has come.
///
/// # Example
///
/// ```
/// use seawall::bulkhead::{Bulkhead, Place};
/// use seawall::gate::Waitable;
///
/// fn waits_in_a_line<G: Waitable<(), Place = Place>>(_: &G) {}
///
/// waits_in_a_line(&Bulkhead::builder().build()?);
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Debug)]
#[must_use = "dropping it leaves the line"]
pub struct Place {
    shared: Slot<Shared>,
    /// `None`, once the wait is over.
    in_line: Option<line::Place>,
    until: Instant,
    /// Why the call is turned away then.
    then: Reason,
    timer: Timer,
}

impl Place {
    /// Joins the line. Without a place in it, the call was let in.
    pub(super) fn join(shared: &Slot<Shared>, waker: &Waker) -> Result<Option<Self>, Rejection> {
        // Relaxed: a setting, and one of a moment ago is as good.
        let max_waiting = shared.max_waiting.load(Ordering::Relaxed);
        let max_wait = Duration::from_nanos(shared.max_wait_nanos.load(Ordering::Relaxed));
        let now = shared.clock.now();
        let (until, then) = match context::deadline(&shared.clock) {
            Some(deadline) if deadline <= now => {
                return Err(shared.reject(Reason::DeadlineExceeded));
            }
            Some(deadline) if deadline < now + max_wait => (deadline, Reason::DeadlineExceeded),
            Some(_) | None => (now + max_wait, Reason::QueueTimedOut),
        };
        match shared.room.join(max_waiting, waker) {
            Ok(None) => Ok(None),
            Ok(in_line) => Ok(Some(Self {
                shared: shared.clone(),
                in_line,
                until,
                then,
                timer: Timer::idle(),
            })),
            Err(Full) => Err(shared.reject(Reason::QueueFull)),
        }
    }

    /// Waits for the turn, or for the end of the wait. Then the owner is in, or out.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        let Self { shared, until, then, timer, .. } = self;
        let place = self.in_line.expect("not polled again after the wait");
        if shared.room.has_come(place, cx.waker()) {
            self.in_line = None;
            return Poll::Ready(Ok(()));
        }
        if timer.poll_until(*until, &shared.clock, cx).is_pending() {
            return Poll::Pending;
        }
        self.in_line = None;
        // The turn may have come since: then it beats the clock.
        if shared.room.leave(place) {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(Err(shared.reject(*then)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(place) = self.in_line.take() else { return };
        if self.shared.room.leave(place) {
            self.shared.room.exit();
        }
    }
}
