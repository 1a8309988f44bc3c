//! How late the runtime is.

use std::future::{Future, poll_fn};
use std::time::Duration;

use super::super::Check;
use super::Times;
use crate::error::InvalidConfig;
use crate::telemetry::Environment;
use crate::time::{Clock, Timer};

/// How late the runtime that the check runs on wakes a task whose time has come.
///
/// A run waits 25 times for 20 ms, and takes the longest delay among them: what a thread that is
/// blocked, a queue of ready tasks or a starved processor adds to everything that the runtime does.
/// That delay is observed, in seconds. It is local by default, and runs each second, so that it
/// looks for half of the time; one long delay makes one bad run, which [`Check::fall`] may forgive.
///
/// # Cost
///
/// 25 wake-ups a run.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::health::{Verdict, checks};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut check = checks::event_loop_lag("lag")
///     .samples(3)
///     .degraded_above(Duration::from_secs(30))
///     .down_above(Duration::from_secs(60))
///     .check();
///
/// assert_eq!(check.run_once().await.verdict(), Verdict::Healthy);
/// # }
/// ```
pub fn event_loop_lag(name: impl Into<String>) -> EventLoopLag {
    EventLoopLag {
        name: name.into(),
        samples: 25,
        times: Times {
            degraded_above: Duration::from_millis(100),
            down_above: Duration::from_secs(1),
        },
    }
}

/// Settings of [`event_loop_lag`].
///
/// # Example
///
/// ```
/// use seawall::health::Check;
/// use seawall::health::checks::{EventLoopLag, event_loop_lag};
///
/// let settings: EventLoopLag = event_loop_lag("lag").samples(50);
/// let check = Check::from(settings);
/// # let _ = check;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct EventLoopLag {
    name: String,
    samples: u32,
    times: Times,
}

impl EventLoopLag {
    /// How often a run waits: from 1 to 1,000 times.
    ///
    /// Default: 25.
    pub fn samples(mut self, samples: u32) -> Self {
        self.samples = samples;
        self
    }

    /// From this delay on it is degraded.
    ///
    /// Default: 100 ms.
    pub fn degraded_above(mut self, delay: Duration) -> Self {
        self.times.degraded_above = delay;
        self
    }

    /// From this delay on it is down; no shorter than the delay for degraded.
    ///
    /// Default: 1 s.
    pub fn down_above(mut self, delay: Duration) -> Self {
        self.times.down_above = delay;
        self
    }

    /// Makes the check.
    ///
    /// # Errors
    ///
    /// Samples out of their range, and delays that are zero or in the wrong order, are refused when
    /// the check is added to a registry.
    pub fn check(self) -> Check {
        self.check_in(&Environment::new())
    }

    /// As [`check`](Self::check), with this clock.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn check_in(self, environment: &Environment) -> Check {
        let Self { name, samples, times } = self;
        let clock = environment.clock.clone();
        let limits = if (1..=1_000).contains(&samples) {
            times.limits()
        } else {
            Err(InvalidConfig::new("samples", "from 1 to 1,000"))
        };
        let probe = limits.map(|limits| {
            move || {
                let clock = clock.clone();
                async move {
                    let mut longest = Duration::ZERO;
                    for _ in 0..samples {
                        longest = longest.max(delay(&clock).await);
                    }
                    let late = longest.as_secs_f64();
                    limits.find(late, format_args!("{late:.3} s late")).observed(late, "s")
                }
            }
        });
        super::check(name, probe).local().interval(Duration::from_secs(1))
    }
}

impl From<EventLoopLag> for Check {
    fn from(settings: EventLoopLag) -> Self {
        settings.check()
    }
}

/// Waits, and tells how much longer than asked for that was.
fn delay(clock: &Clock) -> impl Future<Output = Duration> + '_ {
    let mut timer = Timer::idle();
    let end = clock.now() + WAIT;
    poll_fn(move |cx| timer.poll_until(end, clock, cx).map(|()| clock.now().since(end)))
}

const WAIT: Duration = Duration::from_millis(20);
