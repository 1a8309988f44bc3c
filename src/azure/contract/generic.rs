//! Any service of Azure over HTTP.

use std::time::Duration;

use azure_core::http::headers::HeaderName;

use super::super::classify::{Operation, Repeat};
use super::common::{CODES, CONDITIONS, DOUBTS, METHODS, PATCHES, SOURCES, STATUSES};
use super::{Table, storage};
use crate::backoff::{Backoff, Jitter};
use crate::retry;
use crate::stack;

pub(super) static GENERIC: Table = Table {
    name: "azure",
    answers: &[CODES, SOURCES, STATUSES],
    operations: &[storage::OPERATIONS, CONDITIONS, KEYS, PATCHES, METHODS],
    doubts: &[storage::DOUBTS, DOUBTS],
    ..Table::new(stack)
};

/// What the SDKs of other languages start with: 0.8 s doubling, three repeats.
fn stack() -> stack::Config {
    let backoff = Backoff::exponential(Duration::from_millis(800)).max(Duration::from_secs(10));
    stack::Config::default()
        .total_timeout(Duration::from_secs(45))
        .attempt_timeout(Duration::from_secs(10))
        .retry(retry::Config::default().max_attempts(4).backoff(backoff.jitter(Jitter::Equal)))
}

static KEYS: &[Operation] = &[Operation::new(
    "`Idempotency-Key`",
    |call| call.header(&IDEMPOTENCY_KEY).is_some(),
    Repeat::Keyed,
    "the service recognises the second one",
)];

static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
