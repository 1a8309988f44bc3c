//! A time window that is full against one that is empty: does a call cost more, the more calls came before it?

use std::time::Duration;

use allocation_counter::opt_out;

use crate::environment::Environment;
use crate::measure::{Plan, Round, cpu_time, per_call};
use crate::rows::Row;
use crate::run::Run;
use crate::subjects::{failsafe, seatbelt, seawall, tower_resilience};

pub(crate) const EMPTY: &str = "breaker/window-empty";
pub(crate) const FULL: &str = "breaker/window-full";

/// Longer than it takes to fill.
const SPAN: Duration = Duration::from_mins(1);
/// Calls in a full window: 1,000 a second.
const FILLED: u64 = 60_000;
/// Calls of one sample: few, so that an empty window stays nearly so.
const CALLS: u64 = 1_000;
/// Calls that bring the code into the caches.
const WARM: u64 = 50;

type Make = fn(&Environment) -> Box<dyn Run>;

const SUBJECTS: &[(&str, Make)] = &[
    ("seawall", |_| seawall::time_window(SPAN)),
    ("tower-resilience", |_| tower_resilience::time_window(SPAN)),
    ("seatbelt", |environment| seatbelt::time_window(environment, SPAN)),
    ("failsafe", |_| failsafe::time_window(SPAN)),
];

pub(crate) fn rows(environment: &Environment, plan: Plan) -> Vec<Row> {
    let clock = clock_cost();
    let mut empty = SUBJECTS.iter().map(|_| Vec::new()).collect::<Vec<_>>();
    let mut full = SUBJECTS.iter().map(|_| Vec::new()).collect::<Vec<_>>();
    for _ in 0..plan.rounds {
        for (index, (_, make)) in SUBJECTS.iter().enumerate() {
            let mut fresh = Vec::with_capacity(plan.samples);
            for _ in 0..plan.samples {
                fresh.push(sample(make(environment).as_mut(), clock));
            }
            empty[index].push(Round { nanos: fresh, ..Round::default() });

            let mut filled = make(environment);
            calls(filled.as_mut(), FILLED);
            let nanos = (0..plan.samples).map(|_| sample(filled.as_mut(), clock)).collect();
            full[index].push(Round { nanos, ..Round::default() });
        }
    }
    let rows = |case, rounds: Vec<Vec<Round>>| {
        SUBJECTS
            .iter()
            .zip(rounds)
            .map(move |((subject, _), rounds)| Row::of(case, subject, 1, &rounds))
    };
    rows(EMPTY, empty).chain(rows(FULL, full)).collect()
}

fn sample(run: &mut dyn Run, clock: Duration) -> f64 {
    calls(run, WARM);
    let start = cpu_time();
    calls(run, CALLS);
    per_call(cpu_time().saturating_sub(start).saturating_sub(clock), CALLS)
}

fn calls(run: &mut dyn Run, calls: u64) {
    let mut right = 0;
    opt_out(|| right = run.run(calls));
    assert_eq!(right, calls, "calls that the service answered");
}

/// What reading the clock takes, which is much for a sample this short.
fn clock_cost() -> Duration {
    let mut costs = (0..101)
        .map(|_| {
            let start = cpu_time();
            cpu_time().saturating_sub(start)
        })
        .collect::<Vec<_>>();
    costs.sort();
    costs[costs.len() / 2]
}
