use std::time::Duration;

use seawall::health::Verdict;
use seawall::health::checks::event_loop_lag;
use seawall::telemetry::Environment;
use seawall::time::Clock;
use tokio_test::{assert_pending, assert_ready, task};

use super::assert_found;

const MS: Duration = Duration::from_millis(1);

#[test]
fn the_longest_delay_of_a_run_decides() {
    use Verdict::{Degraded, Down, Healthy};
    for (delays, expected) in [
        ([0, 0, 0], Healthy),
        ([99, 0, 99], Healthy),
        ([0, 100, 0], Degraded),
        ([999, 5, 0], Degraded),
        ([0, 0, 1_000], Down),
        ([5_000, 0, 0], Down),
    ] {
        let clock = Clock::manual();
        let environment = Environment::new().clock(clock.clone());
        let mut check = event_loop_lag("lag").samples(3).check_in(&environment);

        let mut run = task::spawn(check.run_once());
        for delay in delays {
            assert_pending!(run.poll());
            clock.advance(20 * MS - Duration::from_nanos(1));
            assert_pending!(run.poll(), "before its time");
            clock.advance(Duration::from_nanos(1) + delay * MS);
        }
        let finding = assert_ready!(run.poll());

        assert_found(&finding, expected, &format!("{delays:?}"));
        let longest = f64::from(*delays.iter().max().unwrap()) / 1_000.0;
        let (observed, unit) = finding.observation().unwrap();
        assert!((observed - longest).abs() < 1e-9 && unit == "s", "{finding:?}");
    }
}

#[test]
fn a_run_that_is_dropped_leaves_the_next_one_alone() {
    let clock = Clock::manual();
    let environment = Environment::new().clock(clock.clone());
    let mut check = event_loop_lag("lag").samples(1).check_in(&environment);

    let mut dropped = task::spawn(check.run_once());
    assert_pending!(dropped.poll());
    drop(dropped);
    clock.advance(5_000 * MS);
    let mut run = task::spawn(check.run_once());
    assert_pending!(run.poll());
    clock.advance(20 * MS);

    assert_found(&assert_ready!(run.poll()), Verdict::Healthy, "the next one");
}
