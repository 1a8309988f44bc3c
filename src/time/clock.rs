//! The clock that everything is told the time by.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::instant::{Instant, nanos};
use super::queue::{Queue, wake_all};
use super::system;
#[cfg(feature = "test-util")]
use super::tokio_clock;

/// Tells the time: the system's, tokio's, or one that a test moves by hand.
///
/// All readings of a clock lie on one line and never go back. Clones are the same clock. The
/// default is the [system's](Self::system).
///
/// ```
/// use std::time::Duration;
///
/// use seawall::time::Clock;
///
/// let clock = Clock::default();
/// let start = clock.now();
/// assert!(clock.now() >= start);
/// assert!(!clock.has_passed(start + Duration::from_secs(3600)));
/// ```
#[derive(Clone, Default)]
pub struct Clock(Repr);

#[derive(Clone, Default)]
enum Repr {
    #[default]
    System,
    #[cfg(feature = "test-util")]
    Tokio,
    Manual(Arc<Manual>),
}

/// A time that is moved by hand, and who waits for it.
#[derive(Default)]
pub(super) struct Manual {
    now: AtomicU64,
    pub(super) waiting: Queue,
}

/// How a clock's timers come to fire.
pub(super) enum Source<'a> {
    System,
    #[cfg(feature = "test-util")]
    Tokio,
    Manual(&'a Arc<Manual>),
}

impl Clock {
    /// The system's monotonic clock.
    ///
    /// ```
    /// use seawall::time::Clock;
    ///
    /// assert_eq!(Clock::system(), Clock::default());
    /// ```
    #[must_use]
    pub const fn system() -> Self {
        Self(Repr::System)
    }

    /// Tokio's clock, which stands still while a runtime has paused it.
    ///
    /// A reading belongs to the runtime that it is made in. Outside of runtimes it is real time.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use seawall::time::Clock;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// let clock = Clock::tokio();
    /// let start = clock.now();
    ///
    /// tokio::time::sleep(Duration::from_secs(3600)).await; // takes no time
    ///
    /// assert_eq!(clock.now().since(start), Duration::from_secs(3600));
    /// # }
    /// ```
    #[cfg(feature = "test-util")]
    #[cfg_attr(docsrs, doc(cfg(feature = "test-util")))]
    #[must_use]
    pub fn tokio() -> Self {
        Self(Repr::Tokio)
    }

    /// A clock that stands at the start of time until it is [advanced](Self::advance).
    ///
    /// Every call makes a new clock; clones of one are moved together.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use seawall::time::{Clock, Instant};
    ///
    /// let clock = Clock::manual();
    /// let same = clock.clone();
    /// clock.advance(Duration::from_millis(5));
    ///
    /// assert_eq!(same.now(), Instant::from_nanos(5_000_000));
    /// assert_ne!(same, Clock::manual());
    /// ```
    #[must_use]
    pub fn manual() -> Self {
        Self(Repr::Manual(Arc::default()))
    }

    /// The time, to the nanosecond.
    #[inline]
    #[must_use]
    pub fn now(&self) -> Instant {
        match &self.0 {
            Repr::System if !is_following() => system::now(),
            Repr::System => self.slow_now(),
            #[cfg(feature = "test-util")]
            Repr::Tokio => self.slow_now(),
            Repr::Manual(_) => self.slow_now(),
        }
    }

    /// The time, up to one [tick](Self::tick) ago, for a tenth of the price.
    ///
    /// ```
    /// use seawall::time::Clock;
    ///
    /// let clock = Clock::system();
    /// assert!(clock.coarse() <= clock.now());
    /// ```
    #[inline]
    #[must_use]
    pub fn coarse(&self) -> Instant {
        match &self.0 {
            Repr::System if !is_following() => system::coarse(),
            Repr::System => self.slow_now(),
            #[cfg(feature = "test-util")]
            Repr::Tokio => self.slow_now(),
            Repr::Manual(_) => self.slow_now(),
        }
    }

    /// How far [`coarse`](Self::coarse) may be behind. Zero where it is precise.
    ///
    /// A guest whose host takes its processors away may see it further behind for that time.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use seawall::time::Clock;
    ///
    /// assert_eq!(Clock::manual().tick(), Duration::ZERO);
    /// assert!(Clock::system().tick() <= Duration::from_millis(20));
    /// ```
    #[inline]
    #[must_use]
    pub fn tick(&self) -> Duration {
        match &self.0 {
            Repr::System if !is_following() => system::tick(),
            Repr::System => Duration::ZERO,
            #[cfg(feature = "test-util")]
            Repr::Tokio => Duration::ZERO,
            Repr::Manual(_) => Duration::ZERO,
        }
    }

    /// Whether `until` has come.
    ///
    /// Reads the coarse clock, and the precise one only within eight ticks of the end: exact, and
    /// never early.
    #[inline]
    #[must_use]
    pub fn has_passed(&self, until: Instant) -> bool {
        match &self.0 {
            Repr::System if !is_following() => system::has_passed(until),
            Repr::System => self.slow_now() >= until,
            #[cfg(feature = "test-util")]
            Repr::Tokio => self.slow_now() >= until,
            Repr::Manual(_) => self.slow_now() >= until,
        }
    }

    /// Moves a [manual](Self::manual) clock on, and wakes whoever waited for what has then passed.
    ///
    /// Other clocks go by themselves: on them this does nothing.
    pub fn advance(&self, duration: Duration) {
        if let Repr::Manual(manual) = &self.0 {
            manual.advance(duration);
        }
    }

    /// Moves a [manual](Self::manual) clock on to `now`. No clock goes back: an earlier instant
    /// changes nothing.
    ///
    /// Other clocks go by themselves: on them this does nothing.
    ///
    /// ```
    /// use seawall::time::{Clock, Instant};
    ///
    /// let clock = Clock::manual();
    /// clock.set(Instant::from_nanos(7));
    /// clock.set(Instant::from_nanos(3));
    ///
    /// assert_eq!(clock.now(), Instant::from_nanos(7));
    /// ```
    pub fn set(&self, now: Instant) {
        if let Repr::Manual(manual) = &self.0 {
            manual.set(now);
        }
    }

    pub(super) fn source(&self) -> Source<'_> {
        match &self.0 {
            #[cfg(feature = "test-util")]
            Repr::System if is_following() => Source::Tokio,
            Repr::System => Source::System,
            #[cfg(feature = "test-util")]
            Repr::Tokio => Source::Tokio,
            Repr::Manual(manual) => Source::Manual(manual),
        }
    }

    #[cold]
    fn slow_now(&self) -> Instant {
        match &self.0 {
            #[cfg(feature = "test-util")]
            Repr::System | Repr::Tokio => tokio_clock::now(),
            #[cfg(not(feature = "test-util"))]
            Repr::System => system::now(),
            Repr::Manual(manual) => manual.now(),
        }
    }
}

/// Clones of one manual clock are equal, different ones are not.
impl PartialEq for Clock {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Repr::System, Repr::System) => true,
            #[cfg(feature = "test-util")]
            (Repr::Tokio, Repr::Tokio) => true,
            (Repr::Manual(one), Repr::Manual(two)) => Arc::ptr_eq(one, two),
            _ => false,
        }
    }
}

impl Eq for Clock {}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::System => f.write_str("System"),
            #[cfg(feature = "test-util")]
            Repr::Tokio => f.write_str("Tokio"),
            Repr::Manual(manual) => f.debug_tuple("Manual").field(&manual.now()).finish(),
        }
    }
}

impl Manual {
    pub(super) fn now(&self) -> Instant {
        // Acquire pairs with the release in `advance` and `set`: who sees that time has come sees
        // what was done before it was moved.
        Instant::from_nanos(self.now.load(Ordering::Acquire))
    }

    fn advance(&self, duration: Duration) {
        let step = nanos(duration);
        let mut before = self.now.load(Ordering::Relaxed);
        while let Err(actual) = self.now.compare_exchange_weak(
            before,
            before.saturating_add(step),
            Ordering::AcqRel,
            Ordering::Relaxed,
        ) {
            before = actual;
        }
        self.fire();
    }

    fn set(&self, now: Instant) {
        self.now.fetch_max(now.as_nanos(), Ordering::AcqRel);
        self.fire();
    }

    fn fire(&self) {
        let mut due = Vec::new();
        self.waiting.expire(self.now(), &mut due);
        wake_all(&mut due);
    }
}

/// Whether system clocks read tokio's time.
#[inline]
fn is_following() -> bool {
    #[cfg(feature = "test-util")]
    let following = tokio_clock::is_followed();
    #[cfg(not(feature = "test-util"))]
    let following = false;
    following
}

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use super::*;

    #[test]
    fn the_coarse_reading_is_never_ahead() {
        let clock = Clock::system();
        for _ in 0..10_000 {
            let (coarse, now) = (clock.coarse(), clock.now());
            assert!(coarse <= now, "{coarse:?} is after {now:?}");
        }
    }

    #[test]
    fn both_readings_of_the_system_lie_on_one_line() {
        let clock = Clock::system();
        // A busy machine may be late between the two readings, but not every time.
        let closest = (0..1_000)
            .map(|_| {
                let coarse = clock.coarse();
                clock.now().since(coarse)
            })
            .min();

        assert!(closest <= Some(clock.tick() + Duration::from_millis(1)), "{closest:?}");
    }

    #[test]
    fn nothing_has_passed_a_nanosecond_early() {
        let clock = Clock::system();
        let until = clock.now() + clock.tick() / 2 + Duration::from_micros(50);
        while !clock.has_passed(until) {}

        assert!(clock.now() >= until);
        assert!(clock.has_passed(until));
    }

    #[test]
    fn a_manual_clock_moves_only_when_told_and_never_back() {
        let clock = Clock::manual();
        let until = Instant::from_nanos(10);
        assert!(!clock.has_passed(until));

        clock.advance(Duration::from_nanos(9));
        assert!(!clock.has_passed(until));
        clock.set(until);
        assert!(clock.has_passed(until));
        clock.set(Instant::default());
        assert_eq!(clock.coarse(), until);
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), Instant::FAR_FUTURE);
    }

    #[test]
    fn moving_a_clock_that_goes_by_itself_does_nothing() {
        let clock = Clock::system();
        clock.advance(Duration::from_secs(1_000_000));
        clock.set(Instant::FAR_FUTURE);

        assert!(!clock.has_passed(clock.now() + Duration::from_secs(500_000)));
    }
}
