//! Lets calls pass at a rate, so that a service is not sent more than it has agreed to.
//!
//! # Example
//!
//! ```
//! use seawall::error::BoxError;
//! use seawall::rate_limit::Quota;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let limiter = Quota::per_second(50).name("orders").burst(10).build()?;
//!
//! let orders = ServiceBuilder::new()
//!     .layer(limiter.layer())
//!     .service(service_fn(|id: u64| async move { Ok::<_, BoxError>(id) }));
//!
//! assert_eq!(orders.oneshot(7).await?, 7);
//! assert!(limiter.available() <= 10);
//! # Ok(())
//! # }
//! ```
//!
//! # When to use it
//!
//! In front of a service with a quota: so many calls a second, or a day. Put it outside of retry
//! if the quota is meant for what users ask for, inside if it is for what is sent. It says nothing
//! about how many calls run at a time: that is the [bulkhead](crate::bulkhead)'s. One limiter holds
//! for one process; a quota that machines share is divided among them.
//!
//! # How it decides
//!
//! A call costs `per / limit` of time, and may be made as long as no more than `burst` calls are
//! owed for. That is the *generic cell rate algorithm* of ATM networks (ITU-T I.371), which is a
//! token bucket without the bucket: in any interval of any length no more calls pass than `burst`
//! and what the interval pays for.
//!
//! | form | a call that may not be made now |
//! |---|---|
//! | [`layer`](RateLimiter::layer), [`run`](RateLimiter::run), [`enter`](RateLimiter::enter) | is turned away as [`RateLimited`](Reason::RateLimited), and told when it could have been |
//! | [`queue_layer`](RateLimiter::queue_layer) | waits for its turn, if that comes within `max_wait` and before its [deadline](crate::context); is turned away at once otherwise, and as [`QueueFull`](Reason::QueueFull) if `max_waiting` others wait |
//!
//! A turn is given out once, when the wait begins. A call that gives up its turn before it has come
//! leaves it to others. One that weighs more than a whole burst could never be made, and is turned
//! away as [`TooHeavy`](Reason::TooHeavy).
//!
//! The rate is exact: what nanoseconds do not divide is counted in units that do, and the error does not
//! add up. Where a burst takes long to be paid for, time is read from the
//! [coarse clock](crate::time::Clock::coarse), which is up to a tick behind: after a pause a burst
//! may then be larger by what a tick pays for, which is at most a 64th of it.
//!
//! # Defaults
//!
//! | setting | default |
//! |---|---|
//! | `limit` | 100 |
//! | `per` | 1 s |
//! | `burst` | as `limit` |
//! | `max_waiting` | 100 |
//! | `max_wait` | 1 s |
//!
//! # Telemetry
//!
//! The event [`Rejected`](EventKind::Rejected), and the levels `available` and `waiting`.
//!
//! # Cost
//!
//! One compare-and-swap per call and a look at a clock: 8 ns with the coarse clock, 29 with the
//! precise one, which is read where a burst is paid for in less than 64 ticks (a quarter of a
//! second, or so). No lock and no allocation, but for calls that wait.

mod core;
mod gaps;
#[cfg(any(test, fuzzing))]
mod model;
mod place;
mod quota;
mod scale;
mod weighted;

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

#[cfg(fuzzing)]
pub use model::check as check_core;
pub use place::Place;
pub use quota::Quota;
pub use weighted::Weighted;

use self::core::{Core, Refusal, Turn};
use self::gaps::Gaps;
use self::quota::Params;
use crate::error::{Error, InvalidConfig, Reason, Reject, Rejection};
use crate::gate::{Gate, GateLayer, GateService, Sibling, Waitable};
use crate::outcome::{ByResult, Outcome};
use crate::queue::QueueLayer;
use crate::slot::{Pool, Slot};
use crate::sync::Mutex;
use crate::telemetry::{Emitter, Environment, EventKind, Level, Measure};
use crate::time::{Clock, nanos};

/// Lets calls pass at a rate.
///
/// A cheap handle: clones are the same limiter, with one quota for all of them. See the
/// [module](self) for an example.
#[derive(Clone, Debug)]
pub struct RateLimiter {
    shared: Slot<Shared>,
}

static POOL: Pool<Shared> = Pool::new();

/// Rejects when the rate is reached. Made by [`RateLimiter::layer`].
///
/// # Example
///
/// ```
/// use seawall::rate_limit::{Quota, RateLimitLayer};
///
/// let layer: RateLimitLayer = Quota::per_second(10).build()?.layer();
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
pub type RateLimitLayer<C = ByResult> = GateLayer<RateLimiter, C>;

/// A service behind a [`RateLimitLayer`].
///
/// # Example
///
/// ```
/// use seawall::rate_limit::{Quota, RateLimitService};
/// use tower::Layer;
///
/// let service: RateLimitService<()> = Quota::per_second(10).build()?.layer().layer(());
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
pub type RateLimitService<S, C = ByResult> = GateService<S, RateLimiter, C>;

#[derive(Debug)]
struct Shared {
    core: Core,
    /// Whether the coarse clock will do.
    is_coarse: AtomicBool,
    max_waiting: AtomicU32,
    max_wait_nanos: AtomicU64,
    waiting: Mutex<Waiting>,
    clock: Clock,
    emitter: Emitter,
}

/// Those who wait, and turns that nobody waits for any more.
#[derive(Debug)]
struct Waiting {
    calls: u32,
    gaps: Gaps,
}

impl RateLimiter {
    /// Starts from the default settings.
    pub fn builder() -> Quota {
        Quota::default()
    }

    /// Each one of the process that has a handle; those for the keys of a [`Keyed`](crate::gate::Keyed)
    /// gate are found there.
    #[cfg(feature = "health")]
    pub(crate) fn all() -> Vec<Self> {
        POOL.handles().into_iter().map(|shared| Self { shared: Slot::pooled(shared) }).collect()
    }

    fn new(name: &'static str, params: Params, environment: &Environment) -> Self {
        let reuse = |shared: &Shared| {
            let same = shared.emitter.name() == name && shared.clock == environment.clock;
            if same {
                shared.emitter.follow(environment);
                shared.reset(params);
            }
            same
        };
        let emitter = || Emitter::new("rate_limit", name, environment);
        let make = || Shared::new(params, environment.clock.clone(), emitter());
        Self { shared: POOL.acquire(reuse, make) }
    }

    /// A layer that turns calls away when the rate is reached.
    #[must_use]
    pub fn layer(&self) -> RateLimitLayer {
        GateLayer::new(self.clone())
    }

    /// A layer that makes calls wait for their turn when the rate is reached.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// use seawall::error::BoxError;
    /// use seawall::rate_limit::Quota;
    /// use tower::{ServiceBuilder, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BoxError> {
    /// let limiter = Quota::per_second(100).burst(1).build()?;
    /// let orders = ServiceBuilder::new()
    ///     .layer(limiter.queue_layer())
    ///     .service(service_fn(|id: u64| async move { Ok::<_, BoxError>(id) }));
    ///
    /// let start = Instant::now();
    /// for id in 0..3 {
    ///     orders.clone().oneshot(id).await?;
    /// }
    /// assert!(start.elapsed() >= Duration::from_millis(20));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn queue_layer(&self) -> QueueLayer<Self> {
        QueueLayer::new(self.clone())
    }

    /// A gate in which a call takes as many of the limit as `weigh` says of its request.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::error::BoxError;
    /// use seawall::rate_limit::Quota;
    /// use tower::{ServiceBuilder, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BoxError> {
    /// let limiter = Quota::per_hour(1_000).build()?;
    /// let by_rows = limiter.weighted(|rows: &u32| rows.div_ceil(100));
    ///
    /// let service = ServiceBuilder::new()
    ///     .layer(by_rows.layer())
    ///     .service(service_fn(|rows: u32| async move { Ok::<_, BoxError>(rows) }));
    ///
    /// service.oneshot(5_000).await?;
    /// assert_eq!(limiter.available(), 950);
    /// # Ok(())
    /// # }
    /// ```
    pub fn weighted<F, Request>(&self, weigh: F) -> Weighted<F>
    where
        F: Fn(&Request) -> u32,
    {
        Weighted::new(self.clone(), weigh)
    }

    /// Runs `operation` if the rate allows it.
    ///
    /// # Errors
    ///
    /// [`Error::Service`] with the error of `operation`, or [`Error::Rejected`] when the rate is
    /// reached; it has not been called then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the operation's. The call stays counted.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::rate_limit::Quota;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let limiter = Quota::per_minute(10).build()?;
    ///
    /// let answer = limiter.run(|| async { "42".parse::<u32>() }).await?;
    /// assert_eq!(answer, 42);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run<F, Fut, T, E>(&self, operation: F) -> Result<T, Error<E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.layer().run(operation).await
    }

    /// Runs an `operation` whose error can hold a rejection, if the rate allows it.
    ///
    /// # Errors
    ///
    /// The error of `operation`, or a rejection when the rate is reached; it has not been called
    /// then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the operation's. The call stays counted.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::error::BoxError;
    /// use seawall::rate_limit::Quota;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BoxError> {
    /// let limiter = Quota::per_minute(10).build()?;
    ///
    /// let answer = limiter.run_with(|| async { Ok::<_, BoxError>("42".parse::<u32>()?) }).await?;
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

    /// Takes one call of the limit, for code that is neither a service nor one future.
    ///
    /// # Errors
    ///
    /// A rejection when the rate is reached. It says when the call could be made; to sleep for so
    /// long is enough, if nobody else comes first.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use seawall::rate_limit::Quota;
    /// use seawall::telemetry::Environment;
    /// use seawall::time::Clock;
    ///
    /// let clock = Clock::manual();
    /// let limiter = Quota::per_second(10)
    ///     .burst(1)
    ///     .build_in(&Environment::new().clock(clock.clone()))?;
    ///
    /// limiter.enter()?;
    /// let wait = limiter.enter().unwrap_err().retry_after().unwrap();
    /// assert_eq!(wait, Duration::from_millis(100));
    ///
    /// clock.advance(wait);
    /// limiter.enter()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn enter(&self) -> Result<Permit, Rejection> {
        self.enter_weighted(1)
    }

    /// Takes as many calls of the limit as `weight` says, all or none.
    ///
    /// # Errors
    ///
    /// A rejection when the rate is reached. One for a weight of more than a burst names no time:
    /// there is none.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::Reason;
    /// use seawall::rate_limit::Quota;
    ///
    /// let limiter = Quota::per_hour(10).build()?;
    ///
    /// limiter.enter_weighted(10)?;
    /// assert_eq!(limiter.enter_weighted(10).unwrap_err().reason(), Reason::RateLimited);
    /// assert_eq!(limiter.enter_weighted(11).unwrap_err().reason(), Reason::TooHeavy);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn enter_weighted(&self, weight: u32) -> Result<Permit, Rejection> {
        let shared = &*self.shared;
        if shared.enter(weight) { Ok(Permit { _private: () }) } else { shared.enter_late(weight) }
    }

    /// How many calls could be made now, one after the other.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::rate_limit::Quota;
    ///
    /// assert_eq!(Quota::per_hour(10).burst(3).build()?.available(), 3);
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn available(&self) -> u32 {
        self.shared.core.available(self.shared.clock.now())
    }

    /// What it is called, in events, levels and rejections.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::rate_limit::Quota;
    ///
    /// assert_eq!(Quota::per_second(10).name("orders").build()?.name(), "orders");
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.shared.emitter.name()
    }

    /// How many calls wait for their turn now.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::rate_limit::Quota;
    ///
    /// assert_eq!(Quota::per_second(10).build()?.waiting(), 0);
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn waiting(&self) -> u32 {
        self.shared.waiting.lock().calls
    }

    /// Sets a new quota. As many calls as before are owed for, a burst of the new quota at most;
    /// those who wait keep their turns.
    ///
    /// # Errors
    ///
    /// Names the first field that makes no sense. The name can not be changed.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::rate_limit::Quota;
    ///
    /// let limiter = Quota::per_hour(10).build()?;
    /// limiter.enter_weighted(4)?;
    ///
    /// limiter.reload(&Quota::per_hour(20))?;
    /// assert_eq!(limiter.available(), 16);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reload(&self, quota: &Quota) -> Result<(), InvalidConfig> {
        let params = quota.params_for(self.shared.emitter.name())?;
        self.shared.reload(params);
        self.shared.emitter.emit(EventKind::Reloaded);
        Ok(())
    }
}

impl Shared {
    fn new(params: Params, clock: Clock, emitter: Emitter) -> Self {
        Self {
            core: Core::new(params.scale),
            is_coarse: AtomicBool::new(params.is_coarse(&clock)),
            max_waiting: AtomicU32::new(params.max_waiting),
            max_wait_nanos: AtomicU64::new(nanos(params.max_wait)),
            waiting: Mutex::new(Waiting { calls: 0, gaps: Gaps::new() }),
            clock,
            emitter,
        }
    }

    /// Another one with the same settings. Relaxed: each setting is read on its own.
    fn sibling(&self) -> Self {
        Self {
            core: self.core.sibling(),
            is_coarse: AtomicBool::new(self.is_coarse.load(Ordering::Relaxed)),
            max_waiting: AtomicU32::new(self.max_waiting.load(Ordering::Relaxed)),
            max_wait_nanos: AtomicU64::new(self.max_wait_nanos.load(Ordering::Relaxed)),
            waiting: Mutex::new(Waiting { calls: 0, gaps: Gaps::new() }),
            clock: self.clock.clone(),
            emitter: self.emitter.sibling(),
        }
    }

    /// Starts anew. Only when nobody else has it.
    fn reset(&self, params: Params) {
        self.waiting.lock().gaps.clear();
        self.core.reset(params.scale);
        self.set(params);
    }

    fn reload(&self, params: Params) {
        let mut waiting = self.waiting.lock();
        self.core.reload(params.scale, self.clock.now(), &mut waiting.gaps);
        self.set(params);
    }

    fn set(&self, params: Params) {
        // Relaxed: each is read on its own, and a setting of a moment ago is as good.
        self.is_coarse.store(params.is_coarse(&self.clock), Ordering::Relaxed);
        self.max_waiting.store(params.max_waiting, Ordering::Relaxed);
        self.max_wait_nanos.store(nanos(params.max_wait), Ordering::Relaxed);
    }

    #[inline]
    fn enter(&self, weight: u32) -> bool {
        let now = || {
            if self.is_coarse.load(Ordering::Relaxed) {
                self.clock.coarse()
            } else {
                self.clock.now()
            }
        };
        self.core.enter(weight, now)
    }

    /// Asks again with the right time, since the coarse clock is late.
    #[cold]
    fn enter_late(&self, weight: u32) -> Result<Permit, Rejection> {
        let mut refused = self.core.enter_now(weight, self.clock.now());
        if let Err(Refusal::Later(wait)) = refused
            && wait > self.max_wait()
            && self.core.heal(|| self.clock.now(), self.max_wait())
        {
            refused = self.core.enter_now(weight, self.clock.now());
        }
        match refused {
            Ok(()) => Ok(Permit { _private: () }),
            Err(refusal) => Err(self.reject(refusal)),
        }
    }

    fn max_wait(&self) -> Duration {
        Duration::from_nanos(self.max_wait_nanos.load(Ordering::Relaxed))
    }

    fn reject(&self, refusal: Refusal) -> Rejection {
        match refusal {
            Refusal::Later(wait) => self.reject_for(Reason::RateLimited).after(wait),
            Refusal::TooHeavy => self.reject_for(Reason::TooHeavy),
        }
    }

    fn reject_for(&self, reason: Reason) -> Rejection {
        self.emitter.emit(EventKind::Rejected { reason });
        Rejection::new(self.emitter.name(), reason)
    }
}

impl<Request> Gate<Request> for RateLimiter {
    type Permit = Permit;

    #[inline]
    fn enter(&self, _: &Request) -> Result<Permit, Rejection> {
        self.enter()
    }
}

impl<Request> Waitable<Request> for RateLimiter {
    type Place = Place;

    #[inline]
    fn poll_enter(
        &self,
        _: &Request,
        place: &mut Option<Place>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Permit, Rejection>> {
        self.poll_enter_weighted(1, place, cx)
    }
}

impl RateLimiter {
    #[inline]
    fn poll_enter_weighted(
        &self,
        weight: u32,
        place: &mut Option<Place>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Permit, Rejection>> {
        let waiting = match place {
            Some(waiting) => waiting,
            None if self.shared.enter(weight) => {
                return Poll::Ready(Ok(Permit { _private: () }));
            }
            None => place.insert(Place::reserve(&self.shared, weight)?),
        };
        ready!(waiting.poll(cx));
        *place = None;
        Poll::Ready(Ok(Permit { _private: () }))
    }
}

impl Sibling for RateLimiter {
    fn sibling(&self) -> Self {
        Self { shared: Slot::counted(self.shared.sibling()) }
    }

    fn is_idle(&self) -> bool {
        // One that owes is not forgotten: whoever makes up keys would get a new burst.
        self.shared.is_unique() && self.shared.core.is_full(self.shared.clock.now())
    }

    fn evicted(&self) {
        self.shared.emitter.emit(EventKind::Evicted);
    }
}

impl Measure for RateLimiter {
    fn measure(&self, sink: &mut dyn FnMut(Level)) {
        let name = self.shared.emitter.name();
        for (level, value) in [("available", self.available()), ("waiting", self.waiting())] {
            sink(Level::gauge("rate_limit", name, level, value.into()));
        }
    }
}

/// A call that was let in by a [`RateLimiter`]. It holds nothing: what a call took stays taken.
///
/// # Example
///
/// ```
/// use seawall::rate_limit::{Permit, Quota};
///
/// let limiter = Quota::per_second(10).build()?;
/// let permit: Permit = limiter.enter()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Permit {
    _private: (),
}

impl crate::gate::Permit for Permit {
    #[inline]
    fn complete(self, _: Outcome) {}
}
