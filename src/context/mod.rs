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

mod ambient;

pub(crate) use ambient::{Ambient, cut, is_cut, limited, named_deadline, scope};

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

use pin_project::pin_project;

use crate::time::{Clock, Instant};

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
    ambient::deadline(clock)
}

/// The number of this attempt: 1 for the first, 2 for the first repeat.
///
/// # Example
///
/// ```
/// assert_eq!(seawall::context::attempt(), 1);
/// ```
#[must_use]
#[inline]
pub fn attempt() -> u32 {
    ambient::attempt()
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
    Ambient::current().criticality
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
pub fn capture(clock: &Clock) -> Context {
    let _ = deadline(clock);
    Context { ambient: Ambient::current() }
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
        ambient::scope_alone(this.ambient, || future.poll(cx))
    }
}

#[pin_project::pinned_drop]
impl<F> PinnedDrop for Scoped<F> {
    fn drop(self: Pin<&mut Self>) {
        let mut this = self.project();
        ambient::scope_alone(this.ambient, || this.future.set(None));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_a_context_is_set_by_itself() {
        let (soon, late) = (Instant::from_nanos(5), Instant::from_nanos(9));
        let parts = |context: Context| {
            let Ambient { deadline, attempt, criticality, .. } = context.ambient;
            (deadline, attempt, criticality)
        };
        let none = parts(Context::default());
        assert_eq!(none, (Instant::FAR_FUTURE, 1, Criticality::Default));

        let mut context = Context::new().attempt(3);
        assert_eq!(parts(context), (none.0, 3, none.2));
        context = context.criticality(Criticality::Sheddable);
        assert_eq!(parts(context), (none.0, 3, Criticality::Sheddable));
        context = context.deadline(soon);
        assert_eq!(parts(context), (soon, 3, Criticality::Sheddable));
        // An earlier one stays, and there is no attempt before the first.
        context = context.deadline(late).attempt(0);
        assert_eq!(parts(context), (soon, 1, Criticality::Sheddable));
    }

    #[test]
    fn what_is_captured_is_all_that_the_code_that_asks_is_in() {
        let clock = Clock::manual();
        let end = Instant::from_nanos(7);
        let mut outer = Ambient::NONE.attempt(4).until(end);
        outer.criticality = Criticality::Critical;

        let (captured, seen) =
            scope(&mut outer, || (capture(&clock), (attempt(), deadline(&clock), criticality())));

        assert_eq!(seen, (4, Some(end), Criticality::Critical));
        assert_eq!(captured.ambient.attempt, 4);
        assert_eq!(captured.ambient.deadline, end);
        assert_eq!(captured.ambient.criticality, Criticality::Critical);
        assert_eq!((attempt(), deadline(&clock)), (1, None));
    }
}
