//! Answers those who ask how well we are: each of them with what makes it do the right thing.
//!
//! [`Endpoints`] is a tower service over [`http`] that never fails, for any body and any server: to
//! be mounted in an application's router, or served on a port of its own. It looks nothing up and
//! waits for nothing: verdicts are there, answers are ready-made.
//!
//! # Example
//!
//! ```
//! use http::{Request, StatusCode};
//! use seawall::health::{Endpoints, Registry};
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let registry = Registry::new();
//! let endpoints = Endpoints::builder().build(&registry)?;
//!
//! let response = endpoints.oneshot(Request::get("/nothing-here").body(())?).await?;
//! assert_eq!(response.status(), StatusCode::NOT_FOUND);
//! # Ok(())
//! # }
//! ```
//!
//! # What is where
//!
//! | path | for | answers |
//! |---|---|---|
//! | `/livez` | Kubernetes, Container Apps: liveness | 200 unless the process is wedged; also while it drains |
//! | `/startupz` | the same: startup | 503 until it is warm, and 200 ever after |
//! | `/readyz` | Load Balancer, Application Gateway, App Service, Kubernetes: readiness | 503 while this instance should get no traffic |
//! | `/healthz/region` | Traffic Manager, Front Door | 503 while this region should get no traffic |
//! | `/vmss` | scale sets, rich health states | always 200; the state is in the body |
//! | `/vmss-binary` | scale sets, binary health states | 200, or 503 where `/vmss` does not say `Healthy` |
//! | `/health` | people and monitors with a token | all that is known; 503 if any group is down |
//! | `/metrics` | Prometheus with a token | the same as gauges, and the [levels](crate::telemetry::Measure) of all breakers, bulkheads, limiters and budgets of the process |
//! | `/status`, `/status.json`, `/status/events` | people and tools with a token, or at this machine | the [status page](super::status), and its data once and live |
//!
//! Each path can be [moved](Config::path) and [left out](Config::without), and a group of one's own
//! [put](Config::group) at one. A path is compared as a whole and as it stands: `/readyz/` is not
//! there. What follows a `?` is not looked at.
//!
//! # How it answers
//!
//! | status | when |
//! |---|---|
//! | 200 | healthy, or degraded: no balancer knows a third answer, so the body says it |
//! | 503 | down, with `Retry-After` in seconds where waiting may help |
//! | 401 | details without a token, or with a wrong one, or too many wrong ones of late |
//! | 404 | there is nothing at this path |
//! | 405 | neither GET nor HEAD |
//!
//! HEAD gets what GET gets, without body. Nothing is redirected, nothing depends on `Host`, nothing
//! of a request is given back, nothing may be stored. What is said without a token depends on the
//! verdict alone: its bytes are the same for every process there is.
//!
//! # In which form
//!
//! `Accept` chooses among the [formats](Format) that have a media type of their own; a path below,
//! such as `/readyz/spring` or `/health/xabaril`, has each [by name](Format::name). Where an
//! `Accept` names nothing that there is, the default is given, and the status is right all the same.
//!
//! The default is small JSON. Application Gateway can look for a text in it: `"status":"Healthy"` is
//! in it if all is well and if it is degraded, and never if it is down.
//!
//! # Scale sets
//!
//! `/vmss` says `Unhealthy`, for which an instance may be repaired, if the process is wedged or
//! fails by checks of its own, and not while it drains. While it starts it says `Initializing`:
//! from an application the extension takes no such state, and so goes on waiting until its grace
//! period ends. `SkipUpgrade` is true while the instance drains or is [busy](Endpoints::set_busy).
//! The binary form can not say `Initializing`; it says 503.
//!
//! # Details
//!
//! A [`Token`](super::Token) is shown as `Authorization: Bearer …`, or as the password of `Basic`, which a browser
//! asks for; never in a URL. Without one configured nobody sees details. Ten wrong ones in a second
//! close the door to everyone for as long as they go on; verdicts are not concerned.
//!
//! # Cost
//!
//! An answer to a probe takes well below a microsecond and allocates the response's headers; nothing
//! is locked. A report is made for those who have a token, when they ask.

mod accept;
mod config;
mod guard;
mod reply;
mod route;
mod scale_set;
mod source;

use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};

use ::http::{HeaderMap, Method, Request, Response, StatusCode};
use bytes::Bytes;
use tower_service::Service;

pub use self::config::Config;
use self::guard::{AppService, Guard};
use self::reply::{Replies, Reply};
pub use self::route::Route;
use self::route::Table;
use self::scale_set::ScaleSet;
use self::source::ScaleSetState;
pub(super) use self::source::Source;
use super::format::Exposition;
use super::status::Status;
use super::{Body, Format, Group, Verdict};
use crate::budget::Budget;
use crate::bulkhead::Bulkhead;
use crate::circuit_breaker::CircuitBreaker;
use crate::rate_limit::RateLimiter;
use crate::sync::{AtomicBool, Ordering};
use crate::telemetry::Measure;

#[cfg(fuzzing)]
#[doc(hidden)]
pub use self::accept::check as check_accept;

/// Answers those who ask how well we are.
///
/// A tower service, and a cheap handle: clones are the same endpoints. See the [module](self).
#[derive(Clone)]
pub struct Endpoints {
    shared: Arc<Shared>,
}

struct Shared {
    table: Table,
    replies: Replies,
    scale_set: ScaleSet,
    guard: Guard,
    app_service: Option<AppService>,
    policies: Vec<Arc<dyn Measure>>,
    source: Source,
    status: Status,
    is_busy: AtomicBool,
}

impl Endpoints {
    /// Starts from the default settings.
    pub fn builder() -> Config {
        Config::default()
    }

    fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    /// Says whether the instance does something that an upgrade of its scale set should not
    /// interrupt. Until it is taken back, `/vmss` asks to be skipped.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::health::{Endpoints, Registry};
    ///
    /// let endpoints = Endpoints::builder().build(&Registry::new())?;
    ///
    /// endpoints.set_busy(true);
    /// assert!(endpoints.clone().is_busy());
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    pub fn set_busy(&self, busy: bool) {
        // A flag that publishes nothing.
        self.shared.is_busy.store(busy, Ordering::Relaxed);
    }

    /// Whether the instance asks not to be upgraded now.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.shared.is_busy.load(Ordering::Relaxed)
    }

    /// The answer to `request`, for those who do without tower. It is there at once.
    ///
    /// # Example
    ///
    /// ```
    /// use http::Request;
    /// use seawall::health::{Endpoints, Registry};
    ///
    /// let endpoints = Endpoints::builder().build(&Registry::new())?;
    ///
    /// let response = endpoints.answer(&Request::post("/livez").body(()).unwrap());
    /// assert_eq!(response.status(), 405);
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    pub fn answer<B>(&self, request: &Request<B>) -> Response<Body> {
        let Shared { table, replies, status, .. } = &*self.shared;
        let head = request.method() == Method::HEAD;
        let Some((route, format)) = table.at(request.uri().path()) else {
            return replies.not_found.response(head);
        };
        if !head && request.method() != Method::GET {
            return replies.not_allowed.response(false);
        }
        let headers = request.headers();
        let format = || format.unwrap_or_else(|| accept::negotiate(headers));
        match route {
            Route::Group(group) => self.group(group, headers, format).response(head),
            Route::ScaleSet => self.scale_set().response(head),
            Route::ScaleSetBinary => self.scale_set_binary().response(head),
            Route::Details | Route::Metrics if !self.shared.guard.admits(headers) => {
                replies.unauthorized.response(head)
            }
            Route::Details => self.details(format()).into_response(head),
            Route::Metrics => self.metrics().into_response(head),
            Route::Status | Route::StatusJson | Route::StatusEvents
                if !status.admits(request) && !self.shared.guard.admits(headers) =>
            {
                replies.unauthorized.response(head)
            }
            Route::Status => status.page(head),
            Route::StatusJson => status.json(head),
            Route::StatusEvents => status.events(head),
        }
    }

    fn group(&self, group: Group, headers: &HeaderMap, format: impl Fn() -> Format) -> &Reply {
        let Shared { replies, source, app_service, .. } = &*self.shared;
        if group == Group::READINESS
            && app_service.as_ref().is_some_and(|app_service| !app_service.sent(headers))
        {
            return &replies.unauthorized;
        }
        let verdict = source.verdict(group);
        if group == Group::LIVENESS {
            replies.liveness(format(), verdict)
        } else {
            replies.verdict(format(), verdict)
        }
    }

    fn scale_set(&self) -> &Reply {
        let Shared { scale_set, source, .. } = &*self.shared;
        scale_set.reply(source.scale_set(), self.is_busy() || source.is_draining())
    }

    fn scale_set_binary(&self) -> &Reply {
        let verdict = match self.shared.source.scale_set() {
            ScaleSetState::Healthy => Verdict::Healthy,
            ScaleSetState::Initializing | ScaleSetState::Unhealthy => Verdict::Down,
        };
        self.shared.replies.liveness(Format::Json, verdict)
    }

    fn details(&self, format: Format) -> Reply {
        let report = self.shared.source.report();
        let status = match report.worst() {
            Verdict::Down => StatusCode::SERVICE_UNAVAILABLE,
            Verdict::Degraded | Verdict::Healthy => StatusCode::OK,
        };
        Reply::new(status, format.content_type(), Bytes::from(format.report(&report)))
    }

    fn metrics(&self) -> Reply {
        let mut exposition = Exposition::default();
        exposition.report(&self.shared.source.report());
        for_each_policy_of_the_process(&mut |policy| {
            policy.measure(&mut |level| exposition.level(level));
        });
        for policy in &self.shared.policies {
            // A policy of the user's own may do anything. What it has said until then is kept.
            let read = AssertUnwindSafe(|| policy.measure(&mut |level| exposition.level(level)));
            let _panic = catch_unwind(read);
        }
        let body = Bytes::from(exposition.to_string());
        Reply::new(StatusCode::OK, Format::Prometheus.content_type(), body)
    }
}

/// Those that can be listed because their pools know them.
fn for_each_policy_of_the_process(look: &mut dyn FnMut(&dyn Measure)) {
    for policy in Budget::all() {
        look(&policy);
    }
    for policy in Bulkhead::all() {
        look(&policy);
    }
    for policy in CircuitBreaker::all() {
        look(&policy);
    }
    for policy in RateLimiter::all() {
        look(&policy);
    }
}

impl<B> Service<Request<B>> for Endpoints {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(self.answer(&request)))
    }
}

/// Without tokens and keys.
impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoints")
            .field("table", &self.shared.table)
            .field("is_busy", &self.is_busy())
            .finish_non_exhaustive()
    }
}
