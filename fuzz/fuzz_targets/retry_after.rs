//! No header of an answer or of a request makes a reader of it panic, and no wait is undercut.

#![no_main]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use libfuzzer_sys::fuzz_target;
use seawall::Outcome;
use seawall::http::retry_after::LONGEST;
use seawall::http::{ByStatus, CallHeaders, quota_reset, retry_after};
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

fuzz_target!(|input: (u32, u16, &[u8])| {
    let (seconds, status, lines) = input;
    let now = UNIX_EPOCH + Duration::from_secs(seconds.into());
    let headers = headers(lines);

    let wait = retry_after(&headers, now);
    assert!(wait.is_none_or(|wait| wait <= LONGEST));
    assert!(quota_reset(&headers, now).is_none_or(|wait| wait <= LONGEST));
    if let Some(expected) = expected(&headers, now) {
        assert_eq!(wait, Some(expected));
    }
    if let Ok(status) = StatusCode::from_u16(status) {
        let outcome = ByStatus::new().judge(status, &headers, now);
        if let Outcome::Overload { retry_after: Some(hint) } = outcome {
            assert!(hint <= LONGEST);
        }
    }
    let _context = CallHeaders::new().read(&headers, &Clock::manual());
});

/// A line is a header: its first byte says which, the rest is its value.
fn headers(lines: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n').take(64) {
        let Some((choice, value)) = line.split_first() else { continue };
        let name = NAMES[usize::from(*choice) % NAMES.len()];
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(HeaderName::from_static(name), value);
        }
    }
    headers
}

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
