//! Under which name a lease is asked for.

use std::fmt;
use std::sync::Arc;

use rand::TryRng;
use rand::rngs::SysRng;

use super::Epoch;
use crate::rng::Rng;

/// What a candidate shows a [`Lease`](super::Lease): who it is, for which term, and which epochs it
/// has seen.
///
/// All of it is proposed by the candidate, so that asking a second time does nothing that asking
/// once did not: a lost answer locks nobody out and begins no term twice.
///
/// # Example
///
/// ```
/// use seawall::lease::{Claim, Epoch};
///
/// let claim = Claim::new("instance-3");
/// let next = claim.next_term(Epoch::new(7));
///
/// assert_eq!(next.id(), claim.id());
/// assert_ne!(next.term(), claim.term());
/// assert_eq!(next.above(), Epoch::new(7));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Claim {
    holder: Arc<str>,
    id: Arc<str>,
    term: Arc<str>,
    above: Epoch,
}

impl Claim {
    /// A new claim of the candidate called `holder`: under an id and for a term that nobody else
    /// has.
    ///
    /// Both are random UUIDs from the system's source of chance, whatever an
    /// [`Environment`](crate::telemetry::Environment) is seeded with: candidates must differ.
    #[must_use]
    pub fn new(holder: &str) -> Self {
        Self { holder: holder.into(), id: uuid(), term: uuid(), above: Epoch::NONE }
    }

    /// The same candidate's claim for another term, with a greater epoch than `above`.
    #[must_use]
    pub fn next_term(&self, above: Epoch) -> Self {
        Self { term: uuid(), above: self.above.max(above), ..self.clone() }
    }

    /// The same candidate's claim under another id and for another term.
    ///
    /// Needed after an attempt to [release](super::Lease::release): should that arrive late, it must
    /// not end a later term.
    #[must_use]
    pub fn next_id(&self, above: Epoch) -> Self {
        Self { id: uuid(), ..self.next_term(above) }
    }

    /// The id that the lease is asked for under: a UUID.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What tells this term from all others: a UUID. It gives no right to anything, and can be
    /// stored where others read it.
    #[must_use]
    pub fn term(&self) -> &str {
        &self.term
    }

    /// The candidate's name, for people.
    #[must_use]
    pub fn holder(&self) -> &str {
        &self.holder
    }

    /// The epoch of the term must be greater than this one.
    #[must_use]
    pub const fn above(&self) -> Epoch {
        self.above
    }
}

/// Without its id, which gives the right to end the lease.
impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim")
            .field("holder", &self.holder)
            .field("term", &self.term)
            .field("above", &self.above)
            .finish_non_exhaustive()
    }
}

/// A random UUID, version 4 (RFC 9562).
fn uuid() -> Arc<str> {
    let mut bytes = [0; 16];
    if SysRng.try_fill_bytes(&mut bytes).is_err() {
        let rng = Rng::default();
        bytes[..8].copy_from_slice(&rng.next().to_ne_bytes());
        bytes[8..].copy_from_slice(&rng.next().to_ne_bytes());
    }
    bytes[6] = bytes[6] & 0x0F | 0x40;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    let hex = u128::from_be_bytes(bytes);
    let text = format!("{hex:032x}");
    let groups = [0..8, 8..12, 12..16, 16..20, 20..32];
    groups.map(|range| &text[range]).join("-").into()
}

#[cfg(all(test, not(seawall_loom)))]
mod tests {
    use super::*;

    #[test]
    fn ids_are_random_uuids_of_version_4() {
        let (one, two) = (Claim::new("a"), Claim::new("a"));

        assert_ne!(one.id(), two.id());
        for id in [one.id(), one.term(), two.id()] {
            let lengths: Vec<_> = id.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12]);
            assert_eq!(&id[14..15], "4");
            assert!("89ab".contains(&id[19..20]), "{id}");
        }
    }

    #[test]
    fn what_is_printed_does_not_tell_the_id() {
        let claim = Claim::new("instance-3");

        assert!(!format!("{claim:?}").contains(claim.id()));
    }

    #[test]
    fn a_claim_never_asks_for_less_than_before() {
        let claim = Claim::new("a").next_term(Epoch::new(7)).next_id(Epoch::new(3));

        assert_eq!(claim.above(), Epoch::new(7));
    }
}
