//! Handles in stock.

use std::fmt;
use std::ops::Deref;

#[cfg(test)]
use super::Counts;
use super::{Cell, Pooled};
#[cfg(test)]
use crate::sync::{AtomicU64, Ordering};

/// A handle with many more in stock, for who hands them out one after the other: that is a
/// subtraction.
pub(crate) struct Supply<T>
where
    T: 'static,
{
    pub(super) cell: &'static Cell<T>,
    /// Handles that are made and not handed out, beside its own.
    pub(super) left: u32,
}

/// A handle from a [`Supply`], to be [given back](Self::give_back) by hand.
///
/// It has no drop glue, which would come with every way out of a function, and keep it from being
/// inlined. One that is lost is safe: it holds its slot for ever.
#[must_use = "lost, it holds its slot for ever"]
pub(crate) struct Lent<T>
where
    T: 'static,
{
    cell: &'static Cell<T>,
}

/// How many handles a supply makes at a time. That the counts may wrap does no harm: only their
/// difference matters.
pub(super) const STOCK: u32 = if cfg!(all(test, seawall_loom)) { 1 } else { 1 << 20 };

impl<T> Supply<T> {
    /// Only for who holds a handle meanwhile.
    #[expect(clippy::inline_always, reason = "out of line, it costs as much again")]
    #[inline(always)]
    fn of(cell: &'static Cell<T>) -> Self {
        cell.count_made(1 + STOCK);
        Self { cell, left: STOCK }
    }

    /// A handle, from the stock.
    #[expect(clippy::inline_always, reason = "out of line, it costs as much again")]
    #[inline(always)]
    pub(crate) fn lend(&mut self) -> Lent<T> {
        if self.left == 0 {
            self.restock();
        }
        self.left -= 1;
        Lent { cell: self.cell }
    }

    /// Does not panic, and says so, as [`clone_counted`](super::clone_counted).
    #[cold]
    #[inline(never)]
    extern "C" fn restock(&mut self) {
        self.cell.count_made(STOCK);
        self.left = STOCK;
    }

    /// How many handles there are beside this one and its stock, while no other thread adds any.
    #[cfg(test)]
    pub(crate) fn others(&self) -> u64 {
        let sum = |word: fn(&Counts) -> &AtomicU64| {
            self.cell
                .counts()
                .fold(0, |sum: u64, cell| sum.wrapping_add(word(cell).load(Ordering::Relaxed)))
        };
        let all = sum(|cell| &cell.made).wrapping_sub(sum(|cell| &cell.dropped));
        all.wrapping_sub(1 + u64::from(self.left))
    }
}

impl<T> Lent<T> {
    /// The end of the handle. It must not be used, or given back, again.
    #[expect(clippy::inline_always, reason = "out of line, it costs as much again")]
    #[inline(always)]
    pub(crate) fn give_back(&mut self) {
        self.cell.count_dropped(1);
    }

    /// The same handle, which now gives itself back when it is dropped. This one must not be used,
    /// or given back, again.
    pub(crate) fn owned(&mut self) -> Pooled<T> {
        Pooled { cell: self.cell }
    }
}

impl<T> Deref for Lent<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.cell.value
    }
}

impl<T> fmt::Debug for Lent<T>
where
    T: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T> From<Pooled<T>> for Supply<T> {
    fn from(handle: Pooled<T>) -> Self {
        Self::of(handle.cell)
    }
}

impl<T> Clone for Supply<T> {
    #[expect(clippy::inline_always, reason = "out of line, it costs as much again")]
    #[inline(always)]
    fn clone(&self) -> Self {
        Self::of(self.cell)
    }
}

impl<T> Drop for Supply<T> {
    #[expect(clippy::inline_always, reason = "out of line, it costs as much again")]
    #[inline(always)]
    fn drop(&mut self) {
        self.cell.count_dropped(1 + self.left);
    }
}

impl<T> Deref for Supply<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.cell.value
    }
}

impl<T> fmt::Debug for Supply<T>
where
    T: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
