//! Resilience for HTTP.

pub mod body;
pub mod call_headers;
pub mod classify;
#[cfg(feature = "client")]
#[cfg_attr(docsrs, doc(cfg(feature = "client")))]
pub mod client;
mod edge;
pub mod idempotency;
mod response_body;
pub mod retry_after;
mod transport;

pub use self::body::ReplayBody;
pub use self::call_headers::CallHeaders;
pub use self::classify::{Ambiguous, ByStatus, Foreign, Meaning};
#[cfg(feature = "client")]
#[cfg_attr(docsrs, doc(cfg(feature = "client")))]
pub use self::client::Client;
pub use self::edge::{Edge, EdgeFuture, EdgeLayer};
pub use self::idempotency::{ForeignRequests, Idempotency};
pub use self::response_body::ResponseBody;
pub use self::retry_after::{quota_reset, retry_after};
pub use self::transport::{ForeignHeaders, HeadersOf, HttpHeaders, Transport, TransportLayer};
