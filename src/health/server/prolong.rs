//! Connections that live longer.

use std::time::Duration;

/// Lets the connection of a response live longer than the limit, as an extension of the response.
///
/// For streams of events whose reader has shown that he may read them. The time counts from the
/// response on, and is ten minutes at the most. At most 16 connections live longer at one time, and
/// at most a quarter of all; beyond these the usual limit holds, and the reader has to come again.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use http::Response;
/// use seawall::health::server::Prolong;
///
/// let mut response = Response::new("data: …");
/// response.extensions_mut().insert(Prolong::new(Duration::from_secs(60)));
///
/// let asked: Option<&Prolong> = response.extensions().get();
/// assert_eq!(asked.map(Prolong::time), Some(Duration::from_secs(60)));
/// assert_eq!(Prolong::new(Duration::MAX).time(), Duration::from_secs(600));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Prolong(Duration);

impl Prolong {
    /// Longer by up to `time`, which is cut to ten minutes.
    #[must_use]
    pub const fn new(time: Duration) -> Self {
        const LONGEST: Duration = Duration::from_secs(600);
        Self(if time.as_nanos() > LONGEST.as_nanos() { LONGEST } else { time })
    }

    /// How long, from the response on.
    #[must_use]
    pub const fn time(&self) -> Duration {
        self.0
    }
}
