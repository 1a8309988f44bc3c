//! The layer of a retry, and the same without tower.

use std::future::Future;

use tower_layer::Layer;
use tower_service::Service;

use super::Retry;
use super::future::ResponseFuture;
use super::service::RetryService;
use crate::error::{Error, Reject};
use crate::operation::Operation;
use crate::outcome::{ByResult, Classify};
use crate::replay::{Cloned, Replay};

/// Makes calls again that failed in a way that the next attempt may not.
///
/// See the [module](super) for what it does.
///
/// # Example
///
/// ```
/// use seawall::error::BoxError;
/// use seawall::retry::{Retry, RetryLayer};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let layer = RetryLayer::new(Retry::builder().build()?);
///
/// let orders = ServiceBuilder::new()
///     .layer(layer)
///     .service(service_fn(|id: u64| async move { Ok::<_, BoxError>(id) }));
///
/// assert_eq!(orders.oneshot(7).await?, 7);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RetryLayer<C = ByResult, R = Cloned> {
    retry: Retry,
    classify: C,
    replay: R,
}

impl RetryLayer {
    /// Creates a layer that judges calls [by their result](ByResult), and [clones](Cloned)
    /// requests, all of which it takes for idempotent.
    #[must_use]
    pub const fn new(retry: Retry) -> Self {
        Self { retry, classify: ByResult, replay: Cloned::new() }
    }
}

impl<C, R> RetryLayer<C, R> {
    /// Judges calls with `classify` instead.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::error::BoxError;
    /// use seawall::retry::Retry;
    /// use seawall::Outcome;
    ///
    /// // An empty answer is worth another attempt.
    /// let layer = Retry::builder().build()?.layer().classify(
    ///     |result: Result<&Vec<u8>, &BoxError>| match result {
    ///         Ok(rows) if !rows.is_empty() => Outcome::Success,
    ///         _ => Outcome::Transient,
    ///     },
    /// );
    /// # let _ = layer;
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn classify<D>(self, classify: D) -> RetryLayer<D, R> {
        RetryLayer { retry: self.retry, classify, replay: self.replay }
    }

    /// Makes requests again by `replay` instead, and asks it which may be sent twice.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::replay::Cloned;
    /// use seawall::retry::Retry;
    ///
    /// // What may have been executed is not sent again.
    /// let layer = Retry::builder().build()?.layer().replay(Cloned::not_idempotent());
    /// # let _ = layer;
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn replay<Q>(self, replay: Q) -> RetryLayer<C, Q> {
        RetryLayer { retry: self.retry, classify: self.classify, replay }
    }

    /// Runs `operation` until it works or no attempt is left, without tower.
    ///
    /// # Errors
    ///
    /// [`Error::Service`] with the last error of `operation`, or [`Error::Ambiguous`] when it must
    /// not be executed twice and may have been.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the operation's. A repeat that was not sent yet is given back to
    /// the budget.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::replay::Cloned;
    /// use seawall::retry::Retry;
    /// use seawall::Error;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), seawall::error::InvalidConfig> {
    /// // A payment must not be made twice.
    /// let layer = Retry::builder().build()?.layer().replay(Cloned::not_idempotent());
    ///
    /// let paid = layer.run(async || Err::<(), _>("connection reset")).await;
    /// assert_eq!(paid, Err(Error::Ambiguous("connection reset")));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run<F, Fut, T, E>(&self, mut operation: F) -> Result<T, Error<E>>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        C: Classify<T, Error<E>> + Clone,
        R: Replay<()> + Clone,
    {
        self.run_with(|| {
            let attempt = operation();
            async { attempt.await.map_err(Error::Service) }
        })
        .await
    }

    /// Runs an `operation` whose error can hold a rejection, without tower.
    ///
    /// # Errors
    ///
    /// The last error of `operation`, marked as ambiguous when it must not be executed twice and
    /// may have been.
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run).
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::error::BoxError;
    /// use seawall::retry::Retry;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BoxError> {
    /// let layer = Retry::builder().build()?.layer();
    ///
    /// assert_eq!(layer.run_with(async || Ok::<_, BoxError>(42)).await?, 42);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run_with<F, Fut, T, E>(&self, operation: F) -> Result<T, E>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: Reject,
        C: Classify<T, E> + Clone,
        R: Replay<()> + Clone,
    {
        let Self { retry, classify, replay } = self;
        let (mut retry, operation) = (retry.clone(), Operation(operation));
        let call = Operation::call;
        ResponseFuture::begin((), &mut retry, classify, replay, operation, call, |it| it).await
    }
}

impl<S, C, R> Layer<S> for RetryLayer<C, R>
where
    C: Clone,
    R: Clone,
{
    type Service = RetryService<S, C, R>;

    fn layer(&self, inner: S) -> Self::Service {
        RetryService::new(inner, self.retry.clone(), self.classify.clone(), self.replay.clone())
    }
}
