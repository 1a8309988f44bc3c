//! What happens to an instance, and when.

use std::time::Duration;

/// A stretch of an instance's life.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Act {
    /// What is going on: one of [`STATES`](crate::products::STATES).
    pub(crate) state: &'static str,
    /// How long, as a part of the whole.
    part: u32,
}

/// The life of an instance. Each state is left for a healthy one, where there is a way back.
pub(crate) const ACTS: [Act; 9] = {
    const fn act(state: &'static str, part: u32) -> Act {
        Act { state, part }
    }
    [
        act("starting", 2),
        act("healthy", 3),
        act("degraded", 3),
        act("healthy", 3),
        act("dependency down", 4),
        act("healthy", 3),
        act("wedged", 6),
        act("healthy", 3),
        act("draining", 3),
    ]
};

/// The parts of all acts together.
pub(crate) const PARTS: u32 = {
    let mut sum = 0;
    let mut act = 0;
    while act < ACTS.len() {
        sum += ACTS[act].part;
        act += 1;
    }
    sum
};

impl Act {
    /// How long it lasts in a life of `whole`.
    pub(crate) fn lasts(&self, whole: Duration) -> Duration {
        whole * self.part / PARTS
    }
}
