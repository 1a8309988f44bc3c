//! Counting requests in and out, and turning them away at the end.

use std::fmt;

use super::Drain;
#[cfg(feature = "http")]
use super::Phase;
use crate::error::{Reason, Rejection};
use crate::gate::{Gate, GateLayer, GateService};
use crate::outcome::{ByResult, Outcome};
use crate::sync::Ordering;

/// Counts the requests of a service, and turns new ones away when the drain does. Made by
/// [`Drain::layer`].
///
/// # Example
///
/// ```
/// use seawall::health::drain::{Drain, DrainLayer, Product};
///
/// let drain = Drain::for_products([Product::load_balancer()]).build()?;
/// let layer: DrainLayer = drain.layer();
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
pub type DrainLayer<C = ByResult> = GateLayer<Drain, C>;

/// A service behind a [`DrainLayer`].
///
/// # Example
///
/// ```
/// use seawall::health::drain::{Drain, DrainService, Product};
/// use tower::Layer;
///
/// let drain = Drain::for_products([Product::load_balancer()]).build()?;
/// let service: DrainService<()> = drain.layer().layer(());
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
pub type DrainService<S, C = ByResult> = GateService<S, Drain, C>;

impl Drain {
    /// A layer for a service of any protocol: it counts requests until their future has ended, and
    /// turns new ones away with [`Reason::Draining`]. HTTP has a [layer](Self::http_layer) of its
    /// own.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::Reason;
    /// use seawall::error::{BoxError, Reject};
    /// use seawall::health::drain::{Cause, Drain, Product};
    /// use seawall::time::Clock;
    /// use seawall::telemetry::Environment;
    /// use tower::{ServiceBuilder, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BoxError> {
    /// let clock = Clock::manual();
    /// let drain = Drain::for_products([Product::load_balancer()])
    ///     .build_in(&Environment::new().clock(clock.clone()))?;
    /// let orders = ServiceBuilder::new()
    ///     .layer(drain.layer())
    ///     .service(service_fn(async |id: u64| Ok::<_, BoxError>(id)));
    /// assert_eq!(orders.clone().oneshot(7).await?, 7);
    ///
    /// drain.start_by(Cause::Maintenance, clock.now());
    /// let error = orders.oneshot(7).await.unwrap_err();
    /// assert_eq!(error.rejection().unwrap().reason(), Reason::Draining);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn layer(&self) -> DrainLayer {
        GateLayer::new(self.clone())
    }

    /// Counts a request in, for code that is no tower service; it is under way until the permit is
    /// dropped.
    ///
    /// # Errors
    ///
    /// A rejection when new requests are turned away.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::health::drain::{Drain, Product};
    ///
    /// let drain = Drain::for_products([Product::load_balancer()]).build()?;
    ///
    /// let message = drain.enter()?;
    /// assert_eq!(drain.in_flight(), 1);
    ///
    /// drop(message);
    /// assert_eq!(drain.in_flight(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn enter(&self) -> Result<Permit, Rejection> {
        // SeqCst, before the look at the phase: see `may_go`.
        self.shared.in_flight.fetch_add(1, Ordering::SeqCst);
        let permit = Permit { drain: self.clone() };
        if self.phase().takes_requests() { Ok(permit) } else { Err(self.turn_away()) }
    }

    #[cold]
    fn turn_away(&self) -> Rejection {
        self.shared.announce();
        let name = self.shared.emitter.name();
        Rejection::new(name, Reason::Draining).after(self.shared.params.retry_after)
    }
}

/// A request that is under way. Dropping it counts it out.
///
/// # Example
///
/// ```
/// use seawall::health::drain::{Drain, Permit, Product};
///
/// let drain = Drain::for_products([Product::load_balancer()]).build()?;
/// let permit: Permit = drain.enter()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Permit {
    drain: Drain,
}

#[cfg(feature = "http")]
impl Permit {
    /// How far the drain has come.
    pub(super) fn phase(&self) -> Phase {
        self.drain.phase()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let shared = &*self.drain.shared;
        let last = shared.in_flight.fetch_sub(1, Ordering::SeqCst) == 1;
        if last && !shared.phase().takes_requests() {
            shared.waiting.wake_all();
        }
    }
}

impl crate::gate::Permit for Permit {
    fn complete(self, _: Outcome) {}
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

impl<Request> Gate<Request> for Drain {
    type Permit = Permit;

    #[inline]
    fn enter(&self, _: &Request) -> Result<Permit, Rejection> {
        self.enter()
    }

    #[inline]
    fn shut(&self) -> Option<Rejection> {
        (!self.phase().takes_requests()).then(|| self.turn_away())
    }
}
