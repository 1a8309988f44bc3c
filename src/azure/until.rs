//! Futures that end in time.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Poll, ready};

use crate::context;
use crate::time::{Clock, Instant, Timer};

/// Runs `future` until `end`: `None` if that comes first. What is cut knows why it is dropped.
pub(in crate::azure) async fn until<F>(
    clock: &Clock,
    end: Option<Instant>,
    future: F,
) -> Option<F::Output>
where
    F: Future,
{
    let mut future = pin!(Some(future));
    let mut timer = Timer::idle();
    poll_fn(|cx| {
        let running = future.as_mut().as_pin_mut().expect("only dropped at the end");
        // The answer beats the deadline.
        if let Poll::Ready(value) = running.poll(cx) {
            return Poll::Ready(Some(value));
        }
        let Some(end) = end else { return Poll::Pending };
        ready!(timer.poll_until(end, clock, cx));
        context::cut(|| future.set(None));
        Poll::Ready(None)
    })
    .await
}

/// Waits.
pub(in crate::azure) async fn sleep_until(clock: &Clock, end: Instant) {
    let mut timer = Timer::idle();
    poll_fn(|cx| timer.poll_until(end, clock, cx)).await;
}
