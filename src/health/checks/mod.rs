//! Ready-made checks.
//!
//! Each function here makes a [`Check`], or a builder with settings of its own that becomes one by
//! its `check()`; all settings of [`Check`] still apply. Settings that make no sense are refused
//! when the check is added to a registry, as all others are.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//!
//! use seawall::health::{Verdict, checks};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let mut check = checks::event_loop_lag("lag")
//!     .degraded_above(Duration::from_secs(5))
//!     .down_above(Duration::from_secs(10))
//!     .check()
//!     .interval(Duration::from_secs(2));
//!
//! assert_eq!(check.run_once().await.verdict(), Verdict::Healthy);
//! # }
//! ```
//!
//! # Which there are
//!
//! | check | looks at | shared | feature |
//! |---|---|---|---|
//! | `tcp` | whether a connection is made | yes | `health` |
//! | `http` | the answer to a GET | yes | `client` |
//! | `tls_certificate` | the end of a server's certificate | yes | `tls` |
//! | `tls_certificate_file` | the end of a certificate in a file | no | `tls` |
//! | `dns` | whether a name resolves | yes | `health` |
//! | `disk_space` | free space and inodes; Unix | no | `health` |
//! | `disk_write` | how long a durable write takes; Unix | no | `health` |
//! | [`memory`] | how much of its memory is left; Linux | no | |
//! | [`cpu`] | whether it waits for processors; Linux | no | |
//! | [`event_loop_lag`] | how late the runtime is | no | |
//!
//! A check that is [local](Check::local) counts for the readiness of its instance, a
//! [shared](Check::shared) one for the region.
//!
//! # What they cost
//!
//! Nothing between two runs. What can block (name resolution, disks, files) runs on a thread that
//! is made for the run, at most one per check: while an earlier run still hangs the next one says so
//! and starts no other. Such a thread keeps no runtime from its end.

#[cfg(feature = "health")]
mod blocking;
#[cfg(all(feature = "health", unix))]
mod disk;
#[cfg(feature = "health")]
mod dns;
#[cfg(feature = "client")]
mod http;
mod lag;
mod pressure;
#[cfg(feature = "health")]
mod target;
#[cfg(feature = "health")]
mod tcp;
#[cfg(feature = "tls")]
mod tls;

#[cfg(all(feature = "health", unix))]
#[cfg_attr(docsrs, doc(cfg(all(feature = "health", unix))))]
pub use disk::{DiskSpace, DiskWrite, Free, disk_space, disk_write};
#[cfg(feature = "health")]
#[cfg_attr(docsrs, doc(cfg(feature = "health")))]
pub use dns::{Dns, dns};
#[cfg(feature = "client")]
#[cfg_attr(docsrs, doc(cfg(feature = "client")))]
pub use http::{Http, http};
pub use lag::{EventLoopLag, event_loop_lag};
pub use pressure::{Cpu, Memory, cpu, memory};
#[cfg(feature = "health")]
#[cfg_attr(docsrs, doc(cfg(feature = "health")))]
pub use tcp::tcp;
#[cfg(feature = "tls")]
#[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
pub use tls::{TlsCertificate, TlsCertificateFile, tls_certificate, tls_certificate_file};

#[cfg(feature = "health")]
pub(super) use target::Target;

use std::future::Future;
use std::time::Duration;

use super::{Check, Finding, Verdict};
use crate::error::InvalidConfig;

/// A check that runs `probe`, or one that is refused later.
fn check<F, Fut>(name: String, probe: Result<F, InvalidConfig>) -> Check
where
    F: FnMut() -> Fut + Send + 'static,
    Fut: Future<Output = Finding> + Send + 'static,
{
    match probe {
        Ok(probe) => Check::new(name, probe),
        Err(error) => Check::refused(name, error),
    }
}

/// From where on something is degraded, and down.
///
/// It rises with what is wrong; the other way round both are negative.
#[derive(Clone, Copy, Debug)]
struct Limits {
    degraded: f64,
    down: f64,
}

impl Limits {
    fn judge(self, value: f64) -> Verdict {
        if value >= self.down {
            Verdict::Down
        } else if value >= self.degraded {
            Verdict::Degraded
        } else {
            Verdict::Healthy
        }
    }

    /// What `value` means, with the reason in `detail` unless all is well.
    fn find(self, value: f64, detail: impl std::fmt::Display) -> Finding {
        match self.judge(value) {
            Verdict::Down => Finding::down(detail),
            Verdict::Degraded => Finding::degraded(detail),
            Verdict::Healthy => Finding::healthy(),
        }
    }
}

/// Limits on how long something takes.
#[derive(Clone, Copy, Debug)]
struct Times {
    degraded_above: Duration,
    down_above: Duration,
}

impl Times {
    fn limits(self) -> Result<Limits, InvalidConfig> {
        if self.degraded_above.is_zero() {
            return Err(InvalidConfig::new("degraded_above", "longer than zero"));
        }
        if self.down_above < self.degraded_above {
            return Err(InvalidConfig::new("down_above", "no shorter than `degraded_above`"));
        }
        Ok(Limits {
            degraded: self.degraded_above.as_secs_f64(),
            down: self.down_above.as_secs_f64(),
        })
    }
}

/// Whether `percent` is one that can be reached, and not always is.
fn percent(field: &'static str, percent: f64) -> Result<f64, InvalidConfig> {
    if percent > 0.0 && percent <= 100.0 {
        Ok(percent)
    } else {
        Err(InvalidConfig::new(field, "above 0 and up to 100"))
    }
}

/// A count as a number to compute shares with.
#[expect(clippy::cast_precision_loss, reason = "shares are told to a few digits")]
const fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    #[cfg(feature = "client")]
    use std::ops::RangeInclusive;

    use super::*;

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        let (zero, long) = (Duration::ZERO, Duration::from_secs(100));
        let lag = || event_loop_lag("a");
        let rows = [
            (lag().samples(0).check(), "samples"),
            (lag().samples(1_001).check(), "samples"),
            (lag().degraded_above(zero).check(), "degraded_above"),
            (lag().degraded_above(long).check(), "down_above"),
            (memory("a").root("/x").degraded_above(0.0).check(), "degraded_above"),
            (memory("a").root("/x").degraded_above(f64::NAN).check(), "degraded_above"),
            (memory("a").root("/x").down_above(100.1).check(), "down_above"),
            (memory("a").root("/x").down_above(50.0).check(), "down_above"),
            (memory("a").root("/x").stalled_above(-1.0).check(), "stalled_above"),
            (cpu("a").root("/x").throttled_above(0.0).check(), "throttled_above"),
            (cpu("a").root("/x").stalled_above(101.0).check(), "stalled_above"),
            (cpu("a").root("/x").load_above(f64::INFINITY).check(), "load_above"),
            (cpu("a").root("/x").load_above(0.0).check(), "load_above"),
            // As for all checks.
            (lag().check().interval(zero), "interval"),
        ];
        for (check, field) in rows {
            assert_eq!(check.validate().unwrap_err().field(), field);
        }
    }

    #[cfg(all(feature = "health", unix))]
    #[test]
    fn settings_of_names_and_disks_that_make_no_sense_are_refused() {
        let long = Duration::from_secs(100);
        let space = || disk_space("a", "/");
        let rows = [
            (tcp("a", "b"), "address"),
            (dns("a", "").check(), "host"),
            (dns("a", "b:80").check(), "host"),
            (dns("a", "b").at_least(0).check(), "at_least"),
            (space().degraded_below(Free::Percent(0.0)).check(), "degraded_below"),
            (space().down_below(Free::Percent(f64::NAN)).check(), "down_below"),
            (space().down_below(Free::Percent(100.5)).check(), "down_below"),
            (space().down_below(Free::Bytes(0)).check(), "down_below"),
            (space().down_below(Free::Percent(15.1)).check(), "down_below"),
            (
                space().degraded_below(Free::Bytes(1)).down_below(Free::Bytes(2)).check(),
                "down_below",
            ),
            (disk_write("a", "/").degraded_above(Duration::ZERO).check(), "degraded_above"),
            (disk_write("a", "/").degraded_above(long).check(), "down_above"),
        ];
        for (check, field) in rows {
            assert_eq!(check.validate().unwrap_err().field(), field);
        }
    }

    #[cfg(feature = "client")]
    #[test]
    fn settings_of_requests_that_make_no_sense_are_refused() {
        let get = || http("a", "http://b/");
        let rows = [
            (http("a", "http://user:secret@b/").check(), "url"),
            (http("a", "/secret").check(), "url"),
            (get().statuses(99..=200).check(), "statuses"),
            (get().statuses(200..=600).check(), "statuses"),
            (get().statuses(RangeInclusive::new(300, 200)).check(), "statuses"),
            (get().body_contains("").check(), "body_contains"),
            (get().body_contains("a".repeat(1_025)).check(), "body_contains"),
            (get().degraded_above(Duration::ZERO).check(), "degraded_above"),
            (get().header("a b", "c").check(), "header"),
            (get().header("a", "secret\n").check(), "header"),
            (get().expect_header("", "secret").check(), "expect_header"),
        ];
        for (check, field) in rows {
            let error = check.validate().unwrap_err();
            assert_eq!(error.field(), field);
            assert!(!format!("{check:?}{error:?}").contains("secret"));
        }
    }

    #[cfg(feature = "tls")]
    #[test]
    fn settings_of_certificates_that_make_no_sense_are_refused() {
        let month = Duration::from_secs(30 * 86_400);
        let rows = [
            (tls_certificate("a", "b").check(), "address"),
            (tls_certificate("a", "b:1").server_name("c d").check(), "server_name"),
            (tls_certificate("a", "b:1").down_below(month).check(), "down_below"),
            (tls_certificate_file("a", "/b").down_below(month).check(), "down_below"),
        ];
        for (check, field) in rows {
            assert_eq!(check.validate().unwrap_err().field(), field);
        }
    }

    #[test]
    fn what_is_this_instance_s_own_counts_for_readiness() {
        assert!(!memory("a").check().settings.shared);
        assert!(!cpu("a").check().settings.shared);
        assert!(!event_loop_lag("a").check().settings.shared);
    }
}
