//! What a caller says of one call.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use azure_core::http::{Context, RawResponse};

use crate::azure::storage::{Location, Pin as Place};
use crate::replay::{Safety, Verified};

/// What the caller of an SDK method wants of this one call, in the SDK's [`Context`].
///
/// A pager and a poller use their context for all the requests that they make: a deadline holds
/// for each of them.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use azure_core::http::ClientMethodOptions;
/// use seawall::azure::CallOptions;
/// use seawall::replay::Safety;
///
/// let options = ClientMethodOptions {
///     context: CallOptions::new()
///         .deadline(Duration::from_secs(2))
///         .safety(Safety::Idempotent)
///         .into_context(),
///     ..ClientMethodOptions::default()
/// };
/// # let _ = options;
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct CallOptions {
    pub(super) deadline: Option<Duration>,
    pub(super) safety: Option<Safety>,
    pub(super) place: Option<Place>,
    pub(super) verify: Option<Verify>,
}

/// Looks whether a call was executed.
#[derive(Clone)]
pub(super) struct Verify(Arc<dyn Fn() -> Looking + Send + Sync>);

type Looking = Pin<Box<dyn Future<Output = Verified<RawResponse>> + Send>>;

impl Verify {
    pub(super) fn look(&self) -> Looking {
        (self.0)()
    }
}

impl CallOptions {
    /// Nothing that differs from the dependency's own settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// The time for the call, all its attempts and the body of its answer together.
    ///
    /// Default: the total timeout of the [`Resilience`](super::Resilience).
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Whether the call may be executed twice.
    ///
    /// Default: what the service's contract says of the operation.
    pub const fn safety(mut self, safety: Safety) -> Self {
        self.safety = Some(safety);
        self
    }

    /// Where the call goes, and nowhere else. Only for storage accounts with a secondary.
    ///
    /// Default: where it is served best.
    pub fn at(mut self, location: Location) -> Self {
        self.place = Some(Place::at(location));
        self
    }

    /// Keeps this call where the first one with the same [`Pin`](Place) went: for pages of one
    /// list, for a copy that is watched, for a read whose condition came from another one.
    ///
    /// Default: each call goes where it is served best.
    pub fn pin(mut self, pin: &Place) -> Self {
        self.place = Some(pin.clone());
        self
    }

    /// Asks `look` when nobody knows whether the call was executed: it may have been, and is not
    /// safe to repeat.
    ///
    /// - [`Verified::Executed`] ends the call with the answer that `look` gives in place of the
    ///   lost one. Its status must be the one that the operation is answered with, such as 201 for
    ///   an upload; the headers may be those of a `HEAD`;
    /// - [`Verified::NotExecuted`] makes the call once more;
    /// - [`Verified::Unknown`] leaves it ambiguous.
    ///
    /// `look` has what is left of the call's time.
    ///
    /// Default: the call ends ambiguous.
    ///
    /// # Example
    ///
    /// ```
    /// use azure_core::http::RawResponse;
    /// use seawall::azure::CallOptions;
    /// use seawall::replay::Verified;
    ///
    /// # async fn find_by_mark(_: u64) -> azure_core::Result<Option<RawResponse>> { Ok(None) }
    /// let mark = 7;
    /// let options = CallOptions::new().verify(move || async move {
    ///     match find_by_mark(mark).await {
    ///         Ok(Some(answer)) => Verified::Executed(answer),
    ///         Ok(None) => Verified::NotExecuted,
    ///         Err(_) => Verified::Unknown,
    ///     }
    /// });
    /// # let _ = options;
    /// ```
    pub fn verify<F, Fut>(mut self, look: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Verified<RawResponse>> + Send + 'static,
    {
        self.verify = Some(Verify(Arc::new(move || Box::pin(look()))));
        self
    }

    /// A context of the SDK that holds this.
    #[must_use]
    pub fn into_context(self) -> Context<'static> {
        Context::new().with_value(self)
    }
}

impl CallOptions {
    pub(in crate::azure) const fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }
}

impl fmt::Debug for CallOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallOptions")
            .field("deadline", &self.deadline)
            .field("safety", &self.safety)
            .field("place", &self.place)
            .field("verify", &self.verify.is_some())
            .finish()
    }
}
