//! A candidate that is polled by hand, so that it can stand still as a stopped process does.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use seawall::lease::{Config, Leadership, Lease};
use seawall::telemetry::Environment;
use seawall::time::Clock;

pub(crate) struct Node {
    pub(crate) leadership: Leadership,
    election: Pin<Box<dyn Future<Output = std::convert::Infallible>>>,
}

impl Node {
    pub(crate) fn new(lease: impl Lease, config: &Config, environment: &Environment) -> Self {
        let (leadership, election) = config.build_in(lease, environment).unwrap();
        Self { leadership, election: Box::pin(election.run()) }
    }

    /// Lets the process run until it has nothing more to do.
    pub(crate) fn run(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(self.election.as_mut().poll(&mut cx).is_pending());
    }

    /// Lets it run while time passes.
    pub(crate) fn run_for(&mut self, time: Duration, clock: &Clock) {
        let until = clock.now() + time;
        self.run();
        while clock.now() < until {
            clock.advance(STEP.min(until.since(clock.now())));
            self.run();
        }
    }
}

/// A future, polled once.
pub(crate) fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

const STEP: Duration = Duration::from_millis(5);
