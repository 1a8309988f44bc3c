//! How a call ends when a policy ends it, and what configuration is refused.
//!
//! A policy that ends a call makes a [`Rejection`] and puts it into the error type that the
//! service already has, through [`Reject`]. No layer changes the error type, so no stack nests
//! errors. [`Error<E>`] and [`BoxError`] hold rejections out of the box; an application's own enum
//! does after a few lines; for errors that are nobody's to change, [`WrapLayer`] innermost turns
//! `E` into [`Error<E>`].
//!
//! # Example
//!
//! An application's own error, fit for every layer:
//!
//! ```
//! use seawall::error::Reject;
//! use seawall::{Reason, Rejection};
//!
//! #[derive(Debug)]
//! enum Fault {
//!     Io(std::io::ErrorKind),
//!     Rejected(Rejection),
//! }
//!
//! impl Reject for Fault {
//!     fn reject(rejection: Rejection) -> Self {
//!         Self::Rejected(rejection)
//!     }
//!
//!     fn rejection(&self) -> Option<&Rejection> {
//!         if let Self::Rejected(rejection) = self { Some(rejection) } else { None }
//!     }
//! }
//!
//! let fault = Fault::reject(Rejection::new("orders", Reason::CircuitOpen));
//! assert_eq!(fault.to_rejection_text(), "`orders` rejected the call: circuit open");
//!
//! impl Fault {
//!     fn to_rejection_text(&self) -> String {
//!         self.rejection().map_or_else(String::new, ToString::to_string)
//!     }
//! }
//! ```

mod boxed;
mod config;
mod rejection;
mod wrap;

pub use boxed::{AmbiguousError, BoxError};
pub use config::InvalidConfig;
pub(crate) use rejection::intern;
pub use rejection::{Reason, Rejection};
pub use wrap::{Wrap, WrapFuture, WrapLayer};

use std::fmt;

/// Error types that can hold a [`Rejection`].
///
/// `Self::reject(r).rejection() == Some(&r)` must hold: policies further out read the rejection
/// back, so that a local one is not blamed on the service.
///
/// # Example
///
/// ```
/// use seawall::error::{BoxError, Reject};
/// use seawall::{Reason, Rejection};
///
/// let rejection = Rejection::new("orders", Reason::RateLimited);
/// assert_eq!(BoxError::reject(rejection).rejection(), Some(&rejection));
/// ```
pub trait Reject: Sized {
    /// Wraps `rejection`.
    fn reject(rejection: Rejection) -> Self;

    /// The rejection inside, if this error is one.
    fn rejection(&self) -> Option<&Rejection>;

    /// Marks this error as ambiguous: nobody knows whether the call took effect.
    ///
    /// Called on the last failure of a call that is not safe to repeat and may have been executed.
    /// The default leaves it as it is.
    #[must_use]
    fn ambiguous(self) -> Self {
        self
    }
}

/// A service error of type `E`, or the [`Rejection`] that took its place.
///
/// # Example
///
/// ```
/// use seawall::error::Reject;
/// use seawall::{Error, Reason, Rejection};
///
/// fn explain(error: &Error<std::io::Error>) -> String {
///     match error {
///         Error::Rejected(rejection) => format!("not sent: {rejection}"),
///         Error::Service(error) => format!("failed: {error}"),
///         Error::Ambiguous(error) => format!("may have been done: {error}"),
///     }
/// }
///
/// let error = Error::reject(Rejection::new("orders", Reason::CircuitOpen));
/// assert_eq!(explain(&error), "not sent: `orders` rejected the call: circuit open");
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "an error is ours or the service's, and known or not")]
pub enum Error<E> {
    /// A policy ended the call.
    Rejected(Rejection),
    /// The service failed.
    Service(E),
    /// The service failed, and a call that is not safe to repeat may have been executed.
    Ambiguous(E),
}

impl<E> Error<E> {
    /// The service's own error, whether ambiguous or not.
    ///
    /// # Example
    ///
    /// ```
    /// assert_eq!(seawall::Error::Ambiguous("reset").service(), Some(&"reset"));
    /// ```
    pub const fn service(&self) -> Option<&E> {
        match self {
            Self::Rejected(_) => None,
            Self::Service(error) | Self::Ambiguous(error) => Some(error),
        }
    }

    /// The service's own error, by value.
    ///
    /// # Example
    ///
    /// ```
    /// assert_eq!(seawall::Error::Service("reset").into_service(), Some("reset"));
    /// ```
    pub fn into_service(self) -> Option<E> {
        match self {
            Self::Rejected(_) => None,
            Self::Service(error) | Self::Ambiguous(error) => Some(error),
        }
    }

    /// Whether nobody knows if the call took effect.
    ///
    /// # Example
    ///
    /// ```
    /// assert!(seawall::Error::Ambiguous("reset").is_ambiguous());
    /// assert!(!seawall::Error::Service("refused").is_ambiguous());
    /// ```
    pub const fn is_ambiguous(&self) -> bool {
        match self {
            Self::Rejected(rejection) => rejection.is_ambiguous(),
            Self::Service(_) => false,
            Self::Ambiguous(_) => true,
        }
    }
}

impl<E> Reject for Error<E> {
    #[inline]
    fn reject(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }

    #[inline]
    fn rejection(&self) -> Option<&Rejection> {
        if let Self::Rejected(rejection) = self { Some(rejection) } else { None }
    }

    fn ambiguous(self) -> Self {
        match self {
            Self::Rejected(rejection) => Self::Rejected(rejection.ambiguous()),
            Self::Service(error) | Self::Ambiguous(error) => Self::Ambiguous(error),
        }
    }
}

impl<E> fmt::Display for Error<E>
where
    E: fmt::Display,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejection) => rejection.fmt(f),
            Self::Service(error) => error.fmt(f),
            Self::Ambiguous(error) => write!(f, "{error} (the call may have taken effect)"),
        }
    }
}

impl<E> std::error::Error for Error<E>
where
    E: std::error::Error + 'static,
{
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Rejected(rejection) => Some(rejection),
            Self::Service(error) | Self::Ambiguous(error) => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ambiguous_timeout_stays_a_rejection() {
        let timeout = Error::<()>::reject(Rejection::new("orders", Reason::TimedOut)).ambiguous();

        assert!(timeout.is_ambiguous());
        assert_eq!(timeout.rejection().map(Rejection::reason), Some(Reason::TimedOut));
    }
}
