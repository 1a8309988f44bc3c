//! The service that every subject calls, and the error that every subject passes on.
//!
//! The service does as little as it can: it counts the call in a plain per-thread counter and gives the request back.
//! It is the same code for all, and its count tells whether a subject really made the calls it was timed for.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use seawall::Rejection;
use seawall::error::Reject;
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

/// Answers at once, with the error for calls that a policy rejects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rejecting;

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

impl Service<u64> for Rejecting {
    type Response = u64;
    type Error = Inline;
    type Future = Ready<Result<u64, Inline>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Inline>> {
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

fn answer<E>(request: u64) -> Result<u64, E>
where
    E: Failure,
{
    CALLS.set(CALLS.get() + 1);
    if request == BROKEN { Err(E::broken(request)) } else { Ok(request) }
}

/// What the service and the peers' policies end a call with.
pub(crate) trait Failure: Error + Reject + Send + Sync + 'static {
    /// The service failed.
    fn broken(request: u64) -> Self;

    /// A policy of a peer ended the call.
    fn refused() -> Self;

    /// Whether a policy ended the call.
    fn is_refused(&self) -> bool;
}

/// An application's own error, as wide as the answer.
///
/// One that is wider or narrower costs most subjects failed store forwardings, up to 20 ns per call, which would hide
/// the differences.
#[derive(Debug)]
pub(crate) enum Fault {
    Broken { request: u64 },
    Refused { wait_millis: u64 },
    Rejected(Box<Rejection>),
}

/// The error of calls that are rejected again and again: nothing in it is on the heap.
#[derive(Debug)]
pub(crate) enum Inline {
    Broken { request: u64 },
    Refused { wait_millis: u64 },
    Rejected(Rejection),
}

impl Failure for Fault {
    fn broken(request: u64) -> Self {
        Self::Broken { request }
    }

    fn refused() -> Self {
        Self::Refused { wait_millis: 0 }
    }

    fn is_refused(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Rejected(_))
    }
}

impl Failure for Inline {
    fn broken(request: u64) -> Self {
        Self::Broken { request }
    }

    fn refused() -> Self {
        Self::Refused { wait_millis: 0 }
    }

    fn is_refused(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Rejected(_))
    }
}

impl Reject for Fault {
    fn reject(rejection: Rejection) -> Self {
        Self::Rejected(Box::new(rejection))
    }

    fn rejection(&self) -> Option<&Rejection> {
        if let Self::Rejected(rejection) = self { Some(rejection) } else { None }
    }
}

impl Reject for Inline {
    fn reject(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }

    fn rejection(&self) -> Option<&Rejection> {
        if let Self::Rejected(rejection) = self { Some(rejection) } else { None }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken { request } => write!(f, "the service failed at request {request}"),
            Self::Refused { wait_millis } => write!(f, "come back in {wait_millis} ms"),
            Self::Rejected(rejection) => rejection.fmt(f),
        }
    }
}

impl fmt::Display for Inline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken { request } => write!(f, "the service failed at request {request}"),
            Self::Refused { wait_millis } => write!(f, "come back in {wait_millis} ms"),
            Self::Rejected(rejection) => rejection.fmt(f),
        }
    }
}

impl Error for Fault {}

impl Error for Inline {}
