//! Waits by the pool's clock.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Poll, ready};

use crate::time::{Clock, Instant, Timer};

/// Runs `future` until `end`: `None` if that comes first.
pub(super) async fn until<F>(clock: &Clock, end: Instant, future: F) -> Option<F::Output>
where
    F: Future,
{
    let mut future = pin!(future);
    let mut timer = Timer::idle();
    poll_fn(|cx| {
        // The answer beats the deadline.
        if let Poll::Ready(value) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(value));
        }
        ready!(timer.poll_until(end, clock, cx));
        Poll::Ready(None)
    })
    .await
}

pub(super) async fn sleep_until(clock: &Clock, end: Instant) {
    let mut timer = Timer::idle();
    poll_fn(|cx| timer.poll_until(end, clock, cx)).await;
}
