//! The error numbers of Azure SQL, and what is done about each.

use std::time::Duration;

use crate::azure::database::Handling;

/// Numbers of errors that mean one thing.
///
/// # Example
///
/// ```
/// use seawall::azure::sql;
///
/// for row in sql::rows() {
///     println!("{:?}: {}, {}", row.numbers(), row.meaning(), row.handling());
/// }
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Row {
    numbers: &'static [i32],
    meaning: &'static str,
    handling: Handling,
    gone: bool,
}

impl Row {
    const fn new(numbers: &'static [i32], meaning: &'static str, handling: Handling) -> Self {
        Self { numbers, meaning, handling, gone: false }
    }

    const fn gone(mut self) -> Self {
        self.gone = true;
        self
    }

    /// The numbers. −2 is the client's own: a command that timed out.
    #[must_use]
    pub const fn numbers(&self) -> &'static [i32] {
        self.numbers
    }

    /// What they mean.
    #[must_use]
    pub const fn meaning(&self) -> &'static str {
        self.meaning
    }

    /// What is done about them.
    #[must_use]
    pub const fn handling(&self) -> Handling {
        self.handling
    }

    /// Whether the connection is gone with it, so that a statement that ran may have been executed.
    #[must_use]
    pub const fn ends_the_connection(&self) -> bool {
        self.gone
    }
}

/// The table: every number that is told apart, with what is done about it.
///
/// # Example
///
/// ```
/// use seawall::azure::sql;
///
/// let numbers: usize = sql::rows().iter().map(|row| row.numbers().len()).sum();
/// assert!(numbers > 100);
/// ```
#[must_use]
pub const fn rows() -> &'static [Row] {
    ROWS
}

/// What is done about an error with that number: `None` for one that is not in the
/// [table](rows()), which is taken for the call's own fault unless it ends the connection.
///
/// # Example
///
/// ```
/// use seawall::azure::database::Handling;
/// use seawall::azure::sql::handling;
///
/// assert_eq!(handling(40613), Some(Handling::Reconnect));
/// assert_eq!(handling(1205), Some(Handling::Rerun));
/// assert_eq!(handling(18456), Some(Handling::Never));
/// assert_eq!(handling(102), None);
/// ```
#[must_use]
pub fn handling(number: i32) -> Option<Handling> {
    row(number).map(Row::handling)
}

pub(super) fn row(number: i32) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.numbers.contains(&number))
}

const TEN_SECONDS: Handling = Handling::Throttled { wait: Duration::from_secs(10) };

/// Sources: Microsoft's page of connection errors of Azure SQL, the lists of `SqlClient`'s
/// configurable retry, and those of Entity Framework's strategy for Azure SQL.
const ROWS: &[Row] = &[
    Row::new(
        &[4060],
        "the database can not be opened: it moves, or its name is wrong",
        Handling::Reconnect,
    ),
    Row::new(
        &[40197, 40020, 40143, 40166, 40540],
        "the service failed while it was upgraded or failed over; 40197 has an inner code",
        Handling::Reconnect,
    )
    .gone(),
    Row::new(&[40613], "the database is not available at the moment", Handling::Reconnect).gone(),
    Row::new(&[49802], "the database is unavailable at the moment", Handling::Reconnect),
    Row::new(&[42108, 42109], "the pool is paused or warms up", Handling::Reconnect),
    Row::new(&[615, 617], "an identity is stale after a failover", Handling::Reconnect),
    Row::new(
        &[921, 926, 927, 941, 952, 982, 988],
        "the database recovers, is restored or is in transition",
        Handling::Reconnect,
    ),
    Row::new(&[18401], "the server upgrades itself after a failover", Handling::Reconnect),
    Row::new(
        &[64, 121, 20, 203, 233, 997, 10053, 10054, 10060],
        "the connection broke",
        Handling::Reconnect,
    )
    .gone(),
    Row::new(&[11001], "the server's name was not found", Handling::Reconnect).gone(),
    Row::new(
        &[0, 26, 40],
        "the server was not found or closed the connection",
        Handling::Reconnect,
    )
    .gone(),
    Row::new(&[-2], "the command timed out: it may have been executed", Handling::Reconnect).gone(),
    Row::new(&[40501], "the engine throttles, and asks for ten seconds", TEN_SECONDS),
    Row::new(&[10928, 10936], "the database or its pool has no worker left", Handling::BackOff),
    Row::new(&[10929, 10930], "the server is busy, beyond what is guaranteed", Handling::BackOff),
    Row::new(
        &[40642, 40648, 40675, 40890, 40903, 40918, 40938, 45156, 45157, 49977],
        "an operation on the server, the pool, the group or the alias is under way",
        Handling::BackOff,
    ),
    Row::new(
        &[49918, 49919, 49920],
        "too few resources, or too many operations on the subscription",
        Handling::BackOff,
    ),
    Row::new(&[40189], "the quota of this window of time is used up", Handling::BackOff),
    Row::new(&[17197], "the login timed out under load", Handling::BackOff),
    Row::new(&[1204, 8645, 8651], "no locks or no memory left for the query", Handling::BackOff),
    Row::new(
        &[25740, 30085, 37327, 39108, 39110, 41823, 41840, 45161, 45182, 45319],
        "a limit of the service tier or of its operations is reached",
        Handling::BackOff,
    ),
    Row::new(&[1205], "deadlock victim", Handling::Rerun),
    Row::new(&[1222], "a lock was not granted in time", Handling::Rerun),
    Row::new(&[3960, 3966], "a snapshot's update conflicts", Handling::Rerun),
    Row::new(
        &[41301, 41302, 41305, 41325, 41839],
        "transactions on memory-optimised tables conflict",
        Handling::Rerun,
    ),
    Row::new(
        &[3906],
        "the database is read-only: this is not the primary any more",
        Handling::WrongReplica,
    ),
    Row::new(
        &[4221],
        "the secondary waits for row versions of transactions in flight",
        Handling::Primary,
    ),
    Row::new(
        &[40549, 40550, 40551, 40552, 40553],
        "the session was ended for its locks, log, memory or length: make the transaction smaller",
        Handling::Never,
    )
    .gone(),
    Row::new(&[40544], "the database has reached its size", Handling::Never),
    Row::new(&[18456], "the login failed", Handling::Never),
    Row::new(&[40531, 40615], "the firewall or the name turns the client away", Handling::Never),
    Row::new(&[5], "the address or the rights are wrong", Handling::Never),
    Row::new(
        &[
            539, 601, 669, 1203, 1215, 1216, 1221, 1232, 1404, 1413, 1421, 1438, 1532, 1533, 1534,
            1535, 1807, 2021, 2816, 3429, 3635, 3935, 3941, 3947, 3948, 3950, 3953, 3957, 3980,
            4117, 4184, 5280, 5529, 6292, 7951, 8628, 9020, 9515, 9985, 10922, 11539, 14355, 14817,
            14868, 14906, 16528, 16554, 16555, 17065, 17066, 17067, 17889, 18858, 19413, 19416,
            19494, 20041, 21503, 22225, 22226, 22335, 22353, 22355, 22358, 22427, 22430, 22491,
            22493, 22498, 22754, 22758, 22759, 22760, 22984, 25003, 25738, 30080, 33123, 35216,
            35218, 35256, 35293, 37202, 39025, 39151, 39152, 40106, 40623, 40671, 41339, 41383,
            41614, 41619, 41640, 41700, 41701, 42029, 45153, 45179, 45547, 47132, 47137, 47139,
            49510, 49983,
        ],
        "others that Entity Framework takes for transient",
        Handling::Reconnect,
    ),
];
