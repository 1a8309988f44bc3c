//! What the benches share: a bare service to measure against, and how a call is driven.
//!
//! A bench says what our own changes do to our own code. How we stand beside others is `benches/compare`.

#![allow(dead_code, reason = "each bench uses its part of this")]

use std::future::{Ready, ready};
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use criterion::Criterion;
use seawall::Error;
use tokio::runtime::{Builder, Runtime};
use tower::Service;

/// The error that a user gets who has none of his own.
pub(crate) type Fault = Error<&'static str>;

/// Answers at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AtOnce;

/// Fails at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failing;

/// Answers at the second poll, as every call over a network does at least once.
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
        ready(Ok(request))
    }
}

impl Service<u64> for Failing {
    type Response = u64;
    type Error = Fault;
    type Future = Ready<Result<u64, Fault>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: u64) -> Self::Future {
        ready(Err(Fault::Service("down")))
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
            return Poll::Ready(Ok(self.request));
        }
        self.asked = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Measures `service` in a group, with `bare` as its base line.
pub(crate) fn group<B, S>(criterion: &mut Criterion, name: &str, mut bare: B, mut service: S)
where
    B: Service<u64>,
    S: Service<u64>,
{
    let mut group = criterion.benchmark_group(name);
    group.bench_function("bare", |bencher| bencher.iter(|| call(&mut bare)));
    group.bench_function("seawall", |bencher| bencher.iter(|| call(&mut service)));
    group.finish();
}

/// Makes one call, as a task does whose waker is never used.
pub(crate) fn call<S>(service: &mut S) -> Result<S::Response, S::Error>
where
    S: Service<u64>,
{
    let mut cx = Context::from_waker(Waker::noop());
    while service.poll_ready(&mut cx)?.is_pending() {}
    let mut future = pin!(service.call(black_box(7)));
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut cx) {
            return result;
        }
    }
}

/// A runtime for timers. Enter it for as long as they are used.
pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime without I/O needs nothing of the system")
}
