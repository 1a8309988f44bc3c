//! The rest of the pipeline as a tower service.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use azure_core::Error;
use azure_core::error::ErrorKind;
use azure_core::http::AsyncRawResponse;
use azure_core::http::policies::PolicyResult;
use tower_service::Service;

use super::{Answering, PolicyCall};

/// The rest of the pipeline: the service at the bottom of a [`TowerPolicy`](super::TowerPolicy).
///
/// Always ready.
#[derive(Clone, Copy, Debug, Default)]
pub struct Next(());

impl Next {
    pub(in crate::azure) const fn new() -> Self {
        Self(())
    }
}

impl Service<PolicyCall> for Next {
    type Response = AsyncRawResponse;
    type Error = Error;
    type Future = Sending;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: PolicyCall) -> Sending {
        Sending(Box::pin(async move {
            let PolicyCall { context, mut request, next } = call;
            match next.split_first() {
                Some((first, rest)) => first.send(&context, &mut request, rest).await,
                None => Err(Error::with_message(
                    ErrorKind::Other,
                    "a policy of a tower layer can not be the last of a pipeline",
                )),
            }
        }))
    }
}

/// The answer of [`Next`].
#[must_use = "futures do nothing unless polled"]
pub struct Sending(Answering);

impl Future for Sending {
    type Output = PolicyResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<PolicyResult> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").finish_non_exhaustive()
    }
}
