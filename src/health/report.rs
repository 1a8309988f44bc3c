//! All that a registry knows, as data.

use std::fmt;
use std::time::{Duration, SystemTime};

use super::drain::Phase;
use super::{Criticality, Finding, Group, Verdict};

/// All that a [`Registry`](super::Registry) knows at one moment.
///
/// It is for those who may see details. Making one allocates; what answers probes does not need
/// one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// When it was made, by the wall clock.
    pub at: SystemTime,
    /// How far the instance has come on its way out.
    pub phase: Phase,
    /// Each group, in the order of their names.
    pub groups: Vec<GroupReport>,
    /// Each check, in the order of their names.
    pub checks: Vec<CheckReport>,
}

impl Report {
    /// The verdict of `group`; healthy if there is none of that name.
    #[must_use]
    pub fn verdict(&self, group: Group) -> Verdict {
        self.groups
            .iter()
            .find(|report| report.group == group)
            .map_or(Verdict::Healthy, |report| report.verdict)
    }

    /// The worst verdict of all groups.
    #[must_use]
    pub fn worst(&self) -> Verdict {
        self.groups.iter().map(|report| report.verdict).min().unwrap_or(Verdict::Healthy)
    }
}

/// One group in a [`Report`].
#[derive(Clone)]
#[non_exhaustive]
pub struct GroupReport {
    /// Which one.
    pub group: Group,
    /// What its checks together say, and what overrides them: the drain, the start.
    pub verdict: Verdict,
    /// What overrides its checks, if anything does: the start, the drain, the operator.
    pub reason: Option<String>,
    /// The names of its checks.
    pub checks: Vec<String>,
}

/// Without the reason, which is not for logs.
impl fmt::Debug for GroupReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupReport")
            .field("group", &self.group)
            .field("verdict", &self.verdict)
            .field("checks", &self.checks)
            .finish_non_exhaustive()
    }
}

/// One check in a [`Report`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CheckReport {
    /// What it is called.
    pub name: String,
    /// What it counts as now: after hysteresis, and down if it is stale. `None` before its first
    /// run has ended, which counts as down.
    pub verdict: Option<Verdict>,
    /// What its last run found.
    pub finding: Option<Finding>,
    /// What its failure means.
    pub criticality: Criticality,
    /// Whether all instances share what it looks at.
    pub shared: bool,
    /// Where it counts.
    pub groups: Vec<Group>,
    /// The words to find it by.
    pub tags: Vec<String>,
    /// The time from one start to the next while all is well. Of a signal the time for which it is
    /// believed; zero if that is for ever, and of a warm-up.
    pub interval: Duration,
    /// How long its last run took.
    pub took: Option<Duration>,
    /// How long ago its last run ended.
    pub age: Option<Duration>,
    /// How long ago its verdict changed last.
    pub since: Option<Duration>,
    /// Whether its last run is so long ago that its verdict is not believed any more.
    pub stale: bool,
    /// Whether its verdict changes too often.
    pub flapping: bool,
    /// How often it was started.
    pub runs: u64,
    /// Its last runs, the oldest first; at most 100.
    pub history: Vec<Run>,
}

/// One run of a check.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Run {
    /// How long ago it ended.
    pub age: Duration,
    /// How long it took.
    pub took: Duration,
    /// What it found, before hysteresis.
    pub verdict: Verdict,
}
