//! One call on its way through the pipeline.

use std::fmt;
use std::sync::Arc;

use azure_core::http::policies::Policy;
use azure_core::http::{Context, Request};

/// A call of an SDK client, with what is below it in the pipeline.
///
/// Clones are cheap, and each can be sent: bodies of bytes are shared. A body that is a stream is
/// copied as far as its type does so; streams over a file share their place in it, so send one
/// clone after the other, never two at a time.
///
/// # Example
///
/// A layer of one's own that sends each call to another host:
///
/// ```
/// use std::sync::Arc;
///
/// use seawall::azure::policy::{PolicyCall, TowerPolicy};
/// use tower::util::MapRequestLayer;
///
/// let elsewhere = TowerPolicy::new(MapRequestLayer::new(|mut call: PolicyCall| {
///     call.request_mut().url_mut().set_host(Some("twin.example.net")).expect("it is a host");
///     call
/// }));
/// # let _ = elsewhere;
/// ```
#[derive(Clone)]
pub struct PolicyCall {
    pub(super) context: Context<'static>,
    pub(super) request: Request,
    pub(super) next: Arc<[Arc<dyn Policy>]>,
}

impl PolicyCall {
    pub(in crate::azure) fn new(
        context: &Context<'_>,
        request: &Request,
        next: &[Arc<dyn Policy>],
    ) -> Self {
        Self { context: context.to_owned(), request: request.clone(), next: next.into() }
    }

    /// What the caller said of the call.
    #[must_use]
    pub const fn context(&self) -> &Context<'static> {
        &self.context
    }

    /// The same, to be added to.
    pub const fn context_mut(&mut self) -> &mut Context<'static> {
        &mut self.context
    }

    /// What is to be sent. It is not signed yet where the policy stands per call.
    #[must_use]
    pub const fn request(&self) -> &Request {
        &self.request
    }

    /// The same, to be changed.
    pub const fn request_mut(&mut self) -> &mut Request {
        &mut self.request
    }
}

impl fmt::Debug for PolicyCall {
    /// Without query and headers, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyCall")
            .field("method", &self.request.method())
            .field("host", &self.request.url().host_str())
            .field("path", &self.request.url().path())
            .finish_non_exhaustive()
    }
}
