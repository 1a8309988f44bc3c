//! A stand-in for the metadata service that speaks its wire format, in process or over loopback.
//!
//! It keeps account of who breaks the rules: a header that is missing or must not be there, more
//! requests than a machine may make. Its time is tokio's.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use seawall::azure::Imds;
use seawall::azure::imds::Config;
use seawall::error::InvalidConfig;
use seawall::telemetry::Environment;
use seawall::time::Clock;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::Instant;

#[derive(Clone)]
pub(super) struct Fake(Arc<Mutex<State>>);

struct State {
    start: Instant,
    instance: Value,
    incarnation: u64,
    shown: Vec<Value>,
    events: Vec<Maintenance>,
    script: VecDeque<Turn>,
    seen: Vec<(Instant, String)>,
    approved: Vec<String>,
    violations: Vec<String>,
}

/// What comes in place of an answer.
#[derive(Clone)]
pub(super) enum Turn {
    /// This status, with these headers.
    Status(u16, &'static [(&'static str, &'static str)]),
    /// This text, as a 200.
    Text(String),
    /// The true answer, so much later.
    Late(Duration),
    /// The connection breaks.
    Broken,
}

/// An event and its course.
#[derive(Clone)]
pub(super) struct Maintenance {
    pub(super) id: &'static str,
    pub(super) kind: &'static str,
    pub(super) source: &'static str,
    pub(super) resources: &'static [&'static str],
    pub(super) seconds: i64,
    /// From now until it begins by itself.
    pub(super) notice: Duration,
    /// From its beginning to its end.
    pub(super) takes: Duration,
    /// Called off so long after it was announced.
    pub(super) called_off: Option<Duration>,
    /// All that must be approved with it.
    pub(super) together_with: Option<&'static str>,
    pub(super) announced: Option<(Instant, SystemTime)>,
    pub(super) started: Option<Instant>,
}

impl Maintenance {
    pub(super) fn new(kind: &'static str, source: &'static str, seconds: i64) -> Self {
        Self {
            id: "C7061BAC-AFDC-4513-B24B-AA5F13A16123",
            kind,
            source,
            resources: &["shop_1"],
            seconds,
            notice: Duration::from_secs(900),
            takes: Duration::from_secs(10),
            called_off: None,
            together_with: None,
            announced: None,
            started: None,
        }
    }

    fn show(&self) -> Value {
        let (_, at) = self.announced.unwrap();
        let not_before = match self.started {
            Some(_) => String::new(),
            None => httpdate::fmt_http_date(at + self.notice),
        };
        json!({
            "EventId": self.id,
            "EventStatus": if self.started.is_some() { "Started" } else { "Scheduled" },
            "EventType": self.kind,
            "ResourceType": "VirtualMachine",
            "Resources": self.resources,
            "NotBefore": not_before,
            "Description": "as the platform describes it",
            "EventSource": self.source,
            "DurationInSeconds": self.seconds,
        })
    }
}

impl Fake {
    pub(super) fn new() -> Self {
        let instance = json!({
            "location": "westeurope", "zone": "2", "physicalZone": "westeurope-az3",
            "platformFaultDomain": "1", "platformUpdateDomain": "", "name": "shop_1",
            "vmId": "02aab8a4", "resourceId": "/subscriptions/8d10da13/vm/shop_1",
            "vmScaleSetName": "shop", "priority": "Regular", "tagsList": [],
        });
        Self(Arc::new(Mutex::new(State {
            start: Instant::now(),
            instance,
            incarnation: 1,
            shown: Vec::new(),
            events: Vec::new(),
            script: VecDeque::new(),
            seen: Vec::new(),
            approved: Vec::new(),
            violations: Vec::new(),
        })))
    }

    /// A client of this one, in process and in tokio's time.
    pub(super) fn client(&self) -> Imds {
        self.client_with(&Imds::builder()).unwrap()
    }

    pub(super) fn client_with(&self, config: &Config) -> Result<Imds, InvalidConfig> {
        let fake = self.clone();
        let service = tower::service_fn(move |request: Request<String>| {
            let fake = fake.clone();
            async move { fake.answer(request).await }
        });
        config.build_over(service, &Environment::new().clock(Clock::tokio()).seed(7))
    }

    /// Serves on loopback, and returns the address.
    pub(super) async fn listen(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let fake = self.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let fake = fake.clone();
                let service = hyper::service::service_fn(move |request| {
                    let fake = fake.clone();
                    async move { fake.answer(request).await }
                });
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        address
    }

    pub(super) fn plan(&self, event: Maintenance) {
        self.0.lock().unwrap().events.push(event);
    }

    pub(super) fn then(&self, turn: Turn) {
        self.0.lock().unwrap().script.push_back(turn);
    }

    pub(super) fn instance(&self, instance: Value) {
        self.0.lock().unwrap().instance = instance;
    }

    /// The ids that were approved, each as often as it was.
    pub(super) fn approved(&self) -> Vec<String> {
        self.0.lock().unwrap().approved.clone()
    }

    /// Each request: whole seconds since the start, method and path.
    pub(super) fn seen(&self) -> Vec<(u64, String)> {
        let state = self.0.lock().unwrap();
        let since = |at: &Instant| at.duration_since(state.start).as_secs();
        state.seen.iter().map(|(at, what)| (since(at), what.clone())).collect()
    }

    /// What was done wrong; and the shortest time between two requests.
    pub(super) fn violations(&self) -> Vec<String> {
        let state = self.0.lock().unwrap();
        let mut violations = state.violations.clone();
        for pair in state.seen.windows(6) {
            let six = pair[5].0 - pair[0].0;
            if six < Duration::from_millis(999) {
                violations.push(format!("six requests in {six:?}"));
            }
        }
        violations
    }

    async fn answer<B>(&self, request: Request<B>) -> Result<Response<Full<Bytes>>, Broken>
    where
        B: Body<Data = Bytes>,
        B::Error: std::fmt::Debug,
    {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let turn = {
            let mut state = self.0.lock().unwrap();
            state.check(&head);
            state.seen.push((Instant::now(), format!("{} {}", head.method, head.uri.path())));
            state.script.pop_front()
        };
        let reply = |status: u16, body: String| {
            let body = Full::new(Bytes::from(body));
            Response::builder().status(status).body(body).unwrap()
        };
        match turn {
            Some(Turn::Status(status, headers)) => {
                let mut response = reply(status, "{\"error\": \"secret\"}".to_owned());
                for (name, value) in headers {
                    response.headers_mut().insert(*name, value.parse().unwrap());
                }
                return Ok(response);
            }
            Some(Turn::Text(text)) => return Ok(reply(200, text)),
            Some(Turn::Late(late)) => tokio::time::sleep(late).await,
            Some(Turn::Broken) => return Err(Broken),
            None => {}
        }
        let mut state = self.0.lock().unwrap();
        let (status, body) = match (&head.method, head.uri.path()) {
            (&Method::GET, "/metadata/instance/compute") => (200, state.instance.to_string()),
            (&Method::GET, "/metadata/versions") => (
                200,
                json!({ "apiVersions": ["2017-03-01", "2021-02-01", "2020-06-01"] }).to_string(),
            ),
            (&Method::GET, "/metadata/scheduledevents") => (200, state.document()),
            (&Method::POST, "/metadata/scheduledevents") => (state.approve(&body), String::new()),
            _ => (404, String::new()),
        };
        Ok(reply(status, body))
    }
}

impl State {
    fn check(&mut self, head: &http::request::Parts) {
        let header = |name: &str| head.headers.get(name).map(|value| value.as_bytes().to_vec());
        let query = head.uri.query().unwrap_or_default();
        if header("metadata").as_deref() != Some(b"true") {
            self.violations.push("no `Metadata: true`".into());
        }
        for name in
            ["x-forwarded-for", "forwarded", "via", "proxy-authorization", "proxy-connection"]
        {
            if header(name).is_some() {
                self.violations.push(format!("a header `{name}`"));
            }
        }
        let is_listed = head.uri.path() == "/metadata/versions";
        if !is_listed && (!query.starts_with("api-version=20") || query.contains('&')) {
            self.violations.push(format!("the query `{query}`"));
        }
        if head.method == Method::POST && header("content-type").is_none() {
            self.violations.push("a body without a type".into());
        }
    }

    fn document(&mut self) -> String {
        self.proceed();
        let shown: Vec<_> = self.events.iter().map(Maintenance::show).collect();
        if shown != self.shown {
            self.incarnation += 1;
            self.shown.clone_from(&shown);
        }
        json!({ "DocumentIncarnation": self.incarnation, "Events": shown }).to_string()
    }

    /// Nothing begins before it is approved, or its time has come; what is over is gone.
    fn proceed(&mut self) {
        let now = Instant::now();
        let approved = &self.approved;
        for event in &mut self.events {
            let (announced, _) = *event.announced.get_or_insert_with(|| (now, SystemTime::now()));
            let is_approved = |id: &str| approved.iter().any(|approved| approved == id);
            let all_approve = is_approved(event.id) && event.together_with.is_none_or(is_approved);
            if event.started.is_none() && (all_approve || now >= announced + event.notice) {
                event.started = Some(now);
            }
        }
        self.events.retain(|event| {
            let (announced, _) = event.announced.unwrap();
            let over = event.started.is_some_and(|started| now >= started + event.takes);
            let called_off = event.called_off.is_some_and(|after| now >= announced + after);
            !over && !called_off
        });
    }

    fn approve(&mut self, body: &[u8]) -> u16 {
        let Ok(body) = serde_json::from_slice::<Value>(body) else { return 400 };
        let Some(id) = body["StartRequests"][0]["EventId"].as_str() else { return 400 };
        if !self.events.iter().any(|event| event.id == id) {
            return 400;
        }
        self.approved.push(id.to_owned());
        200
    }
}

/// The connection broke.
#[derive(Debug)]
pub(super) struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("broken")
    }
}

impl std::error::Error for Broken {}

impl From<Infallible> for Broken {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
