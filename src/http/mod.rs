//! Makes calls over HTTP that survive a service which is slow, full or gone.
//!
//! What policies need to know about HTTP: what an answer means, when a server wants to be asked
//! again, which requests may be sent twice and how, and that a call is over when its answer's *body*
//! is. [`Stack::http_layer`](crate::stack::Stack::http_layer) puts all of it together.
//!
//! # Example
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response, StatusCode};
//! use http_body_util::Full;
//! use seawall::error::BoxError;
//! use seawall::http::ReplayBody;
//! use seawall::stack::Stack;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! // In place of an HTTP client: a server that fails whatever is no repeat.
//! let client = service_fn(async |request: Request<ReplayBody<Full<Bytes>>>| {
//!     let mut response = Response::new(Full::<Bytes>::default());
//!     if !request.headers().contains_key("retry-attempt") {
//!         *response.status_mut() = StatusCode::BAD_GATEWAY;
//!     }
//!     Ok::<_, std::io::Error>(response)
//! });
//!
//! let stack = Stack::builder().name("orders").build()?;
//! let orders = ServiceBuilder::new().layer(stack.http_layer()).service(client);
//!
//! let request = Request::put("http://orders/7").body(Full::new(Bytes::from("two shirts")))?;
//! assert_eq!(orders.oneshot(request).await?.status(), StatusCode::OK);
//! # Ok(())
//! # }
//! ```
//!
//! # When to use it
//!
//! For every HTTP client: hyper-util's and [`Client`] as they are, `reqwest` in terms of the `http`
//! crate (`examples/reqwest.rs` has the dozen lines that takes), and any client with requests and
//! answers of its own through [`ByStatus::foreign`], [`Idempotency::foreign`] and
//! [`TransportLayer::foreign`]. Those leave out what needs the bodies: answers end with the
//! headers' deadline only, and requests are repeated by their own clone.
//!
//! # How it is ordered
//!
//! From the outside in:
//!
//! | part | does |
//! |---|---|
//! | [`EdgeLayer`] | records the request's body, sets the deadline, ends the answer's body with it |
//! | policies, with [`ByStatus`] and [`Idempotency`] | judge answers, repeat what is safe |
//! | [`TransportLayer`] | tells the server the time left and the attempt, makes room for rejections in the error |
//! | the client | sends |
//!
//! # What an answer tells its caller
//!
//! By extensions of the response, where there is something to tell:
//!
//! | extension | means |
//! |---|---|
//! | [`Ambiguous`] | the call was not safe to repeat and may have taken effect |
//! | [`NotReplayable`](crate::replay::NotReplayable) | the request could not have been sent again, and why |
//!
//! # What a caller tells the policies
//!
//! By its request:
//!
//! | where | means |
//! |---|---|
//! | header `Idempotency-Key` | may be sent again: the server recognises it |
//! | extension [`Safety`](crate::replay::Safety) | whether it may be sent again, whatever its method says |
//!
//! # Defaults
//!
//! | | |
//! |---|---|
//! | statuses | [`classify`] |
//! | hints | [`mod@retry_after`]; how long one may be is up to retry and breaker |
//! | what may be sent again | [`idempotency`] |
//! | a body is recorded up to | 64 KiB |
//! | headers sent | [`call_headers`] |
//!
//! # Cost
//!
//! Per call: the copy of the request's head that a repeat would need, two to four small allocations
//! for a body, two clock reads; nothing per frame of an answer but a coarse clock read.

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
