//! Leaving without losing a request.
//!
//! An instance that is to go must first be seen as not ready by all that lead traffic to it, and
//! that takes as long as their probes do: seconds for a load balancer, minutes where names are
//! cached. A [`Drain`] knows what stands in front, computes how long to stay, and goes through the
//! [phases](Phase) by the clock:
//!
//! | phase | lasts | new requests | readiness | liveness |
//! |---|---|---|---|---|
//! | [`Serving`](Phase::Serving) | until [`start`](Drain::start) | served | as it is | healthy |
//! | [`NotReady`](Phase::NotReady) | until the slowest [`Product`] has looked away | served | fails | healthy |
//! | [`Closing`](Phase::Closing) | [`closing`](Config::closing) | served, with `Connection: close` | fails | healthy |
//! | [`Rejecting`](Phase::Rejecting) | [`finish`](Config::finish), or until none is under way | 503 with `Retry-After` | fails | healthy |
//! | [`Closed`](Phase::Closed) | | 503 | fails | healthy |
//!
//! Liveness stays healthy to the end: an orchestrator that sees it fail kills the process early.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//!
//! use seawall::health::Phase;
//! use seawall::health::drain::{Cause, Drain, Product};
//! use seawall::telemetry::Environment;
//! use seawall::time::Clock;
//!
//! let clock = Clock::manual();
//! let drain = Drain::for_products([Product::load_balancer(), Product::kubernetes()])
//!     .build_in(&Environment::new().clock(clock.clone()))?;
//!
//! drain.start(Cause::Operator);
//! assert_eq!(drain.phase(), Phase::NotReady);
//!
//! // Kubernetes takes 30 s to see three failures, and 10 s to tell everybody.
//! clock.advance(Duration::from_secs(40));
//! assert_eq!(drain.phase(), Phase::Closing);
//! # Ok::<(), seawall::error::InvalidConfig>(())
//! ```
//!
//! # A service from SIGTERM to its end
//!
//! ```no_run
//! # #[cfg(feature = "health")]
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! use seawall::health::Registry;
//! use seawall::health::drain::{Drain, Product};
//!
//! let drain = Drain::for_products([Product::kubernetes()]).build()?;
//! let registry = Registry::new();
//! registry.attach(&drain)?;
//! // ... and `drain.http_layer()` around the application's own service ...
//! # let server = std::future::pending::<()>();
//!
//! tokio::select! {
//!     () = server => {}
//!     () = async {
//!         drain.on_sigterm().await.ok();
//!         drain.closed().await;
//!     } => {}
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Connections of HTTP/2, and idle ones
//!
//! [`HttpDrainLayer`] asks HTTP/1 clients to leave with each answer. HTTP/2 has GOAWAY for it, which
//! only the server can send: begin each connection's own shutdown when [`Phase::Closing`] is
//! [`reached`](Drain::reached). That ends idle connections, too, which over HTTP/1 loses a request
//! that is on its way meanwhile; there, [`Phase::Rejecting`] is soon enough:
//!
//! ```
//! # use std::convert::Infallible;
//! # use http_body_util::Empty;
//! # use hyper::body::{Bytes, Incoming};
//! # use hyper::{Request, Response};
//! use hyper::server::conn::http1;
//! use hyper::service::service_fn;
//! use hyper_util::rt::TokioIo;
//! use seawall::health::Phase;
//! use seawall::health::drain::Drain;
//! use tokio::net::TcpStream;
//!
//! async fn serve(stream: TcpStream, drain: Drain) -> hyper::Result<()> {
//!     # async fn answer(_: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
//!     #     Ok(Response::default())
//!     # }
//!     let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
//!     let mut connection = std::pin::pin!(connection);
//!     tokio::select! {
//!         served = &mut connection => return served,
//!         () = drain.reached(Phase::Rejecting) => connection.as_mut().graceful_shutdown(),
//!     }
//!     connection.await
//! }
//! ```
//!
//! # When time is short
//!
//! SIGTERM leaves what the platform's grace is, a notice of maintenance what it says. If that is
//! less than the phases need, then in this order:
//!
//! 1. closing begins before all products have looked away: it overlaps;
//! 2. the wait for the products is cut, down to half of all the time: requests that come after are
//!    turned away with 503, and can be sent again;
//! 3. the time for requests that are under way is cut.
//!
//! The [`Plan`] says beforehand what is lost: print it at the start.
//!
//! # What it does not do
//!
//! It stops no listener and ends no process: that is for the application, when
//! [`closed`](Drain::closed) says so. An answer counts as done when the server has taken its last
//! byte, which may still be in a buffer then: wait for the connections' own shutdown, too. A
//! maintenance that is called off can be [taken back](Drain::resume).
//!
//! # Cost
//!
//! Serving: reading the phase is one load; a request through a layer also counts itself and a
//! handle in and out, four locked read-modify-writes. While it drains, the phase takes a clock read
//! more. No task and no thread: phases are read off the clock.

mod config;
mod core;
mod gate;
#[cfg(feature = "http")]
mod http;
mod phase;
mod plan;
mod product;
#[cfg(feature = "health")]
mod signal;
mod wait;

pub use config::Config;
pub use gate::{DrainLayer, DrainService, Permit};
#[cfg(feature = "http")]
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
pub use http::{DrainBody, HttpDrainFuture, HttpDrainLayer, HttpDrainService};
pub use phase::Phase;
pub use plan::{Cause, Loss, Plan};
pub use product::Product;
pub use wait::{Closed, Reached};

use std::fmt;
use std::time::Duration;

use self::config::Params;
use self::core::Course;
use crate::sync::{Arc, AtomicU64, Mutex, Ordering, Waiting};
use crate::telemetry::{Emitter, Environment, EventKind, Level, Measure};
use crate::time::{Clock, Instant};

/// The way of an instance out of service.
///
/// A cheap handle: clones are the same drain. See the [module](self) for an example.
#[derive(Clone)]
pub struct Drain {
    shared: Arc<Shared>,
}

struct Shared {
    course: Course,
    in_flight: AtomicU64,
    params: Params,
    clock: Clock,
    emitter: Emitter,
    /// Who starts and takes back does so one after the other.
    told: Mutex<Told>,
    /// For it to start, to be taken back, and for the last request.
    waiting: Waiting,
}

#[derive(Default)]
struct Told {
    /// Why it is under way: the [bits](Cause::bit) of its causes.
    causes: u8,
    /// The last phase that was told of.
    phase: Phase,
}

impl Drain {
    /// Starts from the default settings, with these products in front of the instance: all that
    /// probe it.
    pub fn for_products(products: impl IntoIterator<Item = Product>) -> Config {
        Config::default().products(products)
    }

    fn new(name: &'static str, params: Params, environment: &Environment) -> Self {
        let shared = Shared {
            course: Course::new(),
            in_flight: AtomicU64::new(0),
            params,
            clock: environment.clock.clone(),
            emitter: Emitter::new("drain", name, environment),
            told: Mutex::default(),
            waiting: Waiting::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// How a drain for `cause` would go if it started now.
    ///
    /// One that starts with a deadline has less time; see [`plan_within`](Self::plan_within).
    #[must_use]
    pub fn plan(&self, cause: Cause) -> Plan {
        let limit = match cause {
            Cause::Termination => self.shared.params.grace,
            Cause::Maintenance => self.shared.params.notice,
            Cause::Operator => None,
        };
        self.shared.plan(cause, limit)
    }

    /// How a drain for `cause` would go in that time, or less if the cause leaves less.
    #[must_use]
    pub fn plan_within(&self, cause: Cause, limit: Duration) -> Plan {
        let own = self.plan(cause).limit();
        self.shared.plan(cause, Some(own.map_or(limit, |own| own.min(limit))))
    }

    /// Starts to leave, for `cause`, in the time that it gives.
    ///
    /// If it is under way already, no phase ends later than it would have: the earliest deadline
    /// counts.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::health::Phase;
    /// use seawall::health::drain::{Cause, Drain, Product};
    ///
    /// let drain = Drain::for_products([Product::load_balancer()]).build()?;
    ///
    /// drain.start(Cause::Operator);
    /// drain.start(Cause::Operator);
    /// assert_eq!(drain.phase(), Phase::NotReady);
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    pub fn start(&self, cause: Cause) {
        // What a notice leaves when it names no time is for planning ahead, and not a deadline.
        let limit = if cause == Cause::Termination { self.shared.params.grace } else { None };
        self.begin(cause, self.shared.clock.now(), limit);
    }

    /// Starts to leave, for `cause`, so that all is over at `deadline` of the drain's clock.
    ///
    /// If it is under way already, no phase ends later than it would have.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use seawall::health::Phase;
    /// use seawall::health::drain::{Cause, Drain, Product};
    /// use seawall::telemetry::Environment;
    /// use seawall::time::Clock;
    ///
    /// let clock = Clock::manual();
    /// let drain = Drain::for_products([Product::traffic_manager()])
    ///     .build_in(&Environment::new().clock(clock.clone()))?;
    ///
    /// drain.start_by(Cause::Maintenance, clock.now() + Duration::from_secs(60));
    /// clock.advance(Duration::from_secs(60));
    /// assert_eq!(drain.phase(), Phase::Closed);
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    pub fn start_by(&self, cause: Cause, deadline: Instant) {
        let now = self.shared.clock.now();
        let own = if cause == Cause::Termination { self.shared.params.grace } else { None };
        let left = deadline.since(now);
        self.begin(cause, now, Some(own.map_or(left, |own| own.min(left))));
    }

    /// Starts to leave, for `cause`, so that all is over within that time from now on.
    ///
    /// If it is under way already, no phase ends later than it would have.
    pub fn start_within(&self, cause: Cause, time: Duration) {
        self.start_by(cause, self.shared.clock.now() + time);
    }

    fn begin(&self, cause: Cause, now: Instant, limit: Option<Duration>) {
        let shared = &*self.shared;
        let mut told = shared.told.lock();
        told.causes |= cause.bit();
        shared.course.begin(now, shared.plan(cause, limit).lengths());
        drop(told);
        shared.announce();
        shared.waiting.wake_all();
    }

    /// Takes back what was started for `cause`: a maintenance that was called off.
    ///
    /// If nothing else was the cause, the instance serves again, even from its end, and true is
    /// returned. One for [`Cause::Termination`] is never taken back.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::health::Phase;
    /// use seawall::health::drain::{Cause, Drain, Product};
    ///
    /// let drain = Drain::for_products([Product::load_balancer()]).build()?;
    ///
    /// drain.start(Cause::Maintenance);
    /// assert!(drain.resume(Cause::Maintenance));
    /// assert_eq!(drain.phase(), Phase::Serving);
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    #[expect(clippy::must_use_candidate, reason = "most have nothing to do with the answer")]
    pub fn resume(&self, cause: Cause) -> bool {
        let shared = &*self.shared;
        let mut told = shared.told.lock();
        if cause == Cause::Termination || told.causes & cause.bit() == 0 {
            return false;
        }
        told.causes &= !cause.bit();
        let resumed = told.causes == 0;
        if resumed {
            shared.course.reset();
        }
        drop(told);
        shared.announce();
        shared.waiting.wake_all();
        resumed
    }

    /// How far it has come. Read off the clock, without a lock.
    #[inline]
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.shared.phase()
    }

    /// The time until `phase` is reached, if a drain is under way; zero if it was.
    #[must_use]
    pub fn time_until(&self, phase: Phase) -> Option<Duration> {
        let begin = self.shared.course.begin_of(phase);
        (begin != Instant::FAR_FUTURE).then(|| begin.since(self.shared.clock.now()))
    }

    /// Whether a product in front chooses between regions, so that the verdict of the region must
    /// fail while this instance drains.
    #[must_use]
    pub fn takes_region_down(&self) -> bool {
        self.shared.params.takes_region_down
    }

    /// How many requests are under way, by the layers of this drain.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.shared.in_flight.load(Ordering::SeqCst)
    }

    /// Whether the instance may go: the end is reached, or new requests are turned away and none is
    /// under way any more.
    #[must_use]
    pub fn may_go(&self) -> bool {
        match self.phase() {
            Phase::Serving | Phase::NotReady | Phase::Closing => false,
            // SeqCst: pairs with the count of a request that enters, which is made before it looks
            // at the phase. Either it is seen here, or it is turned away.
            Phase::Rejecting => self.in_flight() == 0,
            Phase::Closed => true,
        }
    }

    /// Ends when `phase` or a later one is reached.
    ///
    /// # Cancel safety
    ///
    /// It can be dropped at any time.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::health::Phase;
    /// use seawall::health::drain::{Cause, Drain, Product};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), seawall::error::InvalidConfig> {
    /// let drain = Drain::for_products([Product::load_balancer()]).build()?;
    /// let leaves = drain.reached(Phase::NotReady);
    ///
    /// drain.start(Cause::Operator);
    /// leaves.await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn reached(&self, phase: Phase) -> Reached {
        Reached::new(self.clone(), phase)
    }

    /// Ends when the instance [may go](Self::may_go).
    ///
    /// # Cancel safety
    ///
    /// It can be dropped at any time.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use seawall::health::drain::{Cause, Drain, Product};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), seawall::error::InvalidConfig> {
    /// let nothing = Product::other("nobody").interval(Duration::from_millis(1)).threshold(1);
    /// let drain = Drain::for_products([nothing]).closing(Duration::ZERO).build()?;
    ///
    /// drain.start(Cause::Operator);
    /// drain.closed().await;
    /// assert_eq!(drain.in_flight(), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn closed(&self) -> Closed {
        Closed::new(self.clone())
    }
}

impl Shared {
    fn plan(&self, cause: Cause, limit: Option<Duration>) -> Plan {
        let Params { products, closing, finish, .. } = &self.params;
        Plan::new(cause, products, *closing, *finish, limit)
    }

    #[inline]
    fn phase(&self) -> Phase {
        self.course.phase(|| self.clock.now())
    }

    /// Tells of a phase that nobody has told of. Whoever comes first does.
    fn announce(&self) {
        let mut told = self.told.lock();
        let (from, to) = (told.phase, self.phase());
        told.phase = to;
        drop(told);
        if from != to {
            self.emitter.emit(EventKind::StateChanged { from: from.as_str(), to: to.as_str() });
        }
    }
}

impl Measure for Drain {
    fn measure(&self, sink: &mut dyn FnMut(Level)) {
        let name = self.shared.emitter.name();
        sink(Level::gauge("drain", name, "phase", f64::from(self.phase() as u8)));
        #[expect(clippy::cast_precision_loss, reason = "so many requests do not run at once")]
        let in_flight = self.in_flight() as f64;
        sink(Level::gauge("drain", name, "in_flight", in_flight));
    }
}

impl fmt::Debug for Drain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain")
            .field("name", &self.shared.emitter.name())
            .field("phase", &self.phase())
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}
