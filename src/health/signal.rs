//! Checks that are set by hand.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::registry::Shared;
use super::{Check, Criticality, Finding, Group};
use crate::error::InvalidConfig;

/// A check that is set by hand: by a failover controller, an operator, a part of the application
/// that finds out for itself.
///
/// What it is set to counts at once, without any hysteresis. Until it is set for the first time it
/// counts as down, as a check does that has never run. Clones set the same.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::health::{Finding, Group, Registry, Signal, Verdict};
///
/// let registry = Registry::new();
/// let failover = registry.signal(
///     Signal::builder("failover").time_to_live(Duration::from_secs(30)),
/// )?;
/// registry.start_with(|_task| { /* spawn it */ });
///
/// failover.set(true);
/// assert_eq!(registry.verdict(Group::REGION), Verdict::Healthy);
///
/// failover.set(Finding::down("moved to the other region"));
/// assert_eq!(registry.verdict(Group::REGION), Verdict::Down);
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone)]
pub struct Signal {
    shared: Arc<Shared>,
    name: Arc<str>,
    id: u64,
}

impl Signal {
    pub(super) const fn new(shared: Arc<Shared>, name: Arc<str>, id: u64) -> Self {
        Self { shared, name, id }
    }

    /// A signal called `name`, to be given to [`Registry::signal`](super::Registry::signal). A bare
    /// name does as well.
    pub fn builder(name: impl Into<String>) -> Config {
        let check = Check::new(name, || std::future::ready(())).groups([Group::REGION]);
        Config { check, time_to_live: None }
    }

    /// Sets it, from now on.
    ///
    /// Once the registry has [removed](super::Registry::remove) it, this does nothing.
    pub fn set(&self, finding: impl Into<Finding>) {
        self.shared.set(&self.name, self.id, finding.into());
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Settings of a [`Signal`].
///
/// # Example
///
/// ```
/// use seawall::health::{Group, Registry, Signal, Verdict};
///
/// let registry = Registry::new();
/// let rush = registry.signal(Signal::builder("rush").groups([Group::named("shop")]).degraded_only())?;
///
/// rush.set(false);
/// assert_eq!(registry.verdict(Group::named("shop")), Verdict::Degraded);
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct Config {
    check: Check,
    time_to_live: Option<Duration>,
}

impl Config {
    /// For how long it is believed: after that it counts as down. From 1 ms to 1 day.
    ///
    /// Default: for ever.
    pub fn time_to_live(mut self, time: Duration) -> Self {
        self.time_to_live = Some(time);
        self
    }

    /// What it means for its groups that it is set to down.
    ///
    /// Default: [`Criticality::Critical`].
    pub fn criticality(mut self, criticality: Criticality) -> Self {
        self.check = self.check.criticality(criticality);
        self
    }

    /// Set to down, it only degrades its groups.
    pub fn degraded_only(self) -> Self {
        self.criticality(Criticality::DegradedOnly)
    }

    /// It is shown and counts for nothing.
    pub fn informational(self) -> Self {
        self.criticality(Criticality::Informational)
    }

    /// It counts for these groups, and for no others.
    ///
    /// Default: [`Group::REGION`].
    pub fn groups(mut self, groups: impl IntoIterator<Item = Group>) -> Self {
        self.check = self.check.groups(groups);
        self
    }

    /// Adds a word to find it by.
    ///
    /// Default: none. At most 16, of at most 64 bytes each.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.check = self.check.tag(tag);
        self
    }

    /// How much it counts under [`Aggregation::Weight`](super::Aggregation::Weight).
    ///
    /// Default: 1.
    pub fn weight(mut self, weight: u32) -> Self {
        self.check = self.check.weight(weight);
        self
    }

    pub(super) fn validate(self) -> Result<(Check, Option<Duration>), InvalidConfig> {
        self.check.validate()?;
        let bounds = Duration::from_millis(1)..=Duration::from_secs(86_400);
        if self.time_to_live.is_some_and(|time| !bounds.contains(&time)) {
            return Err(InvalidConfig::new("time_to_live", "from 1 ms to 1 day"));
        }
        Ok((self.check, self.time_to_live))
    }
}

impl From<&str> for Config {
    fn from(name: &str) -> Self {
        Signal::builder(name)
    }
}

impl From<String> for Config {
    fn from(name: String) -> Self {
        Signal::builder(name)
    }
}
