//! The settings of the client.

use std::sync::Arc;
use std::time::Duration;

use http::uri::{PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use http_body::Body;
use tower_service::Service;

use super::transport::{self, Transport};
use super::{Imds, Presence, Shared};
use crate::backoff::Backoff;
use crate::error::{BoxError, InvalidConfig};
use crate::http::Client;
use crate::rate_limit::Quota;
use crate::retry::Retry;
use crate::sync::Mutex;
use crate::telemetry::Environment;
use crate::timeout::Timeout;

/// Settings of an [`Imds`], and its builder.
///
/// Plain data: it can be compared, printed and, with the feature `serde`, read from a file. It is
/// checked once, in [`build`](Self::build).
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::azure::Imds;
///
/// // Three other processes of this machine ask as well.
/// let imds = Imds::builder().per_second(1).timeout(Duration::from_secs(2)).build()?;
///
/// let error = Imds::builder().endpoint("https://169.254.169.254").build().unwrap_err();
/// assert_eq!(error.field(), "endpoint");
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[must_use]
pub struct Config {
    endpoint: String,
    connect_timeout: Duration,
    timeout: Duration,
    retry_for: Duration,
    per_second: u32,
    max_body: usize,
    absent_for: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: "http://169.254.169.254".into(),
            connect_timeout: Duration::from_secs(1),
            timeout: Duration::from_secs(5),
            retry_for: Duration::from_secs(70),
            per_second: 5,
            max_body: 1024 * 1024,
            absent_for: Duration::from_secs(60),
        }
    }
}

impl Config {
    /// Where the service is: `http://`, a host, perhaps a port.
    ///
    /// Default: `http://169.254.169.254`, the address that Azure gives it.
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = endpoint.into();
        self
    }

    /// The time for a connection, longer than zero. Where there is no such service, this is how
    /// long it takes to know.
    ///
    /// Default: 1 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The time for one request, its answer's body included; longer than zero.
    ///
    /// Default: 5 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The time for all attempts at a document, longer than zero. The service may be gone (410) for
    /// 70 s.
    ///
    /// Default: 70 s.
    pub fn retry_for(mut self, time: Duration) -> Self {
        self.retry_for = time;
        self
    }

    /// How many requests are made in a second, from 1 to 20, evenly spaced. All processes of a
    /// machine share what the service allows, which is 5.
    ///
    /// Default: 5.
    pub fn per_second(mut self, requests: u32) -> Self {
        self.per_second = requests;
        self
    }

    /// How much of an answer is read, in bytes, from 1 KiB to 16 MiB. A larger one is an error.
    ///
    /// Default: 1,048,576.
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// How long it is believed that there is no such service, once a connection failed and none
    /// ever was made. Up to a day.
    ///
    /// Default: 60 s.
    pub fn absent_for(mut self, time: Duration) -> Self {
        self.absent_for = time;
        self
    }

    /// Builds the client.
    ///
    /// # Errors
    ///
    /// Names the first field that makes no sense.
    pub fn build(&self) -> Result<Imds, InvalidConfig> {
        self.build_in(&Environment::new())
    }

    /// Builds the client with the clock, chance and observer of `environment`.
    ///
    /// # Errors
    ///
    /// Names the first field that makes no sense.
    pub fn build_in(&self, environment: &Environment) -> Result<Imds, InvalidConfig> {
        let client = Client::builder()
            .plain_http(true)
            .connect_timeout(self.connect_timeout)
            .max_idle_per_host(1)
            .build_in(environment)?;
        self.build_over(client, environment)
    }

    /// Builds the client over a service of your own, in place of a connection: a stand-in for the
    /// metadata service, or an HTTP client that you have.
    ///
    /// It must send the headers that it is given, follow no redirects and ask no proxy. An error of hyper-util's client that
    /// [`is_connect`](hyper_util::client::legacy::Error::is_connect) means that there is no such
    /// service.
    ///
    /// # Errors
    ///
    /// Names the first field that makes no sense.
    pub fn build_over<S, B>(
        &self,
        service: S,
        environment: &Environment,
    ) -> Result<Imds, InvalidConfig>
    where
        S: Service<Request<String>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Future: Send,
        S::Error: Into<BoxError>,
        B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        if !(1024..=16 * 1024 * 1024).contains(&self.max_body) {
            return Err(InvalidConfig::new("max_body", "from 1 KiB to 16 MiB"));
        }
        self.assemble(transport::over(service, self.max_body), environment)
    }

    fn assemble(
        &self,
        transport: Transport,
        environment: &Environment,
    ) -> Result<Imds, InvalidConfig> {
        if !(1..=20).contains(&self.per_second) {
            return Err(InvalidConfig::new("per_second", "from 1 to 20"));
        }
        if self.absent_for > DAY {
            return Err(InvalidConfig::new("absent_for", "at most a day"));
        }
        // One after the other: with a burst, a second that begins in its midst would see more.
        let limiter = Quota::per_second(self.per_second)
            .name("imds")
            .burst(1)
            .max_waiting(100)
            .max_wait(Duration::from_secs(30))
            .build_in(environment)?;
        // As many as fit into the time: that is the limit.
        let backoff = Backoff::exponential(Duration::from_secs(1)).max(Duration::from_secs(10));
        let retry = Retry::builder().name("imds").max_attempts(1_000).without_budget();
        let retry = retry.backoff(backoff).build_in(environment)?;
        let shared = Shared {
            endpoint: self.base()?,
            transport,
            limiter,
            attempt: timeout("timeout", self.timeout, environment)?,
            total: timeout("retry_for", self.retry_for, environment)?,
            retry,
            absent_for: self.absent_for,
            clock: environment.clock.clone(),
            presence: Mutex::new(Presence::Unknown),
            instance: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        };
        Ok(Imds { shared: Arc::new(shared) })
    }

    /// Scheme and authority, and nothing after them.
    fn base(&self) -> Result<String, InvalidConfig> {
        let wrong = || InvalidConfig::new("endpoint", "`http://`, a host, perhaps a port, no more");
        let uri = self.endpoint.parse::<Uri>().map_err(|_| wrong())?;
        let is_bare =
            uri.path_and_query().is_none_or(|path| *path == PathAndQuery::from_static("/"));
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        match authority {
            Some(authority) if is_bare && uri.scheme() == Some(&Scheme::HTTP) => {
                Ok(format!("http://{authority}"))
            }
            _ => Err(wrong()),
        }
    }
}

/// A timeout whose length is the setting `field`.
pub(in crate::azure) fn timeout(
    field: &'static str,
    after: Duration,
    environment: &Environment,
) -> Result<Timeout, InvalidConfig> {
    let timeout = Timeout::builder().name("imds").after(after);
    timeout.build_in(environment).map_err(|error| error.renamed(field))
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
