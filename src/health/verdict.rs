//! How well something is.

use std::fmt;

/// How well a check, a group of checks, or the whole is. The worse is the smaller.
///
/// # Example
///
/// ```
/// use seawall::health::Verdict;
///
/// let worst = [Verdict::Healthy, Verdict::Degraded].into_iter().min();
///
/// assert_eq!(worst, Some(Verdict::Degraded));
/// assert!(Verdict::Degraded.is_up());
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "what stands in front of us knows no fourth answer")]
pub enum Verdict {
    /// It does not do its work.
    Down,
    /// It does its work, and somebody should look at it.
    Degraded,
    /// All is well.
    Healthy,
}

impl Verdict {
    /// Whether it does its work: all but [`Down`](Self::Down).
    #[must_use]
    pub const fn is_up(self) -> bool {
        !matches!(self, Self::Down)
    }

    /// The word for it: `healthy`, `degraded` or `down`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Degraded => "degraded",
            Self::Healthy => "healthy",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
