//! AI Search.

use std::time::Duration;

use azure_core::http::Method;

use super::super::classify::{Answer, Call, Operation, Ran, Reason, Repeat, Verdict};
use super::common::{CODES, CONDITIONS, DOUBTS, METHODS, PATCHES, READ, STATUSES};
use super::{Executed, Table};
use crate::backoff::{Backoff, Jitter};
use crate::outcome::Outcome;
use crate::retry;
use crate::stack;

pub(super) static AI_SEARCH: Table = Table {
    name: "ai_search",
    answers: &[CODES, ANSWERS, STATUSES],
    operations: &[READ, CONDITIONS, OPERATIONS, PATCHES, METHODS],
    doubts: &[DOUBTS],
    reasons: REASONS,
    ..Table::new(stack)
};

fn stack() -> stack::Config {
    let backoff = Backoff::exponential(Duration::from_secs(1)).max(Duration::from_secs(10));
    stack::Config::default()
        .total_timeout(Duration::from_secs(60))
        .attempt_timeout(Duration::from_secs(10))
        .retry(retry::Config::default().max_attempts(4).backoff(backoff.jitter(Jitter::Equal)))
}

static ANSWERS: &[Answer] = &[
    Answer::is(
        &[207],
        Verdict::Success,
        Ran::Yes,
        "some documents failed: judge the status of each as a reason, and send those again that pass",
    ),
    Answer::is(&[503], Verdict::Overload, Ran::NoWithWait, "too much at once"),
];

static OPERATIONS: &[Operation] = &[
    Operation::new(
        "POST `docs/index`",
        |call| call.is(Method::Post) && is_on_documents(call, "index"),
        Repeat::Idempotent,
        "documents are put, merged and deleted by their keys",
    ),
    Operation::new(
        "POST `docs/search`, `docs/suggest`, `docs/autocomplete`, `analyze`",
        |call| {
            call.is(Method::Post)
                && (is_on_documents(call, "search")
                    || is_on_documents(call, "search.post.search")
                    || is_on_documents(call, "suggest")
                    || is_on_documents(call, "autocomplete")
                    || call.segment(0).is_some_and(|last| last_word(last) == "analyze"))
        },
        Repeat::Idempotent,
        "a read with a body",
    ),
];

/// What stands for each document in a `207`.
static REASONS: &[Reason] = &[
    Reason::new(&["200", "201"], Outcome::Success, Executed::Yes, "indexed"),
    Reason::new(
        &["409", "422", "429", "503"],
        Outcome::Overload { retry_after: None },
        Executed::No,
        "send this document again, and those that worked not",
    ),
    Reason::new(&["400", "404"], Outcome::Permanent, Executed::No, "the document is wrong"),
];

/// `/docs/index`, and `/docs/search.index` as the SDKs write it.
fn is_on_documents(call: &Call<'_>, action: &str) -> bool {
    let last = call.segment(0).unwrap_or_default();
    let docs = call.segment(1).unwrap_or_default();
    docs.eq_ignore_ascii_case("docs")
        && (last.eq_ignore_ascii_case(action)
            || last.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("search."))
                && last_word(last).eq_ignore_ascii_case(last_word(action)))
}

fn last_word(segment: &str) -> &str {
    segment.rsplit('.').next().unwrap_or(segment)
}
