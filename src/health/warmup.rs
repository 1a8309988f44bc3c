//! What has to be done before an instance takes traffic.

use std::fmt;
use std::sync::Arc;

use super::registry::Shared;

/// Something that startup waits for: a cache to fill, a connection to open, code to load.
///
/// Dropped before it is [done](Self::done), it stays not done, startup stays down, and the report
/// says that it was given up; [`Registry::remove`](super::Registry::remove) takes it out. Once
/// startup is over, further ones change nothing.
///
/// # Example
///
/// ```
/// use seawall::health::{Group, Registry, Verdict};
///
/// let registry = Registry::new();
/// let cache = registry.warmup("cache")?;
/// registry.start_with(|_task| { /* spawn it */ });
/// assert_eq!(registry.verdict(Group::STARTUP), Verdict::Down);
///
/// // Fill the cache.
/// cache.done();
/// assert_eq!(registry.verdict(Group::STARTUP), Verdict::Healthy);
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[must_use = "dropped before it is done, startup stays down"]
pub struct Warmup {
    shared: Arc<Shared>,
    name: Arc<str>,
    id: u64,
    is_done: bool,
}

impl Warmup {
    pub(super) const fn new(shared: Arc<Shared>, name: Arc<str>, id: u64) -> Self {
        Self { shared, name, id, is_done: false }
    }

    /// It is done.
    pub fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for Warmup {
    fn drop(&mut self) {
        self.shared.warm(&self.name, self.id, self.is_done);
    }
}

impl fmt::Debug for Warmup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Warmup").field("name", &self.name).finish_non_exhaustive()
    }
}
