//! A lease in memory, for tests: as exact as the real ones are, and with faults to switch on.

mod core;

use std::fmt;
use std::future::{Future, poll_fn};
use std::time::Duration;

use self::core::{Answer, Core, Request};
use super::{Claim, Epoch, Lease, LeaseError, LeaseFuture, Status};
use crate::error::InvalidConfig;
use crate::sync::{Arc, Mutex};
use crate::telemetry::Environment;
use crate::time::{Clock, Timer};

/// The twin of a lease in a store: the same laws, in memory, on any clock.
///
/// Clones are the same line to the same store: what is [switched on](Self::fault) for one is for
/// all of them. [`line`](Self::line) makes another line, with faults of its own: one per candidate
/// to part them. A request that was cut is carried out all the same, when it arrives, as in a
/// network.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::lease::{Fault, InMemory, Leadership};
/// use seawall::telemetry::Environment;
/// use seawall::time::Clock;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let clock = Clock::manual();
/// let environment = Environment::new().clock(clock.clone());
/// let lease = InMemory::new_in(&environment);
/// let (leadership, election) = Leadership::builder().build_in(lease.clone(), &environment)?;
/// tokio::spawn(election.run());
/// let mut watch = leadership.watch();
/// assert!(watch.changed().await.is_some());
///
/// // What does the application do when the store is gone?
/// lease.fault(Fault::Unavailable);
/// clock.advance(Duration::from_secs(15));
/// assert_eq!(watch.changed().await, None);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct InMemory {
    store: Arc<Mutex<Core>>,
    line: Arc<Mutex<Fault>>,
    clock: Clock,
}

/// What is wrong with a line to an [`InMemory`] lease.
///
/// # Example
///
/// ```
/// use seawall::lease::{Claim, Fault, InMemory, Lease};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let lease = InMemory::new();
/// lease.fault(Fault::LostAnswer);
///
/// let error = lease.break_off().await.unwrap_err();
/// assert!(error.may_have_run());
///
/// lease.fault(Fault::None);
/// assert!(lease.read().await.is_ok());
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing: answers come at once.
    #[default]
    None,
    /// Every request is refused at once, and not carried out.
    Unavailable,
    /// Every request is carried out at once, and answered with an error that does not say so.
    LostAnswer,
    /// Every request takes this long on its way there, and is answered then.
    Slow(Duration),
    /// Every request is carried out at once, and its answer takes this long.
    SlowAnswer(Duration),
    /// No request arrives, and none is answered.
    Silent,
}

impl InMemory {
    /// A lease that nobody has held, by the system's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::new_in(&Environment::new())
    }

    /// A lease that nobody has held, by the clock of `environment`.
    #[must_use]
    pub fn new_in(environment: &Environment) -> Self {
        Self {
            store: Arc::new(Mutex::default()),
            line: Arc::new(Mutex::default()),
            clock: environment.clock.clone(),
        }
    }

    /// Another line to the same store, with faults of its own.
    #[must_use]
    pub fn line(&self) -> Self {
        Self { line: Arc::new(Mutex::default()), ..self.clone() }
    }

    /// Has this from now on.
    pub fn fault(&self, fault: Fault) {
        *self.line.lock() = fault;
    }

    /// Sends a request; the answer comes if the future is polled.
    fn send(&self, request: Request) -> impl Future<Output = Result<Answer, LeaseError>> + Send {
        let (line, fault) = (self.clone(), *self.line.lock());
        let now = self.clock.now();
        let (arrives, answered) = match fault {
            Fault::None | Fault::LostAnswer => (Some(now), now),
            Fault::Slow(time) => (Some(now + time), now + time),
            Fault::SlowAnswer(time) => (Some(now), now + time),
            Fault::Unavailable | Fault::Silent => (None, now),
        };
        let number = arrives.map(|arrives| self.store.lock().send(request, arrives));
        let kept = Kept { line, number };
        async move {
            // All of it, and not the fields that are named below.
            let mut kept = kept;
            let mut timer = Timer::idle();
            let Some(number) = kept.number else {
                return match fault {
                    Fault::Unavailable => Err(LeaseError::unavailable("it is switched off")),
                    _ => std::future::pending().await,
                };
            };
            poll_fn(|cx| timer.poll_until(answered, &kept.line.clock, cx)).await;
            let answer = kept.line.store.lock().collect(number, kept.line.clock.now());
            kept.number = None;
            if fault == Fault::LostAnswer {
                return Err(LeaseError::ambiguous("the answer was lost"));
            }
            answer.expect("it has arrived before it was answered")
        }
    }
}

impl Default for InMemory {
    fn default() -> Self {
        Self::new()
    }
}

/// Lends from 1 ms to a day.
impl Lease for InMemory {
    fn check(&self, duration: Duration) -> Result<(), InvalidConfig> {
        let lends = Duration::from_millis(1)..=Duration::from_secs(24 * 60 * 60);
        if lends.contains(&duration) {
            return Ok(());
        }
        Err(InvalidConfig::new("duration", "from 1 ms to a day"))
    }

    fn acquire<'a>(&'a self, claim: &'a Claim, duration: Duration) -> LeaseFuture<'a, Epoch> {
        let answer = self.send(Request::Acquire(claim.clone(), duration));
        Box::pin(async move { Ok(answer.await?.epoch()) })
    }

    fn renew<'a>(&'a self, claim: &'a Claim) -> LeaseFuture<'a, ()> {
        let answer = self.send(Request::Renew(claim.clone()));
        Box::pin(async move { answer.await.map(drop) })
    }

    fn release<'a>(&'a self, claim: &'a Claim) -> LeaseFuture<'a, ()> {
        let answer = self.send(Request::Release(claim.clone()));
        Box::pin(async move { answer.await.map(drop) })
    }

    fn break_off(&self) -> LeaseFuture<'_, ()> {
        let answer = self.send(Request::Break);
        Box::pin(async move { answer.await.map(drop) })
    }

    fn read(&self) -> LeaseFuture<'_, Status> {
        let answer = self.send(Request::Read);
        Box::pin(answer)
    }
}

impl fmt::Debug for InMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemory").field("fault", &*self.line.lock()).finish_non_exhaustive()
    }
}

/// A request whose answer is wanted. Dropped, it is carried out all the same.
struct Kept {
    line: InMemory,
    number: Option<u64>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.line.store.lock().forget(number);
        }
    }
}
