//! Chance, for jitter and sampling.

use std::sync::Arc;

use rand::Rng as _;

use crate::sync::Mutex;

/// A source of chance, shared by its clones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rng {
    /// The state of a sequence that can be repeated; none draws from the thread's generator.
    seeded: Option<Arc<Mutex<u64>>>,
}

impl Rng {
    /// A sequence that depends on `seed` alone.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self { seeded: Some(Arc::new(Mutex::new(seed))) }
    }

    /// Any number.
    pub(crate) fn next(&self) -> u64 {
        let Some(state) = &self.seeded else { return rand::rng().next_u64() };
        let mut state = state.lock();
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}
