//! One question, and what its answer means.

use std::fmt;
use std::ops::RangeInclusive;

use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::address::Allowed;
use super::config::Config;
use crate::error::InvalidConfig;
use crate::health::checks::Target;
use crate::health::{Finding, expect};

/// What is asked, and what is to be answered.
pub(super) struct Exchange {
    target: Target,
    allowed: Allowed,
    #[cfg(feature = "tls")]
    tls: Option<super::tls::Tls>,
    path: Uri,
    send: HeaderMap,
    statuses: Vec<RangeInclusive<u16>>,
    expect: HeaderMap,
    identity: HeaderMap,
    body: Option<Bytes>,
    degraded: HeaderName,
}

/// What a probe found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) finding: Finding,
    /// Whether it counts at once, and not after some more of its kind.
    pub(super) at_once: bool,
}

impl From<Finding> for Found {
    fn from(finding: Finding) -> Self {
        Self { finding, at_once: false }
    }
}

impl Exchange {
    pub(super) fn new(config: &Config) -> Result<Self, InvalidConfig> {
        let sound = |range: &RangeInclusive<u16>| {
            100 <= *range.start() && range.start() <= range.end() && *range.end() <= 599
        };
        if !(1..=8).contains(&config.statuses.len()) || !config.statuses.iter().all(sound) {
            return Err(InvalidConfig::new("statuses", "1 to 8 ranges within 100 to 599"));
        }
        let Url { target, secure, host, path } = Url::parse(&config.url)?;
        let mut send = expect::headers("header", &config.send)?;
        send.entry(HOST).or_insert(host);
        send.entry(USER_AGENT).or_insert(HeaderValue::from_static("seawall"));
        #[cfg(feature = "tls")]
        let tls = secure.then(|| super::tls::Tls::new(&target.host())).transpose()?;
        #[cfg(not(feature = "tls"))]
        if secure {
            return Err(InvalidConfig::new("url", "of http, as the feature `tls` is off"));
        }
        let degraded = config.degraded.parse();
        Ok(Self {
            target,
            allowed: config.allowed,
            #[cfg(feature = "tls")]
            tls,
            path,
            send,
            statuses: config.statuses.clone(),
            expect: expect::headers("expect_header", &config.expect)?,
            identity: expect::headers("expect_identity", &config.identity)?,
            body: expect::text(config.body.as_ref())?,
            degraded: degraded
                .map_err(|_| InvalidConfig::new("degraded_header", "a header's name"))?,
        })
    }

    /// Asks once.
    pub(super) async fn run(&self) -> Found {
        match self.ask().await {
            Ok(found) => found,
            Err(finding) => finding.into(),
        }
    }

    async fn ask(&self) -> Result<Found, Finding> {
        let stream = self.connect().await?;
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return self.converse(tls.connect(stream).await.map_err(Finding::down)?).await;
        }
        self.converse(stream).await
    }

    /// A connection to the first address that is allowed and takes one.
    async fn connect(&self) -> Result<TcpStream, Finding> {
        let mut refused = Finding::down("all of its addresses are of a kind that is not allowed");
        for address in self.target.addresses().await? {
            // The address that is looked at is the one that is connected to.
            if self.allowed.allows(address.ip()) {
                match TcpStream::connect(address).await {
                    Ok(stream) => return Ok(stream),
                    Err(error) => refused = Finding::down(error),
                }
            }
        }
        Err(refused)
    }

    async fn converse<S>(&self, stream: S) -> Result<Found, Finding>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut builder = http1::Builder::new();
        builder.max_buf_size(expect::MAX_BODY).max_headers(64);
        let (mut sender, connection) =
            builder.handshake(TokioIo::new(stream)).await.map_err(Finding::down)?;
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = self.path.clone();
        *request.headers_mut() = self.send.clone();
        let answer = async {
            let response = sender.send_request(request).await.map_err(Finding::down)?;
            self.judge(response).await
        };
        let mut answer = std::pin::pin!(answer);
        tokio::select! {
            biased;
            found = &mut answer => found,
            // What was read before the connection's end is still there.
            _ended = connection => answer.await,
        }
    }

    async fn judge(&self, response: Response<Incoming>) -> Result<Found, Finding> {
        let answered = response.headers();
        if let Some(name) = expect::missing(&self.identity, answered) {
            let finding = Finding::down(format_args!("header {name} is somebody else's"));
            return Ok(Found { finding, at_once: true });
        }
        if answered.contains_key(FAIL_AT_ONCE) {
            return Ok(Found { finding: Finding::down("asks to be left"), at_once: true });
        }
        let status = response.status().as_u16();
        if !self.statuses.iter().any(|range| range.contains(&status)) {
            return Err(Finding::down(format_args!("answers {status}")));
        }
        if let Some(name) = expect::missing(&self.expect, answered) {
            return Err(Finding::down(format_args!("header {name} is not as expected")));
        }
        let is_degraded = answered.get(&self.degraded).is_some_and(|value| value != "false");
        if let Some(text) = &self.body {
            expect::find(text, response.into_body()).await?;
        }
        let finding = if is_degraded { Finding::degraded("says so") } else { Finding::healthy() };
        Ok(finding.into())
    }
}

impl fmt::Debug for Exchange {
    /// Without the target and the headers, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("allowed", &self.allowed)
            .field("statuses", &self.statuses)
            .finish_non_exhaustive()
    }
}

/// A target's URL, in parts.
struct Url {
    target: Target,
    secure: bool,
    host: HeaderValue,
    path: Uri,
}

impl Url {
    fn parse(url: &str) -> Result<Self, InvalidConfig> {
        let wrong =
            || InvalidConfig::new("url", "an absolute one of http or https, without a user");
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let secure = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            _ => return Err(wrong()),
        };
        let authority = uri.authority().ok_or_else(wrong)?;
        if authority.as_str().contains('@') {
            return Err(wrong());
        }
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let target = Target::parse(&format!("{}:{port}", authority.host())).map_err(|_| wrong())?;
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| wrong())?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let path = path.parse().map_err(|_| wrong())?;
        Ok(Self { target, secure, host, path })
    }
}

/// As Envoy's health-check filter sends it.
const FAIL_AT_ONCE: &str = "x-envoy-immediate-health-check-fail";
