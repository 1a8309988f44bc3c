//! Groups of checks, and what their checks together say of them.

use std::fmt;

use super::Verdict;
use crate::error::{InvalidConfig, intern};

/// A named group of checks that has a verdict of its own.
///
/// Four are always there; an application adds its own by [name](Self::named).
///
/// # Example
///
/// ```
/// use seawall::health::Group;
///
/// assert_eq!(Group::READINESS.name(), "readiness");
/// assert_eq!(Group::named("checkout"), Group::named("checkout"));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Group(&'static str);

impl Group {
    /// Whether the process has warmed up. Once up, it stays up.
    pub const STARTUP: Self = Self("startup");
    /// Whether the process is wedged. No check of a dependency belongs here, and none is let in.
    pub const LIVENESS: Self = Self("liveness");
    /// Whether this instance should get traffic, by what is its own.
    pub const READINESS: Self = Self("readiness");
    /// Whether the region should get traffic, by what its instances share.
    pub const REGION: Self = Self("region");

    /// The group called `name`.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self(intern(name))
    }

    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

/// How the verdicts of a group's checks become one.
///
/// What counts are the verdicts after [`Criticality::weigh`](super::Criticality::weigh): a check
/// that is informational has none, and one that can only degrade is never down. A group without
/// any is healthy. A group that is up, and one of whose checks is not healthy, is degraded.
///
/// # Example
///
/// ```
/// use seawall::health::{Aggregation, Verdict};
///
/// let replicas = [(Verdict::Down, 1), (Verdict::Healthy, 1), (Verdict::Healthy, 1)];
///
/// assert_eq!(Aggregation::All.verdict(replicas), Verdict::Down);
/// assert_eq!(Aggregation::AtLeast(2).verdict(replicas), Verdict::Degraded);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Aggregation {
    /// Down if any is.
    #[default]
    All,
    /// Down if all are.
    Any,
    /// Down unless so many are up.
    AtLeast(u32),
    /// Down unless so many percent of the checks are up: above 0, up to 100.
    Percentage(f64),
    /// Down unless the checks that are up weigh this much together.
    Weight(u64),
}

impl Aggregation {
    /// What `checks` together say: the verdict of each, and its weight.
    #[must_use]
    pub fn verdict(self, checks: impl IntoIterator<Item = (Verdict, u32)>) -> Verdict {
        let mut tally = Tally::default();
        for (verdict, weight) in checks {
            tally.add(verdict, weight);
        }
        self.judge(&tally)
    }

    /// What checks that were counted together say.
    pub(super) fn judge(self, tally: &Tally) -> Verdict {
        let Tally { counted, up, weight, worst } = *tally;
        let holds = match self {
            _ if counted == 0 => true,
            Self::All => up == counted,
            Self::Any => up > 0,
            Self::AtLeast(least) => up >= least,
            Self::Percentage(least) => f64::from(up) * 100.0 >= least * f64::from(counted),
            Self::Weight(least) => weight >= least,
        };
        if holds { worst.max(Verdict::Degraded) } else { Verdict::Down }
    }

    pub(super) fn check(self) -> Result<(), InvalidConfig> {
        match self {
            Self::AtLeast(0) => Err(InvalidConfig::new("at_least", "at least 1")),
            Self::Weight(0) => Err(InvalidConfig::new("weight", "at least 1")),
            Self::Percentage(least) if !(least > 0.0 && least <= 100.0) => {
                Err(InvalidConfig::new("percentage", "above 0 and up to 100"))
            }
            _ => Ok(()),
        }
    }
}

/// Checks, counted.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    counted: u32,
    up: u32,
    weight: u64,
    worst: Verdict,
}

impl Tally {
    /// Counts a check in.
    pub(super) fn add(&mut self, verdict: Verdict, weight: u32) {
        self.counted = self.counted.saturating_add(1);
        self.worst = self.worst.min(verdict);
        if verdict.is_up() {
            self.up = self.up.saturating_add(1);
            self.weight = self.weight.saturating_add(weight.into());
        }
    }

    /// A check that was counted as `from` counts as `to` from now on, which is no better.
    pub(super) fn worsen(&mut self, from: Verdict, to: Verdict, weight: u32) {
        self.worst = self.worst.min(to);
        if from.is_up() && !to.is_up() {
            self.up = self.up.saturating_sub(1);
            self.weight = self.weight.saturating_sub(weight.into());
        }
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self { counted: 0, up: 0, weight: 0, worst: Verdict::Healthy }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row<'a> = (Aggregation, &'a [(Verdict, u32)], Verdict);

    const D: (Verdict, u32) = (Verdict::Down, 1);
    const W: (Verdict, u32) = (Verdict::Degraded, 1);
    const H: (Verdict, u32) = (Verdict::Healthy, 1);

    #[test]
    fn aggregates_as_the_table_says() {
        use Verdict::{Degraded, Down, Healthy};
        let rows: &[Row<'_>] = &[
            (Aggregation::All, &[], Healthy),
            (Aggregation::AtLeast(2), &[], Healthy),
            (Aggregation::All, &[H, H], Healthy),
            (Aggregation::All, &[H, W], Degraded),
            (Aggregation::All, &[H, D], Down),
            (Aggregation::Any, &[D, D], Down),
            (Aggregation::Any, &[D, H], Degraded),
            (Aggregation::Any, &[H, H], Healthy),
            (Aggregation::AtLeast(2), &[H, H, H], Healthy),
            (Aggregation::AtLeast(2), &[H, W, D], Degraded),
            (Aggregation::AtLeast(2), &[H, D, D], Down),
            (Aggregation::Percentage(50.0), &[H, D], Degraded),
            (Aggregation::Percentage(50.1), &[H, D], Down),
            (Aggregation::Percentage(100.0), &[H, H, H], Healthy),
            (Aggregation::Weight(3), &[(Healthy, 3), D], Degraded),
            (Aggregation::Weight(3), &[H, H, (Down, 5)], Down),
        ];
        for (aggregation, checks, expected) in rows {
            let found = aggregation.verdict(checks.iter().copied());
            assert_eq!(found, *expected, "{aggregation:?} of {checks:?}");
        }
    }

    #[test]
    fn settings_that_hold_always_or_never_are_refused() {
        for (aggregation, field) in [
            (Aggregation::AtLeast(0), "at_least"),
            (Aggregation::Weight(0), "weight"),
            (Aggregation::Percentage(0.0), "percentage"),
            (Aggregation::Percentage(100.5), "percentage"),
            (Aggregation::Percentage(f64::NAN), "percentage"),
        ] {
            assert_eq!(aggregation.check().unwrap_err().field(), field);
        }
    }
}
