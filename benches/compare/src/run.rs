//! Makes calls through a subject, whatever the form it has: a tower service, a `layered` one, or an async closure.

use std::cell::Cell;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread::yield_now;
use std::time::{Duration, Instant};

use tower::Service;

use crate::probe::BROKEN;

/// How long a call may stay pending. A peer's lock may be held by a thread that the system has put aside.
const PATIENCE: Duration = Duration::from_secs(10);

/// A subject, ready to be called on one thread.
pub(crate) trait Run: Send {
    /// Makes `calls` calls, and tells how many ended as they must.
    fn run(&mut self, calls: u64) -> u64;

    /// Makes `calls` calls that the service answers with a failure.
    fn fail(&mut self, calls: u64);
}

/// The form in which a subject is called.
pub(crate) trait Caller: Send {
    type Error;

    fn call(&mut self, request: u64, cx: &mut Context<'_>) -> Result<u64, Self::Error>;
}

/// A tower service, polled ready before each call.
#[derive(Clone, Debug)]
pub(crate) struct Tower<S>(pub(crate) S);

/// A service of the `layered` crate.
#[derive(Clone, Debug)]
pub(crate) struct Layered<S>(pub(crate) S);

/// An async closure.
#[derive(Clone, Debug)]
pub(crate) struct Closure<F>(pub(crate) F);

impl<S> Caller for Tower<S>
where
    S: Service<u64, Response = u64> + Send,
{
    type Error = S::Error;

    #[expect(clippy::inline_always, reason = "the loop is to cost as little as it can, for all")]
    #[inline(always)]
    fn call(&mut self, request: u64, cx: &mut Context<'_>) -> Result<u64, S::Error> {
        let mut polls = 0;
        loop {
            match self.0.poll_ready(cx) {
                Poll::Ready(Ok(())) => break,
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => be_patient(&mut polls),
            }
        }
        finish(|| self.0.call(request), cx)
    }
}

impl<S, E> Caller for Layered<S>
where
    S: layered::Service<u64, Out = Result<u64, E>>,
{
    type Error = E;

    #[expect(clippy::inline_always, reason = "the loop is to cost as little as it can, for all")]
    #[inline(always)]
    fn call(&mut self, request: u64, cx: &mut Context<'_>) -> Result<u64, E> {
        finish(|| self.0.execute(request), cx)
    }
}

impl<F, E> Caller for Closure<F>
where
    F: AsyncFnMut(u64) -> Result<u64, E> + Send,
{
    type Error = E;

    #[expect(clippy::inline_always, reason = "the loop is to cost as little as it can, for all")]
    #[inline(always)]
    fn call(&mut self, request: u64, cx: &mut Context<'_>) -> Result<u64, E> {
        finish(|| (self.0)(request), cx)
    }
}

/// A caller, and how its calls must end.
struct Judged<C, J> {
    caller: C,
    is_right: J,
}

impl<C, J> Run for Judged<C, J>
where
    C: Caller,
    J: Fn(&Result<u64, C::Error>, u64) -> bool + Send,
{
    fn run(&mut self, calls: u64) -> u64 {
        let mut cx = Context::from_waker(Waker::noop());
        let mut right = 0;
        for request in 0..calls {
            let request = black_box(request);
            let result = self.caller.call(request, &mut cx);
            right += u64::from((self.is_right)(&result, request));
        }
        right
    }

    fn fail(&mut self, calls: u64) {
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..calls {
            let _ = self.caller.call(black_box(BROKEN), &mut cx);
        }
    }
}

/// A run whose calls must be answered by the service.
pub(crate) fn answered<C>(caller: C) -> Box<dyn Run>
where
    C: Caller + 'static,
{
    let is_right = |result: &Result<u64, C::Error>, request| match result {
        Ok(response) => *response == request,
        Err(_) => false,
    };
    Box::new(Judged { caller, is_right })
}

/// A run whose calls must end in the error that `is_right` knows.
pub(crate) fn rejected<C>(caller: C, is_right: fn(&C::Error) -> bool) -> Box<dyn Run>
where
    C: Caller + 'static,
{
    let is_right = move |result: &Result<u64, C::Error>, _| result.as_ref().is_err_and(is_right);
    Box::new(Judged { caller, is_right })
}

/// Makes a future where it stays, as `.await` does, and polls it to its end.
#[expect(clippy::inline_always, reason = "the loop is to cost as little as it can, for all")]
#[inline(always)]
fn finish<F>(make: impl FnOnce() -> F, cx: &mut Context<'_>) -> F::Output
where
    F: Future,
{
    let mut future = pin!(make());
    let mut polls = 0;
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return output;
        }
        be_patient(&mut polls);
    }
}

#[inline]
fn be_patient(polls: &mut u32) {
    *polls = polls.wrapping_add(1);
    if polls.is_multiple_of(1 << 12) {
        wait(*polls);
    }
}

#[cold]
fn wait(polls: u32) {
    thread_local! {
        static SINCE: Cell<Option<Instant>> = const { Cell::new(None) };
    }
    let first = polls == 1 << 12;
    let since = SINCE.get().filter(|_| !first).unwrap_or_else(Instant::now);
    SINCE.set(Some(since));
    assert!(since.elapsed() < PATIENCE, "a call hangs");
    yield_now();
}
