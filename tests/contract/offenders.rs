//! Layers that break a law, as layers in the wild do: the proof that the table can fail.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use seawall::error::BoxError;
use tower::limit::ConcurrencyLimit;
use tower::load_shed::LoadShed;
use tower::util::BoxCloneService;
use tower::{Service, service_fn};

use crate::bench::Bench;
use crate::hostile::Hostile;
use crate::laws;
use crate::subjects::Subject;

/// An offender, and the law that it breaks.
type Offence = (&'static Subject, fn(&mut Bench));

pub(crate) const OFFENDERS: &[Offence] = &[
    (
        &Subject {
            name: "calls a clone that was not polled",
            wrap: |inner, _| {
                BoxCloneService::new(service_fn(move |request| inner.clone().call(request)))
            },
        },
        laws::only_what_was_polled_is_called,
    ),
    (
        &Subject {
            name: "an idle clone holds the only place",
            wrap: |inner, _| BoxCloneService::new(LoadShed::new(ConcurrencyLimit::new(inner, 1))),
        },
        laws::readiness_reserves_nothing,
    ),
    (
        &Subject { name: "wakes itself", wrap: |inner, _| BoxCloneService::new(Spin(inner)) },
        laws::a_call_that_waits_is_not_polled_in_circles,
    ),
    (
        &Subject {
            name: "keeps the first waker",
            wrap: |inner, _| BoxCloneService::new(Deaf(inner)),
        },
        laws::who_polled_last_is_woken,
    ),
    (
        &Subject {
            name: "loses its place with a dropped call",
            wrap: |inner, _| BoxCloneService::new(Leak { inner, taken: Arc::default() }),
        },
        laws::a_call_may_be_dropped_at_any_point,
    ),
    (
        &Subject {
            name: "loses its place with a panic",
            wrap: |inner, _| BoxCloneService::new(Leak { inner, taken: Arc::default() }),
        },
        laws::a_panic_of_the_service_costs_one_call_and_no_more,
    ),
];

type Answer = Pin<Box<dyn Future<Output = Result<u32, BoxError>> + Send>>;

/// Asks to be polled again whenever it is pending.
#[derive(Clone)]
struct Spin(Hostile);

impl Service<u32> for Spin {
    type Response = u32;
    type Error = BoxError;
    type Future = Answer;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: u32) -> Answer {
        let mut inner = Box::pin(self.0.call(request));
        Box::pin(std::future::poll_fn(move |cx| {
            let answer = inner.as_mut().poll(cx);
            if answer.is_pending() {
                cx.waker().wake_by_ref();
            }
            answer
        }))
    }
}

/// Polls the call with the waker that it saw first.
#[derive(Clone)]
struct Deaf(Hostile);

impl Service<u32> for Deaf {
    type Response = u32;
    type Error = BoxError;
    type Future = Answer;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: u32) -> Answer {
        let mut inner = Box::pin(self.0.call(request));
        let mut first = None;
        Box::pin(std::future::poll_fn(move |cx| {
            let waker = first.get_or_insert_with(|| cx.waker().clone()).clone();
            inner.as_mut().poll(&mut Context::from_waker(&waker))
        }))
    }
}

/// Lets one call in at a time, and forgets that it ended unless it answers.
#[derive(Clone)]
struct Leak {
    inner: Hostile,
    taken: Arc<AtomicBool>,
}

impl Service<u32> for Leak {
    type Response = u32;
    type Error = BoxError;
    type Future = Answer;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: u32) -> Answer {
        if self.taken.swap(true, Ordering::Relaxed) {
            return Box::pin(async { Err("full".into()) });
        }
        let taken = Arc::clone(&self.taken);
        let inner = self.inner.call(request);
        Box::pin(async move {
            let answer = inner.await;
            taken.store(false, Ordering::Relaxed);
            answer
        })
    }
}
