//! What kind of operation is made.

use crate::replay::Safety;

/// The kind of an operation: what it may cost, and what its lost answer means.
///
/// Where none fits, a [`Safety`] does: `Safety::Unsafe.into()`.
///
/// # Example
///
/// ```
/// use seawall::azure::cosmos::Op;
/// use seawall::replay::Safety;
///
/// assert!(Op::Read.is_read());
/// assert_eq!(Op::Create.safety(), Safety::Keyed);
/// assert_eq!(Op::from(Safety::Unsafe), Op::Other(Safety::Unsafe));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Op {
    /// Reads one item, or a description.
    Read,
    /// Reads a page of a query, of all items, or of the change feed.
    Query,
    /// Creates an item: its id is the key, and a second one ends with 409.
    Create,
    /// Replaces an item if it is still the one that was read: a second one ends with 412.
    ReplaceIfMatch,
    /// Replaces an item, whoever has changed it.
    Replace,
    /// Writes an item, there or not. Sent twice, it may undo what others wrote in between.
    Upsert,
    /// Changes parts of an item.
    Patch,
    /// Deletes an item: a second one ends with 404.
    Delete,
    /// A transactional batch.
    Batch,
    /// A stored procedure. The driver does not repeat it.
    StoredProcedure,
    /// A write that is none of these, as safe to repeat as that.
    Other(Safety),
}

impl Op {
    /// Whether it only reads.
    #[must_use]
    pub const fn is_read(self) -> bool {
        matches!(self, Self::Read | Self::Query)
    }

    /// What its being executed twice does. A lost answer of one that is not idempotent is told as
    /// ambiguous.
    #[must_use]
    pub const fn safety(self) -> Safety {
        match self {
            Self::Read | Self::Query => Safety::Idempotent,
            Self::Create | Self::ReplaceIfMatch => Safety::Keyed,
            Self::Replace
            | Self::Upsert
            | Self::Patch
            | Self::Delete
            | Self::Batch
            | Self::StoredProcedure => Safety::Unsafe,
            Self::Other(safety) => safety,
        }
    }

    /// Where its figures are kept.
    pub(super) const fn index(self) -> usize {
        match self {
            Self::Read => 0,
            Self::Query => 1,
            Self::Create => 2,
            Self::ReplaceIfMatch | Self::Replace => 3,
            Self::Upsert => 4,
            Self::Patch => 5,
            Self::Delete => 6,
            Self::Batch => 7,
            Self::StoredProcedure => 8,
            Self::Other(_) => 9,
        }
    }

    /// What operations of each kind cost before one was seen, in request units: Microsoft's figures
    /// for an item of 1 KB, and a guess where there is none.
    pub(super) const FIRST_COSTS: [f64; 10] =
        [1.0, 5.0, 5.5, 10.5, 10.5, 10.5, 5.5, 20.0, 20.0, 10.0];
}

impl From<Safety> for Op {
    fn from(safety: Safety) -> Self {
        Self::Other(safety)
    }
}
