//! `application/health+json`, by `draft-inadarei-api-health-check-06`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{finite, moment, to_json};
use crate::health::{CheckReport, Finding, Report, Verdict};

#[derive(Serialize)]
struct Whole<'a> {
    status: &'static str,
    notes: Vec<String>,
    checks: BTreeMap<String, Vec<Entry<'a>>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    component_id: &'a str,
    component_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    observed_value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    observed_unit: Option<&'static str>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a str>,
}

pub(super) fn write(report: &Report) -> String {
    let mut checks: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for check in &report.checks {
        // A colon divides a component's name from what is measured of it.
        checks.entry(check.name.replace(':', "_")).or_default().push(entry(check, report));
    }
    let groups = report.groups.iter().map(|group| {
        let (comma, reason) = group.reason.as_deref().map_or(("", ""), |reason| (", ", reason));
        format!("{}: {}{comma}{reason}", group.group, group.verdict)
    });
    let phase = std::iter::once(format!("phase: {}", report.phase));
    to_json(&Whole { status: word(report.worst()), notes: groups.chain(phase).collect(), checks })
}

fn entry<'a>(check: &'a CheckReport, report: &Report) -> Entry<'a> {
    let finding = check.finding.as_ref();
    let verdict = check.verdict.unwrap_or(Verdict::Down);
    let observation = finding.and_then(|finding| {
        let (value, unit) = finding.observation()?;
        Some((finite(value)?, unit))
    });
    let ended = check.age.and_then(|age| report.at.checked_sub(age));
    Entry {
        component_id: &check.name,
        component_type: "component",
        observed_value: observation.map(|(value, _)| value),
        observed_unit: observation.map(|(_, unit)| unit),
        status: word(verdict),
        time: ended.and_then(moment),
        // The draft wants it left out where all is well.
        output: finding.filter(|_| verdict != Verdict::Healthy).and_then(Finding::detail),
    }
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Down => "fail",
        Verdict::Degraded => "warn",
        Verdict::Healthy => "pass",
    }
}
