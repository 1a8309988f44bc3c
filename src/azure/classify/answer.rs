//! What an answer means: rows by status and code, of which the first that fits counts.

use std::fmt;
use std::time::Duration;

use super::super::contract::Executed;
use crate::outcome::Outcome;

/// A row: what an answer with such a status, and maybe such a code, means.
#[derive(Debug)]
pub(in crate::azure) struct Answer {
    statuses: Statuses,
    codes: Codes,
    verdict: Verdict,
    ran: Ran,
    pub(in crate::azure) why: &'static str,
}

#[derive(Debug)]
enum Statuses {
    Below(u16),
    From(u16),
    Is(&'static [u16]),
    Within(u16, u16),
}

#[derive(Debug)]
enum Codes {
    Any,
    Own(&'static [&'static str]),
    Source(&'static [&'static str]),
}

/// What an answer means, before it is known whether it names a wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::azure) enum Verdict {
    /// Can not succeed unless the service says when to come back.
    Held,
    /// The service turns calls away, with or without a wait.
    Overload,
    /// Can not succeed, whatever wait is named.
    Permanent,
    Success,
    /// The service failed. Named a wait, it is overload.
    Transient,
    /// What the call is for is busy. Passes, and is not the service's fault.
    Wait,
}

/// Whether the call was executed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::azure) enum Ran {
    MayBe,
    No,
    /// A service that says when to come back has not executed the call.
    NoWithWait,
    Yes,
}

/// What is asked of a table.
#[derive(Clone, Copy, Debug)]
pub(in crate::azure) struct Judged<'a> {
    pub(in crate::azure) status: u16,
    /// The service's own code.
    pub(in crate::azure) code: Option<&'a str>,
    /// The code of the service that was copied from.
    pub(in crate::azure) source: Option<&'a str>,
}

impl Answer {
    pub(in crate::azure) const fn is(
        statuses: &'static [u16],
        verdict: Verdict,
        ran: Ran,
        why: &'static str,
    ) -> Self {
        Self { statuses: Statuses::Is(statuses), codes: Codes::Any, verdict, ran, why }
    }

    pub(in crate::azure) const fn below(
        status: u16,
        verdict: Verdict,
        ran: Ran,
        why: &'static str,
    ) -> Self {
        Self { statuses: Statuses::Below(status), codes: Codes::Any, verdict, ran, why }
    }

    pub(in crate::azure) const fn from(
        status: u16,
        verdict: Verdict,
        ran: Ran,
        why: &'static str,
    ) -> Self {
        Self { statuses: Statuses::From(status), codes: Codes::Any, verdict, ran, why }
    }

    pub(in crate::azure) const fn within(
        first: u16,
        last: u16,
        verdict: Verdict,
        ran: Ran,
        why: &'static str,
    ) -> Self {
        Self { statuses: Statuses::Within(first, last), codes: Codes::Any, verdict, ran, why }
    }

    /// Any failure with one of these codes.
    pub(in crate::azure) const fn code(
        codes: &'static [&'static str],
        verdict: Verdict,
        ran: Ran,
        why: &'static str,
    ) -> Self {
        Self { statuses: Statuses::From(400), codes: Codes::Own(codes), verdict, ran, why }
    }

    /// Any failure with one of these codes of the service that was copied from.
    pub(in crate::azure) const fn source(
        codes: &'static [&'static str],
        verdict: Verdict,
        ran: Ran,
        why: &'static str,
    ) -> Self {
        Self { statuses: Statuses::From(400), codes: Codes::Source(codes), verdict, ran, why }
    }

    /// These codes on these statuses only.
    pub(in crate::azure) const fn on(
        statuses: &'static [u16],
        codes: &'static [&'static str],
        verdict: Verdict,
        ran: Ran,
        why: &'static str,
    ) -> Self {
        Self { statuses: Statuses::Is(statuses), codes: Codes::Own(codes), verdict, ran, why }
    }

    pub(in crate::azure) fn fits(&self, judged: &Judged<'_>) -> bool {
        let status = judged.status;
        let has = |codes: &[&str], code: Option<&str>| {
            code.is_some_and(|code| codes.iter().any(|known| known.eq_ignore_ascii_case(code)))
        };
        (match self.statuses {
            Statuses::Below(end) => status < end,
            Statuses::From(first) => status >= first,
            Statuses::Is(statuses) => statuses.contains(&status),
            Statuses::Within(first, last) => (first..=last).contains(&status),
        }) && (match self.codes {
            Codes::Any => true,
            Codes::Own(codes) => has(codes, judged.code),
            Codes::Source(codes) => has(codes, judged.source),
        })
    }

    /// `wait` is what the answer asks for. `patient` is whether to wait for what is busy.
    pub(in crate::azure) fn outcome(
        &self,
        patient: bool,
        wait: impl FnOnce() -> Option<Duration>,
    ) -> Outcome {
        match self.verdict {
            Verdict::Permanent => Outcome::Permanent,
            Verdict::Success => Outcome::Success,
            Verdict::Wait if !patient => Outcome::Permanent,
            Verdict::Overload | Verdict::Wait => overload(wait()),
            Verdict::Held => wait().map_or(Outcome::Permanent, |wait| overload(Some(wait))),
            Verdict::Transient => wait().map_or(Outcome::Transient, |wait| overload(Some(wait))),
        }
    }

    pub(in crate::azure) fn executed(&self, has_wait: impl FnOnce() -> bool) -> Executed {
        match self.ran {
            Ran::No => Executed::No,
            Ran::NoWithWait if has_wait() => Executed::No,
            Ran::MayBe | Ran::NoWithWait => Executed::MayBe,
            Ran::Yes => Executed::Yes,
        }
    }

    /// Whether a quota's own headers say more where no wait is named.
    pub(in crate::azure) const fn is_overload(&self) -> bool {
        matches!(self.verdict, Verdict::Overload)
    }

    pub(in crate::azure) const fn means(&self, patient: bool) -> &'static str {
        match self.verdict {
            Verdict::Wait if !patient => "permanent",
            Verdict::Held => "permanent; overload with a wait",
            Verdict::Overload | Verdict::Wait => "overload",
            Verdict::Permanent => "permanent",
            Verdict::Success => "success",
            Verdict::Transient => "transient; overload with a wait",
        }
    }

    pub(in crate::azure) const fn ran(&self) -> &'static str {
        match self.ran {
            Ran::MayBe => "maybe",
            Ran::No => "no",
            Ran::NoWithWait => "maybe; no with a wait",
            Ran::Yes => "yes",
        }
    }
}

/// A wait of zero leaves the wait to the caller.
fn overload(wait: Option<Duration>) -> Outcome {
    Outcome::Overload { retry_after: wait.filter(|wait| !wait.is_zero()) }
}

/// What has to be so, as a table says it.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.statuses {
            Statuses::Below(end) => write!(f, "below {end}")?,
            Statuses::From(first) => match self.codes {
                Codes::Any => write!(f, "other from {first}")?,
                Codes::Own(_) | Codes::Source(_) => write!(f, "from {first}")?,
            },
            Statuses::Within(first, last) => write!(f, "other {first} to {last}")?,
            Statuses::Is(statuses) => {
                for (index, status) in statuses.iter().enumerate() {
                    write!(f, "{}{status}", if index == 0 { "" } else { ", " })?;
                }
            }
        }
        let (codes, of) = match self.codes {
            Codes::Any => return Ok(()),
            Codes::Own(codes) => (codes, "with "),
            Codes::Source(codes) => (codes, "whose source said "),
        };
        for (index, code) in codes.iter().enumerate() {
            write!(f, "{}`{code}`", if index == 0 { format!(" {of}") } else { ", ".into() })?;
        }
        Ok(())
    }
}
