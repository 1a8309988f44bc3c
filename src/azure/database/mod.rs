//! What the SQL databases have in common: when a call is made again, and on which connection.
//!
//! A pool of either kind keeps four rules:
//!
//! - A call that failed is made again on a connection of its own, after a wait that a failover
//!   needs (seconds) or that a deadlock needs (milliseconds), as its error [says](Handling).
//! - A connection is out of the pool while it is used, and comes back only from a call that has
//!   ended: what drops a call closes its connection, and no other call ever meets its answer.
//! - A [transaction](Holds) is made again as a whole. Where nobody knows whether its commit was
//!   executed, a hook of the caller's looks.
//! - Nothing that does not fit before the deadline is started; the caller gets the last real error.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//!
//! use seawall::azure::database::Settings;
//!
//! let settings = Settings::default().size(20).total_timeout(Duration::from_secs(60));
//! # let _ = settings;
//! ```

mod driver;
mod handling;
mod loan;
mod pace;
mod place;
mod server;
mod settings;
#[cfg(test)]
#[cfg(all(feature = "test-util", not(seawall_loom)))]
mod tests;

pub use handling::Handling;
pub use loan::Loan;
pub use settings::Settings;

pub(crate) use driver::Driver;
pub(crate) use handling::Meaning;
pub(crate) use server::Server;

use std::future::Future;

/// One kind of database, and one server of it: how to connect, and what its errors mean.
pub(crate) trait Database: Send + Sync + 'static {
    /// An open connection.
    type Connection: Send + 'static;

    /// The driver's error.
    type Error: Send + 'static;

    /// Opens a connection. The name is resolved anew, and the time it takes is bounded.
    fn connect(&self) -> impl Future<Output = Result<Self::Connection, Self::Error>> + Send;

    /// Asks the server for an answer that costs nothing.
    fn ping(
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Begins a transaction.
    fn begin(
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Commits it.
    fn commit(
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Rolls it back, if there still is one.
    fn rollback(
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Whether the connection can not be used again: closed, or left in the middle of an answer.
    fn is_broken(connection: &Self::Connection) -> bool;

    /// What `error` says.
    fn judge(error: &Self::Error) -> Meaning;
}

/// An error of an operation: the database's own, or one that can hold it.
///
/// The driver's error and [`BoxError`](crate::error::BoxError) have it. An application's own enum
/// gets it in a few lines, and can then end a transaction with an error that is no database's: it
/// is rolled back, and not made again.
///
/// # Example
///
/// ```
/// use seawall::azure::database::Holds;
///
/// # #[derive(Debug)]
/// # struct DriverError;
/// #[derive(Debug)]
/// enum Fault {
///     OutOfStock,
///     Database(DriverError),
/// }
///
/// impl From<DriverError> for Fault {
///     fn from(error: DriverError) -> Self {
///         Self::Database(error)
///     }
/// }
///
/// impl Holds<DriverError> for Fault {
///     fn held(&self) -> Option<&DriverError> {
///         if let Self::Database(error) = self { Some(error) } else { None }
///     }
/// }
///
/// assert!(Fault::OutOfStock.held().is_none());
/// ```
pub trait Holds<D>: From<D> {
    /// The database's error inside, if this is one.
    fn held(&self) -> Option<&D>;
}
