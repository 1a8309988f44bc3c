//! Azure OpenAI.

use std::time::Duration;

use azure_core::http::Method;

use super::super::classify::{Answer, Call, Operation, Ran, Repeat, Verdict};
use super::Table;
use super::common::{CODES, CONDITIONS, DOUBTS, METHODS, PATCHES, READ, STATUSES};
use crate::backoff::{Backoff, Jitter};
use crate::retry;
use crate::stack;

pub(super) static OPEN_AI: Table = Table {
    name: "open_ai",
    answers: &[CODES, ANSWERS, STATUSES],
    operations: &[READ, CONDITIONS, OPERATIONS, PATCHES, METHODS],
    doubts: &[DOUBTS],
    ..Table::new(stack)
};

/// One repeat: whoever waits for it is better served by something simpler than by a third attempt.
fn stack() -> stack::Config {
    let backoff = Backoff::exponential(Duration::from_secs(1)).max(Duration::from_secs(10));
    stack::Config::default()
        .total_timeout(Duration::from_secs(120))
        .attempt_timeout(Duration::from_secs(60))
        .retry(retry::Config::default().max_attempts(2).backoff(backoff.jitter(Jitter::Equal)))
}

static ANSWERS: &[Answer] = &[
    Answer::code(
        &["content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"],
        Verdict::Permanent,
        Ran::No,
        "the same words are refused again",
    ),
    Answer::code(
        &["insufficient_quota"],
        Verdict::Permanent,
        Ran::No,
        "used up until somebody pays",
    ),
    Answer::is(
        &[408],
        Verdict::Overload,
        Ran::No,
        "timed out in the queue of the provisioned throughput: spill over, or come back",
    ),
];

static OPERATIONS: &[Operation] = &[Operation::new(
    "POST `completions`, `embeddings`, `moderations`, `images/..`, `audio/..`",
    is_inference,
    Repeat::Paid,
    "changes nothing and costs tokens; `repeat_inference(false)` forbids it",
)];

/// What a model is asked. Not `responses`, `threads` and the like, which are kept.
fn is_inference(call: &Call<'_>) -> bool {
    let paths: &[&[&str]] = &[
        &["completions"],
        &["embeddings"],
        &["moderations"],
        &["images", "edits"],
        &["images", "generations"],
        &["audio", "speech"],
        &["audio", "transcriptions"],
        &["audio", "translations"],
    ];
    call.is(Method::Post) && paths.iter().any(|path| call.ends_with(path))
}
