//! The states of a breaker, as users see them.

use std::fmt;

/// What a [`CircuitBreaker`](super::CircuitBreaker) does with calls.
///
/// States change with calls: an open circuit whose time is over says `Open` until somebody calls.
///
/// # Example
///
/// ```
/// use seawall::circuit_breaker::{CircuitBreaker, State};
///
/// let breaker = CircuitBreaker::builder().build()?;
/// assert_eq!(breaker.state(), State::Closed);
/// assert_eq!(breaker.state().name(), "closed");
///
/// breaker.isolate();
/// assert_eq!(breaker.state(), State::Isolated);
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum State {
    /// Calls pass, and are counted.
    Closed,
    /// All calls pass, and none is counted: set by hand.
    ForcedClosed,
    /// A few calls pass, to find out whether the service is well again.
    HalfOpen,
    /// No call passes until a hand lifts it.
    Isolated,
    /// All calls pass and are counted, and the circuit never opens: set by hand.
    MetricsOnly,
    /// No call passes for a while.
    Open,
    /// A growing share of the calls pass.
    Recovering,
}

impl State {
    /// A short, stable name for logs and metrics: `closed`, `forced_closed`, `half_open`,
    /// `isolated`, `metrics_only`, `open`, `recovering`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::ForcedClosed => "forced_closed",
            Self::HalfOpen => "half_open",
            Self::Isolated => "isolated",
            Self::MetricsOnly => "metrics_only",
            Self::Open => "open",
            Self::Recovering => "recovering",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
