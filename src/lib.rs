//! Keeps an application up when what it depends on slows down, fails, or loses a whole region.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod backoff;
pub mod budget;
pub mod bulkhead;
pub mod circuit_breaker;
pub mod context;
pub mod error;
pub mod fallback;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
pub mod gate;
#[cfg(feature = "http")]
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
pub mod http;
pub mod manual;
mod operation;
pub mod outcome;
pub mod queue;
pub mod rate_limit;
pub mod replay;
pub mod retry;
mod rng;
mod slot;
pub mod stack;
mod sync;
pub mod telemetry;
pub mod time;
pub mod timeout;
mod window;

pub use error::{Error, Reason, Rejection};
pub use outcome::{Classify, Outcome};
