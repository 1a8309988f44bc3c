//! One failure for many calls, and what it says of when to come back.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use azure_core::Error;
use azure_core::error::ErrorKind;
use azure_core::http::headers::HeaderName;
use http::HeaderMap;

use crate::error::Reject;
use crate::http::retry_after;

/// The same error once more: of the same kind, with the same text and the same causes.
///
/// An error can not be cloned, and all who waited for one answer get it. Causes that are errors of
/// the SDK stay such, so that a status inside is found where it is looked for.
pub(super) fn copy(error: &Arc<Error>) -> Error {
    copy_at(error, error, 0)
}

fn copy_at(root: &Arc<Error>, error: &Error, depth: usize) -> Error {
    if let Some(rejection) = error.rejection() {
        return Error::reject(*rejection);
    }
    let (kind, text) = (error.kind().clone(), error.to_string());
    match error.get_ref().filter(|_| depth < DEEPEST) {
        None => Error::with_message(kind, text),
        Some(cause) => match cause.downcast_ref::<Error>() {
            Some(inner) => Error::with_error(kind, copy_at(root, inner, depth + 1), text),
            None => Error::with_error(kind, Cause { root: Arc::clone(root), depth }, text),
        },
    }
}

/// How long the service asks to wait, if it does, anywhere in the causes of `error`.
pub(super) fn hint(error: &Error, now: SystemTime) -> Option<Duration> {
    let own = error.rejection().and_then(crate::Rejection::retry_after);
    own.or_else(|| chain(error).find_map(|error| in_headers(error, now)))
}

/// The status that the service answered with, if it did.
pub(super) fn status(error: &Error) -> Option<u16> {
    chain(error).find_map(Error::http_status).map(u16::from)
}

/// The error, and those of its causes that are the SDK's.
fn chain(error: &Error) -> impl Iterator<Item = &Error> {
    std::iter::successors(Some(error), |error| error.downcast_ref::<Error>()).take(DEEPEST)
}

fn in_headers(error: &Error, now: SystemTime) -> Option<Duration> {
    let ErrorKind::HttpResponse { raw_response: Some(response), .. } = error.kind() else {
        return None;
    };
    let mut headers = HeaderMap::new();
    for name in HINTS {
        let value = response.headers().get_optional_str(&HeaderName::from_static(name));
        if let Some(value) = value.and_then(|value| value.parse().ok()) {
            headers.insert(name, value);
        }
    }
    retry_after(&headers, now)
}

const HINTS: [&str; 4] = ["x-ms-retry-after-ms", "retry-after-ms", "retry-after", "date"];

/// Causes are followed so far.
const DEEPEST: usize = 8;

/// What is below the SDK's errors: shared, since it can not be copied.
struct Cause {
    root: Arc<Error>,
    depth: usize,
}

impl Cause {
    fn inner(&self) -> &(dyn std::error::Error + 'static) {
        let error = chain(&self.root).nth(self.depth);
        match error.and_then(Error::get_ref) {
            Some(cause) => cause,
            None => &*self.root,
        }
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.inner(), f)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.inner(), f)
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.inner().source()
    }
}

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use std::error::Error as _;
    use std::io;

    use azure_core::http::headers::Headers;
    use azure_core::http::{RawResponse, StatusCode};

    use super::*;
    use crate::error::{Reason, Rejection};

    fn answer(headers: &[(&'static str, &'static str)]) -> Error {
        let mut all = Headers::new();
        for (name, value) in headers {
            all.insert(*name, *value);
        }
        let status = StatusCode::TooManyRequests;
        let raw_response = Some(Box::new(RawResponse::from_bytes(status, all, "")));
        let kind =
            ErrorKind::HttpResponse { status, error_code: Some("busy".into()), raw_response };
        Error::with_error(ErrorKind::Credential, kind.into_error(), "no token")
    }

    #[test]
    fn a_copy_says_what_the_original_said_down_to_the_last_cause() {
        let io = io::Error::new(io::ErrorKind::ConnectionReset, "reset");
        let inner = Error::with_error(ErrorKind::Io, io, "sending");
        let original = Arc::new(Error::with_error(ErrorKind::Credential, inner, "no token"));

        let copy = copy(&original);

        let texts = |error: &Error| {
            let mut texts = vec![error.to_string()];
            let mut cause = error.source();
            while let Some(error) = cause {
                texts.push(error.to_string());
                cause = error.source();
            }
            texts
        };
        assert_eq!(copy.kind(), &ErrorKind::Credential);
        assert_eq!(texts(&copy), texts(&original));
        assert_eq!(texts(&copy), ["no token", "sending", "reset"]);
    }

    #[test]
    fn a_copy_of_an_answer_still_has_its_status_and_its_headers() {
        let copy = copy(&Arc::new(answer(&[("retry-after", "7")])));

        assert_eq!(status(&copy), Some(429));
        assert_eq!(hint(&copy, SystemTime::now()), Some(Duration::from_secs(7)));
    }

    #[test]
    fn a_copy_of_a_rejection_is_one() {
        let rejection = Rejection::new("identity", Reason::TimedOut);

        let copy = copy(&Arc::new(Error::reject(rejection)));

        assert_eq!(copy.rejection(), Some(&rejection));
    }

    #[test]
    fn causes_without_end_are_cut() {
        let mut error = Error::with_message(ErrorKind::Io, "0");
        for n in 1..100 {
            error = Error::with_error(ErrorKind::Credential, error, n.to_string());
        }

        assert_eq!(copy(&Arc::new(error)).to_string(), "99");
    }

    #[test]
    fn hints_are_read_from_every_header_that_has_them_and_from_rejections() {
        let hint = |error: &Error| hint(error, SystemTime::now());

        assert_eq!(hint(&answer(&[("retry-after-ms", "70")])), Some(Duration::from_millis(70)));
        assert_eq!(
            hint(&answer(&[("x-ms-retry-after-ms", "70"), ("retry-after", "9")])),
            Some(Duration::from_millis(70))
        );
        assert_eq!(hint(&answer(&[("retry-after", "-1")])), None);
        assert_eq!(hint(&answer(&[])), None);
        let rejection =
            Rejection::new("identity", Reason::CircuitOpen).after(Duration::from_secs(3));
        assert_eq!(hint(&Error::reject(rejection)), Some(Duration::from_secs(3)));
    }
}
