//! A lease on a blob.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azure_core::Bytes;
use azure_storage_blob::BlobClient;
use azure_storage_blob::models::{
    BlobClientAcquireLeaseOptions, BlobClientSetMetadataOptions, BlobClientUploadOptions,
};

use super::judge::{exists, is_conflict, is_missing, judge};
use super::record::Record;
use crate::error::InvalidConfig;
use crate::lease::{Claim, Epoch, Lease, LeaseError, LeaseFuture, Status};

/// A [`Lease`] that is a blob's own, for an election among all who reach the blob.
///
/// The blob is created when it is first needed; what it holds does not matter, and stays. Its
/// container has to be there. The epoch is kept in its metadata: delete neither while anybody
/// leads or writes under it.
///
/// It lends for 15 to 60 s, in whole seconds. Clones share the client.
///
/// # Cost
///
/// One request to renew, release, break and read; three to acquire. A follower's attempt is one
/// request that is answered with 409.
///
/// # Example
///
/// ```
/// use azure_storage_blob::BlobClient;
/// use seawall::azure::lease::BlobLease;
/// use seawall::error::InvalidConfig;
/// use seawall::lease::Leadership;
///
/// fn stand(blob: BlobClient) -> Result<Leadership, InvalidConfig> {
///     let (leadership, election) = Leadership::builder()
///         .name("billing")
///         .holder("instance-3")
///         .build(BlobLease::new(blob))?;
///     tokio::spawn(election.run());
///     Ok(leadership)
/// }
/// # let _ = stand;
/// ```
#[derive(Clone)]
pub struct BlobLease {
    client: Arc<BlobClient>,
}

impl BlobLease {
    /// The lease of the blob that `client` is for.
    ///
    /// Give the client [options](super::super::Resilience) that end a request in time. Whatever they
    /// are, an [`Election`](crate::lease::Election) cuts a request that takes longer than its own
    /// timeout.
    #[must_use]
    pub fn new(client: BlobClient) -> Self {
        Self { client: Arc::new(client) }
    }

    async fn acquire(&self, claim: &Claim, duration: Duration) -> Result<Epoch, LeaseError> {
        if let Err(error) = self.take(claim, duration).await {
            if !is_missing(&error) {
                return Err(judge(error));
            }
            self.create().await?;
            self.take(claim, duration).await.map_err(judge)?;
        }
        // From here on the lease is held, whatever goes wrong.
        self.begin_term(claim).await.map_err(|error| match error {
            error @ (LeaseError::Unavailable(_) | LeaseError::Refused(_)) => {
                LeaseError::ambiguous(error)
            }
            other => other,
        })
    }

    async fn take(&self, claim: &Claim, duration: Duration) -> azure_core::Result<()> {
        let options = BlobClientAcquireLeaseOptions {
            // Proposed, so that to ask again after a lost answer is no second acquisition.
            proposed_lease_id: Some(claim.id().to_owned()),
            ..BlobClientAcquireLeaseOptions::default()
        };
        // Whole and at most 60, as `check` has seen.
        let seconds = i32::try_from(duration.as_secs()).unwrap_or(LONGEST_SECONDS);
        self.client.acquire_lease(seconds, Some(options)).await.map(drop)
    }

    async fn create(&self) -> Result<(), LeaseError> {
        let options = BlobClientUploadOptions::default().if_not_exists();
        match self.client.upload(Bytes::new().into(), Some(options)).await {
            Ok(_) => Ok(()),
            // Somebody was faster, or this was, and the answer got lost.
            Err(error) if exists(&error) => Ok(()),
            Err(error) => Err(judge(error)),
        }
    }

    /// Raises the epoch, unless it has been for this term.
    ///
    /// By compare-and-set, and under the lease: neither a late write of an earlier term of the same
    /// candidate nor one of a former holder gets through. Whether a write whose answer is lost got
    /// through is read back, from the mark that is written with the epoch.
    async fn begin_term(&self, claim: &Claim) -> Result<Epoch, LeaseError> {
        let mut last = LeaseError::ambiguous("the metadata changes all the time");
        for _ in 0..ROUNDS {
            let record = Record::read(&self.client, Some(claim.id())).await;
            let record = record.map_err(judge)?.map_err(LeaseError::refused)?;
            if record.mark.as_deref() == Some(claim.term()) {
                return Ok(record.epoch);
            }
            let epoch = record.epoch.max(claim.above()).next();
            let epoch = epoch.ok_or_else(|| LeaseError::refused("no epoch is left"))?;
            let metadata = record.with(epoch, claim.term(), Some(claim.holder()));
            let options = BlobClientSetMetadataOptions {
                lease_id: Some(claim.id().to_owned()),
                if_match: Some(record.etag),
                ..BlobClientSetMetadataOptions::default()
            };
            match self.client.set_metadata(&metadata, Some(options)).await {
                Ok(_) => return Ok(epoch),
                Err(error) if is_conflict(&error) => {}
                Err(error) => match judge(error) {
                    error if error.may_have_run() => last = error,
                    error => return Err(error),
                },
            }
        }
        Err(last)
    }

    async fn read(&self) -> Result<Status, LeaseError> {
        let record = match Record::read(&self.client, None).await {
            Ok(record) => record.map_err(LeaseError::refused)?,
            Err(error) if is_missing(&error) => return Ok(Status::new(Epoch::NONE)),
            Err(error) => return Err(judge(error)),
        };
        let status = Status::new(record.epoch);
        Ok(if record.is_leased {
            status.held_by(record.holder.unwrap_or_default())
        } else {
            status
        })
    }
}

impl Lease for BlobLease {
    fn check(&self, duration: Duration) -> Result<(), InvalidConfig> {
        let is_whole = duration.subsec_nanos() == 0;
        if is_whole && (15..=60).contains(&duration.as_secs()) {
            return Ok(());
        }
        // Not for ever either: nobody could follow on a leader that has died.
        Err(InvalidConfig::new("duration", "from 15 to 60 s, in whole seconds"))
    }

    fn acquire<'a>(&'a self, claim: &'a Claim, duration: Duration) -> LeaseFuture<'a, Epoch> {
        Box::pin(self.acquire(claim, duration))
    }

    fn renew<'a>(&'a self, claim: &'a Claim) -> LeaseFuture<'a, ()> {
        Box::pin(async {
            self.client.renew_lease(claim.id().to_owned(), None).await.map(drop).map_err(judge)
        })
    }

    fn release<'a>(&'a self, claim: &'a Claim) -> LeaseFuture<'a, ()> {
        Box::pin(async {
            self.client.release_lease(claim.id().to_owned(), None).await.map(drop).map_err(judge)
        })
    }

    fn break_off(&self) -> LeaseFuture<'_, ()> {
        // Without a period it ends when it would have: the holder is not overtaken.
        Box::pin(async { self.client.break_lease(None).await.map(drop).map_err(judge) })
    }

    fn read(&self) -> LeaseFuture<'_, Status> {
        Box::pin(self.read())
    }
}

/// Without the query, which may be a signature.
impl fmt::Debug for BlobLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobLease").field("blob", &self.client.url().path()).finish()
    }
}

const LONGEST_SECONDS: i32 = 60;
/// How often the epoch is read again when it was not raised.
const ROUNDS: usize = 3;
