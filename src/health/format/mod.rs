//! The forms in which health is told.

mod aspnet;
mod health_json;
mod json;
mod micro_profile;
mod prometheus;
mod spring;

use std::time::{Duration, SystemTime};

use serde::Serialize;

pub(super) use self::prometheus::Exposition;
use super::{Report, Verdict};

/// A form in which health is told.
///
/// Each has a [short form](Self::verdict) that says a verdict and nothing else, for everyone, and a
/// [long one](Self::report) with all that a [`Report`] knows, for those who may see it.
///
/// | format | media type | healthy | degraded | down |
/// |---|---|---|---|---|
/// | [`Json`](Self::Json) | `application/json` | `"status":"Healthy"` | `"status":"Healthy"`, `"degraded":true` | `"status":"Down"` |
/// | [`Text`](Self::Text) | `text/plain` | `healthy` | `degraded` | `down` |
/// | [`HealthJson`](Self::HealthJson) | `application/health+json` | `pass` | `warn` | `fail` |
/// | [`Spring`](Self::Spring) | `application/vnd.spring-boot.actuator.v3+json` | `UP` | `UP` | `DOWN`, `OUT_OF_SERVICE` |
/// | [`AspNet`](Self::AspNet) | `text/plain` | `Healthy` | `Degraded` | `Unhealthy` |
/// | [`Xabaril`](Self::Xabaril) | `application/json` | `Healthy` | `Degraded` | `Unhealthy` |
/// | [`MicroProfile`](Self::MicroProfile) | `application/json` | `UP` | `UP` | `DOWN` |
/// | [`Prometheus`](Self::Prometheus) | `text/plain; version=0.0.4` | 2 | 1 | 0 |
///
/// Sources: the Internet draft `draft-inadarei-api-health-check-06`, the Actuator API of Spring Boot
/// 3, the response writers of ASP.NET Core and of `AspNetCore.Diagnostics.HealthChecks`, Eclipse
/// `MicroProfile` Health 4.0, and Prometheus' text-based exposition format 0.0.4.
///
/// # Example
///
/// ```
/// use seawall::health::{Format, Verdict};
///
/// let body = Format::HealthJson.verdict(Verdict::Degraded);
///
/// assert_eq!(body, r#"{"status":"warn"}"#);
/// assert_eq!(Format::HealthJson.content_type(), "application/health+json");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Format {
    /// One word, as ASP.NET Core writes it.
    AspNet,
    /// What the draft for `application/health+json` says.
    HealthJson,
    /// Our own, and the default.
    Json,
    /// What Eclipse `MicroProfile` Health says.
    MicroProfile,
    /// Gauges in Prometheus' text format.
    Prometheus,
    /// What Spring Boot's actuator says.
    Spring,
    /// One word.
    Text,
    /// What the user interface of `AspNetCore.Diagnostics.HealthChecks` reads.
    Xabaril,
}

impl Format {
    /// All of them; where an `Accept` leaves a choice, the earlier is taken.
    pub(super) const ALL: [Self; 8] = [
        Self::Json,
        Self::Text,
        Self::HealthJson,
        Self::Spring,
        Self::Prometheus,
        Self::AspNet,
        Self::Xabaril,
        Self::MicroProfile,
    ];

    /// The word for it in a path: `aspnet`, `health-json`, `json`, `microprofile`, `prometheus`,
    /// `spring`, `text` or `xabaril`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AspNet => "aspnet",
            Self::HealthJson => "health-json",
            Self::Json => "json",
            Self::MicroProfile => "microprofile",
            Self::Prometheus => "prometheus",
            Self::Spring => "spring",
            Self::Text => "text",
            Self::Xabaril => "xabaril",
        }
    }

    /// Its media type.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::HealthJson => "application/health+json",
            Self::Json | Self::MicroProfile | Self::Xabaril => "application/json",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::Spring => "application/vnd.spring-boot.actuator.v3+json",
            Self::AspNet | Self::Text => "text/plain; charset=utf-8",
        }
    }

    /// The short form: `verdict` and nothing else. It is the same for every process there is.
    #[must_use]
    pub const fn verdict(self, verdict: Verdict) -> &'static str {
        use Verdict::{Degraded, Down, Healthy};
        match (self, verdict) {
            // Application Gateway looks for a substring, and is to find the same one in both answers
            // that are a 200. The space makes them equally long.
            (Self::Json, Healthy) => r#"{"status":"Healthy","degraded":false}"#,
            (Self::Json, Degraded) => r#"{"status":"Healthy","degraded":true }"#,
            (Self::Json, Down) => r#"{"status":"Down"}"#,
            (Self::Text, Healthy) => "healthy",
            (Self::Text, Degraded) => "degraded",
            (Self::Text, Down) => "down",
            (Self::HealthJson, Healthy) => r#"{"status":"pass"}"#,
            (Self::HealthJson, Degraded) => r#"{"status":"warn"}"#,
            (Self::HealthJson, Down) => r#"{"status":"fail"}"#,
            (Self::Spring, Healthy) => r#"{"status":"UP"}"#,
            (Self::Spring, Degraded) => r#"{"status":"UP","details":{"degraded":true}}"#,
            (Self::Spring, Down) => r#"{"status":"DOWN"}"#,
            (Self::AspNet, verdict) => aspnet::word(verdict),
            (Self::Xabaril, Healthy) => {
                r#"{"status":"Healthy","totalDuration":"00:00:00","entries":{}}"#
            }
            (Self::Xabaril, Degraded) => {
                r#"{"status":"Degraded","totalDuration":"00:00:00","entries":{}}"#
            }
            (Self::Xabaril, Down) => {
                r#"{"status":"Unhealthy","totalDuration":"00:00:00","entries":{}}"#
            }
            (Self::MicroProfile, Healthy) => r#"{"status":"UP","checks":[]}"#,
            (Self::MicroProfile, Degraded) => {
                r#"{"status":"UP","checks":[{"name":"health","status":"UP","data":{"degraded":true}}]}"#
            }
            (Self::MicroProfile, Down) => r#"{"status":"DOWN","checks":[]}"#,
            (Self::Prometheus, verdict) => prometheus::verdict(verdict),
        }
    }

    /// The long form: all that `report` knows, the details of findings included.
    #[must_use]
    pub fn report(self, report: &Report) -> String {
        match self {
            Self::AspNet => aspnet::word(report.worst()).into(),
            Self::HealthJson => health_json::write(report),
            Self::Json => json::write(report),
            Self::MicroProfile => micro_profile::write(report),
            Self::Prometheus => prometheus::write(report),
            Self::Spring => spring::write(report),
            Self::Text => report.worst().as_str().into(),
            Self::Xabaril => aspnet::write(report),
        }
    }
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("the keys of all maps are strings")
}

/// A number that JSON has.
fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// A moment by RFC 3339, which knows the years up to 9999.
fn moment(at: SystemTime) -> Option<String> {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    (since.as_secs() < YEAR_10_000).then(|| humantime::format_rfc3339_millis(at).to_string())
}

/// In seconds since 1970.
const YEAR_10_000: u64 = 253_402_300_800;

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

#[cfg(test)]
pub(super) mod tests;
