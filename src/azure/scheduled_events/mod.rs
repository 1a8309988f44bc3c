//! Maintenance of a virtual machine that is announced: leave in time, hand over, approve.
//!
//! Azure tells a machine what is about to happen to it, from seconds to minutes ahead.
//! [`ScheduledEvents`] asks once a second, and turns each event into what it means:
//!
//! | event | means | does |
//! |---|---|---|
//! | a freeze of less than 9 s, or anything that lasts for no time | calls survive it | approves |
//! | a longer freeze, reboot, redeploy, preemption, termination, anything unknown | out of service by then | starts the drain with the event's time as deadline, calls [`hand_over`](ScheduledEvents::hand_over), approves when both are done |
//! | the same, asked for by a user | somebody waits for it | the same, but approves when leadership was handed over |
//! | one that has begun when it is first seen | too late to leave | calls `hand_over` |
//! | one that is gone, or was called off | over | [takes the drain back](Drain::resume) |
//!
//! Events of neighbours are left alone. An event may happen to several machines at once; then the
//! first one named approves, for all. An answer that can not be read ends no event.
//!
//! # Example
//!
//! ```
//! use seawall::azure::{Imds, ScheduledEvents};
//! use seawall::health::drain::{Drain, Product};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), seawall::error::InvalidConfig> {
//! let drain = Drain::for_products([Product::load_balancer(), Product::scale_set()]).build()?;
//! let imds = Imds::builder().endpoint("http://127.0.0.1:1").build()?; // leave the endpoint out
//!
//! let events = ScheduledEvents::builder().build(&imds)?.drain(&drain).hand_over(
//!     async |event| println!("{} is ahead: leadership goes to another", event.kind()),
//! );
//! let watch = tokio::spawn(async move { events.run().await });
//! # watch.abort();
//! # Ok(())
//! # }
//! ```
//!
//! # Callbacks
//!
//! `hand_over` runs in a task of its own, once per event, in a bounded time; a panic ends that task
//! only. If it fails, the event is not approved, and comes at its own time.
//!
//! # What it does not do
//!
//! It ends no process. When a drain has come to its end the machine waits for what was announced,
//! and is in service again when that is over and it is still there.

mod config;
mod document;
mod tracker;
mod watch;

pub use config::Config;
pub use document::{Document, Event, Impact, Kind, Source, Status};

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;

use self::config::Params;
use self::watch::Watch;
use super::imds::{Imds, ImdsError};
use crate::health::drain::Drain;
use crate::sync::Mutex;

/// Watches for maintenance of this machine. [The module's page](self) has an example.
///
/// A handle: clones see the same events.
#[derive(Clone)]
#[must_use = "it does nothing until it runs"]
pub struct ScheduledEvents {
    imds: Imds,
    params: Params,
    drain: Option<Drain>,
    hand_over: Option<HandOver>,
    observer: Option<Observer>,
    current: Arc<Mutex<Arc<Document>>>,
}

type HandOver = Arc<dyn Fn(Event) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;
type Observer = Arc<dyn Fn(&Notice) + Send + Sync>;

/// Something that a watch saw or did.
///
/// # Example
///
/// ```
/// use seawall::azure::scheduled_events::Notice;
///
/// fn log(notice: &Notice) {
///     match notice {
///         Notice::Announced(event) => println!("{} is ahead", event.kind()),
///         Notice::Failed(error) => println!("nobody knows what is ahead: {error}"),
///         _ => {}
///     }
/// }
/// # let _ = log;
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice {
    /// An event of this machine is new, or has changed.
    Announced(Event),
    /// An event of this machine is over, or was called off.
    Over(Event),
    /// Leadership was handed over because of an event; or that has failed.
    HandedOver {
        /// The event's id.
        id: String,
        /// Whether it went well.
        well: bool,
    },
    /// An event was approved.
    Approved(Event),
    /// The service can not be asked. The first time in a row.
    Failed(ImdsError),
    /// The service can be asked again.
    Recovered,
}

impl ScheduledEvents {
    /// Starts from the default settings.
    pub fn builder() -> Config {
        Config::default()
    }

    fn new(imds: Imds, params: Params) -> Self {
        let current = Arc::default();
        Self { imds, params, drain: None, hand_over: None, observer: None, current }
    }

    /// Takes `drain` out of service before an event, and back after it.
    ///
    /// Default: none; then the machine counts as out of service at once.
    pub fn drain(self, drain: &Drain) -> Self {
        Self { drain: Some(drain.clone()), ..self }
    }

    /// Calls `hand_over` before an event that takes the machine out of service: give back leases
    /// and leadership in it, which others can take over then.
    ///
    /// Default: nothing to hand over.
    pub fn hand_over<F, Fut>(self, hand_over: F) -> Self
    where
        F: Fn(Event) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Self { hand_over: Some(Arc::new(move |event| Box::pin(hand_over(event)))), ..self }
    }

    /// Tells `observer` what happens. It is called in the watch's own task: keep it short. A panic
    /// in it is caught.
    ///
    /// Default: nobody.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::azure::{Imds, ScheduledEvents};
    ///
    /// let imds = Imds::builder().build()?;
    /// let events = ScheduledEvents::builder()
    ///     .build(&imds)?
    ///     .observe(|notice| println!("{notice:?}"));
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    pub fn observe(self, observer: impl Fn(&Notice) + Send + Sync + 'static) -> Self {
        Self { observer: Some(Arc::new(observer)), ..self }
    }

    /// What the service said last, neighbours' events included. Empty before its first answer.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::azure::{Imds, ScheduledEvents};
    ///
    /// let events = ScheduledEvents::builder().build(&Imds::builder().build()?)?;
    /// assert!(events.current().events().is_empty());
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    #[must_use]
    pub fn current(&self) -> Arc<Document> {
        Arc::clone(&self.current.lock())
    }

    /// Watches, until it is dropped. Once per process is enough: the machine's requests are
    /// counted.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, when there is something to hand over.
    ///
    /// # Cancel safety
    ///
    /// It can be dropped at any time. A `hand_over` that runs goes on to its end; a drain that was
    /// started goes on.
    pub async fn run(&self) -> Infallible {
        Watch::new(self).run().await
    }

    fn tell(&self, notice: &Notice) {
        if let Some(observer) = &self.observer {
            // A hook that panics must not end the watch.
            drop(catch_unwind(AssertUnwindSafe(|| observer(notice))));
        }
    }
}

impl fmt::Debug for ScheduledEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScheduledEvents").field("params", &self.params).finish_non_exhaustive()
    }
}
