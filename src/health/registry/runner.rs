//! The task of one check.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::quiet::{Quiet, quietly};
use super::shared::Shared;
use super::task::{Control, Lane, NotYet};
use crate::health::Finding;
use crate::health::check::Probe;
use crate::time::{Instant, Timer};

/// Runs a check again and again until it is stopped.
///
/// The next start is reckoned from the last one that really was, so that time in which nobody
/// polled it is not made up for.
pub(super) struct Runner {
    shared: Arc<Shared>,
    place: Place,
    timeout: Duration,
    timer: Timer,
    start: Instant,
    probe: Option<Quiet<Box<dyn Probe>>>,
    flight: Option<Flight>,
    has_left: bool,
}

/// Which check it is.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) name: Arc<str>,
    pub(super) id: u64,
    pub(super) control: Arc<Control>,
    pub(super) lane: Arc<Lane>,
}

/// A run under way.
struct Flight {
    run: Quiet<Pin<Box<dyn Future<Output = Finding> + Send>>>,
    began: Instant,
}

impl Runner {
    /// The task of a check whose control says that there is none.
    pub(super) fn new(
        shared: Arc<Shared>,
        place: Place,
        timeout: Duration,
        start: Instant,
    ) -> Self {
        let probe = place.control.probe();
        Self {
            shared,
            place,
            timeout,
            timer: Timer::idle(),
            start,
            probe,
            flight: None,
            has_left: false,
        }
    }

    /// Waits for the next start, and begins the run.
    fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let clock = &self.shared.environment.clock;
        loop {
            ready!(self.timer.poll_until(self.start, clock, cx));
            let now = clock.now();
            let Some(interval) = self.shared.interval(&self.place) else { return Poll::Pending };
            // Nobody polled for so long that every check is due: they do not all begin now.
            let late = now.since(self.start);
            if late > interval {
                self.start = now + self.shared.phase_of_first(interval);
                continue;
            }
            match self.place.lane.take(now, interval, cx) {
                Ok(()) => break,
                Err(NotYet::Taken) => return Poll::Pending,
                Err(NotYet::Until(start)) => self.start = start,
            }
        }
        let began = clock.now();
        self.shared.began(&self.place);
        let probe = self.probe.as_mut();
        match probe.and_then(|probe| quietly(|| probe.run())) {
            Some(run) => self.flight = Some(Flight { run: Quiet::new(run), began }),
            None => self.end(Finding::down("panicked"), began),
        }
        Poll::Ready(())
    }

    /// Waits for the end of the run, or for its timeout.
    fn poll_run(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(flight) = &mut self.flight else { return Poll::Ready(()) };
        let began = flight.began;
        let finding = match quietly(|| flight.run.as_mut().poll(cx)) {
            Some(Poll::Ready(finding)) => finding,
            None => Finding::down("panicked"),
            Some(Poll::Pending) => {
                let clock = &self.shared.environment.clock;
                ready!(self.timer.poll_until(began + self.timeout, clock, cx));
                Finding::down("timed out")
            }
        };
        self.end(finding, began);
        Poll::Ready(())
    }

    fn end(&mut self, finding: Finding, began: Instant) {
        self.timer.reset();
        // Before anybody else has their turn.
        self.flight = None;
        self.place.lane.free();
        self.start = self.shared.ended(&self.place, finding, began);
    }

    /// Drops the run that is under way, whose finding nobody wants any more.
    fn abandon(&mut self) {
        if self.flight.take().is_some() {
            self.place.lane.free();
        }
    }
}

impl Future for Runner {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        loop {
            if !this.place.control.goes_on(cx) {
                this.abandon();
                match this.place.control.leave(this.probe.take()) {
                    Ok(()) => {
                        this.has_left = true;
                        return Poll::Ready(());
                    }
                    Err(probe) => this.probe = probe,
                }
                continue;
            }
            if this.flight.is_none() {
                ready!(this.poll_begin(cx));
            }
            ready!(this.poll_run(cx));
        }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.abandon();
        if !self.has_left {
            self.place.control.lose(self.probe.take());
        }
    }
}
