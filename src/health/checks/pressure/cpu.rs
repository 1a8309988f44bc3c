//! Whether the process waits for processors.

use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use super::super::{float, percent};
use super::cgroup::Cgroup;
use super::{number, read, readable, stalled, value};
use crate::error::InvalidConfig;
use crate::health::{Check, Finding};
use crate::sync::{Arc, Mutex};

/// Whether the process gets the processors that it needs.
///
/// In a control group with a quota (version 2 or 1, also of the groups around it), it is degraded
/// when the kernel held the group back in too many of the periods since the last run; where the
/// kernel tells how long tasks waited for a processor (PSI), when that is too much; and where it
/// tells neither, when the load average of one minute is too high for the number of processors. A
/// system that tells nothing at all is degraded. What is observed is the first of these that there
/// is: two in percent, the load per processor as `1`.
///
/// It is local by default, and [degrades only](Check::degraded_only): what is slow still serves.
/// Linux only: elsewhere it is refused when it is added to a registry.
///
/// # Cost
///
/// Reads about four files of the kernel's a run, and one more for each group around it.
///
/// # Example
///
/// ```
/// use seawall::health::checks;
///
/// let check = checks::cpu("processors").throttled_above(10.0).check();
/// # let _ = check;
/// ```
pub fn cpu(name: impl Into<String>) -> Cpu {
    Cpu {
        name: name.into(),
        root: "/".into(),
        throttled_above: 25.0,
        stalled_above: 60.0,
        load_above: 2.0,
    }
}

/// Settings of [`cpu`].
///
/// # Example
///
/// ```
/// use seawall::health::Check;
/// use seawall::health::checks::{Cpu, cpu};
///
/// let settings: Cpu = cpu("processors").load_above(4.0);
/// let check = Check::from(settings);
/// # let _ = check;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Cpu {
    name: String,
    root: PathBuf,
    throttled_above: f64,
    stalled_above: f64,
    load_above: f64,
}

impl Cpu {
    /// When the group was held back in so many percent of its periods it is degraded.
    ///
    /// Default: 25.
    pub fn throttled_above(mut self, percent: f64) -> Self {
        self.throttled_above = percent;
        self
    }

    /// When some task waited for a processor for so many percent of the last 10 s it is degraded.
    ///
    /// Default: 60.
    pub fn stalled_above(mut self, percent: f64) -> Self {
        self.stalled_above = percent;
        self
    }

    /// With so much load per processor it is degraded, if nothing better is told; above 0.
    ///
    /// Default: 2.
    pub fn load_above(mut self, load: f64) -> Self {
        self.load_above = load;
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
    /// Percents not above 0 and up to 100, a load not above 0, and a system other than Linux, are
    /// refused when the check is added to a registry.
    pub fn check(self) -> Check {
        let name = self.name.clone();
        let probe = self.validate().map(|()| {
            let before = Arc::new(Mutex::new(Vec::new()));
            // In memory themselves, so reading them does not block.
            move || std::future::ready(self.find(&mut before.lock()))
        });
        super::super::check(name, probe).local().degraded_only()
    }

    fn validate(&self) -> Result<(), InvalidConfig> {
        readable(&self.root)?;
        percent("throttled_above", self.throttled_above)?;
        percent("stalled_above", self.stalled_above)?;
        if !(self.load_above > 0.0 && self.load_above.is_finite()) {
            return Err(InvalidConfig::new("load_above", "above 0"));
        }
        Ok(())
    }

    fn find(&self, before: &mut Vec<Periods>) -> Finding {
        let groups = match Cgroup::of(&self.root, "cpu") {
            Cgroup::V2(groups) | Cgroup::V1(groups) => groups,
            Cgroup::None => Vec::new(),
        };
        let now: Vec<_> = groups.iter().filter_map(|group| Periods::of(group)).collect();
        let throttled = now
            .iter()
            .map(|now| {
                let before = before.iter().find(|before| before.group == now.group);
                before.map_or(0.0, |before| now.throttled_since(before))
            })
            .reduce(f64::max);
        *before = now;

        let own = groups.first().and_then(|group| stalled(&group.join("cpu.pressure")));
        let stalled = own.or_else(|| stalled(&self.root.join("proc/pressure/cpu")));
        // Only what nothing better is told by.
        let load = if throttled.or(stalled).is_none() { load(&self.root) } else { None };
        let Some(observed) =
            throttled.or(stalled).map(|part| (part, "%")).or(load.map(|load| (load, "1")))
        else {
            return Finding::degraded("the system tells nothing of its processors");
        };
        let finding = if let Some(part) = throttled.filter(|part| *part >= self.throttled_above) {
            Finding::degraded(format_args!("held back in {part:.1} % of its periods"))
        } else if let Some(part) = stalled.filter(|part| *part >= self.stalled_above) {
            Finding::degraded(format_args!("waited for a processor for {part:.1} % of 10 s"))
        } else if let Some(load) = load.filter(|load| *load >= self.load_above) {
            Finding::degraded(format_args!("load of {load:.2} per processor"))
        } else {
            Finding::healthy()
        };
        finding.observed(observed.0, observed.1)
    }
}

impl From<Cpu> for Check {
    fn from(settings: Cpu) -> Self {
        settings.check()
    }
}

/// How often a group with a quota was looked at by the kernel, and how often held back.
#[derive(Debug)]
struct Periods {
    group: PathBuf,
    all: u64,
    throttled: u64,
}

impl Periods {
    fn of(group: &Path) -> Option<Self> {
        let table = read(&group.join("cpu.stat"))?;
        let all = value(&table, "nr_periods")?;
        // A group without a quota has no periods.
        let has_quota = all > 0 || number(&group.join("cpu.cfs_quota_us")).is_some();
        let throttled = value(&table, "nr_throttled")?;
        has_quota.then(|| Self { group: group.to_owned(), all, throttled })
    }

    /// The part of the periods since `before` in which it was held back, in percent.
    fn throttled_since(&self, before: &Self) -> f64 {
        // Less than before means a new group of the same name.
        let all = self.all.checked_sub(before.all).unwrap_or(self.all);
        let throttled = self.throttled.checked_sub(before.throttled).unwrap_or(self.throttled);
        if all == 0 { 0.0 } else { (float(throttled) / float(all) * 100.0).min(100.0) }
    }
}

/// The load average of one minute, for each processor.
fn load(root: &Path) -> Option<f64> {
    let table = read(&root.join("proc/loadavg"))?;
    let load: f64 = table.split_ascii_whitespace().next()?.parse().ok()?;
    let online = read(&root.join("sys/devices/system/cpu/online"));
    let processors = online
        .and_then(|list| count(list.trim()))
        .or_else(|| available_parallelism().ok().map(|count| float(count.get() as u64)))?;
    (load >= 0.0 && load.is_finite()).then_some(load / processors)
}

/// How many numbers there are in a list such as `0-3,6`.
fn count(ranges: &str) -> Option<f64> {
    let mut count: u32 = 0;
    for range in ranges.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        count = count.saturating_add(last.checked_sub(first)?.saturating_add(1));
    }
    Some(f64::from(count))
}

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use super::*;

    #[test]
    fn lists_of_processors_are_counted() {
        for (list, expected) in [
            ("0", Some(1.0)),
            ("0-3", Some(4.0)),
            ("0-3,6,8-9", Some(7.0)),
            ("0-4294967295", Some(f64::from(u32::MAX))),
            ("", None),
            ("3-0", None),
            ("a", None),
        ] {
            assert_eq!(count(list), expected, "{list}");
        }
    }

    #[test]
    fn the_part_of_periods_is_told_since_the_last_time() {
        let at = |all, throttled| Periods { group: PathBuf::new(), all, throttled };
        for (before, now, expected) in [
            (at(10, 5), at(20, 10), 50.0),
            (at(10, 5), at(10, 5), 0.0),
            (at(10, 5), at(14, 9), 100.0),
            (at(100, 50), at(8, 2), 25.0),
            (at(10, 0), at(11, 5), 100.0),
        ] {
            assert!((now.throttled_since(&before) - expected).abs() < 1e-9, "{before:?} {now:?}");
        }
    }
}
