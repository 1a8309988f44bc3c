//! The settings of a drain.

use std::time::Duration;

use super::product::{DAY, Figures};
use super::{Drain, Product};
use crate::error::{InvalidConfig, intern};
use crate::telemetry::Environment;

/// Settings of a [`Drain`], and its builder. Made by [`Drain::for_products`].
///
/// Plain data: it can be compared, printed and, with the feature `serde`, read from a file. It is
/// checked once, in [`build`](Self::build).
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::health::drain::{Drain, Product};
///
/// let drain = Drain::for_products([Product::load_balancer(), Product::kubernetes()])
///     .finish(Duration::from_secs(5))
///     .build()?;
///
/// let error = Drain::for_products([Product::load_balancer().ttl(Duration::ZERO)]).build();
/// assert_eq!(error.unwrap_err().field(), "load_balancer.ttl");
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[must_use]
pub struct Config {
    name: String,
    products: Vec<Product>,
    closing: Duration,
    finish: Duration,
    grace: Option<Duration>,
    retry_after: Duration,
}

/// A [`Config`] that was found good.
#[derive(Clone, Debug)]
pub(super) struct Params {
    pub(super) products: Vec<Figures>,
    pub(super) closing: Duration,
    pub(super) finish: Duration,
    /// What SIGTERM leaves, the time for the process to end taken off.
    pub(super) grace: Option<Duration>,
    /// What a notice of maintenance leaves that names no time.
    pub(super) notice: Option<Duration>,
    pub(super) retry_after: Duration,
    pub(super) takes_region_down: bool,
}

/// No products: it builds only once they are set.
impl Default for Config {
    fn default() -> Self {
        Self {
            name: "drain".into(),
            products: Vec::new(),
            closing: Duration::from_secs(5),
            finish: Duration::from_secs(10),
            grace: None,
            retry_after: Duration::from_secs(1),
        }
    }
}

impl Config {
    /// What stands in front of this instance, from 1 to 32 of them.
    pub fn products(mut self, products: impl IntoIterator<Item = Product>) -> Self {
        // One more than allowed is enough for `build` to refuse it.
        self.products = products.into_iter().take(MOST + 1).collect();
        self
    }

    /// The name, for rejections and telemetry.
    ///
    /// Default: `drain`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// How long answers ask their clients to leave, up to a day. Longer than clients let a
    /// connection idle is long enough; each request in that time is served.
    ///
    /// Default: 5 s.
    pub fn closing(mut self, time: Duration) -> Self {
        self.closing = time;
        self
    }

    /// How long requests that are under way may take when no new ones are let in, up to a day: the
    /// longest that a request takes.
    ///
    /// Default: 10 s.
    pub fn finish(mut self, time: Duration) -> Self {
        self.finish = time;
        self
    }

    /// The time from SIGTERM to the end of the process, longer than zero and up to a day, where
    /// something else than the products decides it (systemd: 90 s; `docker stop`: 10 s). The
    /// shortest counts. A tenth of it, at most a second, is left for the process to end.
    ///
    /// Default: that of the products; without one, no limit.
    pub fn grace(mut self, grace: impl Into<Option<Duration>>) -> Self {
        self.grace = grace.into();
        self
    }

    /// The wait that a request is told when it is turned away, up to a day; in HTTP, whole seconds,
    /// rounded up. Another instance takes it at once, so it is short.
    ///
    /// Default: 1 s.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = wait;
        self
    }

    /// Builds the drain.
    ///
    /// # Errors
    ///
    /// Names the first field that makes no sense, and the product that it belongs to.
    pub fn build(&self) -> Result<Drain, InvalidConfig> {
        self.build_in(&Environment::new())
    }

    /// Builds the drain with the clock and the observer of `environment`.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_in(&self, environment: &Environment) -> Result<Drain, InvalidConfig> {
        Ok(Drain::new(intern(&self.name), self.params()?, environment))
    }

    fn params(&self) -> Result<Params, InvalidConfig> {
        if !(1..=MOST).contains(&self.products.len()) {
            return Err(InvalidConfig::new("products", "from 1 to 32"));
        }
        let within = |field, time: Duration| {
            if time <= DAY { Ok(time) } else { Err(InvalidConfig::new(field, "at most a day")) }
        };
        if self.grace == Some(Duration::ZERO) {
            return Err(InvalidConfig::new("grace", "longer than zero"));
        }
        let own = self.grace.map(|grace| within("grace", grace)).transpose()?;
        let products = self.products.iter().map(Product::figures);
        let products = products.collect::<Result<Vec<_>, _>>()?;
        let grace = products.iter().filter_map(|product| product.grace).chain(own).min();
        Ok(Params {
            closing: within("closing", self.closing)?,
            finish: within("finish", self.finish)?,
            grace: grace.map(|grace| grace.saturating_sub((grace / 10).min(SECOND))),
            notice: products.iter().filter_map(|product| product.notice).min(),
            retry_after: within("retry_after", self.retry_after)?,
            takes_region_down: self.products.iter().any(Product::takes_region_down),
            products,
        })
    }
}

const MOST: usize = 32;
const SECOND: Duration = Duration::from_secs(1);
