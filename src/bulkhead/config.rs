//! The settings of a bulkhead.

use std::fmt;
use std::time::Duration;

use super::Bulkhead;
use crate::error::{InvalidConfig, intern};
use crate::telemetry::Environment;

/// Settings of a [`Bulkhead`], and its builder.
///
/// Plain data: it can be compared, printed and read from a file. It is checked once, in
/// [`build`](Self::build).
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::bulkhead::Bulkhead;
///
/// let bulkhead = Bulkhead::builder()
///     .name("orders")
///     .max_calls(16)
///     .max_waiting(32)
///     .max_wait(Duration::from_millis(200))
///     .build()?;
///
/// let error = Bulkhead::builder().max_calls(0).build().unwrap_err();
/// assert_eq!(error.to_string(), "`max_calls` must be at least 1");
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[must_use]
pub struct Config {
    name: String,
    max_calls: u32,
    max_waiting: u32,
    max_wait: Duration,
}

/// A [`Config`] that was found good.
#[expect(clippy::struct_field_names, reason = "they are limits, and have the names of settings")]
#[derive(Clone, Copy, Debug)]
pub(super) struct Params {
    pub(super) max_calls: u32,
    pub(super) max_waiting: u32,
    pub(super) max_wait: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "bulkhead".into(),
            max_calls: 1_000,
            max_waiting: 100,
            max_wait: Duration::from_secs(1),
        }
    }
}

/// In a line, for people.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} calls at a time", self.max_calls)
    }
}

impl Config {
    /// The name, for rejections and telemetry.
    ///
    /// Default: `bulkhead`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// How many calls may run at a time, at least 1.
    ///
    /// Default: 1,000.
    pub fn max_calls(mut self, calls: u32) -> Self {
        self.max_calls = calls;
        self
    }

    /// How many calls may wait for a place behind a [`queue_layer`](Bulkhead::queue_layer), at
    /// least 1.
    ///
    /// Default: 100.
    pub fn max_waiting(mut self, calls: u32) -> Self {
        self.max_waiting = calls;
        self
    }

    /// How long a call may wait for a place behind a [`queue_layer`](Bulkhead::queue_layer),
    /// longer than zero.
    ///
    /// Default: 1 second.
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// Builds the bulkhead.
    ///
    /// # Errors
    ///
    /// Names the first field that makes no sense.
    pub fn build(&self) -> Result<Bulkhead, InvalidConfig> {
        self.build_in(&Environment::new())
    }

    /// Builds the bulkhead with the clock and the observer of `environment`.
    ///
    /// # Errors
    ///
    /// Names the first field that makes no sense.
    pub fn build_in(&self, environment: &Environment) -> Result<Bulkhead, InvalidConfig> {
        Ok(Bulkhead::new(intern(&self.name), self.params()?, environment))
    }

    /// Past this point nothing is checked again.
    pub(super) fn params(&self) -> Result<Params, InvalidConfig> {
        let &Self { max_calls, max_waiting, max_wait, .. } = self;
        if max_calls == 0 {
            return Err(InvalidConfig::new("max_calls", "at least 1"));
        }
        if max_waiting == 0 {
            return Err(InvalidConfig::new("max_waiting", "at least 1"));
        }
        if max_wait.is_zero() {
            return Err(InvalidConfig::new("max_wait", "longer than zero"));
        }
        Ok(Params { max_calls, max_waiting, max_wait })
    }

    /// The same, for a bulkhead that has the name `name` already.
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
