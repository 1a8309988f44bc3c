//! The settings of a timeout.

use std::time::Duration;

use super::Timeout;
use crate::error::InvalidConfig;
use crate::telemetry::Environment;
use crate::time::nanos;

/// Settings of a [`Timeout`], and its builder.
///
/// Plain data: it can be compared, printed and, with the feature `serde`, read from a file. It is
/// checked once, in [`build`](Self::build).
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::timeout::Timeout;
///
/// let timeout = Timeout::builder().name("orders").after(Duration::from_secs(2)).build()?;
///
/// assert_eq!(timeout.name(), "orders");
/// assert_eq!(timeout.after(), Duration::from_secs(2));
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[must_use]
pub struct Config {
    pub(super) name: String,
    after: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { name: "timeout".into(), after: Duration::from_secs(10) }
    }
}

impl Config {
    /// The name in rejections and events.
    ///
    /// Default: `timeout`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The time that a call may take, longer than zero. What is longer than 584 years never ends.
    ///
    /// Default: 10 seconds.
    pub const fn after(mut self, after: Duration) -> Self {
        self.after = after;
        self
    }

    /// Checks the settings and makes a timeout of them.
    ///
    /// # Errors
    ///
    /// If a setting makes no sense; the error names it.
    pub fn build(&self) -> Result<Timeout, InvalidConfig> {
        self.build_in(&Environment::default())
    }

    /// Checks the settings and makes a timeout that lives in `environment`.
    ///
    /// # Errors
    ///
    /// If a setting makes no sense; the error names it.
    pub fn build_in(&self, environment: &Environment) -> Result<Timeout, InvalidConfig> {
        Ok(Timeout::in_pool(&self.name, self.check()?, environment))
    }

    /// Past this point nothing is checked again.
    pub(super) fn check(&self) -> Result<Duration, InvalidConfig> {
        if self.after.is_zero() {
            return Err(InvalidConfig::new("after", "longer than zero"));
        }
        // What a word of nanoseconds holds is as long as for ever.
        Ok(Duration::from_nanos(nanos(self.after)))
    }
}
