//! The account of request units itself: no clock, no runtime, no lock.
//!
//! The generic cell rate algorithm (ITU-T I.371) by time: one word says when all that was taken is
//! earned again. It may lie ahead of now, for what a call costs is known at its end only. So a call
//! begins when nothing is owed, and may then owe as much as it costs.

use std::time::Duration;

use crate::sync::{AtomicU64, Ordering};
use crate::time::{Instant, nanos};

/// Checked settings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Params {
    /// How long it takes to earn one unit.
    pub(super) nanos_per_unit: f64,
    /// How much may lie saved up, as the time it takes to earn it.
    pub(super) burst: Duration,
    pub(super) max_wait: Duration,
}

#[derive(Debug)]
pub(super) struct Core {
    params: Params,
    /// When all that was taken is earned again, in nanoseconds.
    earned: AtomicU64,
    /// Until when everything costs [`SLOWDOWN`] times as much.
    slow_until: AtomicU64,
}

/// What a call has taken, and when it may begin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ticket {
    pub(super) begin: Instant,
    /// What it has taken so far.
    nanos: u64,
    /// What a unit costs this call.
    nanos_per_unit: f64,
}

impl Core {
    pub(super) const fn new(params: Params, earned: AtomicU64, slow_until: AtomicU64) -> Self {
        Self { params, earned, slow_until }
    }

    /// Takes `units` in advance.
    ///
    /// # Errors
    ///
    /// When it would have to wait for too long: how long.
    pub(super) fn enter(
        &self,
        units: f64,
        now: Instant,
        patience: Duration,
    ) -> Result<Ticket, Duration> {
        let factor = if self.is_slow(now) { SLOWDOWN } else { 1.0 };
        let nanos_per_unit = self.params.nanos_per_unit * factor;
        let cost = cost(units, nanos_per_unit);
        let floor = now.as_nanos().saturating_sub(nanos(self.params.burst));
        let patience = nanos(patience.min(self.params.max_wait));
        let mut seen = self.earned.load(Ordering::Relaxed);
        loop {
            let base = seen.max(floor);
            let wait = base.saturating_sub(now.as_nanos());
            if wait > patience {
                return Err(Duration::from_nanos(wait));
            }
            // Nothing is published by the word: it is the whole state.
            let next = base.saturating_add(cost);
            match self.earned.compare_exchange_weak(
                seen,
                next,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    let begin = Instant::from_nanos(base.max(now.as_nanos()));
                    return Ok(Ticket { begin, nanos: cost, nanos_per_unit });
                }
                Err(other) => seen = other,
            }
        }
    }

    /// Makes up for the difference between what was taken and what the call has cost.
    pub(super) fn settle(&self, ticket: Ticket, units: f64, now: Instant) {
        self.correct(ticket.nanos, cost(units, ticket.nanos_per_unit), now);
    }

    /// Gives back what was taken for a call that was not made.
    pub(super) fn refund(&self, ticket: Ticket, now: Instant) {
        self.correct(ticket.nanos, 0, now);
    }

    fn correct(&self, taken: u64, cost: u64, now: Instant) {
        // One call can not make all others wait for ever.
        let ceiling = now.as_nanos().saturating_add(nanos(MAX_DEBT));
        let mut seen = self.earned.load(Ordering::Relaxed);
        loop {
            let next = seen.saturating_add(cost).saturating_sub(taken).min(seen.max(ceiling));
            match self.earned.compare_exchange_weak(
                seen,
                next,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(other) => seen = other,
            }
        }
    }

    /// Lowers the pace until then. Whether it was not low before.
    pub(super) fn slow_down(&self, wait: Duration, now: Instant) -> bool {
        let until = now + wait.clamp(MIN_SLOW, MAX_SLOW);
        let before = self.slow_until.fetch_max(until.as_nanos(), Ordering::Relaxed);
        before <= now.as_nanos()
    }

    pub(super) fn is_slow(&self, now: Instant) -> bool {
        self.slow_until.load(Ordering::Relaxed) > now.as_nanos()
    }

    /// How many units lie ready; below zero, how many are owed.
    pub(super) fn available(&self, now: Instant) -> f64 {
        let floor = now.as_nanos().saturating_sub(nanos(self.params.burst));
        let earned = self.earned.load(Ordering::Relaxed).max(floor);
        let ready = now.as_nanos().saturating_sub(earned);
        let owed = earned.saturating_sub(now.as_nanos());
        #[expect(clippy::cast_precision_loss, reason = "a level is read by people")]
        let nanos = ready as f64 - owed as f64;
        nanos / self.params.nanos_per_unit
    }
}

fn cost(units: f64, nanos_per_unit: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a conversion of floats saturates, and takes what is no number for 0"
    )]
    let nanos = (units * nanos_per_unit) as u64;
    nanos.min(nanos_of_max_debt())
}

const fn nanos_of_max_debt() -> u64 {
    MAX_DEBT.as_secs() * 1_000_000_000
}

/// How much more a unit costs while the service throttles.
const SLOWDOWN: f64 = 2.0;

/// A minute's quota: what the dearest query may cost the others.
const MAX_DEBT: Duration = Duration::from_secs(60);

/// The service's quota is renewed each second.
const MIN_SLOW: Duration = Duration::from_secs(1);
const MAX_SLOW: Duration = Duration::from_secs(30);

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_up_is_spent_at_once_and_the_rest_as_it_is_earned() {
        let core = core();
        for _ in 0..10 {
            assert_eq!(core.enter(10.0, at(0), SECOND).unwrap().begin, at(0));
        }
        // One hundred is saved up, and who finds nothing owed may begin.
        assert_eq!(core.enter(10.0, at(0), SECOND).unwrap().begin, at(0));
        assert_eq!(core.enter(10.0, at(0), SECOND).unwrap().begin, at(100));
        assert_eq!(core.enter(10.0, at(0), SECOND).unwrap().begin, at(200));
    }

    #[test]
    fn a_call_that_cost_more_makes_the_next_one_wait() {
        let core = core();
        let query = core.enter(1.0, at(0), SECOND).unwrap();

        core.settle(query, 150.0, at(0));

        assert_eq!(core.enter(1.0, at(0), SECOND).unwrap().begin, at(500));
    }

    #[test]
    fn a_call_that_cost_less_or_was_not_made_gives_back() {
        let core = core();
        let cheap = core.enter(80.0, at(0), SECOND).unwrap();
        core.settle(cheap, 30.0, at(0));
        assert!((core.available(at(0)) - 70.0).abs() < 1e-6);

        let dropped = core.enter(50.0, at(0), SECOND).unwrap();
        core.refund(dropped, at(0));

        assert!((core.available(at(0)) - 70.0).abs() < 1e-6);
    }

    #[test]
    fn who_would_wait_for_too_long_takes_nothing() {
        let core = core();
        let dear = core.enter(1.0, at(0), SECOND).unwrap();
        core.settle(dear, 350.0, at(0));

        assert_eq!(core.enter(1.0, at(0), SECOND), Err(Duration::from_millis(2_500)));
        assert!((core.available(at(0)) + 250.0).abs() < 1e-6);
    }

    #[test]
    fn an_endless_cost_is_owed_for_a_minute_at_most() {
        for units in [f64::INFINITY, f64::MAX, 1e300] {
            let core = core();
            let call = core.enter(1.0, at(0), SECOND).unwrap();
            core.settle(call, units, at(0));

            assert!(core.enter(1.0, at(60_000), SECOND).is_ok(), "{units}");
        }
        let core = core();
        let call = core.enter(f64::NAN, at(0), SECOND).unwrap();
        core.settle(call, -5.0, at(0));
        assert!((core.available(at(0)) - 100.0).abs() < 1e-6);
    }

    #[test]
    fn while_the_service_throttles_the_pace_is_half_and_then_whole_again() {
        let core = core();
        assert!(core.slow_down(Duration::from_millis(5), at(0)));
        assert!(!core.slow_down(Duration::from_millis(5), at(0)));
        for _ in 0..6 {
            core.enter(10.0, at(0), SECOND).unwrap();
        }
        assert_eq!(core.enter(10.0, at(0), SECOND).unwrap().begin, at(200));

        assert!(core.is_slow(at(999)));
        assert!(!core.is_slow(at(1_000)));
        assert!(core.slow_down(Duration::MAX, at(1_000)));
        assert!(!core.is_slow(at(31_000)));
    }

    #[test]
    fn no_more_is_spent_than_the_quota_whatever_calls_turn_out_to_cost() {
        let core = core();
        let mut seed = 7_u64;
        let (mut now, mut spent) = (0_u64, 0.0);
        for _ in 0..2_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            now += (seed >> 60) % 8;
            #[expect(clippy::cast_precision_loss, reason = "below 32")]
            let cost = ((seed >> 40) % 32) as f64;
            let Ok(call) = core.enter(5.0, at(now), Duration::ZERO) else { continue };
            core.settle(call, cost, at(now));
            spent += cost;
        }

        #[expect(clippy::cast_precision_loss, reason = "some seconds")]
        let earned = now as f64 / 10.0 + 100.0;
        // The last one may owe what it cost.
        assert!(spent <= earned + 32.0, "{spent} of {earned}");
        assert!(spent >= earned * 0.9, "{spent} of {earned}");
    }

    /// 100 units a second, of which one second's may lie saved up.
    fn core() -> Core {
        let params = Params { nanos_per_unit: 1e7, burst: SECOND, max_wait: SECOND };
        Core::new(params, AtomicU64::new(0), AtomicU64::new(0))
    }

    const SECOND: Duration = Duration::from_secs(1);

    /// Late enough that something is saved up.
    fn at(millis: u64) -> Instant {
        Instant::from_nanos((10_000 + millis) * 1_000_000)
    }
}

#[cfg(test)]
#[cfg(seawall_loom)]
mod laws {
    use loom::thread;

    use super::*;
    use crate::sync::Arc;

    #[test]
    fn no_unit_is_lost_or_taken_twice() {
        loom::model(|| {
            let params = Params {
                nanos_per_unit: 1.0,
                burst: Duration::ZERO,
                max_wait: Duration::from_secs(1),
            };
            let core = Arc::new(Core::new(params, AtomicU64::new(0), AtomicU64::new(0)));
            let now = Instant::from_nanos(1_000);
            let other = thread::spawn({
                let core = Arc::clone(&core);
                move || {
                    let call = core.enter(5.0, now, Duration::from_secs(1)).unwrap();
                    core.settle(call, 7.0, now);
                }
            });
            let call = core.enter(3.0, now, Duration::from_secs(1)).unwrap();
            core.refund(call, now);
            other.join().unwrap();

            assert_eq!(core.earned.load(Ordering::Relaxed), 1_007);
        });
    }
}
