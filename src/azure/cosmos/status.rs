//! What each status means, together with its sub-status.
//!
//! From Microsoft's pages on the service's errors, the sources of its client for .NET and those of
//! the driver that this client stands on (`retry_evaluation.rs`, `status_codes.rs`).

use std::fmt;
use std::ops::RangeInclusive;

use Handling::{Behind, Elsewhere, Final, Later, Taken, Throttled};
use Outcome::{Neutral, Permanent, Transient};
use Sign::{Alive, Nothing, Suspect};

use crate::outcome::Outcome;

/// What is done about an answer, after the driver has done all that it does.
///
/// # Example
///
/// ```
/// use seawall::azure::cosmos::{Handling, judge};
///
/// assert_eq!(judge(429, 3200).handling, Handling::Throttled);
/// assert_eq!(Handling::Throttled.to_string(), "slow down");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Handling {
    /// Nothing: it is the call's own answer.
    Final,
    /// Nothing, unless the driver has sent the request before: then it may be the answer to that.
    Taken,
    /// Later: a partition moves, or a lock is held.
    Later,
    /// Later, or with a weaker session: this region does not have what the session has seen.
    Behind,
    /// All that share the quota slow down until the service's hint has passed.
    Throttled,
    /// The region, or the way to it, does not serve this. When it goes on, a new client may.
    Elsewhere,
}

impl fmt::Display for Handling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Final => "final",
            Self::Taken => "final, unless sent before",
            Self::Later => "later",
            Self::Behind => "later, the region is behind",
            Self::Throttled => "slow down",
            Self::Elsewhere => "elsewhere",
        })
    }
}

/// What an answer says of the region that gave it.
///
/// # Example
///
/// ```
/// use seawall::azure::cosmos::{Sign, judge};
///
/// assert_eq!(judge(404, 0).sign, Sign::Alive);
/// assert_eq!(judge(503, 0).sign, Sign::Suspect);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a region is well, is not, or was not asked")]
pub enum Sign {
    /// It serves.
    Alive,
    /// Nothing: the answer is about roles, or came from the client itself.
    Nothing,
    /// It may be gone.
    Suspect,
}

/// One line of the table.
///
/// # Example
///
/// ```
/// use seawall::Outcome;
/// use seawall::azure::cosmos::judge;
///
/// let row = judge(403, 3);
/// assert_eq!(row.outcome, Outcome::Transient);
/// assert!(!row.may_have_run);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Row {
    /// The status of HTTP, or the one that the client made up in its place.
    pub status: u16,
    /// The sub-statuses. Rows that name fewer go first.
    pub sub_status: RangeInclusive<u16>,
    /// What it means.
    pub meaning: &'static str,
    /// What it says of the account.
    pub outcome: Outcome,
    /// What is done.
    pub handling: Handling,
    /// Whether a write that ended so may have been executed.
    pub may_have_run: bool,
    /// What it says of the region.
    pub sign: Sign,
}

/// As a row of a table: code, meaning, what it says of the account, what is done, whether it was
/// executed, what it says of the region.
impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (self.sub_status.start(), self.sub_status.end());
        write!(f, "| {}", self.status)?;
        match (first, last) {
            (0, &u16::MAX) => {}
            (first, last) if first == last => write!(f, "/{first}")?,
            (first, last) => write!(f, "/{first}–{last}")?,
        }
        let outcome = match self.outcome {
            Outcome::Success => "success",
            Neutral => "neutral",
            Outcome::Overload { .. } => "overload",
            Permanent => "permanent",
            Transient => "transient",
        };
        let executed = if self.may_have_run { "maybe" } else { "no" };
        let sign = match self.sign {
            Alive => "alive",
            Nothing => "",
            Suspect => "suspect",
        };
        let (meaning, handling) = (self.meaning, self.handling);
        write!(f, " | {meaning} | {outcome} | {handling} | {executed} | {sign} |")
    }
}

/// What an answer means.
///
/// # Example
///
/// The same sub-status has several meanings:
///
/// ```
/// use seawall::azure::cosmos::{Handling, judge};
///
/// assert_eq!(judge(404, 1002).handling, Handling::Behind);
/// assert_eq!(judge(410, 1002).handling, Handling::Later);
/// ```
#[must_use]
pub fn judge(status: u16, sub_status: u16) -> Row {
    let fits = |row: &&Row| row.status == status && row.sub_status.contains(&sub_status);
    if let Some(row) = rows().iter().find(fits) {
        return row.clone();
    }
    let (meaning, outcome, handling, may_have_run) = match status {
        200..=399 => ("done", Outcome::Success, Final, true),
        500..=599 => ("a failure of the service", Transient, Later, true),
        _ => ("the call's own fault", Permanent, Final, false),
    };
    let sign = Alive;
    let sub_status = ANY;
    Row { status, sub_status, meaning, outcome, handling, may_have_run, sign }
}

/// The table. What is not in it is judged by its class: 4xx as 400, 5xx as 500.
///
/// # Example
///
/// ```
/// use seawall::azure::cosmos::rows;
///
/// assert!(rows().iter().any(|row| row.status == 449));
/// ```
#[must_use]
pub const fn rows() -> &'static [Row] {
    ROWS
}

const ANY: RangeInclusive<u16> = 0..=u16::MAX;
/// The codes that the client gives to its own failures.
const OWN: RangeInclusive<u16> = 20_100..=20_399;

const OVERLOAD: Outcome = Outcome::Overload { retry_after: None };

/// Whether a write that ended so may have been executed.
const RAN: bool = true;
const NOT: bool = false;

const fn row(
    status: u16,
    sub_status: RangeInclusive<u16>,
    outcome: Outcome,
    handling: Handling,
    may_have_run: bool,
    sign: Sign,
    meaning: &'static str,
) -> Row {
    Row { status, sub_status, meaning, outcome, handling, may_have_run, sign }
}

const ROWS: &[Row] = &[
    row(400, ANY, Permanent, Final, NOT, Alive, "the request is wrong"),
    row(
        401,
        20_401..=20_402,
        Neutral,
        Final,
        NOT,
        Nothing,
        "no token could be had: nothing was sent",
    ),
    row(401, ANY, Permanent, Final, NOT, Alive, "the key or the token is refused"),
    row(403, 3..=3, Transient, Elsewhere, NOT, Nothing, "this region does not write any more"),
    row(
        403,
        1008..=1008,
        Transient,
        Elsewhere,
        NOT,
        Nothing,
        "the account is not in this region any more",
    ),
    row(403, ANY, Permanent, Final, NOT, Alive, "forbidden: rights, firewall, size"),
    row(
        404,
        1002..=1002,
        Transient,
        Behind,
        NOT,
        Alive,
        "the region has not yet what the session has seen",
    ),
    row(404, 1013..=1013, Transient, Later, NOT, Alive, "the container is being made"),
    row(404, ANY, Permanent, Taken, NOT, Alive, "not there"),
    row(405, ANY, Permanent, Final, NOT, Alive, "not allowed"),
    row(408, ANY, Transient, Elsewhere, RAN, Suspect, "no answer in time"),
    row(
        409,
        ANY,
        Permanent,
        Taken,
        NOT,
        Alive,
        "an item with that id, or that unique key, is there",
    ),
    row(410, 1022..=1022, Transient, Elsewhere, NOT, Nothing, "the replica has lost its lease"),
    row(410, ANY, Transient, Later, NOT, Nothing, "the partition was split, merged or moved"),
    row(412, ANY, Permanent, Taken, NOT, Alive, "the item has changed"),
    row(413, ANY, Permanent, Final, NOT, Alive, "the item is too large"),
    row(424, ANY, Permanent, Final, NOT, Alive, "another operation of the batch failed"),
    row(429, 3088..=3088, OVERLOAD, Later, NOT, Alive, "throttled while a partition is split"),
    row(429, 3092..=3092, Transient, Elsewhere, NOT, Suspect, "the region lacks resources"),
    row(429, 3214..=3214, OVERLOAD, Later, NOT, Alive, "one partition key is hot: others are not"),
    row(429, ANY, OVERLOAD, Throttled, NOT, Alive, "the request units are used up (3200, 3210)"),
    row(449, ANY, Transient, Later, NOT, Nothing, "another write of the item is under way"),
    row(500, 20_020..=20_020, Permanent, Final, RAN, Alive, "the answer's body can not be read"),
    row(500, OWN, Permanent, Final, NOT, Nothing, "a failure of the client itself"),
    row(500, ANY, Transient, Later, RAN, Alive, "a failure of the service"),
    row(503, 20_010..=20_010, Transient, Elsewhere, NOT, Suspect, "no connection"),
    row(503, 20_012..=20_012, Transient, Elsewhere, NOT, Suspect, "the name was not found"),
    row(503, 20_015..=20_015, Transient, Elsewhere, NOT, Nothing, "the peer does not speak HTTP/2"),
    row(
        503,
        20_305..=20_305,
        Transient,
        Elsewhere,
        NOT,
        Nothing,
        "the partitions could not be found",
    ),
    row(
        503,
        20_310..=20_310,
        Transient,
        Behind,
        NOT,
        Nothing,
        "no region has what the session has seen",
    ),
    row(503, 20_311..=20_311, Transient, Elsewhere, NOT, Nothing, "no region accepts the write"),
    row(
        503,
        20_312..=20_312,
        Transient,
        Elsewhere,
        NOT,
        Nothing,
        "the account's regions could not be found",
    ),
    row(
        503,
        ANY,
        Transient,
        Elsewhere,
        RAN,
        Suspect,
        "not available, or no answer (20003, 20011, 20014)",
    ),
];
