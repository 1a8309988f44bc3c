//! What the policies of the process say of themselves.

use std::time::SystemTime;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::data::Moment;
use crate::budget::Budget;
use crate::bulkhead::Bulkhead;
use crate::circuit_breaker::{CircuitBreaker, State};
use crate::health::Verdict;
use crate::rate_limit::RateLimiter;
use crate::telemetry::{Measure, Transition, transitions};

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct PolicyData {
    pub(super) pattern: &'static str,
    pub(super) name: &'static str,
    pub(super) verdict: &'static str,
    pub(super) state: &'static str,
    /// Until when all calls are turned away, if that is known.
    pub(super) shut_until: Option<Moment>,
    pub(super) levels: Levels,
    pub(super) transitions: Vec<TransitionData>,
}

/// By name, in the order in which the policy gives them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Levels(Vec<(&'static str, f64)>);

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct TransitionData {
    /// In milliseconds since 1970. Unlike a [`Moment`] it counts: it was written down when it
    /// happened, and tells apart what is otherwise alike.
    pub(super) at: u64,
    pub(super) from: &'static str,
    pub(super) to: &'static str,
}

/// All that there are, up to a bound, and how many there are beyond it. Those that need to be
/// looked at come first within their pattern.
pub(super) fn all(at: SystemTime) -> (Vec<PolicyData>, usize) {
    let mut patterns = [
        CircuitBreaker::all().iter().map(|breaker| of_breaker(breaker, at)).collect(),
        Bulkhead::all().iter().map(of_bulkhead).collect(),
        RateLimiter::all().iter().map(of_limiter).collect(),
        Budget::all().iter().map(of_budget).collect(),
    ];
    let omitted = bound(&mut patterns);
    (patterns.into_iter().flatten().collect(), omitted)
}

/// Leaves each pattern at least its share of the places, and more where others need less.
fn bound(patterns: &mut [Vec<PolicyData>]) -> usize {
    let share = MAX_POLICIES / patterns.len().max(1);
    let mut places = MAX_POLICIES;
    let mut omitted = 0;
    let mut owed: usize = patterns.iter().map(|policies| policies.len().min(share)).sum();
    for policies in patterns {
        owed -= policies.len().min(share);
        let kept = policies.len().min(places - owed);
        places -= kept;
        omitted += policies.len() - kept;
        policies.sort_by_key(|policy| (policy.is_calm(), policy.name));
        policies.truncate(kept);
    }
    omitted
}

fn of_breaker(breaker: &CircuitBreaker, at: SystemTime) -> PolicyData {
    let snapshot = breaker.snapshot();
    let verdict = match snapshot.state() {
        State::Open | State::Isolated => Verdict::Down,
        State::HalfOpen | State::Recovering | State::ForcedClosed | State::MetricsOnly => {
            Verdict::Degraded
        }
        State::Closed if snapshot.is_paused() => Verdict::Degraded,
        State::Closed => Verdict::Healthy,
    };
    let state = match snapshot.state() {
        State::Closed if snapshot.is_paused() => "paused",
        state => state.name(),
    };
    let mut data = PolicyData::new(breaker, verdict, state);
    data.levels.0.retain(|(name, _)| *name != "state");
    data.shut_until =
        snapshot.retry_after().and_then(|after| at.checked_add(after)).map(Moment::from);
    data.transitions =
        transitions(data.pattern, data.name).into_iter().map(TransitionData::from).collect();
    data
}

fn of_bulkhead(bulkhead: &Bulkhead) -> PolicyData {
    saturation(bulkhead, bulkhead.in_flight() >= bulkhead.max_calls(), "full")
}

fn of_limiter(limiter: &RateLimiter) -> PolicyData {
    saturation(limiter, limiter.available() == 0, "exhausted")
}

fn of_budget(budget: &Budget) -> PolicyData {
    saturation(budget, budget.available() == 0, "spent")
}

fn saturation(policy: &dyn Measure, is_saturated: bool, word: &'static str) -> PolicyData {
    if is_saturated {
        PolicyData::new(policy, Verdict::Degraded, word)
    } else {
        PolicyData::new(policy, Verdict::Healthy, "available")
    }
}

impl PolicyData {
    fn new(policy: &dyn Measure, verdict: Verdict, state: &'static str) -> Self {
        let (mut pattern, mut name, mut levels) = ("", "", Levels::default());
        policy.measure(&mut |level| {
            (pattern, name) = (level.pattern(), level.policy());
            levels.0.push((level.name(), level.value()));
        });
        Self {
            pattern,
            name,
            verdict: verdict.as_str(),
            state,
            shut_until: None,
            levels,
            transitions: Vec::new(),
        }
    }

    fn is_calm(&self) -> bool {
        self.verdict == Verdict::Healthy.as_str()
    }
}

impl Levels {
    /// The level called `name`; none has the value 0.
    pub(super) fn get(&self, name: &str) -> f64 {
        self.0.iter().find(|(known, _)| *known == name).map_or(0.0, |(_, value)| *value)
    }
}

impl From<Transition> for TransitionData {
    fn from(transition: Transition) -> Self {
        Self { at: Moment::from(transition.at).0, from: transition.from, to: transition.to }
    }
}

impl Serialize for Levels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

const MAX_POLICIES: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pattern_keeps_its_share_of_the_places() {
        for (there, kept) in [
            ([1, 2, 3, 4], [1, 2, 3, 4]),
            ([5_000, 0, 0, 0], [1_000, 0, 0, 0]),
            ([600, 600, 0, 0], [600, 400, 0, 0]),
            ([5_000, 10, 5_000, 10], [730, 10, 250, 10]),
            ([300, 300, 300, 300], [250, 250, 250, 250]),
        ] {
            let mut patterns = there.map(|count| vec![policy("a", Verdict::Healthy); count]);

            let omitted = bound(&mut patterns);

            assert_eq!(patterns.each_ref().map(Vec::len), kept, "of {there:?}");
            assert_eq!(omitted, there.iter().sum::<usize>() - kept.iter().sum::<usize>());
        }
    }

    #[test]
    fn what_needs_a_look_is_shown_first() {
        let mut calm = vec![policy("a", Verdict::Healthy); 2_000];
        calm.push(policy("z", Verdict::Down));
        calm.push(policy("y", Verdict::Degraded));
        let mut patterns = [calm];

        bound(&mut patterns);

        let names: Vec<_> = patterns[0].iter().take(3).map(|policy| policy.name).collect();
        assert_eq!(names, ["y", "z", "a"]);
    }

    fn policy(name: &'static str, verdict: Verdict) -> PolicyData {
        PolicyData {
            pattern: "bulkhead",
            name,
            verdict: verdict.as_str(),
            state: "available",
            shut_until: None,
            levels: Levels::default(),
            transitions: Vec::new(),
        }
    }
}
