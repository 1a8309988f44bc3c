//! Tasks that wait for the same thing.

use std::collections::BTreeMap;
use std::fmt;
use std::task::{Context, Waker};

use super::Mutex;

/// Who waits for something to change.
///
/// Joining, leaving and waking take one lock that is held for a look-up in a tree.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Mutex<Line>);

#[derive(Default)]
struct Line {
    next: u64,
    wakers: BTreeMap<u64, Waker>,
}

impl Waiting {
    /// Has `cx` woken by the next [`wake_all`](Self::wake_all), under the number in `place`.
    ///
    /// To be called before the look at what may have changed, or a change in between is missed.
    pub(crate) fn join(&self, place: &mut Option<u64>, cx: &Context<'_>) {
        // Cloned and dropped outside of the lock: its code is not ours.
        let waker = cx.waker().clone();
        let mut line = self.0.lock();
        let number = *place.get_or_insert_with(|| {
            line.next += 1;
            line.next
        });
        let old = line.wakers.insert(number, waker);
        drop(line);
        drop(old);
    }

    pub(crate) fn leave(&self, place: &mut Option<u64>) {
        let Some(number) = place.take() else { return };
        let old = self.0.lock().wakers.remove(&number);
        drop(old);
    }

    pub(crate) fn wake_all(&self) {
        let wakers = std::mem::take(&mut self.0.lock().wakers);
        for waker in wakers.into_values() {
            waker.wake();
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("waiting", &self.wakers.len()).finish_non_exhaustive()
    }
}
