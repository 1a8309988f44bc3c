use std::fmt;
use std::future::Future;
use std::time::Duration;

use tower_layer::Layer;

use super::substitute::{Deferred, Function, Value};
use super::{FallbackService, LastGoodBy, ResponseFuture, Substitute};
use crate::error::{Error, Reject, intern};
use crate::outcome::{ByResult, Classify};
use crate::slot::{Pool, Slot};
use crate::telemetry::{Emitter, Environment};

/// Puts another answer in the place of a service's failure.
///
/// See the [module](super) for the kinds of answers.
///
/// # Example
///
/// ```
/// use seawall::Outcome;
/// use seawall::error::BoxError;
/// use seawall::fallback::FallbackLayer;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let layer = FallbackLayer::value(0_u16)
///     .name("stock")
///     // What counts as a failure: here, an answer of 500 and above does, too.
///     .classify(|result: Result<&u16, &BoxError>| match result {
///         Ok(500..) | Err(_) => Outcome::Transient,
///         Ok(_) => Outcome::Success,
///     });
///
/// let stock = ServiceBuilder::new()
///     .layer(layer)
///     .service(service_fn(async |status: u16| Ok::<_, BoxError>(status)));
///
/// assert_eq!(stock.clone().oneshot(200).await?, 200);
/// assert_eq!(stock.oneshot(503).await?, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct FallbackLayer<F, C = ByResult> {
    substitute: F,
    classify: C,
    name: &'static str,
    environment: Environment,
    shared: Slot<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) emitter: Emitter,
}

static POOL: Pool<Shared> = Pool::new();

impl<F> FallbackLayer<F> {
    /// Answers with what `substitute` finds.
    pub fn substitute(substitute: F) -> Self {
        let (name, environment) = ("fallback", Environment::default());
        let shared = shared(name, &environment);
        Self { substitute, classify: ByResult, name, environment, shared }
    }
}

impl<T> FallbackLayer<Value<T>> {
    /// Answers with a clone of `value`.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::Error;
    /// use seawall::fallback::FallbackLayer;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error<&'static str>> {
    /// let stock = FallbackLayer::value(0).run((), async |()| Err("down")).await?;
    /// assert_eq!(stock, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn value(value: T) -> Self {
        Self::substitute(Value::new(value))
    }
}

impl<F> FallbackLayer<Function<F>> {
    /// Answers with what `function` makes of the request and the failed result: an answer, an
    /// error in other words, or the same failure again.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::Error;
    /// use seawall::fallback::FallbackLayer;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error<&'static str>> {
    /// let guess = FallbackLayer::new(|name: String, failed: Result<usize, Error<&str>>| {
    ///     if name.is_empty() { failed } else { Ok(name.len()) }
    /// });
    ///
    /// assert_eq!(guess.run("salt".to_owned(), async |_| Err("down")).await?, 4);
    /// assert!(guess.run(String::new(), async |_| Err("down")).await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn new<Request, T, E>(function: F) -> Self
    where
        F: Fn(Request, Result<T, E>) -> Result<T, E>,
    {
        Self::substitute(Function::new(function))
    }
}

impl<F> FallbackLayer<Deferred<F>> {
    /// Answers with what the future returns that `function` makes of the request and the failed
    /// result: that of another service, for example.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::Error;
    /// use seawall::fallback::FallbackLayer;
    ///
    /// async fn elsewhere(name: String) -> Result<usize, Error<&'static str>> {
    ///     Ok(name.len())
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error<&'static str>> {
    /// let other = FallbackLayer::deferred(|name: String, _| elsewhere(name));
    ///
    /// assert_eq!(other.run("salt".to_owned(), async |_| Err("down")).await?, 4);
    /// # Ok(())
    /// # }
    /// ```
    pub fn deferred<Request, T, E, Fut>(function: F) -> Self
    where
        F: Fn(Request, Result<T, E>) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        Self::substitute(Deferred::new(function))
    }
}

impl<F, K, T, C> FallbackLayer<LastGoodBy<F, K, T>, C> {
    /// Puts each earlier answer and its age through `mark` before it is given, so that the caller
    /// can see that it is one.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use seawall::Error;
    /// use seawall::fallback::LastGood;
    ///
    /// #[derive(Clone)]
    /// struct Price {
    ///     cents: u32,
    ///     age: Option<Duration>,
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let last_good: LastGood<&str, Price> = LastGood::builder().build()?;
    /// last_good.put("salt", Price { cents: 99, age: None });
    ///
    /// let price = last_good
    ///     .layer(|product: &&'static str| *product)
    ///     .mark(|price, age| Price { age: Some(age), ..price })
    ///     .run("salt", async |_| Err("down"))
    ///     .await
    ///     .map_err(|error: Error<&str>| error.to_string())?;
    ///
    /// assert_eq!(price.cents, 99);
    /// assert!(price.age.is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn mark(mut self, mark: impl Fn(T, Duration) -> T + Send + Sync + 'static) -> Self {
        self.substitute = self.substitute.mark(mark);
        self
    }
}

impl<F, C> FallbackLayer<F, C> {
    /// The name in events.
    ///
    /// Default: `fallback`.
    pub fn name(mut self, name: &str) -> Self {
        self.name = intern(name);
        self.shared = shared(self.name, &self.environment);
        self
    }

    /// Tells the observer of `environment` of events.
    ///
    /// Default: nobody.
    pub fn environment(mut self, environment: &Environment) -> Self {
        self.environment = environment.clone();
        self.shared = shared(self.name, environment);
        self
    }

    /// Judges calls with `classify` instead of by their result alone.
    pub fn classify<D>(self, classify: D) -> FallbackLayer<F, D> {
        let Self { substitute, name, environment, shared, .. } = self;
        FallbackLayer { substitute, classify, name, environment, shared }
    }

    /// Runs `operation` with `request`, and finds another answer when it fails.
    ///
    /// # Errors
    ///
    /// What the fallback returns, if that is an error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops `operation`'s, or the fallback's.
    pub async fn run<Request, T, E, Fut>(
        &self,
        request: Request,
        operation: impl FnOnce(Request) -> Fut,
    ) -> Result<T, Error<E>>
    where
        F: Substitute<Request, T, Error<E>> + Clone,
        C: Classify<T, Error<E>> + Clone,
        Fut: Future<Output = Result<T, E>>,
    {
        self.run_with(request, |request| {
            let running = operation(request);
            async { running.await.map_err(Error::Service) }
        })
        .await
    }

    /// Runs `operation`, whose error can hold a rejection, with `request`, and finds another answer
    /// when it fails.
    ///
    /// # Errors
    ///
    /// What the fallback returns, if that is an error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops `operation`'s, or the fallback's.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::error::BoxError;
    /// use seawall::fallback::FallbackLayer;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BoxError> {
    /// let number = FallbackLayer::value(0_u8)
    ///     .run_with("forty-two", async |text| Ok::<_, BoxError>(text.parse::<u8>()?))
    ///     .await?;
    /// assert_eq!(number, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run_with<Request, T, E, Fut>(
        &self,
        request: Request,
        operation: impl FnOnce(Request) -> Fut,
    ) -> Result<T, E>
    where
        F: Substitute<Request, T, E> + Clone,
        C: Classify<T, E> + Clone,
        Fut: Future<Output = Result<T, E>>,
        E: Reject,
    {
        let kept = self.substitute.keep(&request);
        let inner = operation(request);
        ResponseFuture::new(
            inner,
            kept,
            self.substitute.clone(),
            self.classify.clone(),
            self.shared.clone(),
        )
        .await
    }
}

impl<S, F, C> Layer<S> for FallbackLayer<F, C>
where
    F: Clone,
    C: Clone,
{
    type Service = FallbackService<S, F, C>;

    fn layer(&self, inner: S) -> Self::Service {
        FallbackService::new(
            inner,
            self.substitute.clone(),
            self.classify.clone(),
            self.shared.clone(),
        )
    }
}

impl<F, C> fmt::Debug for FallbackLayer<F, C>
where
    F: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FallbackLayer")
            .field("name", &self.name)
            .field("substitute", &self.substitute)
            .finish_non_exhaustive()
    }
}

fn shared(name: &'static str, environment: &Environment) -> Slot<Shared> {
    let reuse = |free: &Shared| {
        let fits = free.emitter.name() == name;
        if fits {
            free.emitter.follow(environment);
        }
        fits
    };
    POOL.acquire(reuse, || Shared { emitter: Emitter::new("fallback", name, environment) })
}
