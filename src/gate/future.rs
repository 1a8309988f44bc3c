//! The answer of all gates.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project::pin_project;

use super::Permit;
use crate::error::{Reject, Rejection};
use crate::outcome::Classify;

/// The answer of a [`GateService`](super::GateService).
///
/// # Cancel safety
///
/// Dropped before its end, it drops the inner future first and then its permit.
#[pin_project]
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<F, P, C> {
    #[pin]
    state: State<F, P, C>,
}

#[pin_project(project = StateProj)]
#[derive(Debug)]
enum State<F, P, C> {
    Admitted {
        #[pin]
        inner: F,
        // Spent on completion. Dropped with the future, it judges the call as abandoned.
        permit: Option<P>,
        pending: bool,
        classify: C,
    },
    Rejected {
        rejection: Option<Rejection>,
    },
}

impl<F, P, C> ResponseFuture<F, P, C> {
    #[expect(clippy::inline_always, reason = "the future is built where it stays, and not moved")]
    #[inline(always)]
    pub(crate) const fn admitted(inner: F, permit: P, classify: C) -> Self {
        let state = State::Admitted { inner, permit: Some(permit), pending: false, classify };
        Self { state }
    }

    #[inline]
    pub(super) const fn rejected(rejection: Rejection) -> Self {
        Self { state: State::Rejected { rejection: Some(rejection) } }
    }
}

impl<F, P, C, T, E> Future for ResponseFuture<F, P, C>
where
    F: Future<Output = Result<T, E>>,
    P: Permit,
    C: Classify<T, E>,
    E: Reject,
{
    type Output = Result<T, E>;

    #[expect(clippy::inline_always, reason = "a call would move the answer through memory")]
    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Admitted { inner, permit, pending, classify } => {
                let Poll::Ready(result) = inner.poll(cx) else {
                    if !*pending {
                        *pending = true;
                        if let Some(permit) = permit {
                            permit.pending();
                        }
                    }
                    return Poll::Pending;
                };
                // The classifier is the user's and may panic: the permit is spent after it.
                let outcome = classify.classify(result.as_ref());
                P::complete_in_place(permit, outcome);
                Poll::Ready(result)
            }
            StateProj::Rejected { rejection } => {
                let rejection = rejection.take().expect("not polled again after completion");
                Poll::Ready(Err(E::reject(rejection)))
            }
        }
    }
}
