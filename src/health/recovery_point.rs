//! How much would be lost if the newest copy were all there is.

use std::fmt::Display;
use std::future::Future;
use std::time::{Duration, SystemTime};

use super::{Check, Finding};

/// A recovery-point objective: how old the newest recovery point may be, of a backup or a replica.
///
/// # Example
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use seawall::health::{Check, RecoveryPoint, Registry};
///
/// # async fn newest_backup() -> Result<SystemTime, std::io::Error> { Ok(SystemTime::now()) }
/// let objective = RecoveryPoint::objective(Duration::from_secs(4 * 3_600)).degraded_from(0.5);
///
/// Registry::new().add(Check::recovery_point("backup", objective, newest_backup))?;
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub struct RecoveryPoint {
    objective: Duration,
    degraded_from: f64,
    skew: Duration,
}

impl RecoveryPoint {
    /// The newest recovery point may be as old as that.
    pub const fn objective(objective: Duration) -> Self {
        Self { objective, degraded_from: 0.8, skew: Duration::from_secs(60) }
    }

    /// From which part of the objective on it is degraded; 1 and above: never before it is down.
    ///
    /// Default: 0.8.
    pub const fn degraded_from(mut self, part: f64) -> Self {
        self.degraded_from = part;
        self
    }

    /// How far in the future a recovery point may seem to lie, for clocks that differ. What lies
    /// further ahead is down: its age is unknown.
    ///
    /// Default: 60 s.
    pub const fn skew(mut self, skew: Duration) -> Self {
        self.skew = skew;
        self
    }

    /// What a recovery point of `then` means at `now`.
    fn judge(self, then: SystemTime, now: SystemTime) -> Finding {
        let age = match now.duration_since(then) {
            Ok(age) => age,
            Err(ahead) if ahead.duration() <= self.skew => Duration::ZERO,
            Err(ahead) => {
                let ahead = ahead.duration().as_secs();
                return Finding::down(format_args!("the recovery point is {ahead} s ahead"));
            }
        };
        let seconds = age.as_secs_f64();
        let objective = self.objective.as_secs();
        let finding = if age > self.objective {
            Finding::down(format_args!("{} s old, objective {objective} s", age.as_secs()))
        } else if seconds >= self.objective.as_secs_f64() * self.degraded_from {
            Finding::degraded(format_args!("{} s old, objective {objective} s", age.as_secs()))
        } else {
            Finding::healthy()
        };
        finding.observed(seconds, "s")
    }
}

/// With all else by default.
impl From<Duration> for RecoveryPoint {
    fn from(objective: Duration) -> Self {
        Self::objective(objective)
    }
}

impl Check {
    /// A check of how old the newest recovery point is, which `newest` finds out.
    ///
    /// Degraded from 80 % of the objective on, and down beyond it; what it observes is the age in
    /// seconds. It is shared, and degrades only: a backup that is late is urgent, and no reason to
    /// send the region's traffic away.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    ///
    /// use seawall::health::Check;
    ///
    /// # async fn last_replayed() -> Result<SystemTime, std::io::Error> { Ok(SystemTime::now()) }
    /// let check = Check::recovery_point("replica", Duration::from_secs(300), last_replayed);
    /// # let _ = check;
    /// ```
    pub fn recovery_point<F, Fut, E>(
        name: impl Into<String>,
        objective: impl Into<RecoveryPoint>,
        mut newest: F,
    ) -> Self
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = Result<SystemTime, E>> + Send + 'static,
        E: Display,
    {
        let objective = objective.into();
        Self::new(name, move || {
            let newest = newest();
            async move {
                match newest.await {
                    Ok(then) => objective.judge(then, SystemTime::now()),
                    Err(error) => Finding::down(error),
                }
            }
        })
        .degraded_only()
    }
}

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use super::*;
    use crate::health::Verdict;

    #[test]
    fn judges_as_the_table_says() {
        let hour = RecoveryPoint::objective(Duration::from_secs(3_600));
        let rows: &[(RecoveryPoint, i64, Verdict, Option<f64>)] = &[
            (hour, 0, Verdict::Healthy, Some(0.0)),
            (hour, 2_879, Verdict::Healthy, Some(2_879.0)),
            (hour, 2_880, Verdict::Degraded, Some(2_880.0)),
            (hour, 3_600, Verdict::Degraded, Some(3_600.0)),
            (hour, 3_601, Verdict::Down, Some(3_601.0)),
            (hour, -60, Verdict::Healthy, Some(0.0)),
            (hour, -61, Verdict::Down, None),
            (hour.skew(Duration::from_secs(90)), -90, Verdict::Healthy, Some(0.0)),
            (hour.degraded_from(0.5), 1_800, Verdict::Degraded, Some(1_800.0)),
            (hour.degraded_from(1.0), 3_599, Verdict::Healthy, Some(3_599.0)),
            (hour.degraded_from(f64::NAN), 3_599, Verdict::Healthy, Some(3_599.0)),
        ];
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        for (objective, age, verdict, observed) in rows {
            let distance = Duration::from_secs(age.unsigned_abs());
            let then = if *age < 0 { now + distance } else { now - distance };

            let finding = objective.judge(then, now);

            assert_eq!(finding.verdict(), *verdict, "{age} s under {objective:?}");
            assert_eq!(finding.observation(), observed.map(|age| (age, "s")), "{age} s");
        }
    }
}
