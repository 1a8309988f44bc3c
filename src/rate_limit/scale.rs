//! How much time a call costs, exactly.
//!
//! The limiter counts in units that fit a whole number of times into what one call costs. `limit`
//! calls in `per` nanoseconds cost `per / limit` nanoseconds each, which is seldom whole: three a
//! second would drift by a nanosecond every second. So a call costs `cost = floor(per / limit)`
//! units, and the units go by a little more slowly than nanoseconds, at `limit * cost / per` of
//! their speed. That factor is kept with 63 bits behind the point, and each reading is scaled from
//! the start of time: the error is below one unit in a century and does not add up.
//!
//! A burst of `u32::MAX` calls at one call a minute does not fit a word of nanoseconds; the units
//! are longer then.

use crate::time::Instant;

/// Turns time into units, and calls into what they cost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Scale {
    /// Units per nanosecond, at most 1, with 63 bits behind the point.
    pub(super) speed: u64,
    /// Added to the scaled time, so that a change of speed makes no jump.
    pub(super) offset: i64,
    /// Units that a call costs.
    pub(super) cost: u64,
    /// Units that a burst may take at once.
    pub(super) depth: u64,
}

impl Scale {
    /// For `limit` calls in `per_nanos`, at most one in a nanosecond, and `burst` calls at once.
    /// None of them is zero.
    pub(super) fn new(limit: u32, per_nanos: u64, burst: u32) -> Self {
        let whole = per_nanos / u64::from(limit);
        let cost = whole.min(MAX_DEPTH / u64::from(burst)).max(1);
        let speed = ((u128::from(limit) * u128::from(cost)) << POINT) / u128::from(per_nanos);
        Self {
            speed: u64::try_from(speed).unwrap_or(ONE).min(ONE),
            offset: 0,
            cost,
            depth: cost * u64::from(burst),
        }
    }

    /// The units that have gone by at `now`.
    #[inline]
    pub(super) fn at(self, now: Instant) -> u64 {
        scaled(now, self.speed).saturating_add_signed(self.offset)
    }

    /// The first instant at which `units` have gone by.
    pub(super) fn instant(self, units: u64) -> Instant {
        let units = u128::try_from(i128::from(units) - i128::from(self.offset)).unwrap_or(0);
        let nanos = (units << POINT).div_ceil(u128::from(self.speed.max(1)));
        Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// What calls of that weight cost together.
    #[inline]
    pub(super) const fn cost_of(self, weight: u32) -> u64 {
        self.cost.saturating_mul(weight as u64)
    }

    /// The same with an offset that makes it go on from where `before` is at `now`.
    pub(super) fn after(self, before: Self, now: Instant) -> Self {
        let offset = i128::from(before.at(now)) - i128::from(scaled(now, self.speed));
        Self { offset: i64::try_from(offset).unwrap_or(i64::MAX), ..self }
    }
}

#[inline]
fn scaled(now: Instant, speed: u64) -> u64 {
    let scaled = (u128::from(now.as_nanos()) * u128::from(speed)) >> POINT;
    #[expect(clippy::cast_possible_truncation, reason = "the speed is at most 1")]
    {
        scaled as u64
    }
}

/// Bits behind the point of a speed.
const POINT: u32 = 63;
/// The speed of nanoseconds.
const ONE: u64 = 1 << POINT;
/// A quarter of a word, so that sums of a time and a few bursts do not leave it for 400 years.
const MAX_DEPTH: u64 = 1 << 62;

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cost_that_is_whole_is_counted_in_nanoseconds() {
        let scale = Scale::new(1_000_000, 1_000_000_000, u32::MAX);

        assert_eq!((scale.cost, scale.speed), (1_000, ONE));
        assert_eq!(scale.at(Instant::from_nanos(u64::MAX)), u64::MAX);
    }

    #[test]
    fn the_largest_burst_at_a_slow_rate_fits() {
        let scale = Scale::new(1, u64::from(u32::MAX) * 1_000_000_000, u32::MAX);

        assert!(scale.depth <= MAX_DEPTH);
        assert!(scale.speed > 0);
    }

    #[test]
    fn a_century_drifts_by_no_unit() {
        let century = 100 * 366 * 24 * 3600 * 1_000_000_000_u128;
        for (limit, per) in
            [(3, 1_000_000_000), (1_000_000, 7_000_000_000), (999_983, 1_000_000_000)]
        {
            let scale = Scale::new(limit, per, 1);
            let exact = century * u128::from(limit) * u128::from(scale.cost) / u128::from(per);
            let ours = scale.at(Instant::from_nanos(u64::try_from(century).unwrap()));
            assert!(exact.abs_diff(u128::from(ours)) <= 1, "{limit} in {per}: {exact} {ours}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn an_instant_is_the_first_at_which_so_many_units_have_gone_by(
            limit in 1..=1_000_000_u32,
            per in 1_000_000..=100_000_000_000_u64,
            burst in 1..=u32::MAX,
            units in 1..=10_000_000_000_000_000_u64,
            changed in 0..=10_000_000_000_000_u64,
        ) {
            let before = Scale::new(7, 1_000_000, 1);
            let scale = Scale::new(limit, per, burst);
            let scale = scale.after(before, Instant::from_nanos(changed));
            let first = scale.instant(units);

            prop_assert!(scale.at(first) >= units);
            if first > Instant::default() {
                prop_assert!(scale.at(first - Duration::from_nanos(1)) < units);
            }
        }

        #[test]
        fn a_change_of_speed_makes_no_jump(
            limits in (1..=1_000_000_u32, 1..=1_000_000_u32),
            now in 0..=10_000_000_000_000_000_u64,
        ) {
            let now = Instant::from_nanos(now);
            let before = Scale::new(limits.0, 1_000_000_000, 10);
            let after = Scale::new(limits.1, 1_000_000_000, 10).after(before, now);

            prop_assert_eq!(before.at(now), after.at(now));
        }

        #[test]
        fn no_rate_is_ever_exceeded(
            limit in 1..=1_000_000_u32,
            per in 1_000_000..=100_000_000_000_u64,
            burst in 1..=u32::MAX,
            now in 0..=u64::MAX / 2,
        ) {
            let scale = Scale::new(limit, per, burst);
            let calls = scale.at(Instant::from_nanos(now)) / scale.cost;
            let exact = u128::from(now) * u128::from(limit) / u128::from(per);

            prop_assert!(u128::from(calls) <= exact);
            prop_assert!(exact - u128::from(calls) <= 1 + (exact >> 40), "{calls} of {exact}");
        }
    }
}
