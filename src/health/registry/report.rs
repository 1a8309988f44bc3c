//! What a registry tells of itself.

use std::time::SystemTime;

use super::cells::{LIVENESS, READINESS, REGION, STARTUP};
use super::entry::{Entry, Kind};
use super::shared::{CHECK, GROUP, Shared, State};
use crate::health::{GroupReport, Report, Verdict};
use crate::telemetry::Level;

impl Shared {
    pub(super) fn report(&self) -> Report {
        let now = self.environment.clock.now();
        let state = self.state.lock();
        // A heart that never beat is nothing to show.
        let shown = |entry: &&Entry| match entry.kind {
            Kind::Heartbeat(index) => self.hearts.last(index).is_some(),
            _ => true,
        };
        let of_group = |index: usize| {
            state
                .entries
                .iter()
                .filter(|(_, entry)| entry.counts_for(index) && shown(entry))
                .map(|(name, _)| name.to_string())
                .collect()
        };
        let mut groups: Vec<_> = self
            .cells
            .iter()
            .enumerate()
            .map(|(index, group)| GroupReport {
                group,
                verdict: self.verdict(index),
                reason: self.reason(index, &state),
                checks: of_group(index),
            })
            .collect();
        groups.sort_by_key(|report| report.group.name());
        let checks = state
            .entries
            .iter()
            .filter(|(_, entry)| shown(entry))
            .map(|(name, entry)| entry.report(name, &self.hearts, now))
            .collect();
        Report { at: SystemTime::now(), phase: self.phase(), groups, checks }
    }

    /// What overrides the checks of the group, if anything does.
    fn reason(&self, index: usize, state: &State) -> Option<String> {
        let unfit = match (index, self.verdict(STARTUP), self.verdict(LIVENESS)) {
            (STARTUP, Verdict::Down, _) if !state.has_started => Some("not started"),
            (READINESS | REGION, Verdict::Down, _) => Some("startup is not over"),
            (READINESS | REGION, _, Verdict::Down) => Some("a heartbeat is late"),
            _ => None,
        };
        match (&state.region_drain, unfit) {
            (Some(reason), _) if index == REGION => {
                Some(format!("drained by the operator: {reason}"))
            }
            (_, Some(unfit)) => Some(unfit.into()),
            _ => self.is_overridden(index).then(|| "the instance drains".into()),
        }
    }

    pub(super) fn measure(&self, sink: &mut dyn FnMut(Level)) {
        let now = self.environment.clock.now();
        let mut levels = Vec::new();
        for (index, group) in self.cells.iter().enumerate() {
            let verdict = level_of(self.verdict(index));
            levels.push(Level::gauge(GROUP, group.name(), "verdict", verdict));
        }
        let state = self.state.lock();
        for entry in state.entries.values() {
            let name = entry.emitter.name();
            if let Some(verdict) = entry.verdict(&self.hearts, now) {
                levels.push(Level::gauge(CHECK, name, "verdict", level_of(verdict)));
            }
            if let Some(age) = entry.age(&self.hearts, now) {
                levels.push(Level::gauge(CHECK, name, "age", age.as_secs_f64()));
            }
            #[expect(clippy::cast_precision_loss, reason = "a meter's figures are floats")]
            levels.push(Level::counter(CHECK, name, "runs", entry.runs as f64));
        }
        drop(state);
        // The sink is the user's, and may ask this registry.
        for level in levels {
            sink(level);
        }
    }
}

const fn level_of(verdict: Verdict) -> f64 {
    match verdict {
        Verdict::Down => 0.0,
        Verdict::Degraded => 1.0,
        Verdict::Healthy => 2.0,
    }
}
