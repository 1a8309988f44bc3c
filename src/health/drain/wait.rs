//! Waiting for a drain.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{Drain, Phase};
use crate::time::{Instant, Timer};

/// Ends when a phase is reached. Made by [`Drain::reached`].
///
/// Pending it costs a timer and an entry in a list; it is woken when the drain starts, and when the
/// phase begins.
///
/// # Example
///
/// ```
/// use seawall::health::Phase;
/// use seawall::health::drain::{Drain, Product, Reached};
///
/// let drain = Drain::for_products([Product::load_balancer()]).build()?;
/// let leaves: Reached = drain.reached(Phase::Closing);
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[must_use = "futures do nothing unless polled"]
pub struct Reached {
    drain: Drain,
    phase: Phase,
    timer: Timer,
    place: Option<u64>,
}

impl Reached {
    pub(super) fn new(drain: Drain, phase: Phase) -> Self {
        Self { drain, phase, timer: Timer::idle(), place: None }
    }
}

impl Future for Reached {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { drain, phase, timer, place } = &mut *self;
        let shared = &*drain.shared;
        loop {
            // Before the look: a drain that starts in between wakes this one.
            shared.waiting.join(place, cx);
            if shared.phase() >= *phase {
                shared.waiting.leave(place);
                shared.announce();
                return Poll::Ready(());
            }
            let begin = shared.course.begin_of(*phase);
            if begin == Instant::FAR_FUTURE {
                timer.reset();
                return Poll::Pending;
            }
            if timer.poll_until(begin, &shared.clock, cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl Drop for Reached {
    fn drop(&mut self) {
        self.drain.shared.waiting.leave(&mut self.place);
    }
}

impl fmt::Debug for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reached").field("phase", &self.phase).finish_non_exhaustive()
    }
}

/// Ends when the instance may go. Made by [`Drain::closed`].
///
/// # Example
///
/// ```
/// use seawall::health::drain::{Closed, Drain, Product};
///
/// let drain = Drain::for_products([Product::load_balancer()]).build()?;
/// let may_go: Closed = drain.closed();
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct Closed {
    rejecting: Reached,
    end: Reached,
}

impl Closed {
    pub(super) fn new(drain: Drain) -> Self {
        let rejecting = Reached::new(drain.clone(), Phase::Rejecting);
        Self { rejecting, end: Reached::new(drain, Phase::Closed) }
    }
}

impl Future for Closed {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if Pin::new(&mut self.rejecting).poll(cx).is_pending() {
            return Poll::Pending;
        }
        // Polled first, so that the last request to end finds it waiting.
        if Pin::new(&mut self.end).poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if self.end.drain.may_go() { Poll::Ready(()) } else { Poll::Pending }
    }
}
