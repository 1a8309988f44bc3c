//! What services without HTTP say: rows by reason, of which the first that fits counts.

use crate::outcome::Outcome;

use super::super::contract::Executed;

/// A row: what such a reason means.
#[derive(Debug)]
pub(in crate::azure) struct Reason {
    pub(in crate::azure) codes: &'static [&'static str],
    pub(in crate::azure) outcome: Outcome,
    pub(in crate::azure) executed: Executed,
    pub(in crate::azure) why: &'static str,
}

/// What of a reason is compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::azure) enum Match {
    /// All of it.
    Whole,
    /// Its first words: Redis says `WRONGTYPE Operation against ...`.
    Words,
}

impl Reason {
    pub(in crate::azure) const fn new(
        codes: &'static [&'static str],
        outcome: Outcome,
        executed: Executed,
        why: &'static str,
    ) -> Self {
        Self { codes, outcome, executed, why }
    }

    pub(in crate::azure) fn fits(&self, by: Match, said: &str) -> bool {
        self.codes.iter().any(|code| by.fits(code, said))
    }
}

impl Match {
    fn fits(self, code: &str, said: &str) -> bool {
        match self {
            Self::Whole => said.eq_ignore_ascii_case(code),
            Self::Words => {
                let Some((start, rest)) = said.split_at_checked(code.len()) else { return false };
                let ends = rest.bytes().next().is_none_or(|byte| !byte.is_ascii_alphanumeric());
                ends && start.eq_ignore_ascii_case(code)
            }
        }
    }
}
