//! A connection, for as long as an operation uses it.

use std::fmt;
use std::ops::{Deref, DerefMut};

use tokio::sync::oneshot::{self, Receiver, Sender};

/// A connection that an operation has been given for the time it runs.
///
/// It is used like the connection itself, and goes back when it is dropped. It is a value and no
/// reference so that the operation's future can be sent to another thread whatever else it borrows.
/// An operation that keeps it after its end keeps it for good: the pool opens another one, and a
/// transaction that was begun on it is not committed.
///
/// # Example
///
/// ```
/// use seawall::azure::database::Loan;
///
/// async fn count(mut numbers: Loan<Vec<u32>>) -> usize {
///     numbers.push(7);
///     numbers.len()
/// }
/// # let _ = count;
/// ```
pub struct Loan<C> {
    /// There until it is dropped.
    connection: Option<C>,
    home: Option<Sender<C>>,
}

impl<C> Loan<C> {
    /// Lends `connection`, which comes back through the receiver.
    pub(super) fn of(connection: C) -> (Self, Receiver<C>) {
        let (home, back) = oneshot::channel();
        (Self { connection: Some(connection), home: Some(home) }, back)
    }
}

impl<C> Deref for Loan<C> {
    type Target = C;

    fn deref(&self) -> &C {
        self.connection.as_ref().expect("taken only by the drop")
    }
}

impl<C> DerefMut for Loan<C> {
    fn deref_mut(&mut self) -> &mut C {
        self.connection.as_mut().expect("taken only by the drop")
    }
}

impl<C> Drop for Loan<C> {
    fn drop(&mut self) {
        if let (Some(connection), Some(home)) = (self.connection.take(), self.home.take()) {
            // When nobody waits for it any more, the call has been dropped, and it is closed.
            drop(home.send(connection));
        }
    }
}

impl<C> fmt::Debug for Loan<C>
where
    C: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.connection.fmt(f)
    }
}
