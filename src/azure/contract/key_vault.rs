//! Secrets, keys and certificates.

use std::time::Duration;

use azure_core::http::Method;

use super::super::classify::{Answer, Call, Doubt, Operation, Ran, Repeat, Verdict};
use super::Table;
use super::common::{CODES, CONDITIONS, DOUBTS, METHODS, READ, STATUSES};
use crate::backoff::{Backoff, Jitter};
use crate::retry;
use crate::stack;

pub(super) static KEY_VAULT: Table = Table {
    name: "key_vault",
    answers: &[CODES, ANSWERS, STATUSES],
    operations: &[READ, OPERATIONS, CONDITIONS, METHODS],
    doubts: &[VAULT_DOUBTS, DOUBTS],
    ..Table::new(stack)
};

/// The documented waits of 1, 2, 4, 8 and 16 s as the least of each, so that the jitter undercuts
/// none of them.
fn stack() -> stack::Config {
    let backoff = Backoff::exponential(Duration::from_secs(2)).max(Duration::from_secs(32));
    stack::Config::default()
        .total_timeout(Duration::from_secs(100))
        .attempt_timeout(Duration::from_secs(5))
        .retry(retry::Config::default().max_attempts(6).backoff(backoff.jitter(Jitter::Equal)))
}

static ANSWERS: &[Answer] = &[Answer::code(
    &["ObjectIsBeingDeleted", "ObjectIsBeingRecovered"],
    Verdict::Wait,
    Ran::No,
    "a matter of seconds",
)];

static OPERATIONS: &[Operation] = &[
    Operation::new(
        "PUT `/secrets/{name}`, `/keys/{name}`",
        |call| {
            call.is(Method::Put)
                && (call.path_is(&["secrets", "*"]) || call.path_is(&["keys", "*"]))
        },
        Repeat::Version,
        "another version each time; `repeat_versions` allows it",
    ),
    Operation::new(
        "POST `create`, `import`, `rotate`",
        |call| {
            call.is(Method::Post)
                && ["create", "import", "rotate"].iter().any(|action| {
                    call.path_is(&["keys", "*", action])
                        || call.path_is(&["certificates", "*", action])
                })
        },
        Repeat::Version,
        "another version each time; `repeat_versions` allows it",
    ),
    Operation::new(
        "POST `encrypt`, `decrypt`, `sign`, `verify`, `wrapkey`, `unwrapkey`, `release`",
        |call| {
            call.is(Method::Post)
                && ["encrypt", "decrypt", "sign", "verify", "wrapkey", "unwrapkey", "release"]
                    .iter()
                    .any(|action| {
                        call.path_is(&["keys", "*", "*", action])
                            || call.path_is(&["keys", "*", action])
                    })
        },
        Repeat::Idempotent,
        "computes, and keeps nothing",
    ),
    Operation::new(
        "POST `backup`, `rng`",
        |call| call.is(Method::Post) && (call.path_is(&["*", "*", "backup"]) || is_rng(call)),
        Repeat::Idempotent,
        "a read with a body",
    ),
    Operation::new(
        "POST `recover`",
        |call| call.is(Method::Post) && call.path_is(&["*", "*", "recover"]),
        Repeat::Idempotent,
        "back, once and for all",
    ),
    Operation::new(
        "PATCH",
        |call| call.is(Method::Patch),
        Repeat::Idempotent,
        "sets the attributes that it names",
    ),
];

static VAULT_DOUBTS: &[Doubt] = &[Doubt::new(
    "POST `recover`",
    |call| call.is(Method::Post) && call.path_is(&["*", "*", "recover"]),
    &[404, 409],
    "the first one brought it back",
)];

fn is_rng(call: &Call<'_>) -> bool {
    call.path_is(&["rng"])
}
