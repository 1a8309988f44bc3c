//! The service alone: what the loop itself costs.

use crate::cases::{CASES, Entry, handles};
use crate::probe::{AtOnce, PendingOnce};
use crate::run::{Tower, answered};

pub(super) fn entries() -> Vec<Entry> {
    CASES
        .iter()
        .filter(|case| case.name != "breaker/open")
        .map(|case| {
            let pending = case.name.ends_with("pending-once");
            Entry::new(case.name, "bare", move |_, threads| {
                if pending {
                    handles(&Tower(PendingOnce), threads, answered)
                } else {
                    handles(&Tower(AtOnce), threads, answered)
                }
            })
        })
        .collect()
}
