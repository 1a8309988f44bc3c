//! What a group's verdict is now, and what it becomes if nothing more is heard of its checks.

use crate::health::group::Tally;
use crate::health::{Aggregation, Verdict};
use crate::time::Instant;

/// From when on a group is degraded, and from when on it is down, unless something is heard.
///
/// Silence only makes a verdict worse: checks go stale and count as down, one after the other, and
/// no [`Aggregation`] gets better by that. So two instants say all there is to say of the future.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Forecast {
    pub(super) degraded_from: Instant,
    pub(super) down_from: Instant,
}

/// One check of a group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    /// What it counts as until it is stale.
    pub(super) fresh: Verdict,
    /// What it counts as from then on; no better.
    pub(super) stale: Verdict,
    /// When that is.
    pub(super) stale_from: Instant,
    pub(super) weight: u32,
}

impl Forecast {
    /// Of a group that is healthy for ever.
    pub(super) const HEALTHY: Self =
        Self { degraded_from: Instant::FAR_FUTURE, down_from: Instant::FAR_FUTURE };

    /// Of the group of those `checks`, which are put in the order in which they go stale. What is
    /// so already is so from the start of time on.
    pub(super) fn of(aggregation: Aggregation, checks: &mut [Counts]) -> Self {
        checks.sort_unstable_by_key(|check| check.stale_from);
        let mut tally = Tally::default();
        for check in checks.iter() {
            tally.add(check.fresh, check.weight);
        }
        let mut forecast = Self::HEALTHY;
        forecast.becomes(aggregation.judge(&tally), Instant::default());
        for check in checks.iter().take_while(|check| check.stale_from != Instant::FAR_FUTURE) {
            tally.worsen(check.fresh, check.stale, check.weight);
            forecast.becomes(aggregation.judge(&tally), check.stale_from);
        }
        forecast
    }

    fn becomes(&mut self, verdict: Verdict, now: Instant) {
        if verdict <= Verdict::Degraded {
            self.degraded_from = self.degraded_from.min(now);
        }
        if verdict == Verdict::Down {
            self.down_from = self.down_from.min(now);
        }
    }

    /// What it says of `now`.
    pub(super) fn at(self, now: Instant) -> Verdict {
        self.verdict(|moment| moment != Instant::FAR_FUTURE && moment <= now)
    }

    /// What it says of the moment of which `has_come` tells what came before.
    #[inline]
    pub(super) fn verdict(self, has_come: impl Fn(Instant) -> bool) -> Verdict {
        if has_come(self.down_from) {
            Verdict::Down
        } else if has_come(self.degraded_from) {
            Verdict::Degraded
        } else {
            Verdict::Healthy
        }
    }
}

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn foretells_what_an_evaluation_at_any_time_finds(
            checks in prop::collection::vec((0..3_usize, 0..3_usize, 0..12_u64, 1..4_u32), 0..8),
            kind in 0..5_u32,
            least in 1..9_u32,
        ) {
            let levels = [Verdict::Down, Verdict::Degraded, Verdict::Healthy];
            let mut checks: Vec<_> = checks
                .into_iter()
                .map(|(fresh, stale, from, weight)| Counts {
                    fresh: levels[fresh],
                    stale: levels[stale.min(fresh)],
                    stale_from: if from > 9 {
                        Instant::FAR_FUTURE
                    } else {
                        Instant::from_nanos(from)
                    },
                    weight,
                })
                .collect();
            let aggregation = match kind {
                0 => Aggregation::All,
                1 => Aggregation::Any,
                2 => Aggregation::AtLeast(least),
                3 => Aggregation::Percentage(f64::from(least) * 10.0),
                _ => Aggregation::Weight(least.into()),
            };
            let forecast = Forecast::of(aggregation, &mut checks);

            for now in 0..12 {
                let now = Instant::from_nanos(now);
                let expected = aggregation.verdict(checks.iter().map(|check| {
                    let verdict = if check.stale_from <= now { check.stale } else { check.fresh };
                    (verdict, check.weight)
                }));
                prop_assert_eq!(forecast.at(now), expected, "at {:?}: {:?}", now, checks);
            }
        }
    }

    #[test]
    fn a_group_without_checks_stays_healthy() {
        assert_eq!(Forecast::of(Aggregation::All, &mut []), Forecast::HEALTHY);
    }
}
