//! Whether a call is made again, and after what wait: no clock, no connection, no budget.

use std::time::Duration;

use super::Handling;
use crate::backoff::{Schedule, portion};
use crate::time::nanos;

/// How often and how fast, checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// The first attempt included. At least 1.
    pub(super) max_attempts: u32,
    /// What a failover needs.
    pub(super) backoff: Schedule,
    /// What a deadlock needs.
    pub(super) rerun: Schedule,
}

/// One call on its way through its attempts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Course {
    /// Attempts that have ended.
    made: u32,
    /// Those of them that lost against another transaction.
    quick: u32,
    /// How often it was turned away on its way.
    refused: u32,
    /// The number that the call's first attempt had, given by whoever made the call.
    incoming: u32,
}

/// What follows on an attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Decision {
    Finish,
    Repeat { after: Duration },
}

impl Course {
    pub(super) const fn new(incoming: u32) -> Self {
        let incoming = if incoming == 0 { 1 } else { incoming };
        Self { made: 0, quick: 0, refused: 0, incoming }
    }

    /// The number of the attempt that runs or follows.
    pub(super) const fn attempt(self) -> u32 {
        self.incoming.saturating_add(self.made)
    }

    /// How many attempts have ended.
    pub(super) const fn made(self) -> u32 {
        self.made
    }

    /// Decides what follows on an attempt that ended as `handling` says. `remaining` is the time
    /// left before the deadline, if there is one.
    pub(super) fn decide(
        &mut self,
        handling: Handling,
        remaining: Option<Duration>,
        pace: &Pace,
        chance: u64,
    ) -> Decision {
        self.made = self.made.saturating_add(1);
        // A call that is a repeat itself has fewer of its own.
        if self.attempt() > pace.max_attempts {
            return Decision::Finish;
        }
        let interval = pace.backoff.interval(self.made - 1 - self.quick);
        let after = match handling {
            Handling::Never => return Decision::Finish,
            Handling::Rerun => {
                self.quick += 1;
                pace.rerun.wait(self.quick - 1, Duration::ZERO, chance)
            }
            Handling::Reconnect | Handling::WrongReplica | Handling::Primary => {
                spread(interval, chance)
            }
            Handling::BackOff => spread(interval.saturating_add(WHEN_FULL), chance),
            Handling::Throttled { wait } => {
                spread(interval.saturating_add(WHEN_FULL).max(wait), chance)
            }
        };
        if remaining.is_some_and(|remaining| after >= remaining) {
            return Decision::Finish;
        }
        Decision::Repeat { after }
    }

    /// Decides what follows when a policy has turned the next attempt away, for that time at least.
    /// No attempt was made, but nobody is turned away more often than he may try.
    pub(super) fn wait_out(
        &mut self,
        wait: Duration,
        remaining: Option<Duration>,
        pace: &Pace,
        chance: u64,
    ) -> Decision {
        self.refused = self.refused.saturating_add(1);
        let after = spread(wait, chance);
        if self.refused > pace.max_attempts || remaining.is_some_and(|remaining| after >= remaining)
        {
            return Decision::Finish;
        }
        Decision::Repeat { after }
    }
}

/// From `interval` to a quarter more: what a failover needs is a lower bound, so clients that
/// failed together are spread above it.
fn spread(interval: Duration, chance: u64) -> Duration {
    interval.saturating_add(Duration::from_nanos(portion(nanos(interval / 4), chance)))
}

/// What a server that is full gets on top, as by Entity Framework's strategy for Azure SQL.
const WHEN_FULL: Duration = Duration::from_secs(5);

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use super::*;
    use crate::backoff::{Backoff, Jitter};

    const TEN: Handling = Handling::Throttled { wait: Duration::from_secs(10) };

    #[test]
    fn waits_grow_from_five_seconds_to_a_minute() {
        let waits = waits(Handling::Reconnect, 0);

        assert_eq!(waits, [5, 10, 20, 40, 60, 60, 60].map(Duration::from_secs));
    }

    #[test]
    fn waits_are_spread_above_what_is_needed_and_never_below() {
        for chance in [0, 1, u64::MAX / 2, u64::MAX] {
            for (least, wait) in
                waits(Handling::Reconnect, 0).into_iter().zip(waits(Handling::Reconnect, chance))
            {
                assert!(wait >= least && wait <= least * 5 / 4, "{wait:?}");
            }
        }
        assert_ne!(waits(Handling::Reconnect, 0), waits(Handling::Reconnect, u64::MAX));
    }

    #[test]
    fn a_full_server_is_given_five_seconds_more_and_what_it_asks_for() {
        assert_eq!(waits(Handling::BackOff, 0)[..3], [10, 15, 25].map(Duration::from_secs));
        assert_eq!(waits(TEN, 0)[..3], [10, 15, 25].map(Duration::from_secs));
        let long = Handling::Throttled { wait: Duration::from_secs(100) };
        assert_eq!(waits(long, 0)[0], Duration::from_secs(100));
    }

    #[test]
    fn a_deadlock_is_tried_again_at_once_and_does_not_lengthen_other_waits() {
        let mut course = Course::new(1);
        for _ in 0..3 {
            let Decision::Repeat { after } = course.decide(Handling::Rerun, None, &pace(), 0)
            else {
                panic!("attempts are left");
            };
            assert!(after <= Duration::from_secs(1), "{after:?}");
        }
        let slow = course.decide(Handling::Reconnect, None, &pace(), 0);

        assert_eq!(slow, Decision::Repeat { after: Duration::from_secs(5) });
        assert_eq!(course.made(), 4);
    }

    #[test]
    fn what_does_not_pass_or_does_not_fit_is_not_tried_again() {
        let five = Duration::from_secs(5);
        assert_eq!(Course::new(1).decide(Handling::Never, None, &pace(), 0), Decision::Finish);
        assert_eq!(
            Course::new(1).decide(Handling::Reconnect, Some(five), &pace(), 0),
            Decision::Finish
        );
        let longer = Some(five + Duration::from_nanos(1));
        assert_eq!(
            Course::new(1).decide(Handling::Reconnect, longer, &pace(), 0),
            Decision::Repeat { after: five }
        );
    }

    #[test]
    fn is_turned_away_as_often_as_it_may_try_and_not_past_its_deadline() {
        let five = Duration::from_secs(5);
        let mut course = Course::new(1);
        for _ in 0..8 {
            let decision = course.wait_out(five, None, &pace(), 0);
            assert_eq!(decision, Decision::Repeat { after: five });
        }
        assert_eq!(course.wait_out(five, None, &pace(), 0), Decision::Finish);
        assert_eq!(course.made(), 0);
        assert_eq!(Course::new(1).wait_out(five, Some(five), &pace(), 0), Decision::Finish);
    }

    #[test]
    fn makes_as_many_attempts_as_allowed() {
        for handling in [Handling::Reconnect, Handling::Rerun, TEN] {
            assert_eq!(waits(handling, 7).len(), 7);
        }
        let mut repeat = Course::new(7);
        assert!(repeat.decide(Handling::Rerun, None, &pace(), 0) != Decision::Finish);
        assert_eq!(repeat.decide(Handling::Rerun, None, &pace(), 0), Decision::Finish);
        let once = Pace { max_attempts: 1, ..pace() };
        let decision = Course::new(1).decide(Handling::Reconnect, None, &once, 0);
        assert_eq!(decision, Decision::Finish);
    }

    fn waits(handling: Handling, chance: u64) -> Vec<Duration> {
        let mut course = Course::new(1);
        let mut waits = Vec::new();
        while let Decision::Repeat { after } = course.decide(handling, None, &pace(), chance) {
            waits.push(after);
        }
        waits
    }

    fn pace() -> Pace {
        let backoff = Backoff::exponential(Duration::from_secs(5)).max(Duration::from_secs(60));
        let rerun = Backoff::exponential(Duration::from_millis(50))
            .max(Duration::from_secs(1))
            .jitter(Jitter::Equal);
        Pace {
            max_attempts: 8,
            backoff: backoff.schedule().unwrap(),
            rerun: rerun.schedule().unwrap(),
        }
    }
}
