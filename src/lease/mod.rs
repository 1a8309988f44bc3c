//! One leader among many instances, by a lease in a store, with an epoch that keeps former leaders
//! out.
//!
//! A [`Lease`] is held by one candidate at a time, and for a limited time. An [`Election`] asks for
//! it, renews it, and gives it back; a [`Leadership`] says whether this process leads. Each term of
//! leadership has an [`Epoch`] that is greater than all before it: what the leader writes carries
//! it, and the store refuses what is older than it has seen.
//!
//! # Example
//!
//! ```
//! use seawall::lease::{Fence, InMemory, Leadership};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (leadership, election) = Leadership::builder()
//!     .name("billing")
//!     .holder("instance-3")
//!     .build(InMemory::new())?; // `azure::lease::BlobLease` in production
//! tokio::spawn(election.run());
//!
//! let mut ledger = Fence::new();
//! let term = leadership.leading().await;
//! ledger.check(term.epoch())?; // where the write is made, together with it
//! # Ok(())
//! # }
//! ```
//!
//! # What holds
//!
//! 1. No two candidates have a valid [`Term`] at the same time, as long as their clocks and the
//!    store's run at the same rate, up to the [margin](Config::margin) within one lease, and the store
//!    forgets no lease.
//! 2. Epochs grow with every term, whatever is lost, doubled or late on the way.
//! 3. What carries an epoch to a store with a [`Fence`] is refused once a later one was there: always,
//!    also where the first law does not hold.
//!
//! A term is valid until the lease's duration, less the margin, after the moment *before* the store
//! was last asked. So an answer that takes long makes the term shorter and never longer, and a store
//! that answers too late makes no leader at all. Time is read from the monotonic clock; wall clocks
//! play no part, and neither does what the store writes down as the time.
//!
//! # When the process stands still
//!
//! A process can be stopped between any two instructions: by a signal, a debugger, the host of its
//! virtual machine. Every look at the term reads the clock, so it knows when it goes on, without
//! any task having run. What was sent, or is between its look and its write, can only be refused by
//! what it writes to: that is what the epoch is for. A machine whose monotonic clock itself stands
//! still meanwhile, as in suspension, does not know; it is for its writes, too, that there is an
//! epoch.
//!
//! # At the defaults
//!
//! | | |
//! |---|---|
//! | the store lends for | 15 s |
//! | it is renewed | 5 s after it was last asked |
//! | a request to the store may take | 3.75 s |
//! | the leader steps down | 12.5 s after the last request that worked was sent |
//! | a follower asks | every 2.5 to 5 s |
//! | after a leader that dies, another leads within | 20 s |
//! | after one that gives the lease back | 5 s |
//! | a candidate that could twice in a row not say whether it had the lease rests | 15 to 16 s |

mod claim;
mod config;
mod core;
mod election;
mod epoch;
mod error;
mod leadership;
mod memory;
mod store;
mod term;
mod watch;

pub use claim::Claim;
pub use config::Config;
pub use election::Election;
pub use epoch::{Epoch, Fence, Stale};
pub use error::{LeaseError, NotLeading};
pub use leadership::Leadership;
pub use memory::{Fault, InMemory};
pub use store::{Lease, LeaseFuture, Status};
pub use term::{Role, Term};
pub use watch::Watch;
