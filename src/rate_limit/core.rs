//! The rate limiter itself: no clock, no runtime, no lock.
//!
//! The generic cell rate algorithm of ATM (ITU-T I.371), on one word: the time at which everything
//! that was let in will have been paid for. A call moves it on by what the call costs, and may do
//! so as long as it is not further ahead of now than a burst is deep.
//!
//! ```text
//!            now                       now + depth
//!   ──────────┼─────────▓▓▓▓▓▓▓▓▓▓────────┼──────────▶ units
//!              what is owed   ▲ next call ▲ no further
//! ```
//!
//! A call that waits moves the word beyond that line and keeps the stretch it moved it by as its
//! own; its turn comes when the end of the stretch meets the line. Stretches never overlap, and
//! each begins no earlier than its call: so no interval of any length sees more calls than a burst
//! and what the interval pays for.

use std::time::Duration;

use super::gaps::{Gaps, Span};
use super::scale::Scale;
use crate::sync::{AtomicU64, Ordering, fence, own_last};
use crate::time::{Instant, nanos};

/// Lets calls in at a rate.
#[derive(Debug)]
pub(super) struct Core {
    /// When all is paid for, in units. Alone on its cache line: every call writes it.
    paid_at: Line,
    scales: Scales,
}

#[derive(Debug)]
#[repr(align(64))]
struct Line(AtomicU64);

/// Why a call is not let in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refusal {
    /// It would be, after that time.
    Later(Duration),
    /// It weighs more than a whole burst.
    TooHeavy,
}

/// A call that may begin at a time to come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Turn {
    pub(super) at: Instant,
    span: Span,
    /// Under which scale it was reserved.
    version: u64,
}

impl Core {
    pub(super) fn new(scale: Scale) -> Self {
        Self { paid_at: Line(AtomicU64::new(0)), scales: Scales::new(scale) }
    }

    /// Starts anew, with a full burst. Only when nobody else has it.
    pub(super) fn reset(&self, scale: Scale) {
        self.scales.replace(|_| scale);
        self.paid_at.0.store(0, Ordering::Relaxed);
    }

    /// Another one with the same scale, and nothing owed.
    pub(super) fn sibling(&self) -> Self {
        Self::new(self.scales.current().0)
    }

    /// Whether a call is let in at `now`, or maybe a little later.
    ///
    /// A clock that is behind may be used: it lets in nobody whom it would not have let in at the
    /// time that it shows. Who is not let in asks [again](Self::enter_now) with the right time.
    #[inline]
    pub(super) fn enter(&self, weight: u32, now: impl FnOnce() -> Instant) -> bool {
        let (scale, _) = self.scales.current();
        let now = scale.at(now());
        self.advance(scale, weight, now).is_ok()
    }

    /// Asks to let a call in at `now`. Says when it would be.
    pub(super) fn enter_now(&self, weight: u32, now: Instant) -> Result<(), Refusal> {
        let (scale, _) = self.scales.current();
        let cost = scale.cost_of(weight);
        if cost > scale.depth {
            return Err(Refusal::TooHeavy);
        }
        self.advance(scale, weight, scale.at(now)).map_err(|paid_at| {
            let at = scale.instant(paid_at.saturating_add(cost) - scale.depth);
            Refusal::Later(at.since(now))
        })
    }

    /// Asks to let a call in at `now`, or at most `max_wait` later.
    ///
    /// A refusal says how much later it would be worth to ask again. Only under the lock that
    /// holds `gaps`.
    pub(super) fn reserve(
        &self,
        weight: u32,
        now: Instant,
        max_wait: Duration,
        gaps: &mut Gaps,
    ) -> Result<Turn, Refusal> {
        let (scale, version) = self.scales.current();
        let cost = scale.cost_of(weight);
        if cost > scale.depth {
            return Err(Refusal::TooHeavy);
        }
        let units = scale.at(now);
        let turn = |span: Span| {
            let at = scale.instant(span.end.saturating_sub(scale.depth)).max(now);
            match at.since(now).checked_sub(max_wait) {
                Some(excess) if !excess.is_zero() => Err(Refusal::Later(excess)),
                Some(_) | None => Ok(Turn { at, span, version }),
            }
        };
        if let Some(span) = gaps.find(cost, units) {
            let turn = turn(span)?;
            gaps.take(span);
            return Ok(turn);
        }
        let mut paid_at = self.load();
        loop {
            let start = paid_at.max(units);
            let turn = turn(Span { start, end: start.saturating_add(cost) })?;
            match self.swap(paid_at, turn.span.end) {
                Ok(()) => return Ok(turn),
                Err(actual) => paid_at = actual,
            }
        }
    }

    /// Takes back the turn of a call that gave it up, so that others can have it. Only under the
    /// lock that holds `gaps`.
    pub(super) fn give_back(&self, turn: Turn, now: Instant, gaps: &mut Gaps) {
        let (scale, version) = self.scales.current();
        if turn.version != version {
            return;
        }
        let Span { start, end } = turn.span;
        if start == end {
            return;
        }
        if let Err(paid_at) = self.swap(end, start) {
            // Others were let in behind it.
            if end < paid_at {
                gaps.add(turn.span, scale.at(now));
            }
            return;
        }
        // It was the last, and so may be what lies before it and was given back earlier: one gap, as
        // gaps that touch are one.
        if let Some(before) = gaps.take_ending_at(start)
            && self.swap(start, before).is_err()
        {
            gaps.add(Span { start: before, end: start }, scale.at(now));
        }
    }

    /// Changes rate and burst. As many calls as before are owed for. Only under the lock that
    /// holds `gaps`.
    pub(super) fn reload(&self, scale: Scale, now: Instant, gaps: &mut Gaps) {
        let (before, _) = self.scales.current();
        let units = before.at(now);
        gaps.clear();
        self.scales.replace(|before| scale.after(before, now));
        let mut paid_at = self.load();
        loop {
            let owed = u128::from(paid_at.saturating_sub(units)) * u128::from(scale.cost);
            let owed = u64::try_from(owed.div_ceil(before.cost.into())).unwrap_or(u64::MAX);
            match self.swap(paid_at, units.saturating_add(owed.min(scale.depth))) {
                Ok(()) => return,
                Err(actual) => paid_at = actual,
            }
        }
    }

    /// Forgets what lies further ahead of `now` than `max_ahead` and a burst: time has gone back
    /// since, and would have to catch up first. Returns whether there was any.
    pub(super) fn heal(&self, now: impl FnOnce() -> Instant, max_ahead: Duration) -> bool {
        let (scale, _) = self.scales.current();
        // Read before the time, so that nobody else's progress looks like a step back.
        let paid_at = self.load();
        let full = scale.at(now()).saturating_add(scale.depth);
        // A unit is no shorter than a nanosecond, so this is no less than it should be.
        let limit = full.saturating_add(nanos(max_ahead));
        paid_at > limit && self.swap(paid_at, full).is_ok()
    }

    /// Whether all that was let in has been paid for at `now`.
    pub(super) fn is_full(&self, now: Instant) -> bool {
        let (scale, _) = self.scales.current();
        self.load() <= scale.at(now)
    }

    /// How many calls would be let in at `now`, one after the other.
    pub(super) fn available(&self, now: Instant) -> u32 {
        let (scale, _) = self.scales.current();
        let units = scale.at(now);
        let room = units.saturating_add(scale.depth).saturating_sub(self.load().max(units));
        u32::try_from(room / scale.cost).unwrap_or(u32::MAX)
    }

    /// Moves the word on for a call of that weight, or returns it as it is.
    #[inline]
    fn advance(&self, scale: Scale, weight: u32, now: u64) -> Result<(), u64> {
        let cost = scale.cost_of(weight);
        let line = now.saturating_add(scale.depth);
        let mut paid_at = self.load();
        loop {
            let next = paid_at.max(now).saturating_add(cost);
            if next > line {
                return Err(paid_at);
            }
            match self.swap(paid_at, next) {
                Ok(()) => return Ok(()),
                Err(actual) => paid_at = actual,
            }
        }
    }

    #[inline]
    fn load(&self) -> u64 {
        // Relaxed, as all that follows: the word publishes nothing but itself.
        self.paid_at.0.load(Ordering::Relaxed)
    }

    #[inline]
    fn swap(&self, before: u64, after: u64) -> Result<(), u64> {
        let word = &self.paid_at.0;
        word.compare_exchange(before, after, Ordering::Relaxed, Ordering::Relaxed).map(drop)
    }
}

/// The scale, which seldom changes and is read by each call: two copies, of which one is current.
///
/// A sequence lock whose readers never wait for a writer: it fills the other copy, and then says
/// that that is the current one.
#[derive(Debug)]
struct Scales {
    version: AtomicU64,
    copies: [Words; 2],
}

#[derive(Debug, Default)]
struct Words {
    speed: AtomicU64,
    offset: AtomicU64,
    cost: AtomicU64,
    depth: AtomicU64,
}

impl Scales {
    fn new(scale: Scale) -> Self {
        let scales =
            Self { version: AtomicU64::new(0), copies: [(); 2].map(|()| Words::default()) };
        scales.copies[0].store(scale);
        scales
    }

    /// The scale, and its version.
    #[inline]
    fn current(&self) -> (Scale, u64) {
        loop {
            // Acquire pairs with the release in `replace`: the copy is complete.
            let version = self.version.load(Ordering::Acquire);
            let scale = self.copies[(version & 1) as usize].load();
            // Pairs with the release fence in `replace`: had a word of a later scale been read, the
            // version before it would be seen now.
            fence(Ordering::Acquire);
            if self.version.load(Ordering::Relaxed) == version {
                return (scale, version);
            }
        }
    }

    /// Sets another scale. Only under a lock.
    fn replace(&self, next: impl FnOnce(Scale) -> Scale) {
        let version = own_last(&self.version);
        let scale = next(self.copies[(version & 1) as usize].read(own_last));
        fence(Ordering::Release);
        self.copies[(version.wrapping_add(1) & 1) as usize].store(scale);
        self.version.store(version.wrapping_add(1), Ordering::Release);
    }
}

impl Words {
    #[inline]
    fn load(&self) -> Scale {
        self.read(|word| word.load(Ordering::Relaxed))
    }

    fn read(&self, word: impl Fn(&AtomicU64) -> u64) -> Scale {
        Scale {
            speed: word(&self.speed),
            offset: word(&self.offset).cast_signed(),
            cost: word(&self.cost),
            depth: word(&self.depth),
        }
    }

    fn store(&self, scale: Scale) {
        self.speed.store(scale.speed, Ordering::Relaxed);
        self.offset.store(scale.offset.cast_unsigned(), Ordering::Relaxed);
        self.cost.store(scale.cost, Ordering::Relaxed);
        self.depth.store(scale.depth, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn lets_a_burst_in_and_then_one_for_each_that_is_paid_for() {
        let core = Core::new(Scale::new(10, SECOND, 3));
        let admitted = |now: Instant| (0..10).filter(|_| core.enter(1, || now)).count();

        assert_eq!(admitted(at(SECOND)), 3);
        assert_eq!(admitted(at(SECOND + SECOND / 10 - 1)), 0);
        assert_eq!(admitted(at(SECOND + SECOND / 10)), 1);
        assert_eq!(admitted(at(SECOND + SECOND / 2)), 3);
        assert_eq!(admitted(at(1_000 * SECOND)), 3);
    }

    #[test]
    fn a_call_takes_as_much_as_it_weighs() {
        let core = Core::new(Scale::new(10, SECOND, 10));
        assert!(core.enter(7, || at(0)));

        assert!(!core.enter(4, || at(0)));
        assert_eq!(core.available(at(0)), 3);
        assert_eq!(core.enter_now(4, at(0)), later(SECOND / 10));
        assert_eq!(core.enter_now(11, at(0)), Err(Refusal::TooHeavy));
        assert_eq!(core.enter_now(u32::MAX, at(0)), Err(Refusal::TooHeavy));
        assert!(core.enter(3, || at(0)));
    }

    /// The rates that the limiter promises, and some that nanoseconds do not divide.
    #[test]
    fn rates_are_exact_from_one_in_100_s_to_a_million_a_second() {
        for (limit, per) in [
            (1, 100 * SECOND),
            (1, 3 * SECOND),
            (3, SECOND),
            (7, 60 * SECOND),
            (1_000, SECOND),
            (999_983, SECOND),
            (1_000_000, 7 * SECOND),
            (1_000_000, SECOND),
        ] {
            let core = Core::new(Scale::new(limit, per, 1));
            let step = per / u64::from(limit) / 3;
            let mut now = 0;
            let mut admitted = 0_u64;
            for _ in 0..30_000 {
                // Three and more callers for each call that may be let in.
                let wait = match core.enter_now(1, at(now)) {
                    Ok(()) => {
                        admitted += 1;
                        continue;
                    }
                    Err(Refusal::Later(wait)) => nanos(wait),
                    Err(Refusal::TooHeavy) => unreachable!("it weighs 1"),
                };
                now += step.min(wait).max(1);
            }
            let exact =
                1 + u64::try_from(u128::from(now) * u128::from(limit) / u128::from(per)).unwrap();
            assert!(
                admitted == exact || admitted + 1 == exact,
                "{admitted} of {exact} at {limit} in {per} ns"
            );
            assert!(admitted > 5_000, "{admitted} at {limit} in {per} ns");
        }
    }

    #[test]
    fn time_that_goes_back_blocks_no_longer_than_a_burst_takes() {
        for step in [1, 1_000_000, SECOND, 3_600 * SECOND] {
            let core = Core::new(Scale::new(10, SECOND, 5));
            let now = 10_000 * SECOND;
            while core.enter(1, || at(now)) {}

            let now = now - step;
            core.heal(|| at(now), Duration::ZERO);

            let Err(Refusal::Later(wait)) = core.enter_now(1, at(now)) else {
                panic!("the burst was spent before time went back by {step} ns");
            };
            assert!(wait <= Duration::from_millis(500 + 100), "{wait:?} after {step} ns");
            assert!(core.enter(1, || at(now) + wait));
        }
    }

    #[test]
    fn a_step_back_within_reach_forgets_nothing() {
        let core = Core::new(Scale::new(10, SECOND, 5));
        while core.enter(1, || at(SECOND)) {}

        assert!(!core.heal(|| at(SECOND), Duration::ZERO));
        assert!(core.heal(|| at(SECOND - 1), Duration::ZERO));
    }

    #[test]
    fn what_is_reserved_is_no_step_back() {
        let (core, mut gaps) = (Core::new(Scale::new(10, SECOND, 5)), Gaps::new());
        let max_wait = Duration::from_secs(1);
        while core.reserve(1, at(SECOND), max_wait, &mut gaps).is_ok() {}

        assert!(!core.heal(|| at(SECOND), max_wait));
        assert!(core.heal(|| at(SECOND), Duration::from_millis(999)));
    }

    #[test]
    fn a_reload_rounds_in_favour_of_the_limit() {
        let (core, mut gaps) = (Core::new(Scale::new(1, 3, 1)), Gaps::new());
        assert!(core.enter(1, || at(0)));

        // A third of a call is still owed for, which is a third of 10.
        core.reload(Scale::new(1, 10, 1), at(2), &mut gaps);

        assert_eq!((core.available(at(5)), core.available(at(6))), (0, 1));
    }

    #[test]
    fn who_can_not_be_served_in_time_is_told_at_once_when_he_could_be() {
        let (core, mut gaps) = (Core::new(Scale::new(1, 3_600 * SECOND, 1)), Gaps::new());
        assert!(core.enter(1, || at(0)));

        let refused = core.reserve(1, at(0), Duration::from_secs(2), &mut gaps).unwrap_err();

        assert_eq!(refused, Refusal::Later(Duration::from_secs(3_598)));
        let turn = core.reserve(1, at(3_598 * SECOND), Duration::from_secs(2), &mut gaps).unwrap();
        assert_eq!(turn.at, at(3_600 * SECOND));
    }

    #[test]
    fn turns_that_are_given_back_are_there_again_in_whatever_order() {
        for reversed in [false, true] {
            let (core, mut gaps) = (Core::new(Scale::new(10, SECOND, 1)), Gaps::new());
            assert!(core.enter(1, || at(0)));
            let reserve = |gaps: &mut Gaps| core.reserve(1, at(0), Duration::MAX, gaps).unwrap();
            let mut turns: Vec<_> = (0..100).map(|_| reserve(&mut gaps)).collect();
            assert_eq!(turns[99].at, at(10 * SECOND));
            if reversed {
                turns.reverse();
            }

            for turn in turns {
                core.give_back(turn, at(0), &mut gaps);
            }

            assert_eq!(reserve(&mut gaps).at, at(SECOND / 10));
        }
    }

    #[test]
    fn a_turn_given_back_in_the_middle_goes_to_who_comes_next() {
        let (core, mut gaps) = (Core::new(Scale::new(10, SECOND, 1)), Gaps::new());
        assert!(core.enter(1, || at(0)));
        let turns = [(); 3].map(|()| core.reserve(1, at(0), Duration::MAX, &mut gaps).unwrap());
        core.give_back(turns[1], at(0), &mut gaps);

        let next = core.reserve(1, at(0), Duration::MAX, &mut gaps).unwrap();
        let last = core.reserve(1, at(0), Duration::MAX, &mut gaps).unwrap();

        assert_eq!((next.at, last.at), (turns[1].at, at(4 * SECOND / 10)));
    }

    #[test]
    fn a_reload_keeps_how_many_calls_are_owed_for() {
        let (core, mut gaps) = (Core::new(Scale::new(1, SECOND, 10)), Gaps::new());
        let now = at(1_000 * SECOND);
        for _ in 0..6 {
            assert!(core.enter(1, || now));
        }

        core.reload(Scale::new(3_000, 7 * SECOND, 10), now, &mut gaps);

        assert_eq!(core.available(now), 4);
        assert_eq!(core.available(now + Duration::from_nanos(2_333_334)), 5);
        core.reload(Scale::new(1, SECOND, 5), now, &mut gaps);
        assert_eq!(core.available(now), 0);
        assert_eq!(core.available(now + Duration::from_secs(1)), 1);
    }

    #[test]
    fn a_turn_given_back_before_a_reload_is_not_handed_out_after_it() {
        let (core, mut gaps) = (Core::new(Scale::new(10, SECOND, 1)), Gaps::new());
        assert!(core.enter(1, || at(0)));
        let reserve = |gaps: &mut Gaps| core.reserve(1, at(0), Duration::MAX, gaps).unwrap();
        let turns = [(); 3].map(|()| reserve(&mut gaps));
        core.give_back(turns[1], at(0), &mut gaps);

        core.reload(Scale::new(20, SECOND, 1), at(0), &mut gaps);

        // A burst is owed for, at the new rate. The gap was further away.
        assert_eq!(reserve(&mut gaps).at, at(SECOND / 20));
    }

    #[test]
    fn one_that_is_reset_has_its_new_rate_and_a_full_burst() {
        let core = Core::new(Scale::new(10, SECOND, 5));
        while core.enter(1, || at(SECOND)) {}

        core.reset(Scale::new(1, SECOND, 3));

        assert_eq!(core.available(at(SECOND)), 3);
        assert!(core.enter(3, || at(SECOND)));
        assert_eq!(core.enter_now(1, at(SECOND)), later(SECOND));
    }

    #[test]
    fn it_is_full_as_soon_as_all_is_paid_for() {
        let core = Core::new(Scale::new(10, SECOND, 5));
        assert!(core.is_full(at(0)));

        assert!(core.enter(1, || at(0)));

        assert!(!core.is_full(at(SECOND / 10 - 1)));
        assert!(core.is_full(at(SECOND / 10)));
        assert!(core.is_full(at(SECOND)));
    }

    #[test]
    fn a_turn_of_before_a_reload_is_not_given_back_after() {
        let (core, mut gaps) = (Core::new(Scale::new(1, SECOND, 1)), Gaps::new());
        assert!(core.enter(1, || at(0)));
        let turn = core.reserve(1, at(0), Duration::MAX, &mut gaps).unwrap();
        core.reload(Scale::new(1, SECOND, 1), at(0), &mut gaps);

        core.give_back(turn, at(0), &mut gaps);

        assert_eq!(core.available(at(0)), 0);
        assert_eq!(gaps.find(1, 0), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        /// Beside the algorithm as it is in books, with a time that is exact for these rates.
        #[test]
        fn decides_like_a_naive_model(
            cost in 1..1_000_u64,
            burst in 1..20_u32,
            calls in proptest::collection::vec((0..2_000_u64, 1..4_u32), 1..200),
        ) {
            let core = Core::new(Scale::new(1, cost, burst));
            let (mut now, mut paid_at) = (0, 0_u64);
            for (passed, weight) in calls {
                now += passed;
                let next = paid_at.max(now) + cost * u64::from(weight);
                let expected = next <= now + cost * u64::from(burst);
                if expected {
                    paid_at = next;
                }
                prop_assert_eq!(core.enter(weight, || at(now)), expected);
            }
        }

        #[test]
        fn the_wait_that_a_refusal_names_is_enough_and_not_too_long(
            limit in 1..1_000_000_u32,
            per in 1_000_000..100_000_000_000_u64,
            burst in 1..100_u32,
            weight in 1..100_u32,
            start in 0..1_000_000_000_000_000_u64,
        ) {
            let weight = weight.min(burst);
            let core = Core::new(Scale::new(limit, per, burst));
            while core.enter(1, || at(start)) {}
            let Err(Refusal::Later(wait)) = core.enter_now(weight, at(start)) else {
                panic!("all was spent");
            };

            let early = at(start) + wait - Duration::from_nanos(1);
            prop_assert_eq!(core.enter_now(weight, early), later(1));
            prop_assert_eq!(core.enter_now(weight, at(start) + wait), Ok(()));
        }
    }

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    fn later(nanos: u64) -> Result<(), Refusal> {
        Err(Refusal::Later(Duration::from_nanos(nanos)))
    }
}

#[cfg(test)]
#[cfg(seawall_loom)]
mod loom_tests {
    use loom::thread;

    use super::*;
    use crate::sync::{Arc, Mutex};

    #[test]
    fn loom_a_burst_is_not_exceeded() {
        loom::model(|| {
            let core = Arc::new(Core::new(Scale::new(1, 1_000, 2)));
            let others = [(); 2].map(|()| {
                let core = Arc::clone(&core);
                thread::spawn(move || core.enter(1, Instant::default))
            });
            let mut admitted = usize::from(core.enter(1, Instant::default));
            for other in others {
                admitted += usize::from(other.join().unwrap());
            }
            assert_eq!(admitted, 2);
        });
    }

    #[test]
    fn loom_a_scale_is_read_whole() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = model.preemption_bound.or(Some(3));
        model.check(|| {
            let scales = Arc::new(Scales::new(whole(1)));
            let other = thread::spawn({
                let scales = Arc::clone(&scales);
                move || {
                    for n in 2..=3 {
                        scales.replace(|_| whole(n));
                    }
                }
            });
            let (scale, _) = scales.current();
            assert_eq!(scale, whole(scale.cost));
            other.join().unwrap();
        });
    }

    #[test]
    fn loom_a_turn_that_is_given_back_is_there_again() {
        loom::model(|| {
            let core = Arc::new(Core::new(Scale::new(1, 1_000, 1)));
            assert!(core.enter(1, Instant::default));
            let gaps = Arc::new(Mutex::new(Gaps::new()));
            let turn = reserve(&core, &mut gaps.lock());
            let other = thread::spawn({
                let (core, gaps) = (Arc::clone(&core), Arc::clone(&gaps));
                move || reserve(&core, &mut gaps.lock())
            });
            core.give_back(turn, Instant::default(), &mut gaps.lock());
            let others = other.join().unwrap();
            let next = reserve(&core, &mut gaps.lock());

            let mut turns = [others.at.as_nanos(), next.at.as_nanos()];
            turns.sort_unstable();
            assert_eq!(turns, [1_000, 2_000]);
        });
    }

    fn reserve(core: &Core, gaps: &mut Gaps) -> Turn {
        core.reserve(1, Instant::default(), Duration::MAX, gaps).unwrap()
    }

    fn whole(n: u64) -> Scale {
        Scale { speed: n, offset: n.cast_signed(), cost: n, depth: n }
    }
}
