//! Makes calls again that failed in a way that the next attempt may not.
//!
//! # Example
//!
//! ```
//! use std::sync::atomic::{AtomicU32, Ordering};
//! use std::time::Duration;
//!
//! use seawall::backoff::Backoff;
//! use seawall::error::BoxError;
//! use seawall::retry::Retry;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let retry = Retry::builder()
//!     .name("orders")
//!     .max_attempts(3)
//!     .backoff(Backoff::exponential(Duration::from_millis(1)))
//!     .build()?;
//!
//! let attempts = AtomicU32::new(0);
//! let orders = ServiceBuilder::new().layer(retry.layer()).service(service_fn(|id: u64| {
//!     let attempt = attempts.fetch_add(1, Ordering::Relaxed);
//!     async move { if attempt == 0 { Err(BoxError::from("reset")) } else { Ok(id) } }
//! }));
//!
//! assert_eq!(orders.oneshot(7).await?, 7);
//! assert_eq!(attempts.load(Ordering::Relaxed), 2);
//! # Ok(())
//! # }
//! ```
//!
//! # When to use it
//!
//! Where failures are short and few, and once in a chain of services: closest to the user or
//! closest to what fails, not at every tier. Put it outside of the circuit breaker and of the
//! timeout of the single attempt, and inside the timeout of the whole call. Against overload it is
//! no cure but fuel: the budget keeps the fuel little, a breaker or a limit ends the fire.
//!
//! # How it decides
//!
//! | the attempt ended as                                   | then                                |
//! |--------------------------------------------------------|-------------------------------------|
//! | [`Success`], [`Permanent`], [`Neutral`]                | the call ends with it               |
//! | a rejection that never reached the service             | the call ends with the failure of the attempt before, or with the rejection if there was none |
//! | [`Transient`], [`Overload`] without a hint             | again, after the [backoff](crate::backoff) |
//! | [`Overload`] with a hint                               | again, not a nanosecond before the hint is over, spread above it |
//! | one of these, and the call is not safe to repeat and may have been executed | the call ends with it, marked *ambiguous* |
//!
//! "Again" holds while all of these do, or else the call ends with what it has:
//!
//! - fewer than `max_attempts` attempts were made;
//! - the hint is no longer than `max_retry_after`;
//! - the wait ends, and `min_attempt_time` is left, before the call's
//!   [deadline](crate::context::deadline);
//! - the [`Replay`] makes the request again;
//! - the [budget](crate::budget) allows it.
//!
//! What the caller gets is always the last *real* failure or answer. When the deadline passes while
//! a repeat runs, he gets the failure before it, and not a timeout that hides it.
//!
//! **Safety.** [`Replay::safety`] says whether a request may be executed twice. One that may not is
//! repeated only after an attempt that certainly was not executed ([`Classify::may_have_run`]).
//!
//! **The attempt's number** is [`context::attempt`] in every service below: 1 for the first. A call
//! that arrives as somebody's repeat (its number is above 1) is tempered: its attempts count from
//! that number on, so that it has as many fewer of its own, one at least; and it does not count as
//! a call for the budget. So layers of retries add up instead of multiplying.
//!
//! # Defaults
//!
//! | setting            | default                        | why                                       |
//! |--------------------|--------------------------------|-------------------------------------------|
//! | `max_attempts`     | 3                              | a third failure in a row is rarely chance |
//! | `backoff`          | 100 ms × 2, up to 10 s, full jitter | see [there](crate::backoff#defaults) |
//! | `max_retry_after`  | 30 s                           | who waits longer is better told so        |
//! | `min_attempt_time` | 0                              | follows what the service needs; a stack sets it |
//! | `budget`           | 0.1 of the calls and 1 per second | see [there](crate::budget#defaults)    |
//!
//! # Telemetry
//!
//! `Retry` for each repeat, `RetriesExhausted` when a failure ends the call for lack of attempts or
//! time, `BudgetExhausted`, `NotReplayable` and `Ambiguous`: see
//! [`EventKind`].
//!
//! # Cost
//!
//! A call that works at once costs a clone of the inner service, of the request and of two handles,
//! and a deposit: some nanoseconds, no lock, no allocation, no clock. A failure reads the clock and
//! withdraws from the budget.
//!
//! Retry with a budget is described in Google's
//! [Site Reliability Engineering](https://sre.google/sre-book/handling-overload/), chapter 21.
//!
//! [`Success`]: crate::Outcome::Success
//! [`Permanent`]: crate::Outcome::Permanent
//! [`Neutral`]: crate::Outcome::Neutral
//! [`Transient`]: crate::Outcome::Transient
//! [`Overload`]: crate::Outcome::Overload
//! [`Replay`]: crate::replay::Replay
//! [`Replay::safety`]: crate::replay::Replay::safety
//! [`Classify::may_have_run`]: crate::outcome::Classify::may_have_run
//! [`context::attempt`]: crate::context::attempt

mod config;
mod core;
mod future;
mod layer;
mod repeats;
mod service;

pub use config::Config;
pub use future::ResponseFuture;
pub use layer::RetryLayer;
pub use service::RetryService;

use std::future::Future;

use self::config::in_budget;
use self::core::{Course, Settings};
use crate::budget::{Budget, Charge};
use crate::context;
use crate::error::{Error, InvalidConfig, Reject, intern};
use crate::rng::Rng;
use crate::slot::Supply;
use crate::sync::Mutex;
use crate::telemetry::{Emitter, EventKind, Level, Measure};
use crate::time::{Clock, Instant};

/// Makes calls again that failed in a way that the next attempt may not.
///
/// A cheap handle: clones are the same retry, with the same budget. See the [module](self) for what
/// it does and an example.
#[derive(Clone, Debug)]
pub struct Retry {
    shared: Supply<Shared>,
    budget: Option<Budget>,
}

#[derive(Debug)]
struct Shared {
    settings: Settings,
    /// The handles' budget, for calls that fail: the others need no handle to it.
    budget: Mutex<Option<Budget>>,
    owned: Owned,
    clock: Clock,
    rng: Rng,
    emitter: Emitter,
}

/// What the retry's settings speak for beyond itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Owned {
    Budget,
    Nothing,
    /// The budget is others', too, and is reloaded through its own handle.
    Shared,
}

impl Retry {
    /// Starts from the default settings.
    pub fn builder() -> Config {
        Config::default()
    }

    /// A layer that puts this retry before a service.
    ///
    /// It judges calls [by their result](crate::outcome::ByResult) and [clones](crate::replay::Cloned)
    /// requests, all of which it takes for idempotent; both can be set on the layer.
    #[must_use]
    pub fn layer(&self) -> RetryLayer {
        RetryLayer::new(self.clone())
    }

    /// Runs `operation` until it works or no attempt is left, without tower.
    ///
    /// Every error is worth another attempt, and every operation is taken for idempotent; for other
    /// rules see [`RetryLayer::run`].
    ///
    /// # Errors
    ///
    /// [`Error::Service`] with the last error of `operation`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the operation's. A repeat that was not sent yet is given back to
    /// the budget.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::retry::Retry;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let retry = Retry::builder().build()?;
    ///
    /// let text = retry.run(|| tokio::fs::read_to_string("Cargo.toml")).await?;
    /// assert!(text.contains("seawall"));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run<F, Fut, T, E>(&self, operation: F) -> Result<T, Error<E>>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.layer().run(operation).await
    }

    /// Runs an `operation` whose error can hold a rejection, without tower.
    ///
    /// # Errors
    ///
    /// The last error of `operation`.
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run).
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::error::BoxError;
    /// use seawall::retry::Retry;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BoxError> {
    /// let retry = Retry::builder().build()?;
    ///
    /// let answer = retry.run_with(async || Ok::<_, BoxError>(42)).await?;
    /// assert_eq!(answer, 42);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run_with<F, Fut, T, E>(&self, operation: F) -> Result<T, E>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: Reject,
    {
        self.layer().run_with(operation).await
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.shared.emitter.name()
    }

    /// The budget, to be shared with others that repeat calls to the same service.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::retry::Retry;
    /// use seawall::telemetry::Environment;
    ///
    /// let reads = Retry::builder().name("reads").build()?;
    /// let budget = reads.budget().expect("not built without");
    /// let writes = Retry::builder().name("writes").build_sharing(budget, &Environment::new())?;
    /// # let _ = writes;
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    #[must_use]
    pub const fn budget(&self) -> Option<&Budget> {
        self.budget.as_ref()
    }

    /// Applies new settings, also to calls that run. What the budget holds stays.
    ///
    /// # Errors
    ///
    /// Names the setting that makes no sense, or that can not be changed: `name`, the budget's name
    /// and window, and whether there is a budget. Nothing has changed then. The settings of a
    /// budget that others share are not looked at.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::retry::Retry;
    ///
    /// let config = Retry::builder().name("orders");
    /// let retry = config.build()?;
    ///
    /// retry.reload(&config.max_attempts(5))?;
    /// assert!(retry.reload(&Retry::builder().name("others")).is_err());
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    pub fn reload(&self, config: &Config) -> Result<(), InvalidConfig> {
        let Shared { settings, owned, emitter, .. } = &*self.shared;
        let params = config.params()?;
        if intern(config.own_name()) != emitter.name() {
            return Err(InvalidConfig::new("name", "the same as before"));
        }
        match (owned, &self.budget, config.own_budget()) {
            (Owned::Shared, ..) | (Owned::Nothing, None, None) => {}
            (Owned::Budget, Some(budget), Some(config)) => {
                budget.reload_for(emitter.name(), config).map_err(in_budget)?;
            }
            _ => return Err(InvalidConfig::new("budget", "there or not as before")),
        }
        settings.store(&params);
        emitter.emit(EventKind::Reloaded);
        Ok(())
    }

    /// A call begins.
    #[expect(clippy::inline_always, reason = "it is an addition, in most calls")]
    #[inline(always)]
    fn begin(&self) -> Course {
        let attempt = context::attempt();
        if let (Some(budget), 0..=1) = (&self.budget, attempt) {
            budget.deposit();
        }
        Course::new(attempt)
    }
}

impl Shared {
    /// From when on no attempt may begin that must end at `end`.
    fn limit(&self, end: Instant) -> Instant {
        self.settings.load().limit(end)
    }

    /// Charges a repeat: `None` without a budget, and `Some(None)` when there is nothing left of it.
    #[expect(clippy::option_option, reason = "whether there is a budget, and whether it allows it")]
    fn withdraw(&self) -> Option<Option<Charge>> {
        let budget = self.budget.lock().clone();
        budget.as_ref().map(Budget::withdraw)
    }
}

/// The levels of its budget.
impl Measure for Retry {
    fn measure(&self, sink: &mut dyn FnMut(Level)) {
        if let Some(budget) = &self.budget {
            budget.measure(sink);
        }
    }
}
