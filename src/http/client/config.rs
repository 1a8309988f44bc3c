//! Settings of the client.

use std::sync::Arc;
use std::time::Duration;

use hyper_rustls::ConfigBuilderExt;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use rustls::crypto::ring;

use super::Client;
use super::connector::Connector;
use crate::error::InvalidConfig;
use crate::telemetry::Environment;

/// Settings of a [`Client`], and its builder.
///
/// Plain data: it can be compared, printed and, with the feature `serde`, read from a file. It is
/// checked once, in [`build`](Self::build). [The module's page](super) says what the limits are for.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::http::Client;
///
/// let client = Client::builder()
///     .connect_timeout(Duration::from_millis(500))
///     .max_age(Duration::from_secs(60))
///     .max_idle_per_host(20)
///     .build()?;
/// # let _ = client;
///
/// let error = Client::builder().connect_timeout(Duration::ZERO).build().unwrap_err();
/// assert_eq!(error.field(), "connect_timeout");
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[must_use]
pub struct Config {
    connect_timeout: Duration,
    tcp_user_timeout: Option<Duration>,
    keep_alive: Option<Duration>,
    max_age: Option<Duration>,
    idle_timeout: Option<Duration>,
    max_idle_per_host: usize,
    plain_http: bool,
    http2_only: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(2),
            tcp_user_timeout: Some(Duration::from_secs(10)),
            keep_alive: Some(Duration::from_secs(15)),
            max_age: Some(Duration::from_secs(300)),
            idle_timeout: Some(Duration::from_secs(90)),
            max_idle_per_host: 100,
            plain_http: false,
            http2_only: false,
        }
    }
}

impl Config {
    /// The time for a new connection: name resolution, TCP and TLS together. With several addresses
    /// TCP gives each an equal share, so that one dead address does not take all.
    ///
    /// Default: 2 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The time that sent data may go unacknowledged before the connection fails
    /// (`TCP_USER_TIMEOUT`), or `None` for the system's. Linux and Android; of no effect elsewhere.
    ///
    /// Default: 10 s.
    pub fn tcp_user_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.tcp_user_timeout = timeout.into();
        self
    }

    /// The time without traffic after which a connection is probed, or `None` for never. TCP probes
    /// three times, a third of this time apart; HTTP/2 waits as long as this for the answer to a
    /// ping.
    ///
    /// Default: 15 s.
    pub fn keep_alive(mut self, after: impl Into<Option<Duration>>) -> Self {
        self.keep_alive = after.into();
        self
    }

    /// The age after which a connection takes no further request, or `None` for no bound. Each
    /// connection draws up to a fifth less.
    ///
    /// Default: 5 min.
    pub fn max_age(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.max_age = age.into();
        self
    }

    /// The time for which the pool keeps an idle connection, or `None` for no bound.
    ///
    /// Default: 90 s.
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.idle_timeout = timeout.into();
        self
    }

    /// How many idle connections the pool keeps per host. With 0 each request makes its own.
    ///
    /// Default: 100.
    pub fn max_idle_per_host(mut self, connections: usize) -> Self {
        self.max_idle_per_host = connections;
        self
    }

    /// Whether `http` is allowed besides `https`.
    ///
    /// Default: `false`.
    pub fn plain_http(mut self, allowed: bool) -> Self {
        self.plain_http = allowed;
        self
    }

    /// Whether to speak HTTP/2 only, also without TLS. Otherwise TLS negotiates it, and plain HTTP
    /// is HTTP/1.1.
    ///
    /// Default: `false`.
    pub fn http2_only(mut self, only: bool) -> Self {
        self.http2_only = only;
        self
    }

    /// Checks the settings and makes a client that trusts Mozilla's roots.
    ///
    /// # Errors
    ///
    /// The first field that makes no sense: a time that is zero, or longer than a year;
    /// `tcp_user_timeout` below a millisecond; `keep_alive` below a second.
    pub fn build(&self) -> Result<Client, InvalidConfig> {
        self.build_in(&Environment::new())
    }

    /// As [`build`](Self::build), with this clock and chance.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_in(&self, environment: &Environment) -> Result<Client, InvalidConfig> {
        self.assemble(mozilla(), environment)
    }

    /// As [`build_in`](Self::build_in), with TLS as configured: roots of one's own, a client
    /// certificate.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build), and when `tls` names protocols for ALPN, which follow from
    /// [`http2_only`](Self::http2_only).
    ///
    /// # Example
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use rustls::crypto::ring;
    /// use rustls::{ClientConfig, RootCertStore};
    /// use seawall::http::Client;
    /// use seawall::telemetry::Environment;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let roots = RootCertStore::empty(); // add the certificates of a private authority here
    /// let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
    ///     .with_safe_default_protocol_versions()?
    ///     .with_root_certificates(roots)
    ///     .with_no_client_auth();
    ///
    /// let client = Client::builder().build_with_tls(tls, &Environment::new())?;
    /// # let _ = client;
    /// # Ok(())
    /// # }
    /// ```
    pub fn build_with_tls(
        &self,
        tls: ClientConfig,
        environment: &Environment,
    ) -> Result<Client, InvalidConfig> {
        if !tls.alpn_protocols.is_empty() {
            return Err(InvalidConfig::new("tls", "without ALPN protocols"));
        }
        self.assemble(tls, environment)
    }

    fn assemble(
        &self,
        tls: ClientConfig,
        environment: &Environment,
    ) -> Result<Client, InvalidConfig> {
        self.check()?;
        let tls = HttpsConnectorBuilder::new().with_tls_config(tls);
        let tls = if self.plain_http { tls.https_or_http() } else { tls.https_only() };
        let tcp = self.tcp();
        let tls = if self.http2_only {
            tls.enable_http2().wrap_connector(tcp)
        } else {
            tls.enable_http1().enable_http2().wrap_connector(tcp)
        };
        let connector = Connector::new(tls, self.connect_timeout, self.max_age, environment);

        let mut pool = legacy::Client::builder(TokioExecutor::new());
        pool.timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(self.idle_timeout)
            .pool_max_idle_per_host(self.max_idle_per_host)
            .http2_only(self.http2_only);
        if let Some(after) = self.keep_alive {
            pool.http2_keep_alive_interval(after).http2_keep_alive_timeout(after);
        }
        Ok(Client { inner: pool.build(connector), ages: self.max_age.is_some() })
    }

    fn tcp(&self) -> HttpConnector {
        let mut tcp = HttpConnector::new();
        // TLS and the scheme are up to what is around it.
        tcp.enforce_http(false);
        // A request is written in one go, and must not wait for an acknowledgement.
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(self.connect_timeout));
        tcp.set_keepalive(self.keep_alive);
        tcp.set_keepalive_interval(self.keep_alive.map(|after| (after / 3).max(SECOND)));
        tcp.set_keepalive_retries(self.keep_alive.map(|_| 3));
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        tcp.set_tcp_user_timeout(self.tcp_user_timeout);
        tcp
    }

    fn check(&self) -> Result<(), InvalidConfig> {
        let within = |field, time: Option<Duration>, least: Duration, expected: &'static str| {
            if time.is_none_or(|time| (least..=YEAR).contains(&time)) {
                Ok(())
            } else {
                Err(InvalidConfig::new(field, expected))
            }
        };
        let positive = "longer than zero and at most a year";
        within("connect_timeout", Some(self.connect_timeout), NANO, positive)?;
        within("max_age", self.max_age, NANO, positive)?;
        within("idle_timeout", self.idle_timeout, NANO, positive)?;
        let user = "at least a millisecond and at most a year";
        within("tcp_user_timeout", self.tcp_user_timeout, Duration::from_millis(1), user)?;
        let probe = "at least a second and at most a year";
        within("keep_alive", self.keep_alive, SECOND, probe)
    }
}

/// TLS 1.2 and 1.3, with Mozilla's roots.
fn mozilla() -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has suites for all versions")
        .with_webpki_roots()
        .with_no_client_auth()
}

const NANO: Duration = Duration::from_nanos(1);
const SECOND: Duration = Duration::from_secs(1);
/// Far from what overflows the clocks of hyper and tokio.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use socket2::SockRef;
    use tokio::net::TcpListener;
    use tower_service::Service;

    use super::*;

    #[tokio::test]
    async fn sockets_notice_when_their_other_end_is_gone() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();

        let connection = Config::default().tcp().call(to).await.unwrap();

        let socket = SockRef::from(connection.inner());
        assert!(socket.tcp_nodelay().unwrap());
        assert!(socket.keepalive().unwrap());
        #[cfg(target_os = "linux")]
        {
            let time = Duration::from_secs;
            assert_eq!(socket.tcp_user_timeout().unwrap(), Some(time(10)));
            assert_eq!(socket.tcp_keepalive_time().unwrap(), time(15));
            assert_eq!(socket.tcp_keepalive_interval().unwrap(), time(5));
            assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
        }
    }
}
