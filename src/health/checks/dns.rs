//! Whether a name resolves.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use super::super::{Check, Finding};
use super::target::Target;
use crate::error::InvalidConfig;
use crate::time::Clock;

/// Whether `host` resolves, as the system resolves names for everything else in the process.
///
/// What is observed is how long it took, in seconds. It is shared by default.
///
/// # Cancel safety
///
/// A resolution can not be stopped: one that hangs keeps its thread until it ends, and until then
/// further runs are down and start no other.
///
/// # Example
///
/// ```
/// use std::net::Ipv4Addr;
///
/// use seawall::health::{Verdict, checks};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut check = checks::dns("names", "127.0.0.1").expect(Ipv4Addr::LOCALHOST).check();
///
/// assert_eq!(check.run_once().await.verdict(), Verdict::Healthy);
/// # }
/// ```
pub fn dns(name: impl Into<String>, host: impl Into<String>) -> Dns {
    Dns { name: name.into(), host: host.into(), expected: BTreeSet::new(), at_least: 1 }
}

/// Settings of [`dns`].
///
/// # Example
///
/// ```
/// use seawall::health::Check;
/// use seawall::health::checks::{Dns, dns};
///
/// let settings: Dns = dns("names", "db.example").at_least(2);
/// let check = Check::from(settings);
/// # let _ = check;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Dns {
    name: String,
    host: String,
    expected: BTreeSet<IpAddr>,
    at_least: usize,
}

impl Dns {
    /// It is down unless `address` is among those that the name resolves to. Can be asked for
    /// several addresses.
    ///
    /// Default: any will do.
    pub fn expect(mut self, address: impl Into<IpAddr>) -> Self {
        self.expected.insert(address.into());
        self
    }

    /// It is down unless the name resolves to so many different addresses.
    ///
    /// Default: 1.
    pub fn at_least(mut self, addresses: usize) -> Self {
        self.at_least = addresses;
        self
    }

    /// Makes the check.
    ///
    /// # Errors
    ///
    /// A host that is none, and `at_least` of 0, are refused when the check is added to a registry.
    pub fn check(self) -> Check {
        let Self { name, host, expected, at_least } = self;
        let target = if at_least == 0 {
            Err(InvalidConfig::new("at_least", "at least 1"))
        } else {
            Target::name(&host)
                .ok_or_else(|| InvalidConfig::new("host", "a host's name or address"))
        };
        let probe = target.map(|target| {
            move || {
                let (target, expected) = (target.clone(), expected.clone());
                async move {
                    let clock = Clock::default();
                    let begin = clock.now();
                    let found = match target.addresses().await {
                        Ok(found) => found.iter().map(SocketAddr::ip).collect(),
                        Err(finding) => return finding,
                    };
                    let took = clock.now().since(begin);
                    judge(&found, &expected, at_least).observed(took.as_secs_f64(), "s")
                }
            }
        });
        super::check(name, probe)
    }
}

impl From<Dns> for Check {
    fn from(settings: Dns) -> Self {
        settings.check()
    }
}

fn judge(found: &BTreeSet<IpAddr>, expected: &BTreeSet<IpAddr>, at_least: usize) -> Finding {
    if let Some(missing) = expected.difference(found).next() {
        return Finding::down(format_args!("does not resolve to {missing}"));
    }
    if found.len() < at_least {
        let count = found.len();
        return Finding::down(format_args!("resolves to {count} of at least {at_least} addresses"));
    }
    Finding::healthy()
}

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use super::*;
    use crate::health::Verdict;

    #[test]
    fn judges_as_the_table_says() {
        let rows: &[(&[u8], &[u8], usize, Verdict)] = &[
            (&[1], &[], 1, Verdict::Healthy),
            (&[1, 2], &[2], 2, Verdict::Healthy),
            (&[1, 2], &[3], 1, Verdict::Down),
            (&[1, 2], &[1, 3], 1, Verdict::Down),
            (&[1], &[1], 2, Verdict::Down),
        ];
        for (found, expected, at_least, verdict) in rows {
            let set = |last: &[u8]| {
                last.iter().map(|last| IpAddr::from([10, 0, 0, *last])).collect::<BTreeSet<_>>()
            };
            let finding = judge(&set(found), &set(expected), *at_least);
            assert_eq!(finding.verdict(), *verdict, "{found:?} {expected:?} {at_least}");
        }
    }
}
