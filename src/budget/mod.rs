//! Bounds how much is sent on top of what is asked for.
//!
//! Retries help while few calls fail. When most fail, they multiply the load on a service that is
//! already down, and keep it there. A budget ties all repeats, of retries, hedges and failovers
//! together, to the calls that are made anyway.
//!
//! # Example
//!
//! Two clients of one service share a budget:
//!
//! ```
//! use seawall::budget::Budget;
//! use seawall::retry::Retry;
//! use seawall::telemetry::Environment;
//!
//! # fn main() -> Result<(), seawall::error::InvalidConfig> {
//! let budget = Budget::builder().name("orders").ratio(0.1).per_second(2.0).build()?;
//!
//! let reads = Retry::builder().name("reads").build_sharing(&budget, &Environment::new())?;
//! let writes = Retry::builder().name("writes").build_sharing(&budget, &Environment::new())?;
//! # let _ = (reads, writes);
//!
//! // What a driver of your own does: one deposit for each call, one charge for each repeat.
//! budget.deposit();
//! if let Some(charge) = budget.withdraw() {
//!     // Dropped before it is spent, the charge is given back.
//!     charge.spend();
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # When to use it
//!
//! Always: a [`Retry`](crate::retry::Retry) has one of its own unless it is told otherwise. Share
//! one between all that repeats calls to the same service. A budget alone does not end an overload
//! that keeps itself alive; that takes a circuit breaker or a limit as well.
//!
//! # How it decides
//!
//! A repeat is allowed when, within the window,
//! `repeats + 1 ≤ ratio × calls + per_second × window`.
//!
//! - It is charged when it is *decided*, by compare-exchange, and given back if it is dropped
//!   before it is sent. So repeats that wait are bounded too, and do not come as a burst when their
//!   waits are over. No interleaving overdraws it.
//! - A call counts when it begins, not when it ends: calls that hang are calls.
//! - The window slides in tenths of its length. It never forgets a repeat early. It may forget up
//!   to 16 calls per thread early, by less than one tenth each: whatever is inexact makes it
//!   smaller.
//! - The ratio is exact to a millionth: 0.3 allows 300 repeats per 1,000 calls, not 333.
//! - After a rest of any length the first call costs what every call costs.
//!
//! The idea is Finagle's (`RetryBudget`): a windowed share of the calls, and a reserve so that
//! clients with little traffic can repeat at all. There a mutex and a queue of deposits hold it;
//! here each thread counts its own calls and nobody waits.
//!
//! # Defaults
//!
//! | setting      | default | why                                                                    |
//! |--------------|---------|------------------------------------------------------------------------|
//! | `ratio`      | 0.1     | three tiers in a row then send at most 1.3 times the calls; Google's SRE book has the same per client |
//! | `per_second` | 1       | a client with a call per second can repeat every one; one with 280 sends 1.104 times its calls at worst |
//! | `window`     | 10 s    | long enough to ride out a burst of failures, short enough to forget one |
//!
//! # Cost
//!
//! A deposit is a load and a plain store in a cell of the running thread, and a coarse clock
//! reading in at most every 16th call of a busy thread: about 1 ns, on any number of threads. A
//! withdrawal adds up all threads' cells: tens of nanoseconds, for calls that have failed. Nothing
//! allocates after the budget is built.

mod core;

use std::fmt;
use std::time::Duration;

use self::core::{Core, Params, TICKS};
use crate::error::{InvalidConfig, intern};
use crate::slot::{Pool, Pooled};
use crate::telemetry::{Environment, Level, Measure};
use crate::time::{Clock, nanos};

/// Bounds the repeats of all who share it.
///
/// A cheap handle: clones are the same budget. See the [module](self) for what it does.
///
/// # Example
///
/// ```
/// use seawall::budget::Budget;
///
/// let budget = Budget::builder().name("orders").ratio(0.5).per_second(0.0).build()?;
/// assert_eq!(budget.name(), "orders");
///
/// // One repeat for two calls.
/// budget.deposit();
/// assert!(budget.withdraw().is_none());
/// budget.deposit();
/// budget.withdraw().expect("half of two").spend();
/// assert!(budget.withdraw().is_none());
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Debug)]
pub struct Budget {
    shared: Pooled<Shared>,
}

static POOL: Pool<Shared> = Pool::new();

/// A repeat that has been charged and not been sent yet.
///
/// Dropped without [`spend`](Self::spend), it gives the charge back.
///
/// # Example
///
/// ```
/// use seawall::budget::Budget;
///
/// let budget = Budget::builder().ratio(0.0).per_second(0.1).build()?;
///
/// // The one repeat that this window allows, decided but not sent.
/// let charge = budget.withdraw().expect("the reserve");
/// assert!(budget.withdraw().is_none());
///
/// drop(charge);
/// assert!(budget.withdraw().is_some());
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Debug)]
#[must_use = "a charge that is dropped is given back"]
pub struct Charge {
    budget: Budget,
    /// The tick that it belongs to, until it is spent.
    tick: Option<u32>,
}

#[derive(Debug)]
struct Shared {
    core: Core,
    clock: Clock,
    name: &'static str,
}

impl Budget {
    /// Each one of the process that has a handle.
    #[cfg(feature = "health")]
    pub(crate) fn all() -> Vec<Self> {
        POOL.handles().into_iter().map(|shared| Self { shared }).collect()
    }

    /// Starts from the default settings.
    pub fn builder() -> Config {
        Config::default()
    }

    /// Counts a call, when it begins.
    #[inline]
    pub fn deposit(&self) {
        let Shared { core, clock, .. } = &*self.shared;
        core.deposit(|| clock.coarse());
    }

    /// Charges one repeat, when it is decided. `None` when the window allows no more.
    #[must_use = "a charge that is dropped is given back"]
    pub fn withdraw(&self) -> Option<Charge> {
        let Shared { core, clock, .. } = &*self.shared;
        let tick = core.withdraw(clock.coarse())?;
        Some(Charge { budget: self.clone(), tick: Some(tick) })
    }

    /// How many repeats could be charged now.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::budget::Budget;
    ///
    /// let budget = Budget::builder().ratio(0.5).per_second(1.0).build()?;
    /// budget.deposit();
    /// budget.deposit();
    /// assert_eq!(budget.available(), 10 + 1);
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn available(&self) -> u64 {
        let Shared { core, clock, .. } = &*self.shared;
        core.available(clock.coarse())
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.shared.name
    }

    /// Applies new settings. What the window holds stays.
    ///
    /// # Errors
    ///
    /// Names the setting that makes no sense, or that can not be changed: `name` and `window`.
    /// Nothing has changed then.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::budget::Budget;
    ///
    /// let config = Budget::builder().per_second(1.0);
    /// let budget = config.build()?;
    ///
    /// budget.reload(&config.per_second(3.0))?;
    /// assert_eq!(budget.available(), 30);
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    pub fn reload(&self, config: &Config) -> Result<(), InvalidConfig> {
        self.reload_for("budget", config)
    }

    /// Applies new settings to the budget of the policy `owner`.
    pub(crate) fn reload_for(&self, owner: &str, config: &Config) -> Result<(), InvalidConfig> {
        let params = config.params()?;
        if intern(config.name_in(owner)) != self.name() {
            return Err(InvalidConfig::new("name", "the same as before"));
        }
        if config.tick_nanos() != self.shared.core.tick_nanos() {
            return Err(InvalidConfig::new("window", "the same as before"));
        }
        self.shared.core.reload(params);
        Ok(())
    }
}

/// The default settings.
///
/// # Example
///
/// ```
/// use seawall::budget::Budget;
///
/// assert_eq!(Budget::default().available(), 10);
/// ```
impl Default for Budget {
    fn default() -> Self {
        Config::default().build().expect("the defaults are in range")
    }
}

/// The repeats that could be charged now, and all that were ever charged.
impl Measure for Budget {
    #[expect(clippy::cast_precision_loss, reason = "meters count in floats")]
    fn measure(&self, sink: &mut dyn FnMut(Level)) {
        let name = self.name();
        sink(Level::gauge("budget", name, "available", self.available() as f64));
        sink(Level::counter("budget", name, "charged", self.shared.core.charged() as f64));
    }
}

impl Charge {
    /// The repeat is being sent.
    pub fn spend(mut self) {
        self.tick = None;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if let Some(tick) = self.tick {
            self.budget.shared.core.refund(tick);
        }
    }
}

/// Settings of a [`Budget`], and its builder.
///
/// Plain data: it can be compared, printed and read from a file. It is checked once, in
/// [`build`](Self::build).
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::budget::Budget;
///
/// let config = Budget::builder().ratio(0.2).per_second(3.0).window(Duration::from_secs(20));
/// assert_eq!(config.build()?.available(), 60);
///
/// let error = config.ratio(1.5).build().unwrap_err();
/// assert_eq!(error.field(), "ratio");
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[must_use]
pub struct Config {
    name: Option<String>,
    ratio: f64,
    per_second: f64,
    window: Duration,
}

/// In a line, for people.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = (self.ratio * 1_000.0).round() / 10.0;
        write!(f, "{percent}% of calls and {}/s, over {:?}", self.per_second, self.window)
    }
}

impl Config {
    /// The name under which it is measured.
    ///
    /// Default: that of the policy that it is part of, or `budget`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Repeats per call: from 0 to 1, exact to a millionth.
    ///
    /// Default: 0.1.
    pub fn ratio(mut self, ratio: f64) -> Self {
        self.ratio = ratio;
        self
    }

    /// Repeats per second that are allowed whatever the calls: from 0 to 1,000,000.
    ///
    /// A whole window's worth may be used at once. Either zero, or at least one repeat per window:
    /// less would be none at all. With zero, a client's first calls can not be repeated.
    ///
    /// Default: 1.
    pub fn per_second(mut self, repeats: f64) -> Self {
        self.per_second = repeats;
        self
    }

    /// The time over which calls and repeats are counted: from 1 second to 1 hour.
    ///
    /// Default: 10 s. Can not be changed by a reload.
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Makes the budget.
    ///
    /// # Errors
    ///
    /// Names the setting that is out of range. Nothing is clamped.
    pub fn build(&self) -> Result<Budget, InvalidConfig> {
        self.build_in(&Environment::new())
    }

    /// Makes the budget, with a clock of the caller's choice.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_in(&self, environment: &Environment) -> Result<Budget, InvalidConfig> {
        self.build_for("budget", environment)
    }

    /// Makes the budget for the policy `owner`, whose name it takes if it has none.
    pub(crate) fn build_for(
        &self,
        owner: &str,
        environment: &Environment,
    ) -> Result<Budget, InvalidConfig> {
        let params = self.params()?;
        let (name, tick_nanos) = (intern(self.name_in(owner)), self.tick_nanos());
        let clock = &environment.clock;
        let reuse = |shared: &Shared| {
            let fits = shared.name == name
                && shared.clock == *clock
                && shared.core.tick_nanos() == tick_nanos;
            if fits {
                shared.core.restart(params, clock.coarse());
            }
            fits
        };
        let make = || {
            let core = Core::new(params, tick_nanos, clock.coarse());
            Shared { core, clock: clock.clone(), name }
        };
        Ok(Budget { shared: POOL.acquire_pooled(reuse, make) })
    }

    fn params(&self) -> Result<Params, InvalidConfig> {
        // NaN is in no range.
        if self.ratio != 0.0 && !(1e-6..=1.0).contains(&self.ratio) {
            return Err(InvalidConfig::new("ratio", "0, or from 0.000001 to 1"));
        }
        if !(WINDOWS.0..=WINDOWS.1).contains(&self.window) {
            return Err(InvalidConfig::new("window", "from 1 second to 1 hour"));
        }
        if !(0.0..=1e6).contains(&self.per_second) {
            return Err(InvalidConfig::new("per_second", "from 0 to 1000000"));
        }
        // Rounded as a product, so that three per hour are three.
        let reserve_ppm = millionths(self.per_second * self.window.as_secs_f64());
        if self.per_second > 0.0 && reserve_ppm < millionths(1.0) {
            return Err(InvalidConfig::new("per_second", "0, or at least one repeat per window"));
        }
        Ok(Params { ratio_ppm: millionths(self.ratio), reserve_ppm })
    }

    fn name_in<'a>(&'a self, owner: &'a str) -> &'a str {
        self.name.as_deref().unwrap_or(owner)
    }

    fn tick_nanos(&self) -> u64 {
        nanos(self.window) / u64::from(TICKS)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self { name: None, ratio: 0.1, per_second: 1.0, window: Duration::from_secs(10) }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "from 0 to a million times the seconds of an hour, as checked"
)]
fn millionths(share: f64) -> u64 {
    (share * 1e6).round() as u64
}

const WINDOWS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3_600));
