//! Settings of a standard stack, and what they must be together.

use std::time::Duration;

use super::Stack;
use crate::bulkhead;
use crate::circuit_breaker;
use crate::error::InvalidConfig;
use crate::rate_limit::Quota;
use crate::retry;
use crate::telemetry::Environment;

/// Settings of a [`Stack`], and its builder.
///
/// Plain data. Each part has a setter, and one that leaves it out; what is set for none follows
/// what is set for others. It is checked once, in [`build`](Self::build): each part for itself,
/// and all of them together.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::rate_limit::Quota;
/// use seawall::stack::Stack;
/// use seawall::{bulkhead, circuit_breaker, retry};
///
/// let stack = Stack::builder()
///     .name("orders")
///     .total_timeout(Duration::from_secs(5))
///     .rate_limit(Quota::per_second(500))
///     .retry(retry::Config::default().max_attempts(2))
///     .circuit_breaker(circuit_breaker::Config::default().failure_rate(0.3))
///     .attempt_timeout(Duration::from_secs(1))
///     .bulkhead(bulkhead::Config::default().max_calls(200))
///     .build()?;
///
/// // An attempt that may take longer than the whole call makes no sense.
/// let error = Stack::builder()
///     .total_timeout(Duration::from_secs(1))
///     .attempt_timeout(Duration::from_secs(2))
///     .build()
///     .unwrap_err();
/// assert_eq!(error.field(), "attempt_timeout");
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[must_use]
pub struct Config {
    name: String,
    total_timeout: Part<Duration>,
    rate_limit: Part<Quota>,
    retry: Part<retry::Config>,
    circuit_breaker: Part<circuit_breaker::Config>,
    attempt_timeout: Part<Duration>,
    bulkhead: Part<bulkhead::Config>,
}

/// A part of the stack: as it is by default, as somebody wants it, or not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
enum Part<T> {
    #[default]
    Default,
    Off,
    #[cfg_attr(feature = "serde", serde(untagged))]
    Set(T),
}

impl<T> Part<T> {
    fn or_else(&self, default: impl FnOnce() -> T) -> Option<T>
    where
        T: Clone,
    {
        match self {
            Self::Default => Some(default()),
            Self::Off => None,
            Self::Set(value) => Some(value.clone()),
        }
    }
}

/// The parts, each with the settings that it will have.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Resolved {
    pub(super) total_timeout: Option<Duration>,
    pub(super) rate_limit: Option<Quota>,
    pub(super) retry: retry::Config,
    pub(super) circuit_breaker: Option<circuit_breaker::Config>,
    pub(super) attempt_timeout: Option<Duration>,
    pub(super) bulkhead: Option<bulkhead::Config>,
}

impl Resolved {
    /// Parts can be set anew, but neither added nor left out.
    pub(super) fn has_parts_of(&self, next: &Self) -> Result<(), InvalidConfig> {
        for (field, now, then) in [
            ("rate_limit", self.rate_limit.is_some(), next.rate_limit.is_some()),
            ("circuit_breaker", self.circuit_breaker.is_some(), next.circuit_breaker.is_some()),
            ("bulkhead", self.bulkhead.is_some(), next.bulkhead.is_some()),
        ] {
            if now != then {
                let expected = if now { "there, as it was" } else { "left out, as it was" };
                return Err(InvalidConfig::new(field, expected));
            }
        }
        Ok(())
    }
}

impl Config {
    /// The name of the stack and of all its policies, in rejections, events and metrics.
    ///
    /// Default: `stack`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The time that a call may take in all, with its waits and repeats.
    ///
    /// Default: 10 s, or three times the attempt's timeout where that is more.
    pub fn total_timeout(mut self, timeout: Duration) -> Self {
        self.total_timeout = Part::Set(timeout);
        self
    }

    /// Lets a call take any time in all.
    pub fn without_total_timeout(mut self) -> Self {
        self.total_timeout = Part::Off;
        self
    }

    /// How many calls may begin in a time.
    ///
    /// Default: no limit.
    pub fn rate_limit(mut self, quota: Quota) -> Self {
        self.rate_limit = Part::Set(quota);
        self
    }

    /// When failed attempts are repeated, and how often.
    ///
    /// Default: [`retry::Config::default`].
    pub fn retry(mut self, retry: retry::Config) -> Self {
        self.retry = Part::Set(retry);
        self
    }

    /// Makes one attempt and no more.
    pub fn without_retry(mut self) -> Self {
        self.retry = Part::Off;
        self
    }

    /// When calls are held off because the service keeps failing.
    ///
    /// Default: [`circuit_breaker::Config::default`], with a window of at least two attempts, a call
    /// that is slow after half of an attempt, and a lease of a probe's place of at least two.
    pub fn circuit_breaker(mut self, breaker: circuit_breaker::Config) -> Self {
        self.circuit_breaker = Part::Set(breaker);
        self
    }

    /// Never holds calls off because the service keeps failing.
    pub fn without_circuit_breaker(mut self) -> Self {
        self.circuit_breaker = Part::Off;
        self
    }

    /// The time that one attempt may take.
    ///
    /// Default: 2 s, or the total timeout where that is less.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = Part::Set(timeout);
        self
    }

    /// Lets an attempt take any time.
    pub fn without_attempt_timeout(mut self) -> Self {
        self.attempt_timeout = Part::Off;
        self
    }

    /// How many attempts may be in flight at once.
    ///
    /// Default: [`bulkhead::Config::default`].
    pub fn bulkhead(mut self, bulkhead: bulkhead::Config) -> Self {
        self.bulkhead = Part::Set(bulkhead);
        self
    }

    /// Lets any number of attempts be in flight.
    pub fn without_bulkhead(mut self) -> Self {
        self.bulkhead = Part::Off;
        self
    }

    /// Checks the settings and builds the stack.
    ///
    /// # Errors
    ///
    /// The field that is wrong, by itself or together with others. Fields of a part are named with
    /// it: `circuit_breaker.failure_rate`.
    pub fn build(&self) -> Result<Stack, InvalidConfig> {
        self.build_in(&Environment::new())
    }

    /// Checks the settings and builds the stack, with another clock, seed or observer.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_in(&self, environment: &Environment) -> Result<Stack, InvalidConfig> {
        Stack::new(&self.name, self.resolve()?, environment)
    }

    pub(super) fn stack_name(&self) -> &str {
        &self.name
    }

    /// Gives every part its settings, and checks them against each other.
    pub(super) fn resolve(&self) -> Result<Resolved, InvalidConfig> {
        let total_timeout = self.total_timeout.or_else(|| match self.attempt_timeout {
            Part::Set(attempt) => attempt.saturating_mul(3).max(TOTAL_TIMEOUT),
            Part::Default | Part::Off => TOTAL_TIMEOUT,
        });
        let attempt_timeout = self
            .attempt_timeout
            .or_else(|| total_timeout.map_or(ATTEMPT_TIMEOUT, |total| total.min(ATTEMPT_TIMEOUT)));
        if let (Some(attempt), Some(total)) = (attempt_timeout, total_timeout)
            && attempt > total
        {
            return Err(InvalidConfig::new("attempt_timeout", "at most the total timeout"));
        }
        let two_attempts = attempt_timeout.unwrap_or_default().saturating_mul(2);
        let circuit_breaker = self.circuit_breaker.or_else(|| breaker_for(attempt_timeout));
        if let Some(breaker) = &circuit_breaker
            && breaker.window_length().is_some_and(|window| window < two_attempts)
        {
            let expected = "at least twice the attempt timeout, or it forgets calls that still run";
            return Err(InvalidConfig::new("time_window", expected).within("circuit_breaker"));
        }
        let rate_limit = match &self.rate_limit {
            Part::Default | Part::Off => None,
            Part::Set(quota) => Some(quota.clone()),
        };
        if let (Some(breaker), Some(quota)) = (&circuit_breaker, &rate_limit)
            && let Some(window) = breaker.window_length()
            // None at all is the quota's own mistake, and refused as that.
            && (1..u128::from(breaker.calls_to_judge())).contains(&quota.most_within(window))
        {
            let expected = "no more calls than the rate limit lets through in a window";
            return Err(InvalidConfig::new("min_calls", expected).within("circuit_breaker"));
        }
        Ok(Resolved {
            total_timeout,
            rate_limit,
            retry: match &self.retry {
                Part::Default => retry::Config::default(),
                Part::Off => retry::Config::default().max_attempts(1),
                Part::Set(retry) => retry.clone(),
            },
            circuit_breaker,
            attempt_timeout,
            bulkhead: self.bulkhead.or_else(bulkhead::Config::default),
        })
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "stack".into(),
            total_timeout: Part::Default,
            rate_limit: Part::Default,
            retry: Part::Default,
            circuit_breaker: Part::Default,
            attempt_timeout: Part::Default,
            bulkhead: Part::Default,
        }
    }
}

/// The default breaker, with what depends on how long an attempt may take.
fn breaker_for(attempt_timeout: Option<Duration>) -> circuit_breaker::Config {
    let breaker = circuit_breaker::Config::default();
    let Some(attempt) = attempt_timeout else { return breaker };
    let window = breaker.window_length().unwrap_or_default().max(attempt.saturating_mul(2));
    // Callers who give up on a call that has run half of its time blame the service. A probe has
    // its place until it has surely been cut.
    breaker
        .time_window(window)
        .slow_call_duration((attempt / 2).max(Duration::from_millis(1)))
        .probe_lease(PROBE_LEASE.max(attempt.saturating_mul(2)))
}

const PROBE_LEASE: Duration = Duration::from_secs(10);
const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
