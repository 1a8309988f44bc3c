//! The names under which a failover group listens.

use crate::error::InvalidConfig;

/// A failover group: two names that never change, for the database that is written to and for the
/// one that is read from.
///
/// | form | read-write | read-only |
/// |---|---|---|
/// | [`new`](Self::new) | `<group>.database.windows.net` | `<group>.secondary.database.windows.net` |
/// | [`managed_instance`](Self::managed_instance) | `<group>.<zone>.database.windows.net` | `<group>.secondary.<zone>.database.windows.net` |
///
/// Both are aliases that live for 30 s: after a failover, whoever resolves them anew meets the right
/// server.
///
/// # Example
///
/// ```
/// use seawall::azure::sql::FailoverGroup;
///
/// let group = FailoverGroup::new("orders")?;
/// assert_eq!(group.read_write(), "orders.database.windows.net");
/// assert_eq!(group.read_only(), "orders.secondary.database.windows.net");
///
/// let group = FailoverGroup::managed_instance("orders", "a1b2c3d4")?;
/// assert_eq!(group.read_only(), "orders.secondary.a1b2c3d4.database.windows.net");
///
/// assert!(FailoverGroup::new("no.dots").is_err());
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FailoverGroup {
    name: String,
    zone: Option<String>,
    suffix: String,
}

impl FailoverGroup {
    /// A group of logical servers.
    ///
    /// # Errors
    ///
    /// When `name` is no label of a host: 1 to 63 letters, digits and hyphens within.
    pub fn new(name: &str) -> Result<Self, InvalidConfig> {
        Ok(Self { name: label("failover_group", name)?, zone: None, suffix: SUFFIX.into() })
    }

    /// A group of managed instances, whose names hold the identity of their DNS zone.
    ///
    /// # Errors
    ///
    /// When `name` or `zone` is no label of a host.
    pub fn managed_instance(name: &str, zone: &str) -> Result<Self, InvalidConfig> {
        let zone = Some(label("zone", zone)?);
        Ok(Self { zone, ..Self::new(name)? })
    }

    /// The end of the names, in clouds that are not the public one.
    ///
    /// Default: `database.windows.net`.
    ///
    /// # Errors
    ///
    /// When `suffix` is not made of labels and dots.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::azure::sql::FailoverGroup;
    ///
    /// let group = FailoverGroup::new("orders")?.suffix("database.usgovcloudapi.net")?;
    /// assert_eq!(group.read_write(), "orders.database.usgovcloudapi.net");
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    pub fn suffix(mut self, suffix: &str) -> Result<Self, InvalidConfig> {
        if suffix.len() > 128 {
            return Err(InvalidConfig::new("suffix", "at most 128 bytes long"));
        }
        for part in suffix.split('.') {
            label("suffix", part)?;
        }
        self.suffix = suffix.to_ascii_lowercase();
        Ok(self)
    }

    /// The name that leads to the primary.
    #[must_use]
    pub fn read_write(&self) -> String {
        self.host("")
    }

    /// The name that leads to the secondary.
    #[must_use]
    pub fn read_only(&self) -> String {
        self.host("secondary.")
    }

    fn host(&self, role: &str) -> String {
        let Self { name, zone, suffix } = self;
        match zone {
            Some(zone) => format!("{name}.{role}{zone}.{suffix}"),
            None => format!("{name}.{role}{suffix}"),
        }
    }
}

fn label(field: &'static str, label: &str) -> Result<String, InvalidConfig> {
    let is_label = (1..=63).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-');
    if is_label {
        Ok(label.to_ascii_lowercase())
    } else {
        Err(InvalidConfig::new(field, "letters, digits and hyphens within, at most 63"))
    }
}

const SUFFIX: &str = "database.windows.net";
