//! Eclipse `MicroProfile` Health.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{finite, seconds, to_json};
use crate::health::{CheckReport, Report, Verdict};

#[derive(Serialize)]
struct Whole<'a> {
    status: &'static str,
    checks: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    name: &'a str,
    status: &'static str,
    data: BTreeMap<&'static str, Value<'a>>,
}

/// The specification knows no other values.
#[derive(Serialize)]
#[serde(untagged)]
enum Value<'a> {
    Flag(bool),
    Number(f64),
    Text(&'a str),
}

pub(super) fn write(report: &Report) -> String {
    to_json(&Whole {
        status: word(report.worst()),
        checks: report.checks.iter().map(entry).collect(),
    })
}

fn entry(check: &CheckReport) -> Entry<'_> {
    // What has not been looked at yet is down.
    let verdict = check.verdict.unwrap_or(Verdict::Down);
    let mut data = BTreeMap::from([
        ("criticality", Value::Text(check.criticality.as_str())),
        ("degraded", Value::Flag(verdict == Verdict::Degraded)),
    ]);
    data.extend(check.age.map(|age| ("ageSeconds", Value::Number(seconds(age)))));
    if let Some(finding) = &check.finding {
        data.extend(finding.detail().map(|detail| ("rootCause", Value::Text(detail))));
        if let Some((value, unit)) = finding.observation() {
            data.extend(finite(value).map(|value| ("observedValue", Value::Number(value))));
            data.insert("observedUnit", Value::Text(unit));
        }
    }
    Entry { name: &check.name, status: word(verdict), data }
}

const fn word(verdict: Verdict) -> &'static str {
    if verdict.is_up() { "UP" } else { "DOWN" }
}
