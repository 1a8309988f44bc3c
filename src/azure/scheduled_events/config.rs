//! The settings of the watch.

use std::time::Duration;

use super::ScheduledEvents;
use crate::azure::Imds;
use crate::azure::imds::timeout;
use crate::error::InvalidConfig;
use crate::telemetry::Environment;
use crate::timeout::Timeout;

/// Settings of [`ScheduledEvents`], and their builder.
///
/// Plain data: it can be compared, printed and, with the feature `serde`, read from a file. It is
/// checked once, in [`build`](Self::build).
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::azure::{Imds, ScheduledEvents};
///
/// let imds = Imds::builder().build()?;
/// let events = ScheduledEvents::builder().short_freeze(Duration::from_secs(3)).build(&imds)?;
///
/// let error = ScheduledEvents::builder().interval(Duration::ZERO).build(&imds).unwrap_err();
/// assert_eq!(error.field(), "interval");
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[must_use]
pub struct Config {
    resource: Option<String>,
    interval: Duration,
    timeout: Duration,
    first_timeout: Duration,
    short_freeze: Duration,
    hand_over_timeout: Duration,
    approve: bool,
    approve_user_at_once: bool,
    api_version: String,
}

/// A [`Config`] that was found good.
#[derive(Clone, Debug)]
pub(super) struct Params {
    pub(super) resource: Option<String>,
    pub(super) interval: Duration,
    pub(super) timeout: Timeout,
    pub(super) first_timeout: Timeout,
    pub(super) hand_over_timeout: Timeout,
    pub(super) short_freeze: Duration,
    pub(super) approve: bool,
    pub(super) approve_user_at_once: bool,
    pub(super) path: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            resource: None,
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(5),
            first_timeout: Duration::from_secs(150),
            short_freeze: Duration::from_secs(9),
            hand_over_timeout: Duration::from_secs(10),
            approve: true,
            approve_user_at_once: true,
            api_version: "2020-07-01".into(),
        }
    }
}

impl Config {
    /// The name under which events know this machine.
    ///
    /// Default: the service is [asked](Imds::instance) for it.
    pub fn resource(mut self, name: impl Into<String>) -> Self {
        self.resource = Some(name.into());
        self
    }

    /// The time from one question to the next, from 200 ms to an hour. What is announced half a
    /// minute ahead should not be seen much later.
    ///
    /// Default: 1 s.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// The time for one answer, longer than zero.
    ///
    /// Default: 5 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The time for the first answer, which turns the feature on for the machine and may take two
    /// minutes; longer than zero.
    ///
    /// Default: 150 s.
    pub fn first_timeout(mut self, timeout: Duration) -> Self {
        self.first_timeout = timeout;
        self
    }

    /// The length from which on a freeze is not ridden out any more.
    ///
    /// Default: 9 s.
    pub fn short_freeze(mut self, length: Duration) -> Self {
        self.short_freeze = length;
        self
    }

    /// The time for the [callback](ScheduledEvents::hand_over), longer than zero. One that takes
    /// longer is dropped, and has failed.
    ///
    /// Default: 10 s.
    pub fn hand_over_timeout(mut self, timeout: Duration) -> Self {
        self.hand_over_timeout = timeout;
        self
    }

    /// Whether events are approved once this machine is out of service, so that they begin, and are
    /// over, sooner. Without, it stays in service for as long as there is time.
    ///
    /// Default: `true`.
    pub fn approve(mut self, approve: bool) -> Self {
        self.approve = approve;
        self
    }

    /// Whether what a user asked for is approved as soon as leadership was handed over, and does
    /// not wait for the drain. It would not begin before; requests that are under way are lost.
    ///
    /// Default: `true`.
    pub fn approve_user_at_once(mut self, at_once: bool) -> Self {
        self.approve_user_at_once = at_once;
        self
    }

    /// The version of the interface, a date.
    ///
    /// Default: `2020-07-01`.
    pub fn api_version(mut self, version: impl Into<String>) -> Self {
        self.api_version = version.into();
        self
    }

    /// Builds the watch. It lives by the clock of `imds`.
    ///
    /// # Errors
    ///
    /// Names the first field that makes no sense.
    pub fn build(&self, imds: &Imds) -> Result<ScheduledEvents, InvalidConfig> {
        Ok(ScheduledEvents::new(imds.clone(), self.params(imds)?))
    }

    fn params(&self, imds: &Imds) -> Result<Params, InvalidConfig> {
        let environment = Environment::new().clock(imds.clock().clone());
        if !(Duration::from_millis(200)..=Duration::from_secs(3_600)).contains(&self.interval) {
            return Err(InvalidConfig::new("interval", "from 200 ms to an hour"));
        }
        if self.resource.as_ref().is_some_and(|name| name.is_empty() || name.len() > 256) {
            return Err(InvalidConfig::new("resource", "from 1 to 256 characters"));
        }
        let is_date = |byte: u8| byte.is_ascii_digit() || byte == b'-';
        if self.api_version.len() != 10 || !self.api_version.bytes().all(is_date) {
            return Err(InvalidConfig::new("api_version", "a date as in 2020-07-01"));
        }
        Ok(Params {
            resource: self.resource.clone(),
            interval: self.interval,
            timeout: timeout("timeout", self.timeout, &environment)?,
            first_timeout: timeout("first_timeout", self.first_timeout, &environment)?,
            hand_over_timeout: timeout("hand_over_timeout", self.hand_over_timeout, &environment)?,
            short_freeze: self.short_freeze,
            approve: self.approve,
            approve_user_at_once: self.approve_user_at_once,
            path: format!("/metadata/scheduledevents?api-version={}", self.api_version),
        })
    }
}
