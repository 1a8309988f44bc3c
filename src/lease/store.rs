//! What an election needs of a store.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::{Claim, Epoch, LeaseError};
use crate::error::InvalidConfig;

/// What a [`Lease`] answers, later.
pub type LeaseFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, LeaseError>> + Send + 'a>>;

/// A lease that one candidate at a time holds, kept where all candidates reach it.
///
/// [`InMemory`](super::InMemory) is one for tests, `azure::lease::BlobLease` one for production. Whoever
/// writes another keeps these laws:
///
/// 1. Of all claims, at most one holds the lease at any time, by the store's clock.
/// 2. Each term has an epoch, and it is greater than that of every term before it and than
///    [`Claim::above`]. It is in the store before [`acquire`](Self::acquire) answers.
/// 3. To acquire with a claim that holds the lease and whose term is the last one extends the lease,
///    begins no term, and answers with the same epoch.
/// 4. A lease lasts for its whole duration from when the store took or renewed it. Also when it is
///    broken: then it can not be renewed, and ends when it would have.
///
/// A future that is dropped may have been carried out, or be carried out later.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::lease::{Claim, InMemory, Lease, LeaseError};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), LeaseError> {
/// let lease = InMemory::new();
/// let (mine, yours) = (Claim::new("a"), Claim::new("b"));
///
/// let epoch = lease.acquire(&mine, Duration::from_secs(15)).await?;
/// let error = lease.acquire(&yours, Duration::from_secs(15)).await.unwrap_err();
/// assert!(matches!(error, LeaseError::Held { .. }));
///
/// lease.release(&mine).await?;
/// assert!(lease.acquire(&yours, Duration::from_secs(15)).await? > epoch);
/// # Ok(())
/// # }
/// ```
pub trait Lease: Send + Sync + 'static {
    /// Whether the store lends a lease for exactly this long.
    ///
    /// # Errors
    ///
    /// Says what it does instead, of the field `duration`.
    fn check(&self, duration: Duration) -> Result<(), InvalidConfig>;

    /// Takes the lease for `duration`, and begins the term of `claim`.
    ///
    /// # Errors
    ///
    /// [`LeaseError::Held`] if another claim holds it.
    fn acquire<'a>(&'a self, claim: &'a Claim, duration: Duration) -> LeaseFuture<'a, Epoch>;

    /// Prolongs the lease by the duration that it was acquired with, from now on.
    ///
    /// # Errors
    ///
    /// [`LeaseError::Lost`] if the claim does not hold it, or it was broken.
    fn renew<'a>(&'a self, claim: &'a Claim) -> LeaseFuture<'a, ()>;

    /// Gives the lease back, so that another claim can take it at once.
    ///
    /// # Errors
    ///
    /// [`LeaseError::Lost`] if the claim does not hold it.
    fn release<'a>(&'a self, claim: &'a Claim) -> LeaseFuture<'a, ()>;

    /// Lets the lease end when its time is up, whatever its holder does. Needs no claim.
    ///
    /// # Errors
    ///
    /// [`LeaseError::Lost`] if nobody holds it.
    fn break_off(&self) -> LeaseFuture<'_, ()>;

    /// Who holds the lease, and the epoch of the last term.
    ///
    /// # Errors
    ///
    /// Those of the store.
    fn read(&self) -> LeaseFuture<'_, Status>;
}

impl<L> Lease for Arc<L>
where
    L: Lease + ?Sized,
{
    fn check(&self, duration: Duration) -> Result<(), InvalidConfig> {
        (**self).check(duration)
    }

    fn acquire<'a>(&'a self, claim: &'a Claim, duration: Duration) -> LeaseFuture<'a, Epoch> {
        (**self).acquire(claim, duration)
    }

    fn renew<'a>(&'a self, claim: &'a Claim) -> LeaseFuture<'a, ()> {
        (**self).renew(claim)
    }

    fn release<'a>(&'a self, claim: &'a Claim) -> LeaseFuture<'a, ()> {
        (**self).release(claim)
    }

    fn break_off(&self) -> LeaseFuture<'_, ()> {
        (**self).break_off()
    }

    fn read(&self) -> LeaseFuture<'_, Status> {
        (**self).read()
    }
}

/// What a store knows of a lease.
///
/// # Example
///
/// ```
/// use seawall::lease::{Epoch, Status};
///
/// let status = Status::new(Epoch::new(7)).held_by("instance-3");
///
/// assert!(status.is_held());
/// assert_eq!(status.holder(), Some("instance-3"));
/// assert_eq!(status.epoch(), Epoch::new(7));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Status {
    epoch: Epoch,
    holder: Option<Arc<str>>,
}

impl Status {
    /// Nobody holds the lease; the last term had that epoch.
    #[must_use]
    pub const fn new(epoch: Epoch) -> Self {
        Self { epoch, holder: None }
    }

    /// `holder` holds it.
    #[must_use]
    pub fn held_by(self, holder: impl Into<Arc<str>>) -> Self {
        Self { holder: Some(holder.into()), ..self }
    }

    /// The epoch of the last term: the holder's, if there is one.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The name of who holds it. Empty where the store does not know the name.
    #[must_use]
    pub fn holder(&self) -> Option<&str> {
        self.holder.as_deref()
    }

    /// Whether somebody holds it.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        self.holder.is_some()
    }
}
