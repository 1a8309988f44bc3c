//! What an error of tiberius says.

use tiberius::error::{IoErrorKind, TokenError};

use super::numbers;
use crate::azure::database::{Handling, Holds, Meaning};
use crate::error::{BoxError, Error, Reject};
use crate::outcome::{Classify, Outcome};

/// What is done about `error`.
///
/// An error of the server goes by its [number](super::handling); one whose class is 20 or above
/// and whose number nobody knows has ended the connection, and passes. What broke the connection
/// passes, unless a certificate is wrong.
///
/// # Example
///
/// ```
/// use seawall::azure::database::Handling;
/// use seawall::azure::sql::handling_of;
///
/// let reset = tiberius::error::Error::Io {
///     kind: std::io::ErrorKind::ConnectionReset,
///     message: "reset".into(),
/// };
/// assert_eq!(handling_of(&reset), Handling::Reconnect);
/// ```
#[must_use]
pub fn handling_of(error: &tiberius::error::Error) -> Handling {
    meaning(error).handling
}

/// The code inside error 40197, which says what the service was doing: for logs and support.
///
/// # Example
///
/// ```
/// use seawall::azure::sql::inner_code;
///
/// let text = "The service has encountered an error processing your request. Please try again. \
///             Error code 40143.";
/// assert_eq!(inner_code(text), Some(40143));
/// assert_eq!(inner_code("Invalid object name"), None);
/// ```
#[must_use]
pub fn inner_code(message: &str) -> Option<u32> {
    const BEFORE: &str = "error code";
    // Folded in place: `to_lowercase` may move what follows.
    let folded = message.to_ascii_lowercase();
    let rest = folded.rsplit_once(BEFORE)?.1;
    let digits = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ':');
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

pub(super) fn meaning(error: &tiberius::error::Error) -> Meaning {
    use tiberius::error::Error;
    // Kinds of their own, beyond all numbers of the server.
    let gone = |handling, kind: u32| Meaning { handling, gone: true, kind: u32::MAX - kind };
    match error {
        Error::Server(error) => by_number(error),
        Error::Io { kind: IoErrorKind::TimedOut, .. } => gone(Handling::Reconnect, 1),
        Error::Io { .. } => gone(Handling::Reconnect, 2),
        Error::Protocol(_) => gone(Handling::Reconnect, 3),
        Error::Routing { .. } => gone(Handling::Reconnect, 4),
        // No other attempt makes a certificate right.
        Error::Tls(message) if message.to_ascii_lowercase().contains("certificate") => {
            gone(Handling::Never, 5)
        }
        Error::Tls(_) => gone(Handling::Reconnect, 6),
        // What can not be read leaves the connection in the middle of it.
        Error::Encoding(_) | Error::Utf8 | Error::Utf16 => gone(Handling::Never, 7),
        _ => Meaning::NEVER,
    }
}

/// Whether the error of that number says that the server has rolled the transaction back.
///
/// A lock that was not granted in time (1222) ends the statement only.
pub(super) fn ends_the_transaction(number: u32) -> bool {
    const LOCK_TIMEOUT: i32 = 1222;
    i32::try_from(number).is_ok_and(|number| {
        number != LOCK_TIMEOUT && numbers::handling(number) == Some(Handling::Rerun)
    })
}

fn by_number(error: &TokenError) -> Meaning {
    let is_fatal = error.class() >= FATAL;
    let row = i32::try_from(error.code()).ok().and_then(numbers::row);
    let kind = inner_code(error.message()).filter(|_| error.code() == 40197);
    Meaning {
        handling: match row {
            Some(row) => row.handling(),
            None if is_fatal => Handling::Reconnect,
            None => Handling::Never,
        },
        gone: is_fatal || row.is_some_and(numbers::Row::ends_the_connection),
        kind: kind.unwrap_or_else(|| error.code()),
    }
}

/// From this class on, the server closes the connection.
const FATAL: u8 = 20;

impl Holds<Self> for tiberius::error::Error {
    fn held(&self) -> Option<&Self> {
        Some(self)
    }
}

impl Holds<tiberius::error::Error> for BoxError {
    fn held(&self) -> Option<&tiberius::error::Error> {
        self.downcast_ref()
    }
}

/// Judges tiberius' errors by the [table](super::rows()), for stacks of one's own.
///
/// A [`SqlPool`](super::SqlPool) has its own way of repeating, which a stack has not: seconds for a
/// failover, milliseconds for a deadlock. Around a single connection a stack serves well.
///
/// # Example
///
/// ```
/// use seawall::azure::sql::ByNumber;
/// use seawall::outcome::Classify;
/// use seawall::{Error, Outcome};
///
/// let reset = Error::Service(tiberius::error::Error::Io {
///     kind: std::io::ErrorKind::ConnectionReset,
///     message: "reset".into(),
/// });
/// assert_eq!(Classify::<(), _>::classify(&ByNumber, Err(&reset)), Outcome::Transient);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing to add to it")]
pub struct ByNumber;

impl<T> Classify<T, Error<tiberius::error::Error>> for ByNumber {
    fn classify(&self, result: Result<&T, &Error<tiberius::error::Error>>) -> Outcome {
        match result {
            Ok(_) => Outcome::Success,
            Err(error) => match (error.rejection(), error.service()) {
                (Some(rejection), _) if !rejection.reason().reached_service() => Outcome::Neutral,
                (_, Some(error)) => meaning(error).handling.outcome(),
                (_, None) => Outcome::Transient,
            },
        }
    }

    fn may_have_run(&self, result: Result<&T, &Error<tiberius::error::Error>>) -> bool {
        match result {
            Ok(_) => true,
            Err(error) => match (error.rejection(), error.service()) {
                (Some(rejection), _) => rejection.reason().may_have_run(),
                (_, Some(error)) => meaning(error).gone,
                (_, None) => true,
            },
        }
    }
}
