//! Cosmos DB: what its client leaves to its user.
//!
//! # Example
//!
//! ```no_run
//! use azure_data_cosmos::{ContainerClient, CosmosError};
//! use seawall::azure::Cosmos;
//! use seawall::azure::cosmos::{Op, RequestUnits};
//! use seawall::error::BoxError;
//! use seawall::replay::Verified;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Deserialize, Serialize)]
//! struct Order {
//!     id: String,
//!     customer: String,
//!     /// Made up by who places the order: tells it from any other.
//!     request: String,
//! }
//!
//! # async fn connect(endpoint: &str) -> Result<ContainerClient, CosmosError> {
//! #     std::future::pending().await
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let container = connect("https://shop.documents.azure.com/").await?;
//! let orders = Cosmos::builder("orders", container)
//!     .request_units(RequestUnits::per_second(4_000.0).share(0.25).build()?)
//!     // By its other region, should the first one be lost.
//!     .rebuild(|| async { Ok(connect("https://shop-northeurope.documents.azure.com/").await?) })
//!     .build()?;
//!
//! let order = orders
//!     .run(Op::Read, async |container: ContainerClient| {
//!         container.read_item("customer-7", "4711", None).await
//!     })
//!     .await?
//!     .into_model::<Order>()?;
//!
//! // Created, even if its answer was lost: the item tells whose it is.
//! orders
//!     .run_verified(
//!         Op::Create,
//!         async |container: ContainerClient| {
//!             container.create_item(&order.customer, &order.id, &order, None).await.map(drop)
//!         },
//!         async |container: ContainerClient| {
//!             let found = match container.read_item(&order.customer, &order.id, None).await {
//!                 Ok(found) => found.into_model::<Order>()?,
//!                 Err(error) if error.status().is_not_found() => return Ok(Verified::NotExecuted),
//!                 Err(error) => return Err(error),
//!             };
//!             Ok(if found.request == order.request {
//!                 Verified::Executed(())
//!             } else {
//!                 Verified::NotExecuted
//!             })
//!         },
//!     )
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! # When to use it
//!
//! Around each operation of `azure_data_cosmos`. Its driver retries throttling (9 times, 30 s),
//! locks and stale sessions, fails over between regions, hedges reads and takes single partitions
//! out of use. None of that is done a second time here: nothing is repeated, nothing is hedged.
//! What is added:
//!
//! - a *deadline* over all that the driver does;
//! - a *bulkhead* and two *breakers*, one for reads and one for writes, since reads go on while the
//!   write region is lost;
//! - a *quota* of request units that clients share, so that the service need not throttle them;
//! - *ambiguous endings*: the driver repeats writes whose answer was lost, and a create that was
//!   executed by the first request ends with 409 by the second;
//! - the *health* of regions, and a *new client* when the one there is was made through a region
//!   that is lost.
//!
//! # How it decides
//!
//! By status and sub-status together, through one [table](rows()): the manual's page
//! [`cosmos`](crate::manual::cosmos) prints it.
//!
//! A write that failed may have been executed if its last answer leaves it open, or if the driver
//! had sent it before and that answer left it open. Such a write ends as
//! [ambiguous](crate::Error::Ambiguous), unless it was said to be idempotent, or
//! [`run_verified`](Cosmos::run_verified) finds out.
//!
//! # Telemetry
//!
//! Events of pattern `cosmos` (`Ambiguous`, `TimedOut`, `StateChanged` to `new_client`),
//! `cosmos_region` (`StateChanged`), `request_units` (`Rejected`, `Paused`), and those of the
//! breakers and the bulkhead; levels of all. [`Cosmos::health`] brings checks for a registry.
//!
//! # Cost
//!
//! On top of the round trip: two permits, two locks for a moment, and a copy of the driver's record
//! of the operation, with an allocation for the name of each region in it.

mod attempt;
mod clients;
mod config;
mod health;
mod op;
mod regions;
mod report;
mod status;
#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests;
mod units;

pub use config::Config;
pub use op::Op;
pub use regions::{RegionState, RegionStatus};
pub use report::{Report, Reported, Request};
pub use status::{Handling, Row, Sign, judge, rows};
pub use units::{RequestUnits, UnitsConfig};

use std::fmt;
use std::future::Future;
use std::time::Duration;

use azure_data_cosmos::CosmosClient;
use azure_data_cosmos::options::{EndToEndOperationLatencyPolicy, OperationOptions};

use self::clients::{Clients, Factory, Rules};
use self::regions::Regions;
use crate::bulkhead::Bulkhead;
use crate::circuit_breaker::CircuitBreaker;
use crate::context;
use crate::error::{Error, InvalidConfig, intern};
use crate::region::Region;
use crate::replay::Verified;
use crate::sync::Arc;
use crate::telemetry::{Emitter, Environment, Level, Measure};
use crate::time::{Clock, Instant};

/// A client of Cosmos DB, and how its operations are made.
///
/// A handle: clones share all. `C` is whatever operations work with: a
/// [`ContainerClient`](azure_data_cosmos::ContainerClient), a [`CosmosClient`], a struct of several
/// containers; it is cloned for each operation. See the [module](self) for what it does and an
/// example.
pub struct Cosmos<C = CosmosClient> {
    shared: Arc<Shared<C>>,
}

struct Shared<C> {
    name: &'static str,
    clients: Clients<C>,
    /// Of reads and of writes.
    breakers: Option<[CircuitBreaker; 2]>,
    bulkhead: Option<Bulkhead>,
    units: Option<RequestUnits>,
    regions: Regions,
    named: Vec<Region>,
    total_timeout: Duration,
    verify_within: Duration,
    clock: Clock,
    emitter: Emitter,
}

impl<C> Cosmos<C>
where
    C: Clone + Send + Sync + 'static,
{
    /// Starts from a name, for rejections, events, levels and checks, and what operations work with.
    pub fn builder(name: impl Into<String>, client: C) -> Config<C> {
        Config::new(name.into(), client)
    }

    fn new(
        name: &str,
        client: C,
        factory: Option<Factory<C>>,
        rules: Rules,
        config: &Config<C>,
        environment: &Environment,
    ) -> Result<Self, InvalidConfig> {
        let breaker = |kind: &str| {
            let breaker = config.circuit_breaker.clone();
            breaker.map(|it| it.name(format!("{name}/{kind}")).build_in(environment)).transpose()
        };
        let writes = breaker("writes").map_err(|error| error.within("circuit_breaker"))?;
        let reads = breaker("reads").map_err(|error| error.within("circuit_breaker"))?;
        let bulkhead = config.bulkhead.clone().map(|it| it.name(name).build_in(environment));
        let bulkhead = bulkhead.transpose().map_err(|error| error.within("bulkhead"))?;
        let name = intern(name);
        let shared = Shared {
            name,
            clients: Clients::new(client, factory, rules),
            breakers: writes.zip(reads).map(<[_; 2]>::from),
            bulkhead,
            units: config.request_units.clone(),
            regions: Regions::new(name, environment),
            named: config.regions.clone(),
            total_timeout: config.total_timeout,
            verify_within: config.verify_within,
            clock: environment.clock.clone(),
            emitter: Emitter::new("cosmos", name, environment),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Makes one operation: one call of the SDK.
    ///
    /// It is made once. What the driver repeats, it repeats within.
    ///
    /// # Errors
    ///
    /// The operation's error; as [`Error::Ambiguous`] if it is a write that may have been executed,
    /// and that was not said to be idempotent. A rejection, which is
    /// [ambiguous](crate::Rejection::is_ambiguous) if the time of such a write was over.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the operation. A write may be executed all the same.
    ///
    /// # Example
    ///
    /// See the [module](self).
    pub async fn run<T, E, F>(
        &self,
        op: impl Into<Op>,
        operation: impl FnOnce(C) -> F,
    ) -> Result<T, Error<E>>
    where
        T: Reported,
        E: Reported,
        F: Future<Output = Result<T, E>>,
    {
        let op = op.into();
        let deadline = self.deadline();
        let result = self.attempt(op, deadline, operation).await;
        result.map_err(|failure| self.tell(failure))
    }

    /// Makes one operation, and looks afterwards whether it was executed if nobody knows.
    ///
    /// `verify` tells by an identity that was written with the data. What it finds is the answer;
    /// if it finds nothing, the call ends with its error, which then is not ambiguous. When no
    /// answer came at all, that nothing is there is believed only when a second look, a second
    /// later, finds nothing either. Let it answer [`Verified::Unknown`] where reads may be older
    /// than the write. Its reads count neither for the quota nor for the breakers.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), and ambiguous only if `verify` does not know, fails or finds no time.
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run).
    ///
    /// # Example
    ///
    /// See the [module](self).
    pub async fn run_verified<T, E, F, V>(
        &self,
        op: impl Into<Op>,
        operation: impl FnOnce(C) -> F,
        mut verify: impl FnMut(C) -> V,
    ) -> Result<T, Error<E>>
    where
        T: Reported,
        E: Reported,
        F: Future<Output = Result<T, E>>,
        V: Future<Output = Result<Verified<T>, E>>,
    {
        let op = op.into();
        let Shared { verify_within, clock, .. } = &*self.shared;
        let deadline = self.deadline();
        let now = clock.now();
        let remaining = deadline.since(now);
        let kept = (*verify_within).min(remaining / 2);
        let failure = match self.attempt(op, deadline - kept, operation).await {
            Ok(value) => return Ok(value),
            Err(failure) => failure,
        };
        if !failure.may_have_run {
            return Err(failure.error);
        }
        match self.verify(deadline, failure.is_settled, &mut verify).await {
            Verified::Executed(value) => Ok(value),
            Verified::NotExecuted => Err(failure.error),
            Verified::Unknown => Err(self.tell(failure)),
        }
    }

    /// The client that operations get now.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::azure::Cosmos;
    ///
    /// let orders = Cosmos::builder("orders", "a client").build()?;
    /// assert_eq!(orders.client(), "a client");
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn client(&self) -> C {
        self.shared.clients.newest().1
    }

    /// How many clients have taken another one's place.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::azure::Cosmos;
    ///
    /// assert_eq!(Cosmos::builder("orders", ()).build()?.rebuilt(), 0);
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn rebuilt(&self) -> u64 {
        self.shared.clients.generation()
    }

    /// Options of the SDK with its own deadline, for use within an operation: a little before the
    /// one of the call, so that its error, with all that the driver knows, comes first.
    ///
    /// The SDK's is one second at least.
    ///
    /// # Example
    ///
    /// ```
    /// use azure_data_cosmos::options::ItemReadOptions;
    /// use seawall::azure::Cosmos;
    ///
    /// let orders = Cosmos::builder("orders", ()).build()?;
    /// let options = orders.operation_options();
    /// assert!(options.end_to_end_latency_policy.is_some());
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn operation_options(&self) -> OperationOptions {
        let remaining = self.deadline().since(self.shared.clock.now());
        let mut options = OperationOptions::default();
        options.end_to_end_latency_policy =
            Some(EndToEndOperationLatencyPolicy::new(remaining / 10 * 9));
        options
    }

    /// What is known of the regions that operations met.
    ///
    /// # Example
    ///
    /// See [`RegionStatus`].
    #[must_use]
    pub fn regions(&self) -> Vec<RegionStatus> {
        self.shared.regions.status(self.shared.clock.now())
    }

    /// The breaker of reads, or of writes, unless there is none.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::azure::Cosmos;
    /// use seawall::azure::cosmos::Op;
    ///
    /// let orders = Cosmos::builder("orders", ()).build()?;
    /// assert_eq!(orders.circuit_breaker(Op::Read).unwrap().name(), "orders/reads");
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn circuit_breaker(&self, op: impl Into<Op>) -> Option<&CircuitBreaker> {
        let breakers = self.shared.breakers.as_ref()?;
        Some(&breakers[usize::from(op.into().is_read())])
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.shared.name
    }

    fn deadline(&self) -> Instant {
        let Shared { clock, total_timeout, .. } = &*self.shared;
        let own = clock.now() + *total_timeout;
        context::deadline(clock).map_or(own, |outer| outer.min(own))
    }
}

/// The levels of its breakers, its bulkhead and its quota, and how many clients were made anew.
impl<C> Measure for Cosmos<C>
where
    C: Clone + Send + Sync + 'static,
{
    fn measure(&self, sink: &mut dyn FnMut(Level)) {
        let Shared { name, breakers, bulkhead, units, clients, .. } = &*self.shared;
        breakers.iter().flatten().for_each(|breaker| breaker.measure(sink));
        if let Some(bulkhead) = bulkhead {
            bulkhead.measure(sink);
        }
        if let Some(units) = units {
            units.measure(sink);
        }
        #[expect(clippy::cast_precision_loss, reason = "a client takes half a minute at least")]
        let rebuilt = clients.generation() as f64;
        sink(Level::counter("cosmos", name, "rebuilt", rebuilt));
    }
}

impl<C> Clone for Cosmos<C> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<C> fmt::Debug for Cosmos<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cosmos").field("name", &self.shared.name).finish_non_exhaustive()
    }
}
