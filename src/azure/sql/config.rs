//! Settings of a pool.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use tiberius::AuthMethod;

use super::{FailoverGroup, Manager, SqlPool};
use crate::azure::database::Settings;
use crate::error::InvalidConfig;
use crate::telemetry::Environment;

/// Settings of a [`SqlPool`], and its builder.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::azure::database::Settings;
/// use seawall::azure::sql::{FailoverGroup, SqlPool};
/// use tiberius::{AuthMethod, Config};
///
/// let mut config = Config::new();
/// config.database("orders");
/// config.authentication(AuthMethod::sql_server("app", "secret"));
///
/// let pool = SqlPool::builder(config)
///     .name("orders")
///     .failover_group(&FailoverGroup::new("orders-group")?)
///     .connect_timeout(Duration::from_secs(10))
///     .settings(Settings::default().size(30))
///     .build()?;
/// # let _ = pool;
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Config {
    name: String,
    primary: Manager,
    secondary: Secondary,
    settings: Settings,
}

/// Where reads go first.
#[derive(Clone)]
enum Secondary {
    None,
    /// To another name, with the intent to read only.
    Host(String),
    /// To the same name, with the intent to read only.
    Intent,
    Other(Box<tiberius::Config>),
}

impl Config {
    pub(super) fn new(config: tiberius::Config) -> Self {
        Self {
            name: "sql".into(),
            primary: Manager::new(config),
            secondary: Secondary::None,
            settings: Settings::default(),
        }
    }

    /// The name in rejections, events, levels and checks.
    ///
    /// Default: `sql`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Connects by the names of a failover group: writes to its primary, and
    /// [reads](SqlPool::read) to its secondary first.
    ///
    /// Default: the server that the connection's settings name, for both.
    pub fn failover_group(mut self, group: &FailoverGroup) -> Self {
        self.primary = self.primary.change(|config| config.host(group.read_write()));
        self.secondary = Secondary::Host(group.read_only());
        self
    }

    /// [Reads](SqlPool::read) go first to a replica in the same region, by the same name with
    /// `ApplicationIntent=ReadOnly`: where the tier has one.
    ///
    /// Default: reads go to the primary.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::azure::sql::SqlPool;
    ///
    /// let pool = SqlPool::builder(tiberius::Config::new()).read_scale_out().build()?;
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    pub fn read_scale_out(mut self) -> Self {
        self.secondary = Secondary::Intent;
        self
    }

    /// [Reads](SqlPool::read) go first to the server of these settings.
    ///
    /// Default: reads go to the primary.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::azure::sql::SqlPool;
    ///
    /// let mut replica = tiberius::Config::new();
    /// replica.host("replica.example.org");
    /// replica.readonly(true);
    ///
    /// let pool = SqlPool::builder(tiberius::Config::new()).read_from(replica).build()?;
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    pub fn read_from(mut self, config: tiberius::Config) -> Self {
        self.secondary = Secondary::Other(Box::new(config));
        self
    }

    /// How long it may take until a connection is open: from 1 ms to 1 hour.
    ///
    /// Default: 30 s. See [`Manager::connect_timeout`].
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.primary = self.primary.connect_timeout(timeout);
        self
    }

    /// Asks for the way to authenticate before each connection: see [`Manager::authenticate`].
    ///
    /// Default: what the connection's settings say.
    ///
    /// # Example
    ///
    /// See [`Manager::authenticate`].
    pub fn authenticate<F, Fut>(mut self, authenticate: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<AuthMethod, tiberius::error::Error>> + Send + 'static,
    {
        self.primary = self.primary.authenticate(authenticate);
        self
    }

    /// Connections, waits, attempts.
    ///
    /// Default: see [`Settings`].
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Makes the pool. It connects when it is first used.
    ///
    /// # Errors
    ///
    /// Names the setting that is out of range.
    pub fn build(&self) -> Result<SqlPool, InvalidConfig> {
        self.build_in(&Environment::new())
    }

    /// Makes the pool, with a clock, a chance and an observer of the caller's.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_in(&self, environment: &Environment) -> Result<SqlPool, InvalidConfig> {
        let timeouts = Duration::from_millis(1)..=Duration::from_secs(3_600);
        if !timeouts.contains(&self.primary.timeout()) {
            return Err(InvalidConfig::new("connect_timeout", "from 1 ms to 1 hour"));
        }
        let reads = |change: &dyn Fn(&mut tiberius::Config)| {
            Some(self.primary.clone().change(|config| {
                change(config);
                config.readonly(true);
            }))
        };
        let secondary = match &self.secondary {
            Secondary::None => None,
            Secondary::Host(host) => reads(&|config| config.host(host)),
            Secondary::Intent => reads(&|_| {}),
            Secondary::Other(other) => {
                Some(self.primary.clone().change(|config| config.clone_from(other)))
            }
        };
        SqlPool::new(&self.name, self.primary.clone(), secondary, &self.settings, environment)
    }
}

/// Without the connection's settings, which hold secrets.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("name", &self.name)
            .field("primary", &self.primary)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
