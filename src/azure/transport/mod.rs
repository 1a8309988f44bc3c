//! Tower services as the transport of an Azure SDK client, and its transport as a tower service.
//!
//! What sits here sees signed requests: it is the place for connections, their pools, names and
//! limits, and for faults that are wanted. It is no place for repeats: a signature gets old, and a
//! token may have to be fetched anew. Those belong into a [`Resilience`](super::Resilience) or a
//! [`TowerPolicy`](super::TowerPolicy).
//!
//! # Example
//!
//! The crate's own client, with limits on connections, under an SDK client:
//!
//! ```
//! # #[cfg(feature = "client")] {
//! use azure_core::http::ClientOptions;
//! use seawall::azure::TowerTransport;
//! use seawall::http::Client;
//!
//! let transport = TowerTransport::new(Client::builder().build()?);
//! let options = ClientOptions { transport: Some(transport.into()), ..ClientOptions::default() };
//! # let _ = options;
//! # }
//! # Ok::<(), seawall::error::InvalidConfig>(())
//! ```

mod body;
mod client;
mod convert;

pub use body::TransportBody;
pub use client::{Executing, HttpClientService};

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{AsyncRawResponse, Context, HttpClient, Request, Transport};
use bytes::Bytes;
use http_body::Body;
use tower_service::Service;

use crate::error::BoxError;

/// A tower service from `http::Request` to `http::Response` as an SDK client's transport.
/// [The module's page](self) has an example.
///
/// Clones share the service. As a [`Transport`], which it turns [`into`](Into::into), it puts the
/// call's [`Context`] into the request's extensions, as a `Context<'static>`; as an [`HttpClient`]
/// it has none.
///
/// # Errors
///
/// An error of the service becomes one of kind `Connection` if it says that no connection could be
/// made, so that the request was not sent, and `Io` otherwise. A
/// [`Rejection`](crate::Rejection) in it becomes one of kind `Other`.
#[derive(Clone)]
pub struct TowerTransport {
    service: Arc<dyn Fn(http::Request<TransportBody>) -> Exchange + Send + Sync>,
}

type Exchange = Pin<Box<dyn Future<Output = azure_core::Result<AsyncRawResponse>> + Send>>;

impl TowerTransport {
    /// Sends requests through `service`.
    pub fn new<S, B>(service: S) -> Self
    where
        S: Service<http::Request<TransportBody>, Response = http::Response<B>>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        Self {
            service: Arc::new(move |request| {
                let mut service = service.clone();
                Box::pin(async move {
                    let broken = |error: S::Error| convert::failure(error.into());
                    poll_fn(|cx| service.poll_ready(cx)).await.map_err(broken)?;
                    let response = service.call(request).await.map_err(broken)?;
                    Ok(convert::response(response))
                })
            }),
        }
    }
}

#[async_trait]
impl HttpClient for TowerTransport {
    async fn execute_request(&self, request: &Request) -> PolicyResult {
        (self.service)(convert::request(request)?).await
    }
}

#[expect(
    elided_lifetimes_in_paths,
    reason = "async_trait tells the trait's elision from a named one"
)]
#[async_trait]
impl Policy for TowerTransport {
    async fn send(
        &self,
        ctx: &Context,
        request: &mut Request,
        _: &[Arc<dyn Policy>],
    ) -> PolicyResult {
        let mut request = convert::request(request)?;
        request.extensions_mut().insert(ctx.to_owned());
        (self.service)(request).await
    }
}

impl From<TowerTransport> for Transport {
    fn from(transport: TowerTransport) -> Self {
        Self::with_policy(Arc::new(transport))
    }
}

impl fmt::Debug for TowerTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TowerTransport").finish_non_exhaustive()
    }
}
