//! The standard stack as a layer.

use std::future::Future;

use tower_layer::Layer;
use tower_service::Service;

use super::Parts;
use crate::bulkhead::Bulkhead;
use crate::circuit_breaker::CircuitBreaker;
use crate::error::{Error, Reject, Wrap, WrapLayer};
use crate::gate::{GateLayer, GateService};
use crate::operation::Operation;
use crate::outcome::{ByResult, Classify};
use crate::rate_limit::RateLimiter;
use crate::replay::{Cloned, Replay};
use crate::retry::RetryService;
use crate::timeout::TimeoutService;

/// A service in a standard stack, whose error type holds rejections.
pub type StackService<S, C = ByResult, R = Cloned> =
    TimeoutService<GateService<Attempts<S, C, R>, Option<RateLimiter>, C>>;

/// What makes attempts, and what guards each of them.
type Attempts<S, C, R> = RetryService<GateService<Attempt<S, C>, Option<CircuitBreaker>, C>, C, R>;

/// What bounds one attempt.
type Attempt<S, C> = TimeoutService<GateService<S, Option<Bulkhead>, C>>;

/// Puts a service into a standard stack, and its error `E` into [`Error<E>`].
///
/// Made by [`Stack::layer`](super::Stack::layer). Every service that it wraps shares the stack's
/// state.
///
/// # Example
///
/// ```
/// use std::io;
///
/// use seawall::replay::Cloned;
/// use seawall::stack::Stack;
/// use seawall::{Error, Outcome};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let missing_is_fine = |result: Result<&u64, &Error<io::ErrorKind>>| match result {
///     Ok(_) => Outcome::Success,
///     Err(Error::Service(io::ErrorKind::NotFound)) => Outcome::Permanent,
///     Err(_) => Outcome::Transient,
/// };
///
/// let orders = ServiceBuilder::new()
///     .layer(Stack::builder().build()?.layer().classify(missing_is_fine).replay(Cloned::new()))
///     .service(service_fn(|_: u64| async { Err(io::ErrorKind::NotFound) }));
///
/// // It is not tried again.
/// assert_eq!(orders.oneshot(7).await, Err(Error::Service(io::ErrorKind::NotFound)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct StackLayer<C = ByResult, R = Cloned> {
    bare: BareStackLayer<C, R>,
}

/// Puts a service whose error type holds rejections into a standard stack.
///
/// Made by [`StackLayer::bare`]. It leaves the error type as it is.
///
/// # Example
///
/// ```
/// use seawall::error::BoxError;
/// use seawall::stack::Stack;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let orders = ServiceBuilder::new()
///     .layer(Stack::builder().build()?.layer().bare())
///     .service(service_fn(|id: u64| async move { Ok::<_, BoxError>(id) }));
///
/// let id: Result<u64, BoxError> = orders.oneshot(7).await;
/// assert_eq!(id?, 7);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct BareStackLayer<C = ByResult, R = Cloned> {
    parts: Parts,
    classify: C,
    replay: R,
}

impl StackLayer {
    pub(super) fn new(parts: Parts) -> Self {
        Self { bare: BareStackLayer { parts, classify: ByResult, replay: Cloned::new() } }
    }
}

impl<C, R> StackLayer<C, R> {
    /// Judges calls with `classify`.
    ///
    /// Default: [`ByResult`].
    pub fn classify<D>(self, classify: D) -> StackLayer<D, R> {
        StackLayer { bare: self.bare.classify(classify) }
    }

    /// Makes requests again with `replay`.
    ///
    /// Default: [`Cloned::new`], which takes every request for idempotent.
    pub fn replay<Q>(self, replay: Q) -> StackLayer<C, Q> {
        StackLayer { bare: self.bare.replay(replay) }
    }

    /// Adds a fallback outside of the stack.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::fallback::FallbackLayer;
    /// use seawall::stack::Stack;
    /// use tower::{ServiceBuilder, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let price = ServiceBuilder::new()
    ///     .layer(
    ///         Stack::builder().without_retry().build()?.layer().fallback(FallbackLayer::value(100)),
    ///     )
    ///     .service(service_fn(|_: &str| async { Err::<u32, _>("the catalogue is down") }));
    ///
    /// assert_eq!(price.oneshot("tea").await, Ok(100));
    /// # Ok(())
    /// # }
    /// ```
    pub fn fallback<F>(self, fallback: F) -> tower_layer::Stack<Self, F> {
        tower_layer::Stack::new(self, fallback)
    }

    /// Leaves the error type as it is, for a service whose errors hold rejections already.
    #[must_use]
    pub fn bare(self) -> BareStackLayer<C, R> {
        self.bare
    }

    /// Runs `operation` through the stack, without tower.
    ///
    /// # Errors
    ///
    /// The last real failure of `operation`, or a rejection.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the operation's, with all that it holds.
    pub async fn run<F, Fut, T, E>(&self, mut operation: F) -> Result<T, Error<E>>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        C: Classify<T, Error<E>> + Clone,
        R: Replay<()> + Clone,
    {
        self.bare
            .run(|| {
                let answer = operation();
                async { answer.await.map_err(Error::Service) }
            })
            .await
    }
}

impl<C, R> BareStackLayer<C, R> {
    /// Runs an `operation` whose error holds rejections through the stack, without tower.
    ///
    /// # Errors
    ///
    /// The last real failure of `operation`, or a rejection.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the operation's, with all that it holds.
    pub async fn run<F, Fut, T, E>(&self, operation: F) -> Result<T, E>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: Reject,
        C: Classify<T, E> + Clone,
        R: Replay<()> + Clone,
    {
        let Self { parts, classify, replay } = self;
        let mut attempt = GateLayer::new(parts.breaker.clone())
            .classify(classify.clone())
            .layer(self.attempt(Operation(operation)));
        let attempts = parts.retry.layer().classify(classify.clone()).replay(replay.clone());
        let admitted = GateLayer::new(parts.rate.clone()).classify(classify.clone());
        parts
            .total
            .run_with(|| admitted.run_with(|| attempts.run_with(move || attempt.call(()))))
            .await
    }

    /// The parts that guard one attempt.
    fn attempt<S>(&self, inner: S) -> Attempt<S, C>
    where
        C: Clone,
    {
        let bulkhead = GateLayer::new(self.parts.bulkhead.clone()).classify(self.classify.clone());
        self.parts.attempt.layer().layer(bulkhead.layer(inner))
    }
}

impl<C, R> BareStackLayer<C, R> {
    /// Judges calls with `classify`.
    ///
    /// Default: [`ByResult`].
    pub fn classify<D>(self, classify: D) -> BareStackLayer<D, R> {
        BareStackLayer { parts: self.parts, classify, replay: self.replay }
    }

    /// Makes requests again with `replay`.
    ///
    /// Default: [`Cloned::new`], which takes every request for idempotent.
    pub fn replay<Q>(self, replay: Q) -> BareStackLayer<C, Q> {
        BareStackLayer { parts: self.parts, classify: self.classify, replay }
    }
}

impl<S, C, R> Layer<S> for StackLayer<C, R>
where
    C: Clone,
    R: Clone,
{
    type Service = StackService<Wrap<S>, C, R>;

    fn layer(&self, inner: S) -> Self::Service {
        self.bare.layer(WrapLayer::new().layer(inner))
    }
}

impl<S, C, R> Layer<S> for BareStackLayer<C, R>
where
    C: Clone,
    R: Clone,
{
    type Service = StackService<S, C, R>;

    fn layer(&self, inner: S) -> Self::Service {
        let Self { parts, classify, replay } = self;
        let breaker = GateLayer::new(parts.breaker.clone()).classify(classify.clone());
        let retry = parts.retry.layer().classify(classify.clone()).replay(replay.clone());
        let rate = GateLayer::new(parts.rate.clone()).classify(classify.clone());
        parts.total.layer().layer(rate.layer(retry.layer(breaker.layer(self.attempt(inner)))))
    }
}
