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
//! The coarse reading is behind by up to one [tick](Clock::tick) (twice the period of Linux's timer
//! interrupt: 2 to 20 ms), and never ahead. On a host that withholds its processors from the guest
//! it may be further behind for that time. Where a platform has no such clock, both
//! readings are the precise one, and the tick is zero.
//!
//! # Timers
//!
//! A policy's timer is armed when a call is first found pending, and not before: a service that
//! answers at once pays nothing for its timeout. All timers of the process share one thread,
//! `seawall-timer`, that starts with the first of them and sleeps until the first deadline; it
//! needs no runtime, so timeouts work under any executor. A timer never fires early, and on an
//! idle machine less than a millisecond late; one of 256 ms and more up to one tick later still.
//!
//! Should the system refuse to start the thread, a waiting call is polled again and again until
//! the thread can be started or the time has passed: that costs processor time, but no call hangs.
//!
//! # Time in tests
//!
//! A [manual clock](Clock::manual) stands still until it is told to advance. With the feature
//! `test-util`, `Clock::tokio` and `follow_tokio` read tokio's clock, which runtimes can pause: a
//! test that waits for a year then ends in a millisecond.

mod clock;
mod driver;
mod fifo;
mod instant;
mod lane;
mod queue;
mod system;
mod timer;
#[cfg(feature = "test-util")]
mod tokio_clock;

pub use clock::Clock;
pub use instant::Instant;
#[cfg(feature = "test-util")]
#[cfg_attr(docsrs, doc(cfg(feature = "test-util")))]
pub use tokio_clock::follow_tokio;

pub(crate) use instant::nanos;
pub(crate) use timer::Timer;
