//! Where another answer comes from.

use std::fmt;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project::pin_project;

/// Finds another answer for a call that failed.
///
/// [`Value`], [`Function`], [`Deferred`] and [`LastGoodBy`](super::LastGoodBy) do. It is cloned for
/// each call, which should be cheap.
///
/// # Example
///
/// The answer of one's own: an echo of the request.
///
/// ```
/// use std::future::{Ready, ready};
///
/// use seawall::error::BoxError;
/// use seawall::fallback::{Answer, FallbackLayer, Substitute};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// #[derive(Clone)]
/// struct Echo;
///
/// impl<E> Substitute<u32, u32, E> for Echo {
///     type Kept = u32;
///     type Future = Ready<Answer<u32, E>>;
///
///     fn keep(&self, request: &u32) -> u32 {
///         *request
///     }
///
///     fn substitute(&self, request: u32, _: Result<u32, E>) -> Self::Future {
///         ready(Answer::instead(Ok(request)))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let down = service_fn(async |_: u32| Err::<u32, BoxError>("down".into()));
///
/// assert_eq!(FallbackLayer::substitute(Echo).layer(down).oneshot(7).await?, 7);
/// # Ok(())
/// # }
/// ```
pub trait Substitute<Request, T, E> {
    /// What it needs of the request when the call has failed.
    type Kept;

    /// Finds the answer.
    type Future: Future<Output = Answer<T, E>>;

    /// Takes what it needs from the request, before the call.
    fn keep(&self, request: &Request) -> Self::Kept;

    /// Sees the good answer to the request that `kept` is from.
    ///
    /// The default does nothing.
    fn learn(&self, kept: Self::Kept, response: &T) {
        let _ = (kept, response);
    }

    /// Finds another answer to the request that `kept` is from, whose call ended with `failed`.
    fn substitute(&self, kept: Self::Kept, failed: Result<T, E>) -> Self::Future;
}

/// What a [`Substitute`] found.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::fallback::Answer;
///
/// let answer = Answer::<_, ()>::stale(42, Duration::from_secs(3));
/// assert_eq!(answer.into_result(), Ok(42));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub struct Answer<T, E> {
    pub(super) result: Result<T, E>,
    pub(super) found: Found,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Found {
    Nothing,
    Other { stale: Option<Duration> },
}

impl<T, E> Answer<T, E> {
    /// `result` takes the place of the failed one. It counts as an answer if it is `Ok`.
    pub const fn instead(result: Result<T, E>) -> Self {
        let found = if result.is_ok() { Found::Other { stale: None } } else { Found::Nothing };
        Self { result, found }
    }

    /// An earlier answer, of that age, takes the place of the failed one.
    pub const fn stale(response: T, age: Duration) -> Self {
        Self { result: Ok(response), found: Found::Other { stale: Some(age) } }
    }

    /// There is no other answer: the failure stays.
    pub const fn none(failed: Result<T, E>) -> Self {
        Self { result: failed, found: Found::Nothing }
    }

    /// What the caller gets.
    ///
    /// # Errors
    ///
    /// The error of the failed call or of its fallback, if there is no answer.
    pub fn into_result(self) -> Result<T, E> {
        self.result
    }
}

/// Always the same value. Made by [`FallbackLayer::value`](super::FallbackLayer::value).
///
/// # Example
///
/// ```
/// use seawall::fallback::{FallbackLayer, Value};
///
/// struct Stock {
///     empty: FallbackLayer<Value<u32>>,
/// }
///
/// let stock = Stock { empty: FallbackLayer::value(0) };
/// # let _ = stock.empty;
/// ```
#[derive(Debug)]
pub struct Value<T> {
    value: Arc<T>,
}

impl<T> Value<T> {
    pub(super) fn new(value: T) -> Self {
        Self { value: Arc::new(value) }
    }
}

impl<T> Clone for Value<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value) }
    }
}

impl<Request, T, E> Substitute<Request, T, E> for Value<T>
where
    T: Clone,
{
    type Kept = ();
    type Future = Ready<Answer<T, E>>;

    #[inline]
    fn keep(&self, _: &Request) {}

    fn substitute(&self, (): (), _: Result<T, E>) -> Self::Future {
        ready(Answer::instead(Ok(T::clone(&self.value))))
    }
}

/// A function of request and failure. Made by [`FallbackLayer::new`](super::FallbackLayer::new).
///
/// # Example
///
/// ```
/// use seawall::Error;
/// use seawall::fallback::{FallbackLayer, Function};
///
/// type Answer = Result<u32, Error<&'static str>>;
///
/// fn zero(_: u64, _: Answer) -> Answer {
///     Ok(0)
/// }
///
/// let layer: FallbackLayer<Function<fn(u64, Answer) -> Answer>> = FallbackLayer::new(zero);
/// # let _ = layer;
/// ```
#[derive(Clone)]
pub struct Function<F> {
    function: F,
}

impl<F> Function<F> {
    pub(super) const fn new(function: F) -> Self {
        Self { function }
    }
}

impl<F, Request, T, E> Substitute<Request, T, E> for Function<F>
where
    F: Fn(Request, Result<T, E>) -> Result<T, E>,
    Request: Clone,
{
    type Kept = Request;
    type Future = Ready<Answer<T, E>>;

    #[inline]
    fn keep(&self, request: &Request) -> Request {
        request.clone()
    }

    fn substitute(&self, request: Request, failed: Result<T, E>) -> Self::Future {
        ready(Answer::instead((self.function)(request, failed)))
    }
}

impl<F> fmt::Debug for Function<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function").finish_non_exhaustive()
    }
}

/// A future of request and failure. Made by
/// [`FallbackLayer::deferred`](super::FallbackLayer::deferred).
///
/// # Example
///
/// ```
/// use std::future::{Ready, ready};
///
/// use seawall::Error;
/// use seawall::fallback::{Deferred, FallbackLayer};
///
/// type Answer = Result<u32, Error<&'static str>>;
///
/// fn zero(_: u64, _: Answer) -> Ready<Answer> {
///     ready(Ok(0))
/// }
///
/// let layer: FallbackLayer<Deferred<fn(u64, Answer) -> Ready<Answer>>> =
///     FallbackLayer::deferred(zero);
/// # let _ = layer;
/// ```
#[derive(Clone)]
pub struct Deferred<F> {
    function: F,
}

impl<F> Deferred<F> {
    pub(super) const fn new(function: F) -> Self {
        Self { function }
    }
}

impl<F, Fut, Request, T, E> Substitute<Request, T, E> for Deferred<F>
where
    F: Fn(Request, Result<T, E>) -> Fut,
    Fut: Future<Output = Result<T, E>>,
    Request: Clone,
{
    type Kept = Request;
    type Future = DeferredFuture<Fut>;

    #[inline]
    fn keep(&self, request: &Request) -> Request {
        request.clone()
    }

    fn substitute(&self, request: Request, failed: Result<T, E>) -> Self::Future {
        DeferredFuture { inner: (self.function)(request, failed) }
    }
}

impl<F> fmt::Debug for Deferred<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deferred").finish_non_exhaustive()
    }
}

/// The future of a [`Deferred`].
///
/// # Example
///
/// ```
/// use std::future::Ready;
///
/// use seawall::Error;
/// use seawall::fallback::{Deferred, DeferredFuture, Substitute};
///
/// type Answer = Result<u32, Error<&'static str>>;
///
/// fn later<F>(zero: &Deferred<F>, failed: Answer) -> DeferredFuture<Ready<Answer>>
/// where
///     F: Fn(u64, Answer) -> Ready<Answer>,
/// {
///     zero.substitute(7, failed)
/// }
/// # let _ = later::<fn(u64, Answer) -> Ready<Answer>>;
/// ```
#[pin_project]
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct DeferredFuture<F> {
    #[pin]
    inner: F,
}

impl<F, T, E> Future for DeferredFuture<F>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Answer<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Answer::instead(ready!(self.project().inner.poll(cx))))
    }
}
