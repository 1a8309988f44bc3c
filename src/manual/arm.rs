//! Azure Resource Manager: what it promises and what to do about it.
//!
//! # Example
//!
//! ```
//! use std::time::{Duration, SystemTime};
//!
//! use azure_core::http::StatusCode;
//! use azure_core::http::headers::Headers;
//! use seawall::Outcome;
//! use seawall::azure::Contract;
//!
//! // Too many calls: wait for as long as it says.
//! let mut headers = Headers::new();
//! headers.insert("retry-after", "17");
//! let now = SystemTime::now();
//! let throttled = Contract::arm().judge(StatusCode::TooManyRequests, &headers, now);
//! let wait = Some(Duration::from_secs(17));
//! assert_eq!(throttled, Outcome::Overload { retry_after: wait });
//!
//! // A resource that is being changed, which the body tells.
//! let code = Some("AnotherOperationInProgress");
//! let conflict =
//!     Contract::arm().judge_coded(StatusCode::Conflict, code, &Headers::new(), now);
//! assert_eq!(conflict, Outcome::Overload { retry_after: None });
//! ```
//!
//! # What to do
//!
//! - Keep it out of the way of requests. What is needed of it, read at the start and keep.
//! - A call that comes before its wait is over is refused with a new wait.
//! - Watch `x-ms-ratelimit-remaining-subscription-reads` and `-writes`: they say how many calls are
//!   left before it throttles.
//! - Some providers answer 429 for a conflict. The code tells it, and is in the body: an error of the
//!   SDK has it, an answer in the pipeline has it in
//!   [`judge_coded`](crate::azure::Contract::judge_coded).
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
//! | 409, 429 with `AnotherOperationInProgress`, `OperationInProgress`, `RetryableError`, `RetryableErrorDueToAnotherOperation` | overload | no | a conflict with what is going on with the resource, and no throttling |
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
//! | POST, path ends with `/list...`, `/checkNameAvailability`, `Microsoft.ResourceGraph/resources` | idempotent | a read with a body |
//! | PATCH | idempotent | sets the properties that it names |
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
//! let stack = Contract::arm().stack().build()?;
//! assert_eq!(
//!     stack.describe().to_string(),
//!     "\
//! arm
//!   total timeout    180s
//!   rate limit       none
//!   retry            4 attempts, waits 2s x2 to 30s, equal jitter, budget 10% of calls and 1/s, over 10s
//!   circuit breaker  opens when 50% of 20 calls or more in 60s fail, or 90% of the newest; open 4s, 3 probes, back within 2s
//!   attempt timeout  30s
//!   bulkhead         1000 calls at a time
//! "
//! );
//! # Ok::<(), seawall::error::InvalidConfig>(())
//! ```
