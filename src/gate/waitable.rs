//! Gates in front of which one can wait.

use std::task::{Context, Poll};

use super::Gate;
use crate::error::Rejection;

/// A gate in front of which calls can wait, instead of being turned away at once.
///
/// The gate knows who is first and how long the wait may be; the
/// [`queue`](crate::queue) knows how a service waits.
///
/// # Example
///
/// A gate that makes every call wait for one turn of the scheduler:
///
/// ```
/// use std::task::{Context, Poll};
///
/// use seawall::error::BoxError;
/// use seawall::gate::{Gate, Permit, Waitable};
/// use seawall::queue::QueueLayer;
/// use seawall::{Outcome, Rejection};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// #[derive(Clone)]
/// struct AfterYou;
///
/// struct LetIn;
///
/// impl Permit for LetIn {
///     fn complete(self, _: Outcome) {}
/// }
///
/// impl<Request> Gate<Request> for AfterYou {
///     type Permit = LetIn;
///
///     fn enter(&self, _: &Request) -> Result<LetIn, Rejection> {
///         Ok(LetIn)
///     }
/// }
///
/// impl<Request> Waitable<Request> for AfterYou {
///     type Place = ();
///
///     fn poll_enter(
///         &self,
///         _: &Request,
///         place: &mut Option<()>,
///         cx: &mut Context<'_>,
///     ) -> Poll<Result<LetIn, Rejection>> {
///         if place.replace(()).is_some() {
///             return Poll::Ready(Ok(LetIn));
///         }
///         cx.waker().wake_by_ref();
///         Poll::Pending
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let service = ServiceBuilder::new()
///     .layer(QueueLayer::new(AfterYou))
///     .service(service_fn(|id: u64| async move { Ok::<_, BoxError>(id) }));
///
/// assert_eq!(service.oneshot(7).await?, 7);
/// # Ok(())
/// # }
/// ```
pub trait Waitable<Request>: Gate<Request> {
    /// A call's place among those who wait. Dropping it gives it up, and what belongs to it.
    type Place;

    /// Asks to let a call with `request` in, or to wait until it can be.
    ///
    /// Called first without a `place`, and again with the one that it left there, until it is
    /// ready. It must wake the task of the last `cx`, and the wait must be bounded: in number, and
    /// in time by a limit of the gate's own and by the
    /// [deadline of the call](crate::context::deadline).
    ///
    /// # Errors
    ///
    /// A rejection, when the call may not wait, or has waited as long as it may.
    fn poll_enter(
        &self,
        request: &Request,
        place: &mut Option<Self::Place>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Permit, Rejection>>;
}
