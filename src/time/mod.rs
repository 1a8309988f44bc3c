//! Time: one line for everything, read from a clock that tests can replace.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//!
//! use seawall::time::Clock;
//!
//! let clock = Clock::manual();
//! let until = clock.now() + Duration::from_secs(365 * 24 * 3600);
//! assert!(!clock.has_passed(until));
//!
//! clock.advance(Duration::from_secs(365 * 24 * 3600));
//! assert!(clock.has_passed(until));
//! ```
//!
//! # Which clock to read
//!
//! | reading | costs | use it for |
//! |---|---|---|
//! | [`Clock::now`] | 23 ns | latencies, and the writing of deadlines |
//! | [`Clock::coarse`] | 2.4 ns on Linux | which interval of a window a call belongs to |
//! | [`Clock::has_passed`] | 2.4 ns, and 23 more close to the end | whether a deadline is over |
//!
//! The coarse reading is behind by up to one [tick](Clock::tick) (1 to 10 ms on Linux), and never
//! ahead: `coarse() <= now() < coarse() + tick()`. Where a platform has no such clock, both
//! readings are the precise one, and the tick is zero.
//!
//! # Time in tests
//!
//! A [manual clock](Clock::manual) stands still until it is told to advance. With the feature
//! `test-util`, `Clock::tokio` and `follow_tokio` read tokio's clock, which runtimes can pause: a
//! test that waits for a year then ends in a millisecond.

mod clock;
mod instant;
mod queue;
mod system;
#[cfg(feature = "test-util")]
mod tokio_clock;

pub use clock::Clock;
pub use instant::Instant;
#[cfg(feature = "test-util")]
#[cfg_attr(docsrs, doc(cfg(feature = "test-util")))]
pub use tokio_clock::follow_tokio;

pub(crate) use instant::nanos;
