//! What a breaker looks like at one time.

use std::time::Duration;

use super::State;
use super::core::{MILLION, Shut, View};
use crate::time::Instant;

/// What a [`CircuitBreaker`](super::CircuitBreaker) looked like when it was asked.
///
/// # Example
///
/// ```
/// use seawall::circuit_breaker::{CircuitBreaker, Snapshot, State};
/// use seawall::gate::Permit;
/// use seawall::Outcome;
///
/// let breaker = CircuitBreaker::builder().build()?;
/// breaker.enter()?.complete(Outcome::Success);
/// breaker.enter()?.complete(Outcome::Transient);
///
/// let seen: Snapshot = breaker.snapshot();
/// assert_eq!(seen.state(), State::Closed);
/// assert_eq!((seen.calls(), seen.failed()), (2, 1));
/// assert_eq!(seen.failure_rate(), Some(0.5));
/// assert_eq!(seen.retry_after(), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub struct Snapshot {
    view: View,
}

impl Snapshot {
    pub(super) const fn new(view: View) -> Self {
        Self { view }
    }

    /// The state.
    #[must_use]
    pub const fn state(&self) -> State {
        self.view.state
    }

    /// When that state began, on the breaker's clock.
    #[must_use]
    pub const fn since(&self) -> Instant {
        self.view.since
    }

    /// The calls in the window.
    #[must_use]
    pub const fn calls(&self) -> u64 {
        self.view.tally.calls
    }

    /// Those of them that failed.
    #[must_use]
    pub const fn failed(&self) -> u64 {
        self.view.tally.failed
    }

    /// Those of them that were slow.
    #[must_use]
    pub const fn slow(&self) -> u64 {
        self.view.tally.slow
    }

    /// Calls that still run, and are slow by now.
    #[must_use]
    pub const fn running_slow(&self) -> u64 {
        self.view.running_slow
    }

    /// The share of failed calls, 0 to 1; none when there were no calls.
    #[must_use]
    pub fn failure_rate(&self) -> Option<f64> {
        share(self.failed(), self.calls())
    }

    /// The share of slow calls, finished or still running, 0 to 1; none when there were no calls.
    #[must_use]
    pub fn slow_rate(&self) -> Option<f64> {
        share(self.slow() + self.running_slow(), self.calls() + self.running_slow())
    }

    /// Whether a call would be turned away now.
    #[must_use]
    pub const fn is_shut(&self) -> bool {
        self.view.shut.is_some()
    }

    /// Whether calls are held back because the service asked for it.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        matches!(self.view.shut, Some(shut) if shut.is_pause)
    }

    /// How long calls will surely be turned away; none when they are not, or nobody knows.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.view.shut.and_then(Shut::retry_after)
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    let ppm = u128::from(part) * u128::from(MILLION) / u128::from(whole.max(1));
    let ppm = u32::try_from(ppm).unwrap_or(u32::MAX);
    (whole != 0).then(|| f64::from(ppm) / 1e6)
}
