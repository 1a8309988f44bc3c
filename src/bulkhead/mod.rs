//! Lets only so many calls run at a time, so that one slow service does not take all there is.
//!
//! # Example
//!
//! ```
//! use seawall::bulkhead::Bulkhead;
//! use seawall::error::BoxError;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let bulkhead = Bulkhead::builder().name("orders").max_calls(64).build()?;
//!
//! let orders = ServiceBuilder::new()
//!     .layer(bulkhead.layer())
//!     .service(service_fn(|id: u64| async move { Ok::<_, BoxError>(id) }));
//!
//! assert_eq!(orders.oneshot(7).await?, 7);
//! assert_eq!(bulkhead.in_flight(), 0);
//! # Ok(())
//! # }
//! ```
//!
//! # When to use it
//!
//! Around a dependency that may become slow: without a limit every call that waits for it holds
//! memory, a connection, perhaps a thread, until there is none left for anything else. Put it
//! innermost, inside retry and the attempt timeout, so that the time in the line counts as part of
//! the attempt. It does not find the right limit by itself, and it does not slow callers down to a
//! rate: that is the [rate limiter](crate::rate_limit)'s.
//!
//! # How it decides
//!
//! | form | when all places are taken |
//! |---|---|
//! | [`layer`](Bulkhead::layer), [`run`](Bulkhead::run), [`enter`](Bulkhead::enter) | the call is turned away at once, as [`BulkheadFull`](Reason::BulkheadFull) |
//! | [`queue_layer`](Bulkhead::queue_layer) | the call waits in a line |
//!
//! In the line, first come is first served, and who comes anew is not let in before it is empty.
//! A call that would be the `max_waiting` + 1st is turned away as [`QueueFull`](Reason::QueueFull),
//! one that has waited for `max_wait` as [`QueueTimedOut`](Reason::QueueTimedOut), and one whose
//! [deadline](crate::context) comes first as [`DeadlineExceeded`](Reason::DeadlineExceeded).
//!
//! A place is free again when the inner call ends, even if its future is dropped much later; a call
//! that is dropped before its end, or that panics, frees its place too. The limit is strict: it
//! holds for all clones of the bulkhead and all services behind it, together.
//!
//! # Defaults
//!
//! | setting | default |
//! |---|---|
//! | `max_calls` | 1,000 |
//! | `max_waiting` | 100 |
//! | `max_wait` | 1 s |
//!
//! # Telemetry
//!
//! The event [`Rejected`](EventKind::Rejected), and the levels `in_flight`, `waiting` and
//! `max_calls`.
//!
//! # Cost
//!
//! Two locked read-modify-writes per call (about 11 ns), no lock and no allocation. A call that
//! waits takes a lock three times, and a timer.
//!
//! The name is from Nygard, *Release It!*: a hull with bulkheads floats with a hole in it.

mod config;
mod core;
#[cfg(any(test, fuzzing))]
mod model;
mod place;
mod room;

use std::future::Future;
use std::mem;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

pub use config::Config;
#[cfg(fuzzing)]
pub use model::check as check_core;
pub use place::Place;

use self::config::Params;
use self::core::Full;
use self::room::Room;
use crate::error::{Error, InvalidConfig, Reason, Reject, Rejection};
use crate::gate::{Gate, GateLayer, GateService, Sibling, Waitable};
use crate::outcome::{ByResult, Outcome};
use crate::queue::QueueLayer;
use crate::slot::{Pool, Slot};
use crate::telemetry::{Emitter, Environment, EventKind, Level, Measure};
use crate::time::{Clock, nanos};

/// Lets only so many calls run at a time.
///
/// A cheap handle: clones are the same bulkhead. See the [module](self) for an example.
#[derive(Clone, Debug)]
pub struct Bulkhead {
    shared: Slot<Shared>,
}

static POOL: Pool<Shared> = Pool::new();

/// Rejects when all places are taken. Made by [`Bulkhead::layer`].
///
/// # Example
///
/// ```
/// use seawall::bulkhead::{Bulkhead, BulkheadLayer};
///
/// let layer: BulkheadLayer = Bulkhead::builder().build()?.layer();
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
pub type BulkheadLayer<C = ByResult> = GateLayer<Bulkhead, C>;

/// A service behind a [`BulkheadLayer`].
///
/// # Example
///
/// ```
/// use seawall::bulkhead::{Bulkhead, BulkheadService};
/// use tower::Layer;
///
/// let service: BulkheadService<()> = Bulkhead::builder().build()?.layer().layer(());
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
pub type BulkheadService<S, C = ByResult> = GateService<S, Bulkhead, C>;

#[derive(Debug)]
struct Shared {
    room: Room,
    max_waiting: AtomicU32,
    max_wait_nanos: AtomicU64,
    clock: Clock,
    emitter: Emitter,
}

impl Bulkhead {
    /// Starts from the default settings.
    pub fn builder() -> Config {
        Config::default()
    }

    /// Each one of the process that has a handle; those for the keys of a [`Keyed`](crate::gate::Keyed)
    /// gate are found there.
    #[cfg(feature = "health")]
    pub(crate) fn all() -> Vec<Self> {
        POOL.handles().into_iter().map(|shared| Self { shared: Slot::pooled(shared) }).collect()
    }

    fn new(name: &'static str, params: Params, environment: &Environment) -> Self {
        // Without a handle there is no permit and no place in the line: the room is empty.
        let reuse = |shared: &Shared| {
            let same = shared.emitter.name() == name && shared.clock == environment.clock;
            if same {
                shared.emitter.follow(environment);
                shared.set(params);
            }
            same
        };
        let emitter = || Emitter::new("bulkhead", name, environment);
        let make = || Shared::new(params, environment.clock.clone(), emitter());
        Self { shared: POOL.acquire(reuse, make) }
    }

    /// A layer that turns calls away when all places are taken.
    #[must_use]
    pub fn layer(&self) -> BulkheadLayer {
        GateLayer::new(self.clone())
    }

    /// A layer that makes calls wait when all places are taken.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use seawall::Reason;
    /// use seawall::bulkhead::Bulkhead;
    /// use seawall::error::{BoxError, Reject};
    /// use tower::{ServiceBuilder, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BoxError> {
    /// let bulkhead =
    ///     Bulkhead::builder().max_calls(1).max_wait(Duration::from_millis(10)).build()?;
    /// let orders = ServiceBuilder::new()
    ///     .layer(bulkhead.queue_layer())
    ///     .service(service_fn(|id: u64| async move { Ok::<_, BoxError>(id) }));
    ///
    /// let permit = bulkhead.enter()?;
    /// let error = orders.clone().oneshot(7).await.unwrap_err();
    /// assert_eq!(error.rejection().unwrap().reason(), Reason::QueueTimedOut);
    ///
    /// drop(permit);
    /// assert_eq!(orders.oneshot(7).await?, 7);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn queue_layer(&self) -> QueueLayer<Self> {
        QueueLayer::new(self.clone())
    }

    /// Runs `operation` if there is a place for it.
    ///
    /// # Errors
    ///
    /// [`Error::Service`] with the error of `operation`, or [`Error::Rejected`] when all places
    /// are taken; it has not been called then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the operation's, and frees its place.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::bulkhead::Bulkhead;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let bulkhead = Bulkhead::builder().max_calls(8).build()?;
    ///
    /// let answer = bulkhead.run(|| async { "42".parse::<u32>() }).await?;
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

    /// Runs an `operation` whose error can hold a rejection, if there is a place for it.
    ///
    /// # Errors
    ///
    /// The error of `operation`, or a rejection when all places are taken; it has not been called
    /// then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the operation's, and frees its place.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::bulkhead::Bulkhead;
    /// use seawall::error::BoxError;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BoxError> {
    /// let bulkhead = Bulkhead::builder().max_calls(8).build()?;
    ///
    /// let answer = bulkhead.run_with(|| async { Ok::<_, BoxError>("42".parse::<u32>()?) }).await?;
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

    /// Takes a place, for code that is neither a service nor one future.
    ///
    /// # Errors
    ///
    /// A rejection when all places are taken, or someone waits for one.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::Reason;
    /// use seawall::bulkhead::Bulkhead;
    ///
    /// let bulkhead = Bulkhead::builder().max_calls(1).build()?;
    ///
    /// let permit = bulkhead.enter()?;
    /// assert_eq!(bulkhead.enter().unwrap_err().reason(), Reason::BulkheadFull);
    ///
    /// drop(permit);
    /// assert!(bulkhead.enter().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn enter(&self) -> Result<Permit, Rejection> {
        match self.shared.room.enter() {
            Ok(()) => Ok(self.permit()),
            Err(Full) => Err(self.reject(Reason::BulkheadFull)),
        }
    }

    /// Sets new limits, and keeps everything else: calls that run, and calls that wait.
    ///
    /// A lower limit ends no call; nobody is let in until enough of them have ended. A higher one
    /// lets those in who wait. A new `max_wait` holds for those who wait from now on.
    ///
    /// # Errors
    ///
    /// Names the first field that makes no sense. The name can not be changed.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::bulkhead::Bulkhead;
    ///
    /// let config = Bulkhead::builder().max_calls(1);
    /// let bulkhead = config.build()?;
    /// let _permit = bulkhead.enter()?;
    ///
    /// bulkhead.reload(&config.max_calls(2))?;
    /// assert!(bulkhead.enter().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reload(&self, config: &Config) -> Result<(), InvalidConfig> {
        let params = config.params_for(self.shared.emitter.name())?;
        self.shared.set(params);
        self.shared.emitter.emit(EventKind::Reloaded);
        Ok(())
    }

    /// How many calls run now.
    ///
    /// # Example
    ///
    /// ```
    /// let bulkhead = seawall::bulkhead::Bulkhead::builder().build()?;
    /// let _permit = bulkhead.enter()?;
    /// assert_eq!(bulkhead.in_flight(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.shared.room.running()
    }

    /// What it is called, in events, levels and rejections.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::bulkhead::Bulkhead;
    ///
    /// assert_eq!(Bulkhead::builder().name("orders").build()?.name(), "orders");
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.shared.emitter.name()
    }

    /// How many calls wait for a place now.
    ///
    /// # Example
    ///
    /// ```
    /// let bulkhead = seawall::bulkhead::Bulkhead::builder().build()?;
    /// assert_eq!(bulkhead.waiting(), 0);
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn waiting(&self) -> u32 {
        self.shared.room.waiting()
    }

    /// How many calls may run at a time.
    ///
    /// # Example
    ///
    /// ```
    /// let bulkhead = seawall::bulkhead::Bulkhead::builder().max_calls(8).build()?;
    /// assert_eq!(bulkhead.max_calls(), 8);
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn max_calls(&self) -> u32 {
        self.shared.room.max_calls()
    }

    #[inline]
    fn permit(&self) -> Permit {
        Permit { shared: Some(self.shared.clone()) }
    }

    #[cold]
    fn reject(&self, reason: Reason) -> Rejection {
        self.shared.reject(reason)
    }
}

impl Shared {
    fn new(params: Params, clock: Clock, emitter: Emitter) -> Self {
        Self {
            room: Room::new(params.max_calls),
            max_waiting: AtomicU32::new(params.max_waiting),
            max_wait_nanos: AtomicU64::new(nanos(params.max_wait)),
            clock,
            emitter,
        }
    }

    fn set(&self, params: Params) {
        // Relaxed: each is read on its own, and a setting of a moment ago is as good.
        self.max_waiting.store(params.max_waiting, Ordering::Relaxed);
        self.max_wait_nanos.store(nanos(params.max_wait), Ordering::Relaxed);
        self.room.set_max_calls(params.max_calls);
    }

    fn params(&self) -> Params {
        Params {
            max_calls: self.room.max_calls(),
            max_waiting: self.max_waiting.load(Ordering::Relaxed),
            max_wait: Duration::from_nanos(self.max_wait_nanos.load(Ordering::Relaxed)),
        }
    }

    fn reject(&self, reason: Reason) -> Rejection {
        self.emitter.emit(EventKind::Rejected { reason });
        Rejection::new(self.emitter.name(), reason)
    }
}

impl<Request> Gate<Request> for Bulkhead {
    type Permit = Permit;

    #[inline]
    fn enter(&self, _: &Request) -> Result<Permit, Rejection> {
        self.enter()
    }
}

impl<Request> Waitable<Request> for Bulkhead {
    type Place = Place;

    #[inline]
    fn poll_enter(
        &self,
        _: &Request,
        place: &mut Option<Place>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Permit, Rejection>> {
        if place.is_none() {
            if self.shared.room.enter().is_ok() {
                return Poll::Ready(Ok(self.permit()));
            }
            *place = Place::join(&self.shared, cx.waker())?;
        }
        // Without a place it was let in after all.
        let Some(waiting) = place else { return Poll::Ready(Ok(self.permit())) };
        let ended = ready!(waiting.poll(cx));
        *place = None;
        Poll::Ready(ended.map(|()| self.permit()))
    }
}

impl Sibling for Bulkhead {
    fn sibling(&self) -> Self {
        let Shared { clock, emitter, .. } = &*self.shared;
        let shared = Shared::new(self.shared.params(), clock.clone(), emitter.sibling());
        Self { shared: Slot::counted(shared) }
    }

    fn is_idle(&self) -> bool {
        self.shared.is_unique()
    }

    fn evicted(&self) {
        self.shared.emitter.emit(EventKind::Evicted);
    }
}

impl Measure for Bulkhead {
    fn measure(&self, sink: &mut dyn FnMut(Level)) {
        let name = self.shared.emitter.name();
        let levels = [
            ("in_flight", self.in_flight()),
            ("max_calls", self.max_calls()),
            ("waiting", self.waiting()),
        ];
        for (level, value) in levels {
            sink(Level::gauge("bulkhead", name, level, value.into()));
        }
    }
}

/// A place in a [`Bulkhead`]. Dropping it frees the place.
///
/// # Example
///
/// ```
/// use seawall::bulkhead::{Bulkhead, Permit};
///
/// let bulkhead = Bulkhead::builder().max_calls(1).build()?;
///
/// let permit: Permit = bulkhead.enter()?;
/// drop(permit);
/// assert_eq!(bulkhead.in_flight(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "dropping it frees the place"]
pub struct Permit {
    /// Until its place is free.
    shared: Option<Slot<Shared>>,
}

impl Permit {
    #[expect(clippy::inline_always, reason = "a call would move the permit through memory")]
    #[inline(always)]
    fn leave(&mut self) {
        if let Some(shared) = self.shared.take() {
            shared.room.exit();
        }
    }

    /// Out of line, so that a permit whose place is free is dropped inline.
    #[inline(never)]
    fn abandon(&mut self) {
        self.leave();
    }
}

impl crate::gate::Permit for Permit {
    #[inline]
    fn complete(mut self, _: Outcome) {
        self.leave();
    }

    #[expect(clippy::inline_always, reason = "a call would move the permit through memory")]
    #[inline(always)]
    fn complete_in_place(permit: &mut Option<Self>, _: Outcome) {
        let Some(Self { shared }) = permit else { return };
        let shared = shared.take();
        // So that nobody looks into it any more.
        mem::forget(permit.take());
        if let Some(shared) = shared {
            shared.room.exit();
        }
    }
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        if self.shared.is_some() {
            self.abandon();
        }
    }
}
