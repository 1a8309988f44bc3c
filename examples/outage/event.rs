//! The time of the run, and what is told of it.

use std::time::Duration;

/// The start of the run; every time in the example counts from it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    start: tokio::time::Instant,
}

impl Run {
    /// A run that begins after `head_start`, so that everyone is ready for it.
    pub(crate) fn begins_after(head_start: Duration) -> Self {
        Self { start: tokio::time::Instant::now() + head_start }
    }

    /// A run that has already been going on for `elapsed`.
    #[cfg(test)]
    pub(crate) fn began_before(elapsed: Duration) -> Self {
        let start = tokio::time::Instant::now().checked_sub(elapsed);
        Self { start: start.expect("the machine has been up for longer than a run") }
    }

    /// The time since the start; zero before it.
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// The moment that is `after` from the start.
    pub(crate) fn at(&self, after: Duration) -> tokio::time::Instant {
        self.start + after
    }
}

/// Something that happened on the way of a call. Calls go by the number of their arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A client put a request on its way. Counted beneath everything the client does, by a layer
    /// right around the HTTP connection pool.
    Sent { call: usize, at: Duration },
    /// A server read a request. What a dead server was sent never gets here.
    Reached { at: Duration },
    /// So many requests waited in a server's queue.
    Backlog { at: Duration, requests: u32 },
    /// A call ended, for the application that made it.
    Ended { call: usize, at: Duration, ok: bool },
}
