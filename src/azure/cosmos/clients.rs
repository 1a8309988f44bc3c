//! The client that is used, and the one after it.
//!
//! A client that was made through a region that is lost may never find out where the account lives
//! now. So when operations keep failing as they do then, a new client is made; one at a time, in a
//! task of its own, while calls go on with the old one.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::azure::until::until;
use crate::error::BoxError;
use crate::sync::{Arc, AtomicBool, AtomicU32, AtomicU64, Mutex, Ordering};
use crate::telemetry::{Emitter, EventKind};
use crate::time::Clock;

/// Makes a client.
pub(super) type Factory<C> = Arc<dyn Fn() -> Making<C> + Send + Sync>;

type Making<C> = Pin<Box<dyn Future<Output = Result<C, BoxError>> + Send>>;

/// When a new client is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) after: u32,
    pub(super) cool_down: Duration,
}

pub(super) struct Clients<C> {
    current: Mutex<(u64, Arc<C>)>,
    factory: Option<Factory<C>>,
    rules: Rules,
    /// Failures in a row, of reads and of writes: reads go on elsewhere while no write does.
    failures: [AtomicU32; 2],
    /// When the last one was begun, in nanoseconds; 0 for never.
    begun: AtomicU64,
    is_making: AtomicBool,
}

impl<C> Clients<C>
where
    C: Clone + Send + Sync + 'static,
{
    pub(super) fn new(first: C, factory: Option<Factory<C>>, rules: Rules) -> Self {
        Self {
            current: Mutex::new((0, Arc::new(first))),
            factory,
            rules,
            failures: [AtomicU32::new(0), AtomicU32::new(0)],
            begun: AtomicU64::new(0),
            is_making: AtomicBool::new(false),
        }
    }

    /// The newest one, and its generation.
    pub(super) fn newest(&self) -> (u64, C) {
        let (generation, client) = {
            let current = self.current.lock();
            (current.0, Arc::clone(&current.1))
        };
        // The clone is the user's code: nothing is locked.
        (generation, (*client).clone())
    }

    pub(super) fn generation(&self) -> u64 {
        self.current.lock().0
    }

    /// Takes in how an operation on the client of that `generation` ended. Whether it is time for
    /// another client, and this caller's to make it.
    pub(super) fn observe(
        &self,
        generation: u64,
        is_read: bool,
        is_lost: bool,
        clock: &Clock,
    ) -> bool {
        if self.factory.is_none() || generation != self.generation() {
            return false;
        }
        // Nothing is published by the counters.
        let failures = &self.failures[usize::from(is_read)];
        if !is_lost {
            failures.store(0, Ordering::Relaxed);
            return false;
        }
        if failures.fetch_add(1, Ordering::Relaxed).saturating_add(1) < self.rules.after {
            return false;
        }
        let begun = self.begun.load(Ordering::Relaxed);
        let now = clock.now().as_nanos().max(1);
        let rested =
            begun == 0 || Duration::from_nanos(now.saturating_sub(begun)) >= self.rules.cool_down;
        // Acquires what the last maker left: see `MakingNow`.
        if !rested || self.is_making.swap(true, Ordering::Acquire) {
            return false;
        }
        self.begun.store(now, Ordering::Relaxed);
        true
    }

    /// Makes none after all, though [`observe`](Self::observe) said so.
    pub(super) fn give_up(&self) {
        drop(MakingNow(&self.is_making));
    }

    /// Makes another client. To be called by whom [`observe`](Self::observe) told to.
    pub(super) async fn make(&self, clock: &Clock, emitter: &Emitter) -> bool {
        let making = MakingNow(&self.is_making);
        let Some(factory) = &self.factory else { return false };
        let end = clock.now() + TIMEOUT;
        let made = until(clock, Some(end), async { factory().await }).await;
        let is_made = if let Some(Ok(client)) = made {
            let mut current = self.current.lock();
            *current = (current.0 + 1, Arc::new(client));
            true
        } else {
            false
        };
        if is_made {
            for failures in &self.failures {
                failures.store(0, Ordering::Relaxed);
            }
            emitter.emit(EventKind::StateChanged { from: "lost_client", to: "new_client" });
        }
        drop(making);
        is_made
    }
}

impl<C> fmt::Debug for Clients<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").field("rules", &self.rules).finish_non_exhaustive()
    }
}

/// Lets the next one in, however this one ends.
struct MakingNow<'a>(&'a AtomicBool);

impl Drop for MakingNow<'_> {
    fn drop(&mut self) {
        // Releases to the swap of the next maker.
        self.0.store(false, Ordering::Release);
    }
}

/// A client reads the account's description, from a backup endpoint after the first one.
const TIMEOUT: Duration = Duration::from_secs(30);
