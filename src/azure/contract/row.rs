//! A contract as a table for people.

use std::fmt;

/// A row of a [`Contract`](super::Contract)'s table.
///
/// Printed, it is a row of Markdown: when it holds, what it means, whether the call was executed
/// where that is a question, and why.
///
/// # Example
///
/// ```
/// use seawall::azure::Contract;
///
/// let contract = Contract::storage();
/// let append = contract.rows().find(|row| row.when() == "PUT `comp=appendblock`").unwrap();
/// assert_eq!(append.to_string(), "| PUT `comp=appendblock` | unsafe | appends twice |");
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Row {
    pub(super) section: Section,
    pub(super) when: String,
    pub(super) means: String,
    pub(super) executed: Option<&'static str>,
    pub(super) why: &'static str,
}

/// A part of a [`Contract`](super::Contract)'s table.
///
/// # Example
///
/// ```
/// use seawall::azure::Contract;
/// use seawall::azure::contract::Section;
///
/// let redis = Contract::redis();
/// assert!(redis.rows().all(|row| row.section() == Section::Reasons));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Section {
    /// What answers over HTTP mean.
    Answers,
    /// Which requests may be sent twice.
    Operations,
    /// Which answers to a repeat may be due to an earlier attempt.
    Doubts,
    /// What is said where there is no HTTP.
    Reasons,
}

impl Row {
    /// The part of the table that it is in.
    #[must_use]
    pub const fn section(&self) -> Section {
        self.section
    }

    /// The answer, request or reason that it is about.
    #[must_use]
    pub fn when(&self) -> &str {
        &self.when
    }

    /// What that means.
    #[must_use]
    pub fn means(&self) -> &str {
        &self.means
    }

    /// Whether the call was executed, in words. Nothing where that is not the question.
    #[must_use]
    pub const fn executed(&self) -> Option<&'static str> {
        self.executed
    }

    /// The reason for it.
    #[must_use]
    pub const fn why(&self) -> &'static str {
        self.why
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| {} | {} |", self.when, self.means)?;
        if let Some(executed) = self.executed {
            write!(f, " {executed} |")?;
        }
        write!(f, " {} |", self.why)
    }
}
