//! The layer that makes calls wait.

use std::future::{Future, poll_fn};

use tower_layer::Layer;

use super::service::QueueService;
use crate::error::{Error, Reject};
use crate::gate::{self, Waitable};
use crate::outcome::{ByResult, Classify};

/// Makes calls wait in front of a gate.
///
/// Made by [`Bulkhead::queue_layer`](crate::bulkhead::Bulkhead::queue_layer) and
/// [`RateLimiter::queue_layer`](crate::rate_limit::RateLimiter::queue_layer), or from any
/// [`Waitable`] gate.
///
/// # Example
///
/// ```
/// use seawall::bulkhead::Bulkhead;
/// use seawall::queue::QueueLayer;
///
/// let layer: QueueLayer<Bulkhead> = QueueLayer::new(Bulkhead::builder().build()?);
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Debug)]
pub struct QueueLayer<G, C = ByResult> {
    gate: G,
    classify: C,
}

impl<G> QueueLayer<G> {
    /// Creates a layer that judges calls [by their result](ByResult).
    pub const fn new(gate: G) -> Self {
        Self { gate, classify: ByResult }
    }
}

impl<G, C> QueueLayer<G, C> {
    /// Judges calls with `classify` instead.
    pub fn classify<D>(self, classify: D) -> QueueLayer<G, D> {
        QueueLayer { gate: self.gate, classify }
    }

    /// Runs `operation` when the gate lets it in, without tower.
    ///
    /// # Errors
    ///
    /// [`Error::Service`] with the error of `operation`, or [`Error::Rejected`] when it was turned
    /// away; it has not been called then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the operation's, and its permit or its place in the line.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::bulkhead::Bulkhead;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let layer = Bulkhead::builder().max_calls(8).build()?.queue_layer();
    ///
    /// let answer = layer.run(|| async { "42".parse::<u32>() }).await?;
    /// assert_eq!(answer, 42);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run<F, Fut, T, E>(&self, operation: F) -> Result<T, Error<E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        G: Waitable<()>,
        C: Classify<T, Error<E>> + Clone,
    {
        self.run_with(async || operation().await.map_err(Error::Service)).await
    }

    /// Runs an `operation` whose error can hold a rejection when the gate lets it in, without
    /// tower.
    ///
    /// # Errors
    ///
    /// The error of `operation`, or a rejection when it was turned away; it has not been called
    /// then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the operation's, and its permit or its place in the line.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::bulkhead::Bulkhead;
    /// use seawall::error::BoxError;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BoxError> {
    /// let layer = Bulkhead::builder().max_calls(8).build()?.queue_layer();
    ///
    /// let answer = layer.run_with(|| async { Ok::<_, BoxError>("42".parse::<u32>()?) }).await?;
    /// assert_eq!(answer, 42);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run_with<F, Fut, T, E>(&self, operation: F) -> Result<T, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: Reject,
        G: Waitable<()>,
        C: Classify<T, E> + Clone,
    {
        let mut place = None;
        match poll_fn(|cx| self.gate.poll_enter(&(), &mut place, cx)).await {
            Ok(permit) => {
                drop(place);
                gate::ResponseFuture::admitted(operation(), permit, self.classify.clone()).await
            }
            Err(rejection) => Err(E::reject(rejection)),
        }
    }
}

impl<S, G, C> Layer<S> for QueueLayer<G, C>
where
    G: Clone,
    C: Clone,
{
    type Service = QueueService<S, G, C>;

    fn layer(&self, inner: S) -> Self::Service {
        QueueService::new(inner, self.gate.clone(), self.classify.clone())
    }
}
