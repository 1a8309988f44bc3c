//! What is known of one call while it is under way.

use std::sync::Arc;

use azure_core::http::policies::Policy;

use super::options::CallOptions;
use crate::azure::policy::PolicyCall;
use crate::azure::storage::Visit;
use crate::sync::{AtomicBool, AtomicU32, Mutex, Ordering};
use crate::time::Instant;

/// Shared by all attempts of a call. Travels in the SDK's context, which it marks as taken care of.
#[derive(Debug)]
pub(in crate::azure) struct Journey {
    pub(in crate::azure) options: CallOptions,
    /// When the call ends, its answer's body included.
    pub(in crate::azure) deadline: Instant,
    pub(in crate::azure) visit: Mutex<Visit>,
    attempts: AtomicU32,
    may_have_run: AtomicBool,
    body_is_gone: AtomicBool,
    /// Tells pipelines apart: all policies of one have the same end.
    end: usize,
}

impl Journey {
    pub(super) fn new(
        options: CallOptions,
        deadline: Instant,
        next: &[Arc<dyn Policy>],
    ) -> Arc<Self> {
        Arc::new(Self {
            options,
            deadline,
            visit: Mutex::default(),
            attempts: AtomicU32::new(0),
            may_have_run: AtomicBool::new(false),
            body_is_gone: AtomicBool::new(false),
            end: end_of(next),
        })
    }

    /// The same call once more, by the same deadline.
    pub(super) fn again(first: &Self, options: CallOptions, next: &[Arc<dyn Policy>]) -> Arc<Self> {
        let again = Self::new(options, first.deadline, next);
        again.attempts.store(first.attempts(), Ordering::Relaxed);
        again
    }

    /// That of `call`, which is under way.
    pub(in crate::azure) fn of(call: &PolicyCall) -> Option<&Arc<Self>> {
        call.context().value::<Arc<Self>>()
    }

    pub(super) fn is_in(&self, next: &[Arc<dyn Policy>]) -> bool {
        self.end == end_of(next)
    }

    pub(super) fn begin_attempt(&self) {
        self.attempts.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn attempts(&self) -> u32 {
        self.attempts.load(Ordering::Relaxed)
    }

    pub(super) fn set_may_have_run(&self) {
        self.may_have_run.store(true, Ordering::Relaxed);
    }

    /// Whether an attempt that failed may have been executed.
    pub(super) fn may_have_run(&self) -> bool {
        self.may_have_run.load(Ordering::Relaxed)
    }

    pub(super) fn lose_body(&self) {
        self.body_is_gone.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_lost_body(&self) -> bool {
        self.body_is_gone.load(Ordering::Relaxed)
    }
}

fn end_of(next: &[Arc<dyn Policy>]) -> usize {
    next.last().map_or(0, |last| Arc::as_ptr(last).cast::<()>().addr())
}
