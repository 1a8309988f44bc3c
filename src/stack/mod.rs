//! Ready-made stacks: the standard policies in the order that works.
//!
//! # Example
//!
//! ```
//! use seawall::error::BoxError;
//! use seawall::stack::Stack;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let stack = Stack::builder().name("orders").build()?;
//!
//! // Around any tower service ...
//! let orders = ServiceBuilder::new()
//!     .layer(stack.layer())
//!     .service(service_fn(|id: u64| async move { Ok::<_, std::io::Error>(id) }));
//! assert_eq!(orders.oneshot(7).await?, 7);
//!
//! // ... and around whatever is none.
//! let rows = stack.run(|| async { Ok::<_, std::io::Error>(vec!["row"]) }).await?;
//! assert_eq!(rows.len(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! # When to use it
//!
//! For each dependency of an application, as the first thing to try: one stack per service that
//! can fail by itself. Several clients of one service share one stack, so that they share its
//! breaker, its budget and its places.
//!
//! Put no other retry inside or outside of it: attempts multiply.
//!
//! # How it is ordered
//!
//! From the outside in, with what each part sees:
//!
//! | part | sees | why there |
//! |---|---|---|
//! | total timeout | the call | bounds everything below, waits included |
//! | rate limit | the call | a call that is turned away costs no attempt |
//! | retry, with its budget | the call, and makes attempts | repeats pass through all that protects the service |
//! | circuit breaker | attempts | learns from each attempt, and stops repeats too |
//! | attempt timeout | attempts | what it cuts is a failure to the breaker |
//! | bulkhead | attempts | counts what is really in flight |
//!
//! A fallback goes outside of it: [`StackLayer::fallback`].
//!
//! # Defaults
//!
//! [`Stack::describe`] prints those of a stack:
//!
//! ```
//! let stack = seawall::stack::Stack::builder().name("orders").build()?;
//! println!("{}", stack.describe());
//! # Ok::<(), seawall::error::InvalidConfig>(())
//! ```
//!
//! They survive, by themselves, an outage that its own load would keep alive: the breaker holds
//! traffic off until the backlog has drained, the budget keeps repeats from doubling the load, and
//! traffic comes back as a ramp.
//!
//! # Cost
//!
//! A call that just works takes no lock and no allocation; `examples/overhead.rs` measures the
//! nanoseconds on your machine.

mod config;
mod describe;
#[cfg(feature = "http")]
mod http;
mod layer;

pub use config::Config;
pub use describe::Description;
#[cfg(feature = "http")]
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
pub use http::{HttpStackLayer, HttpStackService};
pub use layer::{BareStackLayer, StackLayer, StackService};

use std::future::Future;
use std::time::Duration;

use crate::bulkhead::Bulkhead;
use crate::circuit_breaker::CircuitBreaker;
use crate::error::{Error, InvalidConfig, Reject, intern};
use crate::rate_limit::RateLimiter;
use crate::retry::Retry;
use crate::sync::{Arc, Mutex};
use crate::telemetry::{Environment, Level, Measure};
use crate::timeout::Timeout;

use config::Resolved;

/// The standard policies around one dependency.
///
/// A handle: clones share all state. See the [module](self) for an example.
#[derive(Clone, Debug)]
pub struct Stack {
    name: &'static str,
    parts: Parts,
    #[cfg(feature = "http")]
    environment: Environment,
    /// What the parts are set to, for who asks. Calls never look at it.
    settings: Arc<Mutex<Resolved>>,
}

/// What a stack consists of, from the outside in. A timeout that is left out never ends.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) total: Timeout,
    pub(crate) rate: Option<RateLimiter>,
    pub(crate) retry: Retry,
    pub(crate) breaker: Option<CircuitBreaker>,
    pub(crate) attempt: Timeout,
    pub(crate) bulkhead: Option<Bulkhead>,
}

impl Stack {
    /// Starts from the default settings.
    pub fn builder() -> Config {
        Config::default()
    }

    fn new(
        name: &str,
        settings: Resolved,
        environment: &Environment,
    ) -> Result<Self, InvalidConfig> {
        let parts = Parts {
            total: timeout("total_timeout", settings.total_timeout, name, environment)?,
            rate: settings
                .rate_limit
                .clone()
                .map(|quota| quota.name(name).build_in(environment))
                .transpose()
                .map_err(|error| error.within("rate_limit"))?,
            retry: settings
                .retry
                .clone()
                .name(name)
                .build_in(environment)
                .map_err(|error| error.within("retry"))?,
            breaker: settings
                .circuit_breaker
                .clone()
                .map(|breaker| breaker.name(name).build_in(environment))
                .transpose()
                .map_err(|error| error.within("circuit_breaker"))?,
            attempt: timeout("attempt_timeout", settings.attempt_timeout, name, environment)?,
            bulkhead: settings
                .bulkhead
                .clone()
                .map(|bulkhead| bulkhead.name(name).build_in(environment))
                .transpose()
                .map_err(|error| error.within("bulkhead"))?,
        };
        Ok(Self {
            name: intern(name),
            parts,
            #[cfg(feature = "http")]
            environment: environment.clone(),
            settings: Arc::new(Mutex::new(settings)),
        })
    }

    /// A layer that puts a service into this stack.
    #[must_use]
    pub fn layer(&self) -> StackLayer {
        StackLayer::new(self.parts.clone())
    }

    /// A layer that puts an HTTP client into this stack.
    #[cfg(feature = "http")]
    #[cfg_attr(docsrs, doc(cfg(feature = "http")))]
    #[must_use]
    pub fn http_layer(&self) -> HttpStackLayer {
        HttpStackLayer::new(self.name, self.parts.clone(), &self.environment)
    }

    /// Runs `operation` through this stack, without tower.
    ///
    /// The operation is called for each attempt: it must be safe to repeat.
    ///
    /// # Errors
    ///
    /// The last real failure of `operation`, or a rejection.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the operation's, with all that it holds.
    ///
    /// # Example
    ///
    /// ```
    /// use std::io;
    ///
    /// use seawall::stack::Stack;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let stack = Stack::builder().name("inventory").build()?;
    ///
    /// let mut attempts = 0;
    /// let rows = stack
    ///     .run(|| {
    ///         attempts += 1;
    ///         let worked = attempts == 2;
    ///         async move { if worked { Ok(3) } else { Err(io::Error::other("reset")) } }
    ///     })
    ///     .await?;
    /// assert_eq!(rows, 3);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run<T, E, F>(&self, operation: impl FnMut() -> F) -> Result<T, Error<E>>
    where
        F: Future<Output = Result<T, E>>,
    {
        self.layer().run(operation).await
    }

    /// Runs an `operation` whose error holds rejections through this stack, without tower.
    ///
    /// # Errors
    ///
    /// The last real failure of `operation`, or a rejection.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the operation's, with all that it holds.
    pub async fn run_with<T, E, F>(&self, operation: impl FnMut() -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
        E: Reject,
    {
        self.layer().bare().run(operation).await
    }

    /// Changes the settings in place. All state is kept: counts, open circuits, calls in flight.
    ///
    /// # Errors
    ///
    /// The field that is wrong or can not be changed: the name, which parts there are, the kind and
    /// length of the breaker's window. Nothing has changed then.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use seawall::stack::Stack;
    ///
    /// let stack = Stack::builder().build()?;
    ///
    /// stack.reload(&Stack::builder().attempt_timeout(Duration::from_secs(1)))?;
    /// assert!(stack.describe().to_string().contains("attempt timeout  1s"));
    ///
    /// let error = stack.reload(&Stack::builder().without_bulkhead()).unwrap_err();
    /// assert_eq!(error.field(), "bulkhead");
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    pub fn reload(&self, config: &Config) -> Result<(), InvalidConfig> {
        let next = config.resolve()?;
        // Held to the end, so that two who reload do not mix their settings.
        let mut settings = self.settings.lock();
        if intern(config.stack_name()) != self.name {
            return Err(InvalidConfig::new("name", "what it was when the stack was built"));
        }
        settings.has_parts_of(&next)?;
        self.apply(&next).inspect_err(|_| {
            // The old settings were accepted once, and by the same parts.
            drop(self.apply(&settings));
        })?;
        *settings = next;
        Ok(())
    }

    fn apply(&self, settings: &Resolved) -> Result<(), InvalidConfig> {
        let Parts { total, rate, retry, breaker, attempt, bulkhead } = &self.parts;
        let name = self.name;
        for (field, timeout, after) in [
            ("total_timeout", total, settings.total_timeout),
            ("attempt_timeout", attempt, settings.attempt_timeout),
        ] {
            timeout
                .reload(&Timeout::builder().name(name).after(after.unwrap_or(Duration::MAX)))
                .map_err(|error| error.renamed(field))?;
        }
        if let (Some(limiter), Some(quota)) = (rate, &settings.rate_limit) {
            let quota = quota.clone().name(name);
            limiter.reload(&quota).map_err(|error| error.within("rate_limit"))?;
        }
        retry.reload(&settings.retry.clone().name(name)).map_err(|error| error.within("retry"))?;
        if let (Some(breaker), Some(config)) = (breaker, &settings.circuit_breaker) {
            let config = config.clone().name(name);
            breaker.reload(&config).map_err(|error| error.within("circuit_breaker"))?;
        }
        if let (Some(bulkhead), Some(config)) = (bulkhead, &settings.bulkhead) {
            let config = config.clone().name(name);
            bulkhead.reload(&config).map_err(|error| error.within("bulkhead"))?;
        }
        Ok(())
    }

    /// What it consists of, for a surface with an order of its own.
    #[cfg(feature = "azure")]
    pub(crate) const fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The parts and their settings, for people: `println!("{}", stack.describe())`.
    #[must_use]
    pub fn describe(&self) -> Description {
        Description::new(self.name, self.settings.lock().clone())
    }

    /// The name of the stack and of all its policies.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The retry, whose budget others may share.
    #[must_use]
    pub const fn retry(&self) -> &Retry {
        &self.parts.retry
    }

    /// The circuit breaker, if there is one.
    #[must_use]
    pub const fn circuit_breaker(&self) -> Option<&CircuitBreaker> {
        self.parts.breaker.as_ref()
    }

    /// The bulkhead, if there is one.
    #[must_use]
    pub const fn bulkhead(&self) -> Option<&Bulkhead> {
        self.parts.bulkhead.as_ref()
    }

    /// The rate limiter, if there is one.
    #[must_use]
    pub const fn rate_limiter(&self) -> Option<&RateLimiter> {
        self.parts.rate.as_ref()
    }
}

impl Measure for Stack {
    fn measure(&self, sink: &mut dyn FnMut(Level)) {
        let Parts { rate, retry, breaker, bulkhead, .. } = &self.parts;
        if let Some(rate) = rate {
            rate.measure(sink);
        }
        retry.measure(sink);
        if let Some(breaker) = breaker {
            breaker.measure(sink);
        }
        if let Some(bulkhead) = bulkhead {
            bulkhead.measure(sink);
        }
    }
}

fn timeout(
    field: &'static str,
    after: Option<Duration>,
    name: &str,
    environment: &Environment,
) -> Result<Timeout, InvalidConfig> {
    Timeout::builder()
        .name(name)
        .after(after.unwrap_or(Duration::MAX))
        .build_in(environment)
        .map_err(|error| error.renamed(field))
}
