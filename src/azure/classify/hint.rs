//! The wait that an answer asks for, read from the SDK's headers by the parser of [`crate::http`].

use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use azure_core::http::headers::{HeaderName, Headers};
use http::header::{HeaderMap, HeaderName as HttpName, HeaderValue};

use crate::http::{quota_reset, retry_after};

/// The wait by `x-ms-retry-after-ms`, `retry-after-ms` or `Retry-After`, whatever the status is.
pub(in crate::azure) fn hint(headers: &Headers, now: SystemTime) -> Option<Duration> {
    retry_after(&view(headers, &WAITS)?, now)
}

/// The time until a used-up quota is filled again, for `429`.
pub(in crate::azure) fn quota(headers: &Headers, now: SystemTime) -> Option<Duration> {
    quota_reset(&view(headers, &QUOTAS)?, now)
}

/// A header as text. Costs nothing when it is not there, where the SDK's own functions make an
/// error.
pub(in crate::azure) fn str_of<'a>(headers: &'a Headers, name: &HeaderName) -> Option<&'a str> {
    headers.get_optional_with(name, |value| Ok::<_, Infallible>(value.as_str())).ok().flatten()
}

/// The headers of that names, and `Date`, as the parser wants them. Nothing, and no allocation,
/// where none of them is there.
fn view(headers: &Headers, names: &[Name; 3]) -> Option<HeaderMap> {
    let mut view = None;
    for (azure, http) in names {
        if let Some(value) = str_of(headers, azure) {
            insert(view.get_or_insert_with(HeaderMap::new), http, value);
        }
    }
    let mut view = view?;
    let (azure, http) = &DATE;
    if let Some(value) = str_of(headers, azure) {
        insert(&mut view, http, value);
    }
    Some(view)
}

/// What can be no value of a header is as if it were not there.
fn insert(view: &mut HeaderMap, name: &HttpName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        view.insert(name.clone(), value);
    }
}

type Name = (HeaderName, HttpName);

static WAITS: [Name; 3] =
    [name("x-ms-retry-after-ms"), name("retry-after-ms"), name("retry-after")];
static QUOTAS: [Name; 3] = [name("ratelimit"), name("ratelimit-reset"), name("x-ratelimit-reset")];
static DATE: Name = name("date");

const fn name(name: &'static str) -> Name {
    (HeaderName::from_static(name), HttpName::from_static(name))
}
