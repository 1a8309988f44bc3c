//! Why a configuration is refused.

use std::borrow::Cow;
use std::fmt;

/// A configuration that makes no sense, and the field that does not.
///
/// # Example
///
/// ```
/// use seawall::error::InvalidConfig;
///
/// let error = InvalidConfig::new("min_calls", "at least 1").within("circuit_breaker");
///
/// assert_eq!(error.field(), "circuit_breaker.min_calls");
/// assert_eq!(error.to_string(), "`circuit_breaker.min_calls` must be at least 1");
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InvalidConfig {
    field: Cow<'static, str>,
    expected: Cow<'static, str>,
}

impl InvalidConfig {
    /// Says that `field` must be what `expected` says.
    pub fn new(field: &'static str, expected: impl Into<Cow<'static, str>>) -> Self {
        Self { field: Cow::Borrowed(field), expected: expected.into() }
    }

    /// Names the part that the field belongs to.
    #[must_use]
    pub fn within(self, part: &str) -> Self {
        Self { field: Cow::Owned(format!("{part}.{}", self.field)), ..self }
    }

    /// The same complaint about the field under which a stack knows it.
    pub(crate) fn renamed(self, field: &'static str) -> Self {
        Self { field: Cow::Borrowed(field), ..self }
    }

    /// The field that is wrong.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// What it must be.
    #[must_use]
    pub fn expected(&self) -> &str {
        &self.expected
    }
}

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` must be {}", self.field, self.expected)
    }
}

impl std::error::Error for InvalidConfig {}
