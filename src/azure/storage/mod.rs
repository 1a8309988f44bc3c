//! Storage accounts with a readable secondary: RA-GRS and RA-GZRS.
//!
//! [`ReadAccess`] makes the calls of a [`Resilience`](super::Resilience) use the secondary, on
//! these terms:
//!
//! - only `GET` and `HEAD` go there, never a write, and never a queue's messages that are received;
//! - a read that the primary fails is made at the secondary at once, in the same attempt;
//! - a `404` or `412` of the secondary is no answer, for it may only be behind, nor is that it refuses
//!   (`401`, `403`, `409`, `416`): the primary is asked, and the secondary no more for this call;
//! - after some calls in a row that the primary failed, or that its breaker turned away, reads begin at the secondary. Probes in the background ask the
//!   primary meanwhile, and only when it has answered all of them for the
//!   [hold](ReadAccess::hold), reads go back: a primary that flaps is held longer each time;
//! - a secondary whose name has vanished, as after a failover of the account, is left alone;
//! - calls can be told to [stay together](Pin), or to go to [one place](Location). Nobody else knows
//!   that they belong together: give pages of a list, a copy and the looks at it, and a condition and
//!   what it was made from one [`Pin`].
//!
//! The host is rewritten above the SDK's own signing, so that each attempt is signed for where it
//! goes. Answers say in `x-resilience-served-by` who gave them, and with the feature `azure-storage`
//! in `x-resilience-last-sync` up to when a secondary has all that was written.
//!
//! # Example
//!
//! ```
//! use seawall::azure::Resilience;
//! use seawall::azure::storage::ReadAccess;
//!
//! let orders = Resilience::storage("orders").read_access(ReadAccess::new()).build()?;
//! let options = orders.client_options();
//! # let _ = options;
//! # Ok::<(), seawall::error::InvalidConfig>(())
//! ```

mod account;
mod config;
mod core;
mod host;
mod place;
mod probe;
mod route;
mod sync;

pub use account::Status;
pub use config::ReadAccess;
pub use place::{Location, Pin};
pub use sync::LastSync;

pub(super) use account::{Accounts, authority};
pub(super) use place::Visit;
pub(super) use route::RouteLayer;

use super::classify::chain;

/// Whether `error` says that there is no host of that name.
fn is_unknown_name(error: &azure_core::Error) -> bool {
    // No client has a type for it: the resolver of the C library ends up as text.
    chain(error).any(|error| {
        let text = error.to_string();
        // A resolver that is down says "temporary failure" or "try again".
        let has = |part| text.contains(part);
        has("failed to lookup address information")
            && !has("Temporary failure")
            && !has("try again")
    })
}
