//! What a credential has done so far, in numbers.

use std::time::Duration;

/// What a [`Credential`](super::Credential) has done so far, and how it stands.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use seawall::azure::credential::{Credential, Figures};
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
/// #         std::future::pending().await
/// #     }
/// # }
///
/// let credential = Credential::new(Arc::new(Inner));
///
/// let figures: Figures = credential.figures();
/// assert_eq!((figures.refreshes, figures.failures, figures.in_flight), (0, 0, 0));
/// assert_eq!(figures.left, None);
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Figures {
    /// Tries that brought a token.
    pub refreshes: u64,
    /// Those of them that brought nothing better than what was there.
    pub unchanged: u64,
    /// Tries that failed.
    pub failures: u64,
    /// Sets of scopes that are kept.
    pub scope_sets: usize,
    /// Those of them for which a try is under way.
    pub in_flight: usize,
    /// Those that have a token, and whose last try failed.
    pub stale: usize,
    /// Those that have no token, and whose last try failed.
    pub failed: usize,
    /// Those for which tokens are issued that have ended already: a clock is wrong.
    pub useless: usize,
    /// Tries that failed one after the other, for the set of scopes where these are the most.
    pub failures_in_a_row: u64,
    /// How long ago the oldest token came.
    pub age: Option<Duration>,
    /// How long the token lasts that ends first.
    pub left: Option<Duration>,
}
