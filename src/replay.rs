//! How a request is made a second time, and whether it is safe to send it twice.
//!
//! Retry, hedge and failover ask a [`Replay`] before the first attempt what to keep, and before
//! each repeat for another request. What is neither idempotent nor keyed is repeated only while it
//! certainly has not been executed; otherwise the call ends as *ambiguous*, and never as a silent
//! second execution.
//!
//! # Example
//!
//! ```
//! use seawall::replay::{Cloned, Replay, Safety};
//!
//! let replay = Cloned::new();
//! let mut request = String::from("SELECT 1");
//!
//! let kept = replay.keep(&mut request)?;
//! assert_eq!(replay.again(&kept)?, request);
//! assert_eq!(replay.safety(&request), Safety::Idempotent);
//! # Ok::<(), seawall::replay::NotReplayable>(())
//! ```

use std::fmt;

/// Whether a request may be executed twice.
///
/// # Example
///
/// ```
/// use seawall::replay::Safety;
///
/// assert!(Safety::Keyed.is_repeatable());
/// assert!(!Safety::Unsafe.is_repeatable());
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "policies decide by all three")]
pub enum Safety {
    /// Twice has the effect of once (a read, a put of a whole value).
    Idempotent,
    /// The request carries a key by which the service recognises the second one.
    Keyed,
    /// Twice may be one too many.
    Unsafe,
}

impl Safety {
    /// Whether the request may be sent again though it may have been executed.
    #[must_use]
    pub const fn is_repeatable(self) -> bool {
        match self {
            Self::Idempotent | Self::Keyed => true,
            Self::Unsafe => false,
        }
    }
}

/// Why a request can not be made again.
///
/// # Example
///
/// ```
/// use seawall::replay::NotReplayable;
///
/// assert_eq!(NotReplayable::BodyTooLarge.to_string(), "the body is larger than what is kept");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum NotReplayable {
    /// The body is larger than what is kept of it.
    BodyTooLarge,
    /// The body was left half read, and the rest of it is gone.
    BodyGone,
    /// The body failed while it was read.
    BodyFailed,
    /// The request itself does not allow a copy.
    NotClonable,
}

impl NotReplayable {
    /// A short, stable name for logs and metrics.
    ///
    /// # Example
    ///
    /// ```
    /// assert_eq!(seawall::replay::NotReplayable::BodyGone.name(), "body_gone");
    /// ```
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BodyTooLarge => "body_too_large",
            Self::BodyGone => "body_gone",
            Self::BodyFailed => "body_failed",
            Self::NotClonable => "not_clonable",
        }
    }
}

impl fmt::Display for NotReplayable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BodyTooLarge => "the body is larger than what is kept",
            Self::BodyGone => "the body was left half read",
            Self::BodyFailed => "the body failed while it was read",
            Self::NotClonable => "the request can not be copied",
        })
    }
}

impl std::error::Error for NotReplayable {}

/// Makes requests again, and says whether that is safe.
///
/// # Example
///
/// Requests that say themselves whether they may be repeated:
///
/// ```
/// use seawall::replay::{NotReplayable, Replay, Safety};
///
/// #[derive(Clone)]
/// struct Query {
///     sql: String,
///     read_only: bool,
/// }
///
/// struct ReadsOnly;
///
/// impl Replay<Query> for ReadsOnly {
///     fn safety(&self, query: &Query) -> Safety {
///         if query.read_only { Safety::Idempotent } else { Safety::Unsafe }
///     }
///
///     fn keep(&self, query: &mut Query) -> Result<Query, NotReplayable> {
///         Ok(query.clone())
///     }
///
///     fn again(&self, kept: &Query) -> Result<Query, NotReplayable> {
///         Ok(kept.clone())
///     }
/// }
///
/// let write = Query { sql: "DELETE FROM carts".into(), read_only: false };
/// assert_eq!(ReadsOnly.safety(&write), Safety::Unsafe);
/// ```
pub trait Replay<Request> {
    /// Whether `request` may be executed twice.
    fn safety(&self, request: &Request) -> Safety;

    /// Keeps what is needed to make `request` again, before it is sent for the first time.
    ///
    /// # Errors
    ///
    /// Why there can be no second one. The call is then made once.
    fn keep(&self, request: &mut Request) -> Result<Request, NotReplayable>;

    /// Makes the request again, before each repeat.
    ///
    /// # Errors
    ///
    /// Why there can be no other one now. The call then ends with what it has.
    fn again(&self, kept: &Request) -> Result<Request, NotReplayable>;
}

/// What a look afterwards says of a call that may have been executed.
///
/// Made by a caller who can tell: by an identity that he wrote with his data, a row that is there
/// or is not, a version that has moved on.
///
/// # Example
///
/// ```
/// use seawall::replay::Verified;
///
/// let row_that_was_found: Option<u64> = Some(7);
///
/// let verified = row_that_was_found.map_or(Verified::NotExecuted, Verified::Executed);
/// assert_eq!(verified, Verified::Executed(7));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a look afterwards has no fourth result")]
pub enum Verified<T> {
    /// It was executed, and this is what it would have answered.
    Executed(T),
    /// It was not executed, and will not be any more: it may be sent again.
    NotExecuted,
    /// The look did not tell. The call stays ambiguous.
    Unknown,
}

/// Clones requests.
///
/// [`new`](Self::new) takes every request for idempotent: to choose it says so.
///
/// # Example
///
/// ```
/// use seawall::replay::{Cloned, Replay, Safety};
///
/// assert_eq!(Cloned::new().safety(&"read"), Safety::Idempotent);
/// assert_eq!(Cloned::not_idempotent().safety(&"append"), Safety::Unsafe);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cloned {
    safety: Safety,
}

impl Cloned {
    /// For requests that may all be executed twice.
    #[must_use]
    pub const fn new() -> Self {
        Self { safety: Safety::Idempotent }
    }

    /// For requests that must not be executed twice. They are repeated only when the first one
    /// certainly was not executed.
    #[must_use]
    pub const fn not_idempotent() -> Self {
        Self { safety: Safety::Unsafe }
    }
}

impl From<Safety> for Cloned {
    /// For requests that are all that safe.
    fn from(safety: Safety) -> Self {
        Self { safety }
    }
}

impl Default for Cloned {
    fn default() -> Self {
        Self::new()
    }
}

impl<Request> Replay<Request> for Cloned
where
    Request: Clone,
{
    #[inline]
    fn safety(&self, _: &Request) -> Safety {
        self.safety
    }

    #[inline]
    fn keep(&self, request: &mut Request) -> Result<Request, NotReplayable> {
        Ok(request.clone())
    }

    #[inline]
    fn again(&self, kept: &Request) -> Result<Request, NotReplayable> {
        Ok(kept.clone())
    }
}
