//! What happens when: the phases of the run and the arrivals of the calls.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// What a server can do in a second when it is well.
pub(crate) const CAPACITY: u32 = 300;

/// Calls that each client is asked to make in a second: 93 % of what its server can do.
pub(crate) const ARRIVALS: u32 = 280;

/// How the front of a server meets a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Front {
    /// Takes it into the queue and answers when the work is done.
    Serve,
    /// Answers 503 at once, with `Retry-After: 1`.
    Refuse,
    /// Resets its connection.
    Reset,
    /// Does not listen; connections are refused.
    Gone,
}

/// A stretch of the run in which a server behaves in one way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phase {
    /// A word for tables and plots.
    pub(crate) name: &'static str,
    /// What the server does, for people.
    pub(crate) what: &'static str,
    /// How long it lasts, in seconds.
    pub(crate) seconds: u32,
    pub(crate) front: Front,
    /// Requests that the worker behind the front finishes in a second.
    pub(crate) rate: u32,
}

/// The whole run. Both servers follow it at the same time.
pub(crate) const SCRIPT: [Phase; 7] = [
    Phase {
        name: "healthy",
        what: "answers 300 requests/s",
        seconds: 10,
        front: Front::Serve,
        rate: CAPACITY,
    },
    Phase {
        name: "brown-out",
        what: "slow: 60 requests/s",
        seconds: 5,
        front: Front::Serve,
        rate: CAPACITY / 5,
    },
    Phase {
        name: "503",
        what: "503, Retry-After: 1",
        seconds: 5,
        front: Front::Refuse,
        rate: CAPACITY,
    },
    Phase {
        name: "hang",
        what: "takes requests, answers none",
        seconds: 5,
        front: Front::Serve,
        rate: 0,
    },
    Phase {
        name: "reset",
        what: "resets connections",
        seconds: 4,
        front: Front::Reset,
        rate: CAPACITY,
    },
    Phase {
        name: "dead",
        what: "refuses connections",
        seconds: 4,
        front: Front::Gone,
        rate: CAPACITY,
    },
    Phase {
        name: "recovered",
        what: "answers 300 requests/s again",
        seconds: 32,
        front: Front::Serve,
        rate: CAPACITY,
    },
];

/// The phase that goes on at `at`, with its place in the script; the last one never ends.
pub(crate) fn phase_at(at: Duration) -> (usize, &'static Phase) {
    let mut end = 0;
    for (index, phase) in SCRIPT.iter().enumerate() {
        end += phase.seconds;
        if at < Duration::from_secs(end.into()) {
            return (index, phase);
        }
    }
    (SCRIPT.len() - 1, &SCRIPT[SCRIPT.len() - 1])
}

/// Every phase with the second it begins in and the one it ends before.
pub(crate) fn spans() -> impl Iterator<Item = (&'static Phase, u32, u32)> {
    SCRIPT.iter().scan(0, |end, phase| {
        let from = *end;
        *end += phase.seconds;
        Some((phase, from, *end))
    })
}

/// Seconds from the first arrival to the end of the watch.
pub(crate) fn length() -> u32 {
    SCRIPT.iter().map(|phase| phase.seconds).sum()
}

/// The second in which the outage is over: the last phase begins.
pub(crate) fn outage_end() -> u32 {
    length() - SCRIPT[SCRIPT.len() - 1].seconds
}

/// When calls arrive: one at a point drawn by chance from each slot of 1/280 s.
///
/// The load is open: a call arrives whether or not the ones before it have ended. Slots keep the
/// number of arrivals the same in every second, so that a change in goodput is the server's or the
/// client's doing and not the luck of the draw.
pub(crate) fn arrivals(seed: u64) -> Vec<Duration> {
    let mut rng = StdRng::seed_from_u64(seed);
    let slot = 1.0 / f64::from(ARRIVALS);
    (0..length() * ARRIVALS)
        .map(|slots| Duration::from_secs_f64((f64::from(slots) + rng.random::<f64>()) * slot))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_ends_in_time_and_watches_the_recovery_for_half_a_minute() {
        assert!(length() + 10 <= 80);
        assert!(length() - outage_end() >= 30);
        assert_eq!(SCRIPT[SCRIPT.len() - 1].name, "recovered");
    }

    #[test]
    fn phases_follow_each_other_and_the_last_one_stays() {
        let at = |seconds: f64| phase_at(Duration::from_secs_f64(seconds)).1.name;

        assert_eq!(at(0.0), "healthy");
        assert_eq!(at(9.999), "healthy");
        assert_eq!(at(10.0), "brown-out");
        assert_eq!(at(32.999), "dead");
        assert_eq!(at(33.0), "recovered");
        assert_eq!(at(1e6), "recovered");
        assert_eq!(spans().last().map(|(_, from, to)| (from, to)), Some((33, 65)));
    }

    #[test]
    fn every_second_has_the_same_number_of_arrivals_in_order() {
        let arrivals = arrivals(7);

        assert!(arrivals.is_sorted());
        for second in 0..length() {
            let number = arrivals.iter().filter(|at| at.as_secs() == u64::from(second)).count();
            assert_eq!(number, 280, "in second {second}");
        }
    }

    #[test]
    fn a_seed_draws_the_same_arrivals_again_and_another_seed_others() {
        assert_eq!(arrivals(1), arrivals(1));
        assert_ne!(arrivals(1), arrivals(2));
    }
}
