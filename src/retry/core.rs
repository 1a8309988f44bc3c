//! Whether a call is made again, and after what wait: no clock, no budget, no request.

use std::time::Duration;

use crate::backoff::{Jitter, Schedule, SharedSchedule, portion};
use crate::outcome::Outcome;
use crate::sync::{AtomicU32, AtomicU64, Ordering};
use crate::time::{Instant, nanos};

/// What a retry allows, checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Params {
    /// The first attempt included. At least 1.
    pub(super) max_attempts: u32,
    pub(super) schedule: Schedule,
    pub(super) max_retry_after: Duration,
    pub(super) min_attempt_time: Duration,
}

/// [`Params`] that can be replaced while calls run. A call may see some old and some new ones.
#[derive(Debug)]
pub(super) struct Settings {
    max_attempts: AtomicU32,
    schedule: SharedSchedule,
    max_retry_after_nanos: AtomicU64,
    min_attempt_time_nanos: AtomicU64,
}

/// One call on its way through its attempts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Course {
    /// Attempts that have ended.
    made: u32,
    /// The number that the call's first attempt had, given by whoever made the call.
    incoming: u32,
    /// The last wait.
    previous_nanos: u64,
}

/// What follows on an attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Decision {
    Finish(End),
    Repeat { after: Duration },
}

/// Why no attempt follows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    /// The call may have taken effect, and must not take effect twice.
    Ambiguous,
    /// The outcome is no reason to try again.
    Settled,
    /// The attempts are spent.
    Spent,
    /// The service asks for a longer wait than is allowed.
    TooFar,
    /// The next attempt would not fit before the deadline.
    TooLate,
}

impl Params {
    /// From when on no attempt may begin that must end at `end`.
    pub(super) fn limit(&self, end: Instant) -> Instant {
        end - self.shortest() + Duration::from_nanos(1)
    }

    /// The time that an attempt must have left when it begins.
    fn shortest(&self) -> Duration {
        self.min_attempt_time.max(Duration::from_nanos(1))
    }
}

impl Course {
    #[inline]
    pub(super) const fn new(incoming: u32) -> Self {
        Self { made: 0, incoming, previous_nanos: 0 }
    }

    /// The number of the attempt that runs or follows, counted from the first one of whoever made
    /// the call.
    #[inline]
    pub(super) const fn attempt(&self) -> u32 {
        self.incoming.saturating_add(self.made)
    }

    /// How many attempts have ended.
    #[inline]
    pub(super) const fn made(&self) -> u32 {
        self.made
    }

    /// Decides what follows on an attempt that ended with `outcome`.
    ///
    /// `is_safe` says whether the call may be made again though this attempt was made. `remaining`
    /// is the time left before the deadline, if there is one. `chance` is any number; it picks the
    /// point within the wait's range.
    pub(super) fn decide(
        &mut self,
        outcome: Outcome,
        is_safe: bool,
        remaining: Option<Duration>,
        params: &Params,
        chance: impl FnOnce() -> u64,
    ) -> Decision {
        self.made = self.made.saturating_add(1);
        let hint = match outcome {
            Outcome::Overload { retry_after } => retry_after,
            Outcome::Transient => None,
            Outcome::Neutral | Outcome::Permanent | Outcome::Success => {
                return Decision::Finish(End::Settled);
            }
        };
        if !is_safe {
            return Decision::Finish(End::Ambiguous);
        }
        if self.made >= self.allowed(params) {
            return Decision::Finish(End::Spent);
        }
        if hint.is_some_and(|hint| hint > params.max_retry_after) {
            return Decision::Finish(End::TooFar);
        }
        // What is left for waiting.
        let room =
            remaining.map_or(Some(Duration::MAX), |left| left.checked_sub(params.shortest()));
        let Some(room) = room else { return Decision::Finish(End::TooLate) };
        let after = if let Some(hint) = hint {
            self.after_hint(hint, room, params, chance)
        } else {
            let previous = Duration::from_nanos(self.previous_nanos);
            params.schedule.wait(self.made - 1, previous, chance())
        };
        if after > room {
            return Decision::Finish(End::TooLate);
        }
        self.previous_nanos = nanos(after);
        Decision::Repeat { after }
    }

    /// A wait of no less than `hint`: who was told the same must not come at the same time.
    ///
    /// The spread lies above the hint. It is half of it, or the own interval where that is longer,
    /// and gives way to the deadline, which the hint itself does not.
    fn after_hint(
        &self,
        hint: Duration,
        room: Duration,
        params: &Params,
        chance: impl FnOnce() -> u64,
    ) -> Duration {
        let interval = params.schedule.interval(self.made - 1);
        if params.schedule.jitter() == Jitter::None {
            return hint.max(interval);
        }
        let spread = interval.max(hint / 2).min(room.saturating_sub(hint));
        hint.saturating_add(Duration::from_nanos(portion(nanos(spread), chance())))
    }

    /// How many attempts this call has: fewer, when callers further out have repeated it already.
    fn allowed(&self, params: &Params) -> u32 {
        params.max_attempts.saturating_sub(self.incoming.saturating_sub(1)).max(1)
    }
}

impl Settings {
    pub(super) fn new(params: &Params) -> Self {
        Self {
            max_attempts: AtomicU32::new(params.max_attempts),
            schedule: SharedSchedule::new(params.schedule),
            max_retry_after_nanos: AtomicU64::new(nanos(params.max_retry_after)),
            min_attempt_time_nanos: AtomicU64::new(nanos(params.min_attempt_time)),
        }
    }

    // Relaxed throughout: the settings publish nothing but themselves.
    pub(super) fn store(&self, params: &Params) {
        self.max_attempts.store(params.max_attempts, Ordering::Relaxed);
        self.schedule.store(params.schedule);
        self.max_retry_after_nanos.store(nanos(params.max_retry_after), Ordering::Relaxed);
        self.min_attempt_time_nanos.store(nanos(params.min_attempt_time), Ordering::Relaxed);
    }

    pub(super) fn load(&self) -> Params {
        let duration = |word: &AtomicU64| Duration::from_nanos(word.load(Ordering::Relaxed));
        Params {
            max_attempts: self.max_attempts.load(Ordering::Relaxed),
            schedule: self.schedule.load(),
            max_retry_after: duration(&self.max_retry_after_nanos),
            min_attempt_time: duration(&self.min_attempt_time_nanos),
        }
    }
}

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::backoff::Backoff;

    const OVERLOAD: Outcome = Outcome::Overload { retry_after: None };

    #[test]
    fn what_is_settled_is_not_repeated() {
        for outcome in [Outcome::Success, Outcome::Permanent, Outcome::Neutral] {
            for is_safe in [true, false] {
                let decision = Course::new(1).decide(outcome, is_safe, None, &params(), zero);
                assert_eq!(decision, Decision::Finish(End::Settled), "{outcome:?}");
            }
        }
    }

    #[test]
    fn what_may_have_taken_effect_and_must_not_twice_is_ambiguous() {
        for outcome in [Outcome::Transient, OVERLOAD, hint(1_000_000)] {
            let decision = Course::new(1).decide(outcome, false, None, &params(), zero);
            assert_eq!(decision, Decision::Finish(End::Ambiguous), "{outcome:?}");
        }
    }

    #[test]
    fn makes_as_many_attempts_as_allowed() {
        for max_attempts in [1, 2, 3, 10] {
            let params = Params { max_attempts, ..params() };
            assert_eq!(attempts(&mut Course::new(1), &params), max_attempts);
        }
    }

    #[test]
    fn a_call_that_is_a_repeat_itself_has_fewer_attempts_and_one_at_least() {
        for (incoming, expected) in [(0, 3), (1, 3), (2, 2), (3, 1), (4, 1), (u32::MAX, 1)] {
            assert_eq!(attempts(&mut Course::new(incoming), &params()), expected, "{incoming}");
        }
    }

    #[test]
    fn attempts_are_numbered_on_from_the_callers() {
        let mut course = Course::new(2);
        assert_eq!(course.attempt(), 2);
        course.decide(Outcome::Transient, true, None, &params(), zero);
        assert_eq!((course.attempt(), course.made()), (3, 1));

        let mut last = Course::new(u32::MAX);
        last.decide(Outcome::Transient, true, None, &params(), zero);
        assert_eq!(last.attempt(), u32::MAX);
    }

    #[test]
    fn waits_grow_with_each_repeat() {
        let params = Params { max_attempts: 5, ..params() };
        let mut course = Course::new(1);

        let waits = [100, 200, 400]
            .map(|_| course.decide(Outcome::Transient, true, None, &params, || u64::MAX));

        assert_eq!(waits, [100, 200, 400].map(|wait| repeat(millis(wait))));
    }

    #[test]
    fn a_decorrelated_wait_starts_from_the_one_before() {
        let schedule = Backoff::decorrelated(millis(100)).schedule().unwrap();
        let params = Params { max_attempts: 5, schedule, ..params() };
        let mut course = Course::new(1);

        let waits = [300, 900, 2_700]
            .map(|_| course.decide(Outcome::Transient, true, None, &params, || u64::MAX));

        assert_eq!(waits, [300, 900, 2_700].map(|wait| repeat(millis(wait))));
    }

    #[test]
    fn a_hint_is_a_lower_bound_and_spread_above_it() {
        let decide = |hint, chance| {
            let chance = move || chance;
            Course::new(1).decide(self::hint(hint), true, None, &params(), chance)
        };

        assert_eq!(decide(2_000, 0), repeat(millis(2_000)));
        assert_eq!(decide(2_000, u64::MAX), repeat(millis(3_000)));
        // A short hint is spread as far as the own interval.
        assert_eq!(decide(10, 0), repeat(millis(10)));
        assert_eq!(decide(10, u64::MAX), repeat(millis(110)));
        // At the cap there is a spread, too; above it there is no repeat.
        assert_eq!(decide(30_000, u64::MAX), repeat(millis(45_000)));
        assert_eq!(decide(30_001, 0), Decision::Finish(End::TooFar));
    }

    #[test]
    fn a_hint_without_jitter_is_kept_to_the_nanosecond() {
        let backoff = Backoff::exponential(millis(100)).jitter(Jitter::None);
        let params = Params { schedule: backoff.schedule().unwrap(), ..params() };
        let exact = Duration::new(7, 123_456_789);
        for (hint, expected) in [(exact, exact), (millis(1), millis(100))] {
            let outcome = Outcome::Overload { retry_after: Some(hint) };
            let decision = Course::new(1).decide(outcome, true, None, &params, || 5);
            assert_eq!(decision, repeat(expected));
        }
    }

    #[test]
    fn a_wait_that_reaches_the_deadline_is_not_begun() {
        let decide = |outcome, left, min_attempt_time, chance: u64| {
            let params = Params { min_attempt_time: millis(min_attempt_time), ..params() };
            let left = Some(Duration::from_nanos(left));
            Course::new(1).decide(outcome, true, left, &params, || chance)
        };
        let late = Decision::Finish(End::TooLate);
        let ms = 1_000_000;

        assert_eq!(decide(Outcome::Transient, 100 * ms, 0, u64::MAX), late);
        assert_eq!(decide(Outcome::Transient, 100 * ms + 1, 0, u64::MAX), repeat(millis(100)));
        assert_eq!(decide(Outcome::Transient, 149 * ms, 50, u64::MAX), late);
        assert_eq!(decide(Outcome::Transient, 150 * ms, 50, u64::MAX), repeat(millis(100)));
        assert_eq!(decide(Outcome::Transient, 0, 0, 0), late);
        assert_eq!(decide(Outcome::Transient, 49 * ms, 50, 0), late);
        // The spread above a hint gives way to the deadline, the hint does not.
        assert_eq!(decide(hint(100), 120 * ms + 1, 0, u64::MAX), repeat(millis(120)));
        assert_eq!(decide(hint(100), 100 * ms, 0, 0), late);
        assert_eq!(decide(hint(100), 100 * ms + 1, 0, u64::MAX), repeat(millis(100)));
    }

    #[test]
    fn what_may_just_be_decided_may_just_be_begun() {
        for min_attempt_time in [Duration::ZERO, Duration::from_nanos(1), millis(50)] {
            let params = Params { min_attempt_time, ..params() };
            let (now, left) = (Instant::from_nanos(77), millis(200));
            let room = left.saturating_sub(min_attempt_time.max(Duration::from_nanos(1)));

            let limit = params.limit(now + left);

            assert_eq!(limit, now + room + Duration::from_nanos(1));
        }
    }

    #[test]
    fn settings_that_are_replaced_come_back_as_they_were() {
        let settings = Settings::new(&params());
        assert_eq!(settings.load(), params());
        let others = Params {
            max_attempts: 9,
            schedule: Backoff::constant(millis(3)).schedule().unwrap(),
            max_retry_after: millis(4),
            min_attempt_time: millis(5),
        };

        settings.store(&others);

        assert_eq!(settings.load(), others);
    }

    proptest! {
        #[test]
        fn no_repeat_breaks_a_rule(
            max_attempts in 1_u32..6,
            incoming in prop_oneof![0_u32..6, any::<u32>()],
            min_attempt_millis in 0_u64..500,
            max_hint_millis in 0_u64..20_000,
            attempts in proptest::collection::vec(attempt(), 1..8),
        ) {
            let params = Params {
                max_attempts,
                max_retry_after: millis(max_hint_millis),
                min_attempt_time: millis(min_attempt_millis),
                ..params()
            };
            let mut course = Course::new(incoming);
            for (n, (outcome, is_safe, left, chance)) in (1_u32..).zip(attempts) {
                let decision = course.decide(outcome, is_safe, left, &params, || chance);
                let Decision::Repeat { after } = decision else { break };
                prop_assert!(is_safe);
                prop_assert!(n < max_attempts);
                prop_assert!(u64::from(n) + u64::from(incoming.max(1)) <= u64::from(max_attempts));
                let hint = match outcome {
                    Outcome::Transient => None,
                    Outcome::Overload { retry_after } => retry_after,
                    settled => return Err(TestCaseError::fail(format!("{settled:?} repeated"))),
                };
                if let Some(hint) = hint {
                    prop_assert!(after >= hint, "{after:?} undercuts {hint:?}");
                    prop_assert!(hint <= params.max_retry_after);
                    let interval = params.schedule.interval(n - 1);
                    prop_assert!(after <= hint + interval.max(hint / 2));
                } else {
                    prop_assert!(after <= params.schedule.interval(n - 1));
                }
                if let Some(left) = left {
                    prop_assert!(after < left);
                    prop_assert!(left.checked_sub(after) >= Some(params.min_attempt_time));
                }
            }
        }
    }

    fn attempt() -> impl Strategy<Value = (Outcome, bool, Option<Duration>, u64)> {
        let duration = prop_oneof![
            (0_u64..40_000_000_000).prop_map(Duration::from_nanos),
            Just(Duration::ZERO),
            Just(Duration::MAX),
        ];
        let outcome = prop_oneof![
            6 => Just(Outcome::Transient),
            6 => proptest::option::of(duration.clone())
                .prop_map(|retry_after| Outcome::Overload { retry_after }),
            1 => Just(Outcome::Success),
        ];
        let is_safe = proptest::bool::weighted(0.9);
        (outcome, is_safe, proptest::option::of(duration), any::<u64>())
    }

    fn attempts(course: &mut Course, params: &Params) -> u32 {
        let repeats = std::iter::from_fn(|| {
            let decision = course.decide(Outcome::Transient, true, None, params, zero);
            matches!(decision, Decision::Repeat { .. }).then_some(())
        });
        1 + u32::try_from(repeats.take(1_000).count()).unwrap()
    }

    fn params() -> Params {
        Params {
            max_attempts: 3,
            schedule: Backoff::default().schedule().unwrap(),
            max_retry_after: millis(30_000),
            min_attempt_time: Duration::ZERO,
        }
    }

    fn repeat(after: Duration) -> Decision {
        Decision::Repeat { after }
    }

    fn hint(ms: u64) -> Outcome {
        Outcome::Overload { retry_after: Some(millis(ms)) }
    }

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn zero() -> u64 {
        0
    }
}
