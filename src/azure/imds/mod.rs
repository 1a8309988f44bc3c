//! The instance metadata service of Azure's virtual machines.
//!
//! A machine asks an address that only it can reach, over plain HTTP. [`Imds`] keeps the rules that
//! come with that: the header `Metadata: true`, no proxy, no `X-Forwarded-For`, no redirects, no
//! more requests than the machine may make, bounded answers, and patience where the service asks
//! for it.
//!
//! # Example
//!
//! ```
//! use std::convert::Infallible;
//!
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use seawall::azure::Imds;
//! use seawall::telemetry::Environment;
//! use tower::service_fn;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // In place of the service; on a machine, this is `Imds::builder().build()?`.
//! let service = service_fn(async |_: Request<String>| {
//!     let answer = r#"{"location": "westeurope", "zone": "2", "name": "shop_7"}"#;
//!     Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(answer))))
//! });
//! let imds = Imds::builder().build_over(service, &Environment::new())?;
//!
//! let instance = imds.instance().await?;
//! assert_eq!((instance.region(), instance.zone()), (Some("westeurope"), Some("2")));
//! # Ok(())
//! # }
//! ```
//!
//! # What it does
//!
//! | answer | does |
//! |---|---|
//! | no connection within a second | [`ImdsError::Absent`]: this is no such machine. Remembered for a minute, unless there ever was an answer |
//! | 200 | reads it, up to 1 MiB |
//! | 400 | asks once more with the newest version that the service knows |
//! | 410, 500 and up, a broken connection | asks again, for at most 70 s |
//! | 429 | asks again when the service says, or backs off |
//! | anything else, redirects included | [`ImdsError::Status`] |
//!
//! The service allows five requests per second and machine, to all its processes together. One
//! [`Imds`] makes no more than that, evenly spaced; make one per process, and clone it.
//!
//! # What it does not do
//!
//! It asks for nothing but the two documents that this crate reads, and takes no address from a
//! request: what the service answers, tokens among it, is not for strangers. It is not there in App
//! Service and Container Apps.

mod config;
mod error;
mod instance;
mod transport;

pub use config::Config;
pub(in crate::azure) use config::timeout;
pub use error::ImdsError;
pub use instance::Instance;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Method, Request, StatusCode, Uri};

use self::transport::{Answer, Transport};
use crate::outcome::Outcome;
use crate::rate_limit::RateLimiter;
use crate::retry::Retry;
use crate::sync::Mutex;
use crate::time::{Clock, Instant};
use crate::timeout::Timeout;

/// A client of the instance metadata service. [The module's page](self) has an example.
///
/// A cheap handle: clones share the connection, the limit and what is known.
#[derive(Clone)]
pub struct Imds {
    shared: Arc<Shared>,
}

struct Shared {
    endpoint: String,
    transport: Transport,
    limiter: RateLimiter,
    attempt: Timeout,
    total: Timeout,
    retry: Retry,
    absent_for: Duration,
    clock: Clock,
    presence: Mutex<Presence>,
    instance: Mutex<Known>,
    /// Held by the one call that asks for the instance.
    turn: tokio::sync::Mutex<()>,
}

/// What is known of the instance.
#[derive(Default)]
struct Known {
    instance: Option<Arc<Instance>>,
    /// How many calls have asked for it in vain, and why the last one did.
    failures: u64,
    failure: Option<ImdsError>,
}

/// Whether there is such a service here.
#[derive(Clone, Copy)]
enum Presence {
    Unknown,
    Present,
    AbsentUntil(Instant),
}

impl Imds {
    /// Starts from the default settings.
    pub fn builder() -> Config {
        Config::default()
    }

    /// What the machine is and where. Asked for once; a copy is kept.
    ///
    /// While one call asks, others wait for its answer and get it, be it a failure.
    ///
    /// # Errors
    ///
    /// See [`ImdsError`].
    ///
    /// # Cancel safety
    ///
    /// It can be dropped at any time. If it was the one that asked, one of those that wait asks.
    pub async fn instance(&self) -> Result<Arc<Instance>, ImdsError> {
        let failures = {
            let known = self.shared.instance.lock();
            match &known.instance {
                Some(instance) => return Ok(Arc::clone(instance)),
                None => known.failures,
            }
        };
        let _turn = self.shared.turn.lock().await;
        if let Some(known) = self.shared.known_since(failures)? {
            return Ok(known);
        }
        let answer = self.ask().await;
        let mut known = self.shared.instance.lock();
        match &answer {
            Ok(instance) => known.instance = Some(Arc::clone(instance)),
            Err(error) => {
                known.failures += 1;
                known.failure = Some(error.again());
            }
        }
        answer
    }

    /// Asks for the instance, whatever is known.
    async fn ask(&self) -> Result<Arc<Instance>, ImdsError> {
        let instance = match self.document(&instance::path(instance::VERSION)).await {
            Err(ImdsError::Status { status: StatusCode::BAD_REQUEST, .. }) => {
                let versions = self.document("/metadata/versions").await?;
                let newest = instance::newest_version(&versions)?;
                self.document(&instance::path(&newest)).await?
            }
            document => document?,
        };
        Ok(Arc::new(Instance::parse(&instance)?))
    }

    /// Gets a document, with patience.
    async fn document(&self, path: &str) -> Result<Bytes, ImdsError> {
        let Shared { total, retry, attempt, .. } = &*self.shared;
        let retry = retry.layer().classify(judge);
        let ask = || async { self.once(Method::GET, path, String::new(), attempt).await };
        total.run_with(|| retry.run_with(ask)).await
    }

    /// Makes one request, within the limit and in that time, and reads the body of a 200.
    pub(super) async fn once(
        &self,
        method: Method,
        path: &str,
        body: String,
        timeout: &Timeout,
    ) -> Result<Bytes, ImdsError> {
        let shared = &*self.shared;
        if shared.is_known_to_be_absent() {
            return Err(ImdsError::Absent);
        }
        let request = shared.request(method, path, body)?;
        let call = async || timeout.run_with(|| (shared.transport)(request)).await;
        let answer: Result<Answer, _> = shared.limiter.queue_layer().run_with(call).await;
        match &answer {
            Ok(_) => *shared.presence.lock() = Presence::Present,
            Err(ImdsError::Absent) => shared.miss(),
            Err(_) => {}
        }
        answer?.into_body()
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    pub(super) fn absent_for(&self) -> Duration {
        self.shared.absent_for
    }
}

impl Shared {
    /// What is known by now, or why the last call that has asked since then did so in vain.
    fn known_since(&self, failures: u64) -> Result<Option<Arc<Instance>>, ImdsError> {
        let known = self.instance.lock();
        match (&known.instance, &known.failure) {
            (Some(instance), _) => Ok(Some(Arc::clone(instance))),
            (None, Some(failure)) if known.failures != failures => Err(failure.again()),
            (None, _) => Ok(None),
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<Request<String>, ImdsError> {
        const METADATA: HeaderName = HeaderName::from_static("metadata");
        const JSON: HeaderValue = HeaderValue::from_static("application/json");

        let uri = format!("{}{path}", self.endpoint).parse::<Uri>();
        let uri = uri.map_err(|error| ImdsError::Transport(error.into()))?;
        let is_empty = body.is_empty();
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(METADATA, HeaderValue::from_static("true"));
        headers.insert(ACCEPT, JSON);
        if !is_empty {
            headers.insert(CONTENT_TYPE, JSON);
        }
        Ok(request)
    }

    fn is_known_to_be_absent(&self) -> bool {
        match *self.presence.lock() {
            Presence::AbsentUntil(end) => !self.clock.has_passed(end),
            Presence::Unknown | Presence::Present => false,
        }
    }

    /// A service that was there is only away.
    fn miss(&self) {
        let mut presence = self.presence.lock();
        if !matches!(*presence, Presence::Present) {
            *presence = Presence::AbsentUntil(self.clock.now() + self.absent_for);
        }
    }
}

/// What is asked for again.
fn judge<T>(result: Result<&T, &ImdsError>) -> Outcome {
    match result {
        Ok(_) => Outcome::Success,
        Err(ImdsError::Status { status: StatusCode::TOO_MANY_REQUESTS, retry_after }) => {
            Outcome::Overload { retry_after: *retry_after }
        }
        Err(ImdsError::Status { status, .. })
            if *status == StatusCode::GONE || status.is_server_error() =>
        {
            Outcome::Transient
        }
        Err(ImdsError::Transport(_)) => Outcome::Transient,
        Err(ImdsError::Rejected(rejection)) if rejection.reason().reached_service() => {
            Outcome::Transient
        }
        Err(_) => Outcome::Permanent,
    }
}

impl fmt::Debug for Imds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Imds").field("endpoint", &self.shared.endpoint).finish_non_exhaustive()
    }
}
