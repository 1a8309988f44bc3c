//! The registry: what is checked, how often, and what it says of each group.

mod cells;
mod entry;
mod forecast;
mod members;
mod quiet;
mod report;
mod runner;
mod shared;
mod task;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::check::Check;
use super::heartbeat::{Heartbeat, Pulse};
use super::signal::{self, Signal};
use super::warmup::Warmup;
use super::{Aggregation, Drain, Group, Phase, Report, Verdict};
use crate::error::InvalidConfig;
use crate::telemetry::{Environment, Level, Measure};

pub(in crate::health) use self::cells::HEART_OF_START;
use self::members::Wanted;
pub(in crate::health) use self::shared::Shared;
use self::shared::Spawn;

/// Named checks that run in the background, and what they say of each [`Group`].
///
/// Whoever asks for a [verdict](Self::verdict) reads what is there already: however many ask, no
/// check is run for them. Clones are the same registry. When the last is dropped, its checks end.
///
/// # Verdicts
///
/// | group | down |
/// |---|---|
/// | [`Group::LIVENESS`] | if a heartbeat is late; no check can join it |
/// | [`Group::STARTUP`] | until [`start`](Self::start_with), until each check in it has passed once, and until each [`Warmup`] is done; then never again |
/// | [`Group::READINESS`] | as long as startup or liveness is, from [`Phase::NotReady`] on, and if its checks say so |
/// | [`Group::REGION`] | as long as startup or liveness is, while the operator [drains](Self::drain_region) it, while a drain says so that takes the region down, and if its checks say so |
/// | any other | if its checks say so |
///
/// Checks become a group's verdict by its [`Aggregation`], weighed by their
/// [`Criticality`](super::Criticality). A check that has never run counts as down. So does one
/// whose last run ended longer ago than three of its intervals, as they are at that time, and its
/// timeout: it is found out by the clock when the verdict is read, also when nothing runs any
/// more.
///
/// # Runs
///
/// Each check is a task of its own. It starts at most once per
/// [interval](Check::interval) and never twice at a time, also where it is taken out and put in
/// again under the same name. The first run starts at once, or, with more than 32 checks, at a
/// random point of the first interval. Time during which nobody polled the tasks is not made up
/// for. A run that exceeds its [timeout](Check::timeout) is dropped and counts as down; so does a
/// panic of the closure or of its future, which goes no further (unless panics abort the process).
/// A closure that blocks its thread blocks the runtime: that is what the heartbeat finds out. One
/// that holds the registry itself keeps it there until the check is [removed](Self::remove).
///
/// When findings change the verdict of a check is said at [`Check::fall`], [`Check::rise`],
/// [`Check::min_stay`] and [`Check::flap_detection`].
///
/// # Limits
///
/// 1,024 checks, signals, warm-ups and heartbeats; 64 groups; 16 heartbeats.
///
/// # Events
///
/// Changes of a group's verdict are events of the pattern `health`, changes of a check's verdict
/// are ones of the pattern `health_check`. What changes by time alone is told when the next
/// heartbeat of [`start_with`](Self::start_with) comes by.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::health::{Check, Group, Registry, Verdict};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let registry = Registry::new();
/// registry.add(Check::new("disk", || async { Ok::<_, std::io::Error>(()) }).local())?;
/// registry.start_with(|task| {
///     tokio::spawn(task);
/// });
/// assert_eq!(registry.verdict(Group::READINESS), Verdict::Down); // has not run yet
///
/// # while registry.verdict(Group::READINESS) == Verdict::Down {
/// tokio::task::yield_now().await;
/// # }
/// assert_eq!(registry.verdict(Group::READINESS), Verdict::Healthy);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Registry {
    handle: Arc<Handle>,
}

/// Ends the tasks with the last registry.
struct Handle {
    shared: Arc<Shared>,
}

impl Registry {
    /// An empty registry that lives by the system's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::new_in(&Environment::new())
    }

    /// An empty registry that lives in `environment`.
    #[must_use]
    pub fn new_in(environment: &Environment) -> Self {
        let shared = Arc::new(Shared::new(environment.clone()));
        Pulse::announce(&shared);
        Self { handle: Arc::new(Handle { shared }) }
    }

    /// Adds a check, and runs it if the registry has been started.
    ///
    /// # Errors
    ///
    /// Names what is wrong with its settings, a name that is there already, or a limit that is
    /// reached.
    pub fn add(&self, check: Check) -> Result<(), InvalidConfig> {
        check.validate()?;
        let groups = check.groups_or_default();
        let Check { name, probe, settings } = check;
        self.shared().add(&name, settings, &groups, Wanted::Check(probe))?;
        Ok(())
    }

    /// Takes out the check, signal or warm-up of that name, and drops a run that is under way.
    /// Says whether there was one.
    ///
    /// Its task ends as soon as its runtime polls it.
    #[expect(clippy::must_use_candidate, reason = "who takes it out may know that it is there")]
    pub fn remove(&self, name: &str) -> bool {
        self.shared().remove(name, None)
    }

    /// Sets how the checks of `group` become one verdict.
    ///
    /// Default: [`Aggregation::All`].
    ///
    /// # Errors
    ///
    /// Refuses [`Group::LIVENESS`], which has no checks, an aggregation that holds always or
    /// never, and a group too many.
    pub fn group(&self, group: Group, aggregation: Aggregation) -> Result<(), InvalidConfig> {
        if group == Group::LIVENESS {
            return Err(InvalidConfig::new("group", "any but liveness, which has no checks"));
        }
        aggregation.check()?;
        self.shared().aggregate(group, aggregation)
    }

    /// Starts all checks on the current tokio runtime, and the heartbeat of that runtime.
    ///
    /// See [`start_with`](Self::start_with).
    ///
    /// # Errors
    ///
    /// If it is not called in a runtime.
    #[cfg(feature = "health")]
    #[cfg_attr(docsrs, doc(cfg(feature = "health")))]
    pub fn start(&self) -> Result<(), super::NoRuntime> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| super::NoRuntime::new())?;
        self.start_with(move |task| {
            runtime.spawn(task);
        });
        Ok(())
    }

    /// Starts all checks, those that are added later, and a heartbeat, as tasks by `spawn`.
    ///
    /// The heartbeat beats once per second. It shows whether what runs the tasks is wedged, so
    /// hand in the application's own runtime. A task that is there already goes on; called once
    /// more, also after [`stop`](Self::stop) or when a runtime is gone, this starts those that are
    /// not.
    pub fn start_with<F>(&self, spawn: F)
    where
        F: Fn(Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync + 'static,
    {
        let shared = self.shared();
        let pulse = Pulse::begin(shared);
        shared.start(&(Arc::new(spawn) as Arc<Spawn>), pulse);
    }

    /// Ends all tasks, and drops the runs that are under way. What is known stays, until it is
    /// stale.
    pub fn stop(&self) {
        self.shared().stop();
    }

    /// How well `group` is; healthy if there is none of that name.
    ///
    /// Lock-free and without allocation: two reads of memory and one or two of the coarse clock.
    #[inline]
    #[must_use]
    pub fn verdict(&self, group: Group) -> Verdict {
        let shared = self.shared();
        shared.cells.index(group).map_or(Verdict::Healthy, |index| shared.verdict(index))
    }

    /// The group called `name`, if there is one: for names that strangers send, which are not kept.
    #[cfg(feature = "grpc")]
    pub(super) fn group_named(&self, name: &str) -> Option<Group> {
        self.shared().cells.iter().find(|group| group.name() == name)
    }

    /// All that is known. Takes the lock that ending runs take, and allocates.
    #[must_use]
    pub fn report(&self) -> Report {
        self.shared().report()
    }

    /// The drain that is followed.
    #[cfg(feature = "health")]
    pub(super) fn drain(&self) -> Option<&Drain> {
        self.shared().drain()
    }

    /// How far the instance has come on its way out.
    #[inline]
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.shared().phase()
    }

    /// Adds a check that is set by hand.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    pub fn signal(&self, signal: impl Into<signal::Config>) -> Result<Signal, InvalidConfig> {
        let (mut check, time_to_live) = signal.into().validate()?;
        check.settings.interval = time_to_live.unwrap_or_default();
        let groups = check.groups_or_default();
        let wanted = Wanted::Signal(time_to_live);
        let id = self.shared().add(&check.name, check.settings, &groups, wanted)?;
        Ok(Signal::new(Arc::clone(self.shared()), check.name.into(), id))
    }

    /// Adds something that startup waits for.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    pub fn warmup(&self, name: impl Into<String>) -> Result<Warmup, InvalidConfig> {
        let mut check = Check::new(name, || std::future::ready(())).local();
        check.validate()?;
        check.settings.interval = Duration::ZERO;
        let id =
            self.shared().add(&check.name, check.settings, &[Group::STARTUP], Wanted::Warmup)?;
        Ok(Warmup::new(Arc::clone(self.shared()), check.name.into(), id))
    }

    /// Adds a sign of life of a thread or runtime of its own.
    ///
    /// [`start_with`](Self::start_with) has one already, called `heartbeat`.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add); there can be 15 of them.
    pub fn heartbeat(&self, name: impl Into<String>) -> Result<Heartbeat, InvalidConfig> {
        let check = Check::new(name, || std::future::ready(())).local();
        check.validate()?;
        Heartbeat::begin(Arc::clone(self.shared()), check)
    }

    /// Sets how old the last beat of each heartbeat may be: from 3 s, which is three beats, to
    /// 1 hour.
    ///
    /// Default: 10 s.
    ///
    /// # Errors
    ///
    /// If it is out of bounds.
    pub fn heartbeat_limit(&self, limit: Duration) -> Result<(), InvalidConfig> {
        if !(Duration::from_secs(3)..=Duration::from_secs(3_600)).contains(&limit) {
            return Err(InvalidConfig::new("limit", "from 3 s to 1 hour"));
        }
        self.shared().hearts.set_limit(limit);
        Ok(())
    }

    /// Follows `drain`: from [`Phase::NotReady`] on readiness is down, and so is the region where
    /// what stands in front [chooses between regions](Drain::takes_region_down).
    ///
    /// # Errors
    ///
    /// If it follows another one already.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::health::drain::{Cause, Drain, Product};
    /// use seawall::health::{Group, Registry, Verdict};
    ///
    /// let registry = Registry::new();
    /// let drain = Drain::for_products([Product::load_balancer()]).build()?;
    /// registry.attach(&drain)?;
    ///
    /// drain.start(Cause::Operator);
    ///
    /// assert_eq!(registry.verdict(Group::READINESS), Verdict::Down);
    /// assert_eq!(registry.verdict(Group::LIVENESS), Verdict::Healthy);
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    pub fn attach(&self, drain: &Drain) -> Result<(), InvalidConfig> {
        if self.shared().attach(drain.clone()) {
            Ok(())
        } else {
            Err(InvalidConfig::new("drain", "the first that is attached"))
        }
    }

    /// Takes the region down by hand, whatever its checks say. `reason` is for those who may see
    /// details; it is cut after 256 bytes.
    pub fn drain_region(&self, reason: impl fmt::Display) {
        let finding = super::Finding::down(reason);
        self.shared().drain_region(Some(finding.detail().unwrap_or_default().into()));
    }

    /// Lets the region's checks speak for it again.
    pub fn resume_region(&self) {
        self.shared().drain_region(None);
    }

    pub(in crate::health) fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = self.shared();
        let mut verdicts = f.debug_struct("Registry");
        for (index, group) in shared.cells.iter().enumerate() {
            verdicts.field(group.name(), &shared.verdict(index));
        }
        verdicts.field("phase", &self.phase()).finish_non_exhaustive()
    }
}

impl Measure for Registry {
    fn measure(&self, sink: &mut dyn FnMut(Level)) {
        self.shared().measure(sink);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.stop();
    }
}
