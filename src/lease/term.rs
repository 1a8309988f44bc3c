//! A term of leadership, and the roles of a candidate.

use std::fmt;

use super::Epoch;
use crate::time::{Clock, Instant};

/// A term of leadership, as it stood when it was asked for.
///
/// A term that is renewed ends later than this one says: ask for it again instead of keeping it.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::lease::{InMemory, Leadership};
/// use seawall::telemetry::Environment;
/// use seawall::time::Clock;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let clock = Clock::manual();
/// let environment = Environment::new().clock(clock.clone());
/// let lease = InMemory::new_in(&environment);
/// let (leadership, election) = Leadership::builder().build_in(lease, &environment)?;
/// let task = tokio::spawn(election.run());
///
/// let term = leadership.leading().await;
/// assert!(term.is_valid(&clock));
///
/// // Should this process be stopped now, it does not lead when it goes on, whatever its tasks did.
/// task.abort();
/// clock.advance(Duration::from_secs(15));
/// assert!(!term.is_valid(&clock));
/// assert_eq!(leadership.term(), None);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Term {
    pub(super) epoch: Epoch,
    pub(super) valid_until: Instant,
}

impl Term {
    /// What every write as the leader carries.
    #[must_use]
    pub const fn epoch(self) -> Epoch {
        self.epoch
    }

    /// When it is over unless it is renewed, by the clock of the leadership: a margin before the
    /// store may lend the lease to somebody else.
    #[must_use]
    pub const fn valid_until(self) -> Instant {
        self.valid_until
    }

    /// Whether it lasts still, by `clock`: that of the leadership.
    #[must_use]
    pub fn is_valid(self, clock: &Clock) -> bool {
        // The precise reading: the coarse one stands still for as long as the host of a virtual
        // machine has stopped it, which is one of the cases that matter here.
        clock.now() < self.valid_until
    }
}

/// What a candidate is at the moment.
///
/// # Example
///
/// ```
/// use seawall::lease::Role;
///
/// assert_eq!(Role::Leader.name(), "leader");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "there is nothing else that a candidate can be")]
pub enum Role {
    /// It wants to lead, and somebody else does, or nobody.
    Follower,
    /// It leads.
    Leader,
    /// It does not want to lead: it has released the lease, or nobody runs its election.
    Released,
}

impl Role {
    /// A short, stable name for events and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Follower => "follower",
            Self::Leader => "leader",
            Self::Released => "released",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
