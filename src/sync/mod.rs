//! What threads share: atomics, locks, and cells that belong to one thread each.
//!
//! Everything comes from `std`, and from `loom` in tests that are built with `--cfg seawall_loom`,
//! so that a model checker sees each access. Both lists hold the same names.
//!
//! A static may hold a [`Mutex`] in either build, but atomics and [`PerThread`] live in values: a
//! model makes them anew for each of its runs.

mod mutex;
mod per_thread;
mod waiting;

pub(crate) use mutex::Mutex;
#[cfg(all(test, not(seawall_loom)))]
pub(crate) use per_thread::owned_cells;
pub(crate) use per_thread::{Own, Owned, PerThread, own_last};
pub(crate) use waiting::Waiting;

#[cfg(not(all(test, seawall_loom)))]
mod imp {
    pub(crate) use std::sync::Arc;
    pub(crate) use std::sync::atomic::{
        AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
}

#[cfg(all(test, seawall_loom))]
mod imp {
    pub(crate) use loom::sync::Arc;
    pub(crate) use loom::sync::atomic::{
        AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
}

#[allow(unused_imports, reason = "one list for all, of which each feature set uses a part")]
pub(crate) use imp::{
    Arc, AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
