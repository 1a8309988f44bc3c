//! One layer over one hostile service.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use seawall::error::BoxError;
use seawall::telemetry::Environment;
use seawall::time::Clock;
use tower::Service;

use crate::hostile::{Hostile, Manner, Readiness, Script};
use crate::subjects::{Boxed, SUBJECTS, Subject};
use crate::task::Task;

pub(crate) struct Bench {
    pub(crate) service: Boxed,
    pub(crate) script: Arc<Script>,
    pub(crate) clock: Clock,
}

impl Bench {
    fn new(subject: &Subject) -> Self {
        let clock = Clock::manual();
        let environment = Environment::new().clock(clock.clone()).seed(1);
        let hostile = Hostile::new();
        let script = Arc::clone(&hostile.script);
        Self { service: (subject.wrap)(hostile, &environment), script, clock }
    }

    /// Makes a clone ready and calls it.
    pub(crate) fn start(&self, request: u32) -> Task<Result<u32, BoxError>> {
        let mut service = self.service.clone();
        Task::new(async move {
            std::future::poll_fn(|cx| service.poll_ready(cx)).await?;
            service.call(request).await
        })
    }

    pub(crate) fn call(&self, request: u32) -> Result<u32, BoxError> {
        self.start(request).finish(&self.clock)
    }

    /// The service is well again, and so must be what is around it, in time: a policy may let
    /// calls in by and by, but a place that was lost never comes back.
    pub(crate) fn recovers(&self) {
        self.script.set(Readiness::Ready, Manner::Answer);
        let mut in_a_row = 0;
        for _ in 0..600 {
            in_a_row = if self.call(3).is_ok_and(|answer| answer == 3) { in_a_row + 1 } else { 0 };
            if in_a_row == 30 {
                return;
            }
            self.clock.advance(Duration::from_secs(1));
        }
        panic!("rejects the calls of a healthy service");
    }

    fn called_only_what_was_polled(&self) {
        let unready = self.script.count(|script| &script.unready_calls);
        assert_eq!(unready, 0, "called an instance that was not polled ready");
    }
}

/// Polls it once: whether it is ready.
pub(crate) fn ready(service: &mut Boxed) -> bool {
    let mut readiness = std::pin::pin!(std::future::poll_fn(|cx| service.poll_ready(cx)));
    let mut cx = Context::from_waker(Waker::noop());
    matches!(readiness.as_mut().poll(&mut cx), Poll::Ready(Ok(())))
}

/// Whether the layer keeps the law. The panic's message says why not.
pub(crate) fn keeps(subject: &Subject, law: fn(&mut Bench)) -> bool {
    let mut bench = Bench::new(subject);
    catch_unwind(AssertUnwindSafe(|| {
        law(&mut bench);
        bench.called_only_what_was_polled();
    }))
    .is_ok()
}

/// Puts each layer to the test.
pub(crate) fn all_keep(law: fn(&mut Bench)) {
    let broken: Vec<_> = SUBJECTS
        .iter()
        .filter(|subject| !keeps(subject, law))
        .map(|subject| subject.name)
        .collect();
    assert!(broken.is_empty(), "broken by: {broken:?}");
}
