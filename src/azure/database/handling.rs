//! What an error asks for.

use std::fmt;
use std::time::Duration;

use crate::outcome::Outcome;

/// What is done about an error of a database.
///
/// | handling | the call is made again | on | the breaker sees |
/// |---|---|---|---|
/// | [`Never`](Self::Never) | not | | a server that is well |
/// | [`Reconnect`](Self::Reconnect) | after the backoff, from 5 s by default | a fresh connection | a failure |
/// | [`BackOff`](Self::BackOff) | after the backoff and 5 s more | any connection | a server that is full |
/// | [`Throttled`](Self::Throttled) | not before the wait, for all callers | any connection | a server that is full, and its wait |
/// | [`Rerun`](Self::Rerun) | after some milliseconds | the same connection, if it is idle | a server that is well |
/// | [`WrongReplica`](Self::WrongReplica) | after the backoff | a fresh connection, by a name resolved anew; all idle ones are given up | nothing |
/// | [`Primary`](Self::Primary) | at once on the primary if it is a read, else after the backoff | a fresh connection | a failure |
///
/// # Example
///
/// ```
/// use seawall::azure::database::Handling;
///
/// assert!(Handling::Reconnect.is_transient());
/// assert_eq!(Handling::Never.to_string(), "never");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Handling {
    /// Does not pass by itself.
    Never,
    /// The connection, or what is behind it, is on its way elsewhere.
    Reconnect,
    /// Too much is asked for.
    BackOff,
    /// Too much is asked for, and the server says how long to wait at least.
    Throttled {
        /// The wait.
        wait: Duration,
    },
    /// The transaction lost against another one.
    Rerun,
    /// The replica takes no writes: the primary is elsewhere by now.
    WrongReplica,
    /// The secondary can not be read at the moment.
    Primary,
}

impl Handling {
    /// Whether another attempt may work.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        !matches!(self, Self::Never)
    }

    /// What it says of the server.
    pub(crate) const fn outcome(self) -> Outcome {
        match self {
            // The server works: it has found out that two transactions do not go together.
            Self::Never | Self::Rerun => Outcome::Permanent,
            Self::Reconnect | Self::Primary => Outcome::Transient,
            Self::BackOff => Outcome::Overload { retry_after: None },
            Self::Throttled { wait } => Outcome::Overload { retry_after: Some(wait) },
            Self::WrongReplica => Outcome::Neutral,
        }
    }
}

impl fmt::Display for Handling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("never"),
            Self::Reconnect => f.write_str("reconnect"),
            Self::BackOff => f.write_str("back off"),
            Self::Throttled { wait } => write!(f, "wait {wait:?} at least"),
            Self::Rerun => f.write_str("re-run at once"),
            Self::WrongReplica => f.write_str("wrong replica: resolve anew, discard"),
            Self::Primary => f.write_str("read from the primary"),
        }
    }
}

/// What one error says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Meaning {
    pub(crate) handling: Handling,
    /// The connection is gone, and with it the answer: a statement that ran may have been executed.
    pub(crate) gone: bool,
    /// Tells kinds of failures apart: several of one in a row say that all connections are stale.
    pub(crate) kind: u32,
}

impl Meaning {
    /// What was wrong with the call itself.
    pub(crate) const NEVER: Self = Self { handling: Handling::Never, gone: false, kind: 0 };
}
