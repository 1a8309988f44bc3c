//! How much of its memory the process has left.

use std::path::{Path, PathBuf};

use super::super::{Limits, float, percent};
use super::cgroup::Cgroup;
use super::{number, read, readable, stalled, value};
use crate::error::InvalidConfig;
use crate::health::{Check, Finding};

/// How much of its memory is in use, and whether the process waits for more.
///
/// In a control group with a limit (version 2 or 1, also of the groups around it) that is the
/// working set, as Kubernetes counts it: what is charged to the group less the files that nobody
/// has used for a while, since the kernel drops these before it ends a process. Of several limits
/// the one that is closest counts. `memory.high` degrades only, since beyond it a process is slowed
/// and not ended. Without a limit it is the system's memory, less `MemAvailable`.
///
/// Where the kernel tells how long tasks stalled for memory (PSI), much of that degrades as well.
/// A system that tells nothing at all is degraded. What is observed is the part in use, in percent.
/// It is local by default. Linux only: elsewhere it is refused when it is added to a registry.
///
/// # Cost
///
/// Reads about five files of the kernel's a run, and one more for each group around it.
///
/// # Example
///
/// ```
/// use seawall::health::checks;
///
/// let check = checks::memory("memory").degraded_above(80.0).check();
/// # let _ = check;
/// ```
pub fn memory(name: impl Into<String>) -> Memory {
    Memory {
        name: name.into(),
        root: "/".into(),
        degraded_above: 85.0,
        down_above: 97.0,
        stalled_above: 20.0,
    }
}

/// Settings of [`memory`].
///
/// # Example
///
/// ```
/// use seawall::health::Check;
/// use seawall::health::checks::{Memory, memory};
///
/// let settings: Memory = memory("memory").down_above(95.0);
/// let check = Check::from(settings);
/// # let _ = check;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Memory {
    name: String,
    root: PathBuf,
    degraded_above: f64,
    down_above: f64,
    stalled_above: f64,
}

impl Memory {
    /// With so many percent in use it is degraded.
    ///
    /// Default: 85.
    pub fn degraded_above(mut self, percent: f64) -> Self {
        self.degraded_above = percent;
        self
    }

    /// With so many percent in use it is down; no less than for degraded.
    ///
    /// Default: 97.
    pub fn down_above(mut self, percent: f64) -> Self {
        self.down_above = percent;
        self
    }

    /// When some task stalled for memory for so many percent of the last 10 s, it is degraded.
    ///
    /// Default: 20.
    pub fn stalled_above(mut self, percent: f64) -> Self {
        self.stalled_above = percent;
        self
    }

    /// The directory that `proc` and `sys` are in.
    ///
    /// Default: `/`. Another one where a host's are mounted, and in tests.
    pub fn root(mut self, root: impl Into<PathBuf>) -> Self {
        self.root = root.into();
        self
    }

    /// Makes the check.
    ///
    /// # Errors
    ///
    /// Percents not above 0 and up to 100, or in the wrong order, and a system other than Linux, are
    /// refused when the check is added to a registry.
    pub fn check(self) -> Check {
        let probe = self.limits().map(|limits| {
            let (root, stalled_above) = (self.root, self.stalled_above);
            // In memory themselves, so reading them does not block.
            move || std::future::ready(find(&root, limits, stalled_above))
        });
        super::super::check(self.name, probe).local()
    }

    fn limits(&self) -> Result<Limits, InvalidConfig> {
        readable(&self.root)?;
        let degraded = percent("degraded_above", self.degraded_above)?;
        let down = percent("down_above", self.down_above)?;
        percent("stalled_above", self.stalled_above)?;
        if down < degraded {
            return Err(InvalidConfig::new("down_above", "no less than `degraded_above`"));
        }
        Ok(Limits { degraded, down })
    }
}

impl From<Memory> for Check {
    fn from(settings: Memory) -> Self {
        settings.check()
    }
}

fn find(root: &Path, limits: Limits, stalled_above: f64) -> Finding {
    let usage = Usage::of(root);
    let finding = if let Some(used) = usage.used {
        let soft = usage.soft.filter(|soft| *soft >= limits.degraded && *soft > used);
        match soft {
            Some(soft) if used < limits.down => {
                Finding::degraded(format_args!("{soft:.1} % of the soft limit in use"))
            }
            _ => limits.find(used, format_args!("{used:.1} % in use")),
        }
    } else if usage.stalled.is_some() {
        Finding::healthy()
    } else {
        return Finding::degraded("the system tells nothing of its memory");
    };
    let finding = match usage.stalled {
        Some(stalled) if stalled >= stalled_above && finding.detail().is_none() => {
            Finding::degraded(format_args!("stalled for {stalled:.1} % of 10 s"))
        }
        _ => finding,
    };
    match usage.used {
        Some(used) => finding.observed(used, "%"),
        None => finding,
    }
}

/// All in percent.
#[derive(Debug, Default)]
struct Usage {
    /// Of the hard limit that is closest.
    used: Option<f64>,
    /// Of the soft limit that is closest.
    soft: Option<f64>,
    stalled: Option<f64>,
}

impl Usage {
    fn of(root: &Path) -> Self {
        let system = root.join("proc/pressure/memory");
        let table = read(&root.join("proc/meminfo")).unwrap_or_default();
        // A limit that the system can not fill is none.
        let total = value(&table, "MemTotal").and_then(|total| total.checked_mul(1_024));
        let no_limit = total.unwrap_or(UNLIMITED);
        let mut usage = match Cgroup::of(root, "memory") {
            Cgroup::V2(groups) => {
                let used =
                    |limit| worst(&groups, "memory.current", limit, "inactive_file", no_limit);
                let own = groups.first().map(|group| group.join("memory.pressure"));
                Self {
                    used: used("memory.max"),
                    soft: used("memory.high"),
                    stalled: own.and_then(|own| stalled(&own)).or_else(|| stalled(&system)),
                }
            }
            Cgroup::V1(groups) => Self {
                used: worst(
                    &groups,
                    "memory.usage_in_bytes",
                    "memory.limit_in_bytes",
                    "total_inactive_file",
                    no_limit,
                ),
                soft: None,
                stalled: stalled(&system),
            },
            Cgroup::None => Self { stalled: stalled(&system), ..Self::default() },
        };
        if usage.used.is_none() {
            usage.used = of_system(&table);
        }
        usage
    }
}

/// The part in use of the limit that is closest.
fn worst(groups: &[PathBuf], usage: &str, limit: &str, unused: &str, no_limit: u64) -> Option<f64> {
    groups
        .iter()
        .filter_map(|group| {
            let limit = number(&group.join(limit)).filter(|limit| *limit < no_limit)?;
            let used = number(&group.join(usage))?;
            let table = read(&group.join("memory.stat")).unwrap_or_default();
            Some(part(used.saturating_sub(value(&table, unused).unwrap_or(0)), limit))
        })
        .reduce(f64::max)
}

/// The part in use of the system's memory, by `/proc/meminfo`.
fn of_system(table: &str) -> Option<f64> {
    let total = value(table, "MemTotal").filter(|total| *total > 0)?;
    Some(part(total.saturating_sub(value(table, "MemAvailable")?), total))
}

/// Of nothing all is in use.
fn part(used: u64, limit: u64) -> f64 {
    if limit == 0 { 100.0 } else { float(used) / float(limit) * 100.0 }
}

/// Version 1 says "no limit" by the greatest multiple of a page below 2^63.
const UNLIMITED: u64 = 1 << 62;
