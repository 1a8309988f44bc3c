//! Redis, by the first word of its errors.

use std::time::Duration;

use super::super::classify::{Match, Reason};
use super::{Executed, Table};
use crate::backoff::{Backoff, Jitter};
use crate::outcome::Outcome;
use crate::retry;
use crate::stack;

pub(super) static REDIS: Table =
    Table { name: "redis", reasons: REASONS, reasons_by: Match::Words, ..Table::new(stack) };

/// One repeat of a command of 5 s: what is cached is somewhere else, too, and a fallback to there is
/// better than a third attempt.
fn stack() -> stack::Config {
    let backoff = Backoff::exponential(Duration::from_millis(100)).max(Duration::from_secs(1));
    stack::Config::default()
        .total_timeout(Duration::from_secs(12))
        .attempt_timeout(Duration::from_secs(5))
        .retry(retry::Config::default().max_attempts(2).backoff(backoff.jitter(Jitter::Equal)))
}

static REASONS: &[Reason] = &[
    Reason::new(&["LOADING"], Outcome::Transient, Executed::No, "still reading its data set"),
    Reason::new(
        &["CLUSTERDOWN", "MASTERDOWN"],
        Outcome::Transient,
        Executed::No,
        "a failover is under way",
    ),
    Reason::new(
        &["READONLY"],
        Outcome::Transient,
        Executed::No,
        "a replica now: connect again to find the primary",
    ),
    Reason::new(
        &["UNBLOCKED"],
        Outcome::Transient,
        Executed::No,
        "a replica now: the blocked call took nothing",
    ),
    Reason::new(
        &["NOREPLICAS", "MISCONF"],
        Outcome::Transient,
        Executed::No,
        "takes no writes until it can keep them",
    ),
    Reason::new(&["BUSY"], SOON, Executed::No, "a script is running"),
    Reason::new(&["TRYAGAIN"], SOON, Executed::No, "keys are moving to another node"),
    Reason::new(
        &["MOVED", "ASK"],
        SOON,
        Executed::No,
        "the slot is on another node: a cluster client goes there",
    ),
    Reason::new(&["OOM"], SOON, Executed::No, "out of memory for writes"),
    Reason::new(&["ERR max number of clients reached"], SOON, Executed::No, "too many connections"),
    Reason::new(
        &["NOAUTH", "WRONGPASS", "NOPERM"],
        Outcome::Permanent,
        Executed::No,
        "not allowed, or the token is too old",
    ),
    Reason::new(
        &["WRONGTYPE", "CROSSSLOT", "BUSYKEY", "BUSYGROUP", "NOGROUP"],
        Outcome::Permanent,
        Executed::No,
        "the call does not fit what is there",
    ),
    Reason::new(&["NOSCRIPT"], Outcome::Permanent, Executed::No, "load the script first"),
    Reason::new(
        &["EXECABORT"],
        Outcome::Permanent,
        Executed::No,
        "a command of the transaction was refused, and none was executed",
    ),
    Reason::new(&["ERR"], Outcome::Permanent, Executed::MayBe, "the call is wrong"),
];

const SOON: Outcome = Outcome::Overload { retry_after: None };
