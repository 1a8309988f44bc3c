//! What the registry's handles and tasks share.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::cells::{Cells, Hearts, LIVENESS, READINESS, REGION, STARTUP};
use super::entry::{Entry, Kind};
use super::forecast::{Counts, Forecast};
use super::runner::Place;
use super::task::{Control, Lane};
use crate::error::InvalidConfig;
use crate::health::{Aggregation, Drain, Finding, Group, Phase, Verdict};
use crate::sync::{AtomicBool, Mutex, Ordering};
use crate::telemetry::{Emitter, Environment, EventKind};
use crate::time::{Instant, nanos};

/// Starts a task.
pub(super) type Spawn = dyn Fn(Task) + Send + Sync;
pub(super) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

pub(in crate::health) struct Shared {
    pub(in crate::health) environment: Environment,
    pub(super) cells: Cells,
    pub(in crate::health) hearts: Hearts,
    /// Whether startup is over. It is never taken back.
    pub(super) is_up: AtomicBool,
    is_region_drained: AtomicBool,
    drain: OnceLock<Drain>,
    pub(in crate::health) pulse: Arc<Control>,
    pub(super) state: Mutex<State>,
}

pub(super) struct State {
    pub(super) entries: BTreeMap<Arc<str>, Entry>,
    /// By name, also of checks that have been taken out not long ago.
    pub(super) lanes: BTreeMap<Arc<str>, Arc<Lane>>,
    /// What is kept of each group, by its number.
    pub(super) groups: Vec<GroupState>,
    pub(super) region_drain: Option<Box<str>>,
    pub(super) spawn: Option<Arc<Spawn>>,
    pub(super) has_started: bool,
    pub(super) next_id: u64,
    pub(super) checks: usize,
}

pub(super) struct GroupState {
    aggregation: Aggregation,
    emitter: Arc<Emitter>,
    told: Verdict,
}

/// Changes of state that are to be told once the lock is free.
#[derive(Default)]
pub(super) struct News(Vec<(Arc<Emitter>, &'static str, &'static str)>);

impl Shared {
    pub(super) fn new(environment: Environment) -> Self {
        let shared = Self {
            environment,
            cells: Cells::new(),
            hearts: Hearts::new(),
            is_up: AtomicBool::new(false),
            is_region_drained: AtomicBool::new(false),
            drain: OnceLock::new(),
            pulse: Control::new(None),
            state: Mutex::new(State {
                entries: BTreeMap::new(),
                lanes: BTreeMap::new(),
                groups: Vec::new(),
                region_drain: None,
                spawn: None,
                has_started: false,
                next_id: 0,
                checks: 0,
            }),
        };
        shared.know_groups(&mut shared.state.lock());
        shared
    }

    /// The verdict of the group of that number.
    #[inline]
    pub(super) fn verdict(&self, index: usize) -> Verdict {
        let clock = &self.environment.clock;
        match index {
            LIVENESS => self.hearts.verdict(clock),
            // Acquire pairs with the release of who ended the start.
            STARTUP if self.is_up.load(Ordering::Acquire) => Verdict::Healthy,
            STARTUP => Verdict::Down,
            _ if self.is_overridden(index) => Verdict::Down,
            _ => self
                .cells
                .read(index)
                .verdict(|moment| moment != Instant::FAR_FUTURE && clock.has_passed(moment)),
        }
    }

    #[inline]
    pub(super) fn is_overridden(&self, index: usize) -> bool {
        match index {
            // Acquire: see above.
            READINESS => self.is_unfit() || self.phase() >= Phase::NotReady,
            REGION => {
                // Acquire pairs with the release in `drain_region`.
                self.is_unfit()
                    || self.is_region_drained.load(Ordering::Acquire)
                    || self.drain.get().is_some_and(|drain| {
                        drain.takes_region_down() && drain.phase() >= Phase::NotReady
                    })
            }
            _ => false,
        }
    }

    /// Whether nobody should send anything here, for the region or for the instance: it has not
    /// started, or it is wedged.
    #[inline]
    fn is_unfit(&self) -> bool {
        // Acquire pairs with the release of who ended the start.
        !self.is_up.load(Ordering::Acquire)
            || self.hearts.verdict(&self.environment.clock) == Verdict::Down
    }

    #[inline]
    pub(super) fn phase(&self) -> Phase {
        self.drain.get().map_or(Phase::Serving, Drain::phase)
    }

    /// False if there is one already.
    pub(super) fn attach(&self, drain: Drain) -> bool {
        let is_first = self.drain.set(drain).is_ok();
        self.sweep();
        is_first
    }

    #[cfg(feature = "health")]
    pub(super) fn drain(&self) -> Option<&Drain> {
        self.drain.get()
    }

    /// A wait that keeps many checks from starting together.
    pub(super) fn phase_of_first(&self, interval: Duration) -> Duration {
        self.phase_of(interval, self.state.lock().checks)
    }

    pub(super) fn phase_of(&self, interval: Duration, checks: usize) -> Duration {
        if checks <= AT_ONCE {
            return Duration::ZERO;
        }
        Duration::from_nanos(self.environment.rng.below(nanos(interval)))
    }

    /// The check's interval as things are, while it is here.
    pub(super) fn interval(&self, place: &Place) -> Option<Duration> {
        self.with(&place.name, place.id, |entry| entry.interval)
    }

    pub(super) fn began(&self, place: &Place) {
        self.with(&place.name, place.id, |entry| entry.runs = entry.runs.saturating_add(1));
    }

    /// Takes in what a run found. Returns when the next is to start.
    pub(super) fn ended(&self, place: &Place, finding: Finding, began: Instant) -> Instant {
        let now = self.environment.clock.now();
        let took = now.since(began);
        let next = self.change(&place.name, place.id, |entry| {
            entry.observe(finding, now, took);
            (entry.interval, entry.settings.jitter)
        });
        let Some((interval, jitter)) = next else { return Instant::FAR_FUTURE };
        let spread = nanos(interval.mul_f64(jitter)).saturating_add(1);
        began + interval + Duration::from_nanos(self.environment.rng.below(spread))
    }

    /// Takes in what was set by hand.
    pub(in crate::health) fn set(&self, name: &str, id: u64, finding: Finding) {
        let now = self.environment.clock.now();
        self.change(name, id, |entry| {
            entry.runs = entry.runs.saturating_add(1);
            entry.observe(finding, now, Duration::ZERO);
        });
    }

    /// Lets the warm-up pass, or marks it as given up.
    pub(in crate::health) fn warm(&self, name: &str, id: u64, is_done: bool) {
        let now = self.environment.clock.now();
        self.change(name, id, |entry| {
            if is_done {
                entry.observe(Finding::healthy(), now, Duration::ZERO);
            } else if let Kind::Warmup { is_given_up } = &mut entry.kind {
                *is_given_up = true;
            }
        });
    }

    pub(super) fn aggregate(
        &self,
        group: Group,
        aggregation: Aggregation,
    ) -> Result<(), InvalidConfig> {
        let mut state = self.state.lock();
        let index = self.cells.add(group);
        let index = index.ok_or_else(|| InvalidConfig::new("group", "one of at most 64"))?;
        self.know_groups(&mut state);
        if let Some(group) = state.groups.get_mut(index) {
            group.aggregation = aggregation;
        }
        let news = self.evaluate(&mut state);
        drop(state);
        news.tell();
        Ok(())
    }

    pub(super) fn drain_region(&self, reason: Option<Box<str>>) {
        let mut state = self.state.lock();
        // Release pairs with the acquire of who reads the region's verdict.
        self.is_region_drained.store(reason.is_some(), Ordering::Release);
        state.region_drain = reason;
        let news = self.evaluate(&mut state);
        drop(state);
        news.tell();
    }

    /// Tells of what time alone has changed: checks that went stale, the drain.
    pub(in crate::health) fn sweep(&self) {
        let mut state = self.state.lock();
        let news = self.evaluate(&mut state);
        drop(state);
        news.tell();
    }

    fn with<T>(&self, name: &str, id: u64, f: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let mut state = self.state.lock();
        state.entries.get_mut(name).filter(|entry| entry.id == id).map(f)
    }

    fn change<T>(&self, name: &str, id: u64, f: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let mut state = self.state.lock();
        let changed = state.entries.get_mut(name).filter(|entry| entry.id == id).map(f)?;
        let news = self.evaluate_entry(&mut state, name);
        drop(state);
        news.tell();
        Some(changed)
    }

    /// Keeps a state for each group that has a number.
    pub(super) fn know_groups(&self, state: &mut State) {
        let known = state.groups.len();
        for (index, group) in self.cells.iter().enumerate().skip(known) {
            let emitter = Emitter::new(GROUP, group.name(), &self.environment);
            state.groups.push(GroupState {
                aggregation: Aggregation::All,
                emitter: Arc::new(emitter),
                told: self.verdict(index),
            });
        }
    }

    /// Foretells each group from its checks, and finds out what has changed.
    pub(super) fn evaluate(&self, state: &mut State) -> News {
        let now = self.environment.clock.now();
        let mut news = News::default();
        for entry in state.entries.values_mut() {
            self.look_at_entry(entry, now, &mut news);
        }
        for index in 0..state.groups.len() {
            self.foretell(state, index, now);
        }
        self.look_at_groups(state, &mut news);
        news
    }

    /// The same after nothing but one entry has changed.
    fn evaluate_entry(&self, state: &mut State, name: &str) -> News {
        let now = self.environment.clock.now();
        let mut news = News::default();
        let Some(entry) = state.entries.get_mut(name) else { return news };
        self.look_at_entry(entry, now, &mut news);
        for (_, index) in entry.groups.clone() {
            self.foretell(state, index, now);
        }
        self.look_at_groups(state, &mut news);
        news
    }

    fn look_at_entry(&self, entry: &mut Entry, now: Instant, news: &mut News) {
        let is = entry.state(&self.hearts, now);
        let was = std::mem::replace(&mut entry.told, is);
        if was != is {
            news.0.push((Arc::clone(&entry.emitter), was, is));
        }
    }

    fn look_at_groups(&self, state: &mut State, news: &mut News) {
        for (index, group) in state.groups.iter_mut().enumerate() {
            let is = self.verdict(index);
            let was = std::mem::replace(&mut group.told, is);
            if was != is {
                news.0.push((Arc::clone(&group.emitter), was.as_str(), is.as_str()));
            }
        }
    }

    fn foretell(&self, state: &State, index: usize, now: Instant) {
        // Liveness is read from the hearts alone.
        let Some(group) = state.groups.get(index).filter(|_| index != LIVENESS) else { return };
        let mut counts: Vec<Counts> = state
            .entries
            .values()
            .filter(|entry| entry.counts_for(index))
            .filter_map(|entry| entry.counts(index, &self.hearts))
            .collect();
        let forecast = Forecast::of(group.aggregation, &mut counts);
        self.cells.write(index, forecast);
        if index == STARTUP && state.has_started && forecast.at(now).is_up() {
            // Release pairs with the acquire of who reads the verdicts.
            self.is_up.store(true, Ordering::Release);
        }
    }
}

impl News {
    pub(super) fn tell(self) {
        for (emitter, from, to) in self.0 {
            emitter.emit(EventKind::StateChanged { from, to });
        }
    }
}

/// The pattern of a group's events and levels.
pub(super) const GROUP: &str = "health";
/// The pattern of a check's events and levels.
pub(super) const CHECK: &str = "health_check";
pub(super) const MAX_ENTRIES: usize = 1_024;
/// So many checks may start together.
const AT_ONCE: usize = 32;
