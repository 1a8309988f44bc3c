//! When a server says to come back: `Retry-After` and its relatives.
//!
//! Pure functions of the headers and of the wall clock, which is passed in. They look at headers
//! only; what a hint means on which status is decided by [`ByStatus`](super::ByStatus).
//!
//! # Headers, in the order in which they count
//!
//! | header                | value                                   | read by         |
//! |-----------------------|-----------------------------------------|-----------------|
//! | `x-ms-retry-after-ms` | milliseconds                            | [`retry_after`] |
//! | `retry-after-ms`      | milliseconds                            | [`retry_after`] |
//! | `Retry-After`         | seconds, or an HTTP date                | [`retry_after`] |
//! | `RateLimit`           | `"policy";r=0;t=SECONDS`, a list        | [`quota_reset`] |
//! | `RateLimit-Reset`     | seconds, or a Unix time                 | [`quota_reset`] |
//! | `X-RateLimit-Reset`   | seconds, or a Unix time                 | [`quota_reset`] |
//!
//! The first header with a value that can be read decides. When it came more than once, the longest
//! wait does, because a wait that a server asked for is never undercut.
//!
//! # Values
//!
//! | value                                                | is read as                               |
//! |------------------------------------------------------|------------------------------------------|
//! | `120`, `0120`                                        | 120 units                                |
//! | `1.5`                                                | one and a half units, rounded up to 1 ns |
//! | an HTTP date in any of its three formats, in any case | the time from `Date` (else now) to it   |
//! | a date with second 60                                | one second after its second 59           |
//! | a date that has passed, `0`                          | zero                                     |
//! | more than [`LONGEST`]                                | [`LONGEST`]                              |
//! | a reset of 1,000,000,000 or more                     | a Unix time in seconds                   |
//! | a reset of 100,000,000,000 or more                   | a Unix time in milliseconds              |
//! | `-1`, `+3`, `1e9`, `0x10`, `NaN`, nothing, not ASCII | nothing: as if the header were not there |
//!
//! A value that can not be read leaves the wait to the caller's own backoff; it never becomes zero.
//! Zero means that the server asked for no wait; classifiers pass it on without a wait, so that the
//! caller's own backoff applies then, too.
//!
//! Sources: RFC 9110 (10.2.3 and 5.6.7), the IETF draft on `RateLimit` header fields, the order of
//! the headers of Azure's SDKs.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use http::header::{AsHeaderName, DATE, RETRY_AFTER};

/// The longest wait that is ever read from a header: 366 days.
///
/// What is longer is taken as this, so that sums with it stay far from any overflow. Policies have
/// lower caps of their own.
pub const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// How long the server asks to wait, by `x-ms-retry-after-ms`, `retry-after-ms` or `Retry-After`.
///
/// `now` is the wall clock. It counts only when `Retry-After` is a date and the answer has no valid
/// `Date`, which is the server's own clock and thus free of skew. Never panics, whatever the
/// headers hold. Returns at most [`LONGEST`]; zero when the moment has come; `None` when there is
/// no such header, or none that can be read. [The module's page](self) has the tables.
///
/// # Example
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use http::HeaderMap;
/// use seawall::http::retry_after;
///
/// let mut headers = HeaderMap::new();
/// headers.insert("retry-after", "2".parse()?);
/// assert_eq!(retry_after(&headers, SystemTime::now()), Some(Duration::from_secs(2)));
///
/// headers.insert("retry-after", "-1".parse()?);
/// assert_eq!(retry_after(&headers, SystemTime::now()), None);
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    longest(headers, "x-ms-retry-after-ms", millis)
        .or_else(|| longest(headers, "retry-after-ms", millis))
        .or_else(|| {
            longest(headers, RETRY_AFTER, |value| {
                seconds(value).or_else(|| Some(wait(date(value)?, server_clock(headers, now))))
            })
        })
}

/// How long until a used-up quota is filled again, by `RateLimit`, `RateLimit-Reset` or
/// `X-RateLimit-Reset`.
///
/// Many servers send these with every answer, a good one included: ask only when the server has
/// turned the call away, as [`ByStatus`](super::ByStatus) does for `429`. `now` is the wall clock,
/// for resets that are a Unix time, when the answer has no valid `Date`. Never panics; returns at
/// most [`LONGEST`]. [The module's page](self) has the tables.
///
/// # Example
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use http::HeaderMap;
/// use seawall::http::quota_reset;
///
/// let mut headers = HeaderMap::new();
/// headers.insert("ratelimit", r#""hourly";r=0;t=30, "daily";r=70;t=900"#.parse()?);
/// assert_eq!(quota_reset(&headers, SystemTime::now()), Some(Duration::from_secs(30)));
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
#[must_use]
pub fn quota_reset(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let reset = |value: &str| reset(value, || server_clock(headers, now));
    longest(headers, "ratelimit", exhausted)
        .or_else(|| longest(headers, "ratelimit-reset", reset))
        .or_else(|| longest(headers, "x-ratelimit-reset", reset))
}

/// The longest wait among all valid values of one header.
fn longest(
    headers: &HeaderMap,
    name: impl AsHeaderName,
    parse: impl Fn(&str) -> Option<Duration>,
) -> Option<Duration> {
    let values = headers.get_all(name);
    let waits = values.iter().filter_map(|value| parse(value.to_str().ok()?.trim_ascii()));
    Some(waits.max()?.min(LONGEST))
}

/// The server's clock as it says itself, or ours.
fn server_clock(headers: &HeaderMap, now: SystemTime) -> SystemTime {
    let said = headers.get(DATE).and_then(|value| date(value.to_str().ok()?.trim_ascii()));
    said.unwrap_or(now)
}

/// The time from `now` to `then`; zero when it has passed.
fn wait(then: SystemTime, now: SystemTime) -> Duration {
    then.duration_since(now).unwrap_or(Duration::ZERO)
}

fn seconds(value: &str) -> Option<Duration> {
    decimal(value, 1_000_000_000)
}

fn millis(value: &str) -> Option<Duration> {
    decimal(value, 1_000_000)
}

/// Reads `digits` or `digits.digits` as a number of units of `unit` nanoseconds, saturating.
fn decimal(value: &str, unit: u64) -> Option<Duration> {
    let (whole, fraction) = value.split_once('.').map_or((value, "0"), |parts| parts);
    let whole = digits(whole)?.saturating_mul(unit);
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut part = 0;
    let mut place = unit;
    let mut rest = 0;
    for digit in fraction.bytes().map(|byte| u64::from(byte - b'0')) {
        if place >= 10 {
            place /= 10;
            part += digit * place;
        } else {
            // Below a nanosecond: whatever is left rounds up, so that no wait is undercut.
            rest |= digit;
        }
    }
    Some(Duration::from_nanos(whole.saturating_add(part + u64::from(rest != 0))))
}

/// Reads one or more digits, and nothing else; what does not fit is the largest number.
fn digits(value: &str) -> Option<u64> {
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(value.parse().unwrap_or(u64::MAX))
}

/// Reads an HTTP date, more liberally than the grammar: in any case, and with a leap second.
fn date(value: &str) -> Option<SystemTime> {
    // The longest format, `Wednesday, 06-Nov-94 08:49:37 GMT`, has 33 characters.
    let mut text = [0; 33];
    let text = text.get_mut(..value.len())?;
    text.copy_from_slice(value.as_bytes());

    let mut inside_word = false;
    for byte in &mut *text {
        if inside_word {
            byte.make_ascii_lowercase();
        } else {
            byte.make_ascii_uppercase();
        }
        inside_word = byte.is_ascii_alphabetic();
    }
    if let Some(zone) = text.last_chunk_mut::<3>().filter(|zone| **zone == *b"Gmt") {
        zone.make_ascii_uppercase();
    }
    // The last colon is the one before the seconds.
    let mut leap = Duration::ZERO;
    if let Some(colon) = text.iter().rposition(|byte| *byte == b':')
        && let Some(second) = text.get_mut(colon + 1..colon + 3)
        && *second == *b"60"
    {
        second.copy_from_slice(b"59");
        leap = Duration::from_secs(1);
    }
    httpdate::parse_http_date(std::str::from_utf8(text).ok()?).ok()?.checked_add(leap)
}

/// Reads the reset of a quota: seconds from now, or the Unix time of it.
fn reset(value: &str, now: impl FnOnce() -> SystemTime) -> Option<Duration> {
    let Some(number) = digits(value) else {
        return seconds(value);
    };
    let since_epoch = match number {
        // Thirty years of waiting: no server means that.
        0..1_000_000_000 => return Some(Duration::from_secs(number)),
        // The year 5138 in seconds, 1973 in milliseconds.
        1_000_000_000..100_000_000_000 => Duration::from_secs(number),
        _ => Duration::from_millis(number),
    };
    Some(UNIX_EPOCH.checked_add(since_epoch).map_or(LONGEST, |then| wait(then, now())))
}

/// The longest `t` among the policies of a `RateLimit` field that have nothing remaining.
fn exhausted(value: &str) -> Option<Duration> {
    let waits = split(value, b',').filter_map(|policy| {
        let parameter = |name: &str| {
            split(policy, b';')
                .find_map(|part| part.trim_ascii().strip_prefix(name)?.strip_prefix('='))
        };
        let remaining = digits(parameter("r")?)?;
        let wait = digits(parameter("t")?)?;
        (remaining == 0).then(|| Duration::from_secs(wait))
    });
    waits.max()
}

/// Splits at `separator`, but not inside of quoted strings.
fn split(value: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut quoted = false;
        let mut escaped = false;
        let end = text.bytes().position(|byte| {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = quoted,
                b'"' => quoted = !quoted,
                _ => return byte == separator && !quoted,
            }
            false
        });
        let (part, after) = match end {
            // The separator is ASCII, so this is a character boundary.
            Some(end) => (&text[..end], Some(&text[end + 1..])),
            None => (text, None),
        };
        rest = after;
        Some(part)
    })
}

#[cfg(test)]
mod tests {
    use http::header::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    /// `Sun, 06 Nov 1994 08:49:37 GMT`.
    const NOW: u64 = 784_111_777;

    #[test]
    fn every_value_of_retry_after_is_defined() {
        let table = [
            // Seconds.
            ("120", Some(secs(120))),
            ("0120", Some(secs(120))),
            (" 7 ", Some(secs(7))),
            ("0", Some(secs(0))),
            ("1.5", Some(millis(1500))),
            ("0.0000000001", Some(Duration::from_nanos(1))),
            ("1.000000000000000000000001", Some(Duration::new(1, 1))),
            ("0.000000000000000000000000", Some(secs(0))),
            ("31622400", Some(LONGEST)),
            ("31622401", Some(LONGEST)),
            ("18446744073709551615", Some(LONGEST)),
            ("18446744073709551616", Some(LONGEST)),
            ("99999999999999999999999999999999999999999999999.9", Some(LONGEST)),
            // No number that we take.
            ("-1", None),
            ("+3", None),
            ("1e9", None),
            ("NaN", None),
            ("inf", None),
            ("", None),
            (" ", None),
            ("0x10", None),
            ("1.", None),
            (".5", None),
            (".", None),
            ("1.5.5", None),
            ("1,5", None),
            ("5, 7", None),
            ("5s", None),
            ("1_000", None),
            ("\u{0661}", None),
            // Dates.
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(secs(10))),
            ("sun, 06 nov 1994 08:49:47 gmt", Some(secs(10))),
            ("SUN, 06 NOV 1994 08:49:47 GMT", Some(secs(10))),
            ("Sunday, 06-Nov-94 08:49:47 GMT", Some(secs(10))),
            ("Sunday, 06-Nov-94 08:49:47 gmt", Some(secs(10))),
            ("Sun Nov  6 08:49:47 1994", Some(secs(10))),
            ("Sun, 06 Nov 1994 08:49:60 GMT", Some(secs(23))),
            ("Sun Nov  6 08:49:60 1994", Some(secs(23))),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(secs(0))),
            ("Sun, 06 Nov 1994 08:49:36 GMT", Some(secs(0))),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(secs(0))),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(LONGEST)),
            ("Fri, 31 Dec 9999 23:59:60 GMT", Some(LONGEST)),
            // No dates.
            ("Sun, 06 Nov 1994 08:49:61 GMT", None),
            ("Sun, 06 Nov 1994 24:00:00 GMT", None),
            ("Sun, 31 Feb 1994 08:49:47 GMT", None),
            ("Mon, 06 Nov 1994 08:49:47 GMT", None),
            ("Sun, 06 Nov 1994 08:49:47 CET", None),
            ("Sun, 06 Nov 1994 08:49:47", None),
            ("Sun, 06 Nov -094 08:49:47 GMT", None),
            ("1994-11-06T08:49:47Z", None),
            ("Wed, 31 Dec 1969 23:59:59 GMT", None),
            (":60", None),
            (":", None),
        ];
        for (value, expected) in table {
            assert_eq!(
                retry_after(&headers(&[("retry-after", value)]), now()),
                expected,
                "{value}"
            );
        }
    }

    #[test]
    fn a_header_in_milliseconds_is_not_read_as_seconds_and_comes_first() {
        let table: [(&[(&str, &str)], _); 9] = [
            (&[("retry-after-ms", "250")], Some(millis(250))),
            (&[("x-ms-retry-after-ms", "250")], Some(millis(250))),
            (&[("retry-after-ms", "0.5")], Some(Duration::from_micros(500))),
            (&[("retry-after", "1"), ("retry-after-ms", "250")], Some(millis(250))),
            (
                &[("retry-after", "1"), ("retry-after-ms", "250"), ("x-ms-retry-after-ms", "300")],
                Some(millis(300)),
            ),
            // What can not be read leaves the word to the next one.
            (&[("retry-after", "1"), ("retry-after-ms", "-1")], Some(secs(1))),
            (&[("retry-after", "soon"), ("retry-after-ms", "NaN")], None),
            (&[("x-ratelimit-reset", "5")], None),
            (&[], None),
        ];
        for (pairs, expected) in table {
            assert_eq!(retry_after(&headers(pairs), now()), expected, "{pairs:?}");
        }
    }

    #[test]
    fn of_two_headers_the_longer_wait_counts() {
        for values in [["2", "5"], ["5", "2"], ["5", "-9"], ["", "5"]] {
            let headers = headers(&[("retry-after", values[0]), ("retry-after", values[1])]);
            assert_eq!(retry_after(&headers, now()), Some(secs(5)), "{values:?}");
        }
    }

    #[test]
    fn a_date_is_read_against_the_clock_of_the_server() {
        let later = "Sun, 06 Nov 1994 09:00:30 GMT";
        let mut headers =
            headers(&[("retry-after", later), ("date", "Sun, 06 Nov 1994 09:00:00 gmt")]);

        assert_eq!(retry_after(&headers, now()), Some(secs(30)));
        assert_eq!(retry_after(&headers, UNIX_EPOCH), Some(secs(30)));
        headers.insert("date", HeaderValue::from_static("yesterday"));
        assert_eq!(retry_after(&headers, now()), Some(secs(653)));
    }

    #[test]
    fn every_value_of_a_quota_is_defined() {
        let table: [(&str, &str, _); 22] = [
            ("ratelimit-reset", "30", Some(secs(30))),
            ("ratelimit-reset", "1.5", Some(millis(1500))),
            ("ratelimit-reset", "999999999", Some(LONGEST)),
            ("ratelimit-reset", "-1", None),
            ("ratelimit-reset", "", None),
            ("x-ratelimit-reset", "30", Some(secs(30))),
            ("x-ratelimit-reset", "4102444800", Some(LONGEST)),
            ("x-ratelimit-reset", "1000000000", Some(LONGEST)),
            ("x-ratelimit-reset", "784111787000", Some(secs(10))),
            ("x-ratelimit-reset", "784111777000", Some(secs(0))),
            ("x-ratelimit-reset", "100000000000", Some(secs(0))),
            ("x-ratelimit-reset", "18446744073709551615", Some(LONGEST)),
            ("x-ratelimit-reset", "99999999999999999999999", Some(LONGEST)),
            ("ratelimit", "\"default\";r=0;t=30", Some(secs(30))),
            ("ratelimit", "default ; r=0 ; t=30", Some(secs(30))),
            ("ratelimit", "\"a\";r=5;t=30", None),
            ("ratelimit", "\"a\";r=0;t=3, \"b\";r=0;t=30, \"c\";r=1;t=300", Some(secs(30))),
            ("ratelimit", "\"a;r=0;t=9,\\\"b\";r=0;t=30", Some(secs(30))),
            ("ratelimit", "\"a\";r=0;t=-30", None),
            ("ratelimit", "\"a\";r=0", None),
            ("ratelimit", ";;,\"", None),
            ("ratelimit", "", None),
        ];
        for (name, value, expected) in table {
            assert_eq!(quota_reset(&headers(&[(name, value)]), now()), expected, "{name}: {value}");
        }
    }

    #[test]
    fn a_unix_time_is_read_against_the_clock_of_the_server() {
        // 2001-09-09T01:46:40Z.
        let mut headers = headers(&[("x-ratelimit-reset", "1000000000")]);
        assert_eq!(quota_reset(&headers, at(999_999_990)), Some(secs(10)));

        headers.insert("date", HeaderValue::from_static("Sun, 09 Sep 2001 01:46:20 GMT"));

        assert_eq!(quota_reset(&headers, at(999_999_990)), Some(secs(20)));
    }

    #[test]
    fn bytes_that_are_no_text_are_no_hint() {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", HeaderValue::from_bytes(b"\xff5").unwrap());
        headers.insert("ratelimit", HeaderValue::from_bytes(b"\xff5").unwrap());

        assert_eq!(retry_after(&headers, now()), None);
        assert_eq!(quota_reset(&headers, now()), None);
    }

    proptest! {
        #[test]
        fn no_header_panics_and_no_wait_is_longer_than_the_longest(
            name in 0..NAMES.len(),
            value in prop_oneof!["\\PC*", "[-+0-9.eE,;=\"\\\\rt ]{0,40}", "[A-Za-z]{3}, [0-9: A-Za-z]{20,30}"],
            date in "\\PC{0,40}",
            now in 0..=u64::from(u32::MAX),
        ) {
            let mut headers = HeaderMap::new();
            for (name, value) in [(NAMES[name], value), ("date", date)] {
                if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                    headers.append(HeaderName::from_static(name), value);
                }
            }
            for wait in [retry_after(&headers, at(now)), quota_reset(&headers, at(now))] {
                prop_assert!(wait.is_none_or(|wait| wait <= LONGEST));
            }
        }

        #[test]
        fn a_date_is_the_time_that_it_names(now in 0..4_000_000_000_u64, wait in 0..31_622_400_u64) {
            let text = httpdate::fmt_http_date(at(now + wait));
            prop_assert_eq!(
                retry_after(&headers(&[("retry-after", &text)]), at(now)),
                Some(secs(wait))
            );
        }
    }

    const NAMES: [&str; 6] = [
        "retry-after",
        "retry-after-ms",
        "x-ms-retry-after-ms",
        "ratelimit",
        "ratelimit-reset",
        "x-ratelimit-reset",
    ];

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    fn now() -> SystemTime {
        at(NOW)
    }

    fn at(since_epoch: u64) -> SystemTime {
        UNIX_EPOCH + secs(since_epoch)
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }
}
