//! The settings of a store of last good answers.

use std::hash::Hash;
use std::time::Duration;

use super::LastGood;
use crate::error::InvalidConfig;
use crate::telemetry::Environment;
use crate::time::Clock;

/// Settings of a [`LastGood`], and its builder.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::fallback::LastGood;
///
/// let prices: LastGood<String, u32> = LastGood::builder()
///     .capacity(10_000)
///     .max_age(Duration::from_secs(3600))
///     .build()?;
///
/// assert!(prices.is_empty());
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[must_use]
pub struct Config {
    capacity: usize,
    max_age: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { capacity: 1_000, max_age: Duration::from_secs(300) }
    }
}

impl Config {
    /// The number of keys whose answers are kept, from 1 to 2^24. Past it, the answer that was not
    /// used for longest makes room.
    ///
    /// Default: 1,000.
    pub const fn capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity;
        self
    }

    /// The age past which an answer is no longer given, longer than zero.
    ///
    /// Default: 5 minutes.
    pub const fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// Checks the settings and makes a store of them.
    ///
    /// # Errors
    ///
    /// If a setting makes no sense; the error names it.
    pub fn build<K, T>(&self) -> Result<LastGood<K, T>, InvalidConfig>
    where
        K: Clone + Eq + Hash,
    {
        self.build_in(&Environment::default())
    }

    /// Checks the settings and makes a store that reads the clock of `environment`.
    ///
    /// # Errors
    ///
    /// If a setting makes no sense; the error names it.
    pub fn build_in<K, T>(&self, environment: &Environment) -> Result<LastGood<K, T>, InvalidConfig>
    where
        K: Clone + Eq + Hash,
    {
        if self.capacity == 0 || self.capacity > MAX_CAPACITY {
            return Err(InvalidConfig::new("capacity", "from 1 to 16777216"));
        }
        if self.max_age.is_zero() {
            return Err(InvalidConfig::new("max_age", "longer than zero"));
        }
        let clock: Clock = environment.clock.clone();
        Ok(LastGood::new(self.capacity, self.max_age, clock))
    }
}

const MAX_CAPACITY: usize = 1 << 24;
