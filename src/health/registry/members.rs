//! What comes, what goes, and what runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::cells::MAX_HEARTS;
use super::entry::{Entry, Kind};
use super::runner::{Place, Runner};
use super::shared::{CHECK, MAX_ENTRIES, Shared, Spawn, State, Task};
use super::task::Control;
use crate::error::{InvalidConfig, intern};
use crate::health::Group;
use crate::health::check::{Probe, Settings};
use crate::telemetry::Emitter;

/// What is to be added.
pub(super) enum Wanted {
    Check(Box<dyn Probe>),
    Signal(Option<Duration>),
    Warmup,
    Heartbeat,
}

impl Shared {
    /// Adds what is `wanted` under a fresh number.
    pub(super) fn add(
        self: &Arc<Self>,
        name: &str,
        settings: Settings,
        groups: &[Group],
        wanted: Wanted,
    ) -> Result<u64, InvalidConfig> {
        let mut state = self.state.lock();
        if state.entries.contains_key(name) {
            return Err(InvalidConfig::new("name", "one that nothing else here has"));
        }
        if state.entries.len() >= MAX_ENTRIES {
            return Err(InvalidConfig::new("name", "one of at most 1,024"));
        }
        let mut numbered = Vec::with_capacity(groups.len());
        for group in groups {
            let index = self.cells.add(*group);
            let index = index.ok_or_else(|| InvalidConfig::new("groups", "at most 64 in all"))?;
            if !numbered.contains(&(*group, index)) {
                numbered.push((*group, index));
            }
        }
        self.know_groups(&mut state);
        let name: Arc<str> = name.into();
        let id = state.next_id + 1;
        let kind = match wanted {
            Wanted::Check(probe) => {
                let lane = Arc::clone(state.lanes.entry(Arc::clone(&name)).or_default());
                let control = Control::new(Some(probe));
                state.checks += 1;
                Kind::Check(Place { name: Arc::clone(&name), id, control, lane })
            }
            Wanted::Signal(time_to_live) => Kind::Signal(time_to_live),
            Wanted::Warmup => Kind::Warmup { is_given_up: false },
            Wanted::Heartbeat => Kind::Heartbeat(free_heart(&state.entries)?),
        };
        state.next_id = id;
        let emitter = Emitter::new(CHECK, intern(&name), &self.environment);
        let entry = Entry::new(id, kind, settings, numbered, emitter);
        let spawn = state.spawn.clone();
        let runner = spawn.as_ref().and_then(|_| self.runner(&entry, state.checks));
        state.entries.insert(name, entry);
        let news = self.evaluate(&mut state);
        drop(state);
        news.tell();
        if let (Some(spawn), Some(runner)) = (spawn, runner) {
            spawn(runner);
        }
        Ok(id)
    }

    /// Adds a heartbeat. Returns its numbers: as an entry, and among the hearts.
    pub(in crate::health) fn add_heart(
        self: &Arc<Self>,
        name: &str,
        settings: Settings,
    ) -> Result<(u64, usize), InvalidConfig> {
        let id = self.add(name, settings, &[Group::LIVENESS], Wanted::Heartbeat)?;
        let state = self.state.lock();
        match state.entries.get(name).map(|entry| &entry.kind) {
            Some(Kind::Heartbeat(index)) => Ok((id, *index)),
            _ => Err(InvalidConfig::new("name", "one that nobody removes meanwhile")),
        }
    }

    /// Takes out what has that name, and that number if one is given.
    pub(in crate::health) fn remove(&self, name: &str, id: Option<u64>) -> bool {
        let now = self.environment.clock.now();
        let mut state = self.state.lock();
        let is_there = state.entries.get(name).is_some_and(|entry| {
            let may_go = match entry.kind {
                Kind::Heartbeat(_) => id.is_some(),
                _ => true,
            };
            may_go && id.is_none_or(|id| id == entry.id)
        });
        if !is_there {
            return false;
        }
        let Some(entry) = state.entries.remove(name) else { return false };
        if let Kind::Check(_) = entry.kind {
            state.checks -= 1;
        }
        if let Kind::Heartbeat(index) = entry.kind {
            self.hearts.end(index);
        }
        let State { lanes, entries, .. } = &mut *state;
        lanes.retain(|name, lane| {
            entries.contains_key(name) || !lane.is_forgotten(now, MAX_INTERVAL)
        });
        if lanes.len() > 2 * MAX_ENTRIES {
            // Someone makes names up: what is not under way is forgotten at once.
            lanes.retain(|name, lane| {
                entries.contains_key(name) || !lane.is_forgotten(now, Duration::ZERO)
            });
        }
        let news = self.evaluate(&mut state);
        drop(state);
        if let Kind::Check(place) = &entry.kind {
            place.control.stop();
        }
        // What the user gave is dropped here, under no lock.
        drop(entry);
        news.tell();
        true
    }

    /// A task for the check, if it has none.
    fn runner(self: &Arc<Self>, entry: &Entry, checks: usize) -> Option<Task> {
        let Kind::Check(place) = &entry.kind else { return None };
        if !place.control.start() {
            return None;
        }
        let start = self.environment.clock.now() + self.phase_of(entry.interval, checks);
        let timeout = entry.settings.timeout;
        Some(Box::pin(Runner::new(Arc::clone(self), place.clone(), timeout, start)))
    }

    /// Runs all checks, and those that will be added, by `spawn`.
    pub(super) fn start(self: &Arc<Self>, spawn: &Arc<Spawn>, pulse: Option<Task>) {
        let mut state = self.state.lock();
        state.has_started = true;
        let runners: Vec<_> = state
            .entries
            .values()
            .filter_map(|entry| self.runner(entry, state.checks))
            .chain(pulse)
            .collect();
        let old = state.spawn.replace(Arc::clone(spawn));
        let news = self.evaluate(&mut state);
        drop(state);
        // The user's, and so dropped under no lock.
        drop(old);
        news.tell();
        for runner in runners {
            spawn(runner);
        }
    }

    /// Ends all tasks.
    pub(super) fn stop(&self) {
        let mut state = self.state.lock();
        let spawn = state.spawn.take();
        let controls: Vec<_> = state
            .entries
            .values()
            .filter_map(|entry| match &entry.kind {
                Kind::Check(place) => Some(Arc::clone(&place.control)),
                _ => None,
            })
            .collect();
        drop(state);
        for control in controls {
            control.stop();
        }
        self.pulse.stop();
        // The user's, and so dropped under no lock.
        drop(spawn);
    }
}

/// The number of a heartbeat that nobody has.
fn free_heart(entries: &BTreeMap<Arc<str>, Entry>) -> Result<usize, InvalidConfig> {
    let is_taken = |index| {
        let has = |entry: &Entry| matches!(entry.kind, Kind::Heartbeat(other) if other == index);
        entries.values().any(has)
    };
    (0..MAX_HEARTS)
        .find(|index| !is_taken(*index))
        .ok_or_else(|| InvalidConfig::new("name", "one of at most 16 heartbeats"))
}

/// The longest interval that a check may have.
const MAX_INTERVAL: Duration = Duration::from_secs(86_400);
