//! How long each phase lasts, and what is lost where time is short.

use std::fmt;
use std::time::Duration;

use super::Phase;
use super::product::Figures;

/// Why an instance goes out of service.
///
/// # Example
///
/// ```
/// use seawall::health::drain::Cause;
///
/// assert_eq!(Cause::Termination.to_string(), "termination");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Cause {
    /// The platform ends the process: SIGTERM. Kubernetes, Container Apps and App Service lead
    /// traffic away by themselves meanwhile.
    Termination,
    /// The machine will go down, as a notice said.
    Maintenance,
    /// Somebody wants it so. There is as much time as it takes.
    Operator,
}

impl Cause {
    /// The word for it: `termination`, `maintenance` or `operator`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Termination => "termination",
            Self::Maintenance => "maintenance",
            Self::Operator => "operator",
        }
    }

    pub(super) const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How a drain goes: the length of each phase, and what is lost.
///
/// It prints for people. [The module's page](super) says how it is made.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::health::Phase;
/// use seawall::health::drain::{Cause, Drain, Product};
///
/// let drain = Drain::for_products([Product::kubernetes(), Product::application_gateway()]).build()?;
///
/// // The gateway takes 90 s to look away, and Kubernetes gives 30.
/// let plan = drain.plan(Cause::Termination);
/// assert_eq!(plan.decided_by(), "application_gateway");
/// assert!(plan.length() <= Duration::from_secs(30) && !plan.fits());
/// println!("{plan}");
///
/// let plan = drain.plan(Cause::Operator);
/// assert_eq!(plan.length_of(Phase::NotReady), Duration::from_secs(90));
/// assert!(plan.fits());
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Plan {
    cause: Cause,
    limit: Option<Duration>,
    decided_by: &'static str,
    wanted: Lengths,
    lengths: Lengths,
}

/// The lengths of the three phases that have one.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Lengths {
    pub(super) not_ready: Duration,
    pub(super) closing: Duration,
    pub(super) rejecting: Duration,
}

/// What a plan gives up, because there is not time for all of it.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::health::drain::{Cause, Drain, Loss, Product};
///
/// let drain = Drain::for_products([Product::app_service()]).build()?;
/// let plan = drain.plan(Cause::Termination);
///
/// let cut = plan.losses().any(|loss| matches!(loss, Loss::CutOff { .. }));
/// assert!(cut, "5 s are not enough for requests that take 10 s");
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Loss {
    /// Clients are asked to leave so long before all products have looked away: some may be led
    /// here again. Costs connections, and no request.
    Overlap {
        /// How much too early.
        early: Duration,
    },
    /// Answers ask clients to leave for a shorter time than they should: a connection that is idle
    /// all that time is closed without its client having been asked.
    Untold {
        /// How much is missing.
        short: Duration,
    },
    /// New requests are turned away so long before all products have looked away: they get 503, and
    /// can safely be sent again.
    TurnedAway {
        /// How much too early.
        early: Duration,
    },
    /// Requests that are under way have less time to finish than they should.
    CutOff {
        /// How much is missing.
        short: Duration,
    },
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overlap { early } => {
                write!(f, "asks clients to leave {early:?} before all products have looked away")
            }
            Self::Untold { short } => write!(f, "asks clients to leave for {short:?} less"),
            Self::TurnedAway { early } => {
                write!(f, "turns requests away {early:?} before all products have looked away")
            }
            Self::CutOff { short } => {
                write!(f, "leaves requests that are under way {short:?} less to finish")
            }
        }
    }
}

impl Plan {
    /// For `products`, with `closing` and `rejecting` as wanted, within `limit`.
    ///
    /// What is served after readiness has failed saves requests; the time at the end saves those
    /// under way from being cut off, which is worse than being turned away. So where time is short,
    /// closing first overlaps with the wait for the products; then that wait is cut, down to half
    /// of all the time; then the two share what there is.
    pub(super) fn new(
        cause: Cause,
        products: &[Figures],
        closing: Duration,
        rejecting: Duration,
        limit: Option<Duration>,
    ) -> Self {
        let (lead, decided_by) = lead(cause, products);
        let wanted = Lengths { not_ready: lead, closing, rejecting };
        let lengths = match limit {
            Some(limit) if limit < wanted.sum() => {
                let serving = lead.saturating_add(closing);
                let served = limit.saturating_sub(rejecting).max(serving.min(limit / 2));
                let closing = closing.min(served);
                Lengths {
                    not_ready: served.saturating_sub(closing),
                    closing,
                    rejecting: limit.saturating_sub(served),
                }
            }
            _ => wanted,
        };
        Self { cause, limit, decided_by, wanted, lengths }
    }

    /// What it is for.
    #[must_use]
    pub const fn cause(&self) -> Cause {
        self.cause
    }

    /// The time within which all must be over, where there is such a limit.
    #[must_use]
    pub const fn limit(&self) -> Option<Duration> {
        self.limit
    }

    /// The name of the product that takes longest to look away.
    #[must_use]
    pub const fn decided_by(&self) -> &'static str {
        self.decided_by
    }

    /// How long `phase` lasts. Zero for [`Serving`](Phase::Serving) and [`Closed`](Phase::Closed),
    /// which have no end.
    #[must_use]
    pub const fn length_of(&self, phase: Phase) -> Duration {
        match phase {
            Phase::NotReady => self.lengths.not_ready,
            Phase::Closing => self.lengths.closing,
            Phase::Rejecting => self.lengths.rejecting,
            Phase::Serving | Phase::Closed => Duration::ZERO,
        }
    }

    /// How long all of it takes, at most.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.lengths.sum()
    }

    /// Whether nothing is lost.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.losses().next().is_none()
    }

    /// What is lost, the least bad first.
    pub fn losses(&self) -> impl Iterator<Item = Loss> {
        let (wanted, got) = (self.wanted, self.lengths);
        let served = got.not_ready.saturating_add(got.closing);
        let overlap = wanted.not_ready.saturating_sub(got.not_ready);
        let untold = wanted.closing.saturating_sub(got.closing);
        let turned_away = wanted.not_ready.saturating_sub(served);
        let cut_off = wanted.rejecting.saturating_sub(got.rejecting);
        [
            (overlap, Loss::Overlap { early: overlap }),
            (untold, Loss::Untold { short: untold }),
            (turned_away, Loss::TurnedAway { early: turned_away }),
            (cut_off, Loss::CutOff { short: cut_off }),
        ]
        .into_iter()
        .filter(|(length, _)| !length.is_zero())
        .map(|(_, loss)| loss)
    }

    pub(super) const fn lengths(&self) -> Lengths {
        self.lengths
    }
}

impl Lengths {
    fn sum(self) -> Duration {
        self.not_ready.saturating_add(self.closing).saturating_add(self.rejecting)
    }
}

/// The longest time until a product sends nothing new, and that product's name.
fn lead(cause: Cause, products: &[Figures]) -> (Duration, &'static str) {
    let leads = products.iter().map(|product| {
        let led_away = cause == Cause::Termination && product.leads_away;
        let detects = if led_away { Duration::ZERO } else { product.detects };
        (detects.saturating_add(product.propagates), product.name)
    });
    leads.max_by_key(|(lead, _)| *lead).unwrap_or_default()
}

/// Over several lines, for people.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "drain for {} in {:?}", self.cause, self.length())?;
        if let Some(limit) = self.limit {
            write!(f, " of {limit:?}")?;
        }
        for phase in [Phase::NotReady, Phase::Closing, Phase::Rejecting] {
            write!(f, "\n  {phase:<9} {:?}", self.length_of(phase))?;
            if phase == Phase::NotReady {
                write!(f, ", until {} has looked away", self.decided_by)?;
            }
        }
        for loss in self.losses() {
            write!(f, "\n  lost: {loss}")?;
        }
        Ok(())
    }
}
