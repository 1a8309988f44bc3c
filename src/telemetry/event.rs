//! What has happened.

use std::fmt;
use std::time::Duration;

use crate::error::Reason;
use crate::replay::NotReplayable;

/// Something that a policy did or decided.
///
/// It holds no user data: names of policies and reasons are a small, known set, fit for labels.
///
/// # Example
///
/// ```
/// use seawall::telemetry::{Event, EventKind};
///
/// fn alert(event: &Event) {
///     if let EventKind::StateChanged { to: "open", .. } = event.kind() {
///         eprintln!("{} is failing", event.policy());
///     }
/// }
/// # let _ = alert;
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event {
    pattern: &'static str,
    policy: &'static str,
    kind: EventKind,
}

impl Event {
    pub(super) const fn new(pattern: &'static str, policy: &'static str, kind: EventKind) -> Self {
        Self { pattern, policy, kind }
    }

    /// The pattern that the policy follows: its module's name.
    #[must_use]
    pub const fn pattern(&self) -> &'static str {
        self.pattern
    }

    /// The name of the policy.
    #[must_use]
    pub const fn policy(&self) -> &'static str {
        self.policy
    }

    /// What happened.
    #[must_use]
    pub const fn kind(&self) -> &EventKind {
        &self.kind
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}: {}", self.policy, self.pattern, self.kind)
    }
}

/// What happened.
///
/// # Example
///
/// ```
/// use seawall::Reason;
/// use seawall::telemetry::EventKind;
///
/// assert_eq!(EventKind::Rejected { reason: Reason::RateLimited }.name(), "rejected");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum EventKind {
    /// A call that is not safe to repeat ended without anybody knowing whether it took effect.
    Ambiguous,
    /// A repeat would have been made, but the shared budget for repeats is spent.
    BudgetExhausted {
        /// The number of the attempt that was the last.
        attempt: u32,
    },
    /// A key's own state was given up to make room.
    Evicted,
    /// Another answer took the place of the failed one.
    Fallback {
        /// The age of the answer, if it is an earlier one.
        stale: Option<Duration>,
    },
    /// A repeat would have been made, but the request can not be made again.
    NotReplayable {
        /// Why not.
        reason: NotReplayable,
    },
    /// The service asked for a pause, which now holds for all callers.
    Paused {
        /// How long.
        wait: Duration,
    },
    /// A call was turned away.
    Rejected {
        /// Why.
        reason: Reason,
    },
    /// New settings took effect.
    Reloaded,
    /// All attempts failed.
    RetriesExhausted {
        /// How many were made.
        attempts: u32,
    },
    /// A call is made again.
    Retry {
        /// The number of the attempt that follows, counted from 1.
        attempt: u32,
        /// The wait before it.
        after: Duration,
    },
    /// A policy moved from one state to another.
    StateChanged {
        /// The state before.
        from: &'static str,
        /// The state from now on.
        to: &'static str,
    },
    /// The time allowed for a call had passed.
    TimedOut {
        /// The time that was allowed.
        after: Duration,
    },
}

impl EventKind {
    /// A short, stable name for logs and metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Ambiguous => "ambiguous",
            Self::BudgetExhausted { .. } => "budget_exhausted",
            Self::Evicted => "evicted",
            Self::Fallback { .. } => "fallback",
            Self::NotReplayable { .. } => "not_replayable",
            Self::Paused { .. } => "paused",
            Self::Rejected { .. } => "rejected",
            Self::Reloaded => "reloaded",
            Self::RetriesExhausted { .. } => "retries_exhausted",
            Self::Retry { .. } => "retry",
            Self::StateChanged { .. } => "state_changed",
            Self::TimedOut { .. } => "timed_out",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ambiguous => f.write_str("ended ambiguous"),
            Self::BudgetExhausted { attempt } => {
                write!(f, "budget spent after attempt {attempt}")
            }
            Self::Evicted => f.write_str("evicted an idle key"),
            Self::Fallback { stale: None } => f.write_str("fell back"),
            Self::Fallback { stale: Some(age) } => write!(f, "fell back to an answer {age:?} old"),
            Self::NotReplayable { reason } => write!(f, "not repeated: {reason}"),
            Self::Paused { wait } => write!(f, "paused for {wait:?}"),
            Self::Rejected { reason } => write!(f, "rejected: {reason}"),
            Self::Reloaded => f.write_str("new settings"),
            Self::RetriesExhausted { attempts } => write!(f, "gave up after {attempts} attempts"),
            Self::Retry { attempt, after } => write!(f, "attempt {attempt} after {after:?}"),
            Self::StateChanged { from, to } => write!(f, "{from} -> {to}"),
            Self::TimedOut { after } => write!(f, "timed out after {after:?}"),
        }
    }
}
