//! The subjects, one file each. All get the settings of [`crate::cases`], as far as they have them.

mod backon;
mod bare;
pub(crate) mod failsafe;
mod governor;
pub(crate) mod recloser;
pub(crate) mod seatbelt;
pub(crate) mod seawall;
mod tokio;
mod tower;
pub(crate) mod tower_resilience;

use crate::cases::Entry;

/// Every subject in every case that it has an answer to.
pub(crate) fn all() -> Vec<Entry> {
    [
        bare::entries(),
        seawall::entries(),
        tower::entries(),
        tower_resilience::entries(),
        seatbelt::entries(),
        failsafe::entries(),
        recloser::entries(),
        backon::entries(),
        governor::entries(),
        tokio::entries(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
