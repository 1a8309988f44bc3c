//! Tokens: what Microsoft Entra ID and managed identities promise, and how to go on without them.
//!
//! Every request to a service of Azure carries a token. It is good for an hour to a day, so that an
//! outage of what issues tokens need not be one of what takes them: as long as the next token is
//! asked for early, and the one that is there is used to its end.
//!
//! # What they promise
//!
//! Entra ID, of whose rows the first that fits counts:
//!
//! | answer | means | executed | because |
//! |---|---|---|---|
//! | from 400 with `AuthenticationFailed`, `AuthorizationFailure`, `AuthorizationPermissionMismatch`, `InvalidAuthenticationInfo` | permanent | no | who asks does not change by waiting |
//! | from 400 with `ServerBusy` | overload | no | the service turns the call away before it is executed |
//! | from 400 with `InternalError`, `OperationTimedOut` | transient; overload with a wait | maybe | passes on any status |
//! | below 400 | success | yes | a token |
//! | 429 | overload | no | throttled |
//! | other 400 to 499 | permanent | no | the secret, the scope or the tenant is wrong |
//! | other from 500 | transient; overload with a wait | maybe | passes; a token that is issued twice does no harm |
//!
//! It says with `Retry-After` when to come back after a 429. What passes is asked again after 5 s at
//! the earliest, and later each time.
//!
//! The service of a virtual machine:
//!
//! | answer of the metadata service | means | what to do |
//! |---|---|---|
//! | 200 | a token; the service keeps it, and gives it out again until it is almost over | keep it, too |
//! | 404, 410 | it is being started, or updated for up to 70 s | again, within that time |
//! | 429 | more than 20 requests a second, or 5 at a time, of the whole machine | again, later |
//! | 500 and above | for a moment | again |
//! | no connection | this is no virtual machine of Azure | nothing |
//!
//! # What may be sent twice
//!
//! To ask for a token changes nothing, so it is safe to repeat, `POST` or not.
//!
//! | request | may be sent twice | because |
//! |---|---|---|
//! | GET, HEAD | idempotent | changes nothing |
//! | `Repeatability-Request-ID` and `Repeatability-First-Sent` | keyed | the service recognises the second one; `x-ms-client-request-id` is for logs only |
//! | a write, `If-None-Match: *` | unsafe | if not exists: the repeat of a success is answered 409 or 412 |
//! | a write, `If-Match` with a tag, `If-Unmodified-Since`, `x-ms-if-tags` | unsafe | the first one moves the version on: the repeat of a success is answered 412 |
//! | PATCH, `Content-Type: application/merge-patch+json` | idempotent | sets the values that it names |
//! | other PUT, DELETE | idempotent | a whole value, set or gone |
//! | POST `oauth2/token`, `oauth2/v2.0/token` | idempotent | another token, and the first is thrown away |
//! | any other | unsafe | may act twice |
//!
//! | repeat of | answers that may be due to the first | because |
//! |---|---|---|
//! | GET, HEAD | none | an answer is an answer |
//! | DELETE | 404, 409, 410, 412 | gone by the first one, or on its way |
//! | any other | 409, 412 | there by the first one, or moved on |
//!
//! # What the SDK does
//!
//! | who | does | so that |
//! |---|---|---|
//! | a client's own cache | asks anew from 5 minutes before the end, with each request, one after the other | each request takes as long as the failing attempt before it and its own |
//! | the cache of `azure_identity` | the same, behind a lock of its own, and forgets the good token when it fails | all wait for its repeats, of more than a minute |
//! | the credential of a virtual machine | repeats for 72 s, whatever the options of its client say | any repeat on top of it multiplies |
//!
//! # What to do
//!
//! Put one [`Credential`] of this crate before the one of the SDK, and give it to all clients:
//!
//! ```
//! use std::sync::Arc;
//!
//! use azure_core::credentials::TokenCredential;
//! use seawall::azure::Credential;
//! use seawall::health::Registry;
//!
//! fn for_all_clients(
//!     inner: Arc<dyn TokenCredential>,
//!     registry: &Registry,
//! ) -> Result<Arc<dyn TokenCredential>, seawall::error::InvalidConfig> {
//!     let credential = Credential::builder().name("entra").build(inner)?;
//!     registry.add(credential.check())?;
//!     Ok(Arc::new(credential))
//! }
//! # let _ = for_all_clients;
//! ```
//!
//! It asks for the next token 15 to 18 minutes ahead: before either cache of the SDK begins to, so
//! that neither lock is ever waited for. Where what it wraps keeps tokens as well, it gets the same
//! one again and asks later. One try is one call of what it wraps, and its repeats are not
//! multiplied.
//!
//! | look at | it means |
//! |---|---|
//! | its check is degraded | tokens are not renewed; there is time until the one that it has ends, which it observes |
//! | its check is down | calls fail. Is a secret over, or the endpoint away? Its status is in the detail |
//! | it says that tokens have ended when they come | the clock of this machine goes wrong |
//!
//! A policy for what asks for tokens itself is made of
//! [`Contract::identity`](crate::azure::Contract::identity), or where a virtual machine's own
//! service is asked of [`Contract::managed_identity`](crate::azure::Contract::managed_identity),
//! which repeats nothing.
//!
//! [`Credential`]: crate::azure::Credential
