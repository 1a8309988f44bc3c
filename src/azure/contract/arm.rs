//! Azure Resource Manager.

use std::time::Duration;

use azure_core::http::Method;

use super::super::classify::{Answer, Operation, Ran, Repeat, Verdict};
use super::Table;
use super::common::{CODES, CONDITIONS, DOUBTS, METHODS, READ, STATUSES};
use crate::backoff::{Backoff, Jitter};
use crate::retry;
use crate::stack;

pub(super) static ARM: Table = Table {
    name: "arm",
    answers: &[CODES, ANSWERS, STATUSES],
    operations: &[READ, CONDITIONS, OPERATIONS, METHODS],
    doubts: &[DOUBTS],
    ..Table::new(stack)
};

/// Waits of up to a minute are taken: an early repeat is only told a new one.
fn stack() -> stack::Config {
    let backoff = Backoff::exponential(Duration::from_secs(2)).max(Duration::from_secs(30));
    let retry = retry::Config::default()
        .max_attempts(4)
        .max_retry_after(Duration::from_secs(60))
        .backoff(backoff.jitter(Jitter::Equal));
    stack::Config::default()
        .total_timeout(Duration::from_secs(180))
        .attempt_timeout(Duration::from_secs(30))
        .retry(retry)
}

static ANSWERS: &[Answer] = &[Answer::on(
    &[409, 429],
    &[
        "AnotherOperationInProgress",
        "OperationInProgress",
        "RetryableError",
        "RetryableErrorDueToAnotherOperation",
    ],
    Verdict::Wait,
    Ran::No,
    "a conflict with what is going on with the resource, and no throttling",
)];

static OPERATIONS: &[Operation] = &[
    Operation::new(
        "POST, path ends with `/list...`, `/checkNameAvailability`, `Microsoft.ResourceGraph/resources`",
        |call| {
            call.is(Method::Post)
                && (call.segment(0).is_some_and(is_list)
                    || call.ends_with(&["checkNameAvailability"])
                    || call.ends_with(&["Microsoft.ResourceGraph", "resources"]))
        },
        Repeat::Idempotent,
        "a read with a body",
    ),
    Operation::new(
        "PATCH",
        |call| call.is(Method::Patch),
        Repeat::Idempotent,
        "sets the properties that it names",
    ),
];

/// `listKeys` and its like.
fn is_list(action: &str) -> bool {
    action.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("list"))
}
