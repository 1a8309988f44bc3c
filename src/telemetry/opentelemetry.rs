//! Events and levels as OpenTelemetry metrics.
//!
//! | instrument | kind | attributes |
//! |---|---|---|
//! | `resilience.event` | counter | `resilience.pattern`, `resilience.policy`, `resilience.event.name`, and where it has them `resilience.reason`, `resilience.state` |
//! | `resilience.retry.delay` | histogram, seconds | `resilience.policy` |
//! | `resilience.<pattern>.<level>` | observable gauge or counter | `resilience.policy` |
//!
//! All values of attributes come from small, known sets: names of policies and of reasons, never a
//! key, a host or an error's text. Times are in seconds, as the semantic conventions ask.
//!
//! # Example
//!
//! ```
//! use opentelemetry::global;
//! use seawall::circuit_breaker::CircuitBreaker;
//! use seawall::telemetry::Environment;
//! use seawall::telemetry::opentelemetry::Metrics;
//!
//! let metrics = Metrics::new(&global::meter("orders-service"));
//!
//! let environment = Environment::new().observer(metrics.clone());
//! let breaker = CircuitBreaker::builder().name("orders").build_in(&environment)?;
//! metrics.watch(breaker.clone());
//! # Ok::<(), seawall::error::InvalidConfig>(())
//! ```
//!
//! # Cost
//!
//! A call that just works records nothing. An event adds to a counter; a level is read when the
//! meter's reader collects.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Counter, Histogram, Meter};

use super::{Event, EventKind, Level, LevelKind, Measure, Observe};
use crate::sync::Mutex;

/// Records events and levels with the instruments of a meter. A clone records with the same ones.
///
/// It is an [`Observe`]: give it to an [`Environment`](super::Environment), and
/// [`watch`](Self::watch) the policies whose levels matter. See the [module](self) for an example.
#[derive(Clone)]
pub struct Metrics {
    meter: Meter,
    events: Counter<u64>,
    delays: Histogram<f64>,
    watched: Arc<Watched>,
}

#[derive(Default)]
struct Watched {
    policies: Mutex<Vec<Arc<dyn Measure>>>,
    /// The levels that have an instrument.
    instruments: Mutex<HashSet<(&'static str, &'static str)>>,
}

impl Metrics {
    /// Creates the instruments.
    #[must_use]
    pub fn new(meter: &Meter) -> Self {
        Self {
            meter: meter.clone(),
            events: meter
                .u64_counter("resilience.event")
                .with_description("What policies did: rejections, retries, changes of state.")
                .with_unit("{event}")
                .build(),
            delays: meter
                .f64_histogram("resilience.retry.delay")
                .with_description("The wait before an attempt that repeats an earlier one.")
                .with_unit("s")
                .with_boundaries(vec![0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0])
                .build(),
            watched: Arc::default(),
        }
    }

    /// Reports the levels of `policy` each time the meter's reader collects.
    ///
    /// The policy stays alive as long as this does. To watch one twice reports it twice.
    pub fn watch(&self, policy: impl Measure + 'static) {
        let policy: Arc<dyn Measure> = Arc::new(policy);
        // Collected first: building an instrument may run user code, and no lock is held then.
        let mut levels = Vec::new();
        policy.measure(&mut |level| levels.push(level));
        self.watched.policies.lock().push(policy);
        for level in levels {
            if self.watched.instruments.lock().insert((level.pattern(), level.name())) {
                self.build(level);
            }
        }
    }

    fn build(&self, level: Level) {
        let name = format!("resilience.{}.{}", level.pattern(), level.name());
        let watched = Arc::clone(&self.watched);
        let report = move |instrument: &dyn AsyncInstrument<f64>| {
            watched.report(level.pattern(), level.name(), instrument);
        };
        match level.kind() {
            LevelKind::Counter => {
                self.meter.f64_observable_counter(name).with_callback(report).build();
            }
            LevelKind::Gauge => {
                self.meter.f64_observable_gauge(name).with_callback(report).build();
            }
        }
    }
}

impl Watched {
    fn report(
        &self,
        pattern: &'static str,
        name: &'static str,
        instrument: &dyn AsyncInstrument<f64>,
    ) {
        let policies = self.policies.lock().clone();
        for policy in policies {
            policy.measure(&mut |level| {
                if (level.pattern(), level.name()) == (pattern, name) {
                    let attributes = [KeyValue::new("resilience.policy", level.policy())];
                    instrument.observe(level.value(), &attributes);
                }
            });
        }
    }
}

impl Observe for Metrics {
    fn observe(&self, event: &Event) {
        let policy = KeyValue::new("resilience.policy", event.policy());
        if let EventKind::Retry { after, .. } = event.kind() {
            self.delays.record(after.as_secs_f64(), std::slice::from_ref(&policy));
        }
        let pattern = KeyValue::new("resilience.pattern", event.pattern());
        let name = KeyValue::new("resilience.event.name", event.kind().name());
        match detail(event.kind()) {
            Some(detail) => self.events.add(1, &[pattern, policy, name, detail]),
            None => self.events.add(1, &[pattern, policy, name]),
        }
    }
}

/// The one further attribute of an event.
fn detail(kind: &EventKind) -> Option<KeyValue> {
    match kind {
        EventKind::NotReplayable { reason } => {
            Some(KeyValue::new("resilience.reason", reason.name()))
        }
        EventKind::Rejected { reason } => Some(KeyValue::new("resilience.reason", reason.name())),
        EventKind::StateChanged { to, .. } => Some(KeyValue::new("resilience.state", *to)),
        EventKind::Ambiguous
        | EventKind::BudgetExhausted { .. }
        | EventKind::Evicted
        | EventKind::Fallback { .. }
        | EventKind::Paused { .. }
        | EventKind::Reloaded
        | EventKind::RetriesExhausted { .. }
        | EventKind::Retry { .. }
        | EventKind::TimedOut { .. } => None,
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics")
            .field("watched", &self.watched.policies.lock().len())
            .finish_non_exhaustive()
    }
}
