//! Settings as users write them, and the only place where they are checked.

use std::fmt;
use std::time::Duration;

use super::CircuitBreaker;
use super::core::{MAX_IN_A_ROW, MAX_PLACES, MILLION, OFF, Params};
use crate::error::InvalidConfig;
use crate::telemetry::Environment;
use crate::time::nanos;
use crate::window::{Span, TICKS};

/// Settings of a [`CircuitBreaker`], and its builder.
///
/// Plain data: it can be compared, printed and, with the feature `serde`, read from a file. It is
/// checked once, in [`build`](Self::build).
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::circuit_breaker::CircuitBreaker;
///
/// let breaker = CircuitBreaker::builder()
///     .name("orders")
///     .time_window(Duration::from_secs(30))
///     .min_calls(50)
///     .failure_rate(0.4)
///     .recent_failure_rate(0.9)
///     .consecutive_failures(100)
///     .slow_call_duration(Duration::from_secs(2))
///     .slow_call_rate(0.8)
///     .open_for(Duration::from_secs(5))
///     .max_open_for(Duration::from_secs(60))
///     .jitter(0.5)
///     .probes(5)
///     .probe_lease(Duration::from_secs(10))
///     .ramp(Duration::from_secs(2))
///     .max_pause(Duration::from_secs(30))
///     .build()?;
///
/// // The same over the newest hundred calls, whenever they were.
/// let over_calls = CircuitBreaker::builder().call_window(100).build()?;
///
/// let wrong = CircuitBreaker::builder().failure_rate(f64::NAN).build().unwrap_err();
/// assert_eq!(wrong.field(), "failure_rate");
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[must_use]
pub struct Config {
    name: String,
    time_window: Duration,
    call_window: Option<u32>,
    min_calls: Option<u32>,
    failure_rate: f64,
    recent_failure_rate: Option<f64>,
    consecutive_failures: Option<u32>,
    slow_call_duration: Option<Duration>,
    slow_call_rate: Option<f64>,
    open_for: Duration,
    max_open_for: Option<Duration>,
    jitter: f64,
    probes: u32,
    probe_lease: Duration,
    ramp: Duration,
    max_pause: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "circuit_breaker".into(),
            time_window: Duration::from_secs(10),
            call_window: None,
            min_calls: None,
            failure_rate: 0.5,
            recent_failure_rate: Some(0.9),
            consecutive_failures: None,
            slow_call_duration: None,
            slow_call_rate: None,
            open_for: Duration::from_secs(4),
            max_open_for: None,
            jitter: 0.5,
            probes: 3,
            probe_lease: Duration::from_secs(10),
            ramp: Duration::from_secs(2),
            max_pause: Duration::from_secs(30),
        }
    }
}

/// In a line, for people.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "opens when {}% of ", percent(self.failure_rate))?;
        match self.call_window {
            Some(calls) => write!(f, "{calls} calls fail")?,
            None => {
                write!(
                    f,
                    "{} calls or more in {:?} fail",
                    self.calls_to_judge(),
                    self.time_window
                )?;
            }
        }
        if let Some(rate) = self.recent_failure_rate {
            write!(f, ", or {}% of the newest", percent(rate))?;
        }
        if let Some(calls) = self.consecutive_failures {
            write!(f, ", or {calls} in a row")?;
        }
        if let (Some(slow), Some(rate)) = (self.slow_call_duration, self.slow_call_rate) {
            write!(f, ", or {}% take {slow:?}", percent(rate))?;
        }
        write!(f, "; open {:?}", self.open_for)?;
        if let Some(longest) = self.max_open_for {
            write!(f, " to {longest:?}")?;
        }
        write!(f, ", {} probes, back within {:?}", self.probes, self.ramp)
    }
}

/// Without more digits than anybody wants to read.
fn percent(rate: f64) -> f64 {
    (rate * 1_000.0).round() / 10.0
}

impl Config {
    /// The name in rejections, events and levels.
    ///
    /// Default: `circuit_breaker`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Judges by the calls of this time, in ten ticks of which the newest has begun; 100 ms to a
    /// day. It slides by a tick. Can not be changed by a reload.
    ///
    /// Default: 10 seconds.
    pub fn time_window(mut self, window: Duration) -> Self {
        self.time_window = window;
        self.call_window = None;
        self
    }

    /// Judges by the newest calls, so many of them and whenever they were; 1 to 65,536. Can not be
    /// changed by a reload.
    ///
    /// The order of calls is one for all threads, so that calls are counted one after the other
    /// while there are failures among them: 20 to 30 ns with two threads. While there are none,
    /// nothing is written.
    ///
    /// Default: a [time window](Self::time_window) instead.
    pub fn call_window(mut self, calls: impl Into<Option<u32>>) -> Self {
        self.call_window = calls.into();
        self
    }

    /// The calls that it takes before any rate is looked at; at least 1. While the circuit is
    /// recovering it is as many as there are [probes](Self::probes), if those are fewer.
    ///
    /// Default: 20, or all calls of a [call window](Self::call_window) that is shorter.
    pub fn min_calls(mut self, calls: impl Into<Option<u32>>) -> Self {
        self.min_calls = calls.into();
        self
    }

    /// The share of failed calls in the window, above 0 and up to 1, at which the circuit opens.
    ///
    /// Default: 0.5.
    pub fn failure_rate(mut self, rate: f64) -> Self {
        self.failure_rate = rate;
        self
    }

    /// The share of failed calls in the newest three ticks of a time window, above 0 and up to 1,
    /// at which the circuit opens: a service that fails at once shows there long before half of the
    /// window has failed. `None` turns it off. A call window has no use for it.
    ///
    /// Default: 0.9.
    pub fn recent_failure_rate(mut self, rate: impl Into<Option<f64>>) -> Self {
        self.recent_failure_rate = rate.into();
        self
    }

    /// The failures in a row, at least 1, at which the circuit opens, whatever the rates say.
    /// Calls that end neutrally or with an overload neither add to the row nor end it.
    ///
    /// Default: `None`, as a busy service has many calls in a short hiccup.
    pub fn consecutive_failures(mut self, failures: impl Into<Option<u32>>) -> Self {
        self.consecutive_failures = failures.into();
        self
    }

    /// How long a call may take before it is slow; up to the time window (or ten seconds, or the
    /// double of what was built with, for a call window).
    ///
    /// By itself it decides what a dropped call means: one that had run longer counts as a failure,
    /// one that had not counts for nothing. Set it if callers give up by other timeouts than this
    /// crate's, or a service that hangs is never blamed. It is measured from when the call is first
    /// pending, to the step of the coarse clock (1 to 10 ms).
    ///
    /// Default: `None`: no call is slow.
    pub fn slow_call_duration(mut self, duration: impl Into<Option<Duration>>) -> Self {
        self.slow_call_duration = duration.into();
        self
    }

    /// The share of slow calls, above 0 and up to 1, at which the circuit opens. Calls that still
    /// run count as soon as they are slow. Needs [`slow_call_duration`](Self::slow_call_duration).
    ///
    /// Default: `None`.
    pub fn slow_call_rate(mut self, rate: impl Into<Option<f64>>) -> Self {
        self.slow_call_rate = rate.into();
        self
    }

    /// How long the circuit stays open the first time; 1 ms to a day.
    ///
    /// Default: 4 seconds.
    pub fn open_for(mut self, duration: Duration) -> Self {
        self.open_for = duration;
        self
    }

    /// The open time doubles after each recovery that failed, up to this; at least
    /// [`open_for`](Self::open_for), at most a day.
    ///
    /// Default: `None`: as [`open_for`](Self::open_for). It does not grow, and a service that is well
    /// again is found out within one open time. A few probes each time are no load for it.
    pub fn max_open_for(mut self, duration: impl Into<Option<Duration>>) -> Self {
        self.max_open_for = duration.into();
        self
    }

    /// The part of the open time, 0 to 1, that chance may take off, so that many clients do not
    /// probe at once. At 0.5 it is *equal jitter*: between a half of the open time and all of it.
    ///
    /// Default: 0.5.
    pub fn jitter(mut self, part: f64) -> Self {
        self.jitter = part;
        self
    }

    /// The calls that are let in to find out whether the service is well again: all must succeed,
    /// and one that fails opens the circuit; 1 to 1,000,000.
    ///
    /// Default: 3.
    pub fn probes(mut self, probes: u32) -> Self {
        self.probes = probes;
        self
    }

    /// How long a probe has its place; 1 ms to a day. Probes that have not ended by then are given
    /// up, and others are let in. Make it longer than any timeout further in.
    ///
    /// Default: 10 seconds.
    pub fn probe_lease(mut self, lease: Duration) -> Self {
        self.probe_lease = lease;
        self
    }

    /// How long traffic takes to come back after the probes passed: an eighth of the calls is let
    /// in, then two eighths, until all are; up to a day. Failures on the way open the circuit again.
    /// Zero lets all calls in at once.
    ///
    /// Default: 2 seconds.
    pub fn ramp(mut self, ramp: Duration) -> Self {
        self.ramp = ramp;
        self
    }

    /// The longest that a service's own hint (`Retry-After`) holds calls back, or keeps the circuit
    /// open; up to a day. Zero ignores hints.
    ///
    /// Default: 30 seconds.
    pub fn max_pause(mut self, pause: Duration) -> Self {
        self.max_pause = pause;
        self
    }

    /// Builds the breaker, on the system's clock and without an observer.
    ///
    /// # Errors
    ///
    /// Names the setting that makes no sense, and what it must be.
    pub fn build(&self) -> Result<CircuitBreaker, InvalidConfig> {
        self.build_in(&Environment::default())
    }

    /// Builds the breaker with the clock, the chance and the observer of `environment`.
    ///
    /// # Errors
    ///
    /// Names the setting that makes no sense, and what it must be.
    pub fn build_in(&self, environment: &Environment) -> Result<CircuitBreaker, InvalidConfig> {
        let params = self.params()?;
        Ok(CircuitBreaker::new(&self.name, self.span(), &params, environment))
    }

    /// The length of the time window, unless calls are counted instead.
    pub(crate) fn window_length(&self) -> Option<Duration> {
        self.call_window.is_none().then_some(self.time_window)
    }

    /// The calls that it takes before a rate is looked at, in a time window.
    pub(crate) fn calls_to_judge(&self) -> u32 {
        self.min_calls.unwrap_or(DEFAULT_MIN_CALLS)
    }

    pub(super) fn name_setting(&self) -> &str {
        &self.name
    }

    /// The window's kind and length, which are the breaker's for life.
    pub(super) fn span(&self) -> Span {
        match self.call_window {
            Some(calls) => {
                let tick = self.slow_call_duration.map_or(SECOND, |slow| slow / 5);
                Span::Calls { calls, tick_nanos: nanos(tick).clamp(1_000_000, nanos(DAY)) }
            }
            None => Span::Time { tick_nanos: nanos(self.time_window) / TICKS },
        }
    }

    /// Past this point nothing is checked again: [`Params`] can only hold values that make sense.
    pub(super) fn params(&self) -> Result<Params, InvalidConfig> {
        if self.name.is_empty() {
            return Err(InvalidConfig::new("name", "not empty"));
        }
        if self.call_window.is_none() && !(SHORTEST_WINDOW..=DAY).contains(&self.time_window) {
            return Err(InvalidConfig::new("time_window", "from 100 ms to a day"));
        }
        if self.call_window.is_some_and(|calls| !(1..=MAX_CALLS).contains(&calls)) {
            return Err(InvalidConfig::new("call_window", "from 1 to 65,536"));
        }
        let failure_ppm = rate("failure_rate", self.failure_rate)?;
        let recent_failure_ppm = optional_rate("recent_failure_rate", self.recent_failure_rate)?;
        let slow_ppm = optional_rate("slow_call_rate", self.slow_call_rate)?;
        if slow_ppm != OFF && self.slow_call_duration.is_none() {
            return Err(InvalidConfig::new("slow_call_duration", "set, for there is a rate"));
        }
        if !(0.0..=1.0).contains(&self.jitter) {
            return Err(InvalidConfig::new("jitter", "from 0 to 1"));
        }
        let open_nanos = within("open_for", self.open_for, MILLISECOND)?;
        let max_open_for = self.max_open_for.unwrap_or(self.open_for);
        if max_open_for < self.open_for {
            return Err(InvalidConfig::new("max_open_for", "`open_for` at least"));
        }
        Ok(Params {
            consecutive_failures: self.row()?,
            failure_ppm,
            jitter_ppm: ppm(self.jitter),
            max_open_nanos: within("max_open_for", max_open_for, MILLISECOND)?,
            max_pause_nanos: within("max_pause", self.max_pause, Duration::ZERO)?,
            min_calls: self.least_calls()?,
            open_nanos,
            probe_lease_nanos: within("probe_lease", self.probe_lease, MILLISECOND)?,
            probes: self.places()?,
            ramp_nanos: within("ramp", self.ramp, Duration::ZERO)?,
            recent_failure_ppm,
            slow_nanos: self.slow_nanos(self.span())?,
            slow_ppm,
        })
    }

    /// Checks what depends on the window of a breaker that exists.
    pub(super) fn params_for(&self, span: Span) -> Result<Params, InvalidConfig> {
        let params = self.params()?;
        let is_same = match (self.span(), span) {
            (Span::Calls { calls, .. }, Span::Calls { calls: built, .. }) => calls == built,
            (one, other) => one == other,
        };
        if !is_same {
            let field = if self.call_window.is_some() { "call_window" } else { "time_window" };
            return Err(InvalidConfig::new(field, "what the breaker was built with"));
        }
        Ok(Params { slow_nanos: self.slow_nanos(span)?, ..params })
    }

    fn slow_nanos(&self, span: Span) -> Result<u64, InvalidConfig> {
        let Some(slow) = self.slow_call_duration else { return Ok(OFF) };
        let longest = span.tick_nanos().saturating_mul(TICKS);
        if slow.is_zero() || nanos(slow) > longest {
            let longest = Duration::from_nanos(longest);
            let expected = format!("above zero and at most {longest:?}");
            return Err(InvalidConfig::new("slow_call_duration", expected));
        }
        Ok(nanos(slow))
    }

    fn row(&self) -> Result<u64, InvalidConfig> {
        match self.consecutive_failures {
            None => Ok(OFF),
            Some(0) => Err(InvalidConfig::new("consecutive_failures", "at least 1")),
            Some(failures) => Ok(u64::from(failures).min(MAX_IN_A_ROW)),
        }
    }

    fn least_calls(&self) -> Result<u64, InvalidConfig> {
        let most = self.call_window.unwrap_or(u32::MAX);
        let calls = self.min_calls.unwrap_or(DEFAULT_MIN_CALLS.min(most));
        if calls == 0 || calls > most {
            return Err(InvalidConfig::new("min_calls", "from 1 to what the window holds"));
        }
        Ok(calls.into())
    }

    fn places(&self) -> Result<u64, InvalidConfig> {
        let probes = u64::from(self.probes);
        if probes == 0 || probes > MAX_PROBES {
            return Err(InvalidConfig::new("probes", "from 1 to 1,000,000"));
        }
        Ok(probes)
    }
}

fn optional_rate(field: &'static str, value: Option<f64>) -> Result<u64, InvalidConfig> {
    value.map_or(Ok(OFF), |value| rate(field, value))
}

fn rate(field: &'static str, rate: f64) -> Result<u64, InvalidConfig> {
    // NaN fails this comparison too.
    if rate > 0.0 && rate <= 1.0 {
        Ok(ppm(rate))
    } else {
        Err(InvalidConfig::new(field, "above 0 and at most 1"))
    }
}

fn ppm(part: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "from 0 to a million, as was checked"
    )]
    let ppm = (part * MILLION as f64).ceil() as u64;
    ppm.min(MILLION)
}

fn within(
    field: &'static str,
    duration: Duration,
    shortest: Duration,
) -> Result<u64, InvalidConfig> {
    if (shortest..=DAY).contains(&duration) {
        return Ok(nanos(duration));
    }
    let expected = if shortest.is_zero() { "at most a day" } else { "from 1 ms to a day" };
    Err(InvalidConfig::new(field, expected))
}

const DAY: Duration = Duration::from_secs(24 * 3600);
const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

/// Ticks must be longer than the steps of the coarse clock.
const SHORTEST_WINDOW: Duration = Duration::from_millis(100);

const MAX_CALLS: u32 = 1 << 16;
const MAX_PROBES: u64 = 1_000_000;
const _: () = assert!(MAX_PROBES <= MAX_PLACES, "places fit the word");

const DEFAULT_MIN_CALLS: u32 = 20;
