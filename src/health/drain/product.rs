//! What stands in front of an instance, and how long it takes to look away.

use std::time::Duration;

use crate::error::{InvalidConfig, intern};

/// A product in front of the instance, with the settings that it probes by.
///
/// Each constructor has the product's own defaults, and the setters of what the product knows;
/// [`build`](super::Config::build) refuses a setting that it does not know. Set what your
/// deployment sets: a drain is as right as these figures.
///
/// | product | looks away after | and then | ends the process |
/// |---|---|---|---|
/// | [`application_gateway`](Self::application_gateway) | threshold × interval: 90 s | | |
/// | [`app_service`](Self::app_service) | threshold × interval: 10 min; by itself before it stops an instance | | 5 s after SIGTERM |
/// | [`container_apps`](Self::container_apps) | threshold × interval: 240 s; by itself at SIGTERM | 10 s to spread | 30 s after SIGTERM |
/// | [`front_door`](Self::front_door) | (sample size − successful samples + 1) × interval: 90 s | | |
/// | [`kubernetes`](Self::kubernetes) | threshold × interval: 30 s; by itself at SIGTERM | 10 s to spread | 30 s after SIGTERM |
/// | [`load_balancer`](Self::load_balancer) | threshold × interval: 15 s | an interval of slack: 15 s | |
/// | [`scale_set`](Self::scale_set) | it probes nothing that leads traffic | | 5 min after its notice |
/// | [`traffic_manager`](Self::traffic_manager) | (tolerated + 1) × interval: 120 s | 2 × TTL, for those who cache names longer: 60 s | |
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::health::drain::Product;
///
/// // "Fast" probing, and names that are cached for 10 s.
/// let names = Product::traffic_manager()
///     .interval(Duration::from_secs(10))
///     .tolerated(0)
///     .ttl(Duration::from_secs(10));
///
/// assert_eq!(names.name(), "traffic_manager");
/// assert!(names.takes_region_down());
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[must_use]
pub struct Product {
    #[cfg_attr(feature = "serde", serde(rename = "product"))]
    kind: Kind,
    #[cfg_attr(feature = "serde", serde(default))]
    name: Option<String>,
    #[cfg_attr(feature = "serde", serde(flatten))]
    settings: Settings,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
enum Kind {
    ApplicationGateway,
    AppService,
    ContainerApps,
    FrontDoor,
    Kubernetes,
    LoadBalancer,
    Other,
    ScaleSet,
    TrafficManager,
}

/// What was set; and for a product's defaults, what there is to set.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(default))]
struct Settings {
    interval: Option<Duration>,
    timeout: Option<Duration>,
    threshold: Option<u32>,
    tolerated: Option<u32>,
    ttl: Option<Duration>,
    sample_size: Option<u32>,
    successful_samples: Option<u32>,
    propagation: Option<Duration>,
    grace: Option<Duration>,
}

/// What follows from a product's settings, found good.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Figures {
    pub(super) name: &'static str,
    /// From the first failing answer until the product sends nothing new, at most.
    pub(super) detects: Duration,
    /// The same if there is no answer at all.
    pub(super) detects_silence: Duration,
    /// What it takes until everybody knows.
    pub(super) propagates: Duration,
    /// Whether it leads traffic away by itself when it ends the process.
    pub(super) leads_away: bool,
    /// From SIGTERM to the end of the process.
    pub(super) grace: Option<Duration>,
    /// From the notice of an end to that end.
    pub(super) notice: Option<Duration>,
}

impl Product {
    /// Azure Application Gateway: probes every 30 s, waits 30 s for an answer, and takes three
    /// failures.
    pub fn application_gateway() -> Self {
        Self::new(Kind::ApplicationGateway)
    }

    /// Azure App Service: its health check asks once a minute and takes ten failures, which is no
    /// way to drain. It leads traffic away before it stops an instance, and gives it 5 s
    /// ([`grace`](Self::grace); `WEBSITES_CONTAINER_STOP_TIME_LIMIT` allows up to 120 s).
    pub fn app_service() -> Self {
        Self::new(Kind::AppService)
    }

    /// Azure Container Apps: readiness is asked for every 5 s and takes 48 failures. At SIGTERM it
    /// leads traffic away by itself, and ends the process 30 s later.
    pub fn container_apps() -> Self {
        Self::new(Kind::ContainerApps)
    }

    /// Azure Front Door: probes every 30 s, and wants two good answers of the last four. Edges
    /// with little traffic probe less often; the portal proposes 100 s.
    pub fn front_door() -> Self {
        Self::new(Kind::FrontDoor)
    }

    /// Kubernetes and AKS: readiness is asked for every 10 s and takes three failures. At SIGTERM
    /// the endpoint is removed everywhere, which takes some seconds
    /// ([`propagation`](Self::propagation)); the process is ended 30 s after the `preStop` hook
    /// began: leave the hook's time out of [`grace`](Self::grace).
    pub fn kubernetes() -> Self {
        Self::new(Kind::Kubernetes)
    }

    /// Azure Load Balancer: probes every 15 s, and takes one failure. It sends nothing *new* from
    /// then on; connections that are open stay, so the drain closes them.
    pub fn load_balancer() -> Self {
        Self::new(Kind::LoadBalancer)
    }

    /// A virtual machine scale set: tells of an end by a scheduled event, 5 min ahead by default
    /// ([`grace`](Self::grace); up to 15 min, and 30 s on spot machines). Name what leads the
    /// traffic besides it.
    pub fn scale_set() -> Self {
        Self::new(Kind::ScaleSet)
    }

    /// Azure Traffic Manager: probes every 30 s, tolerates three failures, and its answers are
    /// cached for 30 s.
    pub fn traffic_manager() -> Self {
        Self::new(Kind::TrafficManager)
    }

    /// Any other balancer, of that name: probes every 5 s, and takes three failures.
    pub fn other(name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..Self::new(Kind::Other) }
    }

    fn new(kind: Kind) -> Self {
        Self { kind, name: None, settings: Settings::default() }
    }

    /// The time from one probe to the next. For all but the scale set.
    ///
    /// Default: see the [table](Self).
    pub fn interval(mut self, interval: Duration) -> Self {
        self.settings.interval = Some(interval);
        self
    }

    /// How long a probe waits for an answer. A drain answers, so this counts only for
    /// [`detects_silence_within`](Self::detects_silence_within). For Application Gateway, Traffic
    /// Manager and Kubernetes.
    ///
    /// Default: 30 s, 10 s and 1 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = Some(timeout);
        self
    }

    /// How many failures in a row it takes, at least 1. For all but Front Door, the scale set and
    /// Traffic Manager.
    ///
    /// Default: see the [table](Self).
    pub fn threshold(mut self, failures: u32) -> Self {
        self.settings.threshold = Some(failures);
        self
    }

    /// How many failures in a row are tolerated, up to 9. For Traffic Manager.
    ///
    /// Default: 3.
    pub fn tolerated(mut self, failures: u32) -> Self {
        self.settings.tolerated = Some(failures);
        self
    }

    /// How long a name may be cached. For Traffic Manager.
    ///
    /// Default: 30 s.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.settings.ttl = Some(ttl);
        self
    }

    /// How many of the last answers are looked at. For Front Door.
    ///
    /// Default: 4.
    pub fn sample_size(mut self, answers: u32) -> Self {
        self.settings.sample_size = Some(answers);
        self
    }

    /// How many of the last answers must be good, from 1 to the sample size. For Front Door.
    ///
    /// Default: 2.
    pub fn successful_samples(mut self, answers: u32) -> Self {
        self.settings.successful_samples = Some(answers);
        self
    }

    /// How long it takes until all parts of the product know what one has found. For the load
    /// balancer, Kubernetes, Container Apps and others.
    ///
    /// Default: an interval; 10 s; 10 s; zero.
    pub fn propagation(mut self, time: Duration) -> Self {
        self.settings.propagation = Some(time);
        self
    }

    /// The time from SIGTERM to the end of the process; for the scale set, from the notice to the
    /// end of the machine. For those that end processes, and others.
    ///
    /// Default: see the [table](Self).
    pub fn grace(mut self, grace: Duration) -> Self {
        self.settings.grace = Some(grace);
        self
    }

    /// What it is called in plans and errors: the constructor's name, or that of an
    /// [other](Self::other).
    #[must_use]
    pub fn name(&self) -> &str {
        match self.kind {
            Kind::ApplicationGateway => "application_gateway",
            Kind::AppService => "app_service",
            Kind::ContainerApps => "container_apps",
            Kind::FrontDoor => "front_door",
            Kind::Kubernetes => "kubernetes",
            Kind::LoadBalancer => "load_balancer",
            Kind::Other => self.name.as_deref().unwrap_or("other"),
            Kind::ScaleSet => "scale_set",
            Kind::TrafficManager => "traffic_manager",
        }
    }

    /// Whether it chooses between regions, so that the verdict of the *region* is what it must see
    /// failing: Front Door and Traffic Manager.
    #[must_use]
    pub const fn takes_region_down(&self) -> bool {
        matches!(self.kind, Kind::FrontDoor | Kind::TrafficManager)
    }

    /// The longest time from the first failing answer until it sends nothing new.
    ///
    /// # Errors
    ///
    /// The setting that makes no sense.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use seawall::health::drain::Product;
    ///
    /// let gateway = Product::application_gateway();
    /// assert_eq!(gateway.detects_within()?, Duration::from_secs(90));
    /// assert_eq!(gateway.detects_silence_within()?, Duration::from_secs(120));
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    pub fn detects_within(&self) -> Result<Duration, InvalidConfig> {
        Ok(self.figures()?.detects)
    }

    /// The same for an instance that is gone and answers nothing: a timeout longer.
    ///
    /// # Errors
    ///
    /// The setting that makes no sense.
    pub fn detects_silence_within(&self) -> Result<Duration, InvalidConfig> {
        Ok(self.figures()?.detects_silence)
    }

    /// Past this point nothing is checked again.
    pub(super) fn figures(&self) -> Result<Figures, InvalidConfig> {
        self.parse().map_err(|error| error.within(self.name()))
    }

    fn parse(&self) -> Result<Figures, InvalidConfig> {
        let known = self.defaults();
        let set = &self.settings;
        let interval = time("interval", set.interval, known.interval, LEAST)?;
        let timeout = time("timeout", set.timeout, known.timeout, LEAST)?;
        let threshold = count("threshold", set.threshold, known.threshold, 1, 1_000)?;
        let tolerated = count("tolerated", set.tolerated, known.tolerated, 0, 9)?;
        let ttl = time("ttl", set.ttl, known.ttl, Duration::ZERO)?;
        let samples = count("sample_size", set.sample_size, known.sample_size, 1, 255)?;
        let good = (set.successful_samples, known.successful_samples);
        let good = count("successful_samples", good.0, good.1, 1, samples.unwrap_or(255))?;
        let spreads = time("propagation", set.propagation, known.propagation, Duration::ZERO)?;
        let grace = time("grace", set.grace, known.grace, LEAST)?;
        // An "other" product has no grace unless it is set.
        let grace = if self.kind == Kind::Other { set.grace } else { grace };

        let probes = match (threshold, tolerated, samples.zip(good)) {
            (Some(threshold), ..) => threshold,
            (_, Some(tolerated), _) => tolerated + 1,
            (.., Some((samples, good))) => samples - good + 1,
            _ => 0,
        };
        let interval = interval.unwrap_or_default();
        let detects = interval.saturating_mul(probes);
        let propagates = match self.kind {
            // One late probe.
            Kind::LoadBalancer => set.propagation.unwrap_or(interval),
            // Half of those who cache a name cache it for longer than they should.
            Kind::TrafficManager => ttl.unwrap_or_default().saturating_mul(2),
            _ => spreads.unwrap_or_default(),
        };
        let leads_away =
            matches!(self.kind, Kind::AppService | Kind::ContainerApps | Kind::Kubernetes);
        let is_noticed = self.kind == Kind::ScaleSet;
        Ok(Figures {
            name: intern(self.name()),
            detects,
            detects_silence: detects.saturating_add(timeout.unwrap_or_default()),
            propagates,
            leads_away,
            grace: grace.filter(|_| !is_noticed),
            notice: grace.filter(|_| is_noticed),
        })
    }

    /// The product's own settings; what it does not know is `None`.
    fn defaults(&self) -> Settings {
        let probing = |interval, threshold| Settings {
            interval: Some(seconds(interval)),
            threshold: Some(threshold),
            ..Settings::default()
        };
        match self.kind {
            Kind::ApplicationGateway => Settings { timeout: Some(seconds(30)), ..probing(30, 3) },
            Kind::AppService => Settings { grace: Some(seconds(5)), ..probing(60, 10) },
            Kind::ContainerApps => Settings {
                propagation: Some(seconds(10)),
                grace: Some(seconds(30)),
                ..probing(5, 48)
            },
            Kind::FrontDoor => Settings {
                interval: Some(seconds(30)),
                sample_size: Some(4),
                successful_samples: Some(2),
                ..Settings::default()
            },
            Kind::Kubernetes => Settings {
                timeout: Some(seconds(1)),
                propagation: Some(seconds(10)),
                grace: Some(seconds(30)),
                ..probing(10, 3)
            },
            Kind::LoadBalancer => Settings { propagation: Some(seconds(15)), ..probing(15, 1) },
            Kind::Other => Settings {
                propagation: Some(Duration::ZERO),
                timeout: Some(seconds(5)),
                grace: Some(DAY),
                ..probing(5, 3)
            },
            Kind::ScaleSet => Settings { grace: Some(seconds(300)), ..Settings::default() },
            Kind::TrafficManager => Settings {
                interval: Some(seconds(30)),
                timeout: Some(seconds(10)),
                tolerated: Some(3),
                ttl: Some(seconds(30)),
                ..Settings::default()
            },
        }
    }
}

/// What was set or is the default, if the product knows it and it lies between `least` and a day.
fn time(
    field: &'static str,
    set: Option<Duration>,
    known: Option<Duration>,
    least: Duration,
) -> Result<Option<Duration>, InvalidConfig> {
    match (set, known) {
        (Some(_), None) => Err(InvalidConfig::new(field, UNKNOWN)),
        (Some(set), _) if set < least => Err(InvalidConfig::new(field, "longer than zero")),
        (Some(set), _) if set > DAY => Err(InvalidConfig::new(field, "at most a day")),
        (set, known) => Ok(set.or(known)),
    }
}

fn count(
    field: &'static str,
    set: Option<u32>,
    known: Option<u32>,
    least: u32,
    most: u32,
) -> Result<Option<u32>, InvalidConfig> {
    if set.is_some() && known.is_none() {
        return Err(InvalidConfig::new(field, UNKNOWN));
    }
    let count = set.or(known);
    if count.is_some_and(|count| !(least..=most).contains(&count)) {
        return Err(InvalidConfig::new(field, format!("from {least} to {most}")));
    }
    Ok(count)
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const UNKNOWN: &str = "left out: this product has no such setting";
const LEAST: Duration = Duration::from_nanos(1);
/// Far from what overflows, and longer than anybody waits.
pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
