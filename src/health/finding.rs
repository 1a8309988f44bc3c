//! What one run of a check found.

use std::fmt::{self, Debug, Display, Write};

use super::Verdict;

/// What one run of a check found: a verdict, and what those may read who are allowed to.
///
/// A check returns anything that turns into one: `()` is healthy, an `Err` is down with the error's
/// text, and a `bool` says whether it is up. Text is cut after 256 bytes, and control characters
/// in it are replaced.
///
/// # Example
///
/// ```
/// use seawall::health::{Finding, Verdict};
///
/// let finding = Finding::degraded("replica lags").observed(41.5, "s");
///
/// assert_eq!(finding.verdict(), Verdict::Degraded);
/// assert_eq!(finding.detail(), Some("replica lags"));
/// assert_eq!(finding.observation(), Some((41.5, "s")));
/// assert_eq!(Finding::from(Err::<(), _>("refused")), Finding::down("refused"));
/// ```
#[derive(Clone, PartialEq)]
#[must_use]
pub struct Finding {
    verdict: Verdict,
    detail: Option<Box<str>>,
    observed: Option<(f64, &'static str)>,
}

impl Finding {
    /// All is well.
    pub const fn healthy() -> Self {
        Self { verdict: Verdict::Healthy, detail: None, observed: None }
    }

    /// It works, and somebody should look at it, because of `detail`.
    pub fn degraded(detail: impl Display) -> Self {
        Self { verdict: Verdict::Degraded, detail: Some(bounded(detail)), observed: None }
    }

    /// It does not work, because of `detail`.
    pub fn down(detail: impl Display) -> Self {
        Self { verdict: Verdict::Down, detail: Some(bounded(detail)), observed: None }
    }

    /// Adds what was measured, and its unit: `s`, `By`, `1` and so on, as in UCUM.
    pub fn observed(mut self, value: f64, unit: &'static str) -> Self {
        self.observed = Some((value, unit));
        self
    }

    /// How well it is.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Why, unless all is well. It is for those who may see details, and for nobody else.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// What was measured, and its unit.
    #[must_use]
    pub const fn observation(&self) -> Option<(f64, &'static str)> {
        self.observed
    }
}

/// Without the detail, which is not for logs.
impl Debug for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Finding")
            .field("verdict", &self.verdict)
            .field("observed", &self.observed)
            .finish_non_exhaustive()
    }
}

impl From<()> for Finding {
    fn from((): ()) -> Self {
        Self::healthy()
    }
}

impl From<bool> for Finding {
    fn from(up: bool) -> Self {
        if up { Self::healthy() } else { Self::down("not up") }
    }
}

impl From<Verdict> for Finding {
    fn from(verdict: Verdict) -> Self {
        Self { verdict, detail: None, observed: None }
    }
}

impl<T, E> From<Result<T, E>> for Finding
where
    T: Into<Self>,
    E: Display,
{
    fn from(result: Result<T, E>) -> Self {
        result.map_or_else(Self::down, Into::into)
    }
}

/// The text of `detail`, short and without what could forge a line of a log.
fn bounded(detail: impl Display) -> Box<str> {
    let mut text = Bounded(String::new());
    // An error means that the text is full, or that a `Display` of the user's gave up: what is
    // there is kept.
    let _full = write!(text, "{detail}");
    text.0.into()
}

/// Takes text until it is full, so that a `Display` without end is cut short.
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            let character = if character.is_control() { '\u{fffd}' } else { character };
            if self.0.len() + character.len_utf8() > MAX_DETAIL {
                return Err(fmt::Error);
            }
            self.0.push(character);
        }
        Ok(())
    }
}

const MAX_DETAIL: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_end_is_cut() {
        struct Endless;
        impl Display for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                loop {
                    f.write_str("ä")?;
                }
            }
        }

        let finding = Finding::down(Endless);

        assert_eq!(finding.detail().map(str::len), Some(MAX_DETAIL));
    }

    #[test]
    fn a_detail_is_not_printed_unasked() {
        assert!(!format!("{:?}", Finding::down("canary")).contains("canary"));
    }

    #[test]
    fn a_text_forges_no_line() {
        let finding = Finding::down("a\r\nb\u{1b}[31m");

        assert!(!finding.detail().unwrap().chars().any(char::is_control));
    }
}
