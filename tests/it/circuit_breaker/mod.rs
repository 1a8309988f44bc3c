//! The breaker as its users see it.

mod behaviour;
mod overload;
mod regressions;

use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use seawall::Outcome;
use seawall::circuit_breaker::{CircuitBreaker, Config};
use seawall::gate::Permit as _;
use seawall::telemetry::{Environment, Event, EventKind};
use seawall::time::Clock;

const SECOND: Duration = Duration::from_secs(1);
const NANOSECOND: Duration = Duration::from_nanos(1);

/// Trips at the fourth failure of four calls, stays open for five seconds and no less, closes at
/// once after one probe.
fn sensitive() -> Config {
    CircuitBreaker::builder()
        .min_calls(4)
        .failure_rate(1.0)
        .open_for(5 * SECOND)
        .jitter(0.0)
        .probes(1)
        .ramp(Duration::ZERO)
}

/// A breaker on a clock of its own, and what it tells of its state.
fn build(config: &Config) -> (CircuitBreaker, Clock, Receiver<(&'static str, &'static str)>) {
    let clock = Clock::manual();
    let (sender, receiver) = mpsc::channel();
    let environment = Environment::new().clock(clock.clone()).observer(move |event: &Event| {
        if let EventKind::StateChanged { from, to } = event.kind() {
            let _ = sender.send((*from, *to));
        }
    });
    (config.build_in(&environment).unwrap(), clock, receiver)
}

fn call(breaker: &CircuitBreaker, outcome: Outcome) {
    breaker.enter().unwrap().complete(outcome);
}

fn calls(breaker: &CircuitBreaker, count: usize, outcome: Outcome) {
    for _ in 0..count {
        call(breaker, outcome);
    }
}

/// Opens a [`sensitive`] breaker.
fn trip(breaker: &CircuitBreaker) {
    calls(breaker, 4, Outcome::Transient);
}
