//! Blobs, queues, tables, files and data lakes.

use std::time::Duration;

use azure_core::http::Method;
use azure_core::http::headers::HeaderName;

use super::super::classify::{Answer, Call, Doubt, Operation, Ran, Repeat, Verdict, reads};
use super::Table;
use super::common::{self, CODES, CONDITIONS, METHODS, PATCHES, SOURCES, STATUSES};
use crate::backoff::{Backoff, Jitter};
use crate::retry;
use crate::stack;

pub(super) static STORAGE: Table = Table {
    name: "storage",
    answers: &[CODES, SOURCES, ANSWERS, STATUSES],
    operations: &[OPERATIONS, CONDITIONS, PATCHES, METHODS],
    doubts: &[DOUBTS, common::DOUBTS],
    ..Table::new(stack)
};

/// Two seconds doubling to ten, five repeats: the documented sample for geo-redundant reads. An
/// attempt is long enough for a block of 4 MiB over a line of 1.2 Mbit/s.
fn stack() -> stack::Config {
    let backoff = Backoff::exponential(Duration::from_secs(2)).max(Duration::from_secs(10));
    stack::Config::default()
        .total_timeout(Duration::from_secs(100))
        .attempt_timeout(Duration::from_secs(30))
        .retry(retry::Config::default().max_attempts(6).backoff(backoff.jitter(Jitter::Equal)))
}

static ANSWERS: &[Answer] = &[
    Answer::code(
        &["AccountBeingCreated", "SnapshotOperationRateExceeded"],
        Verdict::Overload,
        Ran::No,
        "the account is not ready for more",
    ),
    Answer::code(
        &[
            "ContainerBeingDeleted",
            "ContainerBeingDisabled",
            "QueueBeingDeleted",
            "ShareBeingDeleted",
            "TableBeingDeleted",
        ],
        Verdict::Wait,
        Ran::No,
        "the name is free in half a minute or more",
    ),
    Answer::code(
        &["LeaseAlreadyPresent"],
        Verdict::Permanent,
        Ran::No,
        "somebody holds it, for up to a minute or for good: that is the answer",
    ),
    Answer::code(
        &["PreviousSnapshotOperationInProgress", "ShareSnapshotInProgress"],
        Verdict::Wait,
        Ran::No,
        "another one is at it",
    ),
];

/// What storage knows better than methods and conditions do. In [`generic`](super::generic), too:
/// each of these rows asks for something that no other service has.
pub(super) static OPERATIONS: &[Operation] = &[
    Operation::new(
        "GET, HEAD",
        reads,
        Repeat::Idempotent,
        "changes nothing; messages that a lost answer held come back by themselves",
    ),
    Operation::new(
        "PUT `comp=appendblock`, with `x-ms-blob-condition-appendpos`",
        |call| is_append(call) && call.header(&APPEND_POSITION).is_some(),
        Repeat::Keyed,
        "appends at this place only: the repeat of a success is answered 412",
    ),
    Operation::new("PUT `comp=appendblock`", is_append, Repeat::Unsafe, "appends twice"),
    Operation::new(
        "lease: acquire, with `x-ms-proposed-lease-id`",
        |call| is_lease(call, "acquire") && call.header(&PROPOSED_LEASE).is_some(),
        Repeat::Keyed,
        "the one who holds it may take it again",
    ),
    Operation::new(
        "lease: renew, change, release",
        |call| ["renew", "change", "release"].iter().any(|action| is_lease(call, action)),
        Repeat::Idempotent,
        "by the id of the holder: nobody else's is touched",
    ),
    Operation::new(
        "lease: acquire, break, any other",
        |call| call.query_is("comp", "lease") || call.header(&LEASE_ACTION).is_some(),
        Repeat::Unsafe,
        "the second acquire finds the first one's lease; the second break may hit the next holder's",
    ),
    Operation::new(
        "PUT `comp=snapshot`",
        |call| call.is(Method::Put) && call.query_is("comp", "snapshot"),
        Repeat::Unsafe,
        "another snapshot each time",
    ),
    Operation::new(
        "PUT, `x-ms-sequence-number-action: increment`",
        |call| call.header_is(&SEQUENCE_ACTION, "increment"),
        Repeat::Unsafe,
        "counts twice",
    ),
    Operation::new(
        "PUT with `popreceipt`",
        |call| call.is(Method::Put) && call.query("popreceipt").is_some(),
        Repeat::Unsafe,
        "the answer holds the next receipt, and the repeat of a success is refused",
    ),
    Operation::new(
        "POST `comp=userdelegationkey`, `comp=query`",
        |call| {
            call.is(Method::Post)
                && (call.query_is("comp", "userdelegationkey") || call.query_is("comp", "query"))
        },
        Repeat::Idempotent,
        "a read with a body",
    ),
    Operation::new(
        "PATCH of an entity, without a condition or `If-Match: *`",
        |call| call.is(Method::Patch) && is_entity(call) && !is_conditional(call),
        Repeat::Idempotent,
        "sets the properties that it names",
    ),
    Operation::new(
        "PATCH `action=append`, `action=flush`, with `position`",
        |call| {
            call.is(Method::Patch)
                && call.query("position").is_some()
                && (call.query_is("action", "append") || call.query_is("action", "flush"))
                && !is_conditional(call)
        },
        Repeat::Idempotent,
        "writes at this place",
    ),
];

pub(super) static DOUBTS: &[Doubt] = &[
    Doubt::new(
        "lease: acquire, change, renew",
        |call| ["acquire", "change", "renew"].iter().any(|action| is_lease(call, action)),
        &[],
        "the holder's repeat succeeds: who is refused holds nothing",
    ),
    Doubt::new(
        "PUT `comp=blocklist`",
        |call| call.is(Method::Put) && call.query_is("comp", "blocklist"),
        &[400, 409, 412],
        "the first one used the blocks up",
    ),
    Doubt::new(
        "PUT with `popreceipt`",
        |call| call.is(Method::Put) && call.query("popreceipt").is_some(),
        &[400, 404, 409, 412],
        "the first one used the receipt up",
    ),
    Doubt::new(
        "DELETE with `popreceipt`",
        |call| call.is(Method::Delete) && call.query("popreceipt").is_some(),
        &[400, 404, 409, 410, 412],
        "the first one took the message away",
    ),
    Doubt::new(
        "PUT with `x-ms-rename-source`",
        |call| call.is(Method::Put) && call.header(&RENAME_SOURCE).is_some(),
        &[404, 409, 412],
        "the first one moved it",
    ),
];

fn is_append(call: &Call<'_>) -> bool {
    call.is(Method::Put) && call.query_is("comp", "appendblock")
}

fn is_lease(call: &Call<'_>, action: &str) -> bool {
    call.header_is(&LEASE_ACTION, action)
}

/// `/table(PartitionKey='..',RowKey='..')`, with the brackets in either form.
fn is_entity(call: &Call<'_>) -> bool {
    let has = |found: &str, word: &[u8]| {
        found.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word))
    };
    call.segment(0).is_some_and(|last| has(last, b"PartitionKey") && has(last, b"RowKey"))
}

fn is_conditional(call: &Call<'_>) -> bool {
    CONDITIONS.iter().any(|condition| (condition.fits)(call))
}

static APPEND_POSITION: HeaderName = HeaderName::from_static("x-ms-blob-condition-appendpos");
static LEASE_ACTION: HeaderName = HeaderName::from_static("x-ms-lease-action");
static PROPOSED_LEASE: HeaderName = HeaderName::from_static("x-ms-proposed-lease-id");
static RENAME_SOURCE: HeaderName = HeaderName::from_static("x-ms-rename-source");
static SEQUENCE_ACTION: HeaderName = HeaderName::from_static("x-ms-sequence-number-action");
