//! What a process may spend of an account's or a container's throughput.

mod core;

use std::future::poll_fn;
use std::time::Duration;

use self::core::{Core, Params, Ticket};
use super::op::Op;
use crate::error::{InvalidConfig, Reason, Rejection, intern};
use crate::sync::{Arc, AtomicU64, Ordering};
use crate::telemetry::{Emitter, Environment, EventKind, Level, Measure};
use crate::time::{Clock, Instant, Timer};

/// A quota of request units that clients share.
///
/// A handle: clones are the same quota. Give it to every [`Cosmos`](super::Cosmos) that works with
/// the same throughput: the containers of a database that share theirs, or two clients of one
/// container.
///
/// What a call costs is known when it has ended. So a call begins as soon as nothing is owed, takes
/// in advance what calls of its kind have cost lately, and makes up for the difference at its end.
/// One that would have to wait longer than [`max_wait`](UnitsConfig::max_wait), or than its
/// deadline, is rejected as [`Reason::RateLimited`].
///
/// After a 429 of the service that the driver could not wait out, all pay twice until the service's
/// hint has passed: at least one second, at most 30.
///
/// # Example
///
/// ```
/// use seawall::azure::cosmos::RequestUnits;
///
/// // A container of 4,000 RU/s, shared by eight instances, with a tenth left for others.
/// let units = RequestUnits::per_second(4_000.0).share(0.9 / 8.0).name("orders").build()?;
/// assert!((units.available() - 450.0).abs() < 1.0);
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
///
/// # Cost
///
/// One compare-exchange before a call and one after it. Nobody is told across processes: each has
/// its share.
#[derive(Clone, Debug)]
pub struct RequestUnits {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    core: Core,
    /// What calls of each kind have cost lately, as the bits of a float.
    costs: [AtomicU64; Op::FIRST_COSTS.len()],
    clock: Clock,
    emitter: Emitter,
}

/// Settings of [`RequestUnits`], and their builder.
///
/// | setting | default | why |
/// |---|---|---|
/// | [`share`](Self::share) | 1 | one process alone |
/// | [`burst`](Self::burst) | 1 s | the service renews its quota each second |
/// | [`max_wait`](Self::max_wait) | 1 s | who waits longer is better told so |
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::azure::cosmos::RequestUnits;
///
/// let config = RequestUnits::per_second(400.0)
///     .name("orders")
///     .share(0.5)
///     .burst(Duration::from_millis(500))
///     .max_wait(Duration::from_secs(2));
/// assert!(config.build().is_ok());
/// assert_eq!(RequestUnits::per_second(0.0).build().unwrap_err().field(), "per_second");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[must_use]
pub struct UnitsConfig {
    per_second: f64,
    #[cfg_attr(feature = "serde", serde(default = "UnitsConfig::default_name"))]
    name: String,
    #[cfg_attr(feature = "serde", serde(default = "UnitsConfig::default_share"))]
    share: f64,
    #[cfg_attr(feature = "serde", serde(default = "UnitsConfig::default_time"))]
    burst: Duration,
    #[cfg_attr(feature = "serde", serde(default = "UnitsConfig::default_time"))]
    max_wait: Duration,
}

impl RequestUnits {
    /// Starts from the throughput of the container or the database, in request units per second:
    /// above 0, and at most a billion.
    pub fn per_second(units: f64) -> UnitsConfig {
        UnitsConfig {
            per_second: units,
            name: UnitsConfig::default_name(),
            share: UnitsConfig::default_share(),
            burst: UnitsConfig::default_time(),
            max_wait: UnitsConfig::default_time(),
        }
    }

    /// How many units lie ready. Below zero, so many are owed.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::azure::cosmos::RequestUnits;
    ///
    /// let units = RequestUnits::per_second(1_000.0).build()?;
    /// assert!((units.available() - 1_000.0).abs() < 1.0);
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn available(&self) -> f64 {
        self.shared.core.available(self.shared.clock.now())
    }

    /// Whether the service has throttled, and its hint has not passed yet.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::azure::cosmos::RequestUnits;
    ///
    /// assert!(!RequestUnits::per_second(1_000.0).build()?.is_slow());
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn is_slow(&self) -> bool {
        self.shared.core.is_slow(self.shared.clock.now())
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.shared.emitter.name()
    }

    /// Waits until a call of that kind may begin.
    pub(super) async fn enter(
        &self,
        op: Op,
        deadline: Option<Instant>,
    ) -> Result<Spending, Rejection> {
        let Shared { core, costs, clock, emitter } = &*self.shared;
        let now = clock.now();
        let patience = deadline.map_or(Duration::MAX, |deadline| deadline.since(now));
        let expected = f64::from_bits(costs[op.index()].load(Ordering::Relaxed));
        let ticket = core.enter(expected, now, patience).map_err(|wait| {
            emitter.emit(EventKind::Rejected { reason: Reason::RateLimited });
            Rejection::new(emitter.name(), Reason::RateLimited).after(wait)
        })?;
        let mut spending =
            Spending { units: self.clone(), op, ticket: Some(ticket), has_begun: false };
        if ticket.begin > now {
            let mut timer = Timer::idle();
            poll_fn(|cx| timer.poll_until(ticket.begin, clock, cx)).await;
        }
        spending.has_begun = true;
        Ok(spending)
    }

    /// Lowers the pace of all until `wait` has passed.
    pub(super) fn slow_down(&self, wait: Option<Duration>) {
        let Shared { core, clock, emitter, .. } = &*self.shared;
        let wait = wait.unwrap_or_default();
        if core.slow_down(wait, clock.now()) {
            emitter.emit(EventKind::Paused { wait });
        }
    }
}

/// What a call takes of the quota.
#[derive(Debug)]
pub(super) struct Spending {
    units: RequestUnits,
    op: Op,
    /// Taken at the end.
    ticket: Option<Ticket>,
    has_begun: bool,
}

impl Spending {
    /// The call was not made.
    pub(super) fn cancel(mut self) {
        self.has_begun = false;
    }

    /// The call has cost so much; 0 if it did not say.
    pub(super) fn settle(mut self, units: f64) {
        let Some(ticket) = self.ticket.take() else { return };
        let Shared { core, costs, clock, .. } = &*self.units.shared;
        // Nothing is published, and an update that is lost is made up for by the next one.
        if units > 0.0 && units.is_finite() {
            let cost = &costs[self.op.index()];
            let before = f64::from_bits(cost.load(Ordering::Relaxed));
            let after = before + (units - before) / 8.0;
            cost.store(after.to_bits(), Ordering::Relaxed);
            core.settle(ticket, units, clock.now());
        }
    }
}

/// A call that was dropped before it began gives back what it has taken. One that was dropped later
/// has cost what its kind costs.
impl Drop for Spending {
    fn drop(&mut self) {
        if let (false, Some(ticket)) = (self.has_begun, self.ticket.take()) {
            let Shared { core, clock, .. } = &*self.units.shared;
            core.refund(ticket, clock.now());
        }
    }
}

impl UnitsConfig {
    fn default_name() -> String {
        "request_units".into()
    }

    const fn default_share() -> f64 {
        1.0
    }

    const fn default_time() -> Duration {
        Duration::from_secs(1)
    }

    /// The name in rejections, events and levels.
    ///
    /// Default: `request_units`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// What part of the throughput is this process's: above 0 and up to 1.
    ///
    /// Default: 1.
    pub const fn share(mut self, part: f64) -> Self {
        self.share = part;
        self
    }

    /// How much may lie saved up, as the time it takes to earn it: up to 1 minute.
    ///
    /// Default: 1 s.
    pub const fn burst(mut self, time: Duration) -> Self {
        self.burst = time;
        self
    }

    /// How long a call waits at most: up to 1 minute.
    ///
    /// Default: 1 s.
    pub const fn max_wait(mut self, time: Duration) -> Self {
        self.max_wait = time;
        self
    }

    /// The quota.
    ///
    /// # Errors
    ///
    /// If a setting is out of its range: it is named.
    pub fn build(&self) -> Result<RequestUnits, InvalidConfig> {
        self.build_in(&Environment::new())
    }

    /// The quota, by that clock and with that observer.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_in(&self, environment: &Environment) -> Result<RequestUnits, InvalidConfig> {
        let minute = Duration::from_secs(60);
        // What is no number is in no range.
        let rules = [
            (self.per_second > 0.0 && self.per_second <= 1e9, "per_second", "above 0, at most 1e9"),
            (self.share > 0.0 && self.share <= 1.0, "share", "above 0 and at most 1"),
            (self.per_second * self.share >= 1e-3, "share", "such that something is left of it"),
            (self.burst <= minute, "burst", "at most 1 minute"),
            (self.max_wait <= minute, "max_wait", "at most 1 minute"),
        ];
        if let Some((_, field, expected)) = rules.into_iter().find(|(holds, ..)| !holds) {
            return Err(InvalidConfig::new(field, expected));
        }
        let params = Params {
            nanos_per_unit: 1e9 / (self.per_second * self.share),
            burst: self.burst,
            max_wait: self.max_wait,
        };
        let shared = Shared {
            // What one starts with is saved up.
            core: Core::new(params, AtomicU64::new(0), AtomicU64::new(0)),
            costs: Op::FIRST_COSTS.map(|cost| AtomicU64::new(cost.to_bits())),
            clock: environment.clock.clone(),
            emitter: Emitter::new("request_units", intern(&self.name), environment),
        };
        Ok(RequestUnits { shared: Arc::new(shared) })
    }
}

/// What lies ready, and whether the pace is low.
impl Measure for RequestUnits {
    fn measure(&self, sink: &mut dyn FnMut(Level)) {
        sink(Level::gauge("request_units", self.name(), "available", self.available()));
        sink(Level::gauge(
            "request_units",
            self.name(),
            "slow",
            f64::from(u8::from(self.is_slow())),
        ));
    }
}
