//! Settings of a prober.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::address::Allowed;
use super::exchange::Exchange;
use super::{Prober, Schedule};
use crate::error::InvalidConfig;
use crate::health::hysteresis::Params;
use crate::telemetry::Environment;

/// Settings of a [`Prober`], and its builder.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::health::probe::Prober;
///
/// let prober = Prober::builder("north", "http://north.example:8080/healthz/region")
///     .interval(Duration::from_secs(10))
///     .expect_identity("x-service", "shop")
///     .build()?;
/// assert_eq!(prober.verdict(), None);
///
/// let error = Prober::builder("north", "north.example").build().unwrap_err();
/// assert_eq!(error.field(), "url");
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Config {
    name: String,
    pub(super) url: String,
    interval: Duration,
    unhealthy_interval: Duration,
    jitter: f64,
    timeout: Duration,
    fall: u32,
    rise: u32,
    pub(super) statuses: Vec<RangeInclusive<u16>>,
    pub(super) send: Vec<(String, String)>,
    pub(super) expect: Vec<(String, String)>,
    pub(super) identity: Vec<(String, String)>,
    pub(super) body: Option<String>,
    pub(super) degraded: String,
    pub(super) allowed: Allowed,
}

impl Config {
    pub(super) fn new(name: String, url: String) -> Self {
        Self {
            name,
            url,
            interval: Duration::from_secs(5),
            unhealthy_interval: Duration::from_secs(1),
            jitter: 0.1,
            timeout: Duration::from_secs(2),
            fall: 3,
            rise: 2,
            statuses: vec![200..=200],
            send: Vec::new(),
            expect: Vec::new(),
            identity: Vec::new(),
            body: None,
            degraded: "x-envoy-degraded".into(),
            allowed: Allowed::default(),
        }
    }

    /// The time from the begin of one probe to the begin of the next: from 100 ms to 1 hour.
    ///
    /// Default: 5 s.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// The same while the target is not healthy or its last probe was bad: from 100 ms to the
    /// interval.
    ///
    /// Default: 1 s.
    pub fn unhealthy_interval(mut self, interval: Duration) -> Self {
        self.unhealthy_interval = interval;
        self
    }

    /// By how much an interval may be longer, as a part of it: from 0 to 1.
    ///
    /// Default: 0.1.
    pub fn jitter(mut self, jitter: f64) -> Self {
        self.jitter = jitter;
        self
    }

    /// How long a probe may take, the look-up of a name included: from 1 ms to 1 minute.
    ///
    /// Default: 2 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How many bad probes in a row make it fall: from 1 to 100.
    ///
    /// Default: 3. The first probe of all decides at once.
    pub fn fall(mut self, probes: u32) -> Self {
        self.fall = probes;
        self
    }

    /// How many good probes in a row make it rise: from 1 to 100.
    ///
    /// Default: 2. The first probe of all decides at once.
    pub fn rise(mut self, probes: u32) -> Self {
        self.rise = probes;
        self
    }

    /// The statuses that mean well; at most 8 ranges.
    ///
    /// Default: 200 alone.
    pub fn statuses(mut self, ranges: impl IntoIterator<Item = RangeInclusive<u16>>) -> Self {
        self.statuses = ranges.into_iter().collect();
        self
    }

    /// Sends this header as well.
    ///
    /// Default: none but `host` and `user-agent`.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.send.push((name.into(), value.into()));
        self
    }

    /// It is down unless the answer has a header `name` with just this value.
    ///
    /// Default: none is asked for.
    pub fn expect_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.expect.push((name.into(), value.into()));
        self
    }

    /// As [`expect_header`](Self::expect_header), for a header that tells who answers: another
    /// value makes it down at once, since the address is somebody else's now.
    ///
    /// Default: whoever answers is believed.
    pub fn expect_identity(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.identity.push((name.into(), value.into()));
        self
    }

    /// It is down unless the first 64 KiB of the body contain `text`: from 1 to 1,024 bytes, byte
    /// for byte.
    ///
    /// Default: the body is not read.
    pub fn body_contains(mut self, text: impl Into<String>) -> Self {
        self.body = Some(text.into());
        self
    }

    /// A good answer with this header is degraded, unless its value is `false`.
    ///
    /// Default: `x-envoy-degraded`.
    pub fn degraded_header(mut self, name: impl Into<String>) -> Self {
        self.degraded = name.into();
        self
    }

    /// Whether addresses may be asked that are link-local, of a metadata service, unspecified,
    /// multicast or broadcast.
    ///
    /// Default: no.
    pub fn allow_link_local(mut self, allow: bool) -> Self {
        self.allowed.link_local = allow;
        self
    }

    /// Whether loopback addresses may be asked.
    ///
    /// Default: no.
    pub fn allow_loopback(mut self, allow: bool) -> Self {
        self.allowed.loopback = allow;
        self
    }

    /// Makes the prober.
    ///
    /// # Errors
    ///
    /// Names the setting that is out of range, and `url` for one that is not absolute, not of HTTP,
    /// has a user in it, or is of HTTPS without the feature `tls`.
    pub fn build(&self) -> Result<Prober, InvalidConfig> {
        self.build_in(&Environment::new())
    }

    /// Makes the prober, with a clock of the caller's choice.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_in(&self, environment: &Environment) -> Result<Prober, InvalidConfig> {
        let least = Duration::from_millis(100);
        let intervals = least..=Duration::from_secs(3_600);
        let timeouts = Duration::from_millis(1)..=Duration::from_secs(60);
        let rules = [
            ((1..=128).contains(&self.name.len()), "name", "from 1 to 128 bytes long"),
            (intervals.contains(&self.interval), "interval", "from 100 ms to 1 hour"),
            (
                (least..=self.interval).contains(&self.unhealthy_interval),
                "unhealthy_interval",
                "from 100 ms to the interval",
            ),
            ((0.0..=1.0).contains(&self.jitter), "jitter", "from 0 to 1"),
            (timeouts.contains(&self.timeout), "timeout", "from 1 ms to 1 minute"),
            ((1..=100).contains(&self.fall), "fall", "from 1 to 100"),
            ((1..=100).contains(&self.rise), "rise", "from 1 to 100"),
        ];
        if let Some((_, field, expected)) = rules.into_iter().find(|(holds, ..)| !holds) {
            return Err(InvalidConfig::new(field, expected));
        }
        let schedule = Schedule {
            interval: self.interval,
            unhealthy_interval: self.unhealthy_interval,
            jitter: self.jitter,
            timeout: self.timeout,
            params: Params {
                fall: self.fall,
                rise: self.rise,
                min_stay: Duration::ZERO,
                calm: true,
            },
        };
        Ok(Prober::new(self.name.clone(), schedule, Exchange::new(self)?, environment.clone()))
    }
}

impl fmt::Debug for Config {
    /// Without the URL and the headers, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("name", &self.name)
            .field("interval", &self.interval)
            .field("timeout", &self.timeout)
            .field("statuses", &self.statuses)
            .field("allowed", &self.allowed)
            .finish_non_exhaustive()
    }
}
