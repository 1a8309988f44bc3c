//! The SDK's error as one that policies put their rejections into.

use std::fmt;
use std::iter::successors;

use azure_core::Error;
use azure_core::error::ErrorKind;

use super::resilience::AMBIGUOUS;
use crate::error::{Reject, Rejection};

/// Whether `error` ended a call that may have taken effect, and that was not safe to repeat.
///
/// It may be an answer with the header `x-resilience-ambiguous`, or a failure without an answer; what
/// was [added](azure_core::Error::with_context) to it later does not hide it.
///
/// # Example
///
/// ```
/// use azure_core::error::{Error, ErrorKind};
/// use seawall::azure::is_ambiguous;
/// use seawall::error::Reject;
///
/// let lost = Error::with_message(ErrorKind::Io, "connection reset");
/// assert!(!is_ambiguous(&lost));
/// assert!(is_ambiguous(&lost.ambiguous()));
/// ```
#[must_use]
pub fn is_ambiguous(error: &Error) -> bool {
    let chain = successors(Some(error), |error| error.downcast_ref::<Error>());
    chain.take(MOST_SOURCES).any(|error| {
        error.downcast_ref::<MayHaveRun>().is_some()
            || matches!(
                error.kind(),
                ErrorKind::HttpResponse { raw_response: Some(answer), .. }
                    if answer.headers().get_optional_str(&AMBIGUOUS).is_some()
            )
    })
}

/// An error whose sources go round in a circle must not hang a call.
const MOST_SOURCES: usize = 32;

/// Rejections are of kind [`ErrorKind::Other`], which no retry of the SDK takes for one that passes.
///
/// # Example
///
/// ```
/// use azure_core::error::{Error, ErrorKind};
/// use seawall::error::Reject;
/// use seawall::{Reason, Rejection};
///
/// let rejection = Rejection::new("orders", Reason::CircuitOpen);
/// let error = Error::reject(rejection);
/// assert_eq!(error.kind(), &ErrorKind::Other);
/// assert_eq!(error.rejection(), Some(&rejection));
/// ```
impl Reject for Error {
    fn reject(rejection: Rejection) -> Self {
        Self::new(ErrorKind::Other, rejection)
    }

    fn rejection(&self) -> Option<&Rejection> {
        match self.downcast_ref::<MayHaveRun>() {
            Some(MayHaveRun(inner)) => inner.downcast_ref(),
            None => self.downcast_ref(),
        }
    }

    fn ambiguous(self) -> Self {
        if is_ambiguous(&self) {
            return self;
        }
        let kind = self.kind().clone();
        Self::new(kind, MayHaveRun(self))
    }
}

/// Holds the failure of a call that may have taken effect.
#[derive(Debug)]
struct MayHaveRun(Error);

impl fmt::Display for MayHaveRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (the call may have taken effect)", self.0)
    }
}

impl std::error::Error for MayHaveRun {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[cfg(all(test, not(seawall_loom)))]
mod tests {
    use azure_core::http::headers::Headers;
    use azure_core::http::{RawResponse, StatusCode};

    use super::*;
    use crate::error::Reason;

    #[test]
    fn an_ambiguous_error_keeps_its_kind_and_its_cause_and_is_marked_once() {
        let error = Error::with_message(ErrorKind::Io, "reset").ambiguous().ambiguous();

        assert_eq!(error.kind(), &ErrorKind::Io);
        assert_eq!(error.to_string().matches("may have taken effect").count(), 1);
        assert!(error.to_string().contains("reset"));
    }

    #[test]
    fn an_answer_that_is_marked_is_ambiguous_whatever_is_said_around_it() {
        let answered = |headers: Headers| {
            let raw = RawResponse::from_bytes(StatusCode::InternalServerError, headers, "");
            let kind = ErrorKind::HttpResponse {
                status: StatusCode::InternalServerError,
                error_code: None,
                raw_response: Some(Box::new(raw)),
            };
            Error::with_message(kind, "500").with_context("while appending")
        };
        let mut marked = Headers::new();
        marked.insert(AMBIGUOUS, "true");

        assert!(is_ambiguous(&answered(marked)));
        assert!(!is_ambiguous(&answered(Headers::new())));
        let lost = Error::with_message(ErrorKind::Io, "reset").ambiguous();
        assert!(is_ambiguous(&lost.with_context("while appending")));
    }

    #[test]
    fn a_rejection_is_found_behind_the_mark() {
        let rejection = Rejection::new("orders", Reason::TimedOut);

        assert_eq!(Error::reject(rejection).ambiguous().rejection(), Some(&rejection));
    }
}
