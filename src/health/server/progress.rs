//! What the parts of one connection tell each other.

use std::time::Duration;

use super::table::Place;
use crate::sync::{AtomicBool, AtomicU64, Ordering};
use crate::time::nanos;

/// How far a connection is.
///
/// All parts of a connection run in one task, so nothing is published from thread to thread, and
/// `Relaxed` is enough throughout.
#[derive(Debug)]
pub(super) struct Progress {
    place: Place,
    /// A whole head has been read at least once.
    asked: AtomicBool,
    /// The next bytes belong to a request line.
    in_line: AtomicBool,
    /// A request line was too long.
    too_long: AtomicBool,
    /// A request was not read to its end, so the peer may still be writing.
    unread: AtomicBool,
    /// In nanoseconds, how long the connection may still live; zero when there is nothing new.
    longer: AtomicU64,
}

impl Progress {
    pub(super) fn new(place: Place) -> Self {
        Self {
            place,
            asked: AtomicBool::new(false),
            in_line: AtomicBool::new(true),
            too_long: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            longer: AtomicU64::new(0),
        }
    }

    pub(super) fn request_came(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    pub(super) fn was_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// The answer is ready: what comes next is a new request.
    pub(super) fn answered(&self) {
        self.in_line.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_in_line(&self) -> bool {
        self.in_line.load(Ordering::Relaxed)
    }

    pub(super) fn line_ended(&self) {
        self.in_line.store(false, Ordering::Relaxed);
    }

    pub(super) fn line_was_too_long(&self) {
        self.too_long.store(true, Ordering::Relaxed);
        self.left_unread();
    }

    pub(super) fn is_line_too_long(&self) -> bool {
        self.too_long.load(Ordering::Relaxed)
    }

    pub(super) fn left_unread(&self) {
        self.unread.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }

    /// Asks for a longer life, of which there are only a few.
    pub(super) fn prolong(&self, time: Duration) {
        if self.place.prolong() {
            self.longer.store(nanos(time), Ordering::Relaxed);
        }
    }

    /// How much longer the connection lives from now on, once.
    pub(super) fn take_longer(&self) -> Option<Duration> {
        let nanos = self.longer.swap(0, Ordering::Relaxed);
        (nanos > 0).then(|| Duration::from_nanos(nanos))
    }
}
