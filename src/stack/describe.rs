//! A stack in words.

use std::fmt;
use std::time::Duration;

use super::config::Resolved;

/// The parts of a [`Stack`](super::Stack) and their settings, a line each, from the outside in.
///
/// # Example
///
/// ```
/// use seawall::stack::Stack;
///
/// let stack = Stack::builder().name("orders").without_bulkhead().build()?;
///
/// let text = stack.describe().to_string();
/// assert!(text.starts_with("orders\n  total timeout    10s\n  rate limit       none\n"));
/// assert!(text.ends_with("  bulkhead         none\n"));
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    name: &'static str,
    settings: Resolved,
}

impl Description {
    pub(super) const fn new(name: &'static str, settings: Resolved) -> Self {
        Self { name, settings }
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = &self.settings;
        writeln!(f, "{}", self.name)?;
        line(f, "total timeout", settings.total_timeout.map(Wait).as_ref())?;
        line(f, "rate limit", settings.rate_limit.as_ref())?;
        line(f, "retry", Some(&settings.retry))?;
        line(f, "circuit breaker", settings.circuit_breaker.as_ref())?;
        line(f, "attempt timeout", settings.attempt_timeout.map(Wait).as_ref())?;
        line(f, "bulkhead", settings.bulkhead.as_ref())
    }
}

struct Wait(Duration);

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

fn line(
    f: &mut fmt::Formatter<'_>,
    part: &str,
    setting: Option<&impl fmt::Display>,
) -> fmt::Result {
    match setting {
        Some(setting) => writeln!(f, "  {part:<16} {setting}"),
        None => writeln!(f, "  {part:<16} none"),
    }
}
