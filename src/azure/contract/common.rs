//! What all services over HTTP have in common.

use azure_core::http::Method;
use azure_core::http::headers::HeaderName;

use super::super::classify::{Answer, Doubt, Operation, Ran, Repeat, Verdict, reads};

/// Answers whose code says more than their status. Before a service's own rows.
pub(super) static CODES: &[Answer] = &[
    Answer::code(
        &[
            "AuthenticationFailed",
            "AuthorizationFailure",
            "AuthorizationPermissionMismatch",
            "InvalidAuthenticationInfo",
        ],
        Verdict::Permanent,
        Ran::No,
        "who asks does not change by waiting",
    ),
    Answer::code(
        &["ServerBusy"],
        Verdict::Overload,
        Ran::No,
        "the service turns the call away before it is executed",
    ),
    Answer::code(
        &["InternalError", "OperationTimedOut"],
        Verdict::Transient,
        Ran::MayBe,
        "passes on any status",
    ),
];

/// Answers whose source, for calls that copy from another service, is to blame.
pub(super) static SOURCES: &[Answer] = &[
    Answer::source(
        &["ServerBusy"],
        Verdict::Wait,
        Ran::No,
        "there was nothing to copy yet; the service that answers is well",
    ),
    Answer::source(
        &["InternalError", "OperationTimedOut"],
        Verdict::Wait,
        Ran::MayBe,
        "the source failed; the service that answers is well",
    ),
];

/// Answers by status. After a service's own rows; some row fits every answer.
pub(super) static STATUSES: &[Answer] = &[
    Answer::below(400, Verdict::Success, Ran::Yes, "an answer"),
    Answer::is(
        &[401],
        Verdict::Permanent,
        Ran::No,
        "a challenge: the policy that signs answers it, and the service is well",
    ),
    Answer::is(&[408], Verdict::Transient, Ran::MayBe, "the service ran out of time"),
    Answer::is(
        &[425, 449],
        Verdict::Wait,
        Ran::No,
        "the service wants the same call again, a little later",
    ),
    Answer::is(&[429], Verdict::Overload, Ran::No, "throttled"),
    Answer::is(
        &[403, 409, 413, 423],
        Verdict::Held,
        Ran::No,
        "stands in the way of this call, until the service names an end",
    ),
    Answer::within(400, 499, Verdict::Permanent, Ran::No, "the call is wrong, the service well"),
    Answer::is(
        &[501, 505, 506, 507, 508, 510, 511],
        Verdict::Permanent,
        Ran::No,
        "can not be done, now or later",
    ),
    Answer::is(
        &[503],
        Verdict::Transient,
        Ran::NoWithWait,
        "down, or full if it says when to come back",
    ),
    Answer::is(&[509], Verdict::Overload, Ran::No, "bandwidth used up"),
    Answer::from(500, Verdict::Transient, Ran::MayBe, "the service failed, half-way maybe"),
];

/// Before all others.
pub(super) static READ: &[Operation] =
    &[Operation::new("GET, HEAD", reads, Repeat::Idempotent, "changes nothing")];

/// Requests that carry what makes them safe, or what makes a repeat fail. After what a service
/// knows better by itself.
pub(super) static CONDITIONS: &[Operation] = &[
    Operation::new(
        "`Repeatability-Request-ID` and `Repeatability-First-Sent`",
        |call| {
            call.header(&REPEATABILITY_ID).is_some() && call.header(&REPEATABILITY_SENT).is_some()
        },
        Repeat::Keyed,
        "the service recognises the second one; `x-ms-client-request-id` is for logs only",
    ),
    Operation::new(
        "a write, `If-None-Match: *`",
        |call| call.header_is(&IF_NONE_MATCH, "*"),
        Repeat::Unsafe,
        "if not exists: the repeat of a success is answered 409 or 412",
    ),
    Operation::new(
        "a write, `If-Match` with a tag, `If-Unmodified-Since`, `x-ms-if-tags`",
        |call| {
            call.header(&IF_MATCH).is_some_and(|tag| tag != "*")
                || call.header(&IF_UNMODIFIED).is_some()
                || call.header(&IF_TAGS).is_some()
        },
        Repeat::Unsafe,
        "the first one moves the version on: the repeat of a success is answered 412",
    ),
];

/// Where PATCH is safe only if it says so. Before [`METHODS`].
pub(super) static PATCHES: &[Operation] = &[Operation::new(
    "PATCH, `Content-Type: application/merge-patch+json`",
    |call| {
        call.is(Method::Patch)
            && call.header(&CONTENT_TYPE).is_some_and(|value| {
                let essence = value.split(';').next().unwrap_or_default().trim_ascii();
                essence.eq_ignore_ascii_case("application/merge-patch+json")
            })
    },
    Repeat::Idempotent,
    "sets the values that it names",
)];

/// Requests by their method. Some row fits every request.
pub(super) static METHODS: &[Operation] = &[
    Operation::new(
        "other PUT, DELETE",
        |call| call.is(Method::Put) || call.is(Method::Delete),
        Repeat::Idempotent,
        "a whole value, set or gone",
    ),
    Operation::new(
        "POST `oauth2/token`, `oauth2/v2.0/token`",
        |call| {
            call.is(Method::Post)
                && (call.ends_with(&["oauth2", "token"])
                    || call.ends_with(&["oauth2", "*", "token"]))
        },
        Repeat::Idempotent,
        "another token, and the first is thrown away",
    ),
    Operation::new("any other", |_| true, Repeat::Unsafe, "may act twice"),
];

/// Answers to a repeat that an earlier attempt may be the cause of.
pub(super) static DOUBTS: &[Doubt] = &[
    Doubt::new("GET, HEAD", reads, &[], "an answer is an answer"),
    Doubt::new(
        "DELETE",
        |call| call.is(Method::Delete),
        &[404, 409, 410, 412],
        "gone by the first one, or on its way",
    ),
    Doubt::new("any other", |_| true, &[409, 412], "there by the first one, or moved on"),
];

static CONTENT_TYPE: HeaderName = HeaderName::from_static("content-type");
static IF_MATCH: HeaderName = HeaderName::from_static("if-match");
static IF_NONE_MATCH: HeaderName = HeaderName::from_static("if-none-match");
static IF_TAGS: HeaderName = HeaderName::from_static("x-ms-if-tags");
static IF_UNMODIFIED: HeaderName = HeaderName::from_static("if-unmodified-since");
static REPEATABILITY_ID: HeaderName = HeaderName::from_static("repeatability-request-id");
static REPEATABILITY_SENT: HeaderName = HeaderName::from_static("repeatability-first-sent");
