//! Boxed errors as a place for rejections.
//!
//! [`Reject`] holds for boxed errors of any lifetime, although nobody uses any but `'static`. The
//! compiler forgets lifetimes when it asks whether the future of an `async` block is `Send`, and
//! were the impl for `'static` only, no call with a boxed error could be given to `tokio::spawn`
//! (<https://github.com/rust-lang/rust/issues/110338>). An error of any lifetime can not be
//! downcast, but its source can: so a rejection is boxed inside of an error that has it as its
//! source.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use super::{Reason, Reject, Rejection};
use crate::sync::Mutex;

/// A boxed error, as tower knows it.
///
/// It holds rejections: they are boxed, and found again by looking along the chain of sources.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Holds a service's boxed error after a call that may have taken effect.
///
/// What [`Reject::ambiguous`] makes of a [`BoxError`] that is no rejection. Its source is that of
/// the error inside, which it prints.
///
/// # Example
///
/// ```
/// use seawall::error::{AmbiguousError, BoxError, Reject};
///
/// let error = BoxError::from("connection reset").ambiguous();
/// assert!(error.is::<AmbiguousError<'_>>());
/// ```
#[derive(Debug)]
pub struct AmbiguousError<'a> {
    inner: Box<dyn std::error::Error + Send + Sync + 'a>,
}

impl<'a> AmbiguousError<'a> {
    /// The service's own error.
    #[must_use]
    pub fn into_inner(self) -> Box<dyn std::error::Error + Send + Sync + 'a> {
        self.inner
    }
}

impl fmt::Display for AmbiguousError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.inner.to_string();
        f.write_str(&inner)?;
        // Marked by two policies, it is said once.
        if inner.ends_with(MARK) { Ok(()) } else { f.write_str(MARK) }
    }
}

impl std::error::Error for AmbiguousError<'_> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.inner.source()
    }
}

impl Reject for Box<dyn std::error::Error + Send + Sync + '_> {
    fn reject(rejection: Rejection) -> Self {
        Box::new(Rejected(Cause(rejection)))
    }

    fn rejection(&self) -> Option<&Rejection> {
        let mut error = self.source()?;
        // Bounded, for an error may be its own source.
        for _ in 0..LONGEST_CHAIN {
            if let Some(Cause(rejection)) = error.downcast_ref() {
                return Some(rejection);
            }
            if let Some(rejection) = error.downcast_ref() {
                return Some(rejection);
            }
            error = error.source()?;
        }
        None
    }

    fn ambiguous(self) -> Self {
        match self.source().and_then(|source| source.downcast_ref()) {
            Some(Cause(rejection)) => Self::reject(rejection.ambiguous()),
            None => Box::new(AmbiguousError { inner: self }),
        }
    }
}

/// How many sources of an error are looked at.
const LONGEST_CHAIN: usize = 32;

/// A rejection that was boxed.
#[derive(Debug)]
struct Rejected(Cause);

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.0.fmt(f)
    }
}

impl std::error::Error for Rejected {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// A rejection as the source of an error that prints it already.
#[derive(Debug)]
pub(super) struct Cause(Rejection);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a policy of this process ended the call")
    }
}

impl std::error::Error for Cause {}

impl Cause {
    /// What a rejection that was boxed as it is (by the operator `?`) has as its source.
    ///
    /// It lives for ever, so there is one for each policy and reason, and it says nothing of the
    /// wait. Past [`MAX_CAUSES`] there are no further ones.
    pub(super) fn of(rejection: &Rejection) -> Option<&'static Self> {
        type Causes = HashMap<(&'static str, Reason, bool), &'static Cause>;
        static CAUSES: LazyLock<Mutex<Causes>> = LazyLock::new(Mutex::default);

        let (policy, reason) = (rejection.policy(), rejection.reason());
        let mut causes = CAUSES.lock();
        if let Some(cause) = causes.get(&(policy, reason, rejection.is_ambiguous())) {
            return Some(cause);
        }
        if causes.len() >= MAX_CAUSES {
            return None;
        }
        let plain = Rejection::new(policy, reason);
        let plain = if rejection.is_ambiguous() { plain.ambiguous() } else { plain };
        let cause: &'static Self = Box::leak(Box::new(Self(plain)));
        causes.insert((policy, reason, rejection.is_ambiguous()), cause);
        Some(cause)
    }
}

const MARK: &str = " (the call may have taken effect)";
const MAX_CAUSES: usize = 4_096;

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use std::time::Duration;

    use super::*;

    #[derive(Debug)]
    struct Outer(Rejection);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("outer")
        }
    }

    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn a_rejection_is_found_inside_other_errors() {
        let rejection = Rejection::new("orders", Reason::CircuitOpen).after(Duration::from_secs(1));
        let nested: BoxError = Box::new(AmbiguousError { inner: BoxError::reject(rejection) });
        assert_eq!(nested.rejection(), Some(&rejection));

        let nested: BoxError = Box::new(Outer(rejection));
        assert_eq!(nested.rejection(), Some(&rejection));
    }

    #[test]
    fn a_rejection_that_was_boxed_as_it_is_is_found() {
        let rejection = Rejection::new("orders", Reason::CircuitOpen);

        let boxed: BoxError = rejection.after(Duration::from_secs(1)).into();

        assert_eq!(boxed.rejection(), Some(&rejection));
        assert!(boxed.ambiguous().rejection().unwrap().is_ambiguous());
    }

    #[test]
    fn a_rejection_is_printed_once_along_the_chain() {
        let rejection = Rejection::new("orders", Reason::CircuitOpen);
        let boxed = BoxError::reject(rejection);

        let source = boxed.source().unwrap();

        assert_eq!(boxed.to_string(), rejection.to_string());
        assert_eq!(source.to_string(), "a policy of this process ended the call");
        assert!(source.source().is_none());
    }

    #[test]
    fn to_mark_twice_says_it_once() {
        let error = BoxError::from("reset").ambiguous().ambiguous();

        assert_eq!(error.to_string(), "reset (the call may have taken effect)");
    }
}
