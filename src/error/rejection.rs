//! The crate's only runtime error.

use std::collections::HashSet;
use std::fmt;
use std::sync::LazyLock;
use std::time::Duration;

use super::boxed::Cause;
use crate::sync::Mutex;

/// A call that a policy ended: before it began, or while it ran.
///
/// Small and `Copy`. It names the policy, never a key (a host, a tenant), so it is safe to log and
/// to count by.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::{Reason, Rejection};
///
/// let rejection = Rejection::new("orders", Reason::CircuitOpen)
///     .after(Duration::from_secs(5));
///
/// assert_eq!(rejection.policy(), "orders");
/// assert_eq!(rejection.to_string(), "`orders` rejected the call: circuit open, retry after 5s");
/// ```
// Whole words, all of them, and in this order: the last has the values to spare that tell a `Result`
// or an `Option` of a rejection apart. So its moves read what was written in the same pieces, where
// pieces that are wider or out of step would stall the processor for longer than all the rest takes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(C)]
pub struct Rejection {
    /// Interned once, when the policy is built.
    policy: &'static str,
    /// [`UNKNOWN`] where the policy does not know.
    retry_nanos: u64,
    reason: Reason,
    ambiguous: Ambiguity,
}

/// No wait is as long as this.
const UNKNOWN: u64 = u64::MAX;

/// A `bool` as wide as a word.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u64)]
enum Ambiguity {
    No,
    Yes,
}

impl Rejection {
    /// A rejection by the policy of that name.
    #[must_use]
    #[inline]
    pub const fn new(policy: &'static str, reason: Reason) -> Self {
        Self { policy, retry_nanos: UNKNOWN, reason, ambiguous: Ambiguity::No }
    }

    /// Adds the wait after which a call may be let in: 584 years at most, to the nanosecond.
    #[must_use]
    #[inline]
    pub const fn after(self, wait: Duration) -> Self {
        // As in `time::nanos`, which is not for constants.
        let nanos = wait.as_secs().saturating_mul(1_000_000_000);
        let nanos = nanos.saturating_add(wait.subsec_nanos() as u64);
        self.after_nanos(if nanos == UNKNOWN { UNKNOWN - 1 } else { nanos })
    }

    /// The same in nanoseconds; [`u64::MAX`] is for a wait that nobody knows.
    #[inline]
    pub(crate) const fn after_nanos(self, retry_nanos: u64) -> Self {
        Self { retry_nanos, ..self }
    }

    /// Marks a call that may have taken effect.
    #[must_use]
    #[inline]
    pub const fn ambiguous(mut self) -> Self {
        self.ambiguous = Ambiguity::Yes;
        self
    }

    /// The name of the policy that ended the call.
    #[must_use]
    #[inline]
    pub const fn policy(&self) -> &'static str {
        self.policy
    }

    /// Why it did.
    #[must_use]
    #[inline]
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// How long to wait before a call may be let in, where the policy knows.
    #[must_use]
    #[inline]
    pub const fn retry_after(&self) -> Option<Duration> {
        if self.retry_nanos == UNKNOWN {
            return None;
        }
        Some(Duration::from_nanos(self.retry_nanos))
    }

    /// Whether the call is not safe to repeat and may have taken effect.
    #[must_use]
    #[inline]
    pub const fn is_ambiguous(&self) -> bool {
        matches!(self.ambiguous, Ambiguity::Yes)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` rejected the call: {}", self.policy, self.reason)?;
        if let Some(wait) = self.retry_after() {
            write!(f, ", retry after {wait:?}")?;
        }
        if self.is_ambiguous() {
            f.write_str(" (the call may have taken effect)")?;
        }
        Ok(())
    }
}

impl std::error::Error for Rejection {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // By which one that was boxed as it is can be found: see `boxed`.
        Cause::of(self).map(|cause| cause as _)
    }
}

/// Why a policy ended a call.
///
/// # Example
///
/// ```
/// use seawall::Reason;
///
/// assert!(!Reason::BulkheadFull.reached_service());
/// assert!(Reason::TimedOut.may_have_run());
/// ```
// As wide as a word: see `Rejection`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
#[repr(u64)]
pub enum Reason {
    /// The bulkhead had no free place.
    BulkheadFull,
    /// The circuit breaker was open, or had all the probes it wanted.
    CircuitOpen,
    /// The call's deadline would have passed before it could begin.
    DeadlineExceeded,
    /// The instance goes out of service, and takes no new calls.
    Draining,
    /// The service asked for a pause, and it is not over.
    Paused,
    /// As many calls were waiting as may.
    QueueFull,
    /// The call waited as long as it may.
    QueueTimedOut,
    /// The rate limit was reached.
    RateLimited,
    /// The service is only read from until it is well again, and this was a write.
    ReadOnly,
    /// The time allowed for the call had passed.
    TimedOut,
    /// The call weighs more than the policy can ever let in.
    TooHeavy,
}

impl Reason {
    /// Whether the call had reached the service when the policy ended it.
    ///
    /// Only then does the rejection say anything about the health of the service.
    #[must_use]
    #[inline]
    pub const fn reached_service(self) -> bool {
        match self {
            Self::BulkheadFull
            | Self::CircuitOpen
            | Self::DeadlineExceeded
            | Self::Draining
            | Self::Paused
            | Self::QueueFull
            | Self::QueueTimedOut
            | Self::RateLimited
            | Self::ReadOnly
            | Self::TooHeavy => false,
            Self::TimedOut => true,
        }
    }

    /// Whether the service may have executed the call.
    #[must_use]
    #[inline]
    pub const fn may_have_run(self) -> bool {
        self.reached_service()
    }

    /// A short, stable name for logs and metrics.
    ///
    /// # Example
    ///
    /// ```
    /// assert_eq!(seawall::Reason::CircuitOpen.name(), "circuit_open");
    /// ```
    #[must_use]
    #[inline]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BulkheadFull => "bulkhead_full",
            Self::CircuitOpen => "circuit_open",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::Draining => "draining",
            Self::Paused => "paused",
            Self::QueueFull => "queue_full",
            Self::QueueTimedOut => "queue_timed_out",
            Self::RateLimited => "rate_limited",
            Self::ReadOnly => "read_only",
            Self::TimedOut => "timed_out",
            Self::TooHeavy => "too_heavy",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BulkheadFull => "bulkhead full",
            Self::CircuitOpen => "circuit open",
            Self::DeadlineExceeded => "deadline exceeded",
            Self::Draining => "draining",
            Self::Paused => "paused by the service",
            Self::QueueFull => "queue full",
            Self::QueueTimedOut => "waited too long in the queue",
            Self::RateLimited => "rate limited",
            Self::ReadOnly => "read only for now",
            Self::TimedOut => "timed out",
            Self::TooHeavy => "heavier than the limit",
        })
    }
}

/// The one copy of `name` that lives as long as the process.
///
/// Policies are named by people, a few dozen per process. Past [`MAX_NAMES`] distinct names, or
/// for a name longer than [`MAX_NAME_LEN`], all further ones share the name `other`, so that a
/// program that makes up names does not grow without bound.
pub(crate) fn intern(name: &str) -> &'static str {
    static NAMES: LazyLock<Mutex<HashSet<&'static str>>> = LazyLock::new(Mutex::default);

    let mut names = NAMES.lock();
    if let Some(known) = names.get(name) {
        return known;
    }
    if names.len() >= MAX_NAMES || name.len() > MAX_NAME_LEN {
        return "other";
    }
    let kept: &'static str = Box::leak(name.into());
    names.insert(kept);
    kept
}

const MAX_NAMES: usize = 4_096;
const MAX_NAME_LEN: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_once() {
        assert!(std::ptr::eq(intern("kept once"), intern(&String::from("kept once"))));
    }

    #[test]
    fn a_name_without_end_is_not_kept() {
        assert_eq!(intern(&"x".repeat(MAX_NAME_LEN + 1)), "other");
    }
}
