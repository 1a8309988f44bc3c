//! The layer of all gates.

use std::future::Future;

use tower_layer::Layer;

use super::Gate;
use super::future::ResponseFuture;
use super::service::GateService;
use crate::error::{Error, Reject};
use crate::outcome::{ByResult, Classify};

/// Puts a [`Gate`] before a service.
///
/// Every service that one layer wraps goes through the same gate.
///
/// # Example
///
/// ```
/// use seawall::bulkhead::Bulkhead;
/// use seawall::error::BoxError;
/// use seawall::gate::GateLayer;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let layer: GateLayer<Bulkhead> = Bulkhead::builder().max_calls(8).build()?.layer();
///
/// let service = ServiceBuilder::new()
///     .layer(layer)
///     .service(service_fn(|id: u64| async move { Ok::<_, BoxError>(id) }));
///
/// assert_eq!(service.oneshot(7).await?, 7);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct GateLayer<G, C = ByResult> {
    gate: G,
    classify: C,
}

impl<G> GateLayer<G> {
    /// Creates a layer that judges calls [by their result](ByResult).
    pub const fn new(gate: G) -> Self {
        Self { gate, classify: ByResult }
    }
}

impl<G, C> GateLayer<G, C> {
    /// Judges calls with `classify` instead.
    pub fn classify<D>(self, classify: D) -> GateLayer<G, D> {
        GateLayer { gate: self.gate, classify }
    }

    /// Runs `operation` through the gate, without tower.
    ///
    /// # Errors
    ///
    /// [`Error::Service`] with the error of `operation`, or [`Error::Rejected`] when it was turned
    /// away; it has not been called then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the operation's, and its permit.
    pub async fn run<F, Fut, T, E>(&self, operation: F) -> Result<T, Error<E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        G: Gate<()>,
        C: Classify<T, Error<E>> + Clone,
    {
        self.run_with(async || operation().await.map_err(Error::Service)).await
    }

    /// Runs an `operation` whose error can hold a rejection, without tower.
    ///
    /// # Errors
    ///
    /// The error of `operation`, or a rejection when it was turned away; it has not been called
    /// then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the operation's, and its permit.
    pub async fn run_with<F, Fut, T, E>(&self, operation: F) -> Result<T, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: Reject,
        G: Gate<()>,
        C: Classify<T, E> + Clone,
    {
        match self.gate.enter(&()) {
            Ok(permit) => {
                ResponseFuture::admitted(operation(), permit, self.classify.clone()).await
            }
            Err(rejection) => Err(E::reject(rejection)),
        }
    }
}

impl<S, G, C> Layer<S> for GateLayer<G, C>
where
    G: Clone,
    C: Clone,
{
    type Service = GateService<S, G, C>;

    fn layer(&self, inner: S) -> Self::Service {
        GateService::new(inner, self.gate.clone(), self.classify.clone())
    }
}
