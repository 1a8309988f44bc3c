//! What each of those who ask is told.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HOST, LOCATION,
    RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use seawall::bulkhead::Bulkhead;
use seawall::health::drain::{Cause, Drain, Product};
use seawall::health::{
    Body, Check, Endpoints, Finding, Format, Group, Registry, Route, Signal, Token, Verdict,
    endpoint,
};
use seawall::telemetry::{Environment, Level, Measure};
use seawall::time::Clock;
use serde_json::Value;
use tower::{Service, ServiceExt};

const TOKEN: &str = "7c1f0b5d9a3e48627c1f0b5d9a3e4862";
const CANARY: &str = "canary-5e1f";

/// Where everyone may ask.
const ANONYMOUS: [&str; 6] =
    ["/livez", "/readyz", "/startupz", "/healthz/region", "/vmss", "/vmss-binary"];
/// Where one needs a token.
const GUARDED: [&str; 2] = ["/health", "/metrics"];
const FORMATS: [Format; 8] = [
    Format::AspNet,
    Format::HealthJson,
    Format::Json,
    Format::MicroProfile,
    Format::Prometheus,
    Format::Spring,
    Format::Text,
    Format::Xabaril,
];

/// A state, how it comes about, and what is said of it.
type Row = (&'static str, fn(&World), [u16; 6], &'static str);

#[test]
fn each_path_tells_what_concerns_it() {
    // Which of livez, readyz, startupz, healthz/region, vmss, vmss-binary are a 200, and what
    // /vmss says.
    let rows: [Row; 7] = [
        ("well", |_| {}, [200, 200, 200, 200, 200, 200], "Healthy"),
        (
            "degraded",
            |world| {
                world.local.set(Finding::degraded("slow"));
                world.shared.set(Finding::degraded("slow"));
            },
            [200, 200, 200, 200, 200, 200],
            "Healthy",
        ),
        (
            "local failure",
            |world| world.local.set(Finding::down("full")),
            [200, 503, 200, 200, 200, 503],
            "Unhealthy",
        ),
        (
            "shared failure",
            |world| world.shared.set(Finding::down("refused")),
            [200, 200, 200, 503, 200, 200],
            "Healthy",
        ),
        (
            "region drained by hand",
            |world| world.registry.drain_region("move"),
            [200, 200, 200, 503, 200, 200],
            "Healthy",
        ),
        (
            "wedged",
            |world| world.clock.advance(Duration::from_secs(11)),
            [503, 503, 200, 503, 200, 503],
            "Unhealthy",
        ),
        (
            "wedged and failing",
            |world| {
                world.local.set(Finding::down("full"));
                world.clock.advance(Duration::from_secs(11));
            },
            [503, 503, 200, 503, 200, 503],
            "Unhealthy",
        ),
    ];
    for (state, bring_about, statuses, said) in rows {
        let world = World::new();
        bring_about(&world);
        for (path, status) in ANONYMOUS.into_iter().zip(statuses) {
            assert_eq!(world.get(path).status(), status, "{path} when {state}");
        }
        assert_eq!(scale_set(&world).0, said, "when {state}");
    }
}

#[test]
fn while_it_drains_it_is_neither_ready_nor_to_be_repaired() {
    // A region follows its instances only where something chooses between regions.
    for (product, region) in [(Product::load_balancer(), 200), (Product::front_door(), 503)] {
        let world = World::new();
        let environment = Environment::new().clock(world.clock.clone());
        let drain = Drain::for_products([product]).build_in(&environment).unwrap();
        world.registry.attach(&drain).unwrap();
        assert_eq!(scale_set(&world), ("Healthy".into(), 0, false));

        drain.start(Cause::Operator);

        // Also if its own checks fail on the way out.
        for finding in [Finding::healthy(), Finding::down("closed")] {
            world.local.set(finding);
            for (path, status) in ANONYMOUS.into_iter().zip([200, 503, 200, region, 200, 200]) {
                assert_eq!(world.get(path).status(), status, "{path}");
            }
            assert_eq!(scale_set(&world), ("Healthy".into(), 0, true));
        }
        // A process that is wedged does not drain.
        world.clock.advance(Duration::from_secs(11));
        assert_eq!(scale_set(&world).0, "Unhealthy");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_requests_start_no_check() {
    #[derive(Default)]
    struct Runs {
        started: AtomicU32,
        under_way: AtomicU32,
        most: AtomicU32,
    }
    let registry = Registry::new_in(&Environment::new().clock(Clock::tokio()));
    let all: Vec<Arc<Runs>> = (0..20).map(|_| Arc::default()).collect();
    for (number, runs) in all.iter().enumerate() {
        let runs = Arc::clone(runs);
        let slow = move || {
            let runs = Arc::clone(&runs);
            async move {
                runs.started.fetch_add(1, Ordering::Relaxed);
                let under_way = runs.under_way.fetch_add(1, Ordering::Relaxed) + 1;
                runs.most.fetch_max(under_way, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_secs(2)).await;
                runs.under_way.fetch_sub(1, Ordering::Relaxed);
            }
        };
        registry.add(Check::new(format!("slow {number}"), slow).local()).unwrap();
    }
    registry.start().unwrap();
    let mut endpoints = Endpoints::builder().build(&registry).unwrap();

    // Thirty seconds, which are three intervals.
    for _ in 0..1_000 {
        for _ in 0..100 {
            let request = Request::get("/readyz").body(()).unwrap();
            endpoints.call(request).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }

    for runs in all {
        assert_eq!(runs.most.load(Ordering::Relaxed), 1);
        assert!((3..=4).contains(&runs.started.load(Ordering::Relaxed)), "one per interval");
    }
}

#[test]
fn while_it_starts_only_liveness_is_well() {
    let clock = Clock::manual();
    let registry = Registry::new_in(&Environment::new().clock(clock));
    let endpoints = Endpoints::builder().build(&registry).unwrap();
    let statuses = |expected: [u16; 6]| {
        for (path, expected) in ANONYMOUS.into_iter().zip(expected) {
            let request = Request::get(path).body(()).unwrap();
            assert_eq!(endpoints.answer(&request).status(), expected, "{path}");
        }
    };

    let warmup = registry.warmup("cache").unwrap();
    registry.start_with(drop);
    statuses([200, 503, 503, 503, 200, 503]);
    let response = endpoints.answer(&Request::get("/vmss").body(()).unwrap());
    assert_eq!(json(response)["ApplicationHealthState"], "Initializing");

    warmup.done();
    statuses([200; 6]);
}

#[test]
fn a_group_of_ones_own_has_a_path_of_its_own() {
    let world = World::with(|config| config.group(Group::named("checkout"), "/checkout"));
    let signal = Signal::builder("till").groups([Group::named("checkout")]);
    let till = world.registry.signal(signal).unwrap();

    till.set(Finding::healthy());
    assert_eq!(world.get("/checkout").status(), 200);
    till.set(Finding::down("jammed"));
    assert_eq!(world.get("/checkout").status(), 503);
    assert_eq!(world.get("/checkout/text").text(), "down");
    assert_eq!(world.get("/readyz").status(), 200);
}

#[test]
fn the_body_says_degraded_where_the_status_can_not() {
    let world = World::new();
    let well = world.get("/readyz");
    world.local.set(Finding::degraded("slow"));
    let degraded = world.get("/readyz");
    world.local.set(Finding::down("dead"));
    let down = world.get("/readyz");

    assert_eq!(well.text(), r#"{"status":"Healthy","degraded":false}"#);
    assert_eq!(degraded.text(), r#"{"status":"Healthy","degraded":true }"#);
    assert_eq!(down.text(), r#"{"status":"Down"}"#);
}

#[test]
fn head_gets_what_get_gets_but_for_the_body() {
    for failing in [false, true] {
        let world = World::new();
        if failing {
            world.local.set(Finding::down("full"));
            world.clock.advance(Duration::from_secs(11));
        }
        for path in all_paths().iter().map(String::as_str).chain(["/nowhere"]) {
            for token in [None, Some(TOKEN)] {
                let get = world.ask(Method::GET, path, &bearer(token));
                let head = world.ask(Method::HEAD, path, &bearer(token));

                assert_eq!(get.status(), head.status(), "{path}");
                assert_eq!(get.headers(), head.headers(), "{path}");
                let length = get.headers()[CONTENT_LENGTH].to_str().unwrap();
                assert_eq!(length, get.body().len().to_string(), "{path}");
                assert!(head.body().is_empty(), "{path}");
            }
        }
    }
}

#[test]
fn every_answer_keeps_to_the_rules() {
    let world = World::new();
    world.local.set(Finding::down("full"));
    world.shared.set(Finding::degraded("slow"));
    for path in all_paths().iter().map(String::as_str).chain(["/nowhere"]) {
        for method in [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS, Method::TRACE] {
            let response = world.ask(method.clone(), path, &[]);
            let status = response.status().as_u16();

            assert!([200, 401, 404, 405, 503].contains(&status), "{status} at {path}");
            assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
            assert!(!response.headers().contains_key(LOCATION));
            assert!(!response.headers().contains_key("server"));
            assert!(!response.headers().contains_key("set-cookie"));
            let again = response.headers().get(RETRY_AFTER);
            assert!(again.is_none_or(|again| status == 503 && again == "5"), "{path}");
            let allow = response.headers().get(ALLOW);
            assert_eq!(allow.is_some(), status == 405);
            assert!(allow.is_none_or(|allow| allow == "GET, HEAD"));
            if path != "/nowhere" {
                let is_read = method == Method::GET || method == Method::HEAD;
                assert_eq!(status == 405, !is_read, "{method} {path}");
            }
        }
    }
}

#[test]
fn it_says_when_to_ask_again_unless_waiting_cures_nothing() {
    let world = World::with(|config| config.retry_after(Duration::from_secs(30)));
    world.local.set(Finding::down("full"));
    world.registry.drain_region("move");
    world.clock.advance(Duration::from_secs(11));

    for path in ["/readyz", "/healthz/region", "/readyz/spring"] {
        assert_eq!(world.get(path).headers()[RETRY_AFTER], "30", "{path}");
    }
    for path in ["/livez", "/livez/text", "/vmss-binary"] {
        let response = world.get(path);
        assert_eq!(response.status(), 503, "{path}");
        assert!(!response.headers().contains_key(RETRY_AFTER), "{path}");
    }
}

#[test]
fn a_path_is_matched_as_it_stands() {
    let world = World::new();
    for path in ["/", "/livez/", "//livez", "/LIVEZ", "/livez%2f", "/%6civez", "/livez/..", "/live"]
    {
        assert_eq!(world.get(path).status(), 404, "{path}");
    }
    for path in ["/livez?", "/livez?a=b", "http://elsewhere:1/livez?x#y"] {
        assert_eq!(world.get(path).status(), 200, "{path}");
    }
}

#[test]
fn nothing_of_a_request_is_given_back_or_makes_a_difference() {
    let world = World::new();
    let plain = world.get("/readyz");
    for name in [HOST.as_str(), "x-forwarded-host", "referer", "user-agent", "origin", "cookie"] {
        let headers = [(name, CANARY.to_owned())];
        assert_eq!(world.ask(Method::GET, "/readyz", &headers), plain, "{name}");
    }
    let accept = [(ACCEPT.as_str(), format!("text/{CANARY}, application/{CANARY};q={CANARY}"))];
    assert_eq!(world.ask(Method::GET, "/readyz", &accept), plain);

    for path in [format!("/{CANARY}"), format!("/health?{CANARY}"), format!("/health/{CANARY}")] {
        let headers = [
            (AUTHORIZATION.as_str(), format!("Bearer {CANARY}")),
            (HOST.as_str(), CANARY.to_owned()),
        ];
        for method in [Method::GET, Method::HEAD, Method::from_bytes(b"CANARY-5E1F").unwrap()] {
            assert_silent(&world.ask(method, &path, &headers), &path);
        }
    }
}

#[test]
fn everyone_is_told_the_same_whatever_there_is() {
    let bare = World::new();
    let full = World::new();
    for number in 0..100 {
        let name = format!("check {number} of {CANARY}");
        let signal = Signal::builder(name).groups([Group::READINESS, Group::REGION]);
        full.registry.signal(signal).unwrap().set(Finding::healthy().observed(1.5, "s"));
    }
    for finding in [Finding::healthy(), Finding::degraded("slow"), Finding::down("dead")] {
        bare.local.set(finding.clone());
        full.local.set(finding);
        for path in all_paths() {
            assert_eq!(bare.get(&path), full.get(&path), "{path}");
        }
    }
}

#[test]
fn secrets_are_in_no_answer_to_a_stranger() {
    let canary = Bulkhead::builder().name(CANARY).build().unwrap();
    let with = |app_service: bool| {
        World::with(|config| {
            let secret = Token::new(format!("{CANARY}-{TOKEN}")).unwrap();
            let config = config.token(secret).policy(canary.clone());
            if app_service { config.app_service_key(CANARY) } else { config }
        })
    };

    let mut answers = 0;
    for world in [with(false), with(true)] {
        plant(&world);
        answers += ask_as_a_stranger(&world);
    }
    assert!(answers > 2_000);
}

/// Asks for everything in every way, and gives back how often.
fn ask_as_a_stranger(world: &World) -> usize {
    let mut answers = 0;
    for path in all_paths().iter().map(String::as_str).chain(["/nowhere"]) {
        for accept in ["*/*", "application/json", "application/health+json", "text/plain"] {
            for method in [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS] {
                for token in [None, Some("wrong-wrong-wrong-wrong-wrong-wrong!")] {
                    let mut headers = bearer(token);
                    headers.push((ACCEPT.as_str(), accept.to_owned()));
                    assert_silent(&world.ask(method.clone(), path, &headers), path);
                    answers += 1;
                }
            }
        }
    }
    answers
}

#[test]
fn secrets_are_in_no_debug_output() {
    let secret = || Token::new(format!("{CANARY}-{TOKEN}")).unwrap();
    let config = Endpoints::builder().token(secret()).app_service_key(CANARY);
    assert!(!format!("{config:?} {config:#?}").contains(CANARY));
    let refused = Token::new(CANARY).err().unwrap();
    assert!(!format!("{refused} {refused:?}").contains(CANARY));

    let world = World::with(|config| config.token(secret()).app_service_key(CANARY));
    plant(&world);
    let endpoints = &world.endpoints;
    assert!(!format!("{endpoints:?} {endpoints:#?}").contains(CANARY));
    let request = Request::get("/health").header(AUTHORIZATION, format!("Bearer {CANARY}-{TOKEN}"));
    let body = endpoints.answer(&request.body(()).unwrap()).into_body();
    assert!(!format!("{body:?}").contains(CANARY), "what a body holds is not for logs");
    #[cfg(feature = "grpc")]
    {
        let grpc = seawall::health::grpc::GrpcHealth::new(&world.registry);
        assert!(!format!("{grpc:?}").contains(CANARY));
    }
}

#[test]
fn a_token_opens_details_and_metrics_and_nothing_else_does() {
    let other = "another-token-another-token-another";
    let world = World::with(|config| config.token(Token::new(other).unwrap()));
    let refused = world.ask(Method::GET, "/health", &[]);
    assert_eq!(refused.status(), 401);
    let challenges: Vec<_> = refused.headers().get_all(WWW_AUTHENTICATE).iter().collect();
    assert_eq!(challenges, ["Bearer", "Basic realm=\"status\""]);

    for path in all_paths().iter().filter(|path| is_guarded(path)) {
        for right in [TOKEN, other] {
            let response = world.ask(Method::GET, path, &bearer(Some(right)));
            assert_eq!(response.status(), 200, "{path}");
        }
        let query = format!("{path}?token={TOKEN}&access_token={TOKEN}");
        assert_eq!(world.get(&query), refused, "{path}");
        let elsewhere = [("x-api-key", TOKEN.to_owned()), ("cookie", format!("token={TOKEN}"))];
        assert_eq!(world.ask(Method::GET, path, &elsewhere), refused, "{path}");
    }
    // The same for every way in which it can be wrong.
    for wrong in ["", "x", &TOKEN.to_uppercase(), &TOKEN[1..], &format!("{TOKEN}{TOKEN}")] {
        assert_eq!(world.ask(Method::GET, "/metrics", &bearer(Some(wrong))), refused, "{wrong}");
    }
}

#[test]
fn without_a_token_configured_nobody_sees_details() {
    let registry = Registry::new();
    let endpoints = Endpoints::builder().build(&registry).unwrap();
    for path in GUARDED {
        let request = Request::get(path).header(AUTHORIZATION, "Bearer ");
        assert_eq!(endpoints.answer(&request.body(()).unwrap()).status(), 401);
    }
}

#[test]
fn a_flood_of_guesses_closes_the_door_for_a_while_and_no_verdict() {
    let world = World::new();
    let refused = world.get("/health");
    for guess in 0..20 {
        let guess = format!("guess-{guess:0>40}");
        assert_eq!(world.ask(Method::GET, "/health", &bearer(Some(&guess))), refused);
    }

    assert_eq!(world.ask(Method::GET, "/health", &bearer(Some(TOKEN))), refused);
    assert_eq!(world.get("/readyz").status(), 200);

    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.ask(Method::GET, "/health", &bearer(Some(TOKEN))).status(), 200);
}

#[test]
fn details_tell_what_failed() {
    let world = World::new();
    world.local.set(Finding::down("disk is full").observed(99.5, "%"));

    for format in FORMATS {
        let path = format!("/health/{}", format.name());
        let response = world.ask(Method::GET, &path, &bearer(Some(TOKEN)));

        assert_eq!(response.status(), 503, "{path}");
        assert_eq!(response.headers()[CONTENT_TYPE], format.content_type(), "{path}");
        assert!(!response.text().contains(r#""status":"Healthy""#) || format == Format::Xabaril);
        let tells = !matches!(format, Format::AspNet | Format::Prometheus | Format::Text);
        assert_eq!(response.text().contains("disk is full"), tells, "{path}");
    }
    let told = json_of(&world.ask(Method::GET, "/health", &bearer(Some(TOKEN))));
    assert_eq!(told["status"], "Down");
    assert_eq!(told["checks"]["local"]["detail"], "disk is full");
    assert_eq!(told["groups"]["readiness"]["verdict"], "down");
}

#[test]
fn a_format_is_chosen_by_accept_and_by_path() {
    let world = World::new();
    for (accept, format) in [
        ("*/*", Format::Json),
        ("text/plain", Format::Text),
        ("application/health+json", Format::HealthJson),
        ("application/vnd.spring-boot.actuator.v3+json", Format::Spring),
        ("text/plain;version=0.0.4", Format::Prometheus),
        ("image/png", Format::Json),
    ] {
        let headers = [(ACCEPT.as_str(), accept.to_owned())];
        let response = world.ask(Method::GET, "/readyz", &headers);
        assert_eq!(response.headers()[CONTENT_TYPE], format.content_type(), "{accept}");
        assert_eq!(response.text(), format.verdict(Verdict::Healthy), "{accept}");
        // The path's word is final.
        let response = world.ask(Method::GET, "/readyz/xabaril", &headers);
        assert_eq!(response.text(), Format::Xabaril.verdict(Verdict::Healthy), "{accept}");
    }
    for path in ["/readyz", "/livez", "/startupz", "/healthz/region"] {
        for format in FORMATS {
            let response = world.get(&format!("{path}/{}", format.name()));
            assert_eq!(response.text(), format.verdict(Verdict::Healthy), "{path}");
        }
    }
}

#[test]
fn a_scale_set_is_told_whether_to_upgrade_now() {
    let world = World::with(|config| config.upgrade_phase(2));

    assert_eq!(scale_set(&world), ("Healthy".into(), 2, false));
    world.endpoints.set_busy(true);
    assert_eq!(scale_set(&world), ("Healthy".into(), 2, true));
    world.endpoints.set_busy(false);
    assert_eq!(scale_set(&world), ("Healthy".into(), 2, false));
}

#[test]
fn paths_can_be_moved_added_and_left_out() {
    let readiness = Route::Group(Group::READINESS);
    let world = World::with(|config| {
        config
            .path(readiness, "/ready")
            .also(readiness, "/")
            .format(readiness, Format::AspNet, "/healthz")
            .without(Route::ScaleSet)
            .format_paths(false)
    });

    for path in ["/ready", "/", "/ready?x"] {
        assert_eq!(world.get(path).status(), 200, "{path}");
    }
    for path in ["/readyz", "/vmss", "/ready/spring"] {
        assert_eq!(world.get(path).status(), 404, "{path}");
    }
    assert_eq!(world.get("/healthz").text(), "Healthy");
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let long = format!("/{}", "x".repeat(256));
    let token = || Token::new(TOKEN).unwrap();
    let live = Route::Group(Group::LIVENESS);
    let rows: Vec<(endpoint::Config, &str)> = vec![
        (Endpoints::builder().path(live, "livez"), "path"),
        (Endpoints::builder().path(live, ""), "path"),
        (Endpoints::builder().path(live, "/a?b"), "path"),
        (Endpoints::builder().path(live, "/a#b"), "path"),
        (Endpoints::builder().path(live, "/a\nb"), "path"),
        (Endpoints::builder().path(live, long), "path"),
        (Endpoints::builder().path(live, "/readyz"), "path"),
        (Endpoints::builder().path(live, "/health/spring"), "path"),
        (Endpoints::builder().retry_after(Duration::ZERO), "retry_after"),
        (Endpoints::builder().retry_after(Duration::from_millis(1_500)), "retry_after"),
        (Endpoints::builder().retry_after(Duration::from_secs(3_601)), "retry_after"),
        (Endpoints::builder().app_service_key(""), "app_service_key"),
        ((0..17).fold(Endpoints::builder(), |config, _| config.token(token())), "token"),
        (
            (0..257).fold(Endpoints::builder(), |config, n| config.also(live, format!("/{n}"))),
            "path",
        ),
    ];
    for (config, field) in rows {
        let shown = format!("{config:?}");
        assert_eq!(config.build(&Registry::new()).unwrap_err().field(), field, "{shown}");
    }
}

#[test]
fn only_app_service_is_told_of_readiness_where_it_proves_itself() {
    let world = World::with(|config| config.app_service_key("the key of the site"));
    // printf %s 'the key of the site' | openssl dgst -sha256 -binary | base64
    let right = "1Ul7LQqfFrf86vutV7yR95IOad3kcWY2w0Zp9Z6NzvU=";
    let ask = |path: &str, token: &str| {
        world.ask(Method::GET, path, &[("x-ms-auth-internal-token", token.to_owned())])
    };

    for path in ["/readyz", "/readyz/text"] {
        assert_eq!(ask(path, right).status(), 200);
        assert_eq!(world.get(path), world.get("/health"), "the same 401");
        for wrong in ["", "the key of the site", &right.to_lowercase(), &right[1..]] {
            assert_eq!(ask(path, wrong).status(), 401, "{wrong}");
        }
    }
    for path in ["/livez", "/startupz", "/healthz/region", "/vmss"] {
        assert_eq!(world.get(path).status(), 200, "{path}");
    }
}

#[test]
fn metrics_tell_of_health_and_of_policies() {
    struct Panics;
    impl Measure for Panics {
        fn measure(&self, sink: &mut dyn FnMut(Level)) {
            sink(Level::gauge("mine", "half", "told", 1.0));
            panic!("a policy of the user's own");
        }
    }
    let bulkhead = Bulkhead::builder().name("metrics tell").max_calls(8).build().unwrap();
    let world = World::with(|config| config.policy(Panics).policy(bulkhead.clone()));
    let _permit = bulkhead.enter().unwrap();
    world.local.set(Finding::degraded("slow"));

    let response = world.ask(Method::GET, "/metrics", &bearer(Some(TOKEN)));
    let text = response.text();

    assert_eq!(response.headers()[CONTENT_TYPE], Format::Prometheus.content_type());
    for line in [
        "resilience_health_group_verdict{group=\"readiness\"} 1",
        "resilience_health_check_verdict{check=\"local\",criticality=\"critical\"} 1",
        "resilience_bulkhead_in_flight{policy=\"metrics tell\"} 1",
        "resilience_mine_told{policy=\"half\"} 1",
    ] {
        assert_eq!(text.lines().filter(|found| *found == line).count(), 1, "{line}\n{text}");
    }
    let samples: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.rsplit_once(' ').unwrap().0)
        .collect();
    assert_eq!(samples.iter().collect::<BTreeSet<_>>().len(), samples.len(), "none comes twice");
}

#[tokio::test]
async fn it_is_a_tower_service_for_any_body() {
    // What routers such as axum's want of a service that is nested in them.
    fn mountable<S, B>(_: &S)
    where
        S: Service<Request<B>, Error = std::convert::Infallible> + Clone + Send + Sync + 'static,
        S::Response: Into<Response<Body>>,
        S::Future: Send + 'static,
    {
    }

    let endpoints = World::new().endpoints;

    let request = Request::get("/livez").body(String::from("any body")).unwrap();
    assert_eq!(endpoints.clone().oneshot(request).await.unwrap().status(), 200);
    let request = Request::get("/livez").body(Empty::<Bytes>::new()).unwrap();
    let response = tower::ServiceBuilder::new().boxed_clone().service(endpoints.clone());
    assert_eq!(response.oneshot(request).await.unwrap().status(), 200);

    mountable::<_, Empty<Bytes>>(&endpoints);
}

#[tokio::test]
async fn it_is_served_by_hyper() {
    let (client, server) = tokio::io::duplex(4_096);
    let service = TowerToHyperService::new(World::new().endpoints);
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(server), service);
    let server = tokio::spawn(connection);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(client)).await.unwrap();
    let connection = tokio::spawn(connection);

    for (method, path, status) in [
        (Method::GET, "/readyz", 200),
        (Method::HEAD, "/readyz", 200),
        (Method::HEAD, "/nowhere", 404),
        (Method::POST, "/readyz", 405),
        (Method::GET, "/health", 401),
        (Method::GET, "/vmss", 200),
    ] {
        let request = Request::builder().method(&method).uri(path).header(HOST, "10.0.0.4");
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), status, "{method} {path}");
        let length: usize = response.headers()[CONTENT_LENGTH].to_str().unwrap().parse().unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body.len(), if method == Method::HEAD { 0 } else { length }, "{method} {path}");
    }
    drop(sender);
    connection.await.unwrap().unwrap();
    server.await.unwrap().unwrap();
}

/// A registry that has started, with a check of its own and a shared one that are set by hand.
struct World {
    clock: Clock,
    registry: Registry,
    endpoints: Endpoints,
    local: Signal,
    shared: Signal,
}

impl World {
    fn new() -> Self {
        Self::with(|config| config)
    }

    fn with(set: impl FnOnce(endpoint::Config) -> endpoint::Config) -> Self {
        let clock = Clock::manual();
        let environment = Environment::new().clock(clock.clone());
        let registry = Registry::new_in(&environment);
        let local = registry.signal(Signal::builder("local").groups([Group::READINESS])).unwrap();
        let shared = registry.signal("shared").unwrap();
        local.set(Finding::healthy());
        shared.set(Finding::healthy());
        registry.start_with(drop);
        let config = set(Endpoints::builder().token(Token::new(TOKEN).unwrap()));
        let endpoints = config.build_in(&registry, &environment).unwrap();
        Self { clock, registry, endpoints, local, shared }
    }

    fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[])
    }

    fn ask(&self, method: Method, path: &str, headers: &[(&str, String)]) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        Answer::new(self.endpoints.answer(&request.body(()).unwrap()))
    }
}

/// An answer whose body was read.
#[derive(Debug, PartialEq)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn new(response: Response<Body>) -> Self {
        let (head, body) = response.into_parts();
        let body = tokio_test::block_on(body.collect()).unwrap().to_bytes();
        Self { status: head.status, headers: head.headers, body }
    }

    fn status(&self) -> StatusCode {
        self.status
    }

    fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    fn body(&self) -> &Bytes {
        &self.body
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// All paths that there are by default.
fn all_paths() -> Vec<String> {
    let mut paths: Vec<String> =
        ANONYMOUS.iter().chain(&GUARDED).map(|path| (*path).into()).collect();
    for path in ["/livez", "/readyz", "/startupz", "/healthz/region", "/health"] {
        paths.extend(FORMATS.map(|format| format!("{path}/{}", format.name())));
    }
    paths
}

fn is_guarded(path: &str) -> bool {
    path == "/metrics" || path == "/health" || path.starts_with("/health/")
}

fn bearer(token: Option<&str>) -> Vec<(&'static str, String)> {
    token.map(|token| (AUTHORIZATION.as_str(), format!("Bearer {token}"))).into_iter().collect()
}

/// Puts secrets wherever there is room for one.
fn plant(world: &World) {
    let name = |what: &str| format!("{what} {CANARY}");
    world.registry.add(Check::new(name("check"), || async {}).tag(CANARY)).unwrap();
    let group = Group::named(CANARY);
    world.registry.signal(Signal::builder(name("signal")).groups([group])).unwrap();
    let _warmup = world.registry.warmup(name("warmup"));
    world.local.set(Finding::down(format!("postgres://u:{CANARY}@db.internal refused")));
    world.shared.set(Finding::down(format!("AccountKey={CANARY};host={CANARY}.example")));
    world.registry.drain_region(name("reason"));
}

fn assert_silent(answer: &Answer, path: &str) {
    let shown = format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body));
    let shown = shown.to_lowercase();
    for secret in [CANARY, "postgres", "accountkey", "refused", env!("CARGO_PKG_VERSION")] {
        assert!(!shown.contains(secret), "{secret} at {path}: {shown}");
    }
}

fn json(response: Response<Body>) -> Value {
    json_of(&Answer::new(response))
}

fn json_of(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

/// What `/vmss` says, as the extension reads it: the state, the phase and whether to skip.
fn scale_set(world: &World) -> (String, u64, bool) {
    let response = world.get("/vmss");
    assert_eq!(response.status(), 200);
    let rich = json_of(&response);
    let metrics: Value = serde_json::from_str(rich["CustomMetrics"].as_str().unwrap()).unwrap();
    let upgrade = &metrics["RollingUpgrade"];
    (
        rich["ApplicationHealthState"].as_str().unwrap().into(),
        upgrade["PhaseOrderingNumber"].as_u64().unwrap(),
        upgrade["SkipUpgrade"].as_bool().unwrap(),
    )
}
