//! Calls that take more than one of the limit.

use std::fmt;
use std::task::{Context, Poll};

use super::{Permit, Place, RateLimiter};
use crate::error::Rejection;
use crate::gate::{Gate, GateLayer, Waitable};
use crate::queue::QueueLayer;

/// A [`RateLimiter`] in which calls differ in weight. Made by [`RateLimiter::weighted`].
///
/// The weight of a request is asked once, when its call is made.
///
/// # Example
///
/// ```
/// use seawall::gate::Gate;
/// use seawall::rate_limit::{Quota, Weighted};
///
/// let limiter = Quota::per_hour(60).build()?;
/// let by_length: Weighted<_> = limiter.weighted(|text: &String| text.len() as u32);
///
/// by_length.enter(&String::from("twelve chars"))?;
/// assert_eq!(limiter.available(), 48);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Weighted<F> {
    limiter: RateLimiter,
    weigh: F,
}

impl<F> Weighted<F> {
    pub(super) const fn new(limiter: RateLimiter, weigh: F) -> Self {
        Self { limiter, weigh }
    }

    /// A layer that turns calls away when the rate is reached.
    pub fn layer(self) -> GateLayer<Self> {
        GateLayer::new(self)
    }

    /// A layer that makes calls wait for their turn when the rate is reached.
    pub fn queue_layer(self) -> QueueLayer<Self> {
        QueueLayer::new(self)
    }
}

impl<F, Request> Gate<Request> for Weighted<F>
where
    F: Fn(&Request) -> u32,
{
    type Permit = Permit;

    #[inline]
    fn enter(&self, request: &Request) -> Result<Permit, Rejection> {
        self.limiter.enter_weighted((self.weigh)(request))
    }
}

impl<F, Request> Waitable<Request> for Weighted<F>
where
    F: Fn(&Request) -> u32,
{
    type Place = Place;

    fn poll_enter(
        &self,
        request: &Request,
        place: &mut Option<Place>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Permit, Rejection>> {
        let weight = if place.is_none() { (self.weigh)(request) } else { 0 };
        self.limiter.poll_enter_weighted(weight, place, cx)
    }
}

impl<F> fmt::Debug for Weighted<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Weighted").field("limiter", &self.limiter).finish_non_exhaustive()
    }
}
