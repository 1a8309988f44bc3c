//! Settings of a pool.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{IsolationLevel, NoTls, Socket};

use super::connection::{Connect, Exits, Over, begin};
use super::manager::Manager;
use super::pool::PgPool;
use super::target::{Target, split};
use crate::azure::database::Settings;
use crate::backoff::Backoff;
use crate::circuit_breaker;
use crate::error::InvalidConfig;
use crate::sync::AtomicUsize;
use crate::telemetry::Environment;

/// Settings of a [`PgPool`], and its builder.
///
/// | setting | default | why |
/// |---|---|---|
/// | [`name`](Self::name) | `postgres` | |
/// | [`tls`](Self::tls) | none | tokio-postgres leaves it to a crate of its own |
/// | [`reads`](Self::reads) | `read-only`, with several hosts | a standby first, and the primary where there is none |
/// | [`patience`](Self::patience) | 30 s with several hosts, none with one | a promotion takes seconds |
/// | [`poll_interval`](Self::poll_interval) | 250 ms | four connections a second, for all calls together |
/// | [`handshake_timeout`](Self::handshake_timeout) | 10 s | TCP, TLS, authentication |
/// | [`isolation`](Self::isolation) | the server's | |
/// | [`settings`](Self::settings) | with one host [as they are](Settings) | Azure: at least 5 s before the first repeat |
/// | | with several: waits from 250 ms to 10 s, a breaker that is open for 1 s | the waits for a promotion are those of the look-out |
///
/// What the connection string does not say is set as well: `connect_timeout` 5 s (for each address
/// of a name), `tcp_user_timeout` 10 s, `keepalives_idle` 30 s, `keepalives_interval` 5 s,
/// `keepalives_retries` 3. So a server that is gone without a word is found out within 15 s of a
/// statement, and within 45 s without. Its `target_session_attrs` is not used: a pool has one for
/// writes and one for [reads](Self::reads).
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::azure::postgres::{PgPool, Target};
///
/// let hosts = "host=db-a.internal,db-b.internal user=orders dbname=orders sslmode=require";
/// let config = PgPool::builder(hosts.parse()?)
///     .name("orders")
///     .reads(Target::PreferStandby)
///     .patience(Duration::from_secs(20))
///     .poll_interval(Duration::from_millis(500));
/// let pool = config.build()?;
/// # let _ = pool;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Config {
    name: String,
    database: tokio_postgres::Config,
    tls: Arc<dyn Connect>,
    reads: Option<Target>,
    patience: Option<Duration>,
    poll_interval: Duration,
    handshake_timeout: Duration,
    isolation: Option<IsolationLevel>,
    settings: Option<Settings>,
}

impl Config {
    pub(super) fn new(database: tokio_postgres::Config) -> Self {
        Self {
            name: "postgres".to_owned(),
            database,
            tls: Arc::new(Over(NoTls)),
            reads: None,
            patience: None,
            poll_interval: Duration::from_millis(250),
            handshake_timeout: Duration::from_secs(10),
            isolation: None,
            settings: None,
        }
    }

    /// Names the pool in rejections, events and checks. Its replicas are `<name>/replica`.
    ///
    /// Default: `postgres`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Connects with TLS, as the `sslmode` of the connection string asks for.
    ///
    /// Default: [`NoTls`].
    pub fn tls<T>(mut self, tls: T) -> Self
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send + 'static,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        self.tls = Arc::new(Over(tls));
        self
    }

    /// Where [reads](PgPool::read) go first, on connections of their own. They go to the primary
    /// if there is none, and right away with [`Target::ReadWrite`].
    ///
    /// Default: [`Target::ReadOnly`] with several hosts, [`Target::ReadWrite`] with one.
    pub fn reads(mut self, target: Target) -> Self {
        self.reads = Some(target);
        self
    }

    /// How long a connection looks for a host that takes writes before it fails: up to 1 hour.
    /// With zero, only the host that was connected to last is asked, once.
    ///
    /// Default: 30 s with several hosts, zero with one.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// How long it waits between two looks at one host, a quarter more or less: from 10 ms to 1
    /// minute.
    ///
    /// Default: 250 ms.
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval;
        self
    }

    /// How long one host has for all of a connection: from 1 ms to 1 hour.
    ///
    /// Default: 10 s.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// The isolation of [transactions](PgPool::transaction).
    ///
    /// Default: the server's.
    pub fn isolation(mut self, level: IsolationLevel) -> Self {
        self.isolation = Some(level);
        self
    }

    /// How many connections, for how long, and how often a call is made again.
    ///
    /// Default: see [above](Self).
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = Some(settings);
        self
    }

    /// Makes the pool. It connects when it is first used, in the runtime of that call.
    ///
    /// # Errors
    ///
    /// Names the setting that makes no sense.
    pub fn build(&self) -> Result<PgPool, InvalidConfig> {
        self.build_in(&Environment::new())
    }

    /// As [`build`](Self::build), with this clock, chance and observer.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_in(&self, environment: &Environment) -> Result<PgPool, InvalidConfig> {
        let primary = self.manager_in(Target::ReadWrite, environment)?;
        let has_one = primary.hosts.len() == 1;
        let settings = self.settings.clone().unwrap_or_else(|| defaults(has_one));
        let default = if has_one { Target::ReadWrite } else { Target::ReadOnly };
        let replica = match self.reads.unwrap_or(default) {
            Target::ReadWrite => None,
            target => Some(self.manager_in(target, environment)?),
        };
        PgPool::new(&self.name, &settings, primary, replica, environment)
    }

    /// Opens connections for a pool of your own.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn manager(&self, target: Target) -> Result<Manager, InvalidConfig> {
        self.manager_in(target, &Environment::new())
    }

    pub(super) fn manager_in(
        &self,
        target: Target,
        environment: &Environment,
    ) -> Result<Manager, InvalidConfig> {
        if self.name.is_empty() {
            return Err(InvalidConfig::new("name", "not empty"));
        }
        let hosts = split(&self.database)?;
        let several = if hosts.len() > 1 { Duration::from_secs(30) } else { Duration::ZERO };
        let patience = self.patience.unwrap_or(several);
        let (milli, hour) = (Duration::from_millis(1), Duration::from_secs(3_600));
        if patience > hour {
            return Err(InvalidConfig::new("patience", "at most 1 hour"));
        }
        if !(milli * 10..=Duration::from_secs(60)).contains(&self.poll_interval) {
            return Err(InvalidConfig::new("poll_interval", "from 10 ms to 1 minute"));
        }
        if !(milli..=hour).contains(&self.handshake_timeout) {
            return Err(InvalidConfig::new("handshake_timeout", "from 1 ms to 1 hour"));
        }
        let size =
            self.settings.as_ref().map_or(Settings::default().connections(), Settings::connections);
        let count = hosts.len();
        Ok(Manager {
            hosts,
            target,
            connect: Arc::clone(&self.tls),
            begin: begin(self.isolation),
            handshake: self.handshake_timeout,
            interval: self.poll_interval,
            patience,
            clock: environment.clock.clone(),
            exits: Exits::new(&environment.clock, size),
            rng: environment.rng.clone(),
            known: AtomicUsize::new(0),
            slow: crate::sync::Mutex::new(vec![None; count]),
            looking: Mutex::new(()),
        })
    }
}

/// With several hosts, [`Manager`] waits for the one that is promoted: calls need not.
fn defaults(has_one_host: bool) -> Settings {
    if has_one_host {
        return Settings::default();
    }
    let backoff = Backoff::exponential(Duration::from_millis(250)).max(Duration::from_secs(10));
    let breaker = circuit_breaker::Config::default()
        .time_window(Duration::from_secs(30))
        .min_calls(10)
        .open_for(Duration::from_secs(1));
    Settings::default().backoff(backoff).circuit_breaker(breaker)
}

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use super::*;
    use crate::telemetry::Measure;

    #[test]
    fn a_name_that_follows_the_primary_is_not_asked_again_and_again() {
        let one = PgPool::builder("host=a".parse().unwrap());
        let several = PgPool::builder("host=a,b".parse().unwrap());

        assert_eq!(one.manager(Target::ReadWrite).unwrap().patience, Duration::ZERO);
        let patience = several.manager(Target::ReadWrite).unwrap().patience;
        assert_eq!(patience, Duration::from_secs(30));
        assert_eq!(defaults(true), Settings::default());
        assert_ne!(defaults(false), Settings::default());
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let good = || PgPool::builder("host=a,b".parse().unwrap());
        let (zero, long) = (Duration::ZERO, Duration::from_secs(3_601));
        for (config, field) in [
            (PgPool::builder("user=u".parse().unwrap()), "host"),
            (good().name(""), "name"),
            (good().patience(long), "patience"),
            (good().poll_interval(zero), "poll_interval"),
            (good().poll_interval(Duration::from_millis(9)), "poll_interval"),
            (good().poll_interval(Duration::from_secs(61)), "poll_interval"),
            (good().handshake_timeout(zero), "handshake_timeout"),
            (good().handshake_timeout(long), "handshake_timeout"),
            (good().settings(Settings::default().size(0)), "size"),
        ] {
            assert_eq!(config.build().unwrap_err().field(), field);
        }
        assert!(good().build().is_ok());
        let least = good().patience(zero).poll_interval(Duration::from_millis(10));
        assert!(least.handshake_timeout(Duration::from_millis(1)).build().is_ok());
    }

    #[test]
    fn a_pool_is_measured_server_by_server() {
        let pool = PgPool::builder("host=a,b".parse().unwrap()).name("orders").build().unwrap();
        let mut connections = Vec::new();

        pool.measure(&mut |level| {
            if level.name() == "connections" {
                connections.push(level.policy().to_owned());
            }
        });

        assert_eq!(connections, ["orders/replica", "orders"]);
    }

    #[test]
    fn a_password_is_not_shown() {
        let config = PgPool::builder("host=a password=hunter2".parse().unwrap());

        let shown = format!("{config:?} {:?}", config.build().unwrap());

        assert!(!shown.contains("hunter2") && shown.contains("postgres"), "{shown}");
    }
}
