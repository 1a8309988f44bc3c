//! The SDK's transport as a tower service.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use azure_core::http::{AsyncRawResponse, HttpClient, Request};
use tower_service::Service;

/// An HTTP client of the SDK as the service at the bottom of a tower stack.
///
/// Always ready. Dropping the future drops the request.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use azure_core::http::{HttpClient, Method, Request};
/// use seawall::azure::HttpClientService;
/// use seawall::error::WrapLayer;
/// use seawall::timeout::Timeout;
/// use tower::ServiceBuilder;
///
/// fn bounded(client: Arc<dyn HttpClient>, timeout: &Timeout) {
///     let service = ServiceBuilder::new()
///         .layer(timeout.layer())
///         .service(HttpClientService::new(client));
/// #   let _ = service;
/// }
/// ```
#[derive(Clone)]
pub struct HttpClientService {
    client: Arc<dyn HttpClient>,
}

impl HttpClientService {
    /// Sends requests through `client`.
    #[must_use]
    pub const fn new(client: Arc<dyn HttpClient>) -> Self {
        Self { client }
    }
}

impl Service<Request> for HttpClientService {
    type Response = AsyncRawResponse;
    type Error = azure_core::Error;
    type Future = Executing;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Executing {
        let client = Arc::clone(&self.client);
        Executing(Box::pin(async move { client.execute_request(&request).await }))
    }
}

impl fmt::Debug for HttpClientService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClientService").finish_non_exhaustive()
    }
}

/// The answer of an [`HttpClientService`].
#[must_use = "futures do nothing unless polled"]
pub struct Executing(Pin<Box<dyn Future<Output = azure_core::Result<AsyncRawResponse>> + Send>>);

impl Future for Executing {
    type Output = azure_core::Result<AsyncRawResponse>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Executing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executing").finish_non_exhaustive()
    }
}
