//! Key Vault: secrets, keys and certificates, what it promises and what to do about it.
//!
//! # Example
//!
//! ```
//! use azure_core::http::{Method, Request, Url};
//! use seawall::azure::Contract;
//! use seawall::replay::Safety;
//!
//! let url = Url::parse("https://orders.vault.azure.net/secrets/password?api-version=7.6")?;
//! let set_secret = Request::new(url, Method::Put);
//!
//! // Each makes another version, so it is not repeated once it may have been executed ...
//! assert_eq!(Contract::key_vault().safety(&set_secret), Safety::Unsafe);
//!
//! // ... unless another version of the same value does no harm.
//! let contract = Contract::key_vault().repeat_versions(true);
//! assert_eq!(contract.safety(&set_secret), Safety::Idempotent);
//! # Ok::<(), azure_core::Error>(())
//! ```
//!
//! # What to do
//!
//! - Keep secrets in memory, and read them again when they fail or once in hours. A vault answers
//!   some thousand reads in 10 seconds, and all vaults of a subscription five times as many.
//! - One client, one stack and one credential per vault and process: they share what is throttled.
//! - The first request of a client is answered 401. It goes without token and body, and asks which
//!   token is wanted. It is no failure.
//! - A vault whose region is lost is read-only in the paired region. Reads go on, writes are refused.
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
//! | from 400 with `ObjectIsBeingDeleted`, `ObjectIsBeingRecovered` | overload | no | a matter of seconds |
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
//! | PUT `/secrets/{name}`, `/keys/{name}` | unsafe | another version each time; `repeat_versions` allows it |
//! | POST `create`, `import`, `rotate` | unsafe | another version each time; `repeat_versions` allows it |
//! | POST `encrypt`, `decrypt`, `sign`, `verify`, `wrapkey`, `unwrapkey`, `release` | idempotent | computes, and keeps nothing |
//! | POST `backup`, `rng` | idempotent | a read with a body |
//! | POST `recover` | idempotent | back, once and for all |
//! | PATCH | idempotent | sets the attributes that it names |
//! | `Repeatability-Request-ID` and `Repeatability-First-Sent` | keyed | the service recognises the second one; `x-ms-client-request-id` is for logs only |
//! | a write, `If-None-Match: *` | unsafe | if not exists: the repeat of a success is answered 409 or 412 |
//! | a write, `If-Match` with a tag, `If-Unmodified-Since`, `x-ms-if-tags` | unsafe | the first one moves the version on: the repeat of a success is answered 412 |
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
//! | POST `recover` | 404, 409 | the first one brought it back |
//! | GET, HEAD | none | an answer is an answer |
//! | DELETE | 404, 409, 410, 412 | gone by the first one, or on its way |
//! | any other | 409, 412 | there by the first one, or moved on |
//!
//! # How often, and how long
//!
//! ```
//! use seawall::azure::Contract;
//!
//! let stack = Contract::key_vault().stack().build()?;
//! assert_eq!(
//!     stack.describe().to_string(),
//!     "\
//! key_vault
//!   total timeout    100s
//!   rate limit       none
//!   retry            6 attempts, waits 2s x2 to 32s, equal jitter, budget 10% of calls and 1/s, over 10s
//!   circuit breaker  opens when 50% of 20 calls or more in 10s fail, or 90% of the newest; open 4s, 3 probes, back within 2s
//!   attempt timeout  5s
//!   bulkhead         1000 calls at a time
//! "
//! );
//! # Ok::<(), seawall::error::InvalidConfig>(())
//! ```
//!
//! The service asks for waits of 1, 2, 4, 8 and 16 s. With this jitter, each of those is the least
//! that is waited. A caller that can not wait for so long has a deadline of his own, and gets the
//! service's answer as soon as no further attempt fits before it.
