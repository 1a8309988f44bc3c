//! How far an instance has come on its way out.

use std::fmt;

/// How far an instance has come on its way out. The later is the greater.
///
/// # Example
///
/// ```
/// use seawall::health::Phase;
///
/// assert!(Phase::Serving < Phase::NotReady);
/// assert!(Phase::NotReady.takes_requests() && !Phase::Rejecting.takes_requests());
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "complete: the way from serving to closed")]
pub enum Phase {
    /// It is in service.
    #[default]
    Serving,
    /// Readiness fails, so that no new traffic is sent here; what comes nevertheless is served.
    NotReady,
    /// As before, and each answer asks its client to leave: `Connection: close`, or a GOAWAY.
    Closing,
    /// New requests get 503 with a `Retry-After`; those that are under way finish.
    Rejecting,
    /// Nothing is served any more.
    Closed,
}

impl Phase {
    /// Whether a new request is served.
    #[must_use]
    pub const fn takes_requests(self) -> bool {
        matches!(self, Self::Serving | Self::NotReady | Self::Closing)
    }

    /// The word for it: `serving`, `not_ready`, `closing`, `rejecting` or `closed`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::NotReady => "not_ready",
            Self::Closing => "closing",
            Self::Rejecting => "rejecting",
            Self::Closed => "closed",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
