//! Health over gRPC: `grpc.health.v1`.
//!
//! # Example
//!
//! The service is mounted beside an application's own, as every service of tonic's:
//!
//! ```
//! use seawall::health::Registry;
//! use seawall::health::grpc::GrpcHealth;
//! use tonic_health::pb::HealthCheckRequest;
//! use tonic_health::pb::health_client::HealthClient;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tonic::Status> {
//! let service = GrpcHealth::new(&Registry::new()).into_service();
//!
//! // In place of a connection: the client calls the service itself.
//! let mut client = HealthClient::new(service);
//! let answer = client.check(HealthCheckRequest { service: String::new() }).await?;
//! println!("{:?}", answer.into_inner().status());
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tonic::codegen::tokio_stream::Stream;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::endpoint::Source;
use super::{Group, Registry};
use crate::sync::{Arc, AtomicU32, Ordering};
use crate::time::{Clock, Instant, Timer};

/// Answers gRPC health checks from a [`Registry`].
///
/// | service | is |
/// |---|---|
/// | the empty name | [`Group::READINESS`] |
/// | the name of a group | that group |
/// | any other | `NOT_FOUND` to `Check`; `SERVICE_UNKNOWN` to `Watch`, which tells if it becomes known |
///
/// A group that is degraded is `SERVING`. `Watch` looks each second and tells of changes. Nothing
/// but the status is told, to whoever asks.
///
/// See the [module](self) for an example.
#[derive(Clone)]
#[must_use]
pub struct GrpcHealth {
    source: Source,
    clock: Clock,
    max_watches: u32,
    watches: Arc<AtomicU32>,
}

impl GrpcHealth {
    /// Answers from `registry`.
    pub fn new(registry: &Registry) -> Self {
        Self {
            source: Source::new(registry),
            clock: Clock::system(),
            max_watches: 64,
            watches: Arc::new(AtomicU32::new(0)),
        }
    }

    /// How many may watch at the same time. The next is told `RESOURCE_EXHAUSTED`.
    ///
    /// Default: 64.
    pub fn max_watches(mut self, watches: u32) -> Self {
        self.max_watches = watches;
        self
    }

    /// The clock by which a watch waits.
    ///
    /// Default: the system's.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The service, for tonic's router or any other.
    #[must_use]
    pub fn into_service(self) -> HealthServer<Self> {
        HealthServer::new(self)
    }
}

#[tonic::async_trait]
impl Health for GrpcHealth {
    type WatchStream = Watch;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        match status(&self.source, &request.get_ref().service) {
            // The name is not given back.
            ServingStatus::ServiceUnknown => Err(Status::not_found("unknown service")),
            status => Ok(Response::new(answer(status))),
        }
    }

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Watch>, Status> {
        let Some(place) = Place::take(&self.watches, self.max_watches) else {
            return Err(Status::resource_exhausted("too many watches"));
        };
        let mut service = request.into_inner().service;
        if service.len() > LONGEST_NAME {
            // No group is called so; nothing as long is kept.
            service = String::from("?");
        }
        service.shrink_to_fit();
        Ok(Response::new(Watch {
            source: self.source.clone(),
            clock: self.clock.clone(),
            service,
            told: None,
            next: Instant::default(),
            timer: Timer::idle(),
            _place: place,
        }))
    }
}

impl fmt::Debug for GrpcHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcHealth").field("max_watches", &self.max_watches).finish_non_exhaustive()
    }
}

/// Tells how a service is, and then each change. Made by [`GrpcHealth`].
pub struct Watch {
    source: Source,
    clock: Clock,
    service: String,
    told: Option<ServingStatus>,
    /// When to look again, once something was told.
    next: Instant,
    timer: Timer,
    _place: Place,
}

impl Stream for Watch {
    type Item = Result<HealthCheckResponse, Status>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if this.told.is_some() {
                ready!(this.timer.poll_until(this.next, &this.clock, cx));
            }
            this.next = this.clock.now() + INTERVAL;
            let status = status(&this.source, &this.service);
            if this.told.replace(status) != Some(status) {
                return Poll::Ready(Some(Ok(answer(status))));
            }
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("told", &self.told).finish_non_exhaustive()
    }
}

/// The place of one who watches, given back when it is dropped.
struct Place(Arc<AtomicU32>);

impl Place {
    fn take(taken: &Arc<AtomicU32>, places: u32) -> Option<Self> {
        // Only counted: nothing else is read by what it says.
        let one_more = |taken| (taken < places).then_some(taken + 1);
        taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .is_ok()
            .then(|| Self(Arc::clone(taken)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn status(source: &Source, service: &str) -> ServingStatus {
    let group = if service.is_empty() { Some(Group::READINESS) } else { source.group(service) };
    match group.map(|group| source.verdict(group).is_up()) {
        None => ServingStatus::ServiceUnknown,
        Some(false) => ServingStatus::NotServing,
        Some(true) => ServingStatus::Serving,
    }
}

fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

const INTERVAL: Duration = Duration::from_secs(1);
/// As long as a group's name can be.
const LONGEST_NAME: usize = 256;
