//! Settings of a retry.

use std::fmt;
use std::mem;
use std::time::Duration;

use super::core::{Params, Settings};
use super::{Owned, Retry, Shared};
use crate::backoff::Backoff;
use crate::budget::{self, Budget};
use crate::error::{InvalidConfig, intern};
use crate::slot::Pool;
use crate::sync::Mutex;
use crate::telemetry::{Emitter, Environment};

/// Settings of a [`Retry`], and its builder.
///
/// Plain data: it can be compared, printed and read from a file. It is checked once, in
/// [`build`](Self::build).
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::backoff::{Backoff, Jitter};
/// use seawall::budget::Budget;
/// use seawall::retry::Retry;
///
/// let retry = Retry::builder()
///     .name("orders")
///     .max_attempts(4)
///     .backoff(Backoff::exponential(Duration::from_millis(50)).jitter(Jitter::Equal))
///     .max_retry_after(Duration::from_secs(5))
///     .min_attempt_time(Duration::from_millis(20))
///     .budget(Budget::builder().ratio(0.2))
///     .build()?;
/// assert_eq!(retry.name(), "orders");
///
/// let error = Retry::builder().max_attempts(0).build().unwrap_err();
/// assert_eq!(error.to_string(), "`max_attempts` must be at least 1");
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[must_use]
pub struct Config {
    name: String,
    max_attempts: u32,
    backoff: Backoff,
    max_retry_after: Duration,
    min_attempt_time: Duration,
    budget: Option<budget::Config>,
}

/// In a line, for people.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.max_attempts == 1 {
            return f.write_str("one attempt");
        }
        write!(f, "{} attempts, waits {}, ", self.max_attempts, self.backoff)?;
        match &self.budget {
            Some(budget) => write!(f, "budget {budget}"),
            None => f.write_str("no budget"),
        }
    }
}

impl Config {
    /// The name in events.
    ///
    /// Default: `retry`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The most attempts for one call, the first included. At least 1, which repeats nothing.
    ///
    /// Default: 3.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// The waits before repeats, where the service gives no hint.
    ///
    /// Default: 100 ms doubling up to 10 s, full jitter.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// The longest wait that a service may ask for. When it asks for more, the call ends at once
    /// with the answer that says so.
    ///
    /// The jitter on top of a hint may exceed it, by half of the hint or by the own interval. Up to
    /// 365 days; zero takes no hint but zero.
    ///
    /// Default: 30 s.
    pub fn max_retry_after(mut self, longest: Duration) -> Self {
        self.max_retry_after = longest;
        self
    }

    /// The time that an attempt needs at least. No repeat begins with less before the deadline.
    ///
    /// Up to 365 days.
    ///
    /// Default: zero: any time left will do.
    pub fn min_attempt_time(mut self, shortest: Duration) -> Self {
        self.min_attempt_time = shortest;
        self
    }

    /// The settings of the retry's own budget.
    ///
    /// Default: [those of a budget](crate::budget#defaults).
    pub fn budget(mut self, budget: budget::Config) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Repeats without a budget. When all calls fail, `max_attempts` times as many are sent.
    pub fn without_budget(mut self) -> Self {
        self.budget = None;
        self
    }

    /// Makes the retry.
    ///
    /// # Errors
    ///
    /// Names the setting that is out of range. Nothing is clamped.
    pub fn build(&self) -> Result<Retry, InvalidConfig> {
        self.build_in(&Environment::new())
    }

    /// Makes the retry, with a clock, chance and observer of the caller's choice.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_in(&self, environment: &Environment) -> Result<Retry, InvalidConfig> {
        let params = self.params()?;
        let budget = match &self.budget {
            Some(config) => Some(config.build_for(&self.name, environment).map_err(in_budget)?),
            None => None,
        };
        let owned = if budget.is_some() { Owned::Budget } else { Owned::Nothing };
        Ok(self.assemble(&params, budget, owned, environment))
    }

    /// Makes the retry on a budget that others share. The settings of a budget of its own are not
    /// used.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::budget::Budget;
    /// use seawall::retry::Retry;
    /// use seawall::telemetry::Environment;
    ///
    /// let budget = Budget::builder().ratio(0.2).build()?;
    /// let retry = Retry::builder().build_sharing(&budget, &Environment::new())?;
    /// # let _ = retry;
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    pub fn build_sharing(
        &self,
        budget: &Budget,
        environment: &Environment,
    ) -> Result<Retry, InvalidConfig> {
        let params = self.params()?;
        Ok(self.assemble(&params, Some(budget.clone()), Owned::Shared, environment))
    }

    pub(super) fn params(&self) -> Result<Params, InvalidConfig> {
        if self.max_attempts == 0 {
            return Err(InvalidConfig::new("max_attempts", "at least 1"));
        }
        if self.max_retry_after > LONGEST {
            return Err(InvalidConfig::new("max_retry_after", "at most 365 days"));
        }
        if self.min_attempt_time > LONGEST {
            return Err(InvalidConfig::new("min_attempt_time", "at most 365 days"));
        }
        Ok(Params {
            max_attempts: self.max_attempts,
            schedule: self.backoff.schedule().map_err(|error| error.within("backoff"))?,
            max_retry_after: self.max_retry_after,
            min_attempt_time: self.min_attempt_time,
        })
    }

    pub(super) fn own_name(&self) -> &str {
        &self.name
    }

    pub(super) const fn own_budget(&self) -> Option<&budget::Config> {
        self.budget.as_ref()
    }

    fn assemble(
        &self,
        params: &Params,
        budget: Option<Budget>,
        owned: Owned,
        environment: &Environment,
    ) -> Retry {
        static POOL: Pool<Shared> = Pool::new();

        let name = intern(&self.name);
        let reuse = |shared: &Shared| {
            let fits = shared.emitter.name() == name
                && shared.owned == owned
                && shared.clock == environment.clock
                && shared.rng == environment.rng;
            if fits {
                shared.settings.store(params);
                shared.emitter.follow(environment);
                // The old one is dropped when the lock is free.
                let old = mem::replace(&mut *shared.budget.lock(), budget.clone());
                drop(old);
            }
            fits
        };
        let make = || Shared {
            settings: Settings::new(params),
            budget: Mutex::new(budget.clone()),
            owned,
            clock: environment.clock.clone(),
            rng: environment.rng.clone(),
            emitter: Emitter::new("retry", name, environment),
        };
        Retry { shared: POOL.acquire_pooled(reuse, make).into(), budget }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "retry".into(),
            max_attempts: 3,
            backoff: Backoff::default(),
            max_retry_after: Duration::from_secs(30),
            min_attempt_time: Duration::ZERO,
            budget: Some(budget::Config::default()),
        }
    }
}

pub(super) fn in_budget(error: InvalidConfig) -> InvalidConfig {
    error.within("budget")
}

const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);
