//! The body of our answers.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

/// The body of an answer: a few bytes that are there at once.
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
#[derive(Default)]
pub struct Body {
    /// `None` once it was read.
    rest: Option<Bytes>,
}

impl Body {
    /// A body without bytes, as an answer to HEAD has it.
    #[must_use]
    pub const fn empty() -> Self {
        Self { rest: None }
    }
}

impl<T> From<T> for Body
where
    T: Into<Bytes>,
{
    fn from(bytes: T) -> Self {
        let bytes = bytes.into();
        Self { rest: (!bytes.is_empty()).then_some(bytes) }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.rest.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// How long it is. What it says may be for somebody who has a token, and not for a log.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.rest.as_ref().map_or(0, Bytes::len);
        f.debug_struct("Body").field("length", &length).finish()
    }
}
