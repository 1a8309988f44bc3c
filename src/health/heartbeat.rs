//! Signs of life: what liveness is made of.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::check::Check;
use super::registry::{HEART_OF_START, Shared};
use crate::error::InvalidConfig;
use crate::time::{Instant, Timer};

/// The sign of life of a thread, a loop or a runtime.
///
/// Liveness is down when the last beat of any heartbeat is older than the registry's
/// [limit](super::Registry::heartbeat_limit), 10 s by default. Until the first beat, and after the
/// drop, it counts for nothing.
///
/// # Example
///
/// ```
/// use seawall::health::{Group, Registry, Verdict};
/// use seawall::telemetry::Environment;
/// use seawall::time::Clock;
/// use std::time::Duration;
///
/// let clock = Clock::manual();
/// let registry = Registry::new_in(&Environment::new().clock(clock.clone()));
/// let heartbeat = registry.heartbeat("importer")?;
///
/// heartbeat.beat();
/// clock.advance(Duration::from_secs(9));
/// assert_eq!(registry.verdict(Group::LIVENESS), Verdict::Healthy);
///
/// clock.advance(Duration::from_secs(2));
/// assert_eq!(registry.verdict(Group::LIVENESS), Verdict::Down);
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[must_use = "dropping it ends it"]
pub struct Heartbeat {
    shared: Arc<Shared>,
    name: Arc<str>,
    id: u64,
    index: usize,
}

impl Heartbeat {
    pub(super) fn begin(shared: Arc<Shared>, mut check: Check) -> Result<Self, InvalidConfig> {
        check.settings.interval = PERIOD;
        let (id, index) = shared.add_heart(&check.name, check.settings)?;
        Ok(Self { shared, name: check.name.into(), id, index })
    }

    /// Shows that it is alive. It costs a look at the coarse clock and two atomic writes.
    pub fn beat(&self) {
        self.shared.hearts.beat(self.index, self.shared.environment.clock.coarse());
    }

    /// Beats once per second for as long as it is polled: to be spawned on the runtime whose life
    /// it is to show.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it ends as the heartbeat does.
    #[must_use = "futures do nothing unless polled"]
    pub fn run(self) -> impl Future<Output = Infallible> + Send + 'static {
        let mut beating = Beating::default();
        poll_fn(move |cx| beating.poll(&self.shared, self.index, cx))
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.shared.remove(&self.name, Some(self.id));
    }
}

impl fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heartbeat").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The heartbeat of what runs the checks.
///
/// If it is dropped without having been stopped, it is missed: whoever ran it is gone, and with it
/// all checks.
pub(super) struct Pulse {
    shared: Arc<Shared>,
    beating: Beating,
    has_left: bool,
}

impl Pulse {
    /// Takes its name and its number.
    pub(super) fn announce(shared: &Arc<Shared>) {
        let check = Check::new("heartbeat", || std::future::ready(())).local().interval(PERIOD);
        let added = shared.add_heart(&check.name, check.settings);
        debug_assert!(matches!(added, Ok((_, HEART_OF_START))), "it is the first of all");
    }

    /// The task, if there is none.
    pub(super) fn begin(shared: &Arc<Shared>) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        if !shared.pulse.start() {
            return None;
        }
        // Who never gets to run it is to be missed as well.
        shared.hearts.beat(HEART_OF_START, shared.environment.clock.coarse());
        let shared = Arc::clone(shared);
        Some(Box::pin(Self { shared, beating: Beating::default(), has_left: false }))
    }
}

impl Future for Pulse {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        loop {
            if this.shared.pulse.goes_on(cx) {
                let never = ready!(this.beating.poll(&this.shared, HEART_OF_START, cx));
                match never {}
            }
            if this.shared.pulse.leave(None).is_ok() {
                this.has_left = true;
                this.shared.hearts.end(HEART_OF_START);
                return Poll::Ready(());
            }
        }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        if !self.has_left {
            self.shared.pulse.lose(None);
        }
    }
}

/// A beat per second.
#[derive(Default)]
struct Beating {
    timer: Timer,
    next: Instant,
}

impl Beating {
    fn poll(&mut self, shared: &Shared, index: usize, cx: &mut Context<'_>) -> Poll<Infallible> {
        let clock = &shared.environment.clock;
        loop {
            ready!(self.timer.poll_until(self.next, clock, cx));
            let now = clock.now();
            shared.hearts.beat(index, now);
            shared.sweep();
            self.next = now + PERIOD;
        }
    }
}

const PERIOD: Duration = Duration::from_secs(1);
