//! How long to wait before a call is made again.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//!
//! use seawall::backoff::{Backoff, Jitter};
//!
//! # fn main() -> Result<(), seawall::error::InvalidConfig> {
//! let schedule = Backoff::exponential(Duration::from_millis(100))
//!     .max(Duration::from_secs(2))
//!     .jitter(Jitter::Equal)
//!     .schedule()?;
//!
//! // The chance picks the point within the range: here its lower end.
//! assert_eq!(schedule.wait(0, Duration::ZERO, 0), Duration::from_millis(50));
//! assert_eq!(schedule.wait(1, Duration::ZERO, 0), Duration::from_millis(100));
//! // However often it is asked, the wait stays within the bound and stays spread below it.
//! assert_eq!(schedule.wait(u32::MAX, Duration::ZERO, 0), Duration::from_secs(1));
//! assert_eq!(schedule.wait(u32::MAX, Duration::ZERO, u64::MAX), Duration::from_secs(2));
//! # Ok(())
//! # }
//! ```
//!
//! # When to use it
//!
//! [`Retry`](crate::retry::Retry) and the circuit breaker take a [`Backoff`] as part of their
//! settings. A [`Schedule`] serves loops of your own.
//!
//! # How it decides
//!
//! The *interval* before repeat *n* (from 0) is `min(max, base × factorⁿ)`. Where in it the wait
//! lies is the jitter's business:
//!
//! | [`Jitter`]       | wait, `U` is uniform                          | use                              |
//! |------------------|-----------------------------------------------|----------------------------------|
//! | [`Full`]         | `U(0, interval)`                              | many clients, one service        |
//! | [`Equal`]        | `U(interval / 2, interval)`                   | when a lower bound matters       |
//! | [`Decorrelated`] | `U(base, min(max, previous × factor))`        | spreads fastest                  |
//! | [`None`]         | `interval`                                    | one client only                  |
//!
//! The jitter is applied *below* the bound and *at* it: once the interval has reached `max`, waits
//! still spread, where a bound that is applied to the jittered wait would put all clients on the
//! same instant again. No wait is ever longer than `max`.
//!
//! The first three are described in
//! [Exponential Backoff And Jitter](https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/);
//! the decorrelated one there is bounded after the draw, here before it.
//!
//! # Defaults
//!
//! | setting  | default | why                                                                      |
//! |----------|---------|--------------------------------------------------------------------------|
//! | `base`   | 100 ms  | longer than a dropped packet, shorter than a user's patience             |
//! | `factor` | 2       | 3 for the decorrelated form, as in its source                            |
//! | `max`    | 10 s    | the window of the [budget](crate::budget): what is decided in one window is sent before the next one ends |
//! | `jitter` | full    | the least total work at the service                                      |
//!
//! # Cost
//!
//! Integer arithmetic without allocation; at most some thousand multiplications for factors close
//! to 1, a handful for the usual ones.
//!
//! [`Full`]: Jitter::Full
//! [`Equal`]: Jitter::Equal
//! [`Decorrelated`]: Jitter::Decorrelated
//! [`None`]: Jitter::None

use std::fmt;
use std::time::Duration;

use crate::error::InvalidConfig;
use crate::sync::{AtomicU8, AtomicU64, Ordering};
use crate::time::nanos;

/// How waits grow from one repeat to the next, and how they are spread.
///
/// Plain data: it can be compared, printed and read from a file. It is checked in
/// [`schedule`](Self::schedule), or by the `build` of the policy that it is given to.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::backoff::Backoff;
///
/// let backoff = Backoff::default().base(Duration::from_millis(50)).factor(1.5);
/// assert!(backoff.schedule().is_ok());
/// assert!(backoff.factor(f64::NAN).schedule().is_err());
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[must_use]
pub struct Backoff {
    base: Duration,
    factor: f64,
    max: Duration,
    jitter: Jitter,
}

/// Where in its range a wait lies: see the table in the [module](self).
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::backoff::{Backoff, Jitter};
///
/// let exact = Backoff::constant(Duration::from_secs(1)).jitter(Jitter::None).schedule()?;
/// assert_eq!(exact.wait(0, Duration::ZERO, 7), Duration::from_secs(1));
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Jitter {
    /// Between `base` and `factor` times the wait before, within `max`.
    Decorrelated,
    /// In the upper half of the interval.
    Equal,
    /// Anywhere from zero to the interval.
    #[default]
    Full,
    /// Exactly the interval. Clients that failed together come back together.
    None,
}

/// A [`Backoff`] that has been checked: from the number of a repeat to its wait.
///
/// Copy, without state: whoever waits remembers how often and how long.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::backoff::{Backoff, Jitter};
///
/// let schedule = Backoff::decorrelated(Duration::from_millis(100)).schedule()?;
/// assert_eq!(schedule.jitter(), Jitter::Decorrelated);
///
/// let first = schedule.wait(0, Duration::ZERO, u64::MAX);
/// assert_eq!(first, Duration::from_millis(300));
/// assert_eq!(schedule.wait(1, first, u64::MAX), Duration::from_millis(900));
/// assert_eq!(schedule.interval(9), Duration::from_secs(10));
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Schedule {
    base: u64,
    /// In units of 2⁻³².
    factor: u64,
    max: u64,
    jitter: Jitter,
}

/// In a line, for people.
impl fmt::Display for Backoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let jitter = match self.jitter {
            Jitter::Decorrelated => "decorrelated",
            Jitter::Equal => "equal",
            Jitter::Full => "full",
            Jitter::None => "no",
        };
        write!(f, "{:?} x{} to {:?}, {jitter} jitter", self.base, self.factor, self.max)
    }
}

impl Backoff {
    /// The same interval before every repeat, with [full jitter](Jitter::Full).
    ///
    /// Zero means at once. Whatever repeats without a wait must be bounded by other means, as a
    /// retry is by its attempts and its budget.
    pub const fn constant(wait: Duration) -> Self {
        Self { base: wait, factor: 1.0, max: wait, jitter: Jitter::Full }
    }

    /// Intervals that start at `base` and double up to 10 s, or to `base` where that is longer.
    ///
    /// With [full jitter](Jitter::Full).
    pub fn exponential(base: Duration) -> Self {
        Self { base, factor: 2.0, max: base.max(MAX), jitter: Jitter::Full }
    }

    /// Waits between `base` and three times the wait before, up to 10 s, or to `base` where that
    /// is longer.
    pub fn decorrelated(base: Duration) -> Self {
        Self { base, factor: 3.0, max: base.max(MAX), jitter: Jitter::Decorrelated }
    }

    /// The interval before the first repeat.
    ///
    /// More than zero, unless the backoff is constant; at most 365 days.
    ///
    /// Default: 100 ms.
    pub fn base(mut self, base: Duration) -> Self {
        self.base = base;
        self
    }

    /// What the interval is multiplied with after each repeat: 1, or from 1.01 to 1,000.
    ///
    /// Default: 2, and 3 for [`decorrelated`](Self::decorrelated).
    pub fn factor(mut self, factor: f64) -> Self {
        self.factor = factor;
        self
    }

    /// The longest wait. From `base` to 365 days.
    ///
    /// Default: 10 s.
    pub fn max(mut self, max: Duration) -> Self {
        self.max = max;
        self
    }

    /// How waits are spread.
    ///
    /// Default: [`Jitter::Full`].
    pub fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the setting that is out of range. Nothing is clamped.
    pub fn schedule(&self) -> Result<Schedule, InvalidConfig> {
        // NaN is in no range.
        let grows = (1.01..=1_000.0).contains(&self.factor);
        #[expect(clippy::float_cmp, reason = "one is meant exactly: the constant backoff")]
        if !grows && self.factor != 1.0 {
            return Err(InvalidConfig::new("factor", "1, or from 1.01 to 1000"));
        }
        if self.base.is_zero() && (grows || !self.max.is_zero()) {
            return Err(InvalidConfig::new(
                "base",
                "longer than zero, unless the wait is constant",
            ));
        }
        if self.max < self.base {
            return Err(InvalidConfig::new("max", "at least `base`"));
        }
        if self.max > LONGEST {
            return Err(InvalidConfig::new("max", "at most 365 days"));
        }
        Ok(Schedule {
            base: nanos(self.base),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "from 1 to 1,000, as checked above"
            )]
            factor: (self.factor * ONE_F64).round() as u64,
            max: nanos(self.max),
            jitter: self.jitter,
        })
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::exponential(BASE)
    }
}

impl Schedule {
    /// The wait before repeat `repeat`, counted from 0.
    ///
    /// `previous` is the wait before that (zero for the first); only [`Jitter::Decorrelated`]
    /// asks for it. `chance` is any number, uniformly drawn; it picks the point within the range.
    #[must_use]
    pub fn wait(&self, repeat: u32, previous: Duration, chance: u64) -> Duration {
        let (from, to) = match self.jitter {
            Jitter::Full => (0, self.nanos(repeat)),
            Jitter::Equal => {
                let interval = self.nanos(repeat);
                (interval / 2, interval)
            }
            Jitter::Decorrelated => {
                let previous = nanos(previous).max(self.base).min(self.max);
                (self.base, self.grow(previous))
            }
            Jitter::None => return self.interval(repeat),
        };
        // Settings that are being changed may be seen half old and half new.
        let from = from.min(to);
        Duration::from_nanos(from + portion(to - from, chance))
    }

    /// The interval before repeat `repeat`, counted from 0, without jitter.
    #[must_use]
    pub fn interval(&self, repeat: u32) -> Duration {
        Duration::from_nanos(self.nanos(repeat))
    }

    /// How waits are spread.
    #[must_use]
    pub const fn jitter(&self) -> Jitter {
        self.jitter
    }

    fn nanos(&self, repeat: u32) -> u64 {
        let mut interval = self.base;
        for _ in 0..repeat {
            let next = self.grow(interval);
            // Either the bound is reached or the factor is 1: it will never change again. A factor
            // above 1 gets here within thousands of steps, so that a repeat of u32::MAX is no trap.
            if next == interval {
                break;
            }
            interval = next;
        }
        interval
    }

    /// One step up. Every step of a growing backoff is at least 1 ns, so that rounding can not
    /// stop it early.
    fn grow(&self, interval: u64) -> u64 {
        if self.factor == ONE {
            return interval;
        }
        let exact = u128::from(interval) * u128::from(self.factor);
        let rounded = u64::try_from((exact + u128::from(ONE / 2)) >> 32).unwrap_or(u64::MAX);
        rounded.max(interval + 1).min(self.max)
    }
}

/// A [`Schedule`] that can be replaced while others read it.
///
/// A reader may see one half of the old settings and one of the new; waits then lie within the
/// bounds of either.
#[derive(Debug)]
pub(crate) struct SharedSchedule {
    base: AtomicU64,
    factor: AtomicU64,
    max: AtomicU64,
    jitter: AtomicU8,
}

impl SharedSchedule {
    pub(crate) fn new(schedule: Schedule) -> Self {
        Self {
            base: AtomicU64::new(schedule.base),
            factor: AtomicU64::new(schedule.factor),
            max: AtomicU64::new(schedule.max),
            jitter: AtomicU8::new(schedule.jitter.code()),
        }
    }

    // Relaxed throughout: the settings publish nothing but themselves.
    pub(crate) fn store(&self, schedule: Schedule) {
        self.base.store(schedule.base, Ordering::Relaxed);
        self.factor.store(schedule.factor, Ordering::Relaxed);
        self.max.store(schedule.max, Ordering::Relaxed);
        self.jitter.store(schedule.jitter.code(), Ordering::Relaxed);
    }

    pub(crate) fn load(&self) -> Schedule {
        Schedule {
            base: self.base.load(Ordering::Relaxed),
            factor: self.factor.load(Ordering::Relaxed),
            max: self.max.load(Ordering::Relaxed),
            jitter: Jitter::of_code(self.jitter.load(Ordering::Relaxed)),
        }
    }
}

impl Jitter {
    const fn code(self) -> u8 {
        match self {
            Self::Decorrelated => 0,
            Self::Equal => 1,
            Self::Full => 2,
            Self::None => 3,
        }
    }

    const fn of_code(code: u8) -> Self {
        match code {
            0 => Self::Decorrelated,
            1 => Self::Equal,
            2 => Self::Full,
            _ => Self::None,
        }
    }
}

/// The point of `0..=range` that `chance` picks.
///
/// The multiplication spreads all chances evenly, and has no empty range to stumble over.
pub(crate) fn portion(range: u64, chance: u64) -> u64 {
    let points = u128::from(range) + 1;
    u64::try_from((points * u128::from(chance)) >> 64).expect("at most the range")
}

const BASE: Duration = Duration::from_millis(100);

const MAX: Duration = Duration::from_secs(10);

/// Longer waits are mistakes, and this bound keeps all arithmetic far from its limits.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

const ONE: u64 = 1 << 32;

const ONE_F64: f64 = 4_294_967_296.0;

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn intervals_double_up_to_the_bound() {
        let schedule = exponential(100, 1_000);

        let intervals = [0, 1, 2, 3, 4, 5, u32::MAX].map(|n| schedule.interval(n).as_millis());

        assert_eq!(intervals, [100, 200, 400, 800, 1_000, 1_000, 1_000]);
    }

    #[test]
    fn factors_that_are_no_power_of_two_are_exact_to_the_nanosecond() {
        let schedule = Backoff::exponential(millis(100)).factor(1.5).schedule().unwrap();

        let intervals = [0, 1, 2, 3].map(|n| schedule.interval(n));

        assert_eq!(
            intervals,
            [millis(100), millis(150), millis(225), Duration::from_micros(337_500)]
        );
    }

    #[test]
    fn a_large_repeat_number_neither_overflows_nor_wraps_to_zero() {
        for base in [Duration::from_nanos(1), millis(1), LONGEST] {
            for factor in [1.01, 1.5, 2.0, 1_000.0] {
                let backoff = Backoff::exponential(base).factor(factor).max(LONGEST);
                let schedule = backoff.jitter(Jitter::None).schedule().unwrap();

                for repeat in [31, 32, 63, 64, 65, 127, 128, 1_000] {
                    assert!(schedule.wait(repeat, Duration::ZERO, 7) >= base);
                }
                assert_eq!(schedule.wait(u32::MAX, Duration::ZERO, 7), LONGEST);
            }
        }
    }

    #[test]
    fn jitter_spreads_waits_at_the_bound_and_never_lifts_them_above_it() {
        let max = millis(10_000);
        for jitter in [Jitter::Full, Jitter::Equal, Jitter::Decorrelated] {
            let backoff = Backoff::exponential(millis(100)).factor(3.0).max(max).jitter(jitter);
            let schedule = backoff.schedule().unwrap();
            let mut tenths = [0_u32; 10];
            let mut previous = max;

            for chance in chances(10_000) {
                previous = schedule.wait(1_000, previous, chance);
                assert!(previous <= max, "{jitter:?} waits {previous:?}");
                let tenth = previous.as_millis() * 10 / (max.as_millis() + 1);
                tenths[usize::try_from(tenth).unwrap()] += 1;
            }

            // No tenth of the range gets more than twice what an even spread over the upper half
            // would give it.
            assert!(tenths.iter().all(|share| *share < 4_000), "{jitter:?}: {tenths:?}");
            assert!(tenths[9] > 0 && tenths[5] > 0, "{jitter:?}: {tenths:?}");
        }
    }

    #[test]
    fn full_jitter_reaches_from_zero_to_the_interval() {
        let schedule = exponential(100, 1_000);

        assert_eq!(schedule.wait(1, Duration::ZERO, 0), Duration::ZERO);
        assert_eq!(schedule.wait(1, Duration::ZERO, u64::MAX / 2), Duration::from_millis(100));
        assert_eq!(schedule.wait(1, Duration::ZERO, u64::MAX), millis(200));
    }

    #[test]
    fn equal_jitter_reaches_from_half_of_the_interval_to_all_of_it() {
        let schedule = Backoff::exponential(millis(100)).jitter(Jitter::Equal).schedule().unwrap();

        assert_eq!(schedule.wait(1, Duration::ZERO, 0), millis(100));
        assert_eq!(schedule.wait(1, Duration::ZERO, u64::MAX), millis(200));
    }

    #[test]
    fn intervals_are_rounded_to_the_nearest_nanosecond() {
        let backoff = Backoff::exponential(Duration::from_nanos(3)).factor(1.5);

        assert_eq!(backoff.schedule().unwrap().interval(1), Duration::from_nanos(5));
    }

    #[test]
    fn a_setter_changes_its_own_setting_and_no_other() {
        let backoff = Backoff::exponential(millis(3))
            .base(millis(7))
            .factor(5.0)
            .max(millis(11))
            .jitter(Jitter::None);

        let expected =
            Backoff { base: millis(7), factor: 5.0, max: millis(11), jitter: Jitter::None };
        assert_eq!(backoff, expected);
        assert_eq!(backoff.base(millis(8)), Backoff { base: millis(8), ..expected });
    }

    #[test]
    fn decorrelated_jitter_grows_from_the_wait_before() {
        let schedule = Backoff::decorrelated(millis(100)).schedule().unwrap();

        assert_eq!(schedule.wait(0, Duration::ZERO, u64::MAX), millis(300));
        assert_eq!(schedule.wait(1, millis(300), u64::MAX), millis(900));
        assert_eq!(schedule.wait(1, millis(300), 0), millis(100));
        assert_eq!(schedule.wait(9, millis(9_000), u64::MAX), millis(10_000));
        // A wait that was lengthened by a hint is not a range of days.
        assert_eq!(schedule.wait(9, Duration::MAX, u64::MAX), millis(10_000));
    }

    #[test]
    fn a_range_without_width_is_no_panic() {
        for jitter in [Jitter::Full, Jitter::Equal, Jitter::Decorrelated, Jitter::None] {
            for base in [1, 2, 1_000_000] {
                let base = Duration::from_nanos(base);
                let schedule =
                    Backoff::exponential(base).max(base).jitter(jitter).schedule().unwrap();
                assert!(schedule.wait(5, base, u64::MAX) <= base);
                assert!(schedule.wait(5, Duration::ZERO, 0) <= base);
            }
            let at_once = Backoff::constant(Duration::ZERO).jitter(jitter).schedule().unwrap();
            assert_eq!(at_once.wait(u32::MAX, Duration::MAX, u64::MAX), Duration::ZERO);
        }
    }

    #[test]
    fn settings_out_of_range_are_refused_by_name() {
        let exponential = || Backoff::exponential(millis(100));
        for factor in [0.0, -1.0, 0.99, 1.001, 1_001.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY]
        {
            assert!(refusal(&exponential().factor(factor)).contains("factor"), "{factor}");
        }
        assert!(refusal(&Backoff::exponential(Duration::ZERO)).contains("base"));
        assert!(refusal(&Backoff::constant(Duration::ZERO).max(millis(1))).contains("base"));
        assert!(refusal(&exponential().max(millis(99))).contains("max"));
        assert!(refusal(&exponential().max(Duration::ZERO)).contains("max"));
        assert!(refusal(&Backoff::exponential(Duration::MAX)).contains("max"));
    }

    #[test]
    fn settings_that_are_replaced_come_back_as_they_were() {
        let shared = SharedSchedule::new(exponential(1, 2));
        for jitter in [Jitter::Full, Jitter::Equal, Jitter::Decorrelated, Jitter::None] {
            let backoff = Backoff::exponential(millis(7)).factor(1.7).max(millis(900));
            let schedule = backoff.jitter(jitter).schedule().unwrap();
            shared.store(schedule);
            assert_eq!(shared.load(), schedule);
        }
    }

    #[test]
    fn settings_that_are_seen_half_replaced_are_no_panic() {
        let long = Backoff::exponential(LONGEST).max(LONGEST).schedule().unwrap();
        for jitter in [Jitter::Full, Jitter::Equal, Jitter::Decorrelated, Jitter::None] {
            let torn = Schedule { max: 1, jitter, ..long };
            for chance in [0, u64::MAX] {
                assert!(torn.wait(3, millis(5), chance) <= LONGEST);
            }
        }
    }

    proptest! {
        #[test]
        fn any_settings_are_refused_or_give_waits_within_their_bound(
            base in durations(),
            max in durations(),
            factor in prop_oneof![any::<f64>(), 1.0_f64..10.0],
            jitter in jitters(),
            repeat in prop_oneof![any::<u32>(), 0_u32..70],
            previous in durations(),
            chance in any::<u64>(),
        ) {
            let backoff = Backoff::exponential(base).factor(factor).max(max).jitter(jitter);
            if let Ok(schedule) = backoff.schedule() {
                let wait = schedule.wait(repeat, previous, chance);
                prop_assert!(wait <= max);
                if jitter == Jitter::Decorrelated || jitter == Jitter::None {
                    prop_assert!(wait >= base);
                }
            }
        }

        #[test]
        fn intervals_never_shrink(
            base in 1_u64..10_000_000_000,
            factor in 1.01_f64..20.0,
            repeat in 0_u32..3_000,
        ) {
            let backoff = Backoff::exponential(Duration::from_nanos(base)).factor(factor);
            let schedule = backoff.max(LONGEST).schedule().unwrap();
            let (this, next) = (schedule.interval(repeat), schedule.interval(repeat + 1));
            prop_assert!(next > this || this == LONGEST);
        }

        #[test]
        fn chances_are_spread_evenly(range in 1_u64..1_000, chance in any::<u64>()) {
            let portion = portion(range, chance);
            // The chance's share of all chances, in whole points.
            let share = chance / (u64::MAX / (range + 1) + 1);
            prop_assert!(portion <= range);
            prop_assert!(portion.abs_diff(share) <= 1, "{portion} is not {share}");
        }
    }

    fn exponential(base: u64, max: u64) -> Schedule {
        Backoff::exponential(millis(base)).max(millis(max)).schedule().unwrap()
    }

    fn refusal(backoff: &Backoff) -> String {
        backoff.schedule().unwrap_err().to_string()
    }

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Evenly spread numbers in a fixed order without a pattern that matters.
    fn chances(count: u64) -> impl Iterator<Item = u64> {
        (0..count).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn durations() -> impl Strategy<Value = Duration> {
        prop_oneof![
            any::<u64>().prop_map(Duration::from_nanos),
            (0_u64..1_000_000_000_000).prop_map(Duration::from_nanos),
            Just(Duration::ZERO),
            Just(Duration::MAX),
        ]
    }

    fn jitters() -> impl Strategy<Value = Jitter> {
        prop_oneof![
            Just(Jitter::Full),
            Just(Jitter::Equal),
            Just(Jitter::Decorrelated),
            Just(Jitter::None),
        ]
    }
}
