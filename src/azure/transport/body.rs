//! A body of the SDK as one of the `http_body` crate.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use azure_core::http::Body as SdkBody;
use azure_core::stream::SeekableStream;
use bytes::Bytes;
use futures_util::Stream;
use http_body::{Body, Frame, SizeHint};

/// The body of a request of an SDK client.
///
/// # Example
///
/// ```
/// use azure_core::http::Body as SdkBody;
/// use http_body::Body;
/// use seawall::azure::transport::TransportBody;
///
/// let body = TransportBody::from(SdkBody::from("two shirts"));
/// assert_eq!(body.size_hint().exact(), Some(10));
/// ```
pub struct TransportBody(Inner);

enum Inner {
    /// `None` once it was read.
    Bytes(Option<Bytes>),
    Stream {
        stream: Box<dyn SeekableStream>,
        left: Option<u64>,
    },
}

impl From<SdkBody> for TransportBody {
    fn from(body: SdkBody) -> Self {
        Self(match body {
            SdkBody::Bytes(bytes) => Inner::Bytes((!bytes.is_empty()).then_some(bytes)),
            SdkBody::SeekableStream(stream) => {
                let left = stream.len();
                Inner::Stream { stream, left }
            }
        })
    }
}

impl Body for TransportBody {
    type Data = Bytes;
    type Error = azure_core::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match &mut self.0 {
            Inner::Bytes(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Inner::Stream { stream, left } => {
                Pin::new(&mut **stream).poll_next(cx).map_ok(|data| {
                    *left = left.map(|left| left.saturating_sub(data.len() as u64));
                    Frame::data(data)
                })
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Bytes(bytes) => bytes.is_none(),
            Inner::Stream { left, .. } => *left == Some(0),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Bytes(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Inner::Stream { left, .. } => left.map_or_else(SizeHint::new, SizeHint::with_exact),
        }
    }
}

impl fmt::Debug for TransportBody {
    /// Tells nothing of what the body holds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransportBody").field("left", &self.size_hint()).finish_non_exhaustive()
    }
}
