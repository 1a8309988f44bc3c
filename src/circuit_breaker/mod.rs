//! Stops calling a service that keeps failing, and finds out when it is well again.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//!
//! use seawall::circuit_breaker::{CircuitBreaker, State};
//! use seawall::error::BoxError;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let breaker = CircuitBreaker::builder()
//!     .name("orders")
//!     .failure_rate(0.5)
//!     .open_for(Duration::from_secs(5))
//!     .build()?;
//!
//! let orders = ServiceBuilder::new()
//!     .layer(breaker.layer())
//!     .service(service_fn(|id: u64| async move { Ok::<_, BoxError>(id) }));
//!
//! assert_eq!(orders.oneshot(7).await?, 7);
//! assert_eq!(breaker.state(), State::Closed);
//! # Ok(())
//! # }
//! ```
//!
//! # When to use it
//!
//! Around a dependency that fails for seconds or longer, where a caller is better served by a quick
//! error than by a slow one, and the dependency by being left alone. Put it inside retry and
//! outside the timeout of the single attempt.
//!
//! Not around what can not fail on its own, and not one for many: a breaker that several hosts
//! share makes an outage of all out of the outage of one. Give each host its own with
//! [`gate::Keyed`](crate::gate::Keyed).
//!
//! # How it decides
//!
//! | state | calls | moves on |
//! |---|---|---|
//! | `Closed` | pass | to `Open`, when it is tripped |
//! | `Open` | are rejected | to `HalfOpen`, with the first call after the open time |
//! | `HalfOpen` | pass, [`probes`](Config::probes) of them | to `Recovering` when all have succeeded, to `Open` when one fails |
//! | `Recovering` | pass, a growing share of them | to `Closed` after [`ramp`](Config::ramp), to `Open` when it is tripped again |
//! | `Isolated`, `ForcedClosed`, `MetricsOnly` | as set by hand | by hand |
//!
//! It is tripped by any of these, the rates once there were [`min_calls`](Config::min_calls):
//!
//! - the [failure rate](Config::failure_rate) of the window;
//! - the failure rate of the [newest part](Config::recent_failure_rate) of a time window: after ten
//!   good seconds, a dead service shows there after two and in the whole only after five;
//! - the [rate of slow calls](Config::slow_call_rate), among which are those that still run;
//! - [failures in a row](Config::consecutive_failures).
//!
//! What counts as a failure is the classifier's to say, through [`Outcome`](crate::Outcome). Two things are no
//! failures. [`Outcome::Overload`](crate::Outcome::Overload), a service that is well and full, never opens the circuit; but
//! when it says how long to wait, all calls are held back so long
//! ([`Reason::Paused`](crate::Reason::Paused)), and a circuit that opens stays open at least so long.
//! And a call that its caller drops is judged by its age: see [`Permit`].
//!
//! A result counts only for the term of office that let the call in. A call from before the outage
//! closes nothing, and a probe's place is lent for a time: one that never ends gives it back.
//!
//! The window slides. One of time has ten ticks, of which the newest has begun; when nobody calls,
//! it empties. The circuit is looked at after each failure and at the first call of each tick.
//!
//! # Defaults
//!
//! | setting | default |
//! |---|---|
//! | [`time_window`](Config::time_window) | 10 s |
//! | [`min_calls`](Config::min_calls) | 20 |
//! | [`failure_rate`](Config::failure_rate), [`recent_failure_rate`](Config::recent_failure_rate) | 0.5, 0.9 |
//! | [`slow_call_duration`](Config::slow_call_duration), [`slow_call_rate`](Config::slow_call_rate) | none |
//! | [`consecutive_failures`](Config::consecutive_failures) | none |
//! | [`open_for`](Config::open_for), [`max_open_for`](Config::max_open_for), [`jitter`](Config::jitter) | 4 s, does not grow, 0.5 |
//! | [`probes`](Config::probes), [`probe_lease`](Config::probe_lease) | 3, 10 s |
//! | [`ramp`](Config::ramp) | 2 s |
//! | [`max_pause`](Config::max_pause) | 30 s |
//!
//! With them, a service that has recovered gets all of its traffic back within two open times.
//!
//! # Telemetry
//!
//! Events of pattern `circuit_breaker`: `StateChanged` once for each change, `Paused`, `Rejected`,
//! `Reloaded`. Levels: `state` (0 closed, 1 open, 2 half-open, 3 recovering, 4 isolated, 5 forced
//! closed, 6 metrics only), `calls`, `failure_rate`, `slow_rate`.
//!
//! # Cost
//!
//! A good call that ends at once: three loads, a coarse clock reading and a plain store, 3 to 6 ns,
//! whatever the number of threads. A rejected one: a load and a clock reading. No lock and no
//! allocation in either. A failed one also adds up the window, some 10 ns. A breaker takes about 600
//! bytes and 128 more for each thread's part, which are used again by the next one built.
//!
//! The pattern is described by Nygard in *Release It!* and by
//! [Fowler](https://martinfowler.com/bliki/CircuitBreaker.html).

mod config;
mod core;
mod permit;
mod shared;
mod snapshot;
mod state;

use std::future::Future;

pub use config::Config;
pub use permit::Permit;
pub use snapshot::Snapshot;
pub use state::State;

#[cfg(fuzzing)]
pub use core::model::check as check_core;

use core::{Params, Shut};
use shared::{PATTERN, Shared};

use crate::error::{Error, InvalidConfig, Reject, Rejection};
use crate::gate::{Gate, GateLayer, GateService, Permit as _, Sibling};
use crate::outcome::ByResult;
use crate::slot::Slot;
use crate::telemetry::{Environment, EventKind, Level, Measure};
use crate::window::Span;

/// Puts a [`CircuitBreaker`] before a service.
pub type CircuitBreakerLayer<C = ByResult> = GateLayer<CircuitBreaker, C>;

/// A service behind a [`CircuitBreaker`].
pub type CircuitBreakerService<S, C = ByResult> = GateService<S, CircuitBreaker, C>;

/// Stops calling a service that keeps failing.
///
/// A handle: clones are the same breaker. See the [module](self) for what it does.
///
/// # Example
///
/// For a call that is no tower service:
///
/// ```
/// use seawall::circuit_breaker::CircuitBreaker;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let breaker = CircuitBreaker::builder().name("rates").build()?;
///
/// let rate = breaker.run(async || "1.0817".parse::<f64>()).await?;
/// assert!(rate > 1.0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct CircuitBreaker {
    shared: Slot<Shared>,
}

impl CircuitBreaker {
    /// Each one of the process that has a handle; those for the keys of a [`Keyed`](crate::gate::Keyed)
    /// gate are found there.
    #[cfg(feature = "health")]
    pub(crate) fn all() -> Vec<Self> {
        Shared::all().into_iter().map(|shared| Self { shared }).collect()
    }

    /// Starts from the default settings.
    ///
    /// # Example
    ///
    /// See [`Config`].
    pub fn builder() -> Config {
        Config::default()
    }

    fn new(name: &str, span: Span, params: &Params, environment: &Environment) -> Self {
        Self { shared: Shared::acquire(name, span, params, environment) }
    }

    /// A layer that puts this breaker before a service. It judges calls by their result; see
    /// [`GateLayer::classify`] for other ways.
    #[must_use]
    pub fn layer(&self) -> CircuitBreakerLayer {
        GateLayer::new(self.clone())
    }

    /// Runs `operation` through this breaker.
    ///
    /// # Errors
    ///
    /// [`Error::Service`] with the error of `operation`, or [`Error::Rejected`] when the circuit is
    /// open or calls are held back.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the operation's. What that says about the service, [`Permit`]
    /// tells.
    pub async fn run<F, Fut, T, E>(&self, operation: F) -> Result<T, Error<E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.layer().run(operation).await
    }

    /// Runs an `operation` whose error can hold a rejection through this breaker.
    ///
    /// # Errors
    ///
    /// The error of `operation`, or a rejection when the circuit is open or calls are held back.
    ///
    /// # Cancel safety
    ///
    /// As of [`run`](Self::run).
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::circuit_breaker::CircuitBreaker;
    /// use seawall::error::BoxError;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BoxError> {
    /// let breaker = CircuitBreaker::builder().build()?;
    /// let answer = breaker.run_with(async || Ok::<_, BoxError>(42)).await?;
    /// assert_eq!(answer, 42);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run_with<F, Fut, T, E>(&self, operation: F) -> Result<T, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: Reject,
    {
        self.layer().run_with(operation).await
    }

    /// Asks to start a call, for code that is neither a service nor one future.
    ///
    /// The call's age counts from here.
    ///
    /// # Errors
    ///
    /// A rejection when the circuit is open or calls are held back.
    ///
    /// # Example
    ///
    /// See [`Permit`].
    pub fn enter(&self) -> Result<Permit, Rejection> {
        let mut permit = self.admit()?;
        permit.pending();
        Ok(permit)
    }

    /// The current state. Asking changes nothing.
    #[must_use]
    pub fn state(&self) -> State {
        self.shared.core.state()
    }

    /// Counts, rates, and how long calls will be turned away. Asking changes nothing.
    ///
    /// Reads the clock and all threads' parts of the window: some 50 ns.
    ///
    /// # Example
    ///
    /// See [`Snapshot`].
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.shared.core.view(&*self.shared.family))
    }

    /// The name in rejections, events and levels.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.shared.family.emitter.name()
    }

    /// Turns all calls away until [`reset`](Self::reset).
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::circuit_breaker::{CircuitBreaker, State};
    ///
    /// let breaker = CircuitBreaker::builder().build()?;
    ///
    /// breaker.isolate();
    /// assert!(breaker.enter().is_err());
    ///
    /// breaker.reset();
    /// assert!(breaker.enter().is_ok());
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    pub fn isolate(&self) {
        self.force(State::Isolated);
    }

    /// Lets all calls pass, and counts none, until [`reset`](Self::reset).
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::circuit_breaker::{CircuitBreaker, State};
    ///
    /// let breaker = CircuitBreaker::builder().build()?;
    /// breaker.force_closed();
    /// assert_eq!(breaker.state(), State::ForcedClosed);
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    pub fn force_closed(&self) {
        self.force(State::ForcedClosed);
    }

    /// Lets all calls pass and counts them, but never opens, until [`reset`](Self::reset): to see
    /// what a breaker would be told before it is trusted.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::circuit_breaker::{CircuitBreaker, State};
    ///
    /// let breaker = CircuitBreaker::builder().build()?;
    /// breaker.metrics_only();
    /// assert_eq!(breaker.state(), State::MetricsOnly);
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    pub fn metrics_only(&self) {
        self.force(State::MetricsOnly);
    }

    /// Closes the circuit, forgets all calls, and ends any pause. Calls that run now count for
    /// nothing.
    ///
    /// # Example
    ///
    /// See [`isolate`](Self::isolate).
    pub fn reset(&self) {
        self.force(State::Closed);
    }

    /// Takes over rates, times and limits of `config`, and keeps all state. Calls that run go on.
    ///
    /// An open time that has begun ends when it was to end.
    ///
    /// # Errors
    ///
    /// Names the setting that makes no sense, or that can not change: the name, and the window's
    /// kind and length. Nothing is changed then.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use seawall::circuit_breaker::CircuitBreaker;
    ///
    /// let config = CircuitBreaker::builder().failure_rate(0.5);
    /// let breaker = config.build()?;
    ///
    /// breaker.reload(&config.clone().failure_rate(0.25))?;
    ///
    /// let error = breaker.reload(&config.time_window(Duration::from_secs(60))).unwrap_err();
    /// assert_eq!(error.field(), "time_window");
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    pub fn reload(&self, config: &Config) -> Result<(), InvalidConfig> {
        let Shared { core, family } = &*self.shared;
        if config.name_setting() != family.emitter.name() {
            return Err(InvalidConfig::new("name", "what the breaker was built with"));
        }
        family.settings.store(&config.params_for(core.span())?);
        family.emitter.emit(EventKind::Reloaded);
        Ok(())
    }

    #[expect(clippy::inline_always, reason = "a call would move the permit through memory")]
    #[inline(always)]
    fn admit(&self) -> Result<Permit, Rejection> {
        let ticket = if let Some(ticket) = self.shared.core.enter_plainly() {
            ticket
        } else {
            let mut shut = Shut::UNTIL_FURTHER_NOTICE;
            let ticket = self.shared.enter_slowly(&mut shut);
            if ticket.is_spent() {
                return Err(self.shared.rejection(shut));
            }
            ticket
        };
        Ok(Permit::new(self.shared.clone(), ticket))
    }

    fn force(&self, state: State) {
        let Shared { core, family } = &*self.shared;
        self.shared.tell(core.force(state, &**family));
    }
}

impl<Request> Gate<Request> for CircuitBreaker {
    type Permit = Permit;

    #[expect(clippy::inline_always, reason = "a call would move the permit through memory")]
    #[inline(always)]
    fn enter(&self, _: &Request) -> Result<Permit, Rejection> {
        self.admit()
    }

    #[inline]
    fn shut(&self) -> Option<Rejection> {
        let Shared { core, family } = &*self.shared;
        core.peek(&**family).map(|shut| self.shared.rejection(shut))
    }

    #[inline]
    fn turned_away(&self, rejection: &Rejection) {
        self.shared.family.emitter.emit(EventKind::Rejected { reason: rejection.reason() });
    }
}

/// Settings, name, clock and observer are shared: a reload of one is a reload of all.
impl Sibling for CircuitBreaker {
    fn sibling(&self) -> Self {
        Self { shared: self.shared.sibling() }
    }

    fn is_idle(&self) -> bool {
        let Shared { core, family } = &*self.shared;
        self.shared.is_unique() && core.is_forgettable(&**family)
    }

    fn evicted(&self) {
        self.shared.family.emitter.emit(EventKind::Evicted);
    }
}

impl Measure for CircuitBreaker {
    fn measure(&self, sink: &mut dyn FnMut(Level)) {
        let snapshot = self.snapshot();
        let mut gauge = |name, value| sink(Level::gauge(PATTERN, self.name(), name, value));
        let state: u8 = match snapshot.state() {
            State::Closed => 0,
            State::Open => 1,
            State::HalfOpen => 2,
            State::Recovering => 3,
            State::Isolated => 4,
            State::ForcedClosed => 5,
            State::MetricsOnly => 6,
        };
        gauge("state", state.into());
        gauge("calls", u32::try_from(snapshot.calls()).unwrap_or(u32::MAX).into());
        gauge("failure_rate", snapshot.failure_rate().unwrap_or_default());
        gauge("slow_rate", snapshot.slow_rate().unwrap_or_default());
    }
}
