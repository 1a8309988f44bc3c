//! Ends a call that takes too long, and tells all below it how long they have.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//!
//! use seawall::Reason;
//! use seawall::error::{BoxError, Reject};
//! use seawall::timeout::Timeout;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let timeout = Timeout::new(Duration::from_millis(20))?;
//!
//! let orders = ServiceBuilder::new()
//!     .layer(timeout.layer())
//!     .service(service_fn(|_: u64| std::future::pending::<Result<u64, BoxError>>()));
//!
//! let error = orders.oneshot(7).await.unwrap_err();
//! assert_eq!(error.rejection().map(|it| it.reason()), Some(Reason::TimedOut));
//! # Ok(())
//! # }
//! ```
//!
//! # When to use it
//!
//! Always, and twice: around the whole call, outside of retry, where it is the *total* timeout, and
//! around each attempt, inside of retry and of the circuit breaker. Both are the same type. The
//! total one bounds what a caller waits; the one per attempt leaves time for another try, and lets
//! the breaker see that the service is slow.
//!
//! It ends a call by dropping its future. What the future has handed to another task or thread goes
//! on; and a service that got the request may still execute it, so that a call which timed out
//! [may have run](crate::Reason::may_have_run).
//!
//! # How it decides
//!
//! | when | what happens |
//! |---|---|
//! | the call begins, and the caller's [deadline](crate::context) has passed | it is rejected with [`DeadlineExceeded`], and the service is not called |
//! | the service has the answer, however late | the answer is returned: it beats the deadline |
//! | the service has no answer and the time is over | the call is dropped and rejected with [`TimedOut`] |
//!
//! The time runs from the first poll of the future that the service returned; readiness is not part
//! of it. It ends at the timeout or at the deadline of the call (its [`context`]),
//! whichever comes first: an attempt that can not last longer than the call it belongs to ends just
//! before that, so that retry can still return what it knows of earlier attempts.
//!
//! The deadline is part of the context of all that runs inside: [`context::deadline`] gives it to
//! whoever asks, and retry starts nothing that does not fit before it. A call that is dropped
//! because its time was over tells the policies inside so, and the circuit breaker counts it as a
//! failure, other than one that its caller gave up.
//!
//! A future that never returns from `poll` can not be ended by anything. One that is always ready
//! and lets the others run now and then, as tokio's budget makes its own types do, is ended at the
//! next such pause.
//!
//! # Defaults
//!
//! | setting | default | why |
//! |---|---|---|
//! | `after` | 10 s | longer than any healthy answer; set it to what callers can bear |
//! | `name` | `timeout` | |
//!
//! A good timeout for an attempt is the latency that 99.9 % of healthy calls keep
//! ([Amazon's advice](https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/)).
//!
//! # Telemetry
//!
//! [`TimedOut`](crate::telemetry::EventKind::TimedOut) for each call that it ended, [`Rejected`]
//! for each that it did not begin, [`Reloaded`] for new settings.
//!
//! # Cost
//!
//! A call that is answered at once costs the writes of a thread-local and nothing else: no clock is
//! read and no timer set before the first `Pending`. Then the future is put into a list of its
//! thread, in which all calls with the same timeout stand in the order of their deadlines. No
//! allocation, no reference count, and no runtime is needed.
//!
//! [`DeadlineExceeded`]: crate::Reason::DeadlineExceeded
//! [`TimedOut`]: crate::Reason::TimedOut
//! [`Rejected`]: crate::telemetry::EventKind::Rejected
//! [`Reloaded`]: crate::telemetry::EventKind::Reloaded
//! [`context::deadline`]: crate::context::deadline

mod config;
mod future;
mod layer;
mod service;

pub use config::Config;
pub use future::ResponseFuture;
pub use layer::TimeoutLayer;
pub use service::TimeoutService;

use std::future::Future;
use std::time::Duration;

use crate::context;
use crate::error::{Error, InvalidConfig, Reject, intern};
use crate::slot::{Pool, Supply};
use crate::sync::{AtomicU64, Ordering};
use crate::telemetry::{Emitter, Environment, EventKind};
use crate::time::{Clock, Instant, Timer, nanos};

/// Ends calls that take too long.
///
/// A cheap clone; clones share their settings. See the [module](self) for how it decides.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::Error;
/// use seawall::timeout::Timeout;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let timeout = Timeout::builder().name("orders").after(Duration::from_secs(2)).build()?;
///
/// let answer = timeout.run(async || Ok::<_, std::io::Error>(42)).await;
/// assert!(matches!(answer, Ok(42)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Timeout {
    shared: Supply<Shared>,
}

#[derive(Debug)]
struct Shared {
    clock: Clock,
    emitter: Emitter,
    after_nanos: AtomicU64,
}

static POOL: Pool<Shared> = Pool::new();

impl Timeout {
    /// Starts from the default settings.
    pub fn builder() -> Config {
        Config::default()
    }

    /// A timeout after that time, and otherwise with the default settings.
    ///
    /// # Errors
    ///
    /// If the time is zero: no call could be made.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use seawall::timeout::Timeout;
    ///
    /// assert!(Timeout::new(Duration::from_secs(1)).is_ok());
    /// assert!(Timeout::new(Duration::MAX).is_ok()); // never
    /// assert!(Timeout::new(Duration::ZERO).is_err());
    /// ```
    pub fn new(after: Duration) -> Result<Self, InvalidConfig> {
        Self::builder().after(after).build()
    }

    fn in_pool(name: &str, after: Duration, environment: &Environment) -> Self {
        let name = intern(name);
        let reuse = |free: &Shared| {
            let fits = free.emitter.name() == name && free.clock == environment.clock;
            if fits {
                free.emitter.follow(environment);
                free.after_nanos.store(nanos(after), Ordering::Relaxed);
            }
            fits
        };
        let make = || Shared {
            clock: environment.clock.clone(),
            emitter: Emitter::new("timeout", name, environment),
            after_nanos: AtomicU64::new(nanos(after)),
        };
        let shared = POOL.acquire_pooled(reuse, make);
        Timer::prepare(nanos(after), &shared.clock);
        Self { shared: shared.into() }
    }

    /// A layer that puts this timeout around a service.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use seawall::error::BoxError;
    /// use seawall::timeout::Timeout;
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BoxError> {
    /// let timeout = Timeout::new(Duration::from_secs(2))?;
    /// let double = service_fn(async |n: u32| Ok::<_, BoxError>(2 * n));
    ///
    /// assert_eq!(timeout.layer().layer(double).oneshot(21).await?, 42);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn layer(&self) -> TimeoutLayer {
        TimeoutLayer::new(self.clone())
    }

    /// Runs `operation`, for as long as it may.
    ///
    /// # Errors
    ///
    /// The error of `operation`, or a rejection when the time was over.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops `operation`'s.
    ///
    /// # Example
    ///
    /// ```
    /// use std::future::pending;
    /// use std::time::Duration;
    ///
    /// use seawall::Error;
    /// use seawall::timeout::Timeout;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), seawall::error::InvalidConfig> {
    /// let timeout = Timeout::new(Duration::from_millis(10))?;
    ///
    /// let answer = timeout.run(pending::<Result<(), std::io::Error>>).await;
    /// assert!(matches!(answer, Err(Error::Rejected(_))));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run<T, E, F>(&self, operation: impl FnOnce() -> F) -> Result<T, Error<E>>
    where
        F: Future<Output = Result<T, E>>,
    {
        self.run_with(|| {
            let running = operation();
            async { running.await.map_err(Error::Service) }
        })
        .await
    }

    /// Runs `operation`, whose error can hold a rejection, for as long as it may.
    ///
    /// # Errors
    ///
    /// The error of `operation`, or a rejection when the time was over.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops `operation`'s.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use seawall::error::BoxError;
    /// use seawall::timeout::Timeout;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BoxError> {
    /// let timeout = Timeout::new(Duration::from_secs(1))?;
    ///
    /// assert_eq!(timeout.run_with(async || Ok::<_, BoxError>("42".parse::<u8>()?)).await?, 42);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run_with<T, E, F>(&self, operation: impl FnOnce() -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
        E: Reject,
    {
        let mut timeout = self.clone();
        timeout.begin(operation).await
    }

    /// Changes the time for the calls that begin from now on.
    ///
    /// # Errors
    ///
    /// If a setting makes no sense, or is the name: that can not be changed.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use seawall::timeout::Timeout;
    ///
    /// let timeout = Timeout::new(Duration::from_secs(1))?;
    /// timeout.reload(&Timeout::builder().after(Duration::from_secs(3)))?;
    ///
    /// assert_eq!(timeout.after(), Duration::from_secs(3));
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    pub fn reload(&self, config: &Config) -> Result<(), InvalidConfig> {
        let after = config.check()?;
        if intern(&config.name) != self.name() {
            return Err(InvalidConfig::new("name", "the one it was built with"));
        }
        Timer::prepare(nanos(after), &self.shared.clock);
        // Relaxed: nothing else is published with it.
        self.shared.after_nanos.store(nanos(after), Ordering::Relaxed);
        self.shared.emitter.emit(EventKind::Reloaded);
        Ok(())
    }

    /// The time that a call may take.
    #[must_use]
    pub fn after(&self) -> Duration {
        Duration::from_nanos(self.shared.after_nanos())
    }

    /// The name in rejections and events.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.shared.emitter.name()
    }

    /// Starts a call, unless it is too late for it already.
    #[expect(clippy::inline_always, reason = "the future is built where it stays, and not moved")]
    #[inline(always)]
    fn begin<F>(&mut self, call: impl FnOnce() -> F) -> ResponseFuture<F> {
        let is_plain = context::named_deadline() == Instant::FAR_FUTURE;
        let after = self.shared.after_nanos();
        let call = (is_plain || self.is_in_time())
            .then_some(|| context::limited(after, Instant::FAR_FUTURE, call));
        ResponseFuture::begin(after, call, || self.shared.lend())
    }

    /// Whether the call is not too late already.
    #[cold]
    #[inline(never)]
    fn is_in_time(&self) -> bool {
        // Only a deadline that somebody has named is compared: a lazy one began just now.
        let outer = context::named_deadline();
        outer == Instant::FAR_FUTURE || !self.shared.clock.has_passed(outer)
    }
}

impl Shared {
    #[inline]
    fn after_nanos(&self) -> u64 {
        // Relaxed: nothing else is published with it.
        self.after_nanos.load(Ordering::Relaxed)
    }
}
