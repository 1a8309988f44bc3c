//! Cells that belong to one thread each, so that a count needs no locked instruction.
//!
//! Every thread has a small dense number, given at first use and taken back when the thread ends.
//! The cell at that number is the thread's own: nobody else stores to it, so an increment is a
//! plain load and a plain store (0.3 ns), where a shared counter pays a read-modify-write (5 ns
//! alone, 15 and more under contention). Readers add up all cells.
//!
//! Numbers return through a mutex. Its hand-over makes what the old owner stored happen before
//! what the new owner loads, so a recycled cell keeps its count. Threads that get no number, for
//! there are more of them than cells, and code that runs while a thread is torn down use one
//! shared cell, with read-modify-writes.

use std::collections::BTreeSet;
use std::fmt;
use std::iter;
use std::ops::Deref;
use std::sync::OnceLock;
use std::thread::available_parallelism;

use super::{AtomicU64, Ordering};

/// One `T` for each of the first threads, and one that the others share.
///
/// The own cells are 64 bytes apart or more. The shared one lies in the value itself.
pub(crate) struct PerThread<T> {
    owned: Owned<T>,
    shared: T,
}

/// The own cells of a [`PerThread`], apart from the shared one: two words.
pub(crate) struct Owned<T>(Box<[Line<T>]>);

/// Keeps the cells of two threads out of one cache line.
#[repr(align(64))]
struct Line<T>(T);

/// The cell of the running thread.
#[derive(Debug)]
pub(crate) struct Own<'a, T> {
    cell: &'a T,
    exclusive: bool,
}

impl<T> PerThread<T> {
    /// Makes [`owned_cells`] cells and the shared one.
    pub(crate) fn new(make: impl Fn() -> T) -> Self {
        Self { owned: Owned::new(&make), shared: make() }
    }

    /// Makes the shared cell only, for objects that there are very many of. It takes no heap.
    pub(crate) fn single(cell: T) -> Self {
        Self { owned: Owned(Box::default()), shared: cell }
    }

    /// Adds `n`, wrapping, to a word of the running thread's cell.
    ///
    /// As [`Own::add`], for those who want nothing else of the cell: a thread that owns one needs no
    /// more than a handful of instructions, which the caller gets inlined.
    #[expect(clippy::inline_always, reason = "out of line, it costs as much again")]
    #[inline(always)]
    pub(crate) fn add(&self, word: impl FnOnce(&T) -> &AtomicU64, n: u64, order: Ordering) {
        self.owned.add(&self.shared, word, n, order);
    }

    /// The cell that the running thread is to write to.
    #[inline]
    pub(crate) fn own(&self) -> Own<'_, T> {
        self.known().unwrap_or_else(|| self.owned.own_slowly(&self.shared))
    }

    /// The same, if it is the thread's alone and the thread has asked before: what most callers get,
    /// who can go another way for the rest.
    #[inline]
    pub(crate) fn known(&self) -> Option<Own<'_, T>> {
        self.owned.known()
    }

    /// Where [`own`](Self::own) is, as an index for [`get`](Self::get).
    pub(crate) fn own_index(&self) -> usize {
        let known = number::current();
        let number = if known < self.owned.0.len() { known } else { number::assign() };
        number.min(self.owned.0.len())
    }

    /// The cell at `index`: those of threads first, then the shared one, which every index beyond
    /// them means too.
    pub(crate) fn get(&self, index: usize) -> &T {
        self.owned.0.get(index).map_or(&self.shared, |line| &line.0)
    }

    /// All cells, the shared one last.
    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.owned.iter().chain(iter::once(&self.shared))
    }
}

impl<T> Owned<T> {
    /// Makes [`owned_cells`] cells.
    pub(crate) fn new(make: impl Fn() -> T) -> Self {
        Self(iter::repeat_with(|| Line(make())).take(owned_cells()).collect())
    }

    /// As [`PerThread::add`], for who keeps the shared cell elsewhere.
    #[expect(clippy::inline_always, reason = "out of line, it costs as much again")]
    #[inline(always)]
    pub(crate) fn add(
        &self,
        shared: &T,
        word: impl FnOnce(&T) -> &AtomicU64,
        n: u64,
        order: Ordering,
    ) {
        match self.known() {
            Some(own) => {
                own.add(word, n, order);
            }
            None => self.add_slowly(shared, word, n, order),
        }
    }

    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|line| &line.0)
    }

    #[inline]
    fn known(&self) -> Option<Own<'_, T>> {
        self.0.get(number::current()).map(|line| Own { cell: &line.0, exclusive: true })
    }

    /// Does not panic: see [`assign`](number::assign) for why it says so.
    #[expect(improper_ctypes_definitions, reason = "it is not for C")]
    #[cold]
    #[inline(never)]
    extern "C" fn add_slowly(
        &self,
        shared: &T,
        word: impl FnOnce(&T) -> &AtomicU64,
        n: u64,
        order: Ordering,
    ) {
        self.own_slowly(shared).add(word, n, order);
    }

    #[cold]
    #[inline(never)]
    fn own_slowly<'a>(&'a self, shared: &'a T) -> Own<'a, T> {
        if self.0.is_empty() {
            return Own { cell: shared, exclusive: false };
        }
        number::assign();
        self.known().unwrap_or(Own { cell: shared, exclusive: false })
    }
}

impl<T> fmt::Debug for PerThread<T>
where
    T: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<T> Own<'_, T> {
    /// Whether no other thread writes to the cell, so that a plain load and store do.
    #[cfg(test)]
    pub(crate) fn is_exclusive(&self) -> bool {
        self.exclusive
    }

    /// Adds `n`, wrapping, to a word of the cell, and returns what the word was before.
    ///
    /// `order` is that of the store: `Relaxed` or `Release`.
    #[expect(clippy::inline_always, reason = "so that `word` is inlined, too")]
    #[inline(always)]
    pub(crate) fn add(&self, word: impl FnOnce(&T) -> &AtomicU64, n: u64, order: Ordering) -> u64 {
        let word = word(self.cell);
        if self.exclusive {
            let before = own_last(word);
            word.store(before.wrapping_add(n), order);
            before
        } else {
            word.fetch_add(n, order)
        }
    }
}

impl<T> Deref for Own<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.cell
    }
}

/// What the running thread, which alone stores to `word`, has stored last.
#[cfg(not(all(test, seawall_loom)))]
#[inline]
pub(crate) fn own_last(word: &AtomicU64) -> u64 {
    // Relaxed: nobody else stores here, so this reads the thread's own last store.
    word.load(Ordering::Relaxed)
}

/// The same, as a write of what is there. Loom remembers one access of a word only: after a plain
/// load, the store that follows would not meet the loads of other threads, and the model checker
/// would never try to put it before them.
#[cfg(all(test, seawall_loom))]
pub(crate) fn own_last(word: &AtomicU64) -> u64 {
    word.fetch_add(0, Ordering::Relaxed)
}

/// How many cells of its own a [`PerThread`] has: twice the processors, within 8 and 32.
pub(crate) fn owned_cells() -> usize {
    static CELLS: OnceLock<usize> = OnceLock::new();
    if cfg!(all(test, seawall_loom)) {
        // Two models' threads own a cell, further ones share: both ways are seen.
        return 2;
    }
    *CELLS.get_or_init(|| available_parallelism().map_or(8, |n| (n.get() * 2).clamp(8, MOST)))
}

/// The most own cells on any machine. Numbers from here on would be of no use.
const MOST: usize = 32;

/// Numbers to be leased by threads, the smallest first.
#[derive(Debug)]
struct Numbers {
    returned: BTreeSet<usize>,
    next: usize,
    end: usize,
}

impl Numbers {
    const fn new(end: usize) -> Self {
        Self { returned: BTreeSet::new(), next: 0, end }
    }

    fn take(&mut self) -> Option<usize> {
        self.returned.pop_first().or_else(|| {
            let fresh = self.next;
            self.next = self.end.min(fresh + 1);
            (fresh < self.end).then_some(fresh)
        })
    }

    fn give_back(&mut self, number: usize) {
        self.returned.insert(number);
    }
}

#[cfg(not(all(test, seawall_loom)))]
mod number {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::{MOST, Numbers};
    use crate::sync::Mutex;

    /// The thread has not asked yet, or was told that all numbers are out.
    const NONE: usize = usize::MAX;
    /// The thread is being torn down and has given its number back.
    const GONE: usize = usize::MAX - 1;

    thread_local! {
        /// Has no destructor, so it can be read at any time, and for the price of a load.
        static NUMBER: Cell<usize> = const { Cell::new(NONE) };
        static LEASE: Lease = const { Lease };
    }

    static NUMBERS: Mutex<Numbers> = Mutex::new(Numbers::new(MOST));
    /// Only a hint: whether asking for a number may succeed.
    static AVAILABLE: AtomicBool = AtomicBool::new(true);

    /// Gives the number back when the thread ends.
    struct Lease;

    impl Drop for Lease {
        fn drop(&mut self) {
            // Destructors that run after this one must not write to a cell that is someone
            // else's by then.
            let number = NUMBER.replace(GONE);
            if number < MOST {
                let mut numbers = NUMBERS.lock();
                numbers.give_back(number);
                AVAILABLE.store(true, Ordering::Relaxed);
            }
        }
    }

    /// The number of the running thread, or one beyond all cells.
    #[inline]
    pub(super) fn current() -> usize {
        NUMBER.get()
    }

    /// Gets a number for the running thread if it has none and there is one.
    ///
    /// It does not panic, and as `extern "C"` it says so to callers in other crates: handles are
    /// cloned and dropped while a future is put together, and if that could unwind, the parts of the
    /// future would have to be kept in memory for it, and copied.
    pub(super) extern "C" fn assign() -> usize {
        let known = NUMBER.get();
        if known != NONE || !AVAILABLE.load(Ordering::Relaxed) {
            return known;
        }
        // Without a lease the number would never come back.
        if LEASE.try_with(|_| ()).is_err() {
            NUMBER.set(GONE);
            return GONE;
        }
        let mut numbers = NUMBERS.lock();
        let Some(number) = numbers.take() else {
            AVAILABLE.store(false, Ordering::Relaxed);
            return NONE;
        };
        NUMBER.set(number);
        number
    }
}

/// Under loom numbers are not recycled: the runs of a model are too short for it.
#[cfg(all(test, seawall_loom))]
mod number {
    use std::cell::Cell;
    // Not loom's: numbering is no part of what is checked.
    use std::sync::atomic::{AtomicUsize, Ordering};

    loom::lazy_static! {
        static ref NEXT: AtomicUsize = AtomicUsize::new(0);
    }

    loom::thread_local! {
        static NUMBER: Cell<usize> = Cell::new(usize::MAX);
    }

    pub(super) fn current() -> usize {
        NUMBER.with(Cell::get)
    }

    pub(super) fn assign() -> usize {
        NUMBER.with(|number| {
            if number.get() == usize::MAX {
                number.set(NEXT.fetch_add(1, Ordering::Relaxed));
            }
            number.get()
        })
    }
}

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use std::sync::{Arc, Barrier};
    use std::thread;

    use super::*;

    #[test]
    fn adds_up_over_threads_without_loss() {
        let cells = Arc::new(PerThread::new(AtomicU64::default));
        let threads: Vec<_> = (0..100)
            .map(|_| {
                let cells = Arc::clone(&cells);
                thread::spawn(move || {
                    for _ in 0..1_000 {
                        cells.own().add(|word| word, 1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }

        assert_eq!(sum(&cells), 100_000);
    }

    #[test]
    fn no_two_living_threads_own_one_cell() {
        let cells = Arc::new(PerThread::new(AtomicU64::default));
        let threads = 2 * MOST;
        let all_alive = Arc::new(Barrier::new(threads));
        let owners: Vec<_> = (0..threads)
            .map(|_| {
                let (cells, all_alive) = (Arc::clone(&cells), Arc::clone(&all_alive));
                thread::spawn(move || {
                    let own = cells.own();
                    let address = own.is_exclusive().then(|| std::ptr::from_ref(&*own).addr());
                    all_alive.wait();
                    address
                })
            })
            .collect();
        let mut owned: Vec<_> = owners.into_iter().filter_map(|t| t.join().unwrap()).collect();
        let count = owned.len();
        owned.sort_unstable();
        owned.dedup();

        assert!(count > 0);
        assert_eq!(owned.len(), count);
    }

    #[test]
    fn a_thread_number_is_used_again() {
        let cells = Arc::new(PerThread::new(AtomicU64::default));
        // Many times more threads than numbers, one after the other: were numbers not returned,
        // the later threads would all share. Others may run tests meanwhile, so not all must own.
        let exclusive = (0..20 * MOST)
            .filter(|_| {
                let cells = Arc::clone(&cells);
                thread::spawn(move || cells.own().is_exclusive()).join().unwrap()
            })
            .count();

        assert!(exclusive > 2 * MOST, "{exclusive} threads owned a cell");
    }

    #[test]
    fn a_destructor_that_runs_late_shares() {
        struct Late(Arc<PerThread<AtomicU64>>, Arc<OnceLock<bool>>);

        impl Drop for Late {
            fn drop(&mut self) {
                let own = self.0.own();
                own.add(|word| word, 1, Ordering::Relaxed);
                self.1.set(own.is_exclusive()).unwrap();
            }
        }

        thread_local! {
            static LATE: OnceLock<Late> = const { OnceLock::new() };
        }

        let cells = Arc::new(PerThread::new(AtomicU64::default));
        let seen = Arc::new(OnceLock::new());
        let (theirs, report) = (Arc::clone(&cells), Arc::clone(&seen));
        thread::spawn(move || {
            // Thread locals are dropped in the order of their registration or the reverse; either
            // way the count must not be lost.
            LATE.with(|late| assert!(late.set(Late(Arc::clone(&theirs), report)).is_ok()));
            theirs.own().add(|word| word, 1, Ordering::Relaxed);
        })
        .join()
        .unwrap();

        assert_eq!(sum(&cells), 2);
        assert!(seen.get().is_some());
    }

    #[test]
    fn a_single_cell_is_shared_and_takes_no_heap() {
        let cells = PerThread::single(AtomicU64::new(0));
        let own = cells.own();
        own.add(|word| word, 3, Ordering::Relaxed);

        assert!(!own.is_exclusive());
        assert_eq!(cells.iter().count(), 1);
        assert_eq!(sum(&cells), 3);
        assert_eq!(size_of::<PerThread<AtomicU64>>(), 24);
    }

    #[test]
    fn an_index_finds_the_own_cell() {
        let cells = PerThread::new(AtomicU64::default);

        assert!(std::ptr::eq(cells.get(cells.own_index()), &raw const *cells.own()));
        assert!(std::ptr::eq(cells.get(usize::MAX), cells.iter().last().unwrap()));
    }

    fn sum(cells: &PerThread<AtomicU64>) -> u64 {
        cells.iter().map(|word| word.load(Ordering::Relaxed)).sum()
    }
}

#[cfg(test)]
#[cfg(seawall_loom)]
mod loom_tests {
    use loom::thread;

    use super::*;
    use crate::sync::{Arc, Mutex};

    /// One thread owns a cell, two share the other.
    #[test]
    fn loom_counts_of_owners_and_sharers_add_up() {
        loom::model(|| {
            let cells = Arc::new(cells(1));
            let others = [(); 2].map(|()| {
                let cells = Arc::clone(&cells);
                thread::spawn(move || {
                    cells.own().add(|word| word, 1, Ordering::Relaxed);
                })
            });
            cells.own().add(|word| word, 1, Ordering::Relaxed);
            for other in others {
                other.join().unwrap();
            }

            assert_eq!(sum(&cells), 3);
        });
    }

    /// The numbering of a model's own threads is simpler: here the real one is checked.
    #[test]
    fn loom_a_cell_that_changes_hands_keeps_its_count() {
        loom::model(|| {
            let cells = Arc::new(cells(1));
            let numbers = Arc::new(Mutex::new(Numbers::new(1)));
            let work = |cells: &PerThread<AtomicU64>, numbers: &Mutex<Numbers>| {
                let number = numbers.lock().take();
                let exclusive = number.is_some();
                let own = Own { cell: cells.get(number.unwrap_or(usize::MAX)), exclusive };
                own.add(|word| word, 1, Ordering::Relaxed);
                if let Some(number) = number {
                    numbers.lock().give_back(number);
                }
            };
            let others = [(); 2].map(|()| {
                let (cells, numbers) = (Arc::clone(&cells), Arc::clone(&numbers));
                thread::spawn(move || work(&cells, &numbers))
            });
            work(&cells, &numbers);
            for other in others {
                other.join().unwrap();
            }

            assert_eq!(sum(&cells), 3);
        });
    }

    fn cells(owned: usize) -> PerThread<AtomicU64> {
        let owned = Owned(iter::repeat_with(|| Line(AtomicU64::new(0))).take(owned).collect());
        PerThread { owned, shared: AtomicU64::new(0) }
    }

    fn sum(cells: &PerThread<AtomicU64>) -> u64 {
        cells.iter().map(|word| word.load(Ordering::Relaxed)).sum()
    }
}
