//! What it means for the whole that one check fails.

use super::Verdict;

/// What it means for its groups that a check fails.
///
/// # Example
///
/// ```
/// use seawall::health::{Criticality, Verdict};
///
/// assert_eq!(Criticality::Critical.weigh(Verdict::Down), Some(Verdict::Down));
/// assert_eq!(Criticality::DegradedOnly.weigh(Verdict::Down), Some(Verdict::Degraded));
/// assert_eq!(Criticality::Informational.weigh(Verdict::Down), None);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[expect(clippy::exhaustive_enums, reason = "complete: fails, warns, or only tells")]
pub enum Criticality {
    /// The group can not do without it.
    #[default]
    Critical,
    /// The group does its work without it, less well.
    DegradedOnly,
    /// It is shown and counts for nothing.
    Informational,
}

impl Criticality {
    /// What a check's `verdict` says of its group, if anything.
    #[must_use]
    pub fn weigh(self, verdict: Verdict) -> Option<Verdict> {
        match self {
            Self::Critical => Some(verdict),
            Self::DegradedOnly => Some(verdict.max(Verdict::Degraded)),
            Self::Informational => None,
        }
    }

    /// The word for it: `critical`, `degraded_only` or `informational`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::DegradedOnly => "degraded_only",
            Self::Informational => "informational",
        }
    }
}
