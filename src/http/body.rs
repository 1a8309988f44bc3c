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

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker, ready};

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use crate::error::BoxError;
use crate::replay::NotReplayable;
use crate::sync::Mutex;

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

struct Reader<B> {
    shared: Arc<Shared<B>>,
    /// Tells the readers' wakers apart.
    id: u64,
    /// How many bytes were read.
    at: usize,
    /// Whether the trailers, or the end where there are none, were read.
    ended: bool,
}

struct Shared<B> {
    state: Mutex<State<B>>,
    /// Apart from the state, because the source keeps a waker that leads here: together they would
    /// keep each other alive.
    wakers: Arc<Wakers>,
}

struct State<B> {
    source: Source<B>,
    /// What the source says is still to come.
    rest: SizeHint,
    /// The chunks read so far, each with its offset.
    chunks: Vec<(usize, Bytes)>,
    total: usize,
    trailers: Option<HeaderMap>,
    cap: usize,
    next_id: u64,
}

enum Source<B> {
    Here(Pin<Box<B>>),
    /// Some reader polls it right now, outside of the lock.
    Polled,
    /// All of it is recorded.
    Ended,
    Lost(NotReplayable),
}

/// The readers that wait for the source.
#[derive(Default)]
struct Wakers(Mutex<Vec<(u64, Waker)>>);

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
        let state = State {
            source: Source::Here(source),
            rest,
            chunks: Vec::new(),
            total: 0,
            trailers: None,
            cap,
            next_id: 1,
        };
        let shared = Shared { state: Mutex::new(state), wakers: Arc::default() };
        Self {
            kind: Kind::Recorded(Reader { shared: Arc::new(shared), id: 0, at: 0, ended: false }),
        }
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
            Kind::Recorded(reader) => {
                let mut state = reader.shared.state.lock();
                state.replayable()?;
                let id = state.next_id;
                state.next_id += 1;
                let shared = Arc::clone(&reader.shared);
                Kind::Recorded(Reader { shared, id, at: 0, ended: false })
            }
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

/// What one poll of a reader brought.
enum Read<B> {
    Frame(Frame<Bytes>),
    End,
    Error(BodyError),
    /// The cap is exceeded: the reader that found out goes on alone.
    Spilled {
        frame: Frame<Bytes>,
        source: Pin<Box<B>>,
        why: NotReplayable,
    },
}

impl<B> Reader<B>
where
    B: Body<Error: Into<BoxError>>,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Read<B>> {
        if self.ended {
            return Poll::Ready(Read::End);
        }
        let mut state = self.shared.state.lock();
        if let Some(chunk) = state.chunk(self.at) {
            self.at += chunk.len();
            return Poll::Ready(Read::Frame(Frame::data(chunk)));
        }
        match &state.source {
            Source::Ended => {
                self.ended = true;
                let trailers = state.trailers.clone().map(Frame::trailers);
                return Poll::Ready(trailers.map_or(Read::End, Read::Frame));
            }
            Source::Lost(why) => {
                return Poll::Ready(Read::Error(BodyError::NotReplayable(*why)));
            }
            Source::Here(_) | Source::Polled => {}
        }
        // Under the lock: who puts the source back afterwards sees this waker.
        self.shared.wakers.register(self.id, cx.waker());
        let Source::Here(source) = std::mem::replace(&mut state.source, Source::Polled) else {
            return Poll::Pending;
        };
        drop(state);

        // The body is not ours and may panic or call back: it is polled outside of the lock.
        let mut lent = Lent { shared: &self.shared, source: Some(source) };
        let waker = Waker::from(Arc::clone(&self.shared.wakers));
        let frame = lent.poll(&mut Context::from_waker(&waker));
        let source = lent.source.take().expect("taken here only");
        let ended = source.is_end_stream();
        let rest = source.size_hint();

        let mut state = self.shared.state.lock();
        let Poll::Ready(frame) = frame else {
            state.source = Source::Here(source);
            return Poll::Pending;
        };
        let read = match frame {
            Some(Ok(frame)) if !state.record(&frame) => {
                let why = NotReplayable::BodyTooLarge;
                state.lose(why);
                Read::Spilled { frame, source, why }
            }
            Some(Ok(frame)) => {
                self.at = state.total;
                self.ended = frame.is_trailers();
                state.rest = rest;
                state.source =
                    if ended || self.ended { Source::Ended } else { Source::Here(source) };
                Read::Frame(frame)
            }
            Some(Err(error)) => {
                state.lose(NotReplayable::BodyFailed);
                Read::Error(BodyError::Source(error.into()))
            }
            None => {
                self.ended = true;
                state.source = Source::Ended;
                Read::End
            }
        };
        drop(state);
        self.shared.wakers.wake_all();
        Poll::Ready(read)
    }
}

impl<B> Drop for Reader<B> {
    fn drop(&mut self) {
        self.shared.wakers.forget(self.id);
    }
}

impl<B> State<B> {
    fn replayable(&self) -> Result<(), NotReplayable> {
        if let Source::Lost(why) = self.source { Err(why) } else { Ok(()) }
    }

    /// The recorded chunk that holds the byte at `at`, from there on.
    fn chunk(&self, at: usize) -> Option<Bytes> {
        let after = self.chunks.partition_point(|(start, _)| *start <= at);
        let (start, chunk) = self.chunks.get(after.checked_sub(1)?)?;
        (at < self.total).then(|| chunk.slice(at - start..))
    }

    /// Records a frame. Returns whether it fitted.
    fn record(&mut self, frame: &Frame<Bytes>) -> bool {
        let room = self.cap - self.total;
        if let Some(trailers) = frame.trailers_ref() {
            let size: usize =
                trailers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
            self.trailers = Some(trailers.clone()).filter(|_| size <= room);
            return self.trailers.is_some();
        }
        let Some(data) = frame.data_ref() else {
            return false;
        };
        if data.len() > room {
            return false;
        }
        // An endless row of empty frames must not grow the record.
        if !data.is_empty() {
            if self.chunks.len() == MOST_CHUNKS {
                self.merge();
            }
            self.chunks.push((self.total, data.clone()));
            self.total += data.len();
        }
        true
    }

    /// Makes one chunk of all.
    fn merge(&mut self) {
        let mut merged = BytesMut::with_capacity(self.total);
        for (_, chunk) in self.chunks.drain(..) {
            merged.extend_from_slice(&chunk);
        }
        self.chunks.push((0, merged.freeze()));
    }

    /// Drops the record, which is of no use any more.
    fn lose(&mut self, why: NotReplayable) {
        self.source = Source::Lost(why);
        self.chunks = Vec::new();
        self.total = 0;
    }

    fn size_hint(&self, at: usize) -> SizeHint {
        let recorded = self.total.saturating_sub(at) as u64;
        let (lower, upper) = match self.source {
            Source::Here(_) | Source::Polled => (self.rest.lower(), self.rest.upper()),
            Source::Ended => (0, Some(0)),
            Source::Lost(_) => (0, None),
        };
        let mut hint = SizeHint::new();
        hint.set_lower(lower.saturating_add(recorded));
        if let Some(upper) = upper.and_then(|upper| upper.checked_add(recorded)) {
            hint.set_upper(upper);
        }
        hint
    }
}

/// The source while it is polled. Dropped with it, by a panic, it tells the other readers.
struct Lent<'a, B> {
    shared: &'a Shared<B>,
    source: Option<Pin<Box<B>>>,
}

impl<B> Lent<'_, B>
where
    B: Body,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let source = self.source.as_mut().expect("held until it is put back");
        source.as_mut().poll_frame(cx).map(|frame| frame.map(|frame| frame.map(into_bytes)))
    }
}

impl<B> Drop for Lent<'_, B> {
    fn drop(&mut self) {
        if self.source.is_some() {
            self.shared.state.lock().lose(NotReplayable::BodyGone);
            self.shared.wakers.wake_all();
        }
    }
}

impl Wakers {
    fn register(&self, id: u64, waker: &Waker) {
        let mut wakers = self.0.lock();
        match wakers.iter_mut().find(|(other, _)| *other == id) {
            Some((_, known)) => known.clone_from(waker),
            None => wakers.push((id, waker.clone())),
        }
    }

    fn forget(&self, id: u64) {
        self.0.lock().retain(|(other, _)| *other != id);
    }

    fn wake_all(&self) {
        let wakers = std::mem::take(&mut *self.0.lock());
        for (_, waker) in wakers {
            waker.wake();
        }
    }
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        self.wake_all();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_all();
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

/// As many chunks are kept apart; then they are merged, so that tiny ones do not cost many times
/// their size.
const MOST_CHUNKS: usize = 256;
