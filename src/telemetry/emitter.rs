//! The one door for events.

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::{Environment, Event, EventKind, Observe, history};
use crate::sync::{AtomicBool, Mutex, Ordering};

/// Tells of one policy's events.
pub(crate) struct Emitter {
    pattern: &'static str,
    name: &'static str,
    /// Whether there is an observer, so that nobody takes the lock when there is none.
    observed: AtomicBool,
    observer: Mutex<Option<Arc<dyn Observe>>>,
}

impl Emitter {
    /// For a policy of that pattern and that interned name.
    pub(crate) fn new(
        pattern: &'static str,
        name: &'static str,
        environment: &Environment,
    ) -> Self {
        Self {
            pattern,
            name,
            observed: AtomicBool::new(environment.observer.is_some()),
            observer: Mutex::new(environment.observer.clone()),
        }
    }

    /// For another policy of the same name, with the same observer.
    pub(crate) fn sibling(&self) -> Self {
        let observer = self.observer.lock().clone();
        Self {
            pattern: self.pattern,
            name: self.name,
            observed: AtomicBool::new(observer.is_some()),
            observer: Mutex::new(observer),
        }
    }

    /// The policy's name.
    #[inline]
    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// Tells the observer of `environment` from now on.
    pub(crate) fn follow(&self, environment: &Environment) {
        let new = environment.observer.clone();
        // The old one is dropped when the lock is free: its drop is somebody else's code.
        let old = std::mem::replace(&mut *self.observer.lock(), new);
        drop(old);
        // Relaxed: the lock publishes the observer; who reads this too early misses one event.
        self.observed.store(environment.observer.is_some(), Ordering::Relaxed);
    }

    /// Tells of `kind`.
    #[inline]
    pub(crate) fn emit(&self, kind: EventKind) {
        if let EventKind::StateChanged { from, to } = kind {
            history::keep(self.pattern, self.name, from, to);
        }
        if cfg!(feature = "tracing") || self.observed.load(Ordering::Relaxed) {
            self.tell(kind);
        }
    }

    #[cold]
    fn tell(&self, kind: EventKind) {
        let event = Event::new(self.pattern, self.name, kind);
        #[cfg(feature = "tracing")]
        super::tracing::trace(&event);
        // Cloned out of the lock: an observer may build, reload or drop policies.
        let observer = self.observer.lock().clone();
        let Some(observer) = observer else { return };
        // What an observer causes itself is not told, or one that calls a policy would never end.
        let Some(_telling) = Telling::begin() else { return };
        // A hook that panics must not take a call with it, whose policy has done its part.
        drop(catch_unwind(AssertUnwindSafe(|| observer.observe(&event))));
    }
}

/// An observer is running in this thread.
struct Telling;

impl Telling {
    fn begin() -> Option<Self> {
        (!TELLING.replace(true)).then_some(Self)
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        TELLING.set(false);
    }
}

thread_local! {
    static TELLING: Cell<bool> = const { Cell::new(false) };
}

impl fmt::Debug for Emitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emitter")
            .field("pattern", &self.pattern)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{OnceLock, mpsc};

    #[test]
    fn an_observer_that_panics_is_told_again() {
        let (sender, receiver) = mpsc::channel();
        let environment = Environment::new().observer(move |event: &Event| {
            sender.send(*event).expect("the test listens");
            panic!("as hooks do");
        });
        let emitter = Emitter::new("circuit_breaker", "orders", &environment);

        emitter.emit(EventKind::Reloaded);
        emitter.emit(EventKind::Reloaded);

        assert_eq!(receiver.try_iter().count(), 2);
    }

    #[test]
    fn what_an_observer_causes_is_not_told_to_it() {
        static EMITTER: OnceLock<Emitter> = OnceLock::new();
        let (sender, receiver) = mpsc::channel();
        let environment = Environment::new().observer(move |event: &Event| {
            sender.send(*event).expect("the test listens");
            EMITTER.get().expect("set before it emits").emit(EventKind::Evicted);
        });
        let emitter = EMITTER.get_or_init(|| Emitter::new("gate", "orders", &environment));

        emitter.emit(EventKind::Reloaded);
        emitter.emit(EventKind::Reloaded);

        assert_eq!(receiver.try_iter().count(), 2);
    }

    #[test]
    fn who_no_longer_observes_is_told_nothing() {
        let (sender, receiver) = mpsc::channel();
        let environment = Environment::new().observer(move |event: &Event| {
            sender.send(*event).expect("the test listens");
        });
        let emitter = Emitter::new("circuit_breaker", "orders", &environment);

        emitter.follow(&Environment::new());
        emitter.emit(EventKind::Reloaded);

        assert_eq!(receiver.try_iter().count(), 0);
    }
}
