//! The number of a term, and what refuses the writes of terms that are over.

use std::fmt;

/// The number of a term of leadership. Each term has a greater one than all before it.
///
/// Whoever writes as the leader sends it along, and the store refuses a smaller one than it has
/// seen: so a leader that was stopped, and goes on when another has taken over, changes nothing.
///
/// # Example
///
/// ```
/// use seawall::lease::Epoch;
///
/// assert!(Epoch::new(8) > Epoch::new(7));
/// assert_eq!(Epoch::new(7).to_string(), "7");
/// assert_eq!(Epoch::NONE.next(), Some(Epoch::new(1)));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Epoch(u64);

impl Epoch {
    /// Before the first term.
    pub const NONE: Self = Self(0);

    /// The epoch with that number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The one after it; none after the last that fits.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Keeps the writes of former leaders out.
///
/// It remembers the greatest epoch that it was shown. Its check takes `&mut self`, so that it has to
/// live with what it protects, behind the same lock or in the same task: a check that is made apart
/// from the write can be overtaken by a newer leader's between the two.
///
/// # Example
///
/// ```
/// use std::collections::HashMap;
///
/// use seawall::lease::{Epoch, Fence, Stale};
///
/// #[derive(Default)]
/// struct Stock {
///     fence: Fence,
///     pieces: HashMap<String, u32>,
/// }
///
/// impl Stock {
///     fn set(&mut self, epoch: Epoch, item: &str, pieces: u32) -> Result<(), Stale> {
///         self.fence.check(epoch)?;
///         self.pieces.insert(item.into(), pieces);
///         Ok(())
///     }
/// }
///
/// let mut stock = Stock::default();
/// stock.set(Epoch::new(7), "anchor", 3)?;
/// stock.set(Epoch::new(8), "anchor", 2)?;
///
/// let error = stock.set(Epoch::new(7), "anchor", 9).unwrap_err();
/// assert_eq!(error.newest(), Epoch::new(8));
/// # Ok::<(), Stale>(())
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Fence {
    newest: Epoch,
}

impl Fence {
    /// One that has seen no epoch yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { newest: Epoch::NONE }
    }

    /// One that has seen `newest`: read it back with what it protects.
    #[must_use]
    pub const fn at(newest: Epoch) -> Self {
        Self { newest }
    }

    /// The greatest epoch that it was shown.
    #[must_use]
    pub const fn newest(&self) -> Epoch {
        self.newest
    }

    /// Lets a write of `epoch` pass, and from then on none of a smaller one.
    ///
    /// A new leader does well to show its epoch before it reads what it goes on with: what it has
    /// read is then not changed behind its back.
    ///
    /// # Errors
    ///
    /// [`Stale`] if it was shown a greater one.
    pub fn check(&mut self, epoch: Epoch) -> Result<(), Stale> {
        if epoch < self.newest {
            return Err(Stale { epoch, newest: self.newest });
        }
        self.newest = epoch;
        Ok(())
    }
}

/// A write was refused, because a newer leader has taken over.
///
/// Whoever gets it is not the leader, whatever their clock says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stale {
    epoch: Epoch,
    newest: Epoch,
}

impl Stale {
    /// A refusal of `epoch` by what has seen `newest`, for stores of one's own.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::lease::{Epoch, Stale};
    ///
    /// let error = Stale::new(Epoch::new(7), Epoch::new(9));
    /// assert_eq!(error.to_string(), "written in epoch 7, but epoch 9 has begun");
    /// ```
    #[must_use]
    pub const fn new(epoch: Epoch, newest: Epoch) -> Self {
        Self { epoch, newest }
    }

    /// The epoch of the write.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The greatest epoch that has been seen.
    #[must_use]
    pub const fn newest(&self) -> Epoch {
        self.newest
    }
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "written in epoch {}, but epoch {} has begun", self.epoch, self.newest)
    }
}

impl std::error::Error for Stale {}

#[cfg(all(test, not(seawall_loom)))]
mod tests {
    use super::*;

    #[test]
    fn there_is_no_epoch_after_the_last() {
        assert_eq!(Epoch::new(u64::MAX).next(), None);
    }

    #[test]
    fn a_fence_lets_the_same_epoch_pass_again_and_no_earlier_one() {
        let mut fence = Fence::at(Epoch::new(3));

        assert_eq!(fence.check(Epoch::new(2)), Err(Stale::new(Epoch::new(2), Epoch::new(3))));
        assert_eq!(fence.check(Epoch::new(3)), Ok(()));
        assert_eq!(fence.check(Epoch::new(5)), Ok(()));
        assert_eq!(fence.check(Epoch::new(5)), Ok(()));
        assert!(fence.check(Epoch::new(4)).is_err());
        assert_eq!(fence.newest(), Epoch::new(5));
    }
}
