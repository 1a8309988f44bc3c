//! The system's monotonic clock, read precisely and coarsely, on one time line.

use std::time::Duration;

use super::instant::Instant;

pub(super) use imp::{coarse, now, tick};

/// Whether `until` has come: exact, though the precise clock is asked close to the end only.
#[inline]
pub(super) fn has_passed(until: Instant) -> bool {
    let coarse = coarse();
    if coarse >= until {
        return true;
    }
    // The margin is for hosts that keep the timer interrupt from their guest for a while.
    until.since(coarse) <= tick() * 8 && now() >= until
}

/// Linux has a clock that is brought up to date by its timer interrupt. Reading it takes a tenth of
/// the time, for no counter of the processor is asked.
#[cfg(any(target_os = "android", target_os = "linux"))]
mod imp {
    use std::sync::OnceLock;

    use rustix::time::{ClockId, Timespec, clock_getres, clock_gettime};

    use super::{Duration, Instant};

    #[inline]
    pub(in crate::time) fn now() -> Instant {
        Instant::from_nanos(nanos(clock_gettime(ClockId::Monotonic)))
    }

    #[inline]
    pub(in crate::time) fn coarse() -> Instant {
        Instant::from_nanos(nanos(clock_gettime(ClockId::MonotonicCoarse)))
    }

    #[inline]
    pub(in crate::time) fn tick() -> Duration {
        static TICK: OnceLock<Duration> = OnceLock::new();
        // Twice the resolution: a processor that was idle may be a period late with its interrupt.
        *TICK.get_or_init(|| {
            Duration::from_nanos(nanos(clock_getres(ClockId::MonotonicCoarse)).saturating_mul(2))
        })
    }

    #[inline]
    #[expect(clippy::cast_sign_loss, reason = "the kernel's monotonic time is never negative")]
    fn nanos(time: Timespec) -> u64 {
        (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
    }
}

/// Elsewhere there is one clock for both readings.
#[cfg(not(any(target_os = "android", target_os = "linux")))]
#[expect(clippy::disallowed_types, reason = "this is where the crate's own instants come from")]
mod imp {
    use std::sync::OnceLock;

    use super::{Duration, Instant};
    use crate::time::nanos;

    #[inline]
    pub(in crate::time) fn now() -> Instant {
        static START: OnceLock<std::time::Instant> = OnceLock::new();
        Instant::from_nanos(nanos(START.get_or_init(std::time::Instant::now).elapsed()))
    }

    #[inline]
    pub(in crate::time) fn coarse() -> Instant {
        now()
    }

    #[inline]
    pub(in crate::time) fn tick() -> Duration {
        Duration::ZERO
    }
}
