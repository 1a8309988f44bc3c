//! Our own form.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{finite, moment, seconds, to_json};
use crate::health::{CheckReport, Finding, Group, Report, Verdict};

#[derive(Serialize)]
struct Whole<'a> {
    // First and next to each other, so that the long form begins as the short one.
    status: &'static str,
    degraded: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    phase: &'static str,
    groups: BTreeMap<&'a str, Members<'a>>,
    checks: BTreeMap<&'a str, Entry<'a>>,
}

#[derive(Serialize)]
struct Members<'a> {
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    checks: &'a [String],
}

#[derive(Serialize)]
struct Entry<'a> {
    verdict: &'static str,
    criticality: &'static str,
    shared: bool,
    groups: Vec<&'static str>,
    tags: &'a [String],
    stale: bool,
    flapping: bool,
    runs: u64,
    interval_seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    age_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    took_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    observed: Option<Observed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

#[derive(Serialize)]
struct Observed {
    value: f64,
    unit: &'static str,
}

pub(super) fn write(report: &Report) -> String {
    let worst = report.worst();
    to_json(&Whole {
        status: if worst.is_up() { "Healthy" } else { "Down" },
        degraded: worst == Verdict::Degraded,
        at: moment(report.at),
        phase: report.phase.as_str(),
        groups: report
            .groups
            .iter()
            .map(|group| {
                let (verdict, reason) = (group.verdict.as_str(), group.reason.as_deref());
                (group.group.name(), Members { verdict, reason, checks: &group.checks })
            })
            .collect(),
        checks: report.checks.iter().map(|check| (check.name.as_str(), entry(check))).collect(),
    })
}

fn entry(check: &CheckReport) -> Entry<'_> {
    let finding = check.finding.as_ref();
    Entry {
        verdict: check.verdict.map_or("unknown", Verdict::as_str),
        criticality: check.criticality.as_str(),
        shared: check.shared,
        groups: check.groups.iter().copied().map(Group::name).collect(),
        tags: &check.tags,
        stale: check.stale,
        flapping: check.flapping,
        runs: check.runs,
        interval_seconds: seconds(check.interval),
        age_seconds: check.age.map(seconds),
        since_seconds: check.since.map(seconds),
        took_seconds: check.took.map(seconds),
        observed: finding.and_then(|finding| {
            let (value, unit) = finding.observation()?;
            Some(Observed { value: finite(value)?, unit })
        }),
        detail: finding.and_then(Finding::detail),
    }
}
