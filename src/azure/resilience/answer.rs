//! What the stack adds to an answer.

use azure_core::http::AsyncRawResponse;
use azure_core::http::headers::{HeaderName, HeaderValue};

/// How many attempts were made.
pub(super) const ATTEMPTS: HeaderName = HeaderName::from_static("x-resilience-attempts");
/// The host that answered.
pub(super) const SERVED_BY: HeaderName = HeaderName::from_static("x-resilience-served-by");
/// There if nobody knows whether the call took effect.
pub(in crate::azure) const AMBIGUOUS: HeaderName =
    HeaderName::from_static("x-resilience-ambiguous");
/// Up to when the secondary that answered has all that was written.
pub(super) const LAST_SYNC: HeaderName = HeaderName::from_static("x-resilience-last-sync");

/// The same answer with more headers.
pub(super) fn with_headers(
    response: AsyncRawResponse,
    more: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
) -> AsyncRawResponse {
    let (status, mut headers, body) = response.deconstruct();
    for (name, value) in more {
        headers.insert(name, value);
    }
    AsyncRawResponse::new(status, headers, Box::pin(body))
}
