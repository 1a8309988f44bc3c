//! The settings of a leadership.

use std::time::Duration;

use super::core::Params;
use super::{Election, Leadership, Lease, leadership};
use crate::error::{InvalidConfig, intern};
use crate::telemetry::Environment;

/// Settings of a [`Leadership`], and its builder. Made by [`Leadership::builder`].
///
/// Plain data: it can be compared, printed and, with the feature `serde`, read from a file. It is
/// checked once, in [`build`](Self::build).
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::lease::{InMemory, Leadership};
///
/// let (leadership, election) = Leadership::builder()
///     .name("billing")
///     .holder("instance-3")
///     .duration(Duration::from_secs(30))
///     .build(InMemory::new())?;
///
/// let error = Leadership::builder().margin(Duration::from_secs(10)).build(InMemory::new());
/// assert_eq!(error.unwrap_err().field(), "margin");
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[must_use]
pub struct Config {
    name: String,
    holder: String,
    duration: Duration,
    renew_every: Option<Duration>,
    campaign_every: Option<Duration>,
    margin: Option<Duration>,
    timeout: Option<Duration>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "leader".into(),
            holder: format!("process {}", std::process::id()),
            duration: Duration::from_secs(15),
            renew_every: None,
            campaign_every: None,
            margin: None,
            timeout: None,
        }
    }
}

impl Config {
    /// The name of what is led, for telemetry.
    ///
    /// Default: `leader`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The name of this candidate, which others see as the holder of the lease: 1 to 64 characters
    /// of ASCII that can be printed.
    ///
    /// Default: `process` and its number; say which machine it is.
    pub fn holder(mut self, holder: impl Into<String>) -> Self {
        self.holder = holder.into();
        self
    }

    /// For how long the store lends the lease at a time. A leader that dies is followed by another
    /// after at most this and [`campaign_every`](Self::campaign_every). The store says what it can
    /// do: a blob lends for 15 to 60 s, in whole seconds.
    ///
    /// Default: 15 s.
    pub fn duration(mut self, duration: Duration) -> Self {
        self.duration = duration;
        self
    }

    /// How long after it was last asked for the lease is renewed: at most half of what is left of
    /// the [`duration`](Self::duration) without its margin.
    ///
    /// Default: a third of the duration.
    pub fn renew_every(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.renew_every = interval.into();
        self
    }

    /// How often a follower asks for the lease, at the longest; each wait is drawn between half of
    /// this and all of it. From 10 ms to an hour.
    ///
    /// Default: a third of the duration. With hundreds of candidates, longer: each asks the store.
    pub fn campaign_every(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.campaign_every = interval.into();
        self
    }

    /// How long before the lease can end in the store the term is over here, longer than zero and at
    /// most half the duration: for what was begun before the end and arrives after it, and for
    /// clocks that do not run at the same rate.
    ///
    /// Default: a sixth of the duration.
    pub fn margin(mut self, margin: impl Into<Option<Duration>>) -> Self {
        self.margin = margin.into();
        self
    }

    /// What one request to the store may take, longer than zero and shorter than the duration
    /// without its margin: a lease that is lent after that is of no use.
    ///
    /// Default: a quarter of the duration.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = timeout.into();
        self
    }

    /// Builds the handle that is asked who leads, and the election that is to be
    /// [run](Election::run).
    ///
    /// # Errors
    ///
    /// Names the first field that makes no sense.
    pub fn build(&self, lease: impl Lease) -> Result<(Leadership, Election), InvalidConfig> {
        self.build_in(lease, &Environment::new())
    }

    /// Builds both with the clock, the chance and the observer of `environment`.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_in(
        &self,
        lease: impl Lease,
        environment: &Environment,
    ) -> Result<(Leadership, Election), InvalidConfig> {
        let params = self.params(&lease)?;
        let name = intern(&self.name);
        Ok(leadership::begin(name, &self.holder, params, Box::new(lease), environment))
    }

    fn params(&self, lease: &dyn Lease) -> Result<Params, InvalidConfig> {
        if !(1..=64).contains(&self.holder.len()) || !self.holder.bytes().all(is_printable) {
            let expected = "1 to 64 characters of ASCII that can be printed";
            return Err(InvalidConfig::new("holder", expected));
        }
        let duration = self.duration;
        lease.check(duration)?;
        if duration.is_zero() || duration > DAY {
            return Err(InvalidConfig::new("duration", "longer than zero and at most a day"));
        }
        let margin = self.margin.unwrap_or(duration / 6);
        if margin.is_zero() || margin > duration / 2 {
            let expected = "longer than zero and at most half the duration";
            return Err(InvalidConfig::new("margin", expected));
        }
        let usable = duration.saturating_sub(margin);
        let renew_every = self.renew_every.unwrap_or(duration / 3).min(match self.renew_every {
            Some(_) => Duration::MAX,
            None => usable / 2,
        });
        if renew_every.is_zero() || renew_every > usable / 2 {
            let expected = "longer than zero and at most half of the duration without its margin";
            return Err(InvalidConfig::new("renew_every", expected));
        }
        let timeout = self.timeout.unwrap_or(duration / 4);
        if timeout.is_zero() || timeout >= usable {
            let expected = "longer than zero and shorter than the duration without its margin";
            return Err(InvalidConfig::new("timeout", expected));
        }
        let campaign_every = self.campaign_every.unwrap_or((duration / 3).clamp(SHORTEST, HOUR));
        if !(SHORTEST..=HOUR).contains(&campaign_every) {
            return Err(InvalidConfig::new("campaign_every", "from 10 ms to an hour"));
        }
        Ok(Params { duration, usable, renew_every, campaign_every, timeout })
    }
}

fn is_printable(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte)
}

const SHORTEST: Duration = Duration::from_millis(10);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
