//! One check: what is asked, how often, and what an answer means.

use std::fmt;
use std::future::{Future, ready};
use std::pin::Pin;
use std::time::Duration;

use super::{Criticality, Finding, Group};
use crate::error::InvalidConfig;

/// A check that a [`Registry`](super::Registry) runs in the background.
///
/// It is an async closure with a name, and settings that say how often it runs and what its
/// answers mean. At most one run of it is under way at any time.
///
/// What it looks at is taken to be [shared](Self::shared) by all instances unless it is said to be
/// [local](Self::local): a shared dependency counts for the region and not for the instance's
/// readiness, since else its failure would take every instance out of every balancer at once.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::health::{Check, Finding};
///
/// # struct Queue;
/// # impl Queue { async fn length(&self) -> Result<u32, std::io::Error> { Ok(7) } }
/// # let queue = std::sync::Arc::new(Queue);
/// let check = Check::new("queue", move || {
///     let queue = queue.clone();
///     async move {
///         let length = queue.length().await?;
///         let finding = if length > 1_000 {
///             Finding::degraded("long queue")
///         } else {
///             Finding::healthy()
///         };
///         Ok::<_, std::io::Error>(finding.observed(length.into(), "{message}"))
///     }
/// })
/// .interval(Duration::from_secs(5))
/// .degraded_only();
/// # let _ = check;
/// ```
#[must_use]
pub struct Check {
    pub(super) name: String,
    pub(super) probe: Box<dyn Probe>,
    pub(super) settings: Settings,
}

/// Makes the runs of a check.
pub(super) trait Probe: Send {
    /// Begins one run.
    fn run(&mut self) -> Pin<Box<dyn Future<Output = Finding> + Send>>;
}

impl<F, Fut> Probe for F
where
    F: FnMut() -> Fut + Send,
    Fut: Future + Send + 'static,
    Fut::Output: Into<Finding>,
{
    fn run(&mut self) -> Pin<Box<dyn Future<Output = Finding> + Send>> {
        let run = self();
        Box::pin(async move { run.await.into() })
    }
}

/// All of a check but its name and what it asks.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) criticality: Criticality,
    pub(super) shared: bool,
    /// Where it counts, if that is not left to `shared`.
    pub(super) groups: Option<Vec<Group>>,
    pub(super) tags: Vec<String>,
    pub(super) weight: u32,
    pub(super) interval: Duration,
    pub(super) jitter: f64,
    pub(super) timeout: Duration,
    pub(super) max_interval: Duration,
    pub(super) fall: u32,
    pub(super) rise: u32,
    pub(super) min_stay: Duration,
    pub(super) flap_detection: bool,
    /// What is wrong with what it was made from.
    refused: Option<InvalidConfig>,
}

impl Check {
    /// A check called `name` that calls `probe` for each run.
    ///
    /// `probe` may end in anything that turns into a [`Finding`]. A panic in it counts as down and
    /// goes no further; a run that takes longer than the [timeout](Self::timeout) is dropped and
    /// counts as down.
    pub fn new<F, Fut>(name: impl Into<String>, probe: F) -> Self
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: Into<Finding>,
    {
        Self {
            name: name.into(),
            probe: Box::new(probe),
            settings: Settings {
                criticality: Criticality::Critical,
                shared: true,
                groups: None,
                tags: Vec::new(),
                weight: 1,
                interval: Duration::from_secs(10),
                jitter: 0.1,
                timeout: Duration::from_secs(5),
                max_interval: Duration::from_secs(60),
                fall: 3,
                rise: 2,
                min_stay: Duration::ZERO,
                flap_detection: true,
                refused: None,
            },
        }
    }

    /// A check that was asked for with settings that make no sense. It is refused where all checks
    /// are, when it is added to a registry.
    pub(super) fn refused(name: String, error: InvalidConfig) -> Self {
        let expected = format!("not to be run: {error}");
        let mut check = Self::new(name, move || ready(Finding::down(&expected)));
        check.settings.refused = Some(error);
        check
    }

    /// Runs it once, by itself: without its timeout, its interval and its hysteresis.
    ///
    /// For trying a check out, and for tests of one; a registry runs its checks itself. A panic of
    /// the check comes through.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the run up, as its timeout would.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::health::{Check, Finding};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let mut check = Check::new("disk", || async { Err::<(), _>("read-only") });
    ///
    /// assert_eq!(check.run_once().await, Finding::down("read-only"));
    /// # }
    /// ```
    pub fn run_once(&mut self) -> impl Future<Output = Finding> + Send + use<> {
        self.probe.run()
    }

    /// What its failure means for its groups.
    ///
    /// Default: [`Criticality::Critical`].
    pub fn criticality(mut self, criticality: Criticality) -> Self {
        self.settings.criticality = criticality;
        self
    }

    /// Its failure only degrades its groups.
    pub fn degraded_only(self) -> Self {
        self.criticality(Criticality::DegradedOnly)
    }

    /// Its failure is shown and counts for nothing.
    pub fn informational(self) -> Self {
        self.criticality(Criticality::Informational)
    }

    /// It looks at something that all instances share, and counts for the region.
    ///
    /// Default: it does.
    pub fn shared(mut self) -> Self {
        self.settings.shared = true;
        self
    }

    /// It looks at something of this instance alone, and counts for readiness.
    ///
    /// Default: it is [shared](Self::shared).
    pub fn local(mut self) -> Self {
        self.settings.shared = false;
        self
    }

    /// It counts for these groups, and for no others.
    ///
    /// Default: [`Group::REGION`] if it is shared, [`Group::READINESS`] if it is local.
    pub fn groups(mut self, groups: impl IntoIterator<Item = Group>) -> Self {
        self.settings.groups = Some(groups.into_iter().collect());
        self
    }

    /// Adds a word to find it by.
    ///
    /// Default: none. At most 16, of at most 64 bytes each.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.settings.tags.push(tag.into());
        self
    }

    /// How much it counts under [`Aggregation::Weight`](super::Aggregation::Weight).
    ///
    /// Default: 1.
    pub fn weight(mut self, weight: u32) -> Self {
        self.settings.weight = weight;
        self
    }

    /// The time from one start to the next: from 10 ms to 1 day.
    ///
    /// Default: 10 s.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.settings.interval = interval;
        self
    }

    /// By how much an interval may be longer, as a part of it, so that checks do not march in
    /// step: from 0 to 1.
    ///
    /// Default: 0.1.
    pub fn jitter(mut self, jitter: f64) -> Self {
        self.settings.jitter = jitter;
        self
    }

    /// How long a run may take: from 1 ms to 1 hour.
    ///
    /// Default: 5 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// Up to where the interval doubles with each failure after the check has fallen; no shorter
    /// than the interval, up to 1 day.
    ///
    /// Default: 60 s, or the interval if that is longer.
    pub fn max_interval(mut self, interval: Duration) -> Self {
        self.settings.max_interval = interval;
        self
    }

    /// How many bad runs in a row make it fall: from 1 to 100.
    ///
    /// Default: 3. The first run of all decides at once.
    pub fn fall(mut self, runs: u32) -> Self {
        self.settings.fall = runs;
        self
    }

    /// How many good runs in a row make it rise: from 1 to 100.
    ///
    /// Default: 2. The first run of all decides at once.
    pub fn rise(mut self, runs: u32) -> Self {
        self.settings.rise = runs;
        self
    }

    /// How long it keeps a verdict at least: up to 1 day.
    ///
    /// Default: no time at all.
    pub fn min_stay(mut self, stay: Duration) -> Self {
        self.settings.min_stay = stay;
        self
    }

    /// Whether it keeps its worse verdict, and is degraded at best, while its findings change too
    /// often: from 30 % of its last 20 runs on, until it is less than 15 %.
    ///
    /// Newer changes weigh more than older ones, as in Nagios.
    ///
    /// Default: it does.
    pub fn flap_detection(mut self, detects: bool) -> Self {
        self.settings.flap_detection = detects;
        self
    }

    /// Where it counts.
    pub(super) fn groups_or_default(&self) -> Vec<Group> {
        let default = if self.settings.shared { Group::REGION } else { Group::READINESS };
        self.settings.groups.clone().unwrap_or_else(|| vec![default])
    }

    /// Refuses what makes no sense, and names it.
    pub(super) fn validate(&self) -> Result<(), InvalidConfig> {
        let settings = &self.settings;
        if let Some(error) = &settings.refused {
            return Err(error.clone());
        }
        let day = Duration::from_secs(86_400);
        let rules = [
            ((1..=128).contains(&self.name.len()), "name", "from 1 to 128 bytes long"),
            (!self.name.chars().any(char::is_control), "name", "without control characters"),
            (
                (Duration::from_millis(10)..=day).contains(&settings.interval),
                "interval",
                "from 10 ms to 1 day",
            ),
            ((0.0..=1.0).contains(&settings.jitter), "jitter", "from 0 to 1"),
            (
                (Duration::from_millis(1)..=Duration::from_secs(3_600)).contains(&settings.timeout),
                "timeout",
                "from 1 ms to 1 hour",
            ),
            (settings.max_interval <= day, "max_interval", "up to 1 day"),
            ((1..=100).contains(&settings.fall), "fall", "from 1 to 100"),
            ((1..=100).contains(&settings.rise), "rise", "from 1 to 100"),
            (settings.min_stay <= day, "min_stay", "up to 1 day"),
            (settings.tags.len() <= 16, "tags", "at most 16"),
            (settings.tags.iter().all(|tag| tag.len() <= 64), "tags", "of at most 64 bytes each"),
            (
                settings.groups.as_ref().is_none_or(|groups| !groups.contains(&Group::LIVENESS)),
                "groups",
                "without liveness, which says only whether the process is wedged",
            ),
            (
                settings.groups.as_ref().is_none_or(|groups| groups.len() <= 16),
                "groups",
                "at most 16",
            ),
        ];
        rules
            .into_iter()
            .find(|(holds, ..)| !holds)
            .map_or(Ok(()), |(_, field, expected)| Err(InvalidConfig::new(field, expected)))
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("name", &self.name)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
