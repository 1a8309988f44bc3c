//! Tower layers in the pipeline of an Azure SDK client.
//!
//! The SDK hands its policies borrowed requests and a borrowed rest of the pipeline. A
//! [`PolicyCall`] owns copies of them, all cheap, so that any tower layer can hold a call, make it
//! again or drop it. [`Next`] is the service at the bottom: the rest of the pipeline.
//!
//! # Example
//!
//! A client whose every attempt is signed afresh, because the retry stands above the SDK's own
//! policies:
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use azure_core::http::{ClientOptions, RetryOptions};
//! use seawall::azure::policy::TowerPolicy;
//! use seawall::timeout::Timeout;
//!
//! let timeout = Timeout::new(Duration::from_secs(5))?;
//! let options = ClientOptions {
//!     per_call_policies: vec![Arc::new(TowerPolicy::new(timeout.layer()))],
//!     retry: RetryOptions::none(),
//!     ..ClientOptions::default()
//! };
//! # let _ = options;
//! # Ok::<(), seawall::error::InvalidConfig>(())
//! ```

mod call;
mod next;

pub use call::PolicyCall;
pub use next::{Next, Sending};

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::error::ErrorKind;
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{AsyncRawResponse, Context, Request};
use tower_layer::Layer;
use tower_service::Service;

use crate::error::{BoxError, Reject};

/// A tower layer as a policy of the SDK. [The module's page](self) has an example.
///
/// Put it last among `ClientOptions::per_call_policies` what repeats a call, and among
/// `per_try_policies` what is to see each signed request. The layer's state is shared by all
/// clients that have a clone of the policy.
///
/// # Errors
///
/// An error of the layer that is no [`azure_core::Error`] becomes one of kind
/// [`ErrorKind::Other`], with itself as the source; a [`Rejection`](crate::Rejection) inside of it
/// is found again by [`Reject::rejection`].
///
/// # Cost
///
/// Two boxed futures per call, and a copy of the request's head.
#[derive(Clone)]
pub struct TowerPolicy {
    service: Erased,
}

/// A stack whose type nobody needs to know.
pub(super) type Erased = Arc<dyn Fn(PolicyCall) -> Answering + Send + Sync>;

pub(super) type Answering = Pin<Box<dyn Future<Output = PolicyResult> + Send>>;

impl TowerPolicy {
    /// Makes a policy of `layer` around the rest of the pipeline.
    pub fn new<L>(layer: L) -> Self
    where
        L: Layer<Next>,
        L::Service: Service<PolicyCall, Response = AsyncRawResponse, Error: Into<BoxError>, Future: Send>
            + Clone
            + Send
            + Sync
            + 'static,
    {
        Self { service: erase(layer.layer(Next::new())) }
    }
}

pub(super) fn erase<S>(service: S) -> Erased
where
    S: Service<PolicyCall, Response = AsyncRawResponse, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
{
    Arc::new(move |call| {
        let mut service = service.clone();
        Box::pin(async move {
            let broken = |error: S::Error| to_sdk(error.into());
            poll_fn(|cx| service.poll_ready(cx)).await.map_err(broken)?;
            service.call(call).await.map_err(broken)
        })
    })
}

/// As the SDK's own error, and no deeper than it was.
fn to_sdk(error: BoxError) -> azure_core::Error {
    match error.downcast::<azure_core::Error>() {
        Ok(error) => *error,
        Err(error) => match error.rejection().copied() {
            Some(rejection) => azure_core::Error::reject(rejection),
            None => azure_core::Error::new(ErrorKind::Other, error),
        },
    }
}

#[expect(
    elided_lifetimes_in_paths,
    reason = "async_trait tells the trait's elision from a named one"
)]
#[async_trait]
impl Policy for TowerPolicy {
    async fn send(
        &self,
        ctx: &Context,
        request: &mut Request,
        next: &[Arc<dyn Policy>],
    ) -> PolicyResult {
        (self.service)(PolicyCall::new(ctx, request, next)).await
    }
}

impl fmt::Debug for TowerPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TowerPolicy").finish_non_exhaustive()
    }
}
