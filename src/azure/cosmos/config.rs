//! Settings.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::clients::{Factory, Rules};
use super::{Cosmos, RequestUnits};
use crate::error::{BoxError, InvalidConfig};
use crate::region::Region;
use crate::telemetry::Environment;
use crate::{bulkhead, circuit_breaker};

/// Settings of a [`Cosmos`], and its builder.
///
/// | setting | default | why |
/// |---|---|---|
/// | [`total_timeout`](Self::total_timeout) | 15 s | the driver waits out throttling and fails over within |
/// | [`verify_within`](Self::verify_within) | 3 s | two reads of an item, with a second in between |
/// | [`bulkhead`](Self::bulkhead) | 200 operations at a time | |
/// | [`circuit_breaker`](Self::circuit_breaker) | half of 20 operations in 30 s, open for 5 s | one for reads and one for writes |
/// | [`request_units`](Self::request_units) | none | nobody but you knows the throughput |
/// | [`rebuild`](Self::rebuild) | none | |
/// | [`rebuild_after`](Self::rebuild_after) | 5 failures in a row | |
/// | [`cool_down`](Self::cool_down) | 30 s | |
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::azure::Cosmos;
/// use seawall::azure::cosmos::RequestUnits;
/// use seawall::bulkhead::Bulkhead;
/// use seawall::region::Region;
///
/// # let client = ();
/// # async fn connect() -> Result<(), seawall::error::BoxError> { Ok(()) }
/// let orders = Cosmos::builder("orders", client)
///     .total_timeout(Duration::from_secs(5))
///     .bulkhead(Bulkhead::builder().max_calls(50))
///     .request_units(RequestUnits::per_second(4_000.0).share(0.25).build()?)
///     .regions([Region::new("West Europe")?, Region::new("North Europe")?])
///     // A client of the same account with a backup endpoint.
///     .rebuild(|| connect())
///     .build()?;
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Config<C> {
    name: String,
    client: C,
    pub(super) total_timeout: Duration,
    pub(super) verify_within: Duration,
    pub(super) bulkhead: Option<bulkhead::Config>,
    pub(super) circuit_breaker: Option<circuit_breaker::Config>,
    pub(super) request_units: Option<RequestUnits>,
    pub(super) regions: Vec<Region>,
    factory: Option<Factory<C>>,
    rebuild_after: u32,
    cool_down: Duration,
}

impl<C> Config<C>
where
    C: Clone + Send + Sync + 'static,
{
    pub(super) fn new(name: String, client: C) -> Self {
        Self {
            name,
            client,
            total_timeout: Duration::from_secs(15),
            verify_within: Duration::from_secs(3),
            bulkhead: Some(bulkhead::Config::default().max_calls(200)),
            circuit_breaker: Some(
                circuit_breaker::Config::default()
                    .time_window(Duration::from_secs(30))
                    .min_calls(20)
                    .open_for(Duration::from_secs(5)),
            ),
            request_units: None,
            regions: Vec::new(),
            factory: None,
            rebuild_after: 5,
            cool_down: Duration::from_secs(30),
        }
    }

    /// The time for an operation with all that is done about it, unless its
    /// [deadline](crate::context::deadline) is earlier: from 1 ms to 1 day.
    ///
    /// Default: 15 s.
    pub fn total_timeout(mut self, timeout: Duration) -> Self {
        self.total_timeout = timeout;
        self
    }

    /// How much of that time is kept for the look whether a write was executed, and half of it at
    /// most: up to 1 hour.
    ///
    /// Default: 3 s.
    pub fn verify_within(mut self, time: Duration) -> Self {
        self.verify_within = time;
        self
    }

    /// How many operations may run at a time, or `None` for any number. Its own name is not used.
    ///
    /// Default: 200.
    pub fn bulkhead(mut self, bulkhead: impl Into<Option<bulkhead::Config>>) -> Self {
        self.bulkhead = bulkhead.into();
        self
    }

    /// The account's breakers, one for reads and one for writes, or `None` for none: when the
    /// write region is lost, reads go on. Its own name is not used.
    ///
    /// Default: opens when half of 20 operations or more in 30 s fail, for 5 s.
    pub fn circuit_breaker(mut self, breaker: impl Into<Option<circuit_breaker::Config>>) -> Self {
        self.circuit_breaker = breaker.into();
        self
    }

    /// The quota that operations spend. Give the same one to all that share the throughput.
    ///
    /// Default: none.
    pub fn request_units(mut self, units: impl Into<Option<RequestUnits>>) -> Self {
        self.request_units = units.into();
        self
    }

    /// The account's regions, each of which gets a check in [`health`](Cosmos::health): up to 100.
    ///
    /// Default: none. Those that are met count for the account's check nevertheless.
    pub fn regions(mut self, regions: impl IntoIterator<Item = Region>) -> Self {
        // One more than may be, so that `build` can refuse it.
        self.regions = regions.into_iter().take(101).collect();
        self
    }

    /// Makes another client when operations keep failing as they do when the region is lost that
    /// this one was made through. It takes the place of the old one for all operations that begin
    /// afterwards.
    ///
    /// One at a time, in a task of tokio's, for 30 s at most. Its errors are not told: the old
    /// client stays, and the next failure after the [cool-down](Self::cool_down) calls it again.
    ///
    /// Default: none.
    pub fn rebuild<F, Fut>(mut self, factory: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<C, BoxError>> + Send + 'static,
    {
        self.factory = Some(Arc::new(move || Box::pin(factory())));
        self
    }

    /// After how many such failures in a row, of reads or of writes: at least 1.
    ///
    /// Default: 5.
    pub fn rebuild_after(mut self, failures: u32) -> Self {
        self.rebuild_after = failures;
        self
    }

    /// How long after one client was begun the next one may be: up to 1 day.
    ///
    /// Default: 30 s.
    pub fn cool_down(mut self, time: Duration) -> Self {
        self.cool_down = time;
        self
    }

    /// The wrapper.
    ///
    /// # Errors
    ///
    /// If a setting is out of its range: it is named.
    pub fn build(self) -> Result<Cosmos<C>, InvalidConfig> {
        self.build_in(&Environment::new())
    }

    /// The wrapper, by that clock and with that observer.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_in(self, environment: &Environment) -> Result<Cosmos<C>, InvalidConfig> {
        let day = Duration::from_secs(86_400);
        let milli = Duration::from_millis(1);
        let rules = [
            ((milli..=day).contains(&self.total_timeout), "total_timeout", "from 1 ms to 1 day"),
            (self.verify_within <= Duration::from_secs(3_600), "verify_within", "at most 1 hour"),
            (self.regions.len() <= 100, "regions", "at most 100"),
            (self.rebuild_after >= 1, "rebuild_after", "at least 1"),
            (self.cool_down <= day, "cool_down", "at most 1 day"),
        ];
        if let Some((_, field, expected)) = rules.into_iter().find(|(holds, ..)| !holds) {
            return Err(InvalidConfig::new(field, expected));
        }
        let rules = Rules { after: self.rebuild_after, cool_down: self.cool_down };
        let Self { name, client, factory, .. } = &self;
        Cosmos::new(name, client.clone(), factory.clone(), rules, &self, environment)
    }
}

/// Without the client, which holds secrets.
impl<C> fmt::Debug for Config<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("name", &self.name)
            .field("total_timeout", &self.total_timeout)
            .field("request_units", &self.request_units)
            .field("regions", &self.regions)
            .finish_non_exhaustive()
    }
}
