//! A token for every request, whether the token endpoint is up or not.
//!
//! [`Credential`] wraps any [`TokenCredential`] and is one: clients take it in place of the other.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
//! use azure_core::time::{Duration, OffsetDateTime};
//! use seawall::azure::Credential;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), azure_core::Error> {
//! // In place of one of `azure_identity`.
//! #[derive(Debug)]
//! struct Issuer;
//!
//! #[async_trait::async_trait]
//! impl TokenCredential for Issuer {
//!     async fn get_token(
//!         &self,
//!         _: &[&str],
//!         _: Option<TokenRequestOptions<'_>>,
//!     ) -> azure_core::Result<AccessToken> {
//!         Ok(AccessToken::new("a token", OffsetDateTime::now_utc() + Duration::hours(1)))
//!     }
//! }
//!
//! let credential: Arc<dyn TokenCredential> = Arc::new(Credential::new(Arc::new(Issuer)));
//!
//! let token = credential.get_token(&["https://storage.azure.com/.default"], None).await?;
//! assert_eq!(token.token.secret(), "a token");
//! # Ok(())
//! # }
//! ```
//!
//! # When to use it
//!
//! Before the credential of every client, one for all clients of a process. Without it, a token
//! endpoint that fails is felt by every request from five minutes before the token's end: each
//! waits for the failing refresh, one after the other, although the token is good.
//!
//! # How it decides
//!
//! | when | what happens |
//! |---|---|
//! | there is a token that has not ended | the call gets it, and waits for nothing |
//! | it ends soon, and was used | the next one is asked for in the background |
//! | that fails | the token goes on being used; the next try comes after a rest |
//! | the next one is the one that is there | no failure; it is asked for again after a quarter of what is left, from 1 s to 30 s |
//! | there is no token, or it has ended | one try is made, and all calls wait for it |
//! | there is none, and the last try failed within its rest | the call gets that failure, at once |
//! | a try takes too long, or panics | it failed |
//! | what is issued has ended already | who waited for it gets it, and it is not kept: a clock is wrong |
//!
//! All of that is for each set of scopes by itself, and of each there is one try at a time. One try
//! is one call of what is wrapped, whose own repeats are not multiplied. A rest is as long as the
//! failure's `Retry-After` says, or longer with each failure, and never shorter than
//! [`cool_down`](Config::cool_down).
//!
//! A try belongs to no call: it goes on where those who wait for it are dropped, it has no call's
//! deadline, and it does not see the `TokenRequestOptions` of any.
//!
//! A token that nobody asked for since it came is not renewed: then the task that renews it ends,
//! and the next call begins anew. The SDK asks at least once in each token's life.
//!
//! # Defaults
//!
//! | setting | default | why |
//! |---|---|---|
//! | `refresh_ahead` | 15 min | well before the 5 min of the SDK's caches, and longer than most failures of a token endpoint |
//! | `jitter` | 0.2 | processes that start together do not ask together |
//! | `cool_down` | 1 s | a token endpoint that is down sees one try a second at most |
//! | `max_cool_down` | 15 s | after a long failure the way back is short |
//! | `max_retry_after` | 5 min | a hint of hours does not outlast the token |
//! | `attempt_timeout` | 90 s | what is wrapped repeats for up to 81 s |
//! | `max_scope_sets` | 32 | a process has one per kind of service |
//!
//! # Runtimes
//!
//! The background is a task of the tokio runtime that the first call came from; where that ends,
//! the next call starts another. Outside of a runtime there is no background: a token is used to
//! its end, and who comes then waits.
//!
//! # Secrets
//!
//! No token is printed, logged, or part of an error, a check or a figure. One that has ended is
//! never given out again.
//!
//! # Cost
//!
//! A short lock, a look through the sets of scopes, two readings of clocks, and a clone of the
//! token.

mod config;
mod core;
mod error;
mod figures;
mod shared;

pub use config::Config;
pub use figures::Figures;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};

use self::shared::{Asked, Shared};
use crate::health::{Check, Finding};

/// A [`TokenCredential`] that gives out tokens while the one that it wraps fails.
///
/// A cheap handle: clones share their tokens. [The module's page](self) has an example, and says how
/// it decides.
#[derive(Clone)]
pub struct Credential {
    shared: Arc<Shared>,
}

impl Credential {
    /// Wraps `inner`, with the default settings.
    ///
    /// # Panics
    ///
    /// Never: the default settings make sense.
    #[must_use]
    pub fn new(inner: Arc<dyn TokenCredential>) -> Self {
        Self::builder().build(inner).expect("the default settings make sense")
    }

    /// Starts from the default settings.
    pub fn builder() -> Config {
        Config::default()
    }

    fn over(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// What it has done so far, and how it stands.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.shared.figures()
    }

    /// A check of it, with its name.
    ///
    /// It asks for nothing, and looks at what calls have led to: healthy if no try failed since the
    /// last that went well, degraded if one did and a token is left, down where none is. It
    /// observes how long the token lasts that ends first, in seconds.
    ///
    /// # Example
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use seawall::azure::Credential;
    /// use seawall::health::Finding;
    /// # use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
    /// # #[derive(Debug)]
    /// # struct Inner;
    /// # #[async_trait::async_trait]
    /// # impl TokenCredential for Inner {
    /// #     async fn get_token(
    /// #         &self,
    /// #         _: &[&str],
    /// #         _: Option<TokenRequestOptions<'_>>,
    /// #     ) -> azure_core::Result<AccessToken> {
    /// #         Err(azure_core::error::ErrorKind::Credential.into_error())
    /// #     }
    /// # }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// // One that always fails.
    /// let credential = Credential::new(Arc::new(Inner));
    /// assert!(credential.get_token(&["scope"], None).await.is_err());
    ///
    /// let finding = credential.check().run_once().await;
    /// assert_eq!(finding, Finding::down("no token: 1 failure"));
    /// # }
    /// ```
    pub fn check(&self) -> Check {
        let credential = self.clone();
        Check::new(self.name(), move || {
            let finding = credential.find();
            async move { finding }
        })
    }

    fn find(&self) -> Finding {
        let figures = self.figures();
        let status = self.shared.last_status();
        let status = status.map_or_else(String::new, |status| format!(", last status {status}"));
        let failures = |n: u64| if n == 1 { "failure" } else { "failures" };
        let finding = if figures.failed > 0 {
            let n = figures.failures_in_a_row;
            Finding::down(format_args!("no token: {n} {}{status}", failures(n)))
        } else if figures.useless > 0 {
            Finding::down("tokens have ended when they come: look at the clock of this machine")
        } else if figures.stale > 0 {
            let n = figures.failures_in_a_row;
            Finding::degraded(format_args!("not renewed: {n} {}{status}", failures(n)))
        } else {
            Finding::healthy()
        };
        match figures.left {
            Some(left) => finding.observed(left.as_secs_f64(), "s"),
            None => finding,
        }
    }
}

/// # Cancel safety
///
/// The future can be dropped at any time; a try that others wait for goes on.
#[async_trait]
impl TokenCredential for Credential {
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        match self.shared.ask(scopes) {
            Asked::Token(token) => Ok(token),
            Asked::Cooling(failure) => Err(error::copy(&failure)),
            Asked::Waits(flight) => flight.await.map_err(|failure| error::copy(&failure)),
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("name", &self.name()).finish_non_exhaustive()
    }
}
