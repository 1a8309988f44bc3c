//! Changes of the term, one after the other.

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

use super::{Epoch, Leadership, Term};
use crate::time::Timer;

/// Tells of the beginnings and ends of terms. Made by [`Leadership::watch`].
///
/// # Example
///
/// ```
/// use seawall::lease::{InMemory, Leadership};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (leadership, election) = Leadership::builder().build(InMemory::new())?;
/// let mut watch = leadership.watch();
/// tokio::spawn(election.run());
///
/// let term = watch.changed().await.expect("nobody else wants to lead");
/// assert_eq!(term.epoch().get(), 1);
///
/// leadership.release().await;
/// assert_eq!(watch.changed().await, None);
/// # Ok(())
/// # }
/// ```
pub struct Watch {
    leadership: Leadership,
    /// The epoch of the term that was last told of.
    pub(super) seen: Option<Epoch>,
    timer: Timer,
    place: Option<u64>,
}

impl Watch {
    pub(super) fn new(leadership: Leadership) -> Self {
        Self { leadership, seen: None, timer: Timer::idle(), place: None }
    }

    /// Waits until the term is another one than the last time, and returns it; none when there is
    /// none. At first, none was told of.
    ///
    /// Two terms of this process that follow on each other are told apart by their epochs. It ends
    /// at the end of a term by the clock, whether or not the election runs.
    ///
    /// Once the [`Election`](super::Election) was dropped, which ends the term, there is no further change, and this
    /// waits for ever: race it with something that ends, or wait for a term by
    /// [`Leadership::leading_or_abandoned`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no change: the next one tells of it.
    pub async fn changed(&mut self) -> Option<Term> {
        poll_fn(|cx| self.poll(cx)).await
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Term>> {
        let shared = &*self.leadership.shared;
        loop {
            // Before the look: a change in between wakes this one.
            shared.changes.join(&mut self.place, cx);
            let term = self.leadership.term();
            let epoch = term.map(Term::epoch);
            if epoch != self.seen {
                shared.changes.leave(&mut self.place);
                self.timer.reset();
                self.seen = epoch;
                return Poll::Ready(term);
            }
            let Some(term) = term else { return Poll::Pending };
            if self.timer.poll_until(term.valid_until, &shared.clock, cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.leadership.shared.changes.leave(&mut self.place);
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("seen", &self.seen).finish_non_exhaustive()
    }
}
