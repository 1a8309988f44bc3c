//! What can go wrong with a lease, and with work under it.

use std::fmt;
use std::sync::Arc;

use super::Epoch;
use crate::error::BoxError;

/// Why a store did not do what it was asked to.
///
/// What matters to an election is whether the lease may have changed hands or terms nevertheless:
/// only [`Ambiguous`](Self::Ambiguous) leaves that open.
///
/// # Example
///
/// ```
/// use seawall::lease::LeaseError;
///
/// let error = LeaseError::unavailable("connection refused");
/// assert_eq!(error.to_string(), "the lease's store does not answer: connection refused");
/// assert!(!error.may_have_run());
/// assert!(LeaseError::ambiguous("connection reset").may_have_run());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LeaseError {
    /// Somebody else holds the lease, or it was broken and has not ended yet.
    Held {
        /// The name of the holder, where the store knows it.
        by: Option<Arc<str>>,
    },
    /// The lease is not, or no longer, held under this claim.
    Lost,
    /// Nothing was done, and it may work the next time: the store is down or busy.
    Unavailable(Arc<dyn std::error::Error + Send + Sync>),
    /// Nobody knows whether it was done: no answer, or one that was cut.
    Ambiguous(Arc<dyn std::error::Error + Send + Sync>),
    /// Nothing was done, and it will not work the next time either: no permission, no such
    /// container, an epoch that can not be read.
    Refused(Arc<dyn std::error::Error + Send + Sync>),
}

impl LeaseError {
    /// [`Unavailable`](Self::Unavailable), because of `cause`.
    pub fn unavailable(cause: impl Into<BoxError>) -> Self {
        Self::Unavailable(cause.into().into())
    }

    /// [`Ambiguous`](Self::Ambiguous), because of `cause`.
    pub fn ambiguous(cause: impl Into<BoxError>) -> Self {
        Self::Ambiguous(cause.into().into())
    }

    /// [`Refused`](Self::Refused), because of `cause`.
    pub fn refused(cause: impl Into<BoxError>) -> Self {
        Self::Refused(cause.into().into())
    }

    /// Whether what was asked for may have been done all the same.
    #[must_use]
    pub const fn may_have_run(&self) -> bool {
        match self {
            Self::Ambiguous(_) => true,
            Self::Held { .. } | Self::Lost | Self::Unavailable(_) | Self::Refused(_) => false,
        }
    }
}

impl fmt::Display for LeaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { by: Some(holder) } => write!(f, "the lease is held by `{holder}`"),
            Self::Held { by: None } => f.write_str("the lease is held by somebody else"),
            Self::Lost => f.write_str("the lease is not held any more"),
            Self::Unavailable(cause) => write!(f, "the lease's store does not answer: {cause}"),
            Self::Ambiguous(cause) => write!(f, "the lease may have changed: {cause}"),
            Self::Refused(cause) => write!(f, "the lease's store refuses: {cause}"),
        }
    }
}

impl std::error::Error for LeaseError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Held { .. } | Self::Lost => None,
            Self::Unavailable(cause) | Self::Ambiguous(cause) | Self::Refused(cause) => {
                Some(&**cause)
            }
        }
    }
}

/// The work was not done, or not to its end, because this process does not lead.
///
/// # Example
///
/// ```
/// use seawall::lease::{InMemory, Leadership};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), seawall::error::InvalidConfig> {
/// let (leadership, _election) = Leadership::builder().build(InMemory::new())?;
///
/// let error = leadership.run_while_leading(async |_| ()).await.unwrap_err();
/// assert_eq!(error.epoch(), None);
/// assert_eq!(error.to_string(), "this process does not lead");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotLeading {
    pub(super) epoch: Option<Epoch>,
}

impl NotLeading {
    /// The term in which the work was begun; none if it was not.
    #[must_use]
    pub const fn epoch(&self) -> Option<Epoch> {
        self.epoch
    }
}

impl fmt::Display for NotLeading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.epoch {
            Some(epoch) => write!(f, "this process does not lead any more in epoch {epoch}"),
            None => f.write_str("this process does not lead"),
        }
    }
}

impl std::error::Error for NotLeading {}
