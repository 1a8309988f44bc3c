//! The settings of a rate limiter.

use std::fmt;
use std::time::Duration;

use super::RateLimiter;
use super::scale::Scale;
use crate::error::{InvalidConfig, intern};
use crate::telemetry::Environment;
use crate::time::{Clock, nanos};

/// Settings of a [`RateLimiter`], and its builder: so many calls in so much time.
///
/// Plain data: it can be compared, printed and read from a file. It is checked once, in
/// [`build`](Self::build). The rate is a fraction of two whole numbers, so that every rate from
/// one call in a century to one in a nanosecond can be said exactly.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::rate_limit::Quota;
///
/// // 500 calls in any 7 minutes, no more than 20 at once.
/// let limiter = Quota::default().limit(500).per(Duration::from_secs(7 * 60)).burst(20).build()?;
///
/// let error = Quota::default().limit(0).build().unwrap_err();
/// assert_eq!(error.to_string(), "`limit` must be at least 1");
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[must_use]
pub struct Quota {
    name: String,
    limit: u32,
    per: Duration,
    burst: Option<u32>,
    max_waiting: u32,
    max_wait: Duration,
}

/// A [`Quota`] that was found good.
#[derive(Clone, Copy, Debug)]
pub(super) struct Params {
    pub(super) scale: Scale,
    /// How long it takes to pay for a burst.
    pub(super) refill: Duration,
    pub(super) max_waiting: u32,
    pub(super) max_wait: Duration,
}

impl Params {
    /// Whether the coarse clock will do: it is up to a tick behind, which may lengthen a burst.
    pub(super) fn is_coarse(&self, clock: &Clock) -> bool {
        self.refill >= clock.tick().saturating_mul(COARSE_TICKS)
    }
}

impl Default for Quota {
    fn default() -> Self {
        Self {
            name: "rate_limit".into(),
            limit: 100,
            per: Duration::from_secs(1),
            burst: None,
            max_waiting: 100,
            max_wait: Duration::from_secs(1),
        }
    }
}

/// In a line, for people.
impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let burst = self.burst.unwrap_or(self.limit);
        write!(f, "{} calls in {:?}, {burst} at once", self.limit, self.per)
    }
}

impl Quota {
    /// So many calls in a second.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::rate_limit::Quota;
    ///
    /// assert_eq!(Quota::per_second(100), Quota::default());
    /// ```
    pub fn per_second(limit: u32) -> Self {
        Self::default().limit(limit)
    }

    /// So many calls in a minute.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::rate_limit::Quota;
    ///
    /// let limiter = Quota::per_minute(30).burst(1).build()?;
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    pub fn per_minute(limit: u32) -> Self {
        Self::default().limit(limit).per(Duration::from_secs(60))
    }

    /// So many calls in an hour.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::rate_limit::Quota;
    ///
    /// let limiter = Quota::per_hour(5_000).burst(100).build()?;
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    pub fn per_hour(limit: u32) -> Self {
        Self::default().limit(limit).per(Duration::from_secs(3_600))
    }

    /// The name, for rejections and telemetry.
    ///
    /// Default: `rate_limit`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// How many calls may be made in the time that [`per`](Self::per) says, at least 1, and not
    /// more than that has nanoseconds.
    ///
    /// Default: 100.
    pub fn limit(mut self, calls: u32) -> Self {
        self.limit = calls;
        self
    }

    /// The time in which [`limit`](Self::limit) calls may be made: longer than zero, and a century
    /// at most.
    ///
    /// Default: 1 second.
    pub fn per(mut self, time: Duration) -> Self {
        self.per = time;
        self
    }

    /// How many calls may be made at once after a time without calls, at least 1.
    ///
    /// With 1, calls are evenly spaced. The sum of what was let in is never more than a burst
    /// ahead of the rate.
    ///
    /// Default: as many as [`limit`](Self::limit).
    pub fn burst(mut self, calls: u32) -> Self {
        self.burst = Some(calls);
        self
    }

    /// How many calls may wait for their turn behind a
    /// [`queue_layer`](RateLimiter::queue_layer), at least 1.
    ///
    /// Default: 100.
    pub fn max_waiting(mut self, calls: u32) -> Self {
        self.max_waiting = calls;
        self
    }

    /// How long a call may wait for its turn behind a
    /// [`queue_layer`](RateLimiter::queue_layer), longer than zero.
    ///
    /// Default: 1 second.
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// How many calls can begin within `window`, at most.
    pub(crate) fn most_within(&self, window: Duration) -> u128 {
        let refilled = u128::from(self.limit) * window.as_nanos() / self.per.as_nanos().max(1);
        refilled + u128::from(self.burst.unwrap_or(self.limit))
    }

    /// Builds the rate limiter.
    ///
    /// # Errors
    ///
    /// Names the first field that makes no sense.
    pub fn build(&self) -> Result<RateLimiter, InvalidConfig> {
        self.build_in(&Environment::new())
    }

    /// Builds the rate limiter with the clock and the observer of `environment`.
    ///
    /// # Errors
    ///
    /// Names the first field that makes no sense.
    pub fn build_in(&self, environment: &Environment) -> Result<RateLimiter, InvalidConfig> {
        Ok(RateLimiter::new(intern(&self.name), self.params()?, environment))
    }

    /// Past this point nothing is checked again.
    pub(super) fn params(&self) -> Result<Params, InvalidConfig> {
        let &Self { limit, per, burst, max_waiting, max_wait, .. } = self;
        let burst = burst.unwrap_or(limit);
        if limit == 0 {
            return Err(InvalidConfig::new("limit", "at least 1"));
        }
        if per.is_zero() || per > CENTURY {
            return Err(InvalidConfig::new("per", "longer than zero and at most a century"));
        }
        if u64::from(limit) > nanos(per) {
            return Err(InvalidConfig::new("limit", "at most one in a nanosecond"));
        }
        if burst == 0 {
            return Err(InvalidConfig::new("burst", "at least 1"));
        }
        if max_waiting == 0 {
            return Err(InvalidConfig::new("max_waiting", "at least 1"));
        }
        if max_wait.is_zero() {
            return Err(InvalidConfig::new("max_wait", "longer than zero"));
        }
        let refill = u128::from(nanos(per)) * u128::from(burst) / u128::from(limit);
        Ok(Params {
            scale: Scale::new(limit, nanos(per), burst),
            refill: Duration::from_nanos(u64::try_from(refill).unwrap_or(u64::MAX)),
            max_waiting,
            max_wait,
        })
    }

    /// The same, for a rate limiter that has the name `name` already.
    pub(super) fn params_for(&self, name: &'static str) -> Result<Params, InvalidConfig> {
        if intern(&self.name) != name {
            return Err(InvalidConfig::new(
                "name",
                format!("`{name}` still: it can not be reloaded"),
            ));
        }
        self.params()
    }
}

const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
/// A tick is no more than this part of what a burst takes to be paid for.
const COARSE_TICKS: u32 = 64;
