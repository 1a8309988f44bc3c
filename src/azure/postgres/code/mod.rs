//! What errors mean, by their SQLSTATE.

use std::error::Error as _;
use std::io;

use tokio_postgres::Error;
use tokio_postgres::error::Severity;

use crate::azure::database::{Handling, Holds, Meaning};

/// A row of the [table](rows) of SQLSTATEs that pass by themselves.
///
/// # Example
///
/// ```
/// use seawall::azure::database::Handling;
/// use seawall::azure::postgres;
///
/// let deadlock = postgres::rows().iter().find(|row| row.code() == "40P01").unwrap();
/// assert_eq!((deadlock.name(), deadlock.handling()), ("deadlock_detected", Handling::Rerun));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Row {
    code: &'static str,
    name: &'static str,
    handling: Handling,
    /// Whether the connection goes with it, so that nobody knows what became of the statement.
    ends: bool,
}

impl Row {
    /// The five characters.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// What PostgreSQL's own list of error codes calls it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What is done about it.
    #[must_use]
    pub const fn handling(&self) -> Handling {
        self.handling
    }

    /// Whether it ends the connection, or leaves open what became of the statement.
    #[must_use]
    pub const fn ends_the_connection(&self) -> bool {
        self.ends
    }
}

/// The SQLSTATEs that pass by themselves. Every other one is the caller's to deal with, and is
/// [never](Handling::Never) a reason for another attempt.
///
/// # Example
///
/// ```
/// use seawall::azure::postgres;
///
/// assert!(postgres::rows().iter().any(|row| row.code() == "57P01"));
/// assert!(!postgres::rows().iter().any(|row| row.code() == "23505"));
/// ```
#[must_use]
pub const fn rows() -> &'static [Row] {
    ROWS
}

/// What is done about `error`.
///
/// # Example
///
/// ```
/// use seawall::azure::database::Handling;
/// use seawall::azure::postgres;
///
/// let error = "host=db port=none".parse::<tokio_postgres::Config>().unwrap_err();
/// assert_eq!(postgres::handling(&error), Handling::Never);
/// ```
#[must_use]
pub fn handling(error: &Error) -> Handling {
    judge(error).handling
}

pub(super) fn judge(error: &Error) -> Meaning {
    let Some(state) = error.code() else { return judge_without_code(error) };
    // A session that is told so by its server is over, whatever the reason.
    let is_fatal = error.as_db_error().is_some_and(|error| {
        matches!(error.parsed_severity(), Some(Severity::Fatal | Severity::Panic))
    });
    match ROWS.iter().find(|row| row.code == state.code()) {
        Some(row) => {
            Meaning { handling: row.handling, gone: row.ends || is_fatal, kind: kind(state.code()) }
        }
        None => Meaning { gone: is_fatal, ..Meaning::NEVER },
    }
}

/// The driver does not show its kinds of errors, but each has a text of its own.
fn judge_without_code(error: &Error) -> Meaning {
    let gone = |kind| Meaning { handling: Handling::Reconnect, gone: true, kind };
    match error.to_string().as_str() {
        CLOSED => gone(1),
        IO => gone(2),
        // Also: the server is there, and is not the kind that was asked for.
        CONNECT => gone(3),
        TLS if was_cut_off(error) => gone(4),
        // What comes is no answer of this protocol any more.
        UNEXPECTED | PARSE => gone(5),
        TIMEOUT => gone(6),
        _ => Meaning::NEVER,
    }
}

/// A handshake fails for good, unless it was the wire that did: libraries report a peer that is not
/// who he should be as invalid data.
fn was_cut_off(error: &Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return error.kind() != io::ErrorKind::InvalidData;
        }
        source = error.source();
    }
    false
}

/// Five characters of 36 each, above what has no code.
fn kind(code: &str) -> u32 {
    code.chars().filter_map(|digit| digit.to_digit(36)).fold(16, |kind, digit| kind * 36 + digit)
}

impl Holds<Self> for Error {
    fn held(&self) -> Option<&Self> {
        Some(self)
    }
}

const CLOSED: &str = "connection closed";
const IO: &str = "error communicating with the server";
const CONNECT: &str = "error connecting to server";
const TLS: &str = "error performing TLS handshake";
const UNEXPECTED: &str = "unexpected message from server";
const PARSE: &str = "error parsing response from server";
const TIMEOUT: &str = "timeout waiting for server";

const fn row(code: &'static str, name: &'static str, handling: Handling) -> Row {
    Row { code, name, handling, ends: false }
}

const fn ending(code: &'static str, name: &'static str, handling: Handling) -> Row {
    Row { code, name, handling, ends: true }
}

const ROWS: &[Row] = &[
    ending("08000", "connection_exception", Handling::Reconnect),
    ending("08001", "sqlclient_unable_to_establish_sqlconnection", Handling::Reconnect),
    ending("08003", "connection_does_not_exist", Handling::Reconnect),
    ending("08004", "sqlserver_rejected_establishment_of_sqlconnection", Handling::Reconnect),
    ending("08006", "connection_failure", Handling::Reconnect),
    ending("08007", "transaction_resolution_unknown", Handling::Reconnect),
    ending("08P01", "protocol_violation", Handling::Reconnect),
    row("25006", "read_only_sql_transaction", Handling::WrongReplica),
    row("40001", "serialization_failure", Handling::Rerun),
    ending("40003", "statement_completion_unknown", Handling::Reconnect),
    row("40P01", "deadlock_detected", Handling::Rerun),
    row("53000", "insufficient_resources", Handling::BackOff),
    row("53200", "out_of_memory", Handling::BackOff),
    row("53300", "too_many_connections", Handling::BackOff),
    row("53400", "configuration_limit_exceeded", Handling::BackOff),
    ending("57P01", "admin_shutdown", Handling::Reconnect),
    ending("57P02", "crash_shutdown", Handling::Reconnect),
    ending("57P03", "cannot_connect_now", Handling::Reconnect),
    ending("57P05", "idle_session_timeout", Handling::Reconnect),
    row("58000", "system_error", Handling::Reconnect),
    row("58030", "io_error", Handling::Reconnect),
    row("XX000", "internal_error", Handling::Reconnect),
];

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests;
