//! ASP.NET Core's word, and what the user interface of `AspNetCore.Diagnostics.HealthChecks` reads.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::{finite, seconds, to_json};
use crate::health::{CheckReport, Finding, Report, Verdict};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Whole<'a> {
    status: &'static str,
    total_duration: String,
    entries: BTreeMap<&'a str, Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    data: Data,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    duration: String,
    status: &'static str,
    tags: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    criticality: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    age_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    observed_value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    observed_unit: Option<&'static str>,
}

pub(super) fn write(report: &Report) -> String {
    // They run side by side.
    let longest = report.checks.iter().filter_map(|check| check.took).max();
    to_json(&Whole {
        status: word(report.worst()),
        total_duration: time_span(longest.unwrap_or_default()),
        entries: report.checks.iter().map(|check| (&*check.name, entry(check))).collect(),
    })
}

pub(super) const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Down => "Unhealthy",
        Verdict::Degraded => "Degraded",
        Verdict::Healthy => "Healthy",
    }
}

fn entry(check: &CheckReport) -> Entry<'_> {
    let finding = check.finding.as_ref();
    let observation = finding.and_then(Finding::observation);
    Entry {
        data: Data {
            criticality: check.criticality.as_str(),
            age_seconds: check.age.map(seconds),
            observed_value: observation.and_then(|(value, _)| finite(value)),
            observed_unit: observation.map(|(_, unit)| unit),
        },
        description: finding.and_then(Finding::detail),
        duration: time_span(check.took.unwrap_or_default()),
        status: word(check.verdict.unwrap_or(Verdict::Down)),
        tags: &check.tags,
    }
}

/// As .NET writes a `TimeSpan`: `[d.]hh:mm:ss[.fffffff]`.
fn time_span(duration: Duration) -> String {
    let (seconds, ticks) = (duration.as_secs(), duration.subsec_nanos() / 100);
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let days = if days == 0 { String::new() } else { format!("{days}.") };
    let fraction = if ticks == 0 { String::new() } else { format!(".{ticks:07}") };
    format!("{days}{hours:02}:{:02}:{:02}{fraction}", seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_spans_of_time_as_dotnet_does() {
        for (duration, expected) in [
            (Duration::ZERO, "00:00:00"),
            (Duration::from_millis(1_500), "00:00:01.5000000"),
            (Duration::from_nanos(100), "00:00:00.0000001"),
            (Duration::from_secs(3_661), "01:01:01"),
            (Duration::from_secs(2 * 86_400 + 59), "2.00:00:59"),
        ] {
            assert_eq!(time_span(duration), expected);
        }
    }
}
