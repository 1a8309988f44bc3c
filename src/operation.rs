//! A closure as a service: what `run` of a layer stands on.

use std::future::Future;
use std::task::{Context, Poll};

use tower_service::Service;

/// Calls the closure for every request, and is always ready.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation<F>(pub(crate) F);

impl<F, Fut, T, E> Service<()> for Operation<F>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Response = T;
    type Error = E;
    type Future = Fut;

    #[inline]
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, (): ()) -> Fut {
        (self.0)()
    }
}
