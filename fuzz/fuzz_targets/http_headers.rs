//! No header panics, and no wait is out of bounds or undercut.

#![no_main]

use std::time::{Duration, SystemTime};

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use libfuzzer_sys::fuzz_target;
use seawall::Outcome;
use seawall::error::BoxError;
use seawall::http::retry_after::LONGEST;
use seawall::http::{ByStatus, CallHeaders, quota_reset, retry_after};
use seawall::outcome::Classify;
use seawall::time::Clock;

const NAMES: [&str; 9] = [
    "date",
    "ratelimit",
    "ratelimit-reset",
    "retry-after",
    "retry-after-ms",
    "retry-attempt",
    "x-envoy-expected-rq-timeout-ms",
    "x-ms-retry-after-ms",
    "x-ratelimit-reset",
];

fuzz_target!(|input: (u16, u32, Vec<(u8, Vec<u8>)>)| {
    let (status, now, lines) = input;
    let mut headers = HeaderMap::new();
    for (name, value) in lines.iter().take(16) {
        let name = HeaderName::from_static(NAMES[usize::from(*name) % NAMES.len()]);
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }

    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now.into());
    for wait in [retry_after(&headers, now), quota_reset(&headers, now)] {
        assert!(wait.is_none_or(|wait| wait <= LONGEST));
    }
    if let Some(expected) = expected(&headers, now) {
        assert_eq!(retry_after(&headers, now), Some(expected));
    }
    let _context = CallHeaders::new().read(&headers, &Clock::manual());

    if let Ok(status) = StatusCode::from_u16(status) {
        let mut response = Response::new(());
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        let outcome = Classify::<_, BoxError>::classify(&ByStatus::new(), Ok(&response));
        if let Outcome::Overload { retry_after } = outcome {
            assert!(retry_after.is_none_or(|wait| !wait.is_zero() && wait <= LONGEST));
        }
    }
});

/// What is to be read when `Retry-After` is alone, and in one of its two simple forms.
fn expected(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    if headers.len() != 1 {
        return None;
    }
    let value = headers.get("retry-after")?.to_str().ok()?;
    if value.len() < 19 && !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().ok()?).min(LONGEST));
    }
    let then = httpdate::parse_http_date(value).ok()?;
    Some(then.duration_since(now).unwrap_or_default().min(LONGEST))
}
