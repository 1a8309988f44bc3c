//! When reads leave the primary, and when they come back.

use std::time::Duration;

use crate::time::Instant;

/// Holds doubled hold times down to this.
const MOST_DOUBLINGS: u32 = 3;
/// A primary that fails again within so many holds is flapping.
const FLAPPING_WITHIN: u32 = 10;

#[derive(Clone, Copy, Debug)]
pub(super) struct Params {
    pub(super) failures: u32,
    pub(super) hold: Duration,
}

/// What is thought of the primary.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Core {
    failures: u32,
    away: Option<Away>,
    returned: Option<Instant>,
    doublings: u32,
}

#[derive(Clone, Copy, Debug)]
struct Away {
    since: Instant,
    /// The first of the probes in a row that the primary answered.
    answers_since: Option<Instant>,
}

/// What a result has changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Moved {
    Away,
    Back,
}

impl Core {
    pub(super) fn away_since(&self) -> Option<Instant> {
        self.away.map(|away| away.since)
    }

    /// A call that the primary was asked for ended well, or not.
    pub(super) fn observe(
        &mut self,
        is_well: bool,
        now: Instant,
        params: &Params,
    ) -> Option<Moved> {
        if self.away.is_some() {
            // Only probes lead back: a call that gets through says nothing of the next ones.
            if !is_well {
                self.interrupt();
            }
            return None;
        }
        if is_well {
            self.failures = 0;
            return None;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures < params.failures {
            return None;
        }
        let flapping_until = self.returned.map(|at| at + params.hold * FLAPPING_WITHIN);
        self.doublings = match flapping_until {
            Some(until) if now < until => (self.doublings + 1).min(MOST_DOUBLINGS),
            _ => 0,
        };
        self.failures = 0;
        self.away = Some(Away { since: now, answers_since: None });
        Some(Moved::Away)
    }

    /// A probe of the primary, sent at `sent`, ended.
    pub(super) fn probed(
        &mut self,
        is_well: bool,
        sent: Instant,
        now: Instant,
        params: &Params,
    ) -> Option<Moved> {
        let away = self.away.as_mut()?;
        if !is_well {
            self.interrupt();
            return None;
        }
        let since = *away.answers_since.get_or_insert(sent);
        if now.since(since) < params.hold * 2_u32.pow(self.doublings) {
            return None;
        }
        self.away = None;
        self.returned = Some(now);
        Some(Moved::Back)
    }

    fn interrupt(&mut self) {
        if let Some(away) = &mut self.away {
            away.answers_since = None;
        }
    }
}

#[cfg(all(test, not(seawall_loom)))]
mod tests {
    use super::*;

    const PARAMS: Params = Params { failures: 3, hold: Duration::from_secs(10) };

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    fn away() -> Core {
        let mut core = Core::default();
        for _ in 0..2 {
            assert_eq!(core.observe(false, at(0), &PARAMS), None);
        }
        assert_eq!(core.observe(false, at(0), &PARAMS), Some(Moved::Away));
        core
    }

    #[test]
    fn an_answer_in_between_starts_the_count_anew() {
        let mut core = Core::default();
        for is_well in [false, false, true, false, false] {
            assert_eq!(core.observe(is_well, at(0), &PARAMS), None);
        }
        assert_eq!(core.observe(false, at(0), &PARAMS), Some(Moved::Away));
    }

    #[test]
    fn only_probes_lead_back_and_only_after_the_hold() {
        let mut core = away();
        for second in 1..100 {
            assert_eq!(core.observe(true, at(second), &PARAMS), None);
        }
        assert_eq!(core.probed(true, at(100), at(101), &PARAMS), None);
        assert_eq!(core.probed(true, at(109), at(109), &PARAMS), None);
        assert_eq!(core.probed(true, at(110), at(110), &PARAMS), Some(Moved::Back));
        assert_eq!(core.away_since(), None);
    }

    #[test]
    fn a_failure_in_between_starts_the_hold_anew() {
        for by_probe in [true, false] {
            let mut core = away();
            assert_eq!(core.probed(true, at(1), at(1), &PARAMS), None);
            let failed = if by_probe {
                core.probed(false, at(9), at(9), &PARAMS)
            } else {
                core.observe(false, at(9), &PARAMS)
            };
            assert_eq!(failed, None);
            assert_eq!(core.probed(true, at(11), at(11), &PARAMS), None);
            assert_eq!(core.probed(true, at(21), at(21), &PARAMS), Some(Moved::Back));
        }
    }

    #[test]
    fn a_primary_that_flaps_is_held_longer_each_time_up_to_eight_times() {
        let mut core = away();
        let mut now = 1;
        for hold in [10, 20, 40, 80, 80] {
            assert_eq!(core.probed(true, at(now), at(now), &PARAMS), None);
            assert_eq!(core.probed(true, at(now), at(now + hold - 1), &PARAMS), None);
            assert_eq!(core.probed(true, at(now), at(now + hold), &PARAMS), Some(Moved::Back));
            now += hold + 99;
            for _ in 0..3 {
                core.observe(false, at(now), &PARAMS);
            }
            assert_eq!(core.away_since(), Some(at(now)));
        }
        assert_eq!(core.probed(true, at(now), at(now + 80), &PARAMS), Some(Moved::Back));
        for _ in 0..3 {
            core.observe(false, at(now + 80 + 100), &PARAMS);
        }
        assert_eq!(core.probed(true, at(2000), at(2010), &PARAMS), Some(Moved::Back));
    }
}
