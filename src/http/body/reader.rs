//! Who reads a body that is recorded meanwhile.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use http_body::{Body, Frame};

use super::record::{Source, State};
use super::{BodyError, into_bytes};
use crate::error::BoxError;
use crate::replay::NotReplayable;
use crate::sync::Mutex;

pub(super) struct Reader<B> {
    pub(super) shared: Arc<Shared<B>>,
    /// Tells the readers' wakers apart.
    id: u64,
    /// How many bytes were read.
    pub(super) at: usize,
    /// Whether the trailers, or the end where there are none, were read.
    pub(super) ended: bool,
}

pub(super) struct Shared<B> {
    pub(super) state: Mutex<State<B>>,
    /// Apart from the state, because the source keeps a waker that leads here: together they would
    /// keep each other alive.
    wakers: Arc<Wakers>,
}

/// The readers that wait for the source.
#[derive(Default)]
struct Wakers(Mutex<Vec<(u64, Waker)>>);

/// What one poll of a reader brought.
pub(super) enum Read<B> {
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

impl<B> Reader<B> {
    /// The first one.
    pub(super) fn new(state: State<B>) -> Self {
        let shared = Shared { state: Mutex::new(state), wakers: Arc::default() };
        Self { shared: Arc::new(shared), id: 0, at: 0, ended: false }
    }

    /// Another one, which begins where the body does.
    pub(super) fn again(&self) -> Result<Self, NotReplayable> {
        let mut state = self.shared.state.lock();
        state.replayable()?;
        let id = state.next_id;
        state.next_id += 1;
        Ok(Self { shared: Arc::clone(&self.shared), id, at: 0, ended: false })
    }
}

impl<B> Reader<B>
where
    B: Body<Error: Into<BoxError>>,
{
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Read<B>> {
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
