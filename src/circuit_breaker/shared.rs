//! What the handles of a breaker share, and how breakers are recycled.

use std::time::Duration;

use super::core::{Core, Exited, Move, Params, Settings, Shut, Ticket, World};
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
        let reason = if shut.is_pause { Reason::Paused } else { Reason::CircuitOpen };
        let rejection = Rejection::new(self.family.emitter.name(), reason);
        match shut.retry_after() {
            Some(wait) => rejection.after(wait),
            None => rejection,
        }
    }
}

impl World for Family {
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
