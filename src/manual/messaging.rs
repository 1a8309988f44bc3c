//! Service Bus and Event Hubs: what they promise and what to do about it.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//!
//! use seawall::Outcome;
//! use seawall::azure::Contract;
//! use seawall::azure::contract::Executed;
//!
//! let bus = Contract::service_bus();
//!
//! // It wants to be left alone for ten seconds, by all that use this client.
//! let busy = bus.judge_code("ServiceBusy");
//! let wait = Some(Duration::from_secs(10));
//! assert_eq!(busy, Some(Outcome::Overload { retry_after: wait }));
//!
//! // The message may be there, or not.
//! assert_eq!(bus.judge_code("ServiceTimeout"), Some(Outcome::Transient));
//! assert_eq!(bus.executed_code("ServiceTimeout"), Some(Executed::MayBe));
//! ```
//!
//! # What to do
//!
//! - Switch the client's own retry off, or set it to none, and put a stack around each send and
//!   receive: [`Stack::run`](crate::stack::Stack::run). One stack per namespace, shared by all senders,
//!   so that a busy service is left alone by all of them.
//! - A send whose end nobody saw is sent twice only with duplicate detection, and a message id of your
//!   own. Receivers must bear with a message that comes twice in any case.
//! - A lost lock means that somebody else gets the message. Throw it away, whatever was done with it.
//! - A link that was idle for ten minutes is closed. It opens again with the next call.
//! - What is delivered ten times and never completed goes to the dead-letter queue.
//! - For who waits at a screen, two repeats within a second; in the background, some more within a
//!   quarter of a minute.
//!
//! # What Service Bus says
//!
//! By its name, or by the condition of AMQP.
//!
//! | reason | means | executed | because |
//! |---|---|---|---|
//! | `ServiceBusy` | overload, 10s | no | no call on this client for 10 s |
//! | `ServerBusy` | overload, 10s | no | no call on this client for 10 s |
//! | `com.microsoft:server-busy` | overload, 10s | no | no call on this client for 10 s |
//! | `ServiceTimeout` | transient | maybe | nobody knows how it ended |
//! | `com.microsoft:timeout` | transient | maybe | nobody knows how it ended |
//! | `GeneralError` | transient | maybe | passes, mostly |
//! | `ServiceCommunicationProblem` | transient | maybe | passes, mostly |
//! | `amqp:internal-error` | transient | maybe | passes, mostly |
//! | `amqp:connection:forced` | transient | maybe | passes, mostly |
//! | `amqp:connection:framing-error` | transient | maybe | passes, mostly |
//! | `amqp:link:detach-forced` | transient | maybe | idle for 10 minutes, or an upgrade: opens again |
//! | `com.microsoft:container-close` | transient | maybe | idle for 10 minutes, or an upgrade: opens again |
//! | `MessageLockLost` | permanent | no | throw it away and receive it again |
//! | `SessionLockLost` | permanent | no | throw it away and receive it again |
//! | `com.microsoft:message-lock-lost` | permanent | no | throw it away and receive it again |
//! | `com.microsoft:session-lock-lost` | permanent | no | throw it away and receive it again |
//! | `com.microsoft:message-not-found` | permanent | no | throw it away and receive it again |
//! | `MessageNotFound` | permanent | no | throw it away and receive it again |
//! | `SessionCannotBeLocked` | permanent | no | somebody else has the session: take another |
//! | `com.microsoft:session-cannot-be-locked` | permanent | no | somebody else has the session: take another |
//! | `QuotaExceeded` | permanent | no | full until somebody receives |
//! | `amqp:resource-limit-exceeded` | permanent | no | full until somebody receives |
//! | `MessageSizeExceeded` | permanent | no | too large |
//! | `MessageSizeExceededException` | permanent | no | too large |
//! | `amqp:link:message-size-exceeded` | permanent | no | too large |
//! | `MessagingEntityNotFound` | permanent | no | a matter of who sets it up |
//! | `MessagingEntityDisabled` | permanent | no | a matter of who sets it up |
//! | `MessagingEntityAlreadyExists` | permanent | no | a matter of who sets it up |
//! | `amqp:not-found` | permanent | no | a matter of who sets it up |
//! | `com.microsoft:entity-disabled` | permanent | no | a matter of who sets it up |
//! | `com.microsoft:entity-already-exists` | permanent | no | a matter of who sets it up |
//! | `Unauthorized` | permanent | no | not allowed, or the token is too old |
//! | `amqp:unauthorized-access` | permanent | no | not allowed, or the token is too old |
//! | `com.microsoft:auth-failed` | permanent | no | not allowed, or the token is too old |
//! | `com.microsoft:argument-error` | permanent | no | the call is wrong |
//! | `com.microsoft:argument-out-of-range` | permanent | no | the call is wrong |
//! | `amqp:not-allowed` | permanent | no | the call is wrong |
//!
//! # What Event Hubs say
//!
//! | reason | means | executed | because |
//! |---|---|---|---|
//! | `ServiceBusy` | overload, 10s | no | no call on this client for 10 s |
//! | `ServerBusy` | overload, 10s | no | no call on this client for 10 s |
//! | `50002` | overload, 10s | no | no call on this client for 10 s |
//! | `com.microsoft:server-busy` | overload, 10s | no | no call on this client for 10 s |
//! | `ServiceTimeout` | transient | maybe | nobody knows how it ended |
//! | `com.microsoft:timeout` | transient | maybe | nobody knows how it ended |
//! | `GeneralError` | transient | maybe | passes, mostly |
//! | `ServiceCommunicationProblem` | transient | maybe | passes, mostly |
//! | `amqp:internal-error` | transient | maybe | passes, mostly |
//! | `amqp:connection:forced` | transient | maybe | passes, mostly |
//! | `amqp:connection:framing-error` | transient | maybe | passes, mostly |
//! | `amqp:link:detach-forced` | transient | maybe | idle, or an upgrade: opens again |
//! | `com.microsoft:container-close` | transient | maybe | idle, or an upgrade: opens again |
//! | `ConsumerDisconnected` | permanent | no | another reader owns the partition now |
//! | `amqp:link:stolen` | permanent | no | another reader owns the partition now |
//! | `QuotaExceeded` | permanent | no | too many readers or connections |
//! | `amqp:resource-limit-exceeded` | permanent | no | too many readers or connections |
//! | `MessageSizeExceeded` | permanent | no | too large: make the batch smaller |
//! | `amqp:link:message-size-exceeded` | permanent | no | too large: make the batch smaller |
//! | `MessagingEntityNotFound` | permanent | no | a matter of who sets it up |
//! | `amqp:not-found` | permanent | no | a matter of who sets it up |
//! | `com.microsoft:entity-disabled` | permanent | no | a matter of who sets it up |
//! | `Unauthorized` | permanent | no | not allowed, or the token is too old |
//! | `amqp:unauthorized-access` | permanent | no | not allowed, or the token is too old |
//! | `com.microsoft:auth-failed` | permanent | no | not allowed, or the token is too old |
//! | `com.microsoft:publisher-revoked` | permanent | no | not allowed, or the token is too old |
//! | `com.microsoft:argument-error` | permanent | no | the call is wrong |
//! | `com.microsoft:argument-out-of-range` | permanent | no | the call is wrong |
//! | `amqp:not-allowed` | permanent | no | the call is wrong |
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
//! | DELETE `messages/head` | unsafe | takes a message away, and the repeat takes another |
//! | POST `messages/{id}/{lock}` | idempotent | renews a lock |
//! | `Repeatability-Request-ID` and `Repeatability-First-Sent` | keyed | the service recognises the second one; `x-ms-client-request-id` is for logs only |
//! | a write, `If-None-Match: *` | unsafe | if not exists: the repeat of a success is answered 409 or 412 |
//! | a write, `If-Match` with a tag, `If-Unmodified-Since`, `x-ms-if-tags` | unsafe | the first one moves the version on: the repeat of a success is answered 412 |
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
//! Service Bus:
//!
//! ```
//! use seawall::azure::Contract;
//!
//! let stack = Contract::service_bus().stack().build()?;
//! assert_eq!(
//!     stack.describe().to_string(),
//!     "\
//! service_bus
//!   total timeout    90s
//!   rate limit       none
//!   retry            4 attempts, waits 800ms x2 to 60s, equal jitter, budget 10% of calls and 1/s, over 10s
//!   circuit breaker  opens when 50% of 20 calls or more in 40s fail, or 90% of the newest; open 4s, 3 probes, back within 2s
//!   attempt timeout  20s
//!   bulkhead         1000 calls at a time
//! "
//! );
//! # Ok::<(), seawall::error::InvalidConfig>(())
//! ```
//!
//! Event Hubs:
//!
//! ```
//! use seawall::azure::Contract;
//!
//! let stack = Contract::event_hubs().stack().build()?;
//! assert_eq!(
//!     stack.describe().to_string(),
//!     "\
//! event_hubs
//!   total timeout    60s
//!   rate limit       none
//!   retry            8 attempts, waits 200ms x2 to 30s, equal jitter, budget 10% of calls and 1/s, over 10s
//!   circuit breaker  opens when 50% of 20 calls or more in 40s fail, or 90% of the newest; open 4s, 3 probes, back within 2s
//!   attempt timeout  20s
//!   bulkhead         1000 calls at a time
//! "
//! );
//! # Ok::<(), seawall::error::InvalidConfig>(())
//! ```
