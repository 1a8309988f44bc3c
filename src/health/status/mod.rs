//! The status page: what is well and what is not, at a glance and live.
//!
//! Three routes of the [endpoints](super::Endpoints) show everything that the registry and the
//! policies of this process know:
//!
//! | path | [route](super::Route) | what is there |
//! |---|---|---|
//! | `/status` | `Status` | a page for people. It needs nothing from elsewhere, keeps itself up to date, and shows the state as it was when it was loaded where scripts are off |
//! | `/status.json` | `StatusJson` | the [data](#data), once |
//! | `/status/events` | `StatusEvents` | the data as a [stream](#events) |
//!
//! # Who sees it
//!
//! Who shows a [`Token`](super::Token), as a bearer or as the password that the browser asks for;
//! and, by [default](Access), who sits at this machine: whose address ([`Peer`]) and
//! `Host` are loopback ones, without a header of a proxy's, and without one by which a browser says
//! that another site's page asks. All others get the 401 that is given for details. A port that is
//! forwarded to this machine, as `kubectl port-forward` and `ssh -L` do, counts as sitting at it.
//!
//! # Example
//!
//! ```
//! use http::{Request, header};
//! use http_body_util::BodyExt;
//! use seawall::health::{Endpoints, Group, Peer, Registry};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let endpoints = Endpoints::builder().build(&Registry::new())?;
//!
//! let request = Request::get("/status.json")
//!     .header(header::HOST, "localhost:8080")
//!     .extension(Peer::new("127.0.0.1:40000".parse()?))
//!     .body(())?;
//! let body = endpoints.answer(&request).into_body().collect().await?.to_bytes();
//!
//! let data: serde_json::Value = serde_json::from_slice(&body)?;
//! assert_eq!(data["version"], 1);
//! assert_eq!(data["phase"], "serving");
//! # Ok(())
//! # }
//! ```
//!
//! # Data
//!
//! An object. Fields may be added to any part of it; a change that takes one away or gives it
//! another meaning raises `version`. *Moments* are milliseconds since 1970, as integers; lengths of
//! time end in `_ms`, and may have decimals. What is not known is `null`.
//!
//! | field | what it is |
//! |---|---|
//! | `version` | 1 |
//! | `at` | when this was written down: a moment |
//! | `verdict` | the worst of all groups: `healthy`, `degraded` or `down` |
//! | `phase` | how far the instance has come on its way out: `serving`, `not_ready`, `closing`, `rejecting` or `closed` |
//! | `drain` | of the drain that the registry follows: `in_flight`, how many requests are under way by its layers, and `phases`, those that are still to come: `phase`, and `at`, a moment |
//! | `groups` | each group, in the same order as `checks` |
//! | `groups[].name`, `.verdict` | its name, and what it counts as |
//! | `groups[].reason` | what overrides its checks, if anything does: the start, the drain, the operator |
//! | `groups[].checks` | the names of those of its checks that are shown, in the order of `checks` |
//! | `checks` | each check once: what is down first, then what is degraded, then by name; at most 1,000 |
//! | `checks[].name`, `.tags`, `.groups` | what it is called, the words to find it by, where it counts |
//! | `checks[].verdict` | what it counts as: a verdict, or `unknown` before its first run has ended |
//! | `checks[].detail` | why, in the words of its last run |
//! | `checks[].observed` | `value` and `unit` of what its last run measured |
//! | `checks[].criticality` | `critical`, `degraded_only` or `informational` |
//! | `checks[].shared` | whether all instances share what it looks at |
//! | `checks[].interval_ms` | from one start to the next while all is well |
//! | `checks[].took_ms`, `.last_run` | how long its last run took, and when that ended: a moment |
//! | `checks[].since` | when its verdict changed last: a moment |
//! | `checks[].stale` | whether its last run is too long ago to be believed |
//! | `checks[].flapping` | whether its verdict changes too often |
//! | `checks[].runs` | how often it was started |
//! | `checks[].history` | its last runs, the oldest first: `at`, `took_ms`, and `verdict` before hysteresis; at most 40, and 10,000 of all checks together |
//! | `policies` | circuit breakers, bulkheads, rate limiters and budgets of the process, in this order, within which those come first that need a look; at most 1,000, and at least 250 of each if there are so many. The members of a [keyed](crate::gate::Keyed) family are not among them |
//! | `policies[].pattern` | `circuit_breaker`, `bulkhead`, `rate_limit` or `budget` |
//! | `policies[].name` | its name, which others may have too |
//! | `policies[].verdict` | `healthy`; `degraded` if it turns some calls away, or is held by hand; `down` if it turns all away |
//! | `policies[].state` | of a breaker its [state's name](crate::circuit_breaker::State::name), or `paused` while it is closed and its service has asked for a pause; else `available`, or `full`, `exhausted`, `spent` |
//! | `policies[].shut_until` | until when it will surely turn all calls away: a moment |
//! | `policies[].levels` | by name what it [measures](crate::telemetry::Measure); of a breaker `calls`, `failure_rate`, `slow_rate`, of a bulkhead `in_flight`, `max_calls`, `waiting`, of a limiter `available`, `waiting`, of a budget `available`, `charged` |
//! | `policies[].transitions` | the last changes of state under this name, the oldest first: `at`, `from`, `to`; at most 16 |
//! | `regions` | the regions that this process knows. At present one, its own: `name`, `local`, and the `verdict` of the group `region` |
//! | `omitted` | `checks` and `policies`: how many there are beyond those that are shown |
//!
//! # Events
//!
//! An event stream as of the HTML standard, which `EventSource` reads. An event `status` holds the
//! data, whole, in one line: the first comes at once, a further one whenever something has changed,
//! and no more than one in a second. The mere passing of time is no change. An event `beat` without
//! data comes after 5 s in which nothing else did. After ten minutes the stream ends, and the reader
//! is expected to come again, after the second that it is told to wait.
//!
//! There are 16 streams at most; beyond these the answer is 503, with `Retry-After`. However many
//! there are, the state is looked at twice a second at the most. A reader that is slow misses what
//! was in between.
//!
//! # Cost
//!
//! Nothing, unless somebody looks. A look makes a [report](super::Registry::report), and reads every
//! policy; calls that run meanwhile do not wait for it.

mod access;
mod data;
mod html;
mod page;
mod policies;
mod stream;
mod view;
mod words;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
    REFERRER_POLICY, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use http::{Request, Response, StatusCode};

pub use self::access::Access;
use self::data::Data;
pub(super) use self::page::Links;
use self::stream::Board;
pub(super) use self::stream::Events;
use super::endpoint::Source;
use super::server::Prolong;
use super::{Body, Peer};
use crate::time::Clock;

/// Answers the routes of the status page.
pub(super) struct Status {
    access: Access,
    links: Links,
    board: Arc<Board>,
}

impl Status {
    pub(super) fn new(access: Access, links: Links, source: Source, clock: Clock) -> Self {
        let look = move || Data::new(&source.report(), source.drain());
        Self { access, links, board: Arc::new(Board::new(look, clock)) }
    }

    /// Whether `request` needs no token.
    pub(super) fn admits<B>(&self, request: &Request<B>) -> bool {
        let peer = request.extensions().get::<Peer>();
        match self.access {
            Access::Token => false,
            Access::TokenOrLoopback => access::is_local(peer, request.uri(), request.headers()),
        }
    }

    pub(super) fn page(&self, head: bool) -> Response<Body> {
        let page = page::page(&self.board.data(), &self.links);
        let mut response = whole("text/html; charset=utf-8", page.into(), head);
        let policy = HeaderValue::from_str(&page::CONTENT_SECURITY_POLICY);
        let headers = response.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, policy.expect("digests are visible ASCII"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        response
    }

    pub(super) fn json(&self, head: bool) -> Response<Body> {
        whole("application/json", self.board.data().to_json().into(), head)
    }

    pub(super) fn events(&self, head: bool) -> Response<Body> {
        let body = if head { Some(Body::empty()) } else { self.board.stream().map(Body::events) };
        let Some(body) = body else {
            let mut full = whole("text/plain; charset=utf-8", "too many streams".into(), head);
            *full.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            full.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
            return full;
        };
        let mut response = answer("text/event-stream", body);
        // Who proxies it is not to wait for its end.
        response.headers_mut().insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
        response.extensions_mut().insert(Prolong::new(stream::LIFE));
        response
    }
}

fn whole(content_type: &'static str, body: Bytes, head: bool) -> Response<Body> {
    let length = body.len();
    let mut response = answer(content_type, if head { Body::empty() } else { Body::from(body) });
    response.headers_mut().insert(CONTENT_LENGTH, length.into());
    response
}

fn answer(content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
