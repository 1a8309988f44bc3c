//! What the status page shows, as data.

use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

use super::policies::{self, PolicyData};
use crate::health::drain::{Drain, Phase};
use crate::health::{CheckReport, Finding, Group, GroupReport, Report, Run, Verdict};

/// Everything at one moment. Its form is promised by the page of this module.
///
/// Two are equal if nothing happened between them: [`Moment`]s do not count.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Data {
    version: u32,
    pub(super) at: Moment,
    pub(super) verdict: &'static str,
    pub(super) phase: &'static str,
    pub(super) drain: Option<DrainData>,
    pub(super) groups: Vec<GroupData>,
    pub(super) checks: Vec<CheckData>,
    pub(super) policies: Vec<PolicyData>,
    regions: Vec<RegionData>,
    pub(super) omitted: Omitted,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct DrainData {
    pub(super) in_flight: u64,
    pub(super) phases: Vec<PhaseData>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct PhaseData {
    pub(super) phase: &'static str,
    pub(super) at: Moment,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct GroupData {
    pub(super) name: &'static str,
    pub(super) verdict: &'static str,
    pub(super) reason: Option<String>,
    pub(super) checks: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct CheckData {
    pub(super) name: String,
    pub(super) verdict: &'static str,
    pub(super) detail: Option<String>,
    pub(super) observed: Option<Observed>,
    pub(super) criticality: &'static str,
    pub(super) shared: bool,
    pub(super) groups: Vec<&'static str>,
    pub(super) tags: Vec<String>,
    pub(super) interval_ms: f64,
    pub(super) took_ms: Option<f64>,
    pub(super) last_run: Option<Moment>,
    pub(super) since: Option<Moment>,
    pub(super) stale: bool,
    pub(super) flapping: bool,
    pub(super) runs: u64,
    pub(super) history: Vec<RunData>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Observed {
    pub(super) value: f64,
    pub(super) unit: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct RunData {
    at: Moment,
    took_ms: f64,
    pub(super) verdict: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct RegionData {
    name: &'static str,
    local: bool,
    verdict: &'static str,
}

/// How many there are beyond those that are shown.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Omitted {
    pub(super) checks: usize,
    pub(super) policies: usize,
}

/// A moment of the wall clock, in milliseconds since 1970.
///
/// Moments are always equal. Most are worked out anew from an age, so that rounding moves them
/// while nothing happens; what does happen shows in the fields beside them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment(pub(super) u64);

impl Data {
    /// All that `report` says, and the policies of the process.
    pub(super) fn new(report: &Report, drain: Option<&Drain>) -> Self {
        let (policies, more) = policies::all(report.at);
        let drain = drain.map(|drain| DrainData::new(drain, report));
        Self { drain, ..Self::of(report, policies, more) }
    }

    /// Without a drain.
    pub(super) fn of(report: &Report, policies: Vec<PolicyData>, more_policies: usize) -> Self {
        let mut groups: Vec<_> = report.groups.iter().collect();
        groups.sort_by_key(|group| group.verdict);
        let mut checks: Vec<_> = report.checks.iter().collect();
        checks.sort_by_key(|check| check.verdict.unwrap_or(Verdict::Down));
        let more_checks = checks.len().saturating_sub(MAX_CHECKS);
        checks.truncate(MAX_CHECKS);
        let runs = MAX_RUNS.min(ALL_RUNS / checks.len().max(1));
        let checks: Vec<_> =
            checks.into_iter().map(|check| CheckData::new(check, report.at, runs)).collect();
        Self {
            version: 1,
            at: Moment::from(report.at),
            verdict: report.worst().as_str(),
            phase: report.phase.as_str(),
            drain: None,
            groups: groups.into_iter().map(|group| GroupData::new(group, &checks)).collect(),
            checks,
            policies,
            regions: vec![RegionData {
                name: "local",
                local: true,
                verdict: report.verdict(Group::REGION).as_str(),
            }],
            omitted: Omitted { checks: more_checks, policies: more_policies },
        }
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("keys are strings, and nothing in it refuses to be written")
    }

    /// The check of that name, if it is shown.
    pub(super) fn check(&self, name: &str) -> Option<&CheckData> {
        self.checks.iter().find(|check| check.name == name)
    }
}

impl DrainData {
    fn new(drain: &Drain, report: &Report) -> Self {
        let phases = [Phase::NotReady, Phase::Closing, Phase::Rejecting, Phase::Closed];
        let to_come = phases.into_iter().filter(|phase| *phase > report.phase);
        let moment = |phase: Phase| {
            let at = report.at.checked_add(drain.time_until(phase)?)?;
            Some(PhaseData { phase: phase.as_str(), at: at.into() })
        };
        Self { in_flight: drain.in_flight(), phases: to_come.filter_map(moment).collect() }
    }
}

impl GroupData {
    /// With its checks in the order in which they are `shown`.
    fn new(report: &GroupReport, shown: &[CheckData]) -> Self {
        let name = report.group.name();
        let checks = shown.iter().filter(|check| check.groups.contains(&name));
        Self {
            name,
            verdict: report.verdict.as_str(),
            reason: report.reason.clone(),
            checks: checks.map(|check| check.name.clone()).collect(),
        }
    }
}

impl CheckData {
    fn new(report: &CheckReport, at: SystemTime, runs: usize) -> Self {
        let finding = report.finding.as_ref();
        let skipped = report.history.len().saturating_sub(runs);
        Self {
            name: report.name.clone(),
            verdict: report.verdict.map_or("unknown", Verdict::as_str),
            detail: finding.and_then(Finding::detail).map(str::to_owned),
            observed: finding
                .and_then(Finding::observation)
                .map(|(value, unit)| Observed { value, unit }),
            criticality: report.criticality.as_str(),
            shared: report.shared,
            groups: report.groups.iter().map(|group| group.name()).collect(),
            tags: report.tags.clone(),
            interval_ms: millis(report.interval),
            took_ms: report.took.map(millis),
            last_run: report.age.map(|age| Moment::before(at, age)),
            since: report.since.map(|age| Moment::before(at, age)),
            stale: report.stale,
            flapping: report.flapping,
            runs: report.runs,
            history: report.history[skipped..].iter().map(|run| RunData::new(run, at)).collect(),
        }
    }
}

impl RunData {
    fn new(run: &Run, at: SystemTime) -> Self {
        Self {
            at: Moment::before(at, run.age),
            took_ms: millis(run.took),
            verdict: run.verdict.as_str(),
        }
    }
}

impl Moment {
    fn before(at: SystemTime, age: Duration) -> Self {
        Self::from(at.checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH))
    }
}

impl From<SystemTime> for Moment {
    fn from(at: SystemTime) -> Self {
        let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // The largest number that every reader of JSON holds exactly.
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX).min((1 << 53) - 1))
    }
}

impl PartialEq for Moment {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

/// In milliseconds, to the microsecond.
fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

const MAX_CHECKS: usize = 1_000;
/// Of one check, and of all together.
const MAX_RUNS: usize = 40;
const ALL_RUNS: usize = 10_000;
