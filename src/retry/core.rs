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
        let after = match hint {
            Some(hint) => self.after_hint(hint, room, params, chance),
            None => {
                let previous = Duration::from_nanos(self.previous_nanos);
                params.schedule.wait(self.made - 1, previous, chance())
            }
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
