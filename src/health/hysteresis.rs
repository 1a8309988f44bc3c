//! When the findings of a check's runs change what the check counts as.
//!
//! # The rules
//!
//! - The first run decides at once.
//! - A check *falls* to the best of its last [`fall`](Params::fall) runs, if that is worse than
//!   what it counts as, and *rises* to the worst of its last [`rise`](Params::rise) runs, if that
//!   is better. So three runs that found down, degraded and down make it degraded: all three were
//!   at least as bad as that.
//! - It keeps what it counts as for [`min_stay`](Params::min_stay) at least.
//! - While it *flaps* it may fall and not rise, and is degraded at best: it keeps the worse verdict
//!   until it has calmed.
//!
//! # Flapping
//!
//! As in Nagios Core (*Detection and Handling of State Flapping*): of the last 21 runs, the changes
//! from one to the next are counted, the newest weighing 1.2 and the oldest 0.8, and related to
//! the 20 that there can be. From 30 % on it flaps, as by Icinga 2's default; that is three single
//! failures within 20 runs. It has calmed when less than 15 % are left: half of that, so that
//! flapping does not itself flap.

use std::time::Duration;

use super::Verdict;
use crate::time::Instant;

/// What is set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Params {
    /// Bad runs in a row that make it fall, at least 1.
    pub(super) fall: u32,
    /// Good runs in a row that make it rise, at least 1.
    pub(super) rise: u32,
    /// How long a verdict stays at least.
    pub(super) min_stay: Duration,
    /// Whether flapping changes anything.
    pub(super) calm: bool,
}

/// What a check counts as, and what led there.
#[derive(Clone, Debug)]
pub(super) struct Hysteresis {
    params: Params,
    counts_as: Option<Verdict>,
    since: Instant,
    last: Option<Verdict>,
    /// How many of the last runs in a row were no better than down, and than degraded.
    at_most: [u32; 2],
    /// How many of the last runs in a row were no worse than degraded, and than healthy.
    at_least: [u32; 2],
    /// A bit for each of the last runs, the newest lowest: whether it differed from the one before.
    changes: u32,
    flapping: bool,
}

/// A change of what a check counts as.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Moved {
    pub(super) from: Option<Verdict>,
    pub(super) to: Verdict,
}

impl Hysteresis {
    pub(super) const fn new(params: Params) -> Self {
        Self {
            params,
            counts_as: None,
            since: Instant::from_nanos(0),
            last: None,
            at_most: [0; 2],
            at_least: [0; 2],
            changes: 0,
            flapping: false,
        }
    }

    /// What it counts as, if it has run.
    pub(super) const fn counts_as(&self) -> Option<Verdict> {
        self.counts_as
    }

    /// Since when it counts as that.
    pub(super) const fn since(&self) -> Instant {
        self.since
    }

    /// Whether it changes too often.
    pub(super) const fn is_flapping(&self) -> bool {
        self.flapping
    }

    /// Takes in what a run found.
    pub(super) fn observe(&mut self, found: Verdict, now: Instant) -> Option<Moved> {
        self.count(found);
        let from = self.counts_as;
        let target = from.map_or(found, |counts_as| self.target(counts_as));
        if from == Some(target) {
            return None;
        }
        if from.is_some() && now.since(self.since) < self.params.min_stay {
            return None;
        }
        self.counts_as = Some(target);
        self.since = now;
        Some(Moved { from, to: target })
    }

    fn count(&mut self, found: Verdict) {
        let levels = [Verdict::Down, Verdict::Degraded, Verdict::Healthy];
        for (streak, level) in self.at_most.iter_mut().zip(&levels[..2]) {
            *streak = if found <= *level { streak.saturating_add(1) } else { 0 };
        }
        for (streak, level) in self.at_least.iter_mut().zip(&levels[1..]) {
            *streak = if found >= *level { streak.saturating_add(1) } else { 0 };
        }
        let changed = self.last.is_some_and(|last| last != found);
        self.last = Some(found);
        self.changes = ((self.changes << 1) | u32::from(changed)) & ((1 << CHANGES) - 1);
        let weight = self.weight_of_changes();
        self.flapping =
            self.params.calm && weight >= if self.flapping { CALM_BELOW } else { FLAPS_FROM };
    }

    fn target(&self, counts_as: Verdict) -> Verdict {
        let best_of_last = match self.at_most.map(|streak| streak >= self.params.fall) {
            [true, _] => Verdict::Down,
            [_, true] => Verdict::Degraded,
            _ => Verdict::Healthy,
        };
        let worst_of_last = match self.at_least.map(|streak| streak >= self.params.rise) {
            [_, true] => Verdict::Healthy,
            [true, _] => Verdict::Degraded,
            _ => Verdict::Down,
        };
        if self.flapping {
            return counts_as.min(best_of_last).min(Verdict::Degraded);
        }
        if best_of_last < counts_as { best_of_last } else { counts_as.max(worst_of_last) }
    }

    fn weight_of_changes(&self) -> u32 {
        (0..CHANGES).filter(|age| self.changes >> age & 1 == 1).map(weight).sum()
    }
}

/// What a change `age` runs ago weighs, in 95ths: from 1.2 down to 0.8.
const fn weight(age: u32) -> u32 {
    114 - 2 * age
}

const CHANGES: u32 = 20;
/// 30 % of 20 changes, in 95ths.
const FLAPS_FROM: u32 = 30 * CHANGES * 95 / 100;
/// 15 % of 20 changes, in 95ths.
const CALM_BELOW: u32 = 15 * CHANGES * 95 / 100;

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Runs and what the check counts as after each: `H`, `W` and `D`, the second in lower case
    /// while it flaps.
    #[test]
    fn counts_as_the_table_says() {
        let rows: &[(&str, u32, u32, &str, &str)] = &[
            ("the first decides", 3, 2, "H", "H"),
            ("the first decides", 3, 2, "D", "D"),
            ("the first decides", 3, 2, "W", "W"),
            ("three bad ones fall", 3, 2, "HDDD", "HHHD"),
            ("two do not", 3, 2, "HDDHDDH", "HHHHHHH"),
            ("two good ones rise", 3, 2, "DHH", "DDH"),
            ("one does not", 3, 2, "DHDH", "DDDD"),
            ("the best of the last three", 3, 2, "HDWD", "HHHW"),
            ("and then the rest", 3, 2, "HDWDDD", "HHHWWD"),
            ("the worst of the last two", 3, 2, "DWH", "DDW"),
            ("and then the rest", 3, 2, "DWHH", "DDWH"),
            ("degraded alone", 3, 2, "HWWWHH", "HHHWWH"),
            ("no patience", 1, 1, "HDHWD", "HDHWD"),
            ("three single failures in 20 runs flap", 3, 2, "HDHHDHHDHH", "HHHHHHHHww"),
            ("two do not", 3, 2, "HDHHDHHHHH", "HHHHHHHHHH"),
            ("a flapping one falls", 1, 1, "HDHDHDHHH", "HDHDHDddd"),
            ("and falls from degraded", 2, 2, "HDHDHDHDDH", "HHHHHHwwdd"),
        ];
        for (name, fall, rise, runs, expected) in rows {
            let mut hysteresis = Hysteresis::new(params(*fall, *rise, 0));
            let found: String =
                runs.chars().map(|run| step(&mut hysteresis, verdict(run), 0)).collect();
            assert_eq!(found, *expected, "{name}: {runs}");
        }
    }

    #[test]
    fn a_flapping_check_calms_after_a_while_and_then_rises() {
        let mut hysteresis = Hysteresis::new(params(1, 1, 0));
        let flapping: String =
            "HDHDHDHD".chars().map(|run| step(&mut hysteresis, verdict(run), 0)).collect();
        assert_eq!(flapping, "HDHDHDdd");

        let calming: String = (0..21).map(|_| step(&mut hysteresis, Verdict::Healthy, 0)).collect();

        // Each change is forgotten after 20 runs, and three old ones weigh less than 15 %.
        assert_eq!(calming, format!("{}HHHH", "d".repeat(17)));
    }

    #[test]
    fn flapping_changes_nothing_where_it_is_not_asked_for() {
        let mut hysteresis = Hysteresis::new(Params { calm: false, ..params(1, 1, 0) });
        let runs = "HDHDHDHDHDHDHDHDHDHDHDHDHD";

        let found: String =
            runs.chars().map(|run| step(&mut hysteresis, verdict(run), 0)).collect();

        assert_eq!(found, runs);
    }

    #[test]
    fn a_verdict_stays_as_long_as_it_is_to() {
        let mut hysteresis = Hysteresis::new(params(1, 1, 10));
        let mut at = |found, now| step(&mut hysteresis, found, now);

        assert_eq!(at(Verdict::Healthy, 100), 'H');
        assert_eq!(at(Verdict::Down, 109), 'H');
        assert_eq!(at(Verdict::Down, 110), 'D');
        assert_eq!(at(Verdict::Healthy, 119), 'D');
        assert_eq!(at(Verdict::Healthy, 120), 'H');
    }

    #[test]
    fn a_change_is_told_with_where_it_came_from() {
        let mut hysteresis = Hysteresis::new(params(1, 1, 0));
        let now = Instant::from_nanos(5);

        assert_eq!(
            hysteresis.observe(Verdict::Healthy, now),
            Some(Moved { from: None, to: Verdict::Healthy })
        );
        assert_eq!(hysteresis.observe(Verdict::Healthy, now + Duration::from_nanos(1)), None);
        assert_eq!(hysteresis.since(), now);
        assert_eq!(
            hysteresis.observe(Verdict::Down, now),
            Some(Moved { from: Some(Verdict::Healthy), to: Verdict::Down })
        );
    }

    proptest! {
        #[test]
        fn does_what_a_naive_reading_of_the_rules_says(
            fall in 1..6_u32,
            rise in 1..6_u32,
            min_stay in 0..8_u64,
            calm in any::<bool>(),
            // Runs of one finding, so that streaks are as frequent as changes.
            runs in prop::collection::vec((0..3_usize, 1..6_usize, 0..4_u64), 0..60),
        ) {
            let mut hysteresis =
                Hysteresis::new(Params { calm, ..params(fall, rise, min_stay) });
            let mut model = Model::default();
            let mut now = 0;
            for (level, times, pause) in runs {
                for _ in 0..times {
                    now += pause;
                    let found = [Verdict::Down, Verdict::Degraded, Verdict::Healthy][level];
                    hysteresis.observe(found, Instant::from_nanos(now));
                    model.observe(found, now, fall as usize, rise as usize, min_stay, calm);

                    prop_assert_eq!(hysteresis.counts_as(), model.counts_as);
                    prop_assert_eq!(hysteresis.is_flapping(), model.flapping);
                    prop_assert_eq!(hysteresis.since().as_nanos(), model.since);
                }
            }
        }
    }

    /// The rules of the module's page, word by word, over all runs there were.
    #[derive(Default)]
    struct Model {
        runs: Vec<Verdict>,
        counts_as: Option<Verdict>,
        since: u64,
        flapping: bool,
    }

    impl Model {
        fn observe(
            &mut self,
            found: Verdict,
            now: u64,
            fall: usize,
            rise: usize,
            min_stay: u64,
            calm: bool,
        ) {
            self.runs.push(found);
            let changes: f64 = self
                .runs
                .windows(2)
                .rev()
                .take(20)
                .enumerate()
                .filter(|(_, pair)| pair[0] != pair[1])
                .map(|(age, _)| 1.2 - 0.4 * (f64::from(u32::try_from(age).unwrap()) / 19.0))
                .sum();
            // No sum of weights comes as close to a bound as rounding does, but for being equal.
            let part = changes / 20.0 + 1e-9;
            self.flapping = calm && part >= if self.flapping { 0.15 } else { 0.3 };
            let Some(counts_as) = self.counts_as else {
                (self.counts_as, self.since) = (Some(found), now);
                return;
            };
            let last = |n: usize| self.runs.len().checked_sub(n).map(|from| &self.runs[from..]);
            let best = last(fall).and_then(|runs| runs.iter().max().copied());
            let worst = last(rise).and_then(|runs| runs.iter().min().copied());
            let mut target = match (best, worst) {
                (Some(best), _) if best < counts_as => best,
                (_, Some(worst)) if worst > counts_as && !self.flapping => worst,
                _ => counts_as,
            };
            if self.flapping {
                target = target.min(Verdict::Degraded);
            }
            if target != counts_as && now - self.since >= min_stay {
                (self.counts_as, self.since) = (Some(target), now);
            }
        }
    }

    fn params(fall: u32, rise: u32, min_stay: u64) -> Params {
        Params { fall, rise, min_stay: Duration::from_nanos(min_stay), calm: true }
    }

    fn verdict(letter: char) -> Verdict {
        match letter {
            'H' => Verdict::Healthy,
            'W' => Verdict::Degraded,
            _ => Verdict::Down,
        }
    }

    fn step(hysteresis: &mut Hysteresis, found: Verdict, now: u64) -> char {
        hysteresis.observe(found, Instant::from_nanos(now));
        let letter = match hysteresis.counts_as() {
            Some(Verdict::Healthy) => 'H',
            Some(Verdict::Degraded) => 'W',
            Some(Verdict::Down) => 'D',
            None => '-',
        };
        if hysteresis.is_flapping() { letter.to_ascii_lowercase() } else { letter }
    }
}
