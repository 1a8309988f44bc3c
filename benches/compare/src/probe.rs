//! The service that every subject calls, and the error that every subject passes on.
//!
//! The service does as little as it can: it counts the call in a plain per-thread counter and gives the request back.
//! It is the same code for all, and its count tells whether a subject really made the calls it was timed for.

use std::cell::Cell;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use tower::Service;

/// The request that the service answers with a failure.
pub(crate) const BROKEN: u64 = u64::MAX;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

/// How many calls have reached the service on this thread.
pub(crate) fn calls() -> u64 {
    CALLS.get()
}

/// A service that counts its calls, and that every subject can wrap.
pub(crate) trait Probe:
    Service<u64, Response = u64, Error = Fault, Future: Send + 'static> + Copy + Send + Sync + 'static
{
}

impl<S> Probe for S where
    S: Service<u64, Response = u64, Error = Fault, Future: Send + 'static>
        + Copy
        + Send
        + Sync
        + 'static
{
}

/// Answers at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AtOnce;

/// Answers at the second poll, having woken its task, as every call over a network does at least once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PendingOnce;

impl Service<u64> for AtOnce {
    type Response = u64;
    type Error = Fault;
    type Future = Ready<Result<u64, Fault>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Self::Future {
        ready(answer(request))
    }
}

impl Service<u64> for PendingOnce {
    type Response = u64;
    type Error = Fault;
    type Future = Later;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Later {
        Later { request, asked: false }
    }
}

/// The answer of [`PendingOnce`].
#[derive(Debug)]
pub(crate) struct Later {
    request: u64,
    asked: bool,
}

impl Future for Later {
    type Output = Result<u64, Fault>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.asked {
            return Poll::Ready(answer(self.request));
        }
        self.asked = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

fn answer(request: u64) -> Result<u64, Fault> {
    CALLS.set(CALLS.get() + 1);
    if request == BROKEN { Err(Fault::Broken { request }) } else { Ok(request) }
}

/// An application's own error.
///
/// What it holds is as wide as the answer. A narrower one costs every subject two failed store forwardings per call
/// (some 7 ns), which would hide the differences.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The service failed.
    Broken { request: u64 },
    /// A policy of a peer ended the call.
    Refused { wait_millis: u64 },
}

impl Fault {
    /// A refusal that tells no wait.
    pub(crate) const REFUSED: Self = Self::Refused { wait_millis: 0 };
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken { request } => write!(f, "the service failed at request {request}"),
            Self::Refused { wait_millis } => write!(f, "come back in {wait_millis} ms"),
        }
    }
}

impl Error for Fault {}

// What `?` needs in front of services that can not fail to get ready.
impl From<Infallible> for Fault {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
