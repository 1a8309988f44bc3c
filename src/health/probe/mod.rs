//! Probing others: asks an endpoint how it is, and feeds those who choose between endpoints.
//!
//! A [`Prober`] is the other side of [`Endpoints`](super::Endpoints): it asks one URL again and
//! again, and tells a [`Feed`], which may be a balancer or a failover controller, when what the
//! target counts as changes.
//!
//! # What a probe takes for what
//!
//! | answer | verdict |
//! |---|---|
//! | an expected status, and all that is expected of headers and body | healthy |
//! | the same, with the header `x-envoy-degraded` | degraded |
//! | the header `x-envoy-immediate-health-check-fail` | down at once, however few probes failed |
//! | another status, a redirect among them: none is followed | down |
//! | another identity than expected: somebody else has the address now | down at once |
//! | none in time, or none at all | down |
//!
//! A target changes what it counts as after [`fall`](Config::fall) bad probes or
//! [`rise`](Config::rise) good ones; the first probe decides at once. While it is not healthy, or
//! its last probe was bad, it is asked at the shorter [`unhealthy_interval`](Config::unhealthy_interval):
//! what is in doubt is settled fast.
//!
//! # What it does not reach
//!
//! Targets come from configuration, and configuration can be wrong or somebody else's. A name is
//! resolved for each probe, and only addresses that pass are connected to: none that is link-local,
//! of a metadata service (169.254.169.254, 168.63.129.16), unspecified, multicast or broadcast
//! unless [`allow_link_local`](Config::allow_link_local), and no loopback unless
//! [`allow_loopback`](Config::allow_loopback). No proxy is used, and no more than 64 KiB are read.
//!
//! # Defaults
//!
//! | setting | default |
//! |---|---|
//! | `interval` | 5 s, 10 % longer at most |
//! | `unhealthy_interval` | 1 s |
//! | `timeout` | 2 s |
//! | `fall`, `rise` | 3, 2 |
//! | `statuses` | 200 |
//!
//! # Example
//!
//! ```
//! use std::sync::mpsc;
//!
//! use seawall::health::Verdict;
//! use seawall::health::probe::Prober;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use seawall::health::{Endpoints, Registry, Server};
//! # let registry = Registry::new();
//! # registry.start_with(|task| { tokio::spawn(task); });
//! # let server = Server::builder().address("127.0.0.1:0".parse()?).serve(Endpoints::builder().build(&registry)?)?;
//! # let address = server.local_addr();
//! let prober = Prober::builder("north", format!("http://{address}/livez"))
//!     .allow_loopback(true)
//!     .build()?;
//!
//! let (sender, changes) = mpsc::channel();
//! tokio::spawn(prober.run(move |target: &str, verdict: Verdict| {
//!     sender.send((target.to_owned(), verdict)).ok();
//! }));
//! # while prober.verdict().is_none() { tokio::time::sleep(std::time::Duration::from_millis(1)).await; }
//!
//! assert_eq!(changes.try_recv()?, ("north".to_owned(), Verdict::Healthy));
//! assert_eq!(prober.verdict(), Some(Verdict::Healthy));
//! # Ok(())
//! # }
//! ```

mod address;
mod config;
mod exchange;
#[cfg(feature = "tls")]
mod tls;

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

pub use config::Config;

use self::exchange::{Exchange, Found};
use super::hysteresis::{Hysteresis, Params};
use super::{Finding, Verdict};
use crate::sync::{AtomicU8, Ordering};
use crate::telemetry::Environment;
use crate::time::{Instant, Timer, nanos};

/// Takes in what a [`Prober`] finds: a balancer, a failover controller.
///
/// Closures of a name and a verdict implement it. It is called between two probes: keep it short. A
/// panic in it is caught and goes no further.
///
/// # Example
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering};
///
/// use seawall::health::Verdict;
/// use seawall::health::probe::Feed;
///
/// #[derive(Default)]
/// struct North(AtomicBool);
///
/// impl Feed for North {
///     fn changed(&self, _target: &str, verdict: Verdict) {
///         self.0.store(verdict.is_up(), Ordering::Relaxed);
///     }
/// }
///
/// let north = North::default();
/// north.changed("north", Verdict::Degraded);
/// assert!(north.0.into_inner());
/// ```
pub trait Feed: Send + Sync {
    /// The target called `target` counts as `verdict` from now on.
    fn changed(&self, target: &str, verdict: Verdict);

    /// A probe of it has ended, and took `took`. Whether that changes anything is told by
    /// [`changed`](Self::changed) alone.
    ///
    /// Does nothing unless it is implemented.
    fn probed(&self, target: &str, finding: &Finding, took: Duration) {
        let _ = (target, finding, took);
    }
}

impl<F> Feed for F
where
    F: Fn(&str, Verdict) + Send + Sync,
{
    fn changed(&self, target: &str, verdict: Verdict) {
        self(target, verdict);
    }
}

/// Asks one target how it is. A cheap handle: clones are the same prober.
///
/// See the [module](self).
#[derive(Clone, Debug)]
pub struct Prober {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    name: String,
    schedule: Schedule,
    exchange: Exchange,
    environment: Environment,
    /// What the target counts as: a [`Verdict`] and one, or zero.
    counts_as: AtomicU8,
}

/// When it asks, and how often before it believes.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    interval: Duration,
    unhealthy_interval: Duration,
    jitter: f64,
    timeout: Duration,
    params: Params,
}

impl Prober {
    /// Starts from the default settings, for the target `name` that is asked at `url`.
    pub fn builder(name: impl Into<String>, url: impl Into<String>) -> Config {
        Config::new(name.into(), url.into())
    }

    fn new(name: String, schedule: Schedule, exchange: Exchange, environment: Environment) -> Self {
        let counts_as = AtomicU8::new(0);
        Self { shared: Arc::new(Shared { name, schedule, exchange, environment, counts_as }) }
    }

    /// What the target is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// What the target counts as; nothing before its first probe has ended.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        // Relaxed: it publishes nothing but itself.
        match self.shared.counts_as.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(Verdict::Down),
            2 => Some(Verdict::Degraded),
            _ => Some(Verdict::Healthy),
        }
    }

    /// Probes for ever, one probe at a time, and tells `feed`.
    ///
    /// It needs a tokio runtime with IO. Run it once for each prober: a second run probes a second
    /// time, and both tell what the target counts as.
    ///
    /// # Cancel safety
    ///
    /// Dropping it closes the connection of a probe that is under way; what the target counts as
    /// stays.
    pub fn run<F>(&self, feed: F) -> impl Future<Output = ()> + Send + use<F>
    where
        F: Feed,
    {
        let shared = Arc::clone(&self.shared);
        async move {
            let Schedule { params, .. } = shared.schedule;
            let clock = &shared.environment.clock;
            let mut history = Hysteresis::new(params);
            let mut timer = Timer::idle();
            loop {
                let begin = clock.now();
                let found = shared.probe(begin + shared.schedule.timeout, &mut timer).await;
                let now = clock.now();
                let is_bad = !matches!(found.finding.verdict(), Verdict::Healthy);
                if found.at_once {
                    // The first of a new history decides at once.
                    history = Hysteresis::new(params);
                }
                let moved = history.observe(found.finding.verdict(), now).map(|moved| moved.to);
                let before = shared.counts_as(history.counts_as());
                // What the feed does is its own: the next probe is made whatever that is.
                let told = catch_unwind(AssertUnwindSafe(|| {
                    feed.probed(&shared.name, &found.finding, now.since(begin));
                    if let Some(verdict) = moved.filter(|verdict| code(*verdict) != before) {
                        feed.changed(&shared.name, verdict);
                    }
                }));
                drop(told);
                let in_doubt = is_bad || history.counts_as() != Some(Verdict::Healthy);
                let next = shared.next(begin, in_doubt);
                poll_fn(|cx| timer.poll_until(next, clock, cx)).await;
            }
        }
    }
}

impl Shared {
    /// One probe, which ends at `deadline` at the latest.
    async fn probe(&self, deadline: Instant, timer: &mut Timer) -> Found {
        let mut exchange = pin!(self.exchange.run());
        let clock = &self.environment.clock;
        let found = poll_fn(|cx| {
            if let Poll::Ready(found) = exchange.as_mut().poll(cx) {
                return Poll::Ready(found);
            }
            timer.poll_until(deadline, clock, cx).map(|()| Finding::down("timed out").into())
        })
        .await;
        timer.reset();
        found
    }

    /// Keeps what the target counts as. Returns what it was, as a number.
    fn counts_as(&self, verdict: Option<Verdict>) -> u8 {
        // Relaxed: it publishes nothing but itself.
        self.counts_as.swap(verdict.map_or(0, code), Ordering::Relaxed)
    }

    /// When the next probe begins, reckoned from the begin of the last one.
    fn next(&self, begin: Instant, in_doubt: bool) -> Instant {
        let Schedule { interval, unhealthy_interval, jitter, .. } = self.schedule;
        let interval = if in_doubt { unhealthy_interval } else { interval };
        let spread = nanos(interval.mul_f64(jitter)).saturating_add(1);
        begin + interval + Duration::from_nanos(self.environment.rng.below(spread))
    }
}

const fn code(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Down => 1,
        Verdict::Degraded => 2,
        Verdict::Healthy => 3,
    }
}
