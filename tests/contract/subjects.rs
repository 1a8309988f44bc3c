//! Every layer of the crate, over a hostile service, with a capacity of one call where it has one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use seawall::bulkhead::Bulkhead;
use seawall::circuit_breaker::CircuitBreaker;
use seawall::error::BoxError;
use seawall::fallback::{FallbackLayer, LastGood};
use seawall::gate::Keyed;
use seawall::health::drain::{Drain, Product};
use seawall::rate_limit::Quota;
use seawall::retry::Retry;
use seawall::stack::Stack;
use seawall::telemetry::Environment;
use seawall::timeout::Timeout;
use tower::Layer;
#[cfg(feature = "http")]
use tower::ServiceBuilder;
use tower::util::BoxCloneService;

use crate::hostile::Hostile;

pub(crate) type Boxed = BoxCloneService<u32, u32, BoxError>;

/// One layer.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) wrap: fn(Hostile, &Environment) -> Boxed,
}

pub(crate) const SUBJECTS: &[Subject] = &[
    // The table itself: what a layer must not make worse.
    Subject { name: "none", wrap: |inner, _| Boxed::new(inner) },
    Subject {
        name: "timeout",
        wrap: |inner, environment| {
            let timeout = Timeout::builder().after(LONG).build_in(environment).unwrap();
            Boxed::new(timeout.layer().layer(inner))
        },
    },
    Subject {
        name: "timeouts, per attempt and in total",
        wrap: |inner, environment| {
            let total = Timeout::builder().after(3 * LONG).build_in(environment).unwrap();
            let attempt = Timeout::builder().after(LONG).build_in(environment).unwrap();
            Boxed::new(total.layer().layer(attempt.layer().layer(inner)))
        },
    },
    Subject {
        name: "fallback that keeps the failure",
        wrap: |inner, environment| {
            let layer = FallbackLayer::new(|_: u32, failed: Result<u32, BoxError>| failed);
            Boxed::new(layer.environment(environment).layer(inner))
        },
    },
    Subject {
        name: "deferred fallback that keeps the failure",
        wrap: |inner, environment| {
            let layer =
                FallbackLayer::deferred(async |_: u32, failed: Result<u32, BoxError>| failed);
            Boxed::new(layer.environment(environment).layer(inner))
        },
    },
    Subject {
        name: "bulkhead",
        wrap: |inner, environment| {
            let bulkhead = Bulkhead::builder().max_calls(1).build_in(environment).unwrap();
            Boxed::new(bulkhead.layer().layer(inner))
        },
    },
    Subject {
        name: "bulkhead with a queue",
        wrap: |inner, environment| {
            let bulkhead = Bulkhead::builder().max_calls(1).max_wait(LONG);
            let bulkhead = bulkhead.build_in(environment).unwrap();
            Boxed::new(bulkhead.queue_layer().layer(inner))
        },
    },
    Subject {
        name: "bulkhead by key",
        wrap: |inner, environment| {
            let bulkhead = Bulkhead::builder().max_calls(1).build_in(environment).unwrap();
            Boxed::new(Keyed::new(bulkhead).layer(|_: &u32| ()).layer(inner))
        },
    },
    Subject {
        name: "rate limit",
        wrap: |inner, environment| {
            let limiter = Quota::per_second(1_000_000).build_in(environment).unwrap();
            Boxed::new(limiter.layer().layer(inner))
        },
    },
    Subject {
        name: "rate limit with a queue",
        wrap: |inner, environment| {
            let limiter = Quota::per_second(1_000_000).max_wait(LONG);
            let limiter = limiter.build_in(environment).unwrap();
            Boxed::new(limiter.queue_layer().layer(inner))
        },
    },
    Subject {
        name: "circuit breaker",
        wrap: |inner, environment| {
            let breaker = CircuitBreaker::builder().build_in(environment).unwrap();
            Boxed::new(breaker.layer().layer(inner))
        },
    },
    Subject {
        name: "circuit breaker that trips at once and probes with one call",
        wrap: |inner, environment| {
            let breaker = CircuitBreaker::builder().consecutive_failures(1).probes(1);
            let breaker = breaker.build_in(environment).unwrap();
            Boxed::new(breaker.layer().layer(inner))
        },
    },
    Subject {
        name: "circuit breaker by key",
        wrap: |inner, environment| {
            let breaker = CircuitBreaker::builder().build_in(environment).unwrap();
            Boxed::new(Keyed::new(breaker).layer(|request: &u32| request % 2).layer(inner))
        },
    },
    Subject {
        name: "drain",
        wrap: |inner, environment| Boxed::new(drain(environment).layer().layer(inner)),
    },
    Subject {
        name: "retry",
        wrap: |inner, environment| {
            let retry = Retry::builder().build_in(environment).unwrap();
            Boxed::new(retry.layer().layer(inner))
        },
    },
    Subject {
        name: "retry over a bulkhead with a queue",
        wrap: |inner, environment| {
            let retry = Retry::builder().without_budget().build_in(environment).unwrap();
            let bulkhead = Bulkhead::builder().max_calls(1).max_wait(LONG);
            let bulkhead = bulkhead.build_in(environment).unwrap();
            Boxed::new(retry.layer().layer(bulkhead.queue_layer().layer(inner)))
        },
    },
    Subject {
        name: "the standard stack",
        wrap: |inner, environment| {
            let stack = Stack::builder()
                .total_timeout(3 * LONG)
                .attempt_timeout(LONG)
                .bulkhead(Bulkhead::builder().max_calls(1));
            let stack = stack.build_in(environment).unwrap();
            Boxed::new(stack.layer().bare().layer(inner))
        },
    },
    Subject {
        name: "the standard stack with a fallback that keeps the failure",
        wrap: |inner, environment| {
            let stack = Stack::builder().total_timeout(3 * LONG).attempt_timeout(LONG);
            let stack = stack.build_in(environment).unwrap();
            let fallback = FallbackLayer::new(|_: u32, failed: Result<u32, BoxError>| failed);
            Boxed::new(fallback.layer(stack.layer().bare().layer(inner)))
        },
    },
    Subject {
        name: "the last good answer, of which there is none",
        wrap: |inner, environment| {
            let last_good: LastGood<u32, u32> = LastGood::builder().build_in(environment).unwrap();
            // No two calls have the same key.
            let calls = AtomicU32::new(0);
            let calls = Arc::new(calls);
            let layer = last_good.layer(move |_: &u32| calls.fetch_add(1, Ordering::Relaxed));
            Boxed::new(layer.environment(environment).layer(inner))
        },
    },
    #[cfg(feature = "http")]
    Subject {
        name: "the standard stack for HTTP",
        wrap: |inner, environment| {
            let stack = Stack::builder().total_timeout(3 * LONG).attempt_timeout(LONG);
            let stack = stack.build_in(environment).unwrap();
            let server = ServiceBuilder::new()
                .map_request(|request| http::number(&request))
                .map_response(http::answer)
                .service(inner);
            let client = ServiceBuilder::new()
                .map_request(http::request)
                .map_response(|response| http::answered(&response))
                .map_err(http::bare)
                .layer(stack.http_layer())
                .service(server);
            Boxed::new(client)
        },
    },
    #[cfg(feature = "http")]
    Subject {
        name: "drain for HTTP",
        wrap: |inner, environment| {
            let server = ServiceBuilder::new()
                .map_request(http::request)
                .map_response(|response| http::answered(&response))
                .layer(drain(environment).http_layer())
                .map_request(|request| http::number(&request))
                .map_response(http::answer)
                .service(inner);
            Boxed::new(server)
        },
    },
];

fn drain(environment: &Environment) -> Drain {
    Drain::for_products([Product::load_balancer()]).build_in(environment).unwrap()
}

/// Longer than any test waits.
const LONG: Duration = Duration::from_secs(3600);

/// The hostile service as a server, and back.
#[cfg(feature = "http")]
mod http {
    use http_body_util::Full;
    use seawall::Error;
    use seawall::error::{BoxError, Reject};

    type Body = Full<bytes::Bytes>;

    pub(super) fn request(number: u32) -> ::http::Request<Body> {
        ::http::Request::get(format!("http://server/{number}")).body(Body::default()).unwrap()
    }

    pub(super) fn number<B>(request: &::http::Request<B>) -> u32 {
        request.uri().path()[1..].parse().unwrap()
    }

    pub(super) fn answer(number: u32) -> ::http::Response<Body> {
        ::http::Response::builder().extension(number).body(Body::default()).unwrap()
    }

    pub(super) fn answered<B>(response: &::http::Response<B>) -> u32 {
        *response.extensions().get().unwrap()
    }

    pub(super) fn bare(error: Error<BoxError>) -> BoxError {
        match error {
            Error::Rejected(rejection) => BoxError::reject(rejection),
            Error::Service(error) | Error::Ambiguous(error) => error,
        }
    }
}
