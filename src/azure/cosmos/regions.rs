//! Which regions answer.
//!
//! No region is taken for lost until another one has answered after it failed: as long as none
//! does, it may as well be this machine that is cut off. The rule is that of the driver.

use std::time::Duration;

use super::report::{Report, Request};
use super::status::Sign;
use crate::error::intern;
use crate::region::Region;
use crate::sync::Mutex;
use crate::telemetry::{Emitter, Environment, EventKind};
use crate::time::Instant;

/// What is known of one region.
///
/// # Example
///
/// ```
/// use seawall::azure::Cosmos;
///
/// let orders = Cosmos::builder("orders", ()).build()?;
/// assert!(orders.regions().is_empty());
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RegionStatus {
    /// Which one.
    pub region: Region,
    /// How it is.
    pub state: RegionState,
}

/// How a region is, as the operations saw it.
///
/// # Example
///
/// ```
/// use seawall::azure::cosmos::RegionState;
///
/// assert_eq!(RegionState::Down.name(), "down");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "whoever routes by it must know all")]
pub enum RegionState {
    /// It answers, but for a failure here and there.
    Up,
    /// It failed to answer several times, and no other region has answered since.
    Suspect,
    /// It failed to answer several times, and another one did answer.
    Down,
    /// It was not asked for five minutes.
    Unknown,
}

impl RegionState {
    /// The name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Suspect => "suspect",
            Self::Down => "down",
            Self::Unknown => "unknown",
        }
    }
}

#[derive(Debug)]
pub(super) struct Regions {
    seen: Mutex<Vec<Seen>>,
    policy: &'static str,
    environment: Environment,
}

#[derive(Debug)]
struct Seen {
    region: Region,
    /// Operations that met a failure, without an answer in between.
    failures: u32,
    is_down: bool,
    at: Instant,
    emitter: Emitter,
}

impl Regions {
    pub(super) fn new(policy: &'static str, environment: &Environment) -> Self {
        Self { seen: Mutex::default(), policy, environment: environment.clone() }
    }

    /// Takes in what the requests of one operation met.
    pub(super) fn observe(&self, report: &Report, now: Instant) {
        let mut moved = Vec::new();
        {
            let mut seen = self.seen.lock();
            let mut has_answered = false;
            // The driver may ask a region many times within some milliseconds: that is one failure.
            let mut failed = Vec::new();
            for (region, sign) in report.requests().iter().filter_map(Request::sign) {
                let Some(index) = self.find(&mut seen, region, now) else { continue };
                let it = &mut seen[index];
                match sign {
                    Sign::Nothing => {}
                    Sign::Alive => {
                        it.at = now;
                        it.failures = 0;
                        failed.retain(|other| *other != index);
                        if std::mem::take(&mut it.is_down) {
                            moved.push((it.emitter.sibling(), RegionState::Up));
                        }
                        has_answered = true;
                    }
                    Sign::Suspect => {
                        it.at = now;
                        if !failed.contains(&index) {
                            failed.push(index);
                            it.failures = it.failures.saturating_add(1);
                        }
                    }
                }
            }
            if has_answered {
                for it in seen.iter_mut().filter(|it| it.failures >= FALL && !it.is_down) {
                    // What it did so long ago says nothing of now.
                    if it.is_fresh(now) {
                        it.is_down = true;
                        moved.push((it.emitter.sibling(), RegionState::Down));
                    }
                }
            }
        }
        // Observers are told when nothing is locked.
        for (emitter, to) in moved {
            let from = if to == RegionState::Up { RegionState::Down } else { RegionState::Up };
            emitter.emit(EventKind::StateChanged { from: from.name(), to: to.name() });
        }
    }

    pub(super) fn status(&self, now: Instant) -> Vec<RegionStatus> {
        let seen = self.seen.lock();
        seen.iter()
            .map(|it| RegionStatus { region: it.region.clone(), state: it.state(now) })
            .collect()
    }

    /// Where `region` stands in the list, which takes it in unless it is full.
    fn find(&self, seen: &mut Vec<Seen>, region: &Region, now: Instant) -> Option<usize> {
        if let Some(index) = seen.iter().position(|it| it.region == *region) {
            return Some(index);
        }
        if seen.len() >= MAX_REGIONS {
            return None;
        }
        let name = intern(&format!("{}/{region}", self.policy));
        seen.push(Seen {
            region: region.clone(),
            failures: 0,
            is_down: false,
            at: now,
            emitter: Emitter::new("cosmos_region", name, &self.environment),
        });
        Some(seen.len() - 1)
    }
}

impl Seen {
    fn is_fresh(&self, now: Instant) -> bool {
        now.since(self.at) < FORGET
    }

    fn state(&self, now: Instant) -> RegionState {
        match (self.is_fresh(now), self.is_down, self.failures >= FALL) {
            (false, ..) => RegionState::Unknown,
            (true, true, _) => RegionState::Down,
            (true, false, true) => RegionState::Suspect,
            (true, false, false) => RegionState::Up,
        }
    }
}

/// Operations in a row that met a failure. One alone is the daily noise of a network.
const FALL: u32 = 3;

/// As long as the SDKs avoid an endpoint.
const FORGET: Duration = Duration::from_secs(300);

/// More than Azure has. The names come from the network.
const MAX_REGIONS: usize = 128;

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_not_down_before_another_one_has_answered() {
        let regions = Regions::new("orders", &Environment::new());
        for _ in 0..10 {
            regions.observe(&failed("westus"), at(1));
        }
        assert_eq!(states(&regions, 1), [RegionState::Suspect]);

        regions.observe(&answered("eastus"), at(2));

        assert_eq!(states(&regions, 2), [RegionState::Down, RegionState::Up]);
    }

    #[test]
    fn one_failure_is_noise_and_an_answer_clears_it() {
        let regions = Regions::new("orders", &Environment::new());
        regions.observe(&failed("westus"), at(1));
        regions.observe(&failed("westus"), at(1));
        regions.observe(&answered("eastus"), at(1));
        assert_eq!(states(&regions, 1), [RegionState::Up, RegionState::Up]);

        regions.observe(&answered("westus"), at(2));
        regions.observe(&failed("westus"), at(2));
        regions.observe(&answered("eastus"), at(2));

        assert_eq!(states(&regions, 2), [RegionState::Up, RegionState::Up]);
    }

    #[test]
    fn what_the_driver_repeats_at_once_is_one_failure() {
        let regions = Regions::new("orders", &Environment::new());
        let west = || Request::new(503, 20_003).region(Region::new("westus").unwrap());
        let many = (0..8).fold(Report::new(), |report, _| report.request(west()));
        let many = many.request(Request::new(200, 0).region(Region::new("eastus").unwrap()));

        regions.observe(&many, at(1));
        regions.observe(&many, at(1));
        assert_eq!(states(&regions, 1), [RegionState::Up, RegionState::Up]);
        regions.observe(&many, at(1));

        assert_eq!(states(&regions, 1), [RegionState::Down, RegionState::Up]);
    }

    #[test]
    fn a_region_that_answers_is_up_again_and_one_that_is_not_asked_is_forgotten() {
        let regions = Regions::new("orders", &Environment::new());
        for _ in 0..FALL {
            regions.observe(&failed("westus"), at(1));
        }
        regions.observe(&answered("eastus"), at(1));
        assert_eq!(states(&regions, 301), [RegionState::Unknown, RegionState::Unknown]);

        regions.observe(&answered("westus"), at(302));

        assert_eq!(states(&regions, 302), [RegionState::Up, RegionState::Unknown]);
    }

    #[test]
    fn that_a_region_does_not_write_says_nothing_of_its_health() {
        let regions = Regions::new("orders", &Environment::new());
        for _ in 0..FALL {
            regions.observe(&report("westus", 403, 3), at(1));
        }
        regions.observe(&answered("eastus"), at(1));

        assert_eq!(states(&regions, 1), [RegionState::Up, RegionState::Up]);
    }

    #[test]
    fn names_without_end_are_not_kept() {
        let regions = Regions::new("orders", &Environment::new());
        for number in 0..1_000 {
            regions.observe(&answered(&format!("region{number}")), at(1));
        }

        assert_eq!(regions.status(at(1)).len(), MAX_REGIONS);
    }

    fn states(regions: &Regions, seconds: u64) -> Vec<RegionState> {
        regions.status(at(seconds)).into_iter().map(|it| it.state).collect()
    }

    fn failed(region: &str) -> Report {
        report(region, 503, 20_003)
    }

    fn answered(region: &str) -> Report {
        report(region, 404, 0)
    }

    fn report(region: &str, status: u16, sub_status: u16) -> Report {
        let region = Region::new(region).unwrap();
        Report::new().request(Request::new(status, sub_status).region(region))
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }
}
