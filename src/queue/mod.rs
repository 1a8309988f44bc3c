//! Makes calls wait in front of a gate, for a while and in order, instead of turning them away.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//!
//! use seawall::bulkhead::Bulkhead;
//! use seawall::error::BoxError;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let bulkhead = Bulkhead::builder()
//!     .max_calls(2)
//!     .max_waiting(10)
//!     .max_wait(Duration::from_millis(500))
//!     .build()?;
//!
//! let orders = ServiceBuilder::new()
//!     .layer(bulkhead.queue_layer())
//!     .service(service_fn(|id: u64| async move { Ok::<_, BoxError>(id) }));
//!
//! assert_eq!(orders.oneshot(7).await?, 7);
//! # Ok(())
//! # }
//! ```
//!
//! # When to use it
//!
//! Where load comes in short bursts, and a caller is better served by a late answer than by none.
//! Keep the line short: whatever waits in it for longer than its caller does is work for nobody.
//! Under steady overload every line is full, and all it adds is delay; then turn calls away, with
//! the plain layer of the gate.
//!
//! # How it decides
//!
//! It does not: the gate does ([`Waitable`]). A [bulkhead](crate::bulkhead) keeps a line, first
//! come, first served; a [rate limiter](crate::rate_limit) tells each call its time. Both bound
//! how many wait and how long, and neither lets a call wait past its
//! [deadline](crate::context). The service that is called is a clone of its own for each call,
//! which is made ready when the call has been let in: so a call that waits holds nothing of the
//! inner service.
//!
//! `poll_ready` is always ready. Callers that lean on back-pressure from it see none; the bound is
//! the gate's.
//!
//! # Cost
//!
//! A call that need not wait costs what the gate costs, and one clone of the inner service. One
//! that waits takes a lock a few times, and a timer.

pub(crate) mod line;

mod future;
mod layer;
mod service;

pub use future::ResponseFuture;
pub use layer::QueueLayer;
pub use service::QueueService;

#[cfg(doc)]
use crate::gate::Waitable;
