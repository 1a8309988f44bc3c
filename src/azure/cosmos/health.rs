//! How well the account is.

use super::regions::RegionState;
use super::{Cosmos, RequestUnits, Shared};
use crate::health::{self, Check, Finding};
use crate::region::Region;
use crate::sync::Arc;

impl<C> Cosmos<C>
where
    C: Clone + Send + Sync + 'static,
{
    /// Checks for a [`Registry`](crate::health::Registry): of the breakers, the bulkhead, the quota,
    /// the account's regions together, and each one that was [named](super::Config::regions).
    ///
    /// They read what the operations met, and ask nothing themselves. A region counts as lost only
    /// when another one has answered after it failed. Regions together are *degraded* while one of
    /// them is lost, and *down* while those that were asked lately all fail.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::azure::Cosmos;
    /// use seawall::region::Region;
    ///
    /// let orders = Cosmos::builder("orders", ()).regions([Region::new("West US")?]).build()?;
    /// // Two breakers, the bulkhead, the regions together, and the one that was named.
    /// assert_eq!(orders.health().len(), 5);
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn health(&self) -> Vec<Check> {
        let Shared { name, breakers, bulkhead, units, named, .. } = &*self.shared;
        let mut checks: Vec<_> =
            breakers.iter().flatten().map(health::policy::circuit_breaker).collect();
        checks.extend(bulkhead.as_ref().map(health::policy::bulkhead));
        checks.extend(units.clone().map(quota));
        let shared = Arc::clone(&self.shared);
        let look = move || std::future::ready(together(&shared));
        checks.push(Check::new(format!("{name}/regions"), look).local());
        for region in named {
            let (shared, region) = (Arc::clone(&self.shared), region.clone());
            let name = format!("{name}/{region}");
            let look = move || std::future::ready(alone(&shared, &region));
            checks.push(Check::new(name, look).local().degraded_only());
        }
        checks
    }
}

fn quota(units: RequestUnits) -> Check {
    let name = units.name().to_owned();
    let look = move || {
        let finding = if units.is_slow() {
            Finding::degraded("the service throttles: the pace is low")
        } else {
            Finding::healthy()
        };
        std::future::ready(finding.observed(units.available(), "RU"))
    };
    Check::new(name, look).local().degraded_only()
}

fn together<C>(shared: &Shared<C>) -> Finding {
    let regions = shared.regions.status(shared.clock.now());
    let of = |state| {
        let names = regions.iter().filter(move |it| it.state == state);
        names.map(|it| it.region.as_str()).collect::<Vec<_>>()
    };
    let (up, down, suspect) =
        (of(RegionState::Up), of(RegionState::Down), of(RegionState::Suspect));
    if down.is_empty() && suspect.is_empty() {
        return Finding::healthy();
    }
    let lost = [down, suspect].concat().join(", ");
    if up.is_empty() {
        Finding::down(format_args!("no region answers: {lost}"))
    } else {
        Finding::degraded(format_args!("{lost} does not answer; {} does", up.join(", ")))
    }
}

fn alone<C>(shared: &Shared<C>, region: &Region) -> Finding {
    let regions = shared.regions.status(shared.clock.now());
    let state = regions.iter().find(|it| it.region == *region).map(|it| it.state);
    match state {
        None | Some(RegionState::Up | RegionState::Unknown) => Finding::healthy(),
        Some(RegionState::Suspect) => {
            Finding::degraded("does not answer, and no other region was asked since")
        }
        Some(RegionState::Down) => Finding::down("does not answer, while others do"),
    }
}
