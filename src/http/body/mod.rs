//! Request bodies that can be sent again.
//!
//! A repeated call must carry the same bytes as the first, or not be made at all. [`ReplayBody`]
//! wraps a request's body and records it *while* it is sent, so that nothing waits for it to be
//! collected first; a second reader gets what was recorded and goes on with what is left.
//!
//! | body                                                | what happens                           |
//! |-----------------------------------------------------|----------------------------------------|
//! | empty                                               | nothing is allocated or recorded       |
//! | fits into the cap                                   | sent again as often as asked, trailers included |
//! | is known to exceed the cap (by its `size_hint`)     | passed through, never recorded         |
//! | turns out to exceed the cap while it is sent        | passed through from there, the record is dropped |
//! | fails or panics while it is read                    | that error once; not sent again        |
//!
//! What can not be sent again says why: [`NotReplayable`]. Chunks are shared, not copied, when the
//! body yields [`Bytes`]; many small ones are merged, so that a record takes about its cap in
//! memory at most. Several readers may read at once, as hedging does.

mod reader;
mod record;

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};

use self::reader::{Read, Reader};
use self::record::{Source, State};
use crate::error::BoxError;
use crate::replay::NotReplayable;

/// The default cap of a record, in bytes: 64 KiB.
pub const DEFAULT_CAP: usize = 64 * 1024;

/// A request body that can be sent again when it is small enough.
///
/// [The module's page](self) says what is recorded and when. Reading is cancel safe: a reader that
/// is dropped half-way leaves everything to the next. Costs two to four allocations for a body that
/// is not empty, and a short lock per frame while it is recorded.
///
/// # Example
///
/// ```
/// use bytes::Bytes;
/// use http_body_util::{BodyExt, Full};
/// use seawall::http::body::{DEFAULT_CAP, ReplayBody};
/// use seawall::replay::NotReplayable;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let first = ReplayBody::new(Full::new(Bytes::from("two shirts")), DEFAULT_CAP);
/// let second = first.again()?;
/// assert_eq!(first.collect().await?.to_bytes(), "two shirts");
/// assert_eq!(second.collect().await?.to_bytes(), "two shirts");
///
/// let large = ReplayBody::new(Full::new(Bytes::from("two shirts")), 4);
/// assert_eq!(large.again().unwrap_err(), NotReplayable::BodyTooLarge);
/// assert_eq!(large.collect().await?.to_bytes(), "two shirts");
/// # Ok(())
/// # }
/// ```
pub struct ReplayBody<B> {
    kind: Kind<B>,
}

enum Kind<B> {
    Empty,
    /// Sent once, by this reader.
    Direct {
        source: Pin<Box<B>>,
        why: NotReplayable,
    },
    Recorded(Reader<B>),
}

/// The error of a [`ReplayBody`].
///
/// # Example
///
/// ```
/// use seawall::http::body::BodyError;
/// use seawall::replay::NotReplayable;
///
/// let error = BodyError::NotReplayable(NotReplayable::BodyFailed);
/// assert_eq!(error.to_string(), "the body failed while it was read");
/// ```
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "an error is the body's or ours")]
pub enum BodyError {
    /// The body itself failed.
    Source(BoxError),
    /// The body was to be read again, and could not.
    NotReplayable(NotReplayable),
}

impl<B> ReplayBody<B>
where
    B: Body,
{
    /// Wraps `body`, to record up to `cap` bytes of it.
    ///
    /// A cap of 0 records nothing.
    pub fn new(body: B, cap: usize) -> Self {
        if body.is_end_stream() {
            return Self { kind: Kind::Empty };
        }
        let rest = body.size_hint();
        let source = Box::pin(body);
        if rest.lower() > cap as u64 {
            return Self { kind: Kind::Direct { source, why: NotReplayable::BodyTooLarge } };
        }
        Self { kind: Kind::Recorded(Reader::new(State::new(source, rest, cap))) }
    }
}

impl<B> ReplayBody<B> {
    /// The same body, from its beginning.
    ///
    /// It may be asked for before, while and after this one is read, and by several readers. Whether
    /// it *can* be read may change while the first is read: ask [`replayable`](Self::replayable)
    /// before it is sent.
    ///
    /// # Errors
    ///
    /// Why the body can not be sent again.
    pub fn again(&self) -> Result<Self, NotReplayable> {
        let kind = match &self.kind {
            Kind::Empty => Kind::Empty,
            Kind::Direct { why, .. } => return Err(*why),
            Kind::Recorded(reader) => Kind::Recorded(reader.again()?),
        };
        Ok(Self { kind })
    }

    /// Whether this body, or one made by [`again`](Self::again), can be read from its beginning.
    ///
    /// # Errors
    ///
    /// Why it can not.
    pub fn replayable(&self) -> Result<(), NotReplayable> {
        match &self.kind {
            Kind::Empty => Ok(()),
            Kind::Direct { why, .. } => Err(*why),
            Kind::Recorded(reader) => reader.shared.state.lock().replayable(),
        }
    }
}

impl<B> Body for ReplayBody<B>
where
    B: Body<Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match &mut self.kind {
            Kind::Empty => Poll::Ready(None),
            Kind::Direct { source, .. } => {
                let frame = ready!(source.as_mut().poll_frame(cx));
                let failed = |error: B::Error| BodyError::Source(error.into());
                Poll::Ready(frame.map(|frame| frame.map(into_bytes).map_err(failed)))
            }
            Kind::Recorded(reader) => {
                let read = ready!(reader.poll(cx));
                if let Read::Spilled { frame, source, why } = read {
                    self.kind = Kind::Direct { source, why };
                    return Poll::Ready(Some(Ok(frame)));
                }
                Poll::Ready(match read {
                    Read::Frame(frame) | Read::Spilled { frame, .. } => Some(Ok(frame)),
                    Read::End => None,
                    Read::Error(error) => Some(Err(error)),
                })
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Empty => true,
            Kind::Direct { source, .. } => source.is_end_stream(),
            Kind::Recorded(reader) => {
                reader.ended || {
                    let state = reader.shared.state.lock();
                    matches!(state.source, Source::Ended)
                        && state.trailers.is_none()
                        && reader.at == state.total
                }
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Direct { source, .. } => source.size_hint(),
            Kind::Recorded(reader) => reader.shared.state.lock().size_hint(reader.at),
        }
    }
}

fn into_bytes<D>(frame: Frame<D>) -> Frame<Bytes>
where
    D: Buf,
{
    // Free of copies when the data is `Bytes` already.
    frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))
}

impl<B> fmt::Debug for ReplayBody<B> {
    /// Tells sizes, and never what the body holds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ReplayBody");
        match &self.kind {
            Kind::Empty => debug.field("empty", &true),
            Kind::Direct { why, .. } => debug.field("once", why),
            Kind::Recorded(reader) => {
                let state = reader.shared.state.lock();
                debug.field("read", &reader.at).field("recorded", &state.total)
            }
        };
        debug.finish_non_exhaustive()
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(error) => error.fmt(f),
            Self::NotReplayable(why) => why.fmt(f),
        }
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Source(error) => error.source(),
            Self::NotReplayable(_) => None,
        }
    }
}
