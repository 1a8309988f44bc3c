//! What a registry knows of one check, signal, warm-up or heartbeat.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::cells::{Hearts, LIVENESS, STARTUP};
use super::forecast::Counts;
use super::runner::Place;
use crate::health::check::Settings;
use crate::health::hysteresis::{Hysteresis, Params};
use crate::health::{CheckReport, Finding, Group, Run, Verdict};
use crate::telemetry::Emitter;
use crate::time::Instant;

/// One of what a registry holds by name.
pub(super) struct Entry {
    pub(super) id: u64,
    pub(super) kind: Kind,
    pub(super) settings: Settings,
    /// The groups it counts for, and their numbers.
    pub(super) groups: Vec<(Group, usize)>,
    pub(super) emitter: Arc<Emitter>,
    /// The state that was told last.
    pub(super) told: &'static str,
    pub(super) runs: u64,
    /// The time from one start to the next as things are.
    pub(super) interval: Duration,
    hysteresis: Hysteresis,
    has_passed: bool,
    /// How many of its last runs in a row were down.
    failures: u32,
    last: Option<Last>,
    history: VecDeque<Past>,
}

pub(super) enum Kind {
    /// Run in the background.
    Check(Place),
    /// Set by hand, and believed for so long.
    Signal(Option<Duration>),
    /// Passed once it is done; given up when its handle is dropped before.
    Warmup { is_given_up: bool },
    /// Beats under that number.
    Heartbeat(usize),
}

struct Last {
    finding: Finding,
    ended: Instant,
    took: Duration,
}

/// What is kept of a run that was not the last: no text.
struct Past {
    ended: Instant,
    took: Duration,
    verdict: Verdict,
}

impl Entry {
    pub(super) fn new(
        id: u64,
        kind: Kind,
        settings: Settings,
        groups: Vec<(Group, usize)>,
        emitter: Emitter,
    ) -> Self {
        let params = match kind {
            Kind::Check(_) => Params {
                fall: settings.fall,
                rise: settings.rise,
                min_stay: settings.min_stay,
                calm: settings.flap_detection,
            },
            // Whoever sets it by hand means it.
            _ => Params { fall: 1, rise: 1, min_stay: Duration::ZERO, calm: false },
        };
        Self {
            id,
            kind,
            interval: settings.interval,
            settings,
            groups,
            emitter: Arc::new(emitter),
            told: UNKNOWN,
            runs: 0,
            hysteresis: Hysteresis::new(params),
            has_passed: false,
            failures: 0,
            last: None,
            history: VecDeque::new(),
        }
    }

    /// Takes in a finding.
    pub(super) fn observe(&mut self, finding: Finding, ended: Instant, took: Duration) {
        let found = finding.verdict();
        self.hysteresis.observe(found, ended);
        self.has_passed |= found.is_up();
        self.failures = if found.is_up() { 0 } else { self.failures.saturating_add(1) };
        // One that is down from the first run on is given as many tries as one that falls: what it
        // asks may be starting too.
        let has_fallen = self.hysteresis.counts_as() == Some(Verdict::Down)
            && self.failures >= self.settings.fall;
        self.interval = if found.is_up() {
            self.settings.interval
        } else if has_fallen {
            let longest = self.settings.max_interval.max(self.settings.interval);
            self.interval.saturating_mul(2).min(longest)
        } else {
            self.interval
        };
        if self.history.len() >= MAX_HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(Past { ended, took, verdict: found });
        self.last = Some(Last { finding, ended, took });
    }

    /// From when on its verdict is not believed any more.
    fn stale_from(&self, hearts: &Hearts) -> Instant {
        let since = |age: Option<Duration>| match (&self.last, age) {
            (Some(last), Some(age)) => last.ended + age,
            _ => Instant::FAR_FUTURE,
        };
        match self.kind {
            Kind::Check(_) => {
                since(Some(self.interval.saturating_mul(3).saturating_add(self.settings.timeout)))
            }
            Kind::Signal(time_to_live) => since(time_to_live),
            Kind::Warmup { .. } => Instant::FAR_FUTURE,
            Kind::Heartbeat(index) => {
                hearts.last(index).map_or(Instant::FAR_FUTURE, |(last, _)| last + hearts.limit())
            }
        }
    }

    fn is_stale(&self, hearts: &Hearts, now: Instant) -> bool {
        let from = self.stale_from(hearts);
        from != Instant::FAR_FUTURE && from <= now
    }

    fn fresh(&self, hearts: &Hearts) -> Option<Verdict> {
        match self.kind {
            Kind::Check(_) | Kind::Signal(_) => self.hysteresis.counts_as(),
            Kind::Warmup { .. } => {
                Some(if self.has_passed { Verdict::Healthy } else { Verdict::Down })
            }
            Kind::Heartbeat(index) => hearts.last(index).map(|_| Verdict::Healthy),
        }
    }

    /// What it counts as now; none before its first run has ended.
    pub(super) fn verdict(&self, hearts: &Hearts, now: Instant) -> Option<Verdict> {
        let fresh = self.fresh(hearts)?;
        Some(if self.is_stale(hearts, now) { Verdict::Down } else { fresh })
    }

    /// The word for what it counts as now.
    pub(super) fn state(&self, hearts: &Hearts, now: Instant) -> &'static str {
        self.verdict(hearts, now).map_or(UNKNOWN, Verdict::as_str)
    }

    /// How it counts in the group of that number, if it does.
    pub(super) fn counts(&self, group: usize, hearts: &Hearts) -> Option<Counts> {
        debug_assert_ne!(group, LIVENESS, "it is read from the hearts alone");
        let weigh = |verdict| self.settings.criticality.weigh(verdict);
        let weight = self.settings.weight;
        if group == STARTUP {
            let verdict = if self.has_passed { Verdict::Healthy } else { Verdict::Down };
            let verdict = weigh(verdict)?;
            let stale_from = Instant::FAR_FUTURE;
            return Some(Counts { fresh: verdict, stale: verdict, stale_from, weight });
        }
        Some(Counts {
            fresh: weigh(self.fresh(hearts).unwrap_or(Verdict::Down))?,
            stale: weigh(Verdict::Down)?,
            stale_from: self.stale_from(hearts),
            weight,
        })
    }

    pub(super) fn counts_for(&self, group: usize) -> bool {
        self.groups.iter().any(|(_, index)| *index == group)
    }

    pub(super) fn age(&self, hearts: &Hearts, now: Instant) -> Option<Duration> {
        match self.kind {
            Kind::Heartbeat(index) => hearts.last(index).map(|(last, _)| now.since(last)),
            _ => self.last.as_ref().map(|last| now.since(last.ended)),
        }
    }

    pub(super) fn report(&self, name: &str, hearts: &Hearts, now: Instant) -> CheckReport {
        let has_changed = self.hysteresis.counts_as().is_some();
        let runs = match self.kind {
            Kind::Heartbeat(index) => hearts.last(index).map_or(0, |(_, beats)| beats),
            _ => self.runs,
        };
        CheckReport {
            name: name.to_owned(),
            verdict: self.verdict(hearts, now),
            finding: self.finding(),
            criticality: self.settings.criticality,
            shared: self.settings.shared,
            groups: self.groups.iter().map(|(group, _)| *group).collect(),
            tags: self.settings.tags.clone(),
            interval: self.settings.interval,
            took: self.last.as_ref().map(|last| last.took),
            age: self.age(hearts, now),
            since: has_changed.then(|| now.since(self.hysteresis.since())),
            stale: self.is_stale(hearts, now),
            flapping: self.hysteresis.is_flapping(),
            runs,
            history: self
                .history
                .iter()
                .map(|run| Run { age: now.since(run.ended), took: run.took, verdict: run.verdict })
                .collect(),
        }
    }

    fn finding(&self) -> Option<Finding> {
        match self.kind {
            Kind::Warmup { .. } if self.has_passed => Some(Finding::healthy()),
            Kind::Warmup { is_given_up: true } => {
                Some(Finding::down("given up: dropped before it was done"))
            }
            Kind::Warmup { is_given_up: false } => Some(Finding::down("not done yet")),
            _ => self.last.as_ref().map(|last| last.finding.clone()),
        }
    }
}

/// The state of what has not run yet.
pub(super) const UNKNOWN: &str = "unknown";
const MAX_HISTORY: usize = 100;
