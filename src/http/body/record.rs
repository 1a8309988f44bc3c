//! What was read of a body.

use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use crate::replay::NotReplayable;

pub(super) struct State<B> {
    pub(super) source: Source<B>,
    /// What the source says is still to come.
    pub(super) rest: SizeHint,
    /// The chunks read so far, each with its offset.
    chunks: Vec<(usize, Bytes)>,
    pub(super) total: usize,
    pub(super) trailers: Option<HeaderMap>,
    cap: usize,
    pub(super) next_id: u64,
}

pub(super) enum Source<B> {
    Here(Pin<Box<B>>),
    /// Some reader polls it right now, outside of the lock.
    Polled,
    /// All of it is recorded.
    Ended,
    Lost(NotReplayable),
}

impl<B> State<B> {
    /// Of nothing, so far.
    pub(super) fn new(source: Pin<Box<B>>, rest: SizeHint, cap: usize) -> Self {
        Self {
            source: Source::Here(source),
            rest,
            chunks: Vec::new(),
            total: 0,
            trailers: None,
            cap,
            next_id: 1,
        }
    }

    pub(super) fn replayable(&self) -> Result<(), NotReplayable> {
        if let Source::Lost(why) = self.source { Err(why) } else { Ok(()) }
    }

    /// The recorded chunk that holds the byte at `at`, from there on.
    pub(super) fn chunk(&self, at: usize) -> Option<Bytes> {
        let after = self.chunks.partition_point(|(start, _)| *start <= at);
        let (start, chunk) = self.chunks.get(after.checked_sub(1)?)?;
        (at < self.total).then(|| chunk.slice(at - start..))
    }

    /// Records a frame. Returns whether it fitted.
    pub(super) fn record(&mut self, frame: &Frame<Bytes>) -> bool {
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
    pub(super) fn lose(&mut self, why: NotReplayable) {
        self.source = Source::Lost(why);
        self.chunks = Vec::new();
        self.total = 0;
    }

    pub(super) fn size_hint(&self, at: usize) -> SizeHint {
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

/// As many chunks are kept apart; then they are merged, so that tiny ones do not cost many times
/// their size.
const MOST_CHUNKS: usize = 256;
