//! What the handles of a breaker share, and how breakers are recycled.

use std::time::Duration;

use super::core::{Core, Entered, Exited, Move, Outside, Params, Settings, Shut, Ticket};
use crate::error::{Reason, Rejection, intern};
use crate::outcome::Outcome;
use crate::rng::Rng;
use crate::slot::{Pool, Slot};
use crate::sync::{Arc, Mutex};
use crate::telemetry::{Emitter, Environment, EventKind};
use crate::time::{Clock, Instant};
use crate::window::{Span, Window};

/// The pattern's name in events and levels.
pub(super) const PATTERN: &str = "circuit_breaker";

static POOL: Pool<Shared> = Pool::new();

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) core: Core,
    pub(super) family: Arc<Family>,
}

/// What breakers for the keys of one family have in common; most families have one member.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) settings: Settings,
    pub(super) clock: Clock,
    pub(super) emitter: Emitter,
    /// A seeded one, or the thread's. Behind a lock as a recycled breaker gets another.
    rng: Mutex<Rng>,
}

impl Shared {
    /// A breaker in a slot of its own, or in one that nobody uses any more.
    pub(super) fn acquire(
        name: &str,
        span: Span,
        params: &Params,
        environment: &Environment,
    ) -> Slot<Self> {
        let name = intern(name);
        POOL.acquire(
            |old| old.reuse(name, span, params, environment),
            || {
                let family = Family {
                    settings: Settings::new(params),
                    clock: environment.clock.clone(),
                    emitter: Emitter::new(PATTERN, name, environment),
                    rng: Mutex::new(environment.rng.clone()),
                };
                let now = family.clock.now();
                Self { core: Core::new(Window::new(span, now), now), family: Arc::new(family) }
            },
        )
    }

    #[cfg(feature = "health")]
    pub(super) fn all() -> Vec<Slot<Self>> {
        POOL.handles().into_iter().map(Slot::pooled).collect()
    }

    /// A breaker of the same family, small, and freed with its last handle.
    pub(super) fn sibling(&self) -> Slot<Self> {
        let now = self.family.clock.now();
        Slot::counted(Self {
            core: Core::new(Window::compact(self.core.span(), now), now),
            family: Arc::clone(&self.family),
        })
    }

    fn reuse(&self, name: &str, span: Span, params: &Params, environment: &Environment) -> bool {
        let family = &*self.family;
        let fits = self.core.span() == span
            && family.emitter.name() == name
            && family.clock == environment.clock
            // Siblings that live on keep their settings.
            && Arc::strong_count(&self.family) == 1;
        if fits {
            family.settings.store(params);
            family.emitter.follow(environment);
            *family.rng.lock() = environment.rng.clone();
            self.core.restart(family);
        }
        fits
    }

    pub(super) fn tell(&self, moved: Option<Move>) {
        if let Some(Move { from, to }) = moved {
            let kind = EventKind::StateChanged { from: from.name(), to: to.name() };
            self.family.emitter.emit(kind);
        }
    }

    /// Asks to start a call, whatever that changes, and tells of it. When the call is not let in the
    /// ticket is a spent one, and `shut` says why.
    // A `Result` of both would be returned, and then moved, through memory.
    #[inline(never)]
    pub(super) fn enter_slowly(&self, shut: &mut Shut) -> Ticket {
        match self.core.enter_slowly(&*self.family) {
            Ok(Entered { ticket, moved }) => {
                self.tell(moved);
                ticket
            }
            Err(why) => {
                *shut = why;
                self.family.emitter.emit(EventKind::Rejected { reason: reason(why) });
                Ticket::SPENT
            }
        }
    }

    /// Ends a call.
    #[expect(clippy::inline_always, reason = "out of line, it costs as much again")]
    #[inline(always)]
    pub(super) fn exit(&self, ticket: Ticket, outcome: Outcome) {
        if !self.core.exit_plainly(ticket, outcome, &*self.family) {
            self.exit_slowly(ticket, outcome);
        }
    }

    /// Ends a call that may have changed something, and tells of it.
    #[inline(never)]
    pub(super) fn exit_slowly(&self, ticket: Ticket, outcome: Outcome) {
        let Exited { moved, paused } = self.core.exit_slowly(ticket, outcome, &*self.family);
        self.tell(moved);
        if let Some(wait) = paused {
            self.family.emitter.emit(EventKind::Paused { wait });
        }
    }

    #[inline]
    pub(super) fn rejection(&self, shut: Shut) -> Rejection {
        // The core, too, says `u64::MAX` when nobody knows.
        Rejection::new(self.family.emitter.name(), reason(shut)).after_nanos(shut.rest_nanos)
    }
}

#[inline]
fn reason(shut: Shut) -> Reason {
    if shut.is_pause { Reason::Paused } else { Reason::CircuitOpen }
}

impl Outside for Family {
    #[inline]
    fn coarse(&self) -> Instant {
        self.clock.coarse()
    }

    fn now(&self) -> Instant {
        self.clock.now()
    }

    #[inline]
    fn tick(&self) -> Duration {
        self.clock.tick()
    }

    fn chance(&self) -> u64 {
        self.rng.lock().next()
    }

    #[inline]
    fn settings(&self) -> &Settings {
        &self.settings
    }
}

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use std::mem::size_of;

    use crate::circuit_breaker::CircuitBreaker;
    use crate::gate::Sibling as _;
    use crate::telemetry::Environment;
    use crate::time::Clock;

    use super::*;

    #[test]
    fn a_breaker_is_as_small_as_promised() {
        // What the `Arc`s count with, and the shard and the count that threads without a number
        // share, are in it.
        let counts = 2 * size_of::<usize>();
        let one = size_of::<Shared>() + size_of::<Family>() + counts + 64;
        assert!(one <= 640 + 128, "{one} bytes");
        // With a map's entry of 48 bytes, a key takes 512 at most.
        let key = size_of::<Shared>() + counts + 48;
        assert!(key <= 512, "{key} bytes");
    }

    #[test]
    fn breakers_that_are_dropped_are_used_again() {
        // Its own clock makes a breaker fit for nobody else.
        let environment = Environment::new().clock(Clock::manual());
        let build = || CircuitBreaker::builder().build_in(&environment).unwrap();
        let first = build();
        first.isolate();
        let address = &raw const *first.shared;
        let alive = build();
        assert!(!std::ptr::eq(address, &raw const *alive.shared));
        drop(first);

        // A few free slots are offered to each, and other tests have left many that do not fit.
        let mut again = Vec::new();
        let is_used_again = (0..50_000).any(|_| {
            again.push(build());
            again.last().is_some_and(|one| std::ptr::eq(address, &raw const *one.shared))
        });

        assert!(is_used_again);
        assert!(again.iter().all(|one| one.enter().is_ok()));
    }

    #[test]
    fn the_settings_of_siblings_outlive_the_breaker_that_they_came_from() {
        let environment = Environment::new().clock(Clock::manual());
        let config = CircuitBreaker::builder().min_calls(1).failure_rate(1.0);
        let first = config.build_in(&environment).unwrap();
        let sibling = first.sibling();
        drop(first);

        let others: Vec<_> = (0..20)
            .map(|_| config.clone().min_calls(1_000).build_in(&environment).unwrap())
            .collect();

        drop(others);
        assert_eq!(sibling.shared.family.settings.min_calls(), 1);
    }
}
