//! How the newest calls ended: sliding counts, O(1), without a lock.
//!
//! Two kinds, chosen by [`Span`]:
//!
//! - *Time.* Ten ticks. Each thread adds to its own [`Shard`], whose sums are never reset: failures
//!   in the upper half of a word, good calls in the lower, so that sums and differences of whole
//!   words stay right whatever carries. At the start of each tick somebody notes the sum of all
//!   shards in a ring; what the window holds is the sum now less the sum ten ticks ago. A good call
//!   is a plain load and store, and as nothing is ever cleared, no late writer can wipe out what is
//!   newer.
//! - *Calls.* A ring of bits, and running totals of the bits that are set. Whoever sets or clears a
//!   bit adds or takes what he changed, so totals and bits agree whenever nobody is in between. A
//!   good call that would replace a good call in a ring of good calls writes nothing.
//!
//! Both also know the calls that [still run](Running), by the tick that they started in.
//!
//! Under races a call may be counted in the tick beside its own, and a call that ends while the
//! window is cleared may be missed or stay as a straggler: at most one for each thread.

mod calls;
mod running;
#[cfg(test)]
mod tests;

use std::hint;

use crate::sync::{AtomicU64, Ordering, PerThread, fence};
use crate::time::Instant;
use calls::Calls;
use running::{HALVES, Running};

/// A sliding count of calls.
#[derive(Debug)]
pub(crate) struct Window {
    span: Span,
    /// The number of the newest tick, shifted left; the lowest bit is set while one thread is
    /// turning to the next.
    tick: AtomicU64,
    /// When the newest tick ends, in nanoseconds. Only spares readers a division.
    tick_end: AtomicU64,
    shards: PerThread<Shard>,
    running: Running,
    kind: Kind,
}

/// What a window holds, and how long one of its ticks is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Span {
    /// The newest calls, so many of them. Ticks matter for calls that still run only.
    Calls { calls: u32, tick_nanos: u64 },
    /// Ten ticks, the newest of which has begun.
    Time { tick_nanos: u64 },
}

/// What a window held at one time.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Tally {
    /// Calls that have ended.
    pub(crate) calls: u64,
    /// Those of them that failed.
    pub(crate) failed: u64,
    /// Those of them that were slow.
    pub(crate) slow: u64,
    /// Calls that have ended in the newest [`RECENT`] ticks. None in a window of calls.
    pub(crate) recent_calls: u64,
    /// Those of them that failed.
    pub(crate) recent_failed: u64,
}

#[derive(Debug)]
enum Kind {
    Calls(Box<Calls>),
    Time { ended_before: [AtomicU64; RING], slow_before: [AtomicU64; RING] },
}

/// One thread's share of the sums. They only grow, and wrap.
#[derive(Debug, Default)]
struct Shard {
    /// `failed << 32` and good calls.
    ended: AtomicU64,
    slow: AtomicU64,
    running: [AtomicU64; HALVES],
}

/// Ticks in a window of time.
pub(crate) const TICKS: u64 = 10;

/// The newest ticks, over which a sudden outage shows before the whole window tells of it.
pub(crate) const RECENT: u64 = 3;

/// Sums that are kept: one for the start of each tick of the window, and two more, so that a reader
/// who is overtaken by a tick still finds his.
const RING: usize = 12;

const FAILED: u64 = 1 << 32;
const TURNING: u64 = 1;

/// How often a reader who was overtaken looks again. Whoever overtook him evaluates anyway.
const LOOKS: usize = 4;

const SPINS: usize = if cfg!(all(test, seawall_loom)) { 1 } else { 256 };

impl Window {
    /// An empty window, with one shard for each thread.
    pub(crate) fn new(span: Span, now: Instant) -> Self {
        Self::over(span, PerThread::new(Shard::default), now)
    }

    /// An empty window with one shard for all, for objects that there are very many of.
    pub(crate) fn compact(span: Span, now: Instant) -> Self {
        Self::over(span, PerThread::single(Shard::default()), now)
    }

    fn over(span: Span, shards: PerThread<Shard>, now: Instant) -> Self {
        let tick = span.tick_at(now);
        Self {
            span,
            tick: AtomicU64::new(tick << 1),
            tick_end: AtomicU64::new(span.end_of(tick)),
            shards,
            running: Running::new(),
            kind: match span {
                Span::Calls { calls, .. } => Kind::Calls(Box::new(Calls::new(calls))),
                Span::Time { .. } => {
                    Kind::Time { ended_before: Default::default(), slow_before: Default::default() }
                }
            },
        }
    }

    /// What kind of window this is.
    pub(crate) fn span(&self) -> Span {
        self.span
    }

    /// Counts a good and fast call, if that is all there is to do. Returns whether it was, and
    /// otherwise has done nothing: the first call of a tick, or one that changes a window of calls,
    /// is for [`record`](Self::record).
    #[inline]
    pub(crate) fn record_plain(&self, now: impl FnOnce() -> Instant) -> bool {
        // Relaxed: an old value only sends the caller where the truth is.
        let is_plain = now().as_nanos() < self.tick_end.load(Ordering::Relaxed);
        match &self.kind {
            Kind::Time { .. } => {
                if is_plain {
                    // Relaxed: the count publishes nothing.
                    self.shards.add(|shard| &shard.ended, 1, Ordering::Relaxed);
                }
                is_plain
            }
            Kind::Calls(calls) => is_plain && calls.is_all_good(),
        }
    }

    /// Counts a call. Returns whether it is time to look at the [tally](Self::tally): at the first
    /// call of each tick, or after each in a window of calls that holds any bad ones.
    pub(crate) fn record(&self, failed: bool, slow: bool, now: impl FnOnce() -> Instant) -> bool {
        match &self.kind {
            Kind::Time { .. } => {
                let is_due = self.advance(now());
                let own = self.shards.own();
                if slow {
                    own.add(|shard| &shard.slow, 1, Ordering::Relaxed);
                }
                let ended = if failed { FAILED } else { 1 };
                own.add(|shard| &shard.ended, ended, Ordering::Relaxed);
                is_due
            }
            Kind::Calls(calls) => {
                // Calls that still run may have become slow meanwhile.
                let is_due = self.advance(now());
                calls.record(failed, slow) || is_due
            }
        }
    }

    /// What the window holds at `now`. Changes nothing.
    ///
    /// `None` when other threads turned the window over and over meanwhile: they look at it
    /// themselves when they are done.
    pub(crate) fn tally(&self, now: Instant) -> Option<Tally> {
        match &self.kind {
            Kind::Calls(calls) => Some(calls.tally()),
            Kind::Time { ended_before, slow_before } => {
                self.tally_of_time(now, ended_before, slow_before)
            }
        }
    }

    /// Counts a call in that started at `now`, until it is counted [out](Self::finish).
    pub(crate) fn start(&self, now: Instant) {
        let (word, one) = Running::place(self.span.tick_at(now));
        self.shards.own().add(|shard| &shard.running[word], one, Ordering::Relaxed);
    }

    /// Counts a call out that started at `started`.
    pub(crate) fn finish(&self, started: Instant) {
        let tick = self.span.tick_at(started);
        // Relaxed: whichever side of a turn this falls on, the books stay even.
        if self.tick.load(Ordering::Relaxed) >> 1 < tick + RING as u64 {
            let (word, one) = Running::place(tick);
            let minus_one = one.wrapping_neg();
            self.shards.own().add(|shard| &shard.running[word], minus_one, Ordering::Relaxed);
        } else {
            self.running.finish_older();
        }
    }

    /// How many calls are running at `now` that have done so for `nanos` or longer, to the tick:
    /// a call counts from the start of the tick in which it is surely that old.
    ///
    /// `nanos` may be [`TICKS`] ticks at most.
    pub(crate) fn running_for(&self, nanos: u64, now: Instant) -> u64 {
        let newest = self.tick.load(Ordering::Acquire) >> 1;
        let current = self.span.tick_at(now).max(newest);
        let young = nanos.div_ceil(self.span.tick_nanos()) + 1;
        let old_enough = |tick: u64| tick + young <= current;
        self.running.count(newest, old_enough, |word| self.sum(|shard| &shard.running[word]))
    }

    /// Turns to the tick that `now` is in. Returns true to the one thread that did.
    #[inline]
    pub(crate) fn advance(&self, now: Instant) -> bool {
        // Relaxed: an old value only sends the reader where the truth is.
        now.as_nanos() >= self.tick_end.load(Ordering::Relaxed) && self.turn(now)
    }

    /// Forgets all calls.
    pub(crate) fn clear(&self, now: Instant) {
        let before = self.lock_turning();
        self.clear_at(self.span.tick_at(now).max(before >> 1));
    }

    /// Begins anew at `now`, for another owner, whose clock may be behind that of the last.
    pub(crate) fn restart(&self, now: Instant) {
        self.lock_turning();
        self.clear_at(self.span.tick_at(now));
    }

    fn clear_at(&self, tick: u64) {
        if let Kind::Calls(calls) = &self.kind {
            calls.clear();
        }
        self.note_sums(tick, RING as u64);
        self.running.clear(|word| self.sum(|shard| &shard.running[word]));
        self.publish(tick);
    }

    /// Keeps others from turning. Returns the newest tick, shifted left.
    ///
    /// One who turns is done in less than a microsecond, unless he was descheduled: nobody waits for
    /// that. Both then note sums that differ by the calls which have ended in between.
    fn lock_turning(&self) -> u64 {
        for _ in 0..SPINS {
            let before = self.tick.fetch_or(TURNING, Ordering::AcqRel);
            if before & TURNING == 0 {
                return before;
            }
            hint::spin_loop();
        }
        self.tick.load(Ordering::Acquire)
    }

    #[cold]
    fn turn(&self, now: Instant) -> bool {
        let target = self.span.tick_at(now);
        // Acquire pairs with the release in `publish`: the ring is read and written in turns.
        let before = self.tick.load(Ordering::Acquire);
        if before & TURNING != 0 || target <= before >> 1 {
            return false;
        }
        if self
            .tick
            .compare_exchange(before, before | TURNING, Ordering::AcqRel, Ordering::Relaxed)
            .is_err()
        {
            return false;
        }
        let passed = (target - (before >> 1)).min(RING as u64);
        self.note_sums(target, passed);
        self.running.recycle(target, passed, |word| self.sum(|shard| &shard.running[word]));
        self.publish(target);
        true
    }

    /// Notes the sums of this moment for the `count` ticks up to `tick`.
    fn note_sums(&self, tick: u64, count: u64) {
        let Kind::Time { ended_before, slow_before } = &self.kind else { return };
        let ended = self.sum(|shard| &shard.ended);
        let slow = self.sum(|shard| &shard.slow);
        for tick in (0..count).map(|back| tick + RING as u64 - back) {
            // Release pairs with the acquire in `tally_of_time`: who reads this sum reads shards
            // that are at least as new, or the difference would be negative: 4 billion failures.
            ended_before[slot(tick)].store(ended, Ordering::Release);
            slow_before[slot(tick)].store(slow, Ordering::Release);
        }
    }

    fn publish(&self, tick: u64) {
        self.tick.store(tick << 1, Ordering::Release);
        self.tick_end.store(self.span.end_of(tick), Ordering::Relaxed);
    }

    fn tally_of_time(
        &self,
        now: Instant,
        ended_before: &[AtomicU64; RING],
        slow_before: &[AtomicU64; RING],
    ) -> Option<Tally> {
        for _ in 0..LOOKS {
            let before = self.tick.load(Ordering::Acquire);
            if before & TURNING != 0 {
                continue;
            }
            let newest = before >> 1;
            let current = self.span.tick_at(now).max(newest);
            // The sum at the start of the window's first tick; nothing, when nobody has called
            // since that tick began.
            let base = |ring: &[AtomicU64; RING], ticks: u64| {
                (current < newest + ticks)
                    .then(|| ring[slot(current + 1 + RING as u64 - ticks)].load(Ordering::Acquire))
            };
            let (all, recent) = (base(ended_before, TICKS), base(ended_before, RECENT));
            let slow = base(slow_before, TICKS);
            let ended_now = self.sum(|shard| &shard.ended);
            let slow_now = self.sum(|shard| &shard.slow);
            // Pairs with the release in `publish`: a tick that was turned meanwhile shows here.
            fence(Ordering::Acquire);
            if self.tick.load(Ordering::Relaxed) == before {
                let (calls, failed) = decode(ended_now, all);
                let (recent_calls, recent_failed) = decode(ended_now, recent);
                let slow = slow.map_or(0, |base| slow_now.wrapping_sub(base));
                return Some(Tally { calls, failed, slow, recent_calls, recent_failed });
            }
        }
        None
    }

    fn sum(&self, word: impl Fn(&Shard) -> &AtomicU64) -> u64 {
        // Relaxed: the ring's order is what makes sums comparable.
        self.shards
            .iter()
            .fold(0, |sum: u64, shard| sum.wrapping_add(word(shard).load(Ordering::Relaxed)))
    }
}

impl Span {
    /// The length of a tick; never zero.
    pub(crate) fn tick_nanos(self) -> u64 {
        match self {
            Self::Calls { tick_nanos, .. } | Self::Time { tick_nanos } => tick_nanos.max(1),
        }
    }

    fn tick_at(self, now: Instant) -> u64 {
        // Half of all ticks there could be are enough, and leave room for a bit.
        (now.as_nanos() / self.tick_nanos()) & (u64::MAX >> 1)
    }

    fn end_of(self, tick: u64) -> u64 {
        (tick + 1).saturating_mul(self.tick_nanos())
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a remainder of 12")]
fn slot(tick: u64) -> usize {
    (tick % RING as u64) as usize
}

/// Calls and failures between two sums.
fn decode(now: u64, base: Option<u64>) -> (u64, u64) {
    let ended = base.map_or(0, |base| now.wrapping_sub(base));
    let failed = ended >> 32;
    (failed + (ended & (FAILED - 1)), failed)
}
