//! What campaigns, renews, steps down and gives back.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use super::core::{Ask, Ending, Next};
use super::leadership::{Place, Shared, State};
use super::{Claim, Epoch, Leadership, LeaseError};
use crate::rng::Rng;
use crate::sync::Arc;
use crate::telemetry::EventKind;
use crate::time::{Instant, Timer};

/// The candidacy of a [`Leadership`]: to be run, once, in a task of its own.
///
/// It asks the store for the lease, renews it, and tells the handles. It only moves things on: that
/// a term is over is read off the clock by whoever looks, also when this is not polled.
///
/// A candidate that may hold the lease and can not begin its term, because it is too slow or may not
/// write the epoch, does not keep the others out: after two such attempts in a row it gives back what
/// it may hold, and rests for a [`duration`](super::Config::duration). [`Leadership::last_error`] says
/// why.
///
/// # Cancel safety
///
/// Dropping it, or the future that runs it, ends the term at once; the lease is not given back, and
/// ends in the store when its time is up.
///
/// # Cost
///
/// A request to the store per [`renew_every`](super::Config::renew_every) as the leader, and per
/// [`campaign_every`](super::Config::campaign_every) at most two as a follower; no thread.
#[must_use = "nobody is elected unless it runs"]
pub struct Election {
    shared: Arc<Shared>,
    claim: Claim,
    /// Whether a release was tried under the claim's id.
    released: bool,
    rng: Rng,
}

impl Election {
    pub(super) fn new(shared: Arc<Shared>, holder: &str, rng: Rng) -> Self {
        Self { shared, claim: Claim::new(holder), released: false, rng }
    }

    /// Runs for as long as it is polled.
    ///
    /// # Panics
    ///
    /// As the [`Lease`](super::Lease) does. The term ends then.
    pub async fn run(mut self) -> Infallible {
        loop {
            let (ask, until) = self.decision().await;
            self.ask(ask, until).await;
        }
    }

    /// Runs until `end` is over, then gives the lease back as
    /// [`Leadership::release`] does, and ends when that has happened.
    ///
    /// If that is taken back by [`Leadership::campaign`] before, it runs on until the next release has
    /// happened.
    ///
    /// # Panics
    ///
    /// As the [`Lease`](super::Lease) and `end` do.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::lease::{InMemory, Lease, Leadership};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let lease = InMemory::new();
    /// let (leadership, election) = Leadership::builder().build(lease.clone())?;
    /// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    /// let task = tokio::spawn(election.run_until(async { drop(stopped.await) }));
    ///
    /// leadership.leading().await;
    /// stop.send(()).ok();
    /// task.await?;
    /// assert!(!lease.read().await?.is_held());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "futures do nothing unless polled"]
    pub fn run_until<E>(self, end: E) -> impl Future<Output = ()> + Send + 'static
    where
        E: Future<Output = ()> + Send + 'static,
    {
        let leadership = Leadership { shared: Arc::clone(&self.shared) };
        async move {
            let mut run = pin!(self.run());
            let mut end = pin!(async move {
                end.await;
                drop(leadership.release());
                leadership.shared.given_back(false).await;
            });
            poll_fn(|cx| {
                // First what may have something to give back, then what waits for that.
                match run.as_mut().poll(cx) {
                    Poll::Pending => end.as_mut().poll(cx),
                    Poll::Ready(never) => match never {},
                }
            })
            .await;
        }
    }

    /// Waits until there is something to ask, and says until when.
    async fn decision(&self) -> (Ask, Instant) {
        let shared = &*self.shared;
        let mut waiting = Place { line: &shared.decisions, place: None };
        let mut timer = Timer::idle();
        poll_fn(|cx| {
            loop {
                // Before the look: what is decided in between wakes this one.
                waiting.join(cx);
                let until = match self.look() {
                    Next::Ask(ask, until) => return Poll::Ready((ask, until)),
                    Next::Wait(until) => until,
                };
                if timer.poll_until(until, &shared.clock, cx).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    fn look(&self) -> Next {
        let shared = &*self.shared;
        let mut next = Next::Wait(Instant::FAR_FUTURE);
        shared.change(|state, now| {
            let moved = state.core.sweep(now);
            next = state.core.next(now, state.working > 0);
            moved
        });
        next
    }

    async fn ask(&mut self, ask: Ask, until: Instant) {
        let shared = Arc::clone(&self.shared);
        // Before the request is made: the store begins to count at some time after this.
        let sent = shared.clock.now();
        let (before, newest, duration) = {
            let core = &mut shared.state.lock().core;
            let Some(before) = core.asking(ask) else { return };
            (before, core.newest(), core.params().duration)
        };
        if ask == Ask::Acquire {
            self.prepare(newest);
        }
        let claim = &self.claim;
        let result = match ask {
            Ask::Acquire => shared.within(until, shared.lease.acquire(claim, duration)).await,
            Ask::Renew => done(shared.within(until, shared.lease.renew(claim)).await),
            Ask::Release => {
                self.released = true;
                done(shared.within(until, shared.lease.release(claim)).await)
            }
        };
        self.conclude(ask, (sent, before), result);
    }

    /// Claims a term that has not been, under an id that no late release can hit.
    fn prepare(&mut self, newest: Epoch) {
        if std::mem::take(&mut self.released) {
            self.claim = self.claim.next_id(newest);
        } else if self.claim.above() < newest {
            self.claim = self.claim.next_term(newest);
        }
    }

    fn conclude(&self, ask: Ask, since: (Instant, Instant), result: Result<Epoch, LeaseError>) {
        let (shared, chance) = (&*self.shared, self.rng.next());
        let mut failed = None;
        shared.change(|state, now| {
            let State { core, last_error, failures, .. } = state;
            let (ending, gives_back) = (Self::ending(&result), core.gives_back());
            let moved = core.ended(ask, since, ending, now, chance);
            if matches!(ending, Ending::NotDone | Ending::Unknown) {
                *failures += 1;
                let after = match core.next(now, false) {
                    Next::Wait(until) => until.since(now),
                    Next::Ask(..) => std::time::Duration::ZERO,
                };
                failed = Some(EventKind::Retry { attempt: core.failures(), after });
            }
            // What it gives the lease back for is what matters then.
            if !gives_back {
                *last_error = result.err();
            }
            moved
        });
        if let Some(event) = failed {
            shared.emitter.emit(event);
        }
    }

    const fn ending(result: &Result<Epoch, LeaseError>) -> Ending {
        match result {
            Ok(epoch) => Ending::Done(*epoch),
            Err(LeaseError::Held { .. } | LeaseError::Lost) => Ending::NotOurs,
            Err(LeaseError::Unavailable(_) | LeaseError::Refused(_)) => Ending::NotDone,
            Err(LeaseError::Ambiguous(_)) => Ending::Unknown,
        }
    }
}

impl Drop for Election {
    fn drop(&mut self) {
        self.shared.change(|state, now| {
            state.abandoned = true;
            state.core.release(now)
        });
    }
}

impl fmt::Debug for Election {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Election")
            .field("name", &self.shared.emitter.name())
            .field("claim", &self.claim)
            .finish_non_exhaustive()
    }
}

fn done(result: Result<(), LeaseError>) -> Result<Epoch, LeaseError> {
    result.map(|()| Epoch::NONE)
}
