//! What the status page tells, and whom.

use std::task::{Context, Waker};
use std::time::Duration;

use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST,
    RETRY_AFTER,
};
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use seawall::Outcome;
use seawall::budget::Budget;
use seawall::bulkhead::Bulkhead;
use seawall::circuit_breaker::CircuitBreaker;
use seawall::gate::Permit;
use seawall::health::drain::{Cause, Drain, Product};
use seawall::health::server::Prolong;
use seawall::health::status::Access;
use seawall::health::{
    Body, Check, Endpoints, Finding, Group, Peer, Phase, Registry, Route, Signal, Token, endpoint,
};
use seawall::rate_limit::Quota;
use seawall::telemetry::Environment;
use seawall::time::Clock;
use serde_json::{Value, json};

const TOKEN: &str = "7c1f0b5d9a3e48627c1f0b5d9a3e4862";
const HOSTILE: &str = "<img src=x onerror=\"alert(1)\">'&amp;</script>";
const PATHS: [&str; 3] = ["/status", "/status.json", "/status/events"];

#[test]
fn who_has_a_token_or_sits_at_this_machine_sees_it() {
    let far = "203.0.113.7:40000";
    let near = "127.0.0.1:40000";
    let bearer = ("authorization", &*format!("Bearer {TOKEN}"));
    let basic = ("authorization", "Basic YW55Ym9keTo3YzFmMGI1ZDlhM2U0ODYyN2MxZjBiNWQ5YTNlNDg2Mg==");
    let local = ("host", "localhost:8081");
    let rows: &[Row<'_>] = &[
        (Some(far), &[("host", "example.com"), bearer], true, true),
        (Some(far), &[("host", "example.com"), basic], true, true),
        (None, &[bearer], true, true),
        (Some(far), &[local], false, false),
        (None, &[local], false, false),
        (
            Some(far),
            &[local, ("authorization", "Bearer 7c1f0b5d9a3e48627c1f0b5d9a3e4863")],
            false,
            false,
        ),
        (Some(near), &[local], true, false),
        (Some(near), &[local, bearer], true, true),
        (Some("127.9.8.7:40000"), &[local], true, false),
        (Some("[::1]:40000"), &[local], true, false),
        (Some("[::ffff:127.0.0.1]:40000"), &[local], true, false),
        (Some("[::ffff:203.0.113.7]:40000"), &[local], false, false),
        (Some("10.0.0.1:40000"), &[local], false, false),
        // The host that is asked for.
        (Some(near), &[("host", "LocalHost")], true, false),
        (Some(near), &[("host", "127.0.0.1:8081")], true, false),
        (Some(near), &[("host", "[::1]:8081")], true, false),
        (Some(near), &[], false, false),
        (Some(near), &[("host", "")], false, false),
        (Some(near), &[("host", "example.com")], false, false),
        (Some(near), &[("host", "localhost.example.com")], false, false),
        (Some(near), &[("host", "127.0.0.1.example.com")], false, false),
        (Some(near), &[("host", "example.com@localhost")], false, false),
        (Some(near), &[("host", "localhost@example.com")], false, false),
        (Some(near), &[("host", "[::1")], false, false),
        (Some(near), &[("host", "127.0.0.2")], false, false),
        (Some(near), &[local, local], false, false),
        (Some(near), &[local, ("host", "example.com")], false, false),
        // A proxy on this machine.
        (Some(near), &[local, ("forwarded", "for=203.0.113.7")], false, false),
        (Some(near), &[local, ("x-forwarded-for", "203.0.113.7")], false, false),
        (Some(near), &[local, ("x-forwarded-for", "")], false, false),
        (Some(near), &[local, ("x-forwarded-host", "example.com")], false, false),
        (Some(near), &[local, ("x-forwarded-proto", "https")], false, false),
        (Some(near), &[local, ("x-real-ip", "203.0.113.7")], false, false),
        (Some(near), &[local, ("via", "1.1 proxy")], false, false),
        (Some(near), &[local, ("x-forwarded-for", "203.0.113.7"), bearer], true, true),
        // A page of another site.
        (Some(near), &[local, ("sec-fetch-site", "same-origin")], true, false),
        (Some(near), &[local, ("sec-fetch-site", "none")], true, false),
        (Some(near), &[local, ("sec-fetch-site", "cross-site")], false, false),
        (Some(near), &[local, ("sec-fetch-site", "same-site")], false, false),
        (
            Some(near),
            &[local, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")],
            true,
            false,
        ),
    ];
    let open = World::new();
    let strict = World::with(|config| config.status_access(Access::Token));

    for (peer, headers, by_default, by_token) in rows {
        for path in PATHS {
            // Failed attempts are limited, and each row is to be the first.
            open.clock.advance(Duration::from_secs(60));
            strict.clock.advance(Duration::from_secs(60));
            let ask = |world: &World| {
                let mut request = Request::get(path);
                for (name, value) in *headers {
                    request = request.header(*name, *value);
                }
                let mut request = request.body(()).unwrap();
                if let Some(peer) = peer {
                    request.extensions_mut().insert(Peer::new(peer.parse().unwrap()));
                }
                world.endpoints.answer(&request)
            };
            let refused = strict.answer(Method::GET, "/health", |request| request);
            for (world, let_in) in [(&open, by_default), (&strict, by_token)] {
                let response = ask(world);
                assert_eq!(
                    response.status(),
                    if *let_in { 200 } else { 401 },
                    "{peer:?} {headers:?}"
                );
                if !let_in {
                    assert_eq!(response.headers(), refused.headers(), "as for details");
                }
            }
        }
    }
}

#[test]
fn a_request_line_that_names_another_host_is_not_local() {
    let world = World::new();
    for (target, status) in [
        ("http://localhost/status", 200),
        ("http://127.0.0.1:8081/status", 200),
        ("http://example.com/status", 401),
    ] {
        let request = Request::get(target).header(HOST, "localhost").extension(near());

        assert_eq!(world.endpoints.answer(&request.body(()).unwrap()).status(), status, "{target}");
    }
}

#[test]
fn the_data_has_the_form_that_is_promised() {
    let world = World::new();
    world.signal.set(Finding::down("refused").observed(41.5, "s"));
    let other = world.registry.signal(Signal::builder("status-other").informational()).unwrap();
    other.set(Finding::healthy());

    let data = world.json();

    let Value::Object(fields) = &data else { panic!("not an object: {data}") };
    let names: Vec<_> = fields.keys().map(String::as_str).collect();
    let promised = [
        "at", "checks", "drain", "groups", "omitted", "phase", "policies", "regions", "verdict",
        "version",
    ];
    assert_eq!(sorted(names), promised);
    assert_eq!(data["version"], 1);
    assert_eq!(data["phase"], "serving");
    assert_eq!(data["verdict"], "down");
    assert!(data["at"].as_u64().unwrap() > 1_700_000_000_000, "a moment of this century");
    assert_eq!(data["regions"], json!([{"name": "local", "local": true, "verdict": "down"}]));
    assert_eq!(data["groups"][0]["name"], "region", "what is down comes first");
    assert_eq!(data["groups"][0]["verdict"], "down");
    assert_eq!(data["groups"][0]["checks"], json!(["status-signal", "status-other"]));

    let check = &data["checks"][0];
    for (field, value) in [
        ("name", json!("status-signal")),
        ("verdict", json!("down")),
        ("detail", json!("refused")),
        ("observed", json!({"value": 41.5, "unit": "s"})),
        ("criticality", json!("critical")),
        ("shared", json!(true)),
        ("groups", json!(["region"])),
        ("tags", json!([])),
        ("stale", json!(false)),
        ("flapping", json!(false)),
    ] {
        assert_eq!(check[field], value, "{field}");
    }
    for field in ["interval_ms", "took_ms", "last_run", "since", "runs", "history"] {
        assert!(check.get(field).is_some(), "{field}");
    }
    let run = check["history"].as_array().unwrap().last().unwrap();
    assert_eq!(run["verdict"], "down");
    assert!(run["at"].is_u64() && run["took_ms"].is_number());
}

#[test]
fn every_policy_of_the_process_is_there_in_its_state() {
    let breaker = CircuitBreaker::builder().name("status-breaker").build().unwrap();
    let isolated = CircuitBreaker::builder().name("status-isolated").build().unwrap();
    let bulkhead = Bulkhead::builder().name("status-bulkhead").max_calls(1).build().unwrap();
    let limiter = Quota::per_hour(1).name("status-limiter").build().unwrap();
    let budget = Budget::builder().name("status-budget").build().unwrap();
    breaker.enter().unwrap().complete(Outcome::Success);
    isolated.isolate();
    let _place = bulkhead.enter().unwrap();
    let _turn = limiter.enter().unwrap();

    let data = World::new().json();

    let find = |pattern: &str, name: &str| {
        let policies = data["policies"].as_array().unwrap();
        let found = |p: &&Value| p["pattern"] == pattern && p["name"] == name;
        policies.iter().find(found).unwrap_or_else(|| panic!("no {name}")).clone()
    };
    let found = find("circuit_breaker", "status-breaker");
    assert_eq!((&found["verdict"], &found["state"]), (&json!("healthy"), &json!("closed")));
    assert_eq!(found["levels"], json!({"calls": 1.0, "failure_rate": 0.0, "slow_rate": 0.0}));
    assert_eq!(found["transitions"], json!([]));

    let found = find("circuit_breaker", "status-isolated");
    assert_eq!((&found["verdict"], &found["state"]), (&json!("down"), &json!("isolated")));
    let change = &found["transitions"][0];
    assert_eq!((&change["from"], &change["to"]), (&json!("closed"), &json!("isolated")));
    assert!(change["at"].as_u64().unwrap() <= data["at"].as_u64().unwrap());

    let found = find("bulkhead", "status-bulkhead");
    assert_eq!((&found["verdict"], &found["state"]), (&json!("degraded"), &json!("full")));
    assert_eq!(found["levels"], json!({"in_flight": 1.0, "max_calls": 1.0, "waiting": 0.0}));

    let found = find("rate_limit", "status-limiter");
    assert_eq!((&found["verdict"], &found["state"]), (&json!("degraded"), &json!("exhausted")));
    assert_eq!(found["levels"], json!({"available": 0.0, "waiting": 0.0}));

    let found = find("budget", "status-budget");
    assert_eq!((&found["verdict"], &found["state"]), (&json!("healthy"), &json!("available")));
    assert_eq!(found["levels"]["charged"], 0.0);
    drop(budget);
}

#[test]
fn it_is_bounded_and_keeps_what_is_down() {
    let world = World::new();
    let names: Vec<_> = (0..1_010).map(|number| format!("status-{number:04}")).collect();
    let signals: Vec<_> =
        names.iter().map(|name| world.registry.signal(name.as_str()).unwrap()).collect();
    for signal in &signals {
        signal.set(Finding::healthy());
    }
    for _ in 0..50 {
        signals[1_009].set(Finding::down("late in the alphabet"));
    }

    let data = world.json();

    let checks = data["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 1_000);
    let omitted = world.registry.report().checks.len() - 1_000;
    assert_eq!(data["omitted"]["checks"], omitted);
    assert_eq!(checks[0]["name"], "status-1009");
    let groups = data["groups"].as_array().unwrap().iter();
    let listed = groups.map(|group| group["checks"].as_array().unwrap().len());
    assert_eq!(listed.sum::<usize>(), 1_000, "each is in one group, and no other is named");
    let runs = checks.iter().map(|check| check["history"].as_array().unwrap().len());
    assert!(runs.sum::<usize>() <= 10_000);
    assert!(world.page().contains(&format!("and {omitted} more checks")));
}

#[test]
fn the_stream_tells_of_a_change() {
    let world = World::new();
    let mut response = world.get("/status/events");
    assert_eq!(response.headers()[CONTENT_TYPE], "text/event-stream");
    assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
    assert!(!response.headers().contains_key(CONTENT_LENGTH));
    let prolonged = response.extensions().get::<Prolong>().unwrap().time();
    assert!(prolonged > Duration::from_secs(10));

    let body = response.body_mut();
    let first = event(&next(body).unwrap());
    assert_eq!(first["verdict"], "healthy");
    assert!(next(body).is_none());

    world.signal.set(Finding::down("refused"));
    world.clock.advance(Duration::from_secs(1));
    let second = event(&next(body).unwrap());
    assert_eq!(second["verdict"], "down");
    assert_eq!(second["checks"][0]["detail"], "refused");
}

#[test]
fn streams_are_bounded_and_come_to_an_end() {
    let world = World::new();
    let mut streams: Vec<_> = (0..16).map(|_| world.get("/status/events")).collect();
    assert!(streams.iter().all(|stream| stream.status() == 200));

    let full = world.get("/status/events");
    assert_eq!(full.status(), 503);
    assert_eq!(full.headers()[RETRY_AFTER], "5");
    assert_eq!(world.answer(Method::HEAD, "/status/events", local).status(), 200);
    assert_eq!(world.get("/status").status(), 200, "the page needs no place");

    drop(streams.pop());
    let mut last = world.get("/status/events");
    assert_eq!(last.status(), 200);

    let within = last.extensions().get::<Prolong>().unwrap().time();
    world.clock.advance(within);
    let body = last.body_mut();
    next(body).unwrap();
    // A beat or a change may be due in the same moment as the end.
    let ended = (0..3).any(|_| {
        world.clock.advance(Duration::from_secs(1));
        http_body::Body::is_end_stream(body) || next(body).is_none()
    });
    assert!(ended);
    assert_eq!(world.get("/status/events").status(), 200, "its place is free");
}

#[test]
fn head_gets_what_get_gets_and_other_verbs_get_nothing() {
    let world = World::new();
    for path in PATHS {
        let head = world.answer(Method::HEAD, path, local);
        assert_eq!(head.status(), 200);
        let get = world.get(path);
        let but_length = |response: &Response<Body>| {
            let mut headers = response.headers().clone();
            // The state may have changed in between: other tests run beside this one.
            headers.remove(CONTENT_LENGTH);
            headers
        };
        assert_eq!(but_length(&head), but_length(&get), "{path}");
        assert!(text(head).is_empty());

        for verb in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            assert_eq!(world.answer(verb, path, local).status(), 405);
        }
    }
}

#[test]
fn what_names_and_texts_say_stays_text() {
    let world = World::new();
    let signal = Signal::builder(HOSTILE).tag(HOSTILE).groups([Group::named(HOSTILE)]);
    world.registry.signal(signal).unwrap().set(Finding::degraded(HOSTILE));
    let breaker = CircuitBreaker::builder().name(HOSTILE).build().unwrap();

    let page = world.page();

    let escaped = "&lt;img src=x onerror=&quot;alert(1)&quot;&gt;&#39;&amp;amp;&lt;/script&gt;";
    assert!(!page.contains("<img"));
    assert!(page.matches(escaped).count() >= 4, "check, text, tag and group");
    assert_eq!(page.matches("</script>").count(), 1);
    let data = world.json();
    assert!(data["checks"].as_array().unwrap().iter().any(|check| check["name"] == HOSTILE));
    drop(breaker);
}

#[test]
fn the_page_needs_nothing_from_elsewhere_and_runs_nothing_but_its_own() {
    let world = World::new();
    let response = world.get("/status");
    assert_eq!(response.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
    assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
    let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
    let page = text(response);

    for part in
        ["default-src 'none'", "script-src 'sha256-", "style-src 'sha256-", "connect-src 'self'"]
    {
        assert!(policy.contains(part), "{part}");
    }
    assert!(!policy.contains("unsafe"));
    // But for the name of a namespace, no address.
    let page = page.replace("http://www.w3.org/2000/svg", "");
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("//cdn"));
    assert!(!page.contains(" style=\"") && !page.contains("javascript:"));
    let handlers = [" onclick", " onload", " onerror", " onsubmit"];
    assert!(handlers.iter().all(|handler| !page.contains(handler)));
    assert!(!page.contains("innerHTML") && !page.contains("eval("));
}

#[test]
fn the_page_leads_to_its_data_wherever_that_is() {
    for (paths, json, events) in [
        (["/status", "/status.json", "/status/events"], "./status.json", "./status/events"),
        (["/a/b", "/a/c", "/d"], "./c", "/d"),
        (["/", "/j", "/e"], "./j", "./e"),
    ] {
        let world = World::with(|config| {
            config
                .path(Route::Status, paths[0])
                .path(Route::StatusJson, paths[1])
                .path(Route::StatusEvents, paths[2])
        });

        let page = text(world.get(paths[0]));

        assert!(page.contains(&format!("href=\"{json}\"")), "{json}");
        assert!(page.contains(&format!("data-events=\"{events}\"")), "{events}");
        assert_eq!(world.get(paths[1]).status(), 200);
    }
    let world =
        World::with(|config| config.without(Route::StatusJson).without(Route::StatusEvents));
    assert_eq!(world.get("/status.json").status(), 404);
    assert_eq!(world.get("/status/events").status(), 404);
    assert!(world.page().contains("data-events=\"\""));
}

#[test]
fn no_secret_is_in_it() {
    let world = World::new();
    let page = world.page();
    let shown = |token: &str| {
        let line = format!("Bearer {token}");
        world.answer(Method::GET, "/status.json", |request| request.header(AUTHORIZATION, line))
    };

    assert!(!page.contains(TOKEN));
    assert!(!text(shown(TOKEN)).contains(TOKEN));
    assert!(!text(shown(&TOKEN.to_uppercase())).contains(&TOKEN.to_uppercase()));
    assert!(!format!("{:?}", world.endpoints).contains(TOKEN));
}

#[test]
fn a_drain_is_told_with_what_comes_next() {
    let world = World::new();
    assert_eq!(world.json()["drain"], Value::Null);
    let environment = Environment::new().clock(world.clock.clone());
    let drain = Drain::for_products([Product::application_gateway()]);
    let drain = drain.build_in(&environment).unwrap();
    world.registry.attach(&drain).unwrap();
    assert_eq!(world.json()["drain"], json!({"in_flight": 0, "phases": []}));

    drain.start(Cause::Operator);
    let data = world.json();

    assert_eq!(data["phase"], "not_ready");
    let next = &data["drain"]["phases"][0];
    assert_eq!(next["phase"], "closing");
    let wait = next["at"].as_u64().unwrap() - data["at"].as_u64().unwrap();
    let planned = drain.plan(Cause::Operator).length_of(Phase::NotReady);
    assert_eq!(u128::from(wait), planned.as_millis());
    assert!(world.page().contains("Leaving: closing "));
    assert!(world.page().contains("Leaving, not ready"));
}

#[test]
fn a_check_that_has_not_run_is_unknown() {
    let world = World::new();
    let check = Check::new("status-idle", || std::future::ready(())).local().tag("slow");
    world.registry.add(check).unwrap();

    let data = world.json();

    let found = data["checks"].as_array().unwrap().iter().find(|c| c["name"] == "status-idle");
    let check = found.unwrap();
    assert_eq!(check["verdict"], "unknown");
    assert_eq!((&check["last_run"], &check["history"]), (&Value::Null, &json!([])));
    assert_eq!(check["tags"], json!(["slow"]));
    assert!(world.page().contains("not yet run"));
}

/// Who asks, with which headers; whether he is let in, and whether he is if tokens alone count.
type Row<'a> = (Option<&'a str>, &'a [(&'a str, &'a str)], bool, bool);

struct World {
    clock: Clock,
    registry: Registry,
    endpoints: Endpoints,
    signal: Signal,
}

impl World {
    fn new() -> Self {
        Self::with(|config| config)
    }

    fn with(set: impl FnOnce(endpoint::Config) -> endpoint::Config) -> Self {
        let clock = Clock::manual();
        let environment = Environment::new().clock(clock.clone());
        let registry = Registry::new_in(&environment);
        let signal = registry.signal("status-signal").unwrap();
        signal.set(Finding::healthy());
        registry.start_with(drop);
        let config = set(Endpoints::builder().token(Token::new(TOKEN).unwrap()));
        let endpoints = config.build_in(&registry, &environment).unwrap();
        Self { clock, registry, endpoints, signal }
    }

    fn answer(
        &self,
        method: Method,
        path: &str,
        set: impl FnOnce(http::request::Builder) -> http::request::Builder,
    ) -> Response<Body> {
        let request = set(Request::builder().method(method).uri(path)).body(()).unwrap();
        self.endpoints.answer(&request)
    }

    /// What somebody at this machine gets.
    fn get(&self, path: &str) -> Response<Body> {
        self.answer(Method::GET, path, local)
    }

    fn page(&self) -> String {
        text(self.get("/status"))
    }

    fn json(&self) -> Value {
        let response = self.get("/status.json");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        serde_json::from_str(&text(response)).unwrap()
    }
}

fn local(request: http::request::Builder) -> http::request::Builder {
    request.header(HOST, "localhost:8081").extension(near())
}

fn near() -> Peer {
    Peer::new("127.0.0.1:40000".parse().unwrap())
}

fn text(response: Response<Body>) -> String {
    let bytes = tokio_test::block_on(response.into_body().collect()).unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What a stream says now; none if it waits, or has come to its end.
fn next(body: &mut Body) -> Option<String> {
    let mut frame = std::pin::pin!(body.frame());
    let polled = frame.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    let std::task::Poll::Ready(frame) = polled else { return None };
    let bytes = frame?.unwrap().into_data().unwrap();
    Some(String::from_utf8(bytes.to_vec()).unwrap())
}

/// The data of an event `status`.
fn event(text: &str) -> Value {
    let (_, event) = text.split_once("event: status\ndata: ").expect("an event of the state");
    serde_json::from_str(event.trim_end()).unwrap()
}

fn sorted(mut names: Vec<&str>) -> Vec<&str> {
    names.sort_unstable();
    names
}
