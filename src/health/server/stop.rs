//! How a server is told to end.

/// What a server is told. It never goes back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stop {
    /// To go on.
    No,
    /// To take no further connection, and to end the ones that it has in their own time.
    Gracefully,
    /// To end everything.
    Now,
}
