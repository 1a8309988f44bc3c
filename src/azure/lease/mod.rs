//! Leadership on a blob's lease, and blobs that only the leader writes.
//!
//! [`BlobLease`] is a [`Lease`](crate::lease::Lease) for
//! [`Leadership`](crate::lease::Leadership); [`FencedBlob`] refuses the writes of former leaders.
//!
//! # What is done with the blob
//!
//! | for | request | answers that matter |
//! |---|---|---|
//! | acquire | `PUT ?comp=lease`, with a proposed id | 201; 409 `LeaseAlreadyPresent`, `LeaseIsBreakingAndCannotBeAcquired`: held; 404 `BlobNotFound`: created, and tried again |
//! | its epoch | `HEAD` with the lease's id, then `PUT ?comp=metadata` with that and `If-Match` | 412 `ConditionNotMet`: read again; no answer: read again, and found by its mark |
//! | renew | the same with `renew` | 200; 409 `LeaseIdMismatchWithLeaseOperation`, `LeaseIsBrokenAndCannotBeRenewed`: lost |
//! | release | the same with `release` | 200; 409: lost |
//! | break | the same with `break`, and no period | 202; 409 `LeaseNotPresentWithLeaseOperation`: nobody holds it |
//! | read | `HEAD` | `x-ms-lease-state`, and the metadata |
//!
//! In the metadata, `seawall_epoch` is the epoch of the last term, `seawall_mark` a UUID that tells
//! its term or write from all others, `seawall_holder` the holder's name. What else is there stays.

mod blob;
mod fenced;
mod judge;
mod record;

pub use blob::BlobLease;
pub use fenced::{FencedBlob, FencedError, FencedWriter};
