//! A point in time, as one word.

use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// A point in time: nanoseconds since an arbitrary start, the same for the whole process.
///
/// It fits an atomic word, and its arithmetic saturates: no sum of an instant and a duration, how
/// long ever, overflows. Instants of one [`Clock`](super::Clock) can be compared; those of
/// different manual clocks have nothing to do with each other.
///
/// ```
/// use std::time::Duration;
///
/// use seawall::time::Instant;
///
/// let start = Instant::from_nanos(1_000);
/// let later = start + Duration::from_micros(2);
///
/// assert_eq!(later.as_nanos(), 3_000);
/// assert_eq!(later.since(start), Duration::from_micros(2));
/// assert_eq!(start.since(later), Duration::ZERO);
/// assert_eq!(start + Duration::MAX, Instant::FAR_FUTURE);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Instant(u64);

impl Instant {
    /// An instant that never comes: 584 years after the start.
    pub const FAR_FUTURE: Self = Self(u64::MAX);

    /// The instant `nanos` nanoseconds after the start of time.
    #[must_use]
    #[inline]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the start of time.
    #[must_use]
    #[inline]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time that has passed since `earlier`; zero if that is in fact later.
    #[must_use]
    #[inline]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// [`FAR_FUTURE`](Instant::FAR_FUTURE) at most.
impl Add<Duration> for Instant {
    type Output = Self;

    #[inline]
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

/// The start of time at least.
impl Sub<Duration> for Instant {
    type Output = Self;

    #[inline]
    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(duration)))
    }
}

/// The nanoseconds of `duration`, or all that a word holds.
#[inline]
pub(crate) fn nanos(duration: Duration) -> u64 {
    // In 64 bits: `Duration::as_nanos` would multiply in 128.
    duration
        .as_secs()
        .saturating_mul(1_000_000_000)
        .saturating_add(u64::from(duration.subsec_nanos()))
}

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_stops_at_both_ends_of_time() {
        assert_eq!(Instant::from_nanos(1) + Duration::MAX, Instant::FAR_FUTURE);
        assert_eq!(Instant::FAR_FUTURE + Duration::from_nanos(1), Instant::FAR_FUTURE);
        assert_eq!(Instant::from_nanos(1) - Duration::MAX, Instant::default());
        assert_eq!(Instant::default().since(Instant::FAR_FUTURE), Duration::ZERO);
    }

    #[test]
    fn an_instant_can_be_moved_on() {
        let mut instant = Instant::from_nanos(3);
        instant += Duration::from_nanos(4);
        assert_eq!(instant, Instant::from_nanos(7));
    }

    #[test]
    fn nanoseconds_of_a_duration_are_exact_until_they_do_not_fit() {
        assert_eq!(nanos(Duration::new(1, 2)), 1_000_000_002);
        assert_eq!(nanos(Duration::from_nanos(u64::MAX)), u64::MAX);
        assert_eq!(nanos(Duration::MAX), u64::MAX);
    }
}
