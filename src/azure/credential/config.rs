//! The settings of a credential.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use azure_core::credentials::TokenCredential;

use super::Credential;
use super::core::Params;
use super::shared::{Shared, Table, WallClock};
use crate::backoff::Backoff;
use crate::error::InvalidConfig;
use crate::sync::Mutex;
use crate::telemetry::Environment;
use crate::timeout::Timeout;

/// Settings of a [`Credential`], and its builder.
///
/// Plain data: it can be compared, printed and, with the feature `serde`, read from a file. It is
/// checked once, when it is built.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use seawall::azure::credential::{Config, Credential};
/// # use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
/// # #[derive(Debug)]
/// # struct Inner;
/// # #[async_trait::async_trait]
/// # impl TokenCredential for Inner {
/// #     async fn get_token(
/// #         &self,
/// #         _: &[&str],
/// #         _: Option<TokenRequestOptions<'_>>,
/// #     ) -> azure_core::Result<AccessToken> {
/// #         std::future::pending().await
/// #     }
/// # }
///
/// let config: Config = Credential::builder()
///     .name("identity")
///     .refresh_ahead(Duration::from_secs(20 * 60))
///     .jitter(0.5)
///     .cool_down(Duration::from_secs(2))
///     .max_cool_down(Duration::from_secs(20))
///     .max_retry_after(Duration::from_secs(120))
///     .attempt_timeout(Duration::from_secs(30))
///     .max_scope_sets(4);
///
/// let credential = config.build(Arc::new(Inner))?;
/// assert_eq!(credential.name(), "identity");
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[must_use]
pub struct Config {
    name: String,
    refresh_ahead: Duration,
    jitter: f64,
    cool_down: Duration,
    max_cool_down: Duration,
    max_retry_after: Duration,
    attempt_timeout: Duration,
    max_scope_sets: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "credential".into(),
            refresh_ahead: Duration::from_secs(15 * 60),
            jitter: 0.2,
            cool_down: Duration::from_secs(1),
            max_cool_down: Duration::from_secs(15),
            max_retry_after: Duration::from_secs(5 * 60),
            attempt_timeout: Duration::from_secs(90),
            max_scope_sets: 32,
        }
    }
}

impl Config {
    /// The name in rejections and of the check.
    ///
    /// Default: `credential`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// How long before a token's end the next one is asked for: from 1 s to 1 day.
    ///
    /// At least half of a token's life is used in any case. Above the 5 minutes of the SDK's own
    /// caches, so that a token is renewed before any request meets their locks.
    ///
    /// Default: 15 minutes.
    pub const fn refresh_ahead(mut self, ahead: Duration) -> Self {
        self.refresh_ahead = ahead;
        self
    }

    /// By how much earlier still, as a part of that time, so that many processes do not ask at
    /// once: from 0 to 1.
    ///
    /// Default: 0.2.
    pub const fn jitter(mut self, jitter: f64) -> Self {
        self.jitter = jitter;
        self
    }

    /// The rest after a first failure, and the shortest between any two tries in the background:
    /// from 1 ms to 1 hour. Rests grow with each further failure, by chance and up to threefold.
    ///
    /// Default: 1 s.
    pub const fn cool_down(mut self, rest: Duration) -> Self {
        self.cool_down = rest;
        self
    }

    /// The longest rest that failures alone lead to: from [`cool_down`](Self::cool_down) to 1 hour.
    ///
    /// Default: 15 s.
    pub const fn max_cool_down(mut self, rest: Duration) -> Self {
        self.max_cool_down = rest;
        self
    }

    /// The longest rest that a failure may ask for, by its `Retry-After`: at most 1 day.
    ///
    /// Default: 5 minutes.
    pub const fn max_retry_after(mut self, rest: Duration) -> Self {
        self.max_retry_after = rest;
        self
    }

    /// How long one try may take: from 1 ms to 1 hour.
    ///
    /// What is wrapped repeats requests itself, and a try is all of that.
    ///
    /// Default: 90 s, more than the 70 s for which the metadata service may ask for patience.
    pub const fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// How many sets of scopes are kept, from 1 to 256. One more than that takes the place of the
    /// one that was not asked for longest.
    ///
    /// Default: 32.
    pub const fn max_scope_sets(mut self, max: usize) -> Self {
        self.max_scope_sets = max;
        self
    }

    /// Checks the settings and puts a credential before `inner`.
    ///
    /// # Errors
    ///
    /// If a setting makes no sense; the error names it.
    pub fn build(&self, inner: Arc<dyn TokenCredential>) -> Result<Credential, InvalidConfig> {
        self.build_in(inner, &Environment::default())
    }

    /// Checks the settings and puts a credential that lives in `environment` before `inner`.
    ///
    /// # Errors
    ///
    /// If a setting makes no sense; the error names it.
    pub fn build_in(
        &self,
        inner: Arc<dyn TokenCredential>,
        environment: &Environment,
    ) -> Result<Credential, InvalidConfig> {
        self.build_with(inner, environment, SystemTime::now)
    }

    /// As [`build_in`](Self::build_in), with a wall clock of one's own, by which tokens end.
    ///
    /// For tests. It is read often, and must not panic.
    ///
    /// # Errors
    ///
    /// If a setting makes no sense; the error names it.
    pub fn build_with(
        &self,
        inner: Arc<dyn TokenCredential>,
        environment: &Environment,
        wall: impl Fn() -> SystemTime + Send + Sync + 'static,
    ) -> Result<Credential, InvalidConfig> {
        let params = self.check()?;
        let attempt = Timeout::builder().name(&*self.name).after(self.attempt_timeout);
        let wall: WallClock = Box::new(wall);
        Ok(Credential::over(Shared {
            name: self.name.as_str().into(),
            inner,
            attempt: attempt.build_in(environment)?,
            params,
            max_scope_sets: self.max_scope_sets,
            clock: environment.clock.clone(),
            wall,
            rng: environment.rng.clone(),
            table: Mutex::new(Table::default()),
        }))
    }

    /// Whether these settings make sense.
    pub(in crate::azure) fn validate(&self) -> Result<(), InvalidConfig> {
        self.check().map(drop)
    }

    /// Past this point nothing is checked again.
    fn check(&self) -> Result<Params, InvalidConfig> {
        let within = |field, value: Duration, from, to, expected| {
            let fits = (from..=to).contains(&value);
            if fits { Ok(()) } else { Err(InvalidConfig::new(field, expected)) }
        };
        within("refresh_ahead", self.refresh_ahead, SECOND, DAY, "from 1 s to 1 day")?;
        if !(0.0..=1.0).contains(&self.jitter) {
            return Err(InvalidConfig::new("jitter", "from 0 to 1"));
        }
        within("cool_down", self.cool_down, MILLISECOND, HOUR, "from 1 ms to 1 hour")?;
        let expected = "from `cool_down` to 1 hour";
        within("max_cool_down", self.max_cool_down, self.cool_down, HOUR, expected)?;
        within("max_retry_after", self.max_retry_after, Duration::ZERO, DAY, "at most 1 day")?;
        within("attempt_timeout", self.attempt_timeout, MILLISECOND, HOUR, "from 1 ms to 1 hour")?;
        if !(1..=256).contains(&self.max_scope_sets) {
            return Err(InvalidConfig::new("max_scope_sets", "from 1 to 256"));
        }
        Ok(Params {
            ahead: self.refresh_ahead,
            spread: self.refresh_ahead.mul_f64(self.jitter),
            rest: Backoff::decorrelated(self.cool_down).max(self.max_cool_down).schedule()?,
            max_retry_after: self.max_retry_after,
        })
    }
}

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
