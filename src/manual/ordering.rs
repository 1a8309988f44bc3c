//! What goes outside of what, and why.
//!
//! ```text
//! fallback ▸ total timeout ▸ rate limit ▸ retry (budget) ▸ breaker ▸ attempt timeout ▸ bulkhead ▸ service
//! ```
//!
//! In tower the first layer of a `ServiceBuilder` is the outermost:
//!
//! ```
//! use std::time::Duration;
//!
//! use seawall::bulkhead::Bulkhead;
//! use seawall::circuit_breaker::CircuitBreaker;
//! use seawall::error::BoxError;
//! use seawall::retry::Retry;
//! use seawall::timeout::Timeout;
//! use tower::{ServiceBuilder, service_fn};
//!
//! let service = ServiceBuilder::new()
//!     .layer(Timeout::new(Duration::from_secs(10))?.layer())
//!     .layer(Retry::builder().max_attempts(3).build()?.layer())
//!     .layer(CircuitBreaker::builder().build()?.layer())
//!     .layer(Timeout::new(Duration::from_secs(2))?.layer())
//!     .layer(Bulkhead::builder().max_calls(100).build()?.layer())
//!     .service(service_fn(|id: u64| async move { Ok::<_, BoxError>(id) }));
//! # Ok::<(), seawall::error::InvalidConfig>(())
//! ```
//!
//! | rule | because |
//! |---|---|
//! | the total timeout is outside of retry | it must bound the waits and repeats, too |
//! | the attempt timeout is inside of the breaker | what it cuts must count as a failure of the service |
//! | retry is outside of the breaker | so that the breaker sees each attempt, and stops repeats |
//! | retry does not repeat what a policy rejected | the policy will say the same again, and nothing was sent |
//! | the bulkhead is innermost | it counts attempts in flight and not calls that wait to be repeated |
//! | a rate limit by the service's contract is inside of retry, one of your own outside | a contract counts attempts |
//! | hedging goes where retry is | both make attempts, and both take from one [budget](crate::budget) |
//! | fallback is outside of everything | its answer must not look like the service's to any other policy |
//!
//! # What a layer sees of another
//!
//! A rejection of an inner policy that never reached the service is [neutral](crate::Outcome) to
//! the breaker and final to retry. A timeout further in has reached the service: it is a failure,
//! and may be repeated where that is safe. No layer changes the error type, so the caller finds the
//! rejection, or the service's own last error, without unpacking.
//!
//! # Stacks around stacks
//!
//! Each layer is part of the type of the service, and the compiler's work grows fast with their
//! number. One stack is quick to check; where a stack goes around another, put a box in between
//! (tower's `BoxCloneService`), or three of them take minutes.
