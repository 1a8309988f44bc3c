//! The body of our answers.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::status::Events;

/// The body of an answer: a few bytes that are there at once, or a stream of events.
///
/// # Example
///
/// ```
/// use http_body_util::BodyExt;
/// use seawall::health::Body;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let body = Body::from("up");
/// assert_eq!(body.collect().await.map(|body| body.to_bytes()), Ok("up".into()));
/// # }
/// ```
pub struct Body(Kind);

enum Kind {
    /// `None` once it was read.
    Whole(Option<Bytes>),
    /// `None` once it has come to its end.
    Events(Option<Box<Events>>),
}

impl Body {
    /// A body without bytes, as an answer to HEAD has it.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Kind::Whole(None))
    }

    pub(super) fn events(events: Events) -> Self {
        Self(Kind::Events(Some(Box::new(events))))
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl<T> From<T> for Body
where
    T: Into<Bytes>,
{
    fn from(bytes: T) -> Self {
        let bytes = bytes.into();
        Self(Kind::Whole((!bytes.is_empty()).then_some(bytes)))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = match &mut self.0 {
            Kind::Whole(rest) => rest.take(),
            Kind::Events(events) => {
                let next = events.as_mut().map(|events| events.poll_next(cx));
                let next = ready!(next.unwrap_or(Poll::Ready(None)));
                if next.is_none() {
                    // Its place is free for another stream.
                    *events = None;
                }
                next
            }
        };
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Kind::Whole(None) | Kind::Events(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(rest) => {
                SizeHint::with_exact(rest.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Kind::Events(_) => SizeHint::default(),
        }
    }
}

/// How long it is, if that is known. What it says may be for somebody who has a token, and not for a log.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = match &self.0 {
            Kind::Whole(rest) => Some(rest.as_ref().map_or(0, Bytes::len)),
            Kind::Events(_) => None,
        };
        f.debug_struct("Body").field("length", &length).finish()
    }
}
