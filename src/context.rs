//! The call's context: its deadline, attempt number and criticality.
//!
//! It travels *ambiently* within a stack: drivers put it into a thread-local around every
//! `poll_ready`, `call`, `poll` and drop of what they wrap, and take it out again even when that
//! panics. So no bound falls on `Request`, and the service at the bottom can ask for the deadline
//! of the call that it is serving. A deadline is lazy: a timeout says *within so long*, and the
//! first who asks reads the clock.
//!
//! What leaves the task leaves the context: inside [`tokio::spawn`] and behind tower's `Buffer`
//! there is none. Take it along with [`capture`] and [`Context::scope`].
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//!
//! use seawall::context;
//! use seawall::error::BoxError;
//! use seawall::time::Clock;
//! use seawall::timeout::Timeout;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let timeout = Timeout::new(Duration::from_secs(3))?;
//!
//! let left: Duration = timeout
//!     .run_with(async || {
//!         let clock = Clock::default();
//!         let deadline = context::deadline(&clock).expect("the timeout has set one");
//!         Ok::<_, BoxError>(deadline.since(clock.now()))
//!     })
//!     .await?;
//!
//! assert!(left <= Duration::from_secs(3));
//! assert_eq!(context::deadline(&Clock::default()), None);
//! # Ok(())
//! # }
//! ```

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use pin_project::pin_project;

use crate::time::{Clock, Instant, nanos};

/// When the call that this code serves must have ended, if a timeout or a caller set a deadline.
///
/// Reads the clock if nobody has asked before, so that the deadline counts from about the call's
/// start. Costs a thread-local read otherwise.
///
/// # Example
///
/// ```
/// use seawall::context;
/// use seawall::time::Clock;
///
/// // Outside of any call there is no deadline.
/// assert_eq!(context::deadline(&Clock::default()), None);
/// ```
#[must_use]
pub fn deadline(clock: &Clock) -> Option<Instant> {
    let mut ambient = Ambient::current();
    let deadline = ambient.resolve(clock);
    AMBIENT.set(ambient);
    deadline
}

/// The number of this attempt: 1 for the first, 2 for the first repeat.
///
/// # Example
///
/// ```
/// assert_eq!(seawall::context::attempt(), 1);
/// ```
#[must_use]
pub fn attempt() -> u32 {
    AMBIENT.get().attempt
}

/// How much the call matters, as its caller said.
///
/// # Example
///
/// ```
/// use seawall::context::{self, Criticality};
///
/// assert_eq!(context::criticality(), Criticality::Default);
/// ```
#[must_use]
pub fn criticality() -> Criticality {
    AMBIENT.get().criticality
}

/// How much a call matters: what is shed first when not all can be served.
///
/// # Example
///
/// ```
/// use seawall::context::Criticality;
///
/// assert!(Criticality::Sheddable < Criticality::Critical);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Criticality {
    /// May fail often: batch work that is tried again later anyway.
    Sheddable,
    /// May fail now and then.
    SheddablePlus,
    /// What is not said otherwise.
    #[default]
    Default,
    /// Users notice when it fails.
    Critical,
}

/// The context of the call that this code serves, to take it to another task.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::context::{self, Criticality};
/// use seawall::time::Clock;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tokio::task::JoinError> {
/// let clock = Clock::default();
/// let context = context::capture(&clock).criticality(Criticality::Sheddable).attempt(2);
///
/// let task = tokio::spawn(context.scope(async { (context::attempt(), context::criticality()) }));
/// assert_eq!(task.await?, (2, Criticality::Sheddable));
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn capture(clock: &Clock) -> Context {
    deadline(clock);
    Context { ambient: Ambient::current().uncut() }
}

/// A call's context as a value: taken by [`capture`], given to a future by [`scope`](Self::scope).
///
/// [`Context::new`] is an empty one, for the edge where calls come in.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::context::{self, Context};
/// use seawall::time::Clock;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let clock = Clock::default();
/// let until = clock.now() + Duration::from_secs(2);
///
/// // A server that was told how long its caller waits.
/// let seen = Context::new().deadline(until).scope(async { context::deadline(&clock) }).await;
/// assert_eq!(seen, Some(until));
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Context {
    ambient: Ambient,
}

impl Context {
    /// No deadline, the first attempt, default criticality.
    pub const fn new() -> Self {
        Self { ambient: Ambient::NONE }
    }

    /// Sets the deadline. An earlier one that is already there stays.
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.ambient = self.ambient.until(deadline);
        self
    }

    /// Sets the number of the attempt, counted from 1. Zero is taken for 1.
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.ambient = self.ambient.attempt(attempt.max(1));
        self
    }

    /// Sets how much the call matters.
    pub const fn criticality(mut self, criticality: Criticality) -> Self {
        self.ambient.criticality = criticality;
        self
    }

    /// Runs `future` in this context.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped in its context, too.
    pub const fn scope<F>(self, future: F) -> Scoped<F> {
        Scoped { future: Some(future), ambient: self.ambient }
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}

/// A future in a [`Context`].
///
/// # Example
///
/// ```
/// use seawall::context::{self, Context, Scoped};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let third: Scoped<_> = Context::new().attempt(3).scope(async { context::attempt() });
/// assert_eq!(third.await, 3);
/// # }
/// ```
#[pin_project(PinnedDrop)]
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Scoped<F> {
    #[pin]
    future: Option<F>,
    ambient: Ambient,
}

impl<F> Future for Scoped<F>
where
    F: Future,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let future = this.future.as_mut().as_pin_mut().expect("only dropped with the whole");
        scope(this.ambient, || future.poll(cx))
    }
}

#[pin_project::pinned_drop]
impl<F> PinnedDrop for Scoped<F> {
    fn drop(self: Pin<&mut Self>) {
        let mut this = self.project();
        scope(this.ambient, || this.future.set(None));
    }
}

/// What travels: small, `Copy`, and cheap to put in and take out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ambient {
    /// Set once somebody has asked; [`Instant::FAR_FUTURE`] is none.
    deadline: Instant,
    /// The time that a timeout allows from now on, as long as nobody has asked; `MAX` is none.
    within_nanos: u64,
    attempt: u32,
    criticality: Criticality,
    cut: bool,
}

impl Ambient {
    const NONE: Self = Self {
        deadline: Instant::FAR_FUTURE,
        within_nanos: u64::MAX,
        attempt: 1,
        criticality: Criticality::Default,
        cut: false,
    };

    /// The context of the code that asks.
    #[inline]
    pub(crate) fn current() -> Self {
        AMBIENT.get()
    }

    /// With a deadline `timeout` from now, unless there is an earlier one.
    #[inline]
    pub(crate) fn within(mut self, timeout: Duration) -> Self {
        self.within_nanos = self.within_nanos.min(nanos(timeout));
        self
    }

    /// With this deadline, unless there is an earlier one.
    #[inline]
    pub(crate) fn until(mut self, deadline: Instant) -> Self {
        self.deadline = self.deadline.min(deadline);
        self
    }

    /// As that attempt.
    #[inline]
    pub(crate) fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// For the drop of a call whose deadline has passed: what is dropped in it was not given up by
    /// its caller, but took too long.
    #[inline]
    pub(crate) fn cut(mut self) -> Self {
        self.cut = true;
        self
    }

    fn uncut(mut self) -> Self {
        self.cut = false;
        self
    }

    /// The deadline as far as somebody has named it, without a look at the clock:
    /// [`Instant::FAR_FUTURE`] if nobody has.
    #[inline]
    pub(crate) fn named_deadline(&self) -> Instant {
        self.deadline
    }

    /// Names the deadline, now that a timer is set to `end` for the `timeout` that was allowed.
    #[inline]
    pub(crate) fn settle(&mut self, timeout: Duration, end: Instant, clock: &Clock) {
        if self.within_nanos == nanos(timeout) {
            self.deadline = self.deadline.min(end);
            self.within_nanos = u64::MAX;
        } else {
            // Named before, or further out a shorter one is waiting for it.
            self.resolve(clock);
        }
    }

    /// The deadline. Reads the clock if it was only known relative to the call's start.
    #[inline]
    pub(crate) fn resolve(&mut self, clock: &Clock) -> Option<Instant> {
        if self.within_nanos != u64::MAX {
            let end = clock.now() + Duration::from_nanos(self.within_nanos);
            self.deadline = self.deadline.min(end);
            self.within_nanos = u64::MAX;
        }
        (self.deadline != Instant::FAR_FUTURE).then_some(self.deadline)
    }
}

/// Whether what is being dropped is dropped because its deadline has passed.
#[inline]
pub(crate) fn is_cut() -> bool {
    AMBIENT.get().cut
}

/// Runs `f` in `ambient`, and takes it out again, also when `f` panics.
///
/// When `f` or what it calls asked for the deadline, `ambient` knows it afterwards. What is cut
/// stays cut on the way in: the drop of a call that took too long reaches all that it is made of.
#[inline]
pub(crate) fn scope<R>(ambient: &mut Ambient, f: impl FnOnce() -> R) -> R {
    let outer = AMBIENT.get();
    AMBIENT.set(Ambient { cut: ambient.cut | outer.cut, ..*ambient });
    let _restore = Restore { outer };
    let result = f();
    let inner = AMBIENT.get();
    ambient.deadline = inner.deadline;
    ambient.within_nanos = inner.within_nanos;
    result
}

struct Restore {
    outer: Ambient,
}

impl Drop for Restore {
    #[inline]
    fn drop(&mut self) {
        AMBIENT.set(self.outer);
    }
}

thread_local! {
    static AMBIENT: Cell<Ambient> = const { Cell::new(Ambient::NONE) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_who_asks_sets_the_deadline() {
        let clock = Clock::manual();
        let mut ambient = Ambient::NONE.within(Duration::from_secs(2));

        let asked = scope(&mut ambient, || deadline(&clock));
        clock.advance(Duration::from_secs(1));
        let again = scope(&mut ambient, || deadline(&clock));

        assert_eq!(asked, again);
    }

    #[test]
    fn the_earlier_deadline_wins() {
        let clock = Clock::manual();
        let soon = clock.now() + Duration::from_secs(1);
        let mut ambient = Ambient::NONE.within(Duration::from_secs(2)).until(soon);

        assert_eq!(scope(&mut ambient, || deadline(&clock)), Some(soon));
    }

    #[test]
    fn a_panic_takes_the_context_out_again() {
        let mut ambient = Ambient::NONE.attempt(7);

        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            scope(&mut ambient, || panic!("inside"));
        }));

        assert!(caught.is_err());
        assert_eq!(attempt(), 1);
    }

    #[test]
    fn a_nested_context_ends_with_its_scope() {
        let mut outer = Ambient::NONE.attempt(2);

        scope(&mut outer, || {
            let mut inner = Ambient::current().attempt(3);
            assert_eq!(scope(&mut inner, attempt), 3);
            assert_eq!(attempt(), 2);
        });
    }

    #[test]
    fn a_cut_reaches_what_has_a_context_of_its_own() {
        let mut inner = Ambient::NONE.attempt(2);

        let cut = scope(&mut Ambient::NONE.cut(), || scope(&mut inner, is_cut));

        assert!(cut);
        assert!(!scope(&mut inner, is_cut));
    }

    #[test]
    fn a_set_timer_names_the_deadline() {
        let clock = Clock::manual();
        let second = Duration::from_secs(1);
        let end = clock.now() + second;
        let mut ambient = Ambient::NONE.within(second);
        assert_eq!(ambient.named_deadline(), Instant::FAR_FUTURE);

        ambient.settle(second, end, &clock);
        clock.advance(second);
        ambient.settle(second, clock.now() + second, &clock);

        assert_eq!(ambient.named_deadline(), end);
    }

    #[test]
    fn a_shorter_time_allowed_further_out_is_not_forgotten() {
        let clock = Clock::manual();
        let second = Duration::from_secs(1);
        let mut ambient = Ambient::NONE.within(second).within(3 * second);

        ambient.settle(3 * second, clock.now() + 3 * second, &clock);

        assert_eq!(ambient.named_deadline(), clock.now() + second);
    }

    #[test]
    fn an_endless_timeout_is_no_deadline() {
        let mut ambient = Ambient::NONE.within(Duration::MAX);

        assert_eq!(ambient.resolve(&Clock::manual()), None);
    }
}
