//! How a storage account with a readable secondary is used.

use std::time::Duration;

use azure_core::http::Url;

use super::host::Twin;
use crate::error::InvalidConfig;

/// How reads use the secondary of a storage account with RA-GRS or RA-GZRS.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::azure::Resilience;
/// use seawall::azure::storage::ReadAccess;
///
/// let orders = Resilience::storage("orders")
///     .read_access(ReadAccess::new().hold(Duration::from_secs(120)).refuse_writes(true))
///     .build()?;
/// # let _ = orders;
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct ReadAccess {
    pub(super) twins: Vec<Twin>,
    pub(super) failures: u32,
    pub(super) hold: Duration,
    pub(super) probe_interval: Duration,
    pub(super) probe_timeout: Duration,
    pub(super) sync_interval: Duration,
    pub(super) gone_for: Duration,
    pub(super) refuse_writes: bool,
}

impl ReadAccess {
    /// The default settings: the secondary has the primary's name with `-secondary` after that of
    /// the account.
    pub const fn new() -> Self {
        Self {
            twins: Vec::new(),
            failures: 5,
            hold: Duration::from_secs(60),
            probe_interval: Duration::from_secs(5),
            probe_timeout: Duration::from_secs(2),
            sync_interval: Duration::from_secs(60),
            gone_for: Duration::from_secs(600),
            refuse_writes: false,
        }
    }

    /// The secondary of `primary` is at `secondary`: for names of one's own, and for other
    /// accounts that hold the same data and take the same credential. Can be called several times;
    /// the longest address that fits counts.
    ///
    /// Only scheme, host, port and path are kept: a signature is no part of where something is.
    pub fn endpoints(mut self, mut primary: Url, mut secondary: Url) -> Self {
        for url in [&mut primary, &mut secondary] {
            url.set_query(None);
            url.set_fragment(None);
            // Fails for addresses without a host, which `build` refuses.
            let _ = url.set_password(None);
            let _ = url.set_username("");
        }
        self.twins.push(Twin { primary, secondary });
        self
    }

    /// So many calls in a row that the primary failed make reads begin at the secondary.
    ///
    /// Default: 5.
    pub const fn failures(mut self, calls: u32) -> Self {
        self.failures = calls;
        self
    }

    /// How long the primary must answer all probes before reads go back to it. Doubled, up to
    /// eight times, each time that it fails again within ten times this.
    ///
    /// Default: 60 s.
    pub const fn hold(mut self, time: Duration) -> Self {
        self.hold = time;
        self
    }

    /// The time between probes of a primary that has failed.
    ///
    /// Default: 5 s.
    pub const fn probe_interval(mut self, interval: Duration) -> Self {
        self.probe_interval = interval;
        self
    }

    /// The time for one probe.
    ///
    /// Default: 2 s.
    pub const fn probe_timeout(mut self, timeout: Duration) -> Self {
        self.probe_timeout = timeout;
        self
    }

    /// How often the Last Sync Time is asked for, while there are reads. The service itself
    /// computes it every few minutes. Needs the feature `azure-storage`.
    ///
    /// Default: 60 s.
    pub const fn sync_interval(mut self, interval: Duration) -> Self {
        self.sync_interval = interval;
        self
    }

    /// How long a secondary is left alone whose name has vanished, as it does after a failover.
    ///
    /// Default: 10 min.
    pub const fn gone_for(mut self, time: Duration) -> Self {
        self.gone_for = time;
        self
    }

    /// Whether writes are turned away at once while reads begin at the secondary, instead of being
    /// tried at the primary.
    ///
    /// Default: `false`.
    pub const fn refuse_writes(mut self, refuse: bool) -> Self {
        self.refuse_writes = refuse;
        self
    }

    pub(in crate::azure) fn check(&self) -> Result<(), InvalidConfig> {
        if self.failures == 0 {
            return Err(InvalidConfig::new("failures", "at least 1"));
        }
        for (field, time) in [
            ("hold", self.hold),
            ("probe_interval", self.probe_interval),
            ("probe_timeout", self.probe_timeout),
            ("sync_interval", self.sync_interval),
            ("gone_for", self.gone_for),
        ] {
            if time < Duration::from_millis(1) {
                return Err(InvalidConfig::new(field, "at least a millisecond"));
            }
        }
        for Twin { primary, secondary } in &self.twins {
            if primary.cannot_be_a_base() || secondary.cannot_be_a_base() {
                return Err(InvalidConfig::new("endpoints", "addresses with a host"));
            }
            if primary == secondary {
                return Err(InvalidConfig::new("endpoints", "two addresses that differ"));
            }
        }
        Ok(())
    }
}

impl Default for ReadAccess {
    fn default() -> Self {
        Self::new()
    }
}
