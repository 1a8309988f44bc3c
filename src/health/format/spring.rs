//! Spring Boot's actuator, version 3.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{finite, seconds, to_json};
use crate::health::{CheckReport, Criticality, Finding, Group, Report, Verdict};

#[derive(Serialize)]
struct Whole<'a> {
    status: &'static str,
    components: BTreeMap<&'a str, Component<'a>>,
    groups: Vec<&'static str>,
}

#[derive(Serialize)]
struct Component<'a> {
    status: &'static str,
    details: Details<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Details<'a> {
    degraded: bool,
    criticality: &'static str,
    groups: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    age_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    observed_value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    observed_unit: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

pub(super) fn write(report: &Report) -> String {
    to_json(&Whole {
        status: status(report),
        components: report.checks.iter().map(|check| (&*check.name, component(check))).collect(),
        groups: report.groups.iter().map(|group| group.group.name()).collect(),
    })
}

/// What is down by its own checks is `DOWN`; what starts or drains is `OUT_OF_SERVICE`.
fn status(report: &Report) -> &'static str {
    let fails = |check: &CheckReport| {
        check.criticality == Criticality::Critical && check.verdict == Some(Verdict::Down)
    };
    match report.worst() {
        Verdict::Degraded | Verdict::Healthy => "UP",
        Verdict::Down if report.checks.iter().any(fails) => "DOWN",
        Verdict::Down => "OUT_OF_SERVICE",
    }
}

fn component(check: &CheckReport) -> Component<'_> {
    let finding = check.finding.as_ref();
    let observation = finding.and_then(Finding::observation);
    Component {
        status: match check.verdict {
            None => "UNKNOWN",
            Some(Verdict::Down) => "DOWN",
            Some(Verdict::Degraded | Verdict::Healthy) => "UP",
        },
        details: Details {
            degraded: check.verdict == Some(Verdict::Degraded),
            criticality: check.criticality.as_str(),
            groups: check.groups.iter().copied().map(Group::name).collect(),
            age_seconds: check.age.map(seconds),
            observed_value: observation.and_then(|(value, _)| finite(value)),
            observed_unit: observation.map(|(_, unit)| unit),
            error: finding.and_then(Finding::detail),
        },
    }
}
