//! Handles that are counted without a locked instruction.
//!
//! A policy's handle is cloned for every service, permit and future. An `Arc` would pay two locked
//! read-modify-writes for each (10 ns alone, 31 and more between two threads). A [`Slot`] counts
//! its clones and its drops in the running thread's own cell, each with a plain load and store
//! (0.8 ns for both), and nobody ever looks at the sums until a [`Pool`] needs a slot. A slot is
//! free when as many handles were dropped as were made; it is then given out again, with its
//! memory, which is why none of this needs `unsafe`: what a slot points to lives for ever.
//!
//! # Why a free slot is free
//!
//! The sweep adds up all drops first, with acquire loads, then all clones. Let D and C be the sums.
//!
//! 1. Every drop in D happens before the second pass: its store (or read-modify-write) has release
//!    order, and a cell's later stores come from the same thread, or from one that got the thread
//!    number through a mutex, so they publish the earlier ones too.
//! 2. A handle is made before it is dropped, in happens-before order (it must have been sent to the
//!    thread that drops it). So for every drop in D, C has the making of that handle: C >= D.
//! 3. Say that a handle lives, or that its drop is not in D. Go up from it, from clone to what it
//!    was cloned from, as long as that is not in D either; the last one reached, H, was made from a
//!    handle whose drop is in D, or by the pool. A handle is cloned through a borrow that ends
//!    before it is dropped, so the making of H happens before a drop in D; and what the pool makes
//!    happens before the sweep, for both hold its mutex. Either way C has the making of H, in
//!    addition to those of 2: C > D.
//!
//! So C = D means that no handle is left, and that all that was ever done with one happens before
//! the sweep returns. Nobody can clone what nobody has, so a free slot stays free until the pool
//! gives it out. Were C added up first, a clone and two drops between the passes could feign
//! equality; were the drops relaxed, 1 would not hold.
//!
//! # Handles in stock
//!
//! A [`Supply`] makes its handles many at a time, and hands them out one by one: what it counts as
//! made, it holds. To the above they are handles like any other, cloned from its own; those that
//! it has left are dropped with it.

mod pool;
mod supply;

use std::fmt;
use std::iter;
use std::ops::Deref;

pub(crate) use pool::Pool;
pub(crate) use supply::{Lent, Supply};

use crate::sync::{Arc, AtomicU64, Ordering, Owned};

/// A shared handle to a `T`, like `Arc`.
///
/// From a [`Pool`] it costs 0.8 ns to clone and drop, and 64 bytes for each thread's cell. One
/// that is [counted](Self::counted) is an `Arc`, for objects that there are very many of.
pub(crate) struct Slot<T>
where
    T: 'static,
{
    repr: Repr<T>,
}

enum Repr<T>
where
    T: 'static,
{
    Pooled(Pooled<T>),
    Counted(Arc<T>),
}

/// A [`Slot`] that always comes from a [`Pool`]: one word, which is cloned and dropped without a
/// look at what it is.
pub(crate) struct Pooled<T>
where
    T: 'static,
{
    cell: &'static Cell<T>,
}

/// Its value lies where that of an `Arc` does, so that both kinds of [`Slot`] look there unasked.
#[repr(C)]
struct Cell<T> {
    owned: Owned<Counts>,
    value: T,
    shared: Counts,
}

#[derive(Default)]
struct Counts {
    /// Handles made, by clone or by the pool.
    made: AtomicU64,
    dropped: AtomicU64,
}

impl<T> Slot<T> {
    /// A handle to a `T` of its own, that is freed with its last handle.
    pub(crate) fn counted(value: T) -> Self {
        Self { repr: Repr::Counted(Arc::new(value)) }
    }

    /// A handle to a slot of a pool.
    pub(crate) const fn pooled(pooled: Pooled<T>) -> Self {
        Self { repr: Repr::Pooled(pooled) }
    }

    /// Whether this is the only handle there is. Never true of one from a [`Pool`], which does not
    /// know.
    ///
    /// The answer holds as long as nobody else can get at this handle to clone it.
    pub(crate) fn is_unique(&self) -> bool {
        match &self.repr {
            Repr::Pooled(_) => false,
            Repr::Counted(value) => Arc::strong_count(value) == 1,
        }
    }

    /// Whether both are handles to the same `T`.
    #[cfg(test)]
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        std::ptr::eq(&raw const **self, &raw const **other)
    }
}

impl<T> Clone for Slot<T> {
    #[expect(clippy::inline_always, reason = "out of line, it costs as much again")]
    #[inline(always)]
    fn clone(&self) -> Self {
        match &self.repr {
            Repr::Pooled(pooled) => Self { repr: Repr::Pooled(pooled.clone()) },
            Repr::Counted(value) => clone_counted(value),
        }
    }
}

/// Not inlined, so that the clone of a slot from a pool can be. It does not panic, and says so: what
/// could unwind keeps the parts of a future in memory while it is put together.
#[expect(improper_ctypes_definitions, reason = "it is not for C")]
#[cold]
#[inline(never)]
extern "C" fn clone_counted<T>(value: &Arc<T>) -> Slot<T> {
    Slot { repr: Repr::Counted(Arc::clone(value)) }
}

impl<T> Clone for Pooled<T> {
    #[expect(clippy::inline_always, reason = "out of line, it costs as much again")]
    #[inline(always)]
    fn clone(&self) -> Self {
        self.cell.handle()
    }
}

impl<T> Drop for Pooled<T> {
    #[expect(clippy::inline_always, reason = "out of line, it costs as much again")]
    #[inline(always)]
    fn drop(&mut self) {
        self.cell.count_dropped(1);
    }
}

impl<T> Deref for Pooled<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.cell.value
    }
}

impl<T> fmt::Debug for Pooled<T>
where
    T: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T> Deref for Slot<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        match &self.repr {
            Repr::Pooled(pooled) => pooled,
            Repr::Counted(value) => value,
        }
    }
}

impl<T> fmt::Debug for Slot<T>
where
    T: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T> Cell<T> {
    #[expect(clippy::inline_always, reason = "out of line, it costs as much again")]
    #[inline(always)]
    fn handle(&'static self) -> Pooled<T> {
        self.count_made(1);
        Pooled { cell: self }
    }

    #[expect(clippy::inline_always, reason = "out of line, it costs as much again")]
    #[inline(always)]
    fn count_made(&self, handles: u32) {
        // Relaxed: this publishes nothing. Whoever counts it sees it through the drop of the handle
        // that it was cloned from, or through the pool's mutex.
        self.owned.add(&self.shared, |counts| &counts.made, handles.into(), Ordering::Relaxed);
    }

    #[expect(clippy::inline_always, reason = "out of line, it costs as much again")]
    #[inline(always)]
    fn count_dropped(&self, handles: u32) {
        // Release pairs with the acquire in `is_free`: see the top of the file.
        self.owned.add(&self.shared, |counts| &counts.dropped, handles.into(), Ordering::Release);
    }

    fn counts(&self) -> impl Iterator<Item = &Counts> {
        self.owned.iter().chain(iter::once(&self.shared))
    }

    /// Whether no handle is left. Only the pool may ask, under its mutex.
    fn is_free(&self) -> bool {
        let sum = |word: fn(&Counts) -> &AtomicU64, order| {
            self.counts().fold(0, |sum: u64, cell| sum.wrapping_add(word(cell).load(order)))
        };
        // The order of these two lines, and acquire, make it right: see the top of the file.
        let dropped = sum(|cell| &cell.dropped, Ordering::Acquire);
        let made = sum(|cell| &cell.made, Ordering::Relaxed);
        dropped == made
    }
}

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use std::thread;

    use super::pool::FEW;
    use super::supply::STOCK;
    use super::*;
    use crate::sync::owned_cells;

    #[test]
    fn a_slot_is_used_again_when_all_its_handles_are_gone() {
        let pool = Pool::new();
        let first = number(&pool, 1);
        let clone = first.clone();
        drop(first);
        let second = number(&pool, 2);
        assert_eq!(clone.load(Ordering::Relaxed), 1);
        assert!(!clone.is_same(&second));

        drop(clone);
        let third = number(&pool, 3);

        assert_eq!(third.load(Ordering::Relaxed), 3);
        assert_eq!(pool.len(), 2);
    }

    #[test]
    fn a_slot_whose_shape_is_refused_stays_free() {
        let pool = Pool::new();
        let short = pool.acquire(|_: &Vec<u8>| true, || vec![0; 1]);
        drop(short);

        let long = pool.acquire(|value| value.len() == 2, || vec![0; 2]);
        let short = pool.acquire(|value| value.len() == 1, || unreachable!("there is one"));

        assert_eq!((long.len(), short.len()), (2, 1));
        assert_eq!(pool.len(), 2);
    }

    #[test]
    fn slots_that_fit_nobody_do_not_keep_others_from_being_used_again() {
        let pool = Pool::new();
        let odd: Vec<_> =
            (0..100).map(|_| pool.acquire(|_: &Vec<u8>| false, || vec![0; 1])).collect();
        drop(odd);

        for _ in 0..1_000 {
            drop(pool.acquire(|value| value.len() == 2, || vec![0; 2]));
        }

        assert!(pool.len() <= 100 + 2 * FEW, "{} slots", pool.len());
    }

    #[test]
    fn a_handle_may_be_dropped_by_another_thread() {
        let pool = Pool::new();
        for _ in 0..100 {
            let slot = number(&pool, 0);
            let clone = slot.clone();
            thread::spawn(move || drop((clone.clone(), clone))).join().unwrap();
        }

        assert_eq!(pool.len(), 1);
    }

    #[test]
    fn handles_are_to_what_is_in_use_and_keep_it() {
        let pool = Pool::new();
        let first = number(&pool, 1);
        let second = number(&pool, 2);
        drop(first);

        let handles = pool.handles();
        drop(second);
        let third = number(&pool, 3);
        let fourth = number(&pool, 4);

        let values: Vec<_> = handles.iter().map(|slot| slot.load(Ordering::Relaxed)).collect();
        assert_eq!(values, [2], "in use, and not taken over");
        drop((third, fourth));
    }

    #[test]
    fn memory_is_bounded_by_the_most_that_were_alive() {
        let pool = Pool::new();
        for round in 0..20 {
            let alive: Vec<_> = (0..1_000).map(|n| number(&pool, n)).collect();
            assert!(pool.len() <= 2 * 1_000 + FEW, "{} slots in round {round}", pool.len());
            drop(alive);
        }
        let alive: Vec<_> = (0..1_000).map(|n| number(&pool, n)).collect();
        for n in 0..10_000 {
            number(&pool, n);
        }

        assert!(pool.len() <= 2 * 1_001 + FEW, "{} slots", pool.len());
        drop(alive);
    }

    #[test]
    fn many_slots_do_not_make_the_next_one_dear() {
        let pool = Pool::new();
        let looks = AtomicU64::new(0);
        let alive: Vec<_> = (0..20_000).map(|n| number(&pool, n)).collect();
        // Sweeps are paid for by slots taken: the sum of their lengths grows with the number of
        // slots, and not with its square.
        let mut slots = pool.slots.lock();
        for _ in 0..20_000 {
            let before = slots.taken;
            assert!(slots.take().is_none());
            if slots.taken <= before {
                looks.fetch_add(slots.used.len() as u64, Ordering::Relaxed);
            }
        }

        assert!(looks.load(Ordering::Relaxed) <= 3 * 20_000);
        drop(slots);
        drop(alive);
    }

    #[test]
    fn what_a_supply_has_lent_holds_the_slot() {
        let pool = Pool::new();
        let acquire = || pool.acquire_pooled(|(): &()| true, || ());
        let mut supply = Supply::from(acquire());
        let (mut first, mut second) = (supply.lend(), supply.lend());
        assert_eq!(supply.others(), 2);
        first.give_back();
        let clone = supply.clone();
        drop((supply, clone));
        drop(acquire());
        assert_eq!(pool.len(), 2);

        drop(second.owned());
        let both = (acquire(), acquire());

        assert_eq!(pool.len(), 2);
        drop(both);
    }

    #[test]
    fn a_supply_does_not_run_out() {
        let pool = Pool::new();
        let mut supply = Supply::from(pool.acquire_pooled(|(): &()| true, || ()));
        supply.left = 1;
        // What it is said to have less of is nobody's.
        supply.cell.count_dropped(STOCK - 1);

        let mut lent = [(); 3].map(|()| supply.lend());

        assert_eq!(supply.others(), 3);
        lent.iter_mut().for_each(Lent::give_back);
        assert_eq!(supply.others(), 0);
    }

    #[test]
    fn a_counted_slot_frees_its_value_with_the_last_handle() {
        let value = Arc::new(());
        let slot = Slot::counted(Arc::clone(&value));
        assert!(slot.is_unique());
        let clone = slot.clone();
        assert!(!slot.is_unique() && !clone.is_unique());
        drop(slot);
        assert_eq!(Arc::strong_count(&value), 2);
        assert!(clone.is_unique());

        drop(clone);

        assert_eq!(Arc::strong_count(&value), 1);
    }

    #[test]
    fn a_slot_is_small() {
        assert_eq!(size_of::<Slot<u64>>(), 16);
        assert_eq!(size_of::<Supply<u64>>(), 16);
        assert_eq!(size_of::<Lent<u64>>(), 8);
        assert_eq!(size_of::<Cell<u64>>(), 8 + 16 + 16);
        assert!(owned_cells() <= 32);
    }

    #[test]
    fn no_slot_has_two_owners_while_threads_race() {
        static POOL: Pool<AtomicU64> = Pool::new();
        let threads = [(); 4].map(|()| {
            thread::spawn(|| {
                for _ in 0..2_000 {
                    let slot = POOL.acquire(|_| true, AtomicU64::default);
                    assert_eq!(slot.fetch_add(1, Ordering::Relaxed), 0);
                    let clone = slot.clone();
                    drop(slot);
                    assert_eq!(clone.fetch_sub(1, Ordering::Relaxed), 1);
                }
            })
        });
        for thread in threads {
            thread.join().unwrap();
        }

        assert!(POOL.len() <= 2 * 4 + FEW);
    }

    fn number(pool: &Pool<AtomicU64>, n: u64) -> Slot<AtomicU64> {
        let reuse = |value: &AtomicU64| {
            value.store(n, Ordering::Relaxed);
            true
        };
        pool.acquire(reuse, || AtomicU64::new(n))
    }
}

#[cfg(test)]
#[cfg(seawall_loom)]
mod loom_tests {
    use loom::thread;

    use super::*;

    /// Fails when clones are added up before drops: between the passes one of each is added.
    #[test]
    fn loom_a_slot_is_not_given_out_while_a_clone_lives() {
        loom::model(|| {
            let pool = Pool::new();
            let slot = acquire(&pool);
            let other = thread::spawn(move || {
                let clone = slot.clone();
                drop(slot);
                clone
            });
            let next = acquire(&pool);
            let clone = other.join().unwrap();

            assert!(!next.is_same(&clone));
        });
    }

    /// The clone is dropped by a third thread, in the cell that is shared. What any of them wrote
    /// must be known to the next owner: it is not when a drop is relaxed, or the look at it.
    #[test]
    fn loom_the_next_owner_knows_what_the_last_ones_did() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = model.preemption_bound.or(Some(2));
        model.check(|| {
            let pool = Pool::new();
            let slot = acquire(&pool);
            let clone = slot.clone();
            let first = thread::spawn(move || {
                slot.first.store(1, Ordering::Relaxed);
            });
            let second = thread::spawn(move || {
                let clone = clone.clone();
                clone.second.store(1, Ordering::Relaxed);
            });
            let reuse = |value: &Traces| {
                assert_eq!(value.first.load(Ordering::Relaxed), 1);
                assert_eq!(value.second.load(Ordering::Relaxed), 1);
                true
            };
            drop(pool.acquire(reuse, Traces::default));
            first.join().unwrap();
            second.join().unwrap();
        });
    }

    /// Fails when a slot can be swept before its first handle is counted.
    #[test]
    fn loom_a_free_slot_goes_to_one_of_two() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = model.preemption_bound.or(Some(3));
        model.check(|| {
            let pool = Arc::new(Pool::new());
            drop(acquire(&pool));
            let other = thread::spawn({
                let pool = Arc::clone(&pool);
                move || acquire(&pool)
            });
            let slot = acquire(&pool);
            let others = other.join().unwrap();

            assert!(!slot.is_same(&others));
        });
    }

    /// Fails when a supply makes a handle later than it hands it out.
    #[test]
    fn loom_a_slot_is_not_given_out_while_a_handle_is_lent() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = model.preemption_bound.or(Some(3));
        model.check(|| {
            let pool = Pool::new();
            let acquire = || pool.acquire_pooled(|_: &Traces| true, Traces::default);
            let mut supply = Supply::from(acquire());
            let other = thread::spawn(move || {
                supply.lend().give_back();
                let lent = supply.lend();
                drop(supply);
                lent
            });
            let next = acquire();
            let mut lent = other.join().unwrap();

            assert!(!std::ptr::eq(&raw const *next, &raw const *lent));
            lent.give_back();
        });
    }

    /// What the owners of a slot leave behind.
    #[derive(Default)]
    struct Traces {
        first: AtomicU64,
        second: AtomicU64,
    }

    fn acquire(pool: &Pool<Traces>) -> Slot<Traces> {
        pool.acquire(|_| true, Traces::default)
    }
}
