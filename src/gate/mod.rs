//! Asked before a call, told after it: what all gates have in common.
//!
//! A [`Gate`] lets a call in or turns it away, and hears how it ended. It sees the request, never
//! the response. Circuit breaker, bulkhead and rate limiter are gates; everything that tower asks
//! of them is here, once.
//!
//! # Example
//!
//! A gate of your own, which lets one call in a hundred through a service under repair:
//!
//! ```
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicU64, Ordering};
//!
//! use seawall::error::BoxError;
//! use seawall::gate::{Gate, GateLayer, Permit};
//! use seawall::{Outcome, Reason, Rejection};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! #[derive(Clone, Default)]
//! struct Trickle(Arc<AtomicU64>);
//!
//! struct LetIn;
//!
//! impl Permit for LetIn {
//!     fn complete(self, _: Outcome) {}
//! }
//!
//! impl<Request> Gate<Request> for Trickle {
//!     type Permit = LetIn;
//!
//!     fn enter(&self, _: &Request) -> Result<LetIn, Rejection> {
//!         match self.0.fetch_add(1, Ordering::Relaxed) % 100 {
//!             0 => Ok(LetIn),
//!             _ => Err(Rejection::new("trickle", Reason::RateLimited)),
//!         }
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let service = ServiceBuilder::new()
//!     .layer(GateLayer::new(Trickle::default()))
//!     .service(service_fn(|id: u64| async move { Ok::<_, BoxError>(id) }));
//!
//! assert!(service.clone().oneshot(1).await.is_ok());
//! assert!(service.oneshot(2).await.is_err());
//! # Ok(())
//! # }
//! ```
//!
//! # What holds for every gate
//!
//! - `poll_ready` reserves nothing, and returns no error but the inner service's. It looks at
//!   [`Gate::shut`], so that a gate that lets nobody in answers at once in front of a service that
//!   will never be ready.
//! - The call enters in `call`. Every call that was let in ends in [`Permit::complete`] or in the
//!   permit's `Drop`; there is no third way, whatever panics or is dropped.
//! - Nothing waits. Waiting is [`queue`](crate::queue)'s.

mod future;
pub mod keyed;
mod layer;
mod service;
mod waitable;

pub use future::ResponseFuture;
pub use keyed::{Keyed, KeyedBy, KeyedPlace, Sibling};
pub use layer::GateLayer;
pub use service::GateService;
pub use waitable::Waitable;

use crate::error::Rejection;
use crate::outcome::Outcome;

/// Is asked before each call.
///
/// See the [module](self) for an example.
pub trait Gate<Request> {
    /// Comes with a call that was let in, and ends with it.
    type Permit: Permit;

    /// Asks to let a call with `request` in.
    ///
    /// # Errors
    ///
    /// A rejection, when it is turned away.
    fn enter(&self, request: &Request) -> Result<Self::Permit, Rejection>;

    /// Why every call would be turned away now, if that is so.
    ///
    /// It must change nothing. The default says that it is not so.
    fn shut(&self) -> Option<Rejection> {
        None
    }

    /// A call was turned away because of what [`shut`](Self::shut) said, without being asked about.
    ///
    /// For counting; the default does nothing.
    #[inline]
    fn turned_away(&self, rejection: &Rejection) {
        let _ = rejection;
    }
}

/// A call that was let in.
///
/// Dropped without [`complete`](Self::complete), it is a call whose end nobody saw: its future was
/// dropped, or it panicked.
///
/// # Example
///
/// ```
/// use seawall::bulkhead::Bulkhead;
/// use seawall::gate::Permit;
/// use seawall::Outcome;
///
/// let bulkhead = Bulkhead::builder().max_calls(1).build()?;
///
/// let permit = bulkhead.enter()?;
/// assert!(bulkhead.enter().is_err());
///
/// permit.complete(Outcome::Success);
/// assert!(bulkhead.enter().is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Permit {
    /// The call did not end at once. Called once, when its future is first pending.
    ///
    /// A gate that cares how long calls take starts its watch here, so that calls that end at once
    /// cost it nothing.
    #[inline]
    fn pending(&mut self) {}

    /// The call has ended with `outcome`.
    fn complete(self, outcome: Outcome);

    /// The call has ended with `outcome`, and its permit may stay where it is, spent.
    ///
    /// The default takes it out and [completes](Self::complete) it. A permit of several words that
    /// can be spent in place saves what moving it costs: reading it in other pieces than it was
    /// written in stalls the processor for longer than many gates take.
    #[inline]
    fn complete_in_place(permit: &mut Option<Self>, outcome: Outcome)
    where
        Self: Sized,
    {
        if let Some(permit) = permit.take() {
            permit.complete(outcome);
        }
    }
}

/// No gate lets everybody in.
impl<Request, G> Gate<Request> for Option<G>
where
    G: Gate<Request>,
{
    type Permit = Option<G::Permit>;

    #[inline]
    fn enter(&self, request: &Request) -> Result<Self::Permit, Rejection> {
        self.as_ref().map(|gate| gate.enter(request)).transpose()
    }

    #[inline]
    fn shut(&self) -> Option<Rejection> {
        self.as_ref().and_then(G::shut)
    }

    #[inline]
    fn turned_away(&self, rejection: &Rejection) {
        if let Some(gate) = self {
            gate.turned_away(rejection);
        }
    }
}

impl<P> Permit for Option<P>
where
    P: Permit,
{
    #[inline]
    fn pending(&mut self) {
        if let Some(permit) = self {
            permit.pending();
        }
    }

    #[inline]
    fn complete(self, outcome: Outcome) {
        if let Some(permit) = self {
            permit.complete(outcome);
        }
    }

    #[inline]
    fn complete_in_place(permit: &mut Option<Self>, outcome: Outcome) {
        if let Some(permit) = permit {
            P::complete_in_place(permit, outcome);
        }
    }
}

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    use crate::error::Reason;

    #[test]
    fn an_optional_gate_is_asked_and_told_like_the_gate_itself() {
        let gate = Some(Spy::default());
        let rejection = Rejection::new("spy", Reason::BulkheadFull);

        let mut permit = gate.enter(&7).unwrap();
        permit.pending();
        Option::complete_in_place(&mut Some(permit), Outcome::Success);
        gate.enter(&8).unwrap().complete(Outcome::Transient);
        gate.turned_away(&rejection);

        let told = gate.as_ref().unwrap().told.take();
        assert_eq!(
            told,
            ["7 enters", "pending", "success", "8 enters", "transient", "turned away"]
        );
        assert_eq!(gate.shut().map(|shut| shut.reason()), None);
        assert_eq!(gate.enter(&0).unwrap_err().reason(), Reason::BulkheadFull);
        let shut = Some(Spy { is_shut: true, ..Spy::default() });
        assert_eq!(shut.shut().map(|shut| shut.reason()), Some(Reason::BulkheadFull));
    }

    #[test]
    fn no_gate_lets_everybody_in() {
        let gate = None::<Spy>;

        assert!(gate.enter(&0).unwrap().is_none());
        assert!(gate.shut().is_none());
    }

    #[test]
    fn a_permit_that_is_completed_where_it_is_is_spent() {
        let gate = Spy::default();
        let mut permit = Some(gate.enter(&1).unwrap());

        Spy::complete_in_place(&mut permit, Outcome::Success);
        Spy::complete_in_place(&mut permit, Outcome::Success);

        assert!(permit.is_none());
        assert_eq!(gate.told.take(), ["1 enters", "success"]);
    }

    /// Notes what it is told, and lets everybody in but zero.
    #[derive(Clone, Debug, Default)]
    struct Spy {
        told: Rc<RefCell<Vec<String>>>,
        is_shut: bool,
    }

    impl Spy {
        fn note(&self, what: impl Into<String>) {
            self.told.borrow_mut().push(what.into());
        }

        fn rejection() -> Rejection {
            Rejection::new("spy", Reason::BulkheadFull)
        }
    }

    impl Gate<u32> for Spy {
        type Permit = Self;

        fn enter(&self, request: &u32) -> Result<Self, Rejection> {
            if *request == 0 {
                return Err(Self::rejection());
            }
            self.note(format!("{request} enters"));
            Ok(self.clone())
        }

        fn shut(&self) -> Option<Rejection> {
            self.is_shut.then(Self::rejection)
        }

        fn turned_away(&self, _: &Rejection) {
            self.note("turned away");
        }
    }

    impl Permit for Spy {
        fn pending(&mut self) {
            self.note("pending");
        }

        fn complete(self, outcome: Outcome) {
            self.note(outcome.name());
        }
    }
}
