//! Azure OpenAI: what it promises and what to do about it.
//!
//! # Example
//!
//! ```
//! use std::time::{Duration, SystemTime};
//!
//! use azure_core::http::headers::Headers;
//! use azure_core::http::{Method, Request, StatusCode, Url};
//! use seawall::Outcome;
//! use seawall::azure::Contract;
//! use seawall::replay::Safety;
//!
//! let open_ai = Contract::open_ai();
//!
//! let mut headers = Headers::new();
//! headers.insert("retry-after-ms", "320");
//! headers.insert("retry-after", "1");
//! let full = open_ai.judge(StatusCode::TooManyRequests, &headers, SystemTime::now());
//! let wait = Some(Duration::from_millis(320));
//! assert_eq!(full, Outcome::Overload { retry_after: wait });
//!
//! let url = Url::parse("https://a.openai.azure.com/openai/deployments/d/chat/completions")?;
//! let question = Request::new(url, Method::Post);
//! assert_eq!(open_ai.safety(&question), Safety::Idempotent);
//! assert_eq!(open_ai.repeat_inference(false).safety(&question), Safety::Unsafe);
//! # Ok::<(), azure_core::Error>(())
//! ```
//!
//! # What to do
//!
//! - One stack per deployment: each has a quota of its own, and one that is full says nothing of the
//!   others.
//! - Take the wait that it names, and no fixed one.
//! - For who waits at a screen: one repeat, then something simpler. For work in the background: a
//!   queue, and no task that sleeps.
//! - A 408 comes from the queue in front of provisioned throughput. Another deployment may be free.
//! - A refused content is refused again.
//!
//! A question changes nothing, so it may be asked twice. It is paid for twice, too, if the first
//! answer was lost: at most one call in ten, as the budget of repeats has it.
//! [`repeat_inference(false)`](crate::azure::Contract::repeat_inference) repeats only what has
//! certainly not been answered. What is kept (`responses`, threads, files, batches) is never asked
//! twice by itself.
//!
//! # What its answers mean
//!
//! The first row that fits counts. *Executed* is whether the call that was answered so may have taken
//! effect: what certainly has not is safe to send again, whatever it is. A *wait* is any of
//! [`Retry-After`'s family](crate::http::retry_after()).
//!
//! | answer | means | executed | because |
//! |---|---|---|---|
//! | from 400 with `AuthenticationFailed`, `AuthorizationFailure`, `AuthorizationPermissionMismatch`, `InvalidAuthenticationInfo` | permanent | no | who asks does not change by waiting |
//! | from 400 with `ServerBusy` | overload | no | the service turns the call away before it is executed |
//! | from 400 with `InternalError`, `OperationTimedOut` | transient; overload with a wait | maybe | passes on any status |
//! | from 400 with `content_filter`, `content_policy_violation`, `ResponsibleAIPolicyViolation` | permanent | no | the same words are refused again |
//! | from 400 with `insufficient_quota` | permanent | no | used up until somebody pays |
//! | 408 | overload | no | timed out in the queue of the provisioned throughput: spill over, or come back |
//! | below 400 | success | yes | an answer |
//! | 401 | permanent | no | a challenge: the policy that signs answers it, and the service is well |
//! | 408 | transient; overload with a wait | maybe | the service ran out of time |
//! | 425, 449 | overload | no | the service wants the same call again, a little later |
//! | 429 | overload | no | throttled |
//! | 403, 409, 413, 423 | permanent; overload with a wait | no | stands in the way of this call, until the service names an end |
//! | other 400 to 499 | permanent | no | the call is wrong, the service well |
//! | 501, 505, 506, 507, 508, 510, 511 | permanent | no | can not be done, now or later |
//! | 503 | transient; overload with a wait | maybe; no with a wait | down, or full if it says when to come back |
//! | 509 | overload | no | bandwidth used up |
//! | other from 500 | transient; overload with a wait | maybe | the service failed, half-way maybe |
//!
//! # What may be sent twice
//!
//! Unless a call says otherwise itself. The first row that fits counts.
//!
//! | request | may be sent twice | because |
//! |---|---|---|
//! | GET, HEAD | idempotent | changes nothing |
//! | `Repeatability-Request-ID` and `Repeatability-First-Sent` | keyed | the service recognises the second one; `x-ms-client-request-id` is for logs only |
//! | a write, `If-None-Match: *` | unsafe | if not exists: the repeat of a success is answered 409 or 412 |
//! | a write, `If-Match` with a tag, `If-Unmodified-Since`, `x-ms-if-tags` | unsafe | the first one moves the version on: the repeat of a success is answered 412 |
//! | POST `completions`, `embeddings`, `moderations`, `images/..`, `audio/..` | idempotent | changes nothing and costs tokens; `repeat_inference(false)` forbids it |
//! | PATCH, `Content-Type: application/merge-patch+json` | idempotent | sets the values that it names |
//! | other PUT, DELETE | idempotent | a whole value, set or gone |
//! | POST `oauth2/token`, `oauth2/v2.0/token` | idempotent | another token, and the first is thrown away |
//! | any other | unsafe | may act twice |
//!
//! # What is no answer to a repeat
//!
//! When nobody saw how the first attempt ended, these may tell of the first and not of the repeat.
//!
//! | repeat of | answers that may be due to the first | because |
//! |---|---|---|
//! | GET, HEAD | none | an answer is an answer |
//! | DELETE | 404, 409, 410, 412 | gone by the first one, or on its way |
//! | any other | 409, 412 | there by the first one, or moved on |
//!
//! # How often, and how long
//!
//! ```
//! use seawall::azure::Contract;
//!
//! let stack = Contract::open_ai().stack().build()?;
//! assert_eq!(
//!     stack.describe().to_string(),
//!     "\
//! open_ai
//!   total timeout    120s
//!   rate limit       none
//!   retry            2 attempts, waits 1s x2 to 10s, equal jitter, budget 10% of calls and 1/s, over 10s
//!   circuit breaker  opens when 50% of 20 calls or more in 120s fail, or 90% of the newest; open 4s, 3 probes, back within 2s
//!   attempt timeout  60s
//!   bulkhead         1000 calls at a time
//! "
//! );
//! # Ok::<(), seawall::error::InvalidConfig>(())
//! ```
//!
//! Long answers need a longer attempt; ones that are streamed are over with their body.
