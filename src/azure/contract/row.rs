//! A contract as a table for people.

use std::fmt;
use std::iter;

use super::Contract;
use crate::outcome::Outcome;
use crate::replay::Safety;

/// A row of a [`Contract`]'s table.
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

/// A part of a [`Contract`]'s table.
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

impl Contract {
    /// The contract as a table, from the first row that is asked to the last.
    ///
    /// # Example
    ///
    /// ```
    /// for row in seawall::azure::Contract::generic().rows() {
    ///     println!("{row}");
    /// }
    /// ```
    pub fn rows(&self) -> impl Iterator<Item = Row> + use<> {
        let this = *self;
        let answers = this.table.answers.iter().copied().flatten().map(move |row| Row {
            section: Section::Answers,
            when: row.to_string(),
            means: row.means(this.waits_for_busy).into(),
            executed: Some(row.ran()),
            why: row.why,
        });
        let operations = this.table.operations.iter().copied().flatten().map(move |row| Row {
            section: Section::Operations,
            when: row.when.into(),
            means: match row.safety(this.repeats_versions, this.repeats_inference) {
                Safety::Idempotent => "idempotent".into(),
                Safety::Keyed => "keyed".into(),
                Safety::Unsafe => "unsafe".into(),
            },
            executed: None,
            why: row.why,
        });
        let doubts = this.table.doubts.iter().copied().flatten().map(|row| Row {
            section: Section::Doubts,
            when: row.when.into(),
            means: listed(row.statuses),
            executed: None,
            why: row.why,
        });
        let reasons = this.table.reasons.iter().flat_map(|row| {
            row.codes.iter().zip(iter::repeat(row)).map(|(code, row)| Row {
                section: Section::Reasons,
                when: format!("`{code}`"),
                means: outcome_in_words(row.outcome),
                executed: Some(row.executed.name()),
                why: row.why,
            })
        });
        answers.chain(operations).chain(doubts).chain(reasons)
    }
}

fn listed(statuses: &[u16]) -> String {
    if statuses.is_empty() {
        return "none".into();
    }
    statuses.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")
}

fn outcome_in_words(outcome: Outcome) -> String {
    match outcome {
        Outcome::Overload { retry_after: Some(wait) } => format!("overload, {wait:?}"),
        _ => outcome.name().into(),
    }
}
