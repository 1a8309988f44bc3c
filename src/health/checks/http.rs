//! The answer to a GET.

use std::error::Error;
use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;
use http::header::USER_AGENT;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use http_body::Body;
use http_body_util::Empty;
use tower_service::Service;

use super::super::{Check, Finding, expect};
use crate::error::InvalidConfig;
use crate::http::Client;
use crate::telemetry::Environment;

/// What `url` answers to a GET.
///
/// Each run makes a connection of its own, by a [`Client`]: name resolution, TCP and TLS with the
/// roots of Mozilla, unless it is given [another](Http::client). It takes a status from 200 to 299
/// for well, follows no redirect, and reads no more of a body than it needs, 64 KiB at most. Its
/// time is limited by the check's [timeout](Check::timeout). What is observed is the time from the
/// start to the end of all that is read, in seconds. It is shared by default.
///
/// No finding tells any part of the URL, a header's value or what was answered but its status.
///
/// # Cancel safety
///
/// Dropping a run closes its connection. Name resolution that is under way ends by itself.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::health::{Verdict, checks};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let server = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// # let address = server.local_addr()?;
/// # tokio::spawn(async move {
/// #     use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// #     let (mut connection, _) = server.accept().await?;
/// #     connection.read(&mut [0; 1024]).await?;
/// #     connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n{up: 1}").await
/// # });
/// let mut check = checks::http("stock", format!("http://{address}/healthz"))
///     .body_contains("up: 1")
///     .degraded_above(Duration::from_secs(30))
///     .check();
///
/// assert_eq!(check.run_once().await.verdict(), Verdict::Healthy);
/// # Ok(())
/// # }
/// ```
pub fn http(name: impl Into<String>, url: impl Into<String>) -> Http {
    Http {
        name: name.into(),
        url: url.into(),
        statuses: 200..=299,
        send: Vec::new(),
        expect: Vec::new(),
        body: None,
        degraded_above: None,
        client: None,
    }
}

/// Settings of [`http()`].
///
/// # Example
///
/// ```
/// use seawall::health::Check;
/// use seawall::health::checks::{Http, http};
///
/// let settings: Http = http("stock", "https://stock.example/healthz").statuses(200..=200);
/// let check = Check::from(settings);
/// # let _ = check;
/// ```
#[must_use]
#[derive(Clone)]
pub struct Http {
    name: String,
    url: String,
    statuses: RangeInclusive<u16>,
    send: Vec<(String, String)>,
    expect: Vec<(String, String)>,
    body: Option<String>,
    degraded_above: Option<Duration>,
    client: Option<Client>,
}

impl Http {
    /// The statuses that mean well.
    ///
    /// Default: from 200 to 299.
    pub fn statuses(mut self, statuses: RangeInclusive<u16>) -> Self {
        self.statuses = statuses;
        self
    }

    /// Sends this header as well.
    ///
    /// Default: none but `user-agent`.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.send.push((name.into(), value.into()));
        self
    }

    /// It is down unless the answer has a header `name` with just this value.
    ///
    /// Default: none is asked for.
    pub fn expect_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.expect.push((name.into(), value.into()));
        self
    }

    /// It is down unless the first 64 KiB of the body contain `text`: from 1 to 1,024 bytes, byte
    /// for byte.
    ///
    /// Default: the body is not read.
    pub fn body_contains(mut self, text: impl Into<String>) -> Self {
        self.body = Some(text.into());
        self
    }

    /// A good answer that takes this long is degraded.
    ///
    /// Default: however long it takes.
    pub fn degraded_above(mut self, time: Duration) -> Self {
        self.degraded_above = Some(time);
        self
    }

    /// Asks by `client`, with its roots, limits and pool.
    ///
    /// Default: a client of its own that pools nothing and takes plain HTTP if the URL says so.
    pub fn client(mut self, client: Client) -> Self {
        self.client = Some(client);
        self
    }

    /// Makes the check.
    ///
    /// # Errors
    ///
    /// These are refused when the check is added to a registry: a URL that is not absolute, not of
    /// HTTP or HTTPS, or has a user or a password in it (send a header instead); statuses that are
    /// none; headers that are none; a text or a time that is empty.
    pub fn check(self) -> Check {
        self.check_in(&Environment::new())
    }

    /// As [`check`](Self::check), with this clock.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn check_in(self, environment: &Environment) -> Check {
        let clock = environment.clock.clone();
        let probe = Probe::new(&self, environment).map(|probe| {
            move || {
                let (mut probe, clock) = (probe.clone(), clock.clone());
                async move {
                    let begin = clock.now();
                    let finding = match probe.ask().await {
                        Ok(()) => Finding::healthy(),
                        Err(finding) => return finding,
                    };
                    let took = clock.now().since(begin);
                    let finding = match probe.degraded_above {
                        Some(limit) if took >= limit => {
                            Finding::degraded(format_args!("took {:.3} s", took.as_secs_f64()))
                        }
                        _ => finding,
                    };
                    finding.observed(took.as_secs_f64(), "s")
                }
            }
        });
        super::check(self.name, probe)
    }
}

impl From<Http> for Check {
    fn from(settings: Http) -> Self {
        settings.check()
    }
}

impl std::fmt::Debug for Http {
    /// Without the URL and the headers, which may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http")
            .field("name", &self.name)
            .field("statuses", &self.statuses)
            .field("degraded_above", &self.degraded_above)
            .finish_non_exhaustive()
    }
}

/// One GET, and what is to be answered.
#[derive(Clone)]
struct Probe {
    client: Client,
    uri: Uri,
    send: HeaderMap,
    statuses: RangeInclusive<u16>,
    expect: HeaderMap,
    body: Option<Bytes>,
    degraded_above: Option<Duration>,
}

impl Probe {
    fn new(settings: &Http, environment: &Environment) -> Result<Self, InvalidConfig> {
        let uri = parse(&settings.url)?;
        let (first, last) = (*settings.statuses.start(), *settings.statuses.end());
        if !(100 <= first && first <= last && last <= 599) {
            return Err(InvalidConfig::new("statuses", "from 100 to 599, the least first"));
        }
        let body = expect::text(settings.body.as_ref())?;
        if settings.degraded_above.is_some_and(|time| time.is_zero()) {
            return Err(InvalidConfig::new("degraded_above", "longer than zero"));
        }
        let mut send = expect::headers("header", &settings.send)?;
        send.entry(USER_AGENT).or_insert(HeaderValue::from_static("seawall"));
        let client = match &settings.client {
            Some(client) => client.clone(),
            None => Client::builder()
                .plain_http(uri.scheme() == Some(&Scheme::HTTP))
                // Whether a connection is made is a part of what is asked.
                .max_idle_per_host(0)
                // As long as a check's timeout can be, which comes first.
                .connect_timeout(Duration::from_secs(3_600))
                .build_in(environment)?,
        };
        Ok(Self {
            client,
            uri,
            send,
            statuses: settings.statuses.clone(),
            expect: expect::headers("expect_header", &settings.expect)?,
            body,
            degraded_above: settings.degraded_above,
        })
    }

    async fn ask(&mut self) -> Result<(), Finding> {
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.send.clone();
        // A pool's client is always ready.
        let response =
            self.client.call(request).await.map_err(|error| Finding::down(expect::root(&error)))?;
        self.judge(response).await
    }

    async fn judge<B>(&self, response: Response<B>) -> Result<(), Finding>
    where
        B: Body<Data = Bytes, Error: Error + 'static> + Unpin,
    {
        let status = response.status().as_u16();
        if !self.statuses.contains(&status) {
            return Err(Finding::down(format_args!("answers {status}")));
        }
        if let Some(name) = expect::missing(&self.expect, response.headers()) {
            return Err(Finding::down(format_args!("header {name} is not as expected")));
        }
        match &self.body {
            Some(text) => expect::find(text, response.into_body()).await,
            None => Ok(()),
        }
    }
}

/// An absolute URL of HTTP or HTTPS, without what would have to be kept secret.
fn parse(url: &str) -> Result<Uri, InvalidConfig> {
    let wrong = || InvalidConfig::new("url", "an absolute one of http or https, without a user");
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    let known = [Some(&Scheme::HTTP), Some(&Scheme::HTTPS)].contains(&uri.scheme());
    let host = uri.authority().map(Authority::as_str).filter(|host| !host.contains('@'));
    if known && host.is_some_and(|host| !host.is_empty()) { Ok(uri) } else { Err(wrong()) }
}

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use super::*;

    #[test]
    fn takes_absolute_urls_without_a_user_and_no_others() {
        for sound in ["http://a", "https://a.example:8443/x?y=z", "http://[::1]:80/"] {
            assert!(parse(sound).is_ok(), "{sound}");
        }
        for wrong in ["", "a", "/x", "a:80", "ftp://a/", "http://", "http://u:p@a/", "http://a b/"]
        {
            assert_eq!(parse(wrong).unwrap_err().field(), "url", "{wrong}");
        }
    }
}
