//! The budget's account: no clock, no lock, no request.
//!
//! # How it is kept
//!
//! Time is cut into ticks, [`TICKS`] to a window. Two sums only ever grow: *calls*, kept in cells
//! that belong to one thread each, and *charged*. For each tick, a ring keeps what both were when
//! it began, so that what lies within the window is a difference of two readings, and nothing has
//! to be set back. Who first finds that a tick has begun writes the ring, and everyone who wants to
//! charge makes sure of it first; writers do not wait for each other, for the first to write an
//! entry wins and all others leave it alone.
//!
//! # Why it is never overdrawn
//!
//! 1. A charge is a compare-exchange of *charged*, from the very value that the decision was based
//!    on. *Charged* never falls, so no other charge lies between the decision and the exchange.
//! 2. A charge is made after the ring's entry for its tick was written, and the entry was read
//!    from *charged* before that (release and acquire of the entry). So an entry never holds a
//!    charge of its own tick or a later one: no charge leaves the window early.
//! 3. A refund is kept with the tick of its charge, and leaves the window no later than the charge
//!    itself. Who sees a refund but not its charge fails the exchange of 1.
//! 4. An entry that was written late holds calls of its own tick. Calls may thus leave the window
//!    early, never late: the budget errs on the careful side.

use crate::sync::{AtomicU32, AtomicU64, Ordering, Own, PerThread};
use crate::time::Instant;

/// What a [`Core`] allows, checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Params {
    /// Repeats per call, in millionths.
    pub(super) ratio_ppm: u64,
    /// Repeats per window whatever the calls, in millionths.
    pub(super) reserve_ppm: u64,
}

#[derive(Debug)]
pub(super) struct Core {
    tick_nanos: u64,
    ratio_ppm: AtomicU64,
    reserve_ppm: AtomicU64,
    /// The start of tick 0.
    started: AtomicU64,
    /// The newest tick for which the rings are complete.
    tick: AtomicU32,
    calls: PerThread<Calls>,
    /// Repeats that were ever charged.
    charged: AtomicU64,
    /// What the sum of all calls was when a tick began.
    calls_before: Ring,
    /// What `charged` was when a tick began.
    charged_before: Ring,
    /// What was charged in a tick and given back.
    refunded: Ring,
}

/// One thread's calls.
#[derive(Debug, Default)]
struct Calls {
    made: AtomicU64,
    /// The number of calls at which the thread looks at the clock again.
    look_at: AtomicU64,
    /// How many calls it was until it did.
    stride: AtomicU64,
}

/// What the account holds, as one reader sees it.
#[derive(Clone, Copy, Debug)]
struct View {
    tick: u32,
    charged: u64,
    /// Repeats in the window.
    spent: u64,
    /// Repeats that the window allows, in millionths.
    allowed_ppm: u64,
}

impl Core {
    /// An account whose ticks are `tick_nanos` long, more than zero.
    pub(super) fn new(params: Params, tick_nanos: u64, now: Instant) -> Self {
        Self {
            tick_nanos: tick_nanos.max(1),
            ratio_ppm: AtomicU64::new(params.ratio_ppm),
            reserve_ppm: AtomicU64::new(params.reserve_ppm),
            started: AtomicU64::new(now.as_nanos()),
            tick: AtomicU32::new(0),
            calls: PerThread::new(Calls::default),
            charged: AtomicU64::new(0),
            calls_before: Ring::default(),
            charged_before: Ring::default(),
            refunded: Ring::default(),
        }
    }

    /// Opens the account anew. Nobody else may hold it.
    pub(super) fn restart(&self, params: Params, now: Instant) {
        self.reload(params);
        self.started.store(now.as_nanos(), Ordering::Relaxed);
        self.tick.store(0, Ordering::Relaxed);
        self.calls_before.restart(self.calls());
        self.charged_before.restart(low(self.charged.load(Ordering::Relaxed)));
        self.refunded.restart(0);
        for cell in self.calls.iter() {
            cell.look_at.store(0, Ordering::Relaxed);
        }
    }

    /// Changes what is allowed. What was counted stays.
    pub(super) fn reload(&self, params: Params) {
        // Relaxed: the two may be seen one after the other; each is right by itself.
        self.ratio_ppm.store(params.ratio_ppm, Ordering::Relaxed);
        self.reserve_ppm.store(params.reserve_ppm, Ordering::Relaxed);
    }

    pub(super) const fn tick_nanos(&self) -> u64 {
        self.tick_nanos
    }

    /// Counts a call.
    ///
    /// Most calls do not ask for the time. A thread looks at the clock at every call as long as
    /// each finds a new tick, and at every 16th when many calls fall into one.
    #[inline]
    pub(super) fn deposit(&self, now: impl FnOnce() -> Instant) {
        match self.calls.known() {
            Some(own) => self.deposit_in(&own, now),
            None => self.deposit_slowly(now),
        }
    }

    #[cold]
    #[inline(never)]
    fn deposit_slowly(&self, now: impl FnOnce() -> Instant) {
        self.deposit_in(&self.calls.own(), now);
    }

    #[expect(clippy::inline_always, reason = "out of line, it costs as much again")]
    #[inline(always)]
    fn deposit_in(&self, own: &Own<'_, Calls>, now: impl FnOnce() -> Instant) {
        // Relaxed: the count publishes nothing.
        let made = own.add(|cell| &cell.made, 1, Ordering::Relaxed);
        if made >= own.look_at.load(Ordering::Relaxed) {
            self.look(own, made, now);
        }
    }

    /// Charges one repeat, if the window allows it. Returns the tick to give to
    /// [`refund`](Self::refund).
    pub(super) fn withdraw(&self, now: Instant) -> Option<u32> {
        self.advance(self.tick_at(now));
        loop {
            let view = self.view();
            if (view.spent + 1) * MILLION > view.allowed_ppm {
                return None;
            }
            // Relaxed: the ring's entries order charges (2 at the top), and the value itself is all
            // that a charge is about.
            let exchanged = self.charged.compare_exchange(
                view.charged,
                view.charged + 1,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            if exchanged.is_ok() {
                return Some(view.tick);
            }
        }
    }

    /// Gives back what was charged in `tick`. Past the window, that is nothing.
    pub(super) fn refund(&self, tick: u32) {
        self.refunded.add(tick);
    }

    /// The repeats that could be charged now.
    pub(super) fn available(&self, now: Instant) -> u64 {
        self.advance(self.tick_at(now));
        let view = self.view();
        (view.allowed_ppm / MILLION).saturating_sub(view.spent)
    }

    /// All repeats that were ever charged, those that were given back included.
    pub(super) fn charged(&self) -> u64 {
        self.charged.load(Ordering::Relaxed)
    }

    #[cold]
    #[inline(never)]
    fn look(&self, own: &Calls, made: u64, now: impl FnOnce() -> Instant) {
        let tick = self.tick_at(now());
        let stride = if tick > self.tick.load(Ordering::Relaxed) {
            self.advance(tick);
            1
        } else {
            (own.stride.load(Ordering::Relaxed) * 2).clamp(1, LONGEST_STRIDE)
        };
        own.stride.store(stride, Ordering::Relaxed);
        own.look_at.store(made.wrapping_add(stride), Ordering::Relaxed);
    }

    /// Writes the rings up to `tick`.
    fn advance(&self, tick: u32) {
        // Acquire pairs with the release below: the entries up to there are seen, too.
        let complete = self.tick.load(Ordering::Acquire);
        if tick <= complete {
            return;
        }
        let calls = self.calls();
        let charged = low(self.charged.load(Ordering::Relaxed));
        // After a long rest only the newest entries matter: this is no loop over the rest's length.
        // The first is there already, or gives way to the last.
        for begun in tick.saturating_sub(SLOTS).max(complete)..=tick {
            self.calls_before.put(begun, calls);
            self.charged_before.put(begun, charged);
        }
        self.tick.fetch_max(tick, Ordering::AcqRel);
    }

    fn view(&self) -> View {
        loop {
            let tick = self.tick.load(Ordering::Acquire);
            let oldest = tick.saturating_sub(TICKS);
            // Bases first, sums after: a sum is then never smaller than its base.
            let bases = self
                .calls_before
                .get(oldest)
                .and_then(|calls| self.charged_before.get(oldest).map(|charged| (calls, charged)));
            let (calls_before, charged_before) = match bases {
                Ok(bases) => bases,
                Err(newer) => {
                    // Someone who reads a later clock is about to complete that tick. Instead of
                    // waiting for him, do it for him: each round gets further.
                    self.advance(newer);
                    continue;
                }
            };
            let charged = self.charged.load(Ordering::Relaxed);
            let refunded: u64 =
                (oldest..=tick).map(|tick| self.refunded.get(tick).map_or(0, u64::from)).sum();
            let spent = u64::from(low(charged).wrapping_sub(charged_before));
            let calls = u64::from(self.calls().wrapping_sub(calls_before));
            return View {
                tick,
                charged,
                spent: spent.saturating_sub(refunded),
                allowed_ppm: calls * self.ratio_ppm.load(Ordering::Relaxed)
                    + self.reserve_ppm.load(Ordering::Relaxed),
            };
        }
    }

    /// The sum of all calls, of which 32 bits are enough: only differences matter, within windows.
    fn calls(&self) -> u32 {
        let calls = |cell: &Calls| low(cell.made.load(Ordering::Relaxed));
        self.calls.iter().fold(0, |sum, cell| sum.wrapping_add(calls(cell)))
    }

    fn tick_at(&self, now: Instant) -> u32 {
        let started = Instant::from_nanos(self.started.load(Ordering::Relaxed));
        let ticks = now.as_nanos().saturating_sub(started.as_nanos()) / self.tick_nanos;
        // After 13 years of the shortest ticks the window stands still, and allows no more than
        // before.
        u32::try_from(ticks).unwrap_or(u32::MAX)
    }
}

/// A value for each of the last ticks, each in one word with its tick: `tick:32 | value:32`.
#[derive(Debug, Default)]
struct Ring {
    entries: [AtomicU64; SLOTS as usize],
}

impl Ring {
    fn restart(&self, value: u32) {
        for (slot, entry) in self.entries.iter().enumerate() {
            // Those of the other slots are older than any tick that will ask for them.
            let value = if slot == 0 { value } else { 0 };
            entry.store(u64::from(value), Ordering::Relaxed);
        }
    }

    /// Writes the value of `tick`, unless it or a later one is there already.
    fn put(&self, tick: u32, value: u32) {
        let entry = self.entry(tick);
        // Acquire: who leaves an entry alone goes by what its writer saw.
        let mut before = entry.load(Ordering::Acquire);
        while tick_of(before) < tick {
            // Release pairs with the acquire here and in `get`.
            match entry.compare_exchange(
                before,
                pack(tick, value),
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return,
                Err(actual) => before = actual,
            }
        }
    }

    /// The value of `tick`, or the tick whose value is in its place: a later one, unless none was
    /// written for `tick` yet.
    fn get(&self, tick: u32) -> Result<u32, u32> {
        let entry = self.entry(tick).load(Ordering::Acquire);
        let written = tick_of(entry);
        if written == tick { Ok(low(entry)) } else { Err(written) }
    }

    /// Adds one to the value of `tick`, unless a later one is there.
    fn add(&self, tick: u32) {
        let entry = self.entry(tick);
        let mut before = entry.load(Ordering::Relaxed);
        loop {
            let after = match tick_of(before) {
                newer if newer > tick => return,
                written if written == tick => pack(tick, low(before).saturating_add(1)),
                _ => pack(tick, 1),
            };
            // Relaxed: a refund publishes nothing (3 at the top).
            match entry.compare_exchange(before, after, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(actual) => before = actual,
            }
        }
    }

    fn entry(&self, tick: u32) -> &AtomicU64 {
        &self.entries[(tick % SLOTS) as usize]
    }
}

fn pack(tick: u32, value: u32) -> u64 {
    (u64::from(tick) << 32) | u64::from(value)
}

fn tick_of(entry: u64) -> u32 {
    (entry >> 32) as u32
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
fn low(word: u64) -> u32 {
    word as u32
}

/// Ticks to a window. The window is these, and the one that has begun.
pub(super) const TICKS: u32 = if cfg!(all(test, seawall_loom)) { 1 } else { 10 };

/// Entries of a ring: enough for a window, and for readers whose clock is some ticks behind.
const SLOTS: u32 = if cfg!(all(test, seawall_loom)) { 4 } else { 16 };

const LONGEST_STRIDE: u64 = 16;

const MILLION: u64 = 1_000_000;

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use std::collections::VecDeque;
    use std::thread;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_ratio_is_exact() {
        for tenths in 1..=10 {
            let core = core(tenths * 100_000, 0);
            deposit(&core, 1_000, at(0));

            assert_eq!(withdraw_all(&core, at(0)), tenths * 100);
        }
    }

    #[test]
    fn a_third_of_the_calls_is_a_third_after_any_number_of_them() {
        let core = core(333_333, 0);
        for calls in 1..=3_000_u64 {
            deposit(&core, 1, at(0));
            withdraw_all(&core, at(0));

            assert_eq!(core.charged(), calls * 333_333 / MILLION);
        }
    }

    #[test]
    fn the_first_call_may_be_repeated() {
        let core = core(100_000, MILLION);

        assert!(core.withdraw(at(0)).is_some());
        assert!(core.withdraw(at(0)).is_none());
    }

    #[test]
    fn a_charge_counts_until_the_window_has_passed() {
        let core = core(0, MILLION);
        assert!(core.withdraw(at(950)).is_some());

        for millis in [950, 1_500, 1_899] {
            assert!(core.withdraw(at(millis)).is_none(), "after {millis} ms");
        }
        assert!(core.withdraw(at(2_000)).is_some());
    }

    #[test]
    fn calls_count_until_the_window_has_passed() {
        let core = core(MILLION, 0);
        deposit(&core, 10, at(50));

        assert_eq!(core.available(at(1_000)), 10);
        assert_eq!(core.available(at(1_099)), 10);
        assert_eq!(core.available(at(1_100)), 0);
    }

    #[test]
    fn what_was_not_sent_is_given_back_while_it_counts() {
        let core = core(0, 2 * MILLION);
        let tick = core.withdraw(at(0)).unwrap();
        assert_eq!(core.available(at(0)), 1);
        core.refund(tick);
        assert_eq!(core.available(at(500)), 2);

        // Later than the window nothing is left to give back.
        let tick = core.withdraw(at(500)).unwrap();
        core.withdraw(at(5_000)).unwrap();
        core.refund(tick);
        assert_eq!(core.available(at(5_000)), 1);
    }

    #[test]
    fn a_rest_of_any_length_costs_one_look() {
        let core = core(100_000, MILLION);
        deposit(&core, 100, at(0));
        let month = 30 * 24 * 3_600 * 1_000;

        for rest in [month, 12 * month, 1_000 * 12 * month] {
            // Were the ticks of the rest walked through, this would not end.
            deposit(&core, 100, at(rest));
            let spent = withdraw_all(&core, at(rest));
            assert!((9..=11).contains(&spent), "{spent} repeats of 100 calls and a reserve of 1");
        }
        // Past the last tick there is no more time, and no more to spend.
        assert_eq!(withdraw_all(&core, Instant::FAR_FUTURE), 0);
    }

    #[test]
    fn a_thread_that_counts_many_calls_in_a_tick_looks_at_the_clock_ever_less() {
        let core = core(MILLION, 0);
        let looks = |millis| {
            let look = |call: &i32| {
                let mut has_looked = false;
                core.deposit(|| {
                    has_looked = true;
                    at(millis)
                });
                has_looked.then_some(*call)
            };
            (0..64).filter_map(|call| look(&call)).collect::<Vec<_>>()
        };

        assert_eq!(looks(0), [0, 1, 3, 7, 15, 31, 47, 63]);
        // The 16th call after that finds a new tick, and the next one looks again.
        assert_eq!(looks(100), [15, 16, 18, 22, 30, 46, 62]);
    }

    #[test]
    fn an_entry_of_a_ring_stays_as_it_was_written_first() {
        let ring = Ring::default();
        ring.put(3, 5);

        ring.put(3, 9);
        assert_eq!(ring.get(3), Ok(5));

        ring.put(3 + SLOTS, 7);
        ring.put(3, 9);
        assert_eq!((ring.get(3), ring.get(3 + SLOTS)), (Err(3 + SLOTS), Ok(7)));
    }

    #[test]
    fn a_clock_that_lags_behind_others_changes_nothing() {
        let core = core(0, MILLION);
        assert!(core.withdraw(at(9_000)).is_some());

        assert!(core.withdraw(at(0)).is_none());
        assert_eq!(core.available(at(500)), 0);
        deposit(&core, 5, at(0));
        assert!(core.withdraw(at(10_200)).is_some());
    }

    #[test]
    fn an_account_that_is_opened_anew_knows_nothing_of_its_past() {
        let core = core(MILLION, 2 * MILLION);
        deposit(&core, 100, at(70_000));
        let tick = core.withdraw(at(70_000)).unwrap();
        core.refund(tick);
        withdraw_all(&core, at(70_000));

        core.restart(Params { ratio_ppm: 500_000, reserve_ppm: MILLION }, at(3_000));

        assert_eq!(core.available(at(3_000)), 1);
        deposit(&core, 4, at(3_000));
        assert_eq!(withdraw_all(&core, at(3_000)), 3);
        assert_eq!(core.available(at(4_100)), 1);
    }

    #[test]
    fn all_threads_together_spend_no_more_than_there_is() {
        let core = core(100_000, 5 * MILLION);
        let spent: u64 = thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let mut spent = 0;
                        for _ in 0..2_500 {
                            deposit(&core, 1, at(0));
                            if let Some(tick) = core.withdraw(at(0)) {
                                core.refund(tick);
                            }
                            spent += u64::from(core.withdraw(at(0)).is_some());
                        }
                        spent
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });

        assert!(spent <= 1_005, "{spent} repeats of 10000 calls");
        assert_eq!(spent + core.available(at(0)), 1_005);
    }

    #[test]
    fn ticks_that_turn_while_threads_spend_lose_and_double_nothing() {
        // Ticks of a microsecond of made-up time, a few hundred of them per thread.
        let core = Core::new(Params { ratio_ppm: 0, reserve_ppm: 3 * MILLION }, 1_000, at(0));
        let charges: usize = thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let times = (0..20_000).map(|step| Instant::from_nanos(step * 50));
                        times.filter(|now| core.withdraw(*now).is_some()).count()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });

        // 1,000 ticks hold 91 windows of 11, of three charges each. A thread may run far ahead of
        // the others, so that some windows go by half used.
        assert!(charges <= 3 * 92, "{charges} charges");
        assert!(charges >= 3 * 45, "{charges} charges");
    }

    #[derive(Clone, Debug)]
    enum Op {
        Rest(u64),
        Deposit(u64),
        Withdraw,
        Refund(usize),
    }

    proptest! {
        #[test]
        fn agrees_with_a_naive_account(
            ratio_ppm in prop_oneof![Just(0), Just(100_000), 1..=MILLION],
            reserve in 0_u64..5,
            ops in proptest::collection::vec(op(), 1..200),
        ) {
            let core = core(ratio_ppm, reserve * MILLION);
            let mut naive = Naive { ratio_ppm, reserve, ..Naive::default() };
            let mut held = Vec::new();
            let mut millis = 0;
            for op in ops {
                naive.now = millis / 100;
                match op {
                    Op::Rest(rest) => millis += rest,
                    Op::Deposit(calls) => {
                        deposit(&core, calls, at(millis));
                        naive.calls.push_back((millis / 100, calls));
                    }
                    Op::Withdraw => match core.withdraw(at(millis)) {
                        Some(tick) => {
                            prop_assert!(naive.room(0) >= MILLION, "more than there is");
                            naive.charges.push((u64::from(tick), false));
                            held.push((tick, naive.charges.len() - 1));
                        }
                        // The thread may have made this many calls without a look at the clock.
                        None => prop_assert!(naive.room(LONGEST_STRIDE) < MILLION, "refused"),
                    },
                    Op::Refund(n) if !held.is_empty() => {
                        let (tick, charge) = held.swap_remove(n % held.len());
                        core.refund(tick);
                        naive.charges[charge].1 = true;
                    }
                    Op::Refund(_) => {}
                }
            }
        }
    }

    /// Remembers everything, and adds it up at each question.
    #[derive(Debug, Default)]
    struct Naive {
        ratio_ppm: u64,
        reserve: u64,
        now: u64,
        calls: VecDeque<(u64, u64)>,
        charges: Vec<(u64, bool)>,
    }

    impl Naive {
        fn is_in_window(&self, tick: u64) -> bool {
            tick + u64::from(TICKS) >= self.now
        }

        /// What is left, in millionths, if so many calls were not seen.
        fn room(&self, unseen: u64) -> u64 {
            let calls: u64 = self
                .calls
                .iter()
                .filter(|(tick, _)| self.is_in_window(*tick))
                .map(|(_, calls)| calls)
                .sum();
            let spent = self
                .charges
                .iter()
                .filter(|(tick, refunded)| !refunded && self.is_in_window(*tick))
                .count() as u64;
            let allowed = calls.saturating_sub(unseen) * self.ratio_ppm + self.reserve * MILLION;
            allowed.saturating_sub(spent * MILLION)
        }
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            2 => prop_oneof![0_u64..300, 0_u64..5_000].prop_map(Op::Rest),
            3 => (1_u64..40).prop_map(Op::Deposit),
            4 => Just(Op::Withdraw),
            1 => any::<usize>().prop_map(Op::Refund),
        ]
    }

    /// A window of a second.
    fn core(ratio_ppm: u64, reserve_ppm: u64) -> Core {
        Core::new(Params { ratio_ppm, reserve_ppm }, 100_000_000, at(0))
    }

    fn deposit(core: &Core, calls: u64, now: Instant) {
        for _ in 0..calls {
            core.deposit(|| now);
        }
    }

    fn withdraw_all(core: &Core, now: Instant) -> u64 {
        // Were there no end, the test would fail and not hang.
        std::iter::from_fn(|| core.withdraw(now)).take(10_000).count() as u64
    }

    fn at(millis: u64) -> Instant {
        Instant::default() + Duration::from_millis(millis)
    }
}

#[cfg(test)]
#[cfg(seawall_loom)]
mod loom_tests {
    use loom::thread;

    use super::*;
    use crate::sync::Arc;

    #[test]
    fn loom_never_charges_more_than_there_is() {
        loom::model(|| {
            let core = Arc::new(core(0, 1));
            let other = spawn(&core, |core| core.withdraw(at(0)).is_some());
            let ours = core.withdraw(at(0)).is_some();

            assert!(ours != other.join().unwrap());
            assert_eq!(core.available(at(0)), 0);
        });
    }

    #[test]
    fn loom_a_tick_that_turns_meanwhile_frees_no_charge() {
        loom::model(|| {
            let core = Arc::new(core(0, 1));
            // A window spans both ticks.
            let other = spawn(&core, |core| core.withdraw(at(1)).is_some());
            let ours = core.withdraw(at(0)).is_some();

            assert!(ours != other.join().unwrap());
            assert_eq!(core.available(at(1)), 0);
            assert_eq!(core.available(at(3)), 1);
        });
    }

    #[test]
    fn loom_what_is_given_back_can_be_charged_once() {
        loom::model(|| {
            let core = Arc::new(core(0, 1));
            let tick = core.withdraw(at(0)).unwrap();
            let other = spawn(&core, move |core| {
                core.refund(tick);
                core.withdraw(at(0)).is_some()
            });
            let ours = core.withdraw(at(1)).is_some();
            let theirs = other.join().unwrap();

            assert!(ours != theirs, "charged by {} of two", u8::from(ours) + u8::from(theirs));
            assert_eq!(core.available(at(1)), 0);
        });
    }

    #[test]
    fn loom_all_that_is_given_back_at_once_can_be_charged_again() {
        loom::model(|| {
            let core = Arc::new(core(0, 2));
            let first = core.withdraw(at(0)).unwrap();
            let second = core.withdraw(at(0)).unwrap();
            let other = spawn(&core, move |core| {
                core.refund(first);
                true
            });
            core.refund(second);
            other.join().unwrap();

            assert_eq!(core.available(at(0)), 2);
        });
    }

    #[test]
    fn loom_a_refund_that_comes_late_overwrites_none_of_a_later_tick() {
        loom::model(|| {
            let core = Arc::new(core(0, 1));
            let late = core.withdraw(at(0)).unwrap();
            // The same entry of the ring, a round later.
            let again = SLOTS;
            let other = spawn(&core, move |core| {
                core.refund(late);
                true
            });
            let tick = core.withdraw(at(again.into())).unwrap();
            core.refund(tick);
            other.join().unwrap();

            assert_eq!(core.available(at(again.into())), 1);
        });
    }

    #[test]
    fn loom_two_that_begin_a_tick_forget_no_charge_of_it() {
        loom::model(|| {
            let core = Arc::new(core(0, 1));
            let other = spawn(&core, |core| core.withdraw(at(1)).is_some());
            let ours = core.withdraw(at(1)).is_some();

            assert!(ours != other.join().unwrap());
            // The tick of the charge is still in the window; the slower of the two must not have
            // written the charge into what was before.
            assert_eq!(core.available(at(2)), 0);
            assert_eq!(core.available(at(3)), 1);
        });
    }

    #[test]
    fn loom_calls_are_neither_lost_nor_doubled() {
        loom::model(|| {
            let core = Arc::new(core(MILLION, 0));
            let other = spawn(&core, |core| {
                core.deposit(|| at(1));
                true
            });
            core.deposit(|| at(0));
            let early = core.withdraw(at(1)).is_some();
            other.join().unwrap();

            let left = core.available(at(1));
            assert_eq!(left + u64::from(early), 2);
        });
    }

    #[test]
    fn loom_a_clock_that_lags_behind_finds_its_window_gone_and_goes_on() {
        let mut model = loom::model::Builder::new();
        // Without a bound it passes as well, after seven minutes.
        model.preemption_bound = model.preemption_bound.or(Some(3));
        model.check(|| {
            let core = Arc::new(core(0, 1));
            let other = spawn(&core, |core| core.withdraw(at(9)).is_some());
            // Its ring may be overwritten while it looks: it must neither hang nor overdraw.
            let ours = core.withdraw(at(1)).is_some();
            let theirs = other.join().unwrap();

            assert!(ours || theirs);
            assert_eq!(core.charged(), u64::from(ours) + u64::from(theirs));
        });
    }

    /// Ticks of a nanosecond; a window is the tick that has begun and the one before.
    fn core(ratio_ppm: u64, reserve: u64) -> Core {
        Core::new(Params { ratio_ppm, reserve_ppm: reserve * MILLION }, 1, at(0))
    }

    fn spawn(
        core: &Arc<Core>,
        work: impl FnOnce(&Core) -> bool + 'static,
    ) -> thread::JoinHandle<bool> {
        let core = Arc::clone(core);
        thread::spawn(move || work(&core))
    }

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }
}
