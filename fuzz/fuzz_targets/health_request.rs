//! No request makes the endpoints panic, gets details without the token, or is given back.

#![no_main]

use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body::Body as _;
use libfuzzer_sys::fuzz_target;
use seawall::health::{Body, Endpoints, Finding, Group, Registry, Signal, Token};
use seawall::telemetry::Environment;
use seawall::time::Clock;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const SECRET: &str = "of-nobodys-business";
const PATHS: [&str; 8] = [
    "/livez",
    "/readyz",
    "/healthz/region",
    "/vmss",
    "/vmss-binary",
    "/health",
    "/metrics",
    "/health/spring",
];
const NAMES: [&str; 6] =
    ["accept", "authorization", "host", "x-ms-auth-internal-token", "content-length", "range"];

/// Its clock, the endpoints, and what decides the verdict.
static WORLD: LazyLock<(Clock, Endpoints, Signal)> = LazyLock::new(|| {
    let clock = Clock::manual();
    let environment = Environment::new().clock(clock.clone());
    let registry = Registry::new_in(&environment);
    let signal = Signal::builder(SECRET).groups([Group::READINESS, Group::REGION]);
    let signal = registry.signal(signal).expect("it is the first");
    registry.start_with(drop);
    let token = Token::new(TOKEN).expect("it is long enough");
    let endpoints = Endpoints::builder().token(token).build_in(&registry, &environment);
    (clock, endpoints.expect("these are the defaults"), signal)
});

fuzz_target!(|input: (u8, u8, Vec<u8>, Vec<u8>, Vec<(u8, Vec<u8>)>)| {
    let (verdict, at, path, method, lines) = input;
    let (clock, endpoints, signal) = &*WORLD;
    // So that the limit of failed attempts hides nothing.
    clock.advance(Duration::from_secs(1));
    signal.set(match verdict % 3 {
        0 => Finding::down(SECRET),
        1 => Finding::degraded(SECRET),
        _ => Finding::healthy(),
    });

    let mut request = Request::new(());
    let own = Uri::try_from(&path[..]);
    *request.uri_mut() = match PATHS.get(usize::from(at)) {
        Some(path) => Uri::from_static(path),
        None => own.unwrap_or_default(),
    };
    *request.method_mut() = Method::from_bytes(&method).unwrap_or_default();
    for (name, value) in lines.iter().take(16) {
        let name = HeaderName::from_static(NAMES[usize::from(*name) % NAMES.len()]);
        if let Ok(value) = HeaderValue::from_bytes(value) {
            request.headers_mut().append(name, value);
        }
    }
    let has_token = request.headers().get_all("authorization").iter().any(|line| {
        let line = line.as_bytes();
        line.ends_with(TOKEN.as_bytes()) || line.to_ascii_lowercase().starts_with(b"basic")
    });

    let response = endpoints.answer(&request);

    let status = response.status().as_u16();
    assert!([200, 401, 404, 405, 503].contains(&status));
    assert_eq!(response.headers()["cache-control"], "no-store");
    let length: usize = response.headers()["content-length"].to_str().unwrap().parse().unwrap();
    let body = read(response.into_body());
    assert!(body.is_empty() || body.len() == length);
    assert_eq!(body.is_empty(), *request.method() == Method::HEAD);
    if !has_token {
        // Made of what is there for everyone, and so of nothing that was sent.
        assert!(length < 256);
        let secret = SECRET.as_bytes();
        assert!(!body.windows(secret.len()).any(|window| window == secret));
    }
});

fn read(body: Body) -> Vec<u8> {
    let mut body = pin!(body);
    let mut read = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(Ok(frame))) = body.as_mut().poll_frame(&mut cx) {
        read.extend_from_slice(&frame.into_data().expect("it has no trailers"));
    }
    read
}
