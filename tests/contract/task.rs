//! A task by hand: polls one future and counts how often it is woken.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use seawall::time::Clock;

/// Counts wake-ups.
#[derive(Debug, Default)]
pub(crate) struct Wakes(AtomicU32);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Wakes {
    pub(crate) fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

pub(crate) struct Task<T> {
    future: Pin<Box<dyn Future<Output = T> + Send>>,
    pub(crate) wakes: Arc<Wakes>,
}

impl<T> Task<T> {
    pub(crate) fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self { future: Box::pin(future), wakes: Arc::default() }
    }

    pub(crate) fn poll(&mut self) -> Poll<T> {
        let waker = Waker::from(Arc::clone(&self.wakes));
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    /// Moves the future to another task, whose wake-ups are counted from zero.
    pub(crate) fn moved(self) -> Self {
        Self { future: self.future, wakes: Arc::default() }
    }

    /// Polls it to its end, as an executor would. When nothing wakes it, time goes on.
    pub(crate) fn finish(mut self, clock: &Clock) -> T {
        let mut seen = 0;
        for _ in 0..10_000 {
            if let Poll::Ready(output) = self.poll() {
                return output;
            }
            let wakes = self.wakes.count();
            if wakes == seen {
                clock.advance(Duration::from_millis(50));
            }
            seen = wakes;
        }
        panic!("the future never ended");
    }
}

/// Whether `f` panics. What it leaves behind is looked at afterwards.
pub(crate) fn panics<R>(f: impl FnOnce() -> R) -> bool {
    catch_unwind(AssertUnwindSafe(f)).is_err()
}
