use tower_layer::Layer;

use super::{Timeout, TimeoutService};

/// Puts a [`Timeout`] around a service.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::error::BoxError;
/// use seawall::timeout::{Timeout, TimeoutLayer};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let layer: TimeoutLayer = Timeout::new(Duration::from_secs(2))?.layer();
/// let double = service_fn(async |n: u32| Ok::<_, BoxError>(2 * n));
///
/// assert_eq!(ServiceBuilder::new().layer(layer).service(double).oneshot(21).await?, 42);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TimeoutLayer {
    timeout: Timeout,
}

impl TimeoutLayer {
    pub(super) const fn new(timeout: Timeout) -> Self {
        Self { timeout }
    }
}

impl<S> Layer<S> for TimeoutLayer {
    type Service = TimeoutService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TimeoutService::new(inner, self.timeout.clone())
    }
}
