//! Answers in place of a service that failed.
//!
//! # Example
//!
//! ```
//! use seawall::Error;
//! use seawall::error::WrapLayer;
//! use seawall::fallback::FallbackLayer;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error<std::io::ErrorKind>> {
//! let down = service_fn(|_: u64| async { Err::<u32, _>(std::io::ErrorKind::TimedOut) });
//!
//! let stock = ServiceBuilder::new()
//!     .layer(FallbackLayer::value(0))
//!     .layer(WrapLayer::new())
//!     .service(down);
//!
//! assert_eq!(stock.oneshot(7).await?, 0);
//! # Ok(())
//! # }
//! ```
//!
//! # When to use it
//!
//! Where an older, a poorer or an empty answer is better than none: recommendations, prices on a
//! page, settings. Not where callers take the answer for the truth, such as a balance before a
//! transfer, and not for calls that change something. Put it outermost, so that it answers for
//! whatever ended the call, be it the service or a policy.
//!
//! # How it decides
//!
//! A call falls back when it is [`Transient`](crate::Outcome::Transient) or
//! [`Overload`](crate::Outcome::Overload) by the layer's classifier, or was rejected by a policy
//! further in. A call that can not succeed ([`Permanent`](crate::Outcome::Permanent)) does not:
//! there the failure is the answer. Nor does a service whose `poll_ready` fails: it is gone for
//! good, and that must be seen.
//!
//! | layer | answers with | keeps of the request |
//! |---|---|---|
//! | [`FallbackLayer::value`] | the same value, always | nothing |
//! | [`FallbackLayer::new`] | what a function of request and failure returns | a clone |
//! | [`FallbackLayer::deferred`] | what a future of request and failure returns | a clone |
//! | [`LastGood::layer`] | the last good answer to the same key, if it is not too old | the key |
//!
//! Whatever a fallback returns is the caller's result, be it an error; a further fallback is a
//! further layer. The time that a deferred fallback takes is not limited by a timeout further in.
//!
//! # Defaults
//!
//! | setting | default |
//! |---|---|
//! | classifier | [`ByResult`](crate::outcome::ByResult) |
//! | name | `fallback` |
//! | [`LastGood`]: capacity | 1,000 keys |
//! | [`LastGood`]: greatest age | 5 minutes |
//!
//! # Telemetry
//!
//! [`Fallback`](crate::telemetry::EventKind::Fallback) for each call that another answer was found
//! for, with its age if it is an earlier one.
//!
//! # Cost
//!
//! A call that works costs what is kept of its request. A value is shared by reference count. The
//! last good answer is a clone under a mutex that only calls of the same part of the keys contend
//! for, and is held for a few dozen nanoseconds. No allocation of its own otherwise.

mod config;
mod future;
mod last_good;
mod layer;
mod lru;
mod service;
mod substitute;

pub use config::Config;
pub use future::ResponseFuture;
pub use last_good::{LastGood, LastGoodBy};
pub use layer::FallbackLayer;
pub use service::FallbackService;
pub use substitute::{Answer, Deferred, DeferredFuture, Function, Substitute, Value};
