//! What policies tell of themselves.
//!
//! *Edges are pushed, levels are pulled.* A change of state, a rejection, a retry is an [`Event`]:
//! it goes to an [`Observe`], to `tracing` and to OpenTelemetry behind their features. What has a
//! level at any time (calls in flight, a budget's balance) is read from the policy when a meter
//! asks for it, through [`Measure`]. A call that just works emits nothing.
//!
//! # Example
//!
//! ```
//! use seawall::circuit_breaker::CircuitBreaker;
//! use seawall::telemetry::{Environment, Event};
//!
//! let (sender, receiver) = std::sync::mpsc::channel();
//! let environment = Environment::new().observer(move |event: &Event| {
//!     sender.send(event.to_string()).ok();
//! });
//!
//! let breaker = CircuitBreaker::builder().name("orders").build_in(&environment)?;
//! breaker.isolate();
//!
//! assert_eq!(receiver.recv().unwrap(), "`orders` circuit_breaker: closed -> isolated");
//! # Ok::<(), seawall::error::InvalidConfig>(())
//! ```

mod emitter;
mod event;
mod history;
mod level;
#[cfg(feature = "opentelemetry")]
#[cfg_attr(docsrs, doc(cfg(feature = "opentelemetry")))]
pub mod opentelemetry;
#[cfg(feature = "tracing")]
mod span;
#[cfg(feature = "tracing")]
mod tracing;

pub(crate) use emitter::Emitter;
pub use event::{Event, EventKind};
pub use history::{Transition, transitions};
pub use level::{Level, LevelKind, Measure};
#[cfg(feature = "tracing")]
#[cfg_attr(docsrs, doc(cfg(feature = "tracing")))]
pub use span::{SpanFuture, SpanLayer, SpanService};

use std::fmt;
use std::sync::Arc;

use crate::rng::Rng;
use crate::time::Clock;

/// Is told of events.
///
/// Closures implement it. It is called in the task of the call that caused the event, after the
/// policy's state has changed for good: keep it short, and hand over what takes long. A panic in
/// it is caught and goes no further. Events that it causes itself, by calling a policy, are not
/// told.
///
/// # Example
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use seawall::telemetry::{Event, Observe};
///
/// #[derive(Debug, Default)]
/// struct Count(AtomicU64);
///
/// impl Observe for Count {
///     fn observe(&self, _: &Event) {
///         self.0.fetch_add(1, Ordering::Relaxed);
///     }
/// }
/// ```
pub trait Observe: Send + Sync + 'static {
    /// Is told of `event`.
    fn observe(&self, event: &Event);
}

impl<F> Observe for F
where
    F: Fn(&Event) + Send + Sync + 'static,
{
    fn observe(&self, event: &Event) {
        self(event);
    }
}

/// What a policy lives in: its clock, its chance, and who is told of its events.
///
/// Unlike a `Config` it is not data. Most programs never name it; tests bring their clock with it.
///
/// # Example
///
/// ```
/// use seawall::circuit_breaker::CircuitBreaker;
/// use seawall::telemetry::Environment;
/// use seawall::time::Clock;
///
/// let clock = Clock::manual();
/// let environment = Environment::new().clock(clock.clone()).seed(7);
///
/// let breaker = CircuitBreaker::builder().build_in(&environment)?;
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct Environment {
    pub(crate) clock: Clock,
    pub(crate) rng: Rng,
    pub(crate) observer: Option<Arc<dyn Observe>>,
}

impl Environment {
    /// The system's clock, true chance, and nobody who listens.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads time from `clock`.
    ///
    /// Default: the system's clock.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Draws chance from a sequence that depends on `seed` alone, so that a run can be repeated.
    ///
    /// Default: seeded by the system.
    pub fn seed(mut self, seed: u64) -> Self {
        self.rng = Rng::seeded(seed);
        self
    }

    /// Tells `observer` of every event.
    ///
    /// Default: nobody.
    pub fn observer(mut self, observer: impl Observe) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("clock", &self.clock)
            .field("rng", &self.rng)
            .field("observed", &self.observer.is_some())
            .finish()
    }
}
