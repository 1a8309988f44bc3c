//! A server with a queue, its clients, and an outage, in virtual time.
//!
//! The trap: the server finishes what its clients have given up, and the clients try again, so that
//! the queue never gets shorter than their timeout, long after the outage is over.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use seawall::Outcome;
use seawall::circuit_breaker::{CircuitBreaker, Permit};
use seawall::gate::Permit as _;
use seawall::telemetry::Environment;
use seawall::time::{Clock, Instant};

const SECOND: u64 = 1_000_000_000;
const ARRIVALS_PER_SECOND: u64 = 280;
const SERVED_PER_SECOND: u64 = 300;
const TIMEOUT: u64 = SECOND;
const OUTAGE: Range<u64> = 10 * SECOND..20 * SECOND;
const END: u64 = 45 * SECOND;
const ATTEMPTS: u32 = 4;

#[test]
fn a_server_that_finishes_abandoned_work_gets_out_of_its_queue() {
    for seed in 0..20 {
        for hangs in [true, false] {
            let recovered = seconds_to_recover(seed, hangs, true);
            assert!(
                recovered.is_some_and(|seconds| seconds <= 10),
                "seed {seed}, hangs: {hangs}: {recovered:?}"
            );
        }
    }
}

#[test]
fn without_a_breaker_it_does_not() {
    for seed in 0..20 {
        let recovered = seconds_to_recover(seed, true, false);
        assert_eq!(recovered, None, "seed {seed}");
    }
}

/// One client's call: when it was made, and which attempt of it this is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Event {
    Arrival,
    Attempt { number: u32 },
    End { call: usize },
}

struct Call {
    permit: Option<Permit>,
    number: u32,
    succeeds: bool,
}

/// Seconds from the end of the outage to the first of five good ones in a row.
fn seconds_to_recover(seed: u64, hangs: bool, guarded: bool) -> Option<u64> {
    let clock = Clock::manual();
    let environment = Environment::new().clock(clock.clone()).seed(seed);
    let breaker =
        guarded.then(|| CircuitBreaker::builder().build_in(&environment).expect("defaults hold"));
    let mut chance = Chance(seed);
    let mut events = BinaryHeap::from([Reverse((0, Event::Arrival))]);
    let mut calls: Vec<Call> = Vec::new();
    let mut free_at = 0;
    let mut good = [0_u64; (END / SECOND) as usize + 2];
    while let Some(Reverse((now, event))) = events.pop() {
        if now > END {
            break;
        }
        clock.set(Instant::from_nanos(now));
        let number = match event {
            Event::Arrival => {
                let gap = SECOND / ARRIVALS_PER_SECOND;
                events.push(Reverse((now + gap / 2 + chance.below(gap), Event::Arrival)));
                1
            }
            Event::Attempt { number } => number,
            Event::End { call } => {
                let Call { permit, number, succeeds } = &mut calls[call];
                let outcome = if *succeeds { Outcome::Success } else { Outcome::Transient };
                if let Some(permit) = permit.take() {
                    permit.complete(outcome);
                }
                if *succeeds {
                    good[(now / SECOND) as usize] += 1;
                } else if *number < ATTEMPTS && (!guarded || chance.below(10) == 0) {
                    // With a breaker, a budget lets a tenth of all failures be tried again.
                    let wait = 100_000_000 << (*number - 1);
                    events.push(Reverse((now + wait, Event::Attempt { number: *number + 1 })));
                }
                continue;
            }
        };
        let permit = match &breaker {
            None => None,
            Some(breaker) => match breaker.enter() {
                Ok(permit) => Some(permit),
                Err(_) => continue,
            },
        };
        let served = if OUTAGE.contains(&now) && !hangs {
            None
        } else {
            let start = now.max(free_at);
            let start = if OUTAGE.contains(&start) { OUTAGE.end } else { start };
            free_at = start + SECOND / SERVED_PER_SECOND;
            Some(free_at)
        };
        let end = match served {
            None => now + 1_000_000,
            Some(at) => at.min(now + TIMEOUT),
        };
        let succeeds = served == Some(end);
        events.push(Reverse((end, Event::End { call: calls.len() })));
        calls.push(Call { permit, number, succeeds });
    }
    let enough = good[2..10].iter().sum::<u64>() * 95 / 100 / 8;
    let first = (OUTAGE.end / SECOND) as usize;
    (first..first + 20)
        .find(|second| good[*second..*second + 5].iter().all(|good| *good >= enough))
        .map(|second| (second - first) as u64)
}

struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}
