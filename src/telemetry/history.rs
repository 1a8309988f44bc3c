//! The last changes of state, for people who come later than the event.

use std::collections::{BTreeMap, VecDeque};
use std::time::SystemTime;

use crate::sync::Mutex;

/// A change of state of a policy, some time ago.
///
/// # Example
///
/// ```
/// use seawall::circuit_breaker::CircuitBreaker;
/// use seawall::telemetry;
///
/// let breaker = CircuitBreaker::builder().name("orders").build()?;
/// breaker.isolate();
///
/// let last = telemetry::transitions("circuit_breaker", "orders").pop().expect("just made");
/// assert_eq!((last.from, last.to), ("closed", "isolated"));
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Transition {
    /// When, by the wall clock.
    pub at: SystemTime,
    /// The state before.
    pub from: &'static str,
    /// The state from then on.
    pub to: &'static str,
}

/// The last changes of state of the policies that follow `pattern` and are called `policy`, the
/// oldest first; at most 16.
///
/// They are kept for the whole process, whether or not somebody observes, so that a status page can
/// show what led to the present state. Policies of one name share them, also those of one
/// [keyed](crate::gate::Keyed) family. It takes a lock that a change of state takes too, and
/// allocates.
#[must_use]
pub fn transitions(pattern: &str, policy: &str) -> Vec<Transition> {
    KEPT.lock()
        .get(&(pattern, policy))
        .map(|kept| kept.iter().copied().collect())
        .unwrap_or_default()
}

/// Keeps one that happens now.
///
/// Names are interned and so of a bounded number, which bounds what is kept.
#[cold]
#[inline(never)]
pub(super) fn keep(
    pattern: &'static str,
    policy: &'static str,
    from: &'static str,
    to: &'static str,
) {
    let mut kept = KEPT.lock();
    let kept = kept.entry((pattern, policy)).or_default();
    if kept.len() >= MAX_KEPT {
        kept.pop_front();
    }
    kept.push_back(Transition { at: SystemTime::now(), from, to });
}

type Kept = BTreeMap<(&'static str, &'static str), VecDeque<Transition>>;

static KEPT: Mutex<Kept> = Mutex::new(BTreeMap::new());

const MAX_KEPT: usize = 16;

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_make_room() {
        let names: Vec<&'static str> =
            (0..=MAX_KEPT).map(|n| crate::error::intern(&format!("state {n}"))).collect();
        for pair in names.windows(2) {
            keep("history", "makes room", pair[0], pair[1]);
        }
        keep("history", "makes room", names[0], "last");

        let kept = transitions("history", "makes room");

        assert_eq!(kept.len(), MAX_KEPT);
        assert_eq!((kept[0].from, kept[MAX_KEPT - 1].to), ("state 1", "last"));
    }
}
