//! Tokens, of Microsoft Entra ID and of the metadata service.

use std::time::Duration;

use super::super::classify::{Answer, Ran, Verdict};
use super::Table;
use super::common::{CODES, CONDITIONS, DOUBTS, METHODS, PATCHES, READ};
use crate::backoff::{Backoff, Jitter};
use crate::retry;
use crate::stack;

pub(super) static IDENTITY: Table = Table {
    name: "identity",
    answers: &[CODES, ANSWERS],
    operations: &[READ, CONDITIONS, PATCHES, METHODS],
    doubts: &[DOUBTS],
    ..Table::new(stack)
};

pub(super) static MANAGED_IDENTITY: Table = Table {
    name: "managed_identity",
    answers: &[CODES, METADATA_ANSWERS, ANSWERS],
    stack: patient_stack,
    ..IDENTITY
};

/// No repeat before 5 s: the upper half of 10 s doubling.
fn stack() -> stack::Config {
    let backoff = Backoff::exponential(Duration::from_secs(10)).max(Duration::from_secs(20));
    stack::Config::default()
        .total_timeout(Duration::from_secs(90))
        .attempt_timeout(Duration::from_secs(15))
        .retry(retry::Config::default().max_attempts(3).backoff(backoff.jitter(Jitter::Equal)))
}

/// The SDK's credential repeats by itself for up to 72 s, whatever it is told, as an update of the
/// metadata service takes up to 70 s. On top of that there is nothing to repeat.
fn patient_stack() -> stack::Config {
    stack::Config::default()
        .total_timeout(Duration::from_secs(90))
        .attempt_timeout(Duration::from_secs(90))
        .without_retry()
}

static METADATA_ANSWERS: &[Answer] = &[Answer::is(
    &[404, 410],
    Verdict::Wait,
    Ran::No,
    "the metadata service is being started or updated, for up to 70 s",
)];

/// Nothing but throttling and failures of the service passes.
static ANSWERS: &[Answer] = &[
    Answer::below(400, Verdict::Success, Ran::Yes, "a token"),
    Answer::is(&[429], Verdict::Overload, Ran::No, "throttled"),
    Answer::within(
        400,
        499,
        Verdict::Permanent,
        Ran::No,
        "the secret, the scope or the tenant is wrong",
    ),
    Answer::from(
        500,
        Verdict::Transient,
        Ran::MayBe,
        "passes; a token that is issued twice does no harm",
    ),
];
