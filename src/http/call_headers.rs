//! What a call tells the next service about itself: the time that is left, and how often it was
//! tried.
//!
//! | header                           | value                                          | default |
//! |----------------------------------|------------------------------------------------|---------|
//! | `x-envoy-expected-rq-timeout-ms` | milliseconds that the caller still waits       | sent when there is a deadline |
//! | `retry-attempt`                  | 1 for the first repeat, 2 for the second, …    | sent with repeats |
//!
//! A service that knows how long its caller waits can give up in time; one that knows that a call is
//! a repeat can repeat less itself, so that retries of several tiers do not multiply.
//!
//! The names are those of Envoy, which passes the first one on, and of Azure's guide to throttling.
//! Both can be changed or left out.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::context::{self, Context};
use crate::time::Clock;

/// Writes the call's deadline and attempt number into headers, and reads them.
///
/// # Example
///
/// A server that takes over what its caller says. Whatever it calls in turn, through a stack, ends
/// in time and knows that it is a repeat:
///
/// ```
/// use std::time::Duration;
///
/// use http::Request;
/// use seawall::context;
/// use seawall::http::CallHeaders;
/// use seawall::time::Clock;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), http::Error> {
/// let request = Request::get("/orders")
///     .header("x-envoy-expected-rq-timeout-ms", "1500")
///     .header("retry-attempt", "1")
///     .body(())?;
///
/// let clock = Clock::default();
/// let context = CallHeaders::new().read(request.headers(), &clock);
/// let (attempt, left) = context
///     .scope(async {
///         let deadline = context::deadline(&clock).expect("the caller has set one");
///         (context::attempt(), deadline.since(clock.now()))
///     })
///     .await;
///
/// assert_eq!(attempt, 2);
/// assert!(left <= Duration::from_millis(1500));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub struct CallHeaders {
    deadline: Option<HeaderName>,
    attempt: Option<HeaderName>,
}

impl CallHeaders {
    /// The default names.
    pub const fn new() -> Self {
        Self {
            deadline: Some(HeaderName::from_static("x-envoy-expected-rq-timeout-ms")),
            attempt: Some(HeaderName::from_static("retry-attempt")),
        }
    }

    /// No headers at all.
    pub const fn none() -> Self {
        Self { deadline: None, attempt: None }
    }

    /// The header for the milliseconds that are left, or `None` to leave it out.
    ///
    /// Default: `x-envoy-expected-rq-timeout-ms`.
    pub fn deadline(self, name: impl Into<Option<HeaderName>>) -> Self {
        Self { deadline: name.into(), ..self }
    }

    /// The header for the number of the repeat, or `None` to leave it out.
    ///
    /// Default: `retry-attempt`.
    pub fn attempt(self, name: impl Into<Option<HeaderName>>) -> Self {
        Self { attempt: name.into(), ..self }
    }

    /// Writes what the [ambient context](crate::context) says into `headers`.
    ///
    /// The time left is rounded down to a millisecond, so that nobody works for a caller that has
    /// gone. A shorter one that is there already stays. Writes nothing without a deadline, and
    /// nothing on a first attempt.
    pub fn write(&self, headers: &mut HeaderMap, clock: &Clock) {
        if let Some(name) = &self.deadline
            && let Some(deadline) = context::deadline(clock)
        {
            let left = millis(deadline.since(clock.now()));
            if number(headers, name).is_none_or(|there| there > left) {
                headers.insert(name, HeaderValue::from(left));
            }
        }
        if let Some(name) = &self.attempt {
            let repeats = context::attempt() - 1;
            if repeats > 0 {
                headers.insert(name, HeaderValue::from(repeats));
            }
        }
    }

    /// Reads the context of a request that came in.
    ///
    /// What is missing, or is not a row of digits, is as if it were not there; numbers that are too
    /// large are taken as the largest. Never panics. Of a header that came more than once, the
    /// shortest time and the highest attempt count.
    pub fn read(&self, headers: &HeaderMap, clock: &Clock) -> Context {
        let mut context = Context::new();
        if let Some(left) = self.deadline.as_ref().and_then(|name| number(headers, name)) {
            context = context.deadline(clock.now() + Duration::from_millis(left));
        }
        if let Some(name) = &self.attempt {
            let repeats = numbers(headers, name).max().unwrap_or(0);
            let attempt = u32::try_from(repeats).unwrap_or(u32::MAX).saturating_add(1);
            context = context.attempt(attempt);
        }
        context
    }
}

impl Default for CallHeaders {
    fn default() -> Self {
        Self::new()
    }
}

fn millis(left: Duration) -> u64 {
    u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
}

/// The least number under that name.
fn number(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    numbers(headers, name).min()
}

fn numbers(headers: &HeaderMap, name: &HeaderName) -> impl Iterator<Item = u64> {
    headers.get_all(name).iter().filter_map(|value| {
        let digits = value.as_bytes().trim_ascii();
        let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        let add =
            |sum: u64, digit: &u8| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
        is_number.then(|| digits.iter().fold(0, add))
    })
}
