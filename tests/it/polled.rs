//! A future that is polled by hand, and how often it was woken.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// A future on its own task.
pub(crate) struct Polled<F> {
    future: Pin<Box<F>>,
    woken: Arc<Woken>,
}

#[derive(Default)]
struct Woken(AtomicU32);

impl<F> Polled<F>
where
    F: Future,
{
    pub(crate) fn new(future: F) -> Self {
        Self { future: Box::pin(future), woken: Arc::default() }
    }

    pub(crate) fn poll(&mut self) -> Poll<F::Output> {
        let waker = Waker::from(Arc::clone(&self.woken));
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    pub(crate) fn is_pending(&mut self) -> bool {
        self.poll().is_pending()
    }

    /// The output, which must be there.
    pub(crate) fn output(&mut self) -> F::Output {
        let Poll::Ready(output) = self.poll() else { panic!("still pending") };
        output
    }

    pub(crate) fn woken(&self) -> u32 {
        self.woken.0.load(Ordering::Relaxed)
    }

    /// The same future, on another task.
    pub(crate) fn moved(self) -> Self {
        Self { future: self.future, woken: Arc::default() }
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
