//! How many connections, for how long, and how often a call is made again.

use std::time::Duration;

use super::pace::Pace;
use crate::backoff::{Backoff, Jitter};
use crate::budget;
use crate::circuit_breaker;
use crate::error::InvalidConfig;

/// Settings of a pool that are the same for every database.
///
/// Plain data. It is checked once, by the `build` of what it is given to.
///
/// | setting | default | why |
/// |---|---|---|
/// | [`size`](Self::size) | 10 | two busy cores' worth; the server's workers are few |
/// | [`acquire_timeout`](Self::acquire_timeout) | 5 s | who waits longer is better told so |
/// | [`max_lifetime`](Self::max_lifetime) | 5 min | after a failover, traffic has really moved by then |
/// | [`validate_after`](Self::validate_after) | 30 s | what was used just now works |
/// | [`max_attempts`](Self::max_attempts) | 5 | 75 s of waits: most failovers take less than 60 s |
/// | [`backoff`](Self::backoff) | 5 s, doubling to 60 s | earlier attempts load a server that is moving |
/// | [`rerun`](Self::rerun) | 50 ms, doubling to 1 s | who lost against a transaction can begin when that is over |
/// | [`total_timeout`](Self::total_timeout) | 2 min | the attempts and their waits |
/// | [`budget`](Self::budget) | a repeat per call and 10 a second | repeats come seconds later, and the breaker stops them too |
/// | [`circuit_breaker`](Self::circuit_breaker) | half of 10 calls in 30 s, open for 5 s | as long as the first wait |
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::azure::database::Settings;
/// use seawall::backoff::Backoff;
///
/// let settings = Settings::default()
///     .size(50)
///     .acquire_timeout(Duration::from_secs(1))
///     .max_lifetime(Duration::from_secs(120))
///     .max_attempts(3)
///     .backoff(Backoff::exponential(Duration::from_secs(5)).max(Duration::from_secs(30)))
///     .total_timeout(Duration::from_secs(60));
/// # let _ = settings;
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[must_use]
pub struct Settings {
    size: u32,
    acquire_timeout: Duration,
    max_lifetime: Duration,
    validate_after: Duration,
    max_attempts: u32,
    backoff: Backoff,
    rerun: Backoff,
    total_timeout: Option<Duration>,
    budget: Option<budget::Config>,
    circuit_breaker: Option<circuit_breaker::Config>,
}

/// [`Settings`] of which each is in range.
#[derive(Clone, Debug)]
pub(super) struct Params {
    pub(super) size: u32,
    pub(super) acquire_timeout: Duration,
    pub(super) max_lifetime: Duration,
    pub(super) validate_after: Duration,
    pub(super) pace: Pace,
    pub(super) total_timeout: Option<Duration>,
    pub(super) budget: Option<budget::Config>,
    pub(super) circuit_breaker: Option<circuit_breaker::Config>,
}

impl Settings {
    /// The most connections to one server, used or not: from 1 to 100,000. It is the bulkhead, too.
    ///
    /// Default: 10.
    pub fn size(mut self, connections: u32) -> Self {
        self.size = connections;
        self
    }

    /// How long a call waits for a connection when all are in use: from 1 ms to 1 hour.
    ///
    /// Default: 5 s.
    pub fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.acquire_timeout = timeout;
        self
    }

    /// How long a connection is used at most: from 1 s to 1 day. One in use is closed when its call
    /// has ended, and one that is idle within half a minute of that time.
    ///
    /// Default: 5 minutes.
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.max_lifetime = lifetime;
        self
    }

    /// For how long a connection may be idle and still be used without being asked first: up to 1
    /// day. Asking costs a round trip, and saves a wait.
    ///
    /// Default: 30 s.
    pub fn validate_after(mut self, idle: Duration) -> Self {
        self.validate_after = idle;
        self
    }

    /// How often a call is made, the first time included: from 1 to 100.
    ///
    /// A repeat that the breaker turns away, or that finds no connection in time, is none of them:
    /// it waits until it may be let in, as often as this at most.
    ///
    /// Default: 5.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// The least waits before repeats on a fresh connection. They are spread up to a quarter above,
    /// never below: the backoff's own jitter is not used.
    ///
    /// Default: 5 s, doubling to 60 s.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// The waits before a transaction that lost against another is made again.
    ///
    /// Default: 50 ms, doubling to 1 s, with [equal jitter](Jitter::Equal).
    pub fn rerun(mut self, backoff: Backoff) -> Self {
        self.rerun = backoff;
        self
    }

    /// The time for a call with all its attempts and waits, unless its
    /// [deadline](crate::context::deadline) is earlier: from 1 ms to 1 day, or none. A commit gets
    /// half of what is left of it, so that who looks afterwards has the other half.
    ///
    /// Default: 2 minutes.
    pub fn total_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.total_timeout = timeout.into();
        self
    }

    /// How many repeats there may be in all, or `None` for no bound but the attempts.
    ///
    /// Default: as many as there are calls, and 10 a second.
    pub fn budget(mut self, budget: impl Into<Option<budget::Config>>) -> Self {
        self.budget = budget.into();
        self
    }

    /// The breaker of each server, or `None` for none.
    ///
    /// Default: opens when half of 10 calls or more in 30 s fail, for 5 s.
    pub fn circuit_breaker(mut self, breaker: impl Into<Option<circuit_breaker::Config>>) -> Self {
        self.circuit_breaker = breaker.into();
        self
    }

    /// How many connections there may be.
    #[cfg(feature = "postgres")]
    pub(crate) const fn connections(&self) -> u32 {
        self.size
    }

    pub(super) fn params(&self) -> Result<Params, InvalidConfig> {
        let day = Duration::from_secs(86_400);
        let milli = Duration::from_millis(1);
        let rules = [
            ((1..=100_000).contains(&self.size), "size", "from 1 to 100000"),
            (
                (milli..=Duration::from_secs(3_600)).contains(&self.acquire_timeout),
                "acquire_timeout",
                "from 1 ms to 1 hour",
            ),
            (
                (Duration::from_secs(1)..=day).contains(&self.max_lifetime),
                "max_lifetime",
                "from 1 s to 1 day",
            ),
            (self.validate_after <= day, "validate_after", "at most 1 day"),
            ((1..=100).contains(&self.max_attempts), "max_attempts", "from 1 to 100"),
            (
                self.total_timeout.is_none_or(|timeout| (milli..=day).contains(&timeout)),
                "total_timeout",
                "from 1 ms to 1 day, or none",
            ),
        ];
        if let Some((_, field, expected)) = rules.into_iter().find(|(holds, ..)| !holds) {
            return Err(InvalidConfig::new(field, expected));
        }
        Ok(Params {
            size: self.size,
            acquire_timeout: self.acquire_timeout,
            max_lifetime: self.max_lifetime,
            validate_after: self.validate_after,
            pace: Pace {
                max_attempts: self.max_attempts,
                backoff: self.backoff.schedule().map_err(|error| error.within("backoff"))?,
                rerun: self.rerun.schedule().map_err(|error| error.within("rerun"))?,
            },
            total_timeout: self.total_timeout,
            budget: self.budget.clone(),
            circuit_breaker: self.circuit_breaker.clone(),
        })
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            size: 10,
            acquire_timeout: Duration::from_secs(5),
            max_lifetime: Duration::from_secs(300),
            validate_after: Duration::from_secs(30),
            max_attempts: 5,
            backoff: Backoff::exponential(Duration::from_secs(5)).max(Duration::from_secs(60)),
            rerun: Backoff::exponential(Duration::from_millis(50))
                .max(Duration::from_secs(1))
                .jitter(Jitter::Equal),
            total_timeout: Some(Duration::from_secs(120)),
            budget: Some(budget::Config::default().ratio(1.0).per_second(10.0)),
            circuit_breaker: Some(
                circuit_breaker::Config::default()
                    .time_window(Duration::from_secs(30))
                    .min_calls(10)
                    .open_for(Duration::from_secs(5)),
            ),
        }
    }
}
