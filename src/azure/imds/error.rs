//! What can go wrong with the metadata service.

use std::fmt;
use std::time::Duration;

use http::StatusCode;

use crate::error::{BoxError, Reject, Rejection};

/// Why there is no answer from the metadata service.
///
/// It holds nothing of what the service said but its status.
///
/// # Example
///
/// ```
/// use seawall::azure::imds::ImdsError;
///
/// fn is_elsewhere(error: &ImdsError) -> bool {
///     matches!(error, ImdsError::Absent)
/// }
/// # assert!(is_elsewhere(&ImdsError::Absent));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ImdsError {
    /// Nothing answers there: this is no virtual machine of Azure, or one that may not ask.
    Absent,
    /// The service answered with another status than 200.
    Status {
        /// Which one.
        status: StatusCode,
        /// How long the service asks to wait.
        retry_after: Option<Duration>,
    },
    /// The answer is larger than allowed.
    TooLarge,
    /// The answer is not what it should be.
    Malformed,
    /// The connection failed after it was made.
    Transport(BoxError),
    /// A policy ended the call: it took too long, or too many wait.
    Rejected(Rejection),
}

impl ImdsError {
    /// The same failure for another who waited for it.
    pub(super) fn again(&self) -> Self {
        match self {
            Self::Absent => Self::Absent,
            Self::Status { status, retry_after } => {
                Self::Status { status: *status, retry_after: *retry_after }
            }
            Self::TooLarge => Self::TooLarge,
            Self::Malformed => Self::Malformed,
            Self::Transport(error) => Self::Transport(error.to_string().into()),
            Self::Rejected(rejection) => Self::Rejected(*rejection),
        }
    }
}

impl fmt::Display for ImdsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("there is no instance metadata service here"),
            Self::Status { status, .. } => {
                write!(f, "the instance metadata service answered {}", status.as_u16())
            }
            Self::TooLarge => f.write_str("the instance metadata service answered too much"),
            Self::Malformed => f.write_str("the instance metadata service answered nonsense"),
            Self::Transport(_) => f.write_str("the instance metadata service broke off"),
            Self::Rejected(rejection) => rejection.fmt(f),
        }
    }
}

impl std::error::Error for ImdsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Transport(error) => Some(&**error),
            Self::Rejected(rejection) => Some(rejection),
            Self::Absent | Self::Status { .. } | Self::TooLarge | Self::Malformed => None,
        }
    }
}

impl Reject for ImdsError {
    fn reject(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }

    fn rejection(&self) -> Option<&Rejection> {
        if let Self::Rejected(rejection) = self { Some(rejection) } else { None }
    }
}
