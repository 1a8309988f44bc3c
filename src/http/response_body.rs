//! A response body that ends with its call's deadline.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;

use crate::error::{Error, Reason, Rejection, intern};
use crate::time::{Clock, Instant, Timer};

/// A response body that fails when the deadline of its call passes.
///
/// A timeout around a client ends with the headers; the body after them may drip for ever. This one
/// ends in time however it is read: with a rejection for [`Reason::TimedOut`] in its error, and with
/// nothing after it. What is left of the inner body is dropped then, which closes its connection.
///
/// It may [hold](Self::hold) something until it ends: a permit of a bulkhead, so that a place counts
/// as taken while an answer is still being read.
///
/// A body without deadline is passed through. With one, a frame costs a read of the coarse clock,
/// and a wait for a frame costs a timer.
///
/// # Cancel safety
///
/// No frame is lost when a read is dropped.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use bytes::Bytes;
/// use http_body_util::{BodyExt, Full};
/// use seawall::Error;
/// use seawall::http::ResponseBody;
/// use seawall::time::Clock;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error<std::convert::Infallible>> {
/// let clock = Clock::manual();
/// let deadline = clock.now() + Duration::from_secs(1);
/// let body = || ResponseBody::new(Full::new(Bytes::from("answer")))
///     .deadline("orders", deadline, &clock);
///
/// let in_time = body();
/// assert_eq!(in_time.collect().await?.to_bytes(), "answer");
///
/// let late = body();
/// clock.advance(Duration::from_secs(1));
/// assert!(matches!(late.collect().await, Err(Error::Rejected(_))));
/// # Ok(())
/// # }
/// ```
#[pin_project]
pub struct ResponseBody<B, G = ()> {
    /// `None` once the deadline has passed.
    #[pin]
    inner: Option<B>,
    limit: Option<Limit>,
    /// Given back when the body ends.
    guard: Option<G>,
}

struct Limit {
    deadline: Instant,
    clock: Clock,
    timer: Timer,
    policy: &'static str,
}

impl<B> ResponseBody<B> {
    /// Wraps `body`, without deadline.
    pub const fn new(body: B) -> Self {
        Self { inner: Some(body), limit: None, guard: None }
    }
}

impl<B, G> ResponseBody<B, G> {
    /// Ends the body at `deadline` of `clock`, with a rejection by the policy of that name.
    #[must_use]
    pub fn deadline(mut self, policy: &str, deadline: Instant, clock: &Clock) -> Self {
        let (clock, policy) = (clock.clone(), intern(policy));
        self.limit = Some(Limit { deadline, clock, timer: Timer::idle(), policy });
        self
    }

    /// Holds `guard` until the body ends, fails or is dropped, whatever comes first.
    ///
    /// # Example
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use bytes::Bytes;
    /// use http_body_util::{BodyExt, Full};
    /// use seawall::Error;
    /// use seawall::http::ResponseBody;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error<std::convert::Infallible>> {
    /// let place = Arc::new(());
    /// let mut body = ResponseBody::new(Full::new(Bytes::from("answer"))).hold(Arc::clone(&place));
    /// assert_eq!(Arc::strong_count(&place), 2);
    ///
    /// while let Some(frame) = body.frame().await {
    ///     frame?;
    /// }
    /// assert_eq!(Arc::strong_count(&place), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn hold<H>(self, guard: H) -> ResponseBody<B, H> {
        ResponseBody { inner: self.inner, limit: self.limit, guard: Some(guard) }
    }
}

impl<B, G> Body for ResponseBody<B, G>
where
    B: Body,
{
    type Data = B::Data;
    type Error = Error<B::Error>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, Self::Error>>> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        // Before the frame: a body that is always ready must not outrun its deadline.
        let mut late = this.limit.as_ref().is_some_and(Limit::has_passed);
        if !late {
            if let Poll::Ready(frame) = inner.poll_frame(cx) {
                let frame = frame.map(|frame| frame.map_err(Error::Service));
                if !matches!(frame, Some(Ok(_))) || is_over(this.inner.as_ref().get_ref().as_ref())
                {
                    *this.guard = None;
                }
                return Poll::Ready(frame);
            }
            late = this.limit.as_mut().is_some_and(|limit| limit.poll(cx).is_ready());
        }
        let Some(limit) = this.limit.as_ref().filter(|_| late) else {
            return Poll::Pending;
        };
        let rejection = Rejection::new(limit.policy, Reason::TimedOut);
        this.inner.set(None);
        *this.guard = None;
        Poll::Ready(Some(Err(Error::Rejected(rejection))))
    }

    fn is_end_stream(&self) -> bool {
        is_over(self.inner.as_ref())
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

fn is_over<B: Body>(body: Option<&B>) -> bool {
    body.is_none_or(Body::is_end_stream)
}

impl Limit {
    fn has_passed(&self) -> bool {
        self.clock.has_passed(self.deadline)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.timer.poll_until(self.deadline, &self.clock, cx)
    }
}

impl<B, G> fmt::Debug for ResponseBody<B, G> {
    /// Tells nothing of what the body holds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody")
            .field("deadline", &self.limit.as_ref().map(|limit| limit.deadline))
            .finish_non_exhaustive()
    }
}
