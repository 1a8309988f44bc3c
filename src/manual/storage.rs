//! Storage accounts: blobs, queues, tables and files, what they promise and what to do about it.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//!
//! use azure_core::http::{Method, Request, Url};
//! use seawall::azure::storage::ReadAccess;
//! use seawall::azure::{Contract, Resilience};
//! use seawall::replay::Safety;
//!
//! let url = Url::parse("https://orders.blob.core.windows.net/log/today?comp=appendblock")?;
//! let append = Request::new(url, Method::Put);
//!
//! // A lost answer to it leaves the caller in doubt, and not the blob with two of them.
//! assert_eq!(Contract::storage().safety(&append), Safety::Unsafe);
//!
//! // Reads that go on while the region does not.
//! let access = ReadAccess::new().hold(Duration::from_secs(120));
//! let orders = Resilience::storage("orders").read_access(access).build()?;
//! # let _ = orders;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What to do
//!
//! - One [`Resilience`](crate::azure::Resilience) per account and process, for all of its clients.
//! - With RA-GRS or RA-GZRS, switch on [`read_access`](crate::azure::storage), and show how old an answer
//!   may be: `x-resilience-last-sync` says up to when the secondary has everything.
//! - Give a shorter attempt timeout where reads are small. The default leaves time for a part of 4 MiB on
//!   a slow line, and a primary that hangs, instead of refusing, costs a read one such time before the
//!   secondary is asked; after some of them, reads begin there.
//! - Write with an identity that can be found again: metadata with a number of your own, and a
//!   [`verify`](crate::azure::CallOptions::verify) that looks for it. An upload that must not overwrite,
//!   whose answer was lost, is answered 409 when it is repeated; who sent it can not tell.
//! - Propose a lease's id, so that a repeat of a lost acquire succeeds instead of locking its own sender
//!   out. [Leadership](crate::lease) does.
//! - Keep pages of a list, a copy and the looks at it, and conditions with what they came from
//!   [together](crate::azure::storage::Pin).
//! - After a failover of the account there is no secondary until geo-redundancy is switched on again. Its
//!   name vanishes, and it is left alone; writes of the last minutes may be lost.
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
//! | from 400 whose source said `ServerBusy` | overload | no | there was nothing to copy yet; the service that answers is well |
//! | from 400 whose source said `InternalError`, `OperationTimedOut` | overload | maybe | the source failed; the service that answers is well |
//! | from 400 with `AccountBeingCreated`, `SnapshotOperationRateExceeded` | overload | no | the account is not ready for more |
//! | from 400 with `ContainerBeingDeleted`, `ContainerBeingDisabled`, `QueueBeingDeleted`, `ShareBeingDeleted`, `TableBeingDeleted` | overload | no | the name is free in half a minute or more |
//! | from 400 with `LeaseAlreadyPresent` | permanent | no | somebody holds it, for up to a minute or for good: that is the answer |
//! | from 400 with `PreviousSnapshotOperationInProgress`, `ShareSnapshotInProgress` | overload | no | another one is at it |
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
//! A 404 or 412 of the secondary is no answer: it may only be behind.
//!
//! # What may be sent twice
//!
//! Unless a call says otherwise itself. The first row that fits counts.
//!
//! | request | may be sent twice | because |
//! |---|---|---|
//! | GET, HEAD | idempotent | changes nothing; messages that a lost answer held come back by themselves |
//! | PUT `comp=appendblock`, with `x-ms-blob-condition-appendpos` | keyed | appends at this place only: the repeat of a success is answered 412 |
//! | PUT `comp=appendblock` | unsafe | appends twice |
//! | lease: acquire, with `x-ms-proposed-lease-id` | keyed | the one who holds it may take it again |
//! | lease: renew, change, release | idempotent | by the id of the holder: nobody else's is touched |
//! | lease: acquire, break, any other | unsafe | the second acquire finds the first one's lease; the second break may hit the next holder's |
//! | PUT `comp=snapshot` | unsafe | another snapshot each time |
//! | PUT, `x-ms-sequence-number-action: increment` | unsafe | counts twice |
//! | PUT with `popreceipt` | unsafe | the answer holds the next receipt, and the repeat of a success is refused |
//! | POST `comp=userdelegationkey`, `comp=query` | idempotent | a read with a body |
//! | PATCH of an entity, without a condition or `If-Match: *` | idempotent | sets the properties that it names |
//! | PATCH `action=append`, `action=flush`, with `position` | idempotent | writes at this place |
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
//! | lease: acquire, change, renew | none | the holder's repeat succeeds: who is refused holds nothing |
//! | PUT `comp=blocklist` | 400, 409, 412 | the first one used the blocks up |
//! | PUT with `popreceipt` | 400, 404, 409, 412 | the first one used the receipt up |
//! | DELETE with `popreceipt` | 400, 404, 409, 410, 412 | the first one took the message away |
//! | PUT with `x-ms-rename-source` | 404, 409, 412 | the first one moved it |
//! | GET, HEAD | none | an answer is an answer |
//! | DELETE | 404, 409, 410, 412 | gone by the first one, or on its way |
//! | any other | 409, 412 | there by the first one, or moved on |
//!
//! # How often, and how long
//!
//! ```
//! use seawall::azure::Contract;
//!
//! let stack = Contract::storage().stack().build()?;
//! assert_eq!(
//!     stack.describe().to_string(),
//!     "\
//! storage
//!   total timeout    100s
//!   rate limit       none
//!   retry            6 attempts, waits 2s x2 to 10s, equal jitter, budget 10% of calls and 1/s, over 10s
//!   circuit breaker  opens when 50% of 20 calls or more in 60s fail, or 90% of the newest; open 4s, 3 probes, back within 2s
//!   attempt timeout  30s
//!   bulkhead         1000 calls at a time
//! "
//! );
//! # Ok::<(), seawall::error::InvalidConfig>(())
//! ```
