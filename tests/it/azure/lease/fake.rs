//! One blob of a blob service, under the SDK's own client.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::error::{Error, ErrorKind};
use azure_core::http::headers::Headers;
use azure_core::http::{
    AsyncRawResponse, Body, ClientOptions, HttpClient, Method, Request, RetryOptions, StatusCode,
    Transport, Url,
};
use azure_storage_blob::{BlobClient, BlobClientOptions};
use seawall::lease::Fault;
use seawall::time::{Clock, Instant};

/// A line to the service, with faults of its own.
#[derive(Clone)]
pub(super) struct Line {
    service: Arc<Mutex<Service>>,
    state: Arc<Mutex<State>>,
    clock: Clock,
}

#[derive(Default)]
struct State {
    fault: Fault,
    /// For the next requests, before `fault` counts.
    script: VecDeque<Step>,
    /// What was asked for, in short.
    seen: Vec<String>,
}

/// What happens to one request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// It is answered.
    Answer,
    /// It is carried out, and the answer gets lost.
    Lose,
    /// It is carried out, and what is answered is a repeat of it by the client.
    Repeat,
    /// It never arrives, and nobody knows.
    Drop,
    /// It is refused before it is sent.
    Refuse,
    /// It is answered so, and not carried out.
    Status(u16, &'static str),
    /// It is carried out when so many others have been, and nobody hears of it.
    Late(usize),
}

impl Line {
    pub(super) fn new(clock: &Clock) -> Self {
        Self { service: Arc::default(), state: Arc::default(), clock: clock.clone() }
    }

    /// Another line to the same service.
    pub(super) fn line(&self) -> Self {
        Self { state: Arc::default(), ..self.clone() }
    }

    pub(super) fn fault(&self, fault: Fault) {
        self.state.lock().unwrap().fault = fault;
    }

    pub(super) fn script(&self, steps: impl IntoIterator<Item = Step>) {
        self.state.lock().unwrap().script.extend(steps);
    }

    /// What was asked for since the last time.
    pub(super) fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().seen)
    }

    /// The SDK's client of the blob, which does not repeat anything by itself.
    pub(super) fn client(&self) -> BlobClient {
        let client_options = ClientOptions {
            transport: Some(Transport::new(Arc::new(self.clone()))),
            retry: RetryOptions::none(),
            ..ClientOptions::default()
        };
        let url = Url::parse("http://127.0.0.1/account/leases/billing?sig=canary").unwrap();
        let options = BlobClientOptions { client_options, ..BlobClientOptions::default() };
        BlobClient::new(url, None, Some(options)).unwrap()
    }

    pub(super) fn metadata(&self, name: &str) -> Option<String> {
        let service = self.service.lock().unwrap();
        service.blob.as_ref()?.metadata.get(name).cloned()
    }

    /// Changes the metadata past everybody, as an operator does.
    pub(super) fn tamper(&self, change: impl FnOnce(&mut HashMap<String, String>)) {
        let mut service = self.service.lock().unwrap();
        let blob = service.blob.as_mut().unwrap();
        change(&mut blob.metadata);
        blob.version += 1;
    }

    pub(super) fn content(&self) -> Option<Vec<u8>> {
        Some(self.service.lock().unwrap().blob.as_ref()?.content.clone())
    }

    pub(super) fn delete(&self) {
        self.service.lock().unwrap().blob = None;
    }
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}

#[async_trait]
impl HttpClient for Line {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let asked = Asked::of(request);
        let (step, fault) = {
            let mut state = self.state.lock().unwrap();
            state.seen.push(asked.name());
            (state.script.pop_front(), state.fault)
        };
        let now = self.clock.now();
        let lost = || Error::with_message(ErrorKind::Io, "connection reset");
        let refused = || Error::with_message(ErrorKind::Connection, "connection refused");
        let (arrives, answered) = match (step, fault) {
            (Some(Step::Drop), _) => return Err(lost()),
            (Some(Step::Refuse), _) | (None, Fault::Unavailable) => return Err(refused()),
            (Some(Step::Status(status, code)), _) => {
                return Ok(answer(status, &[("x-ms-error-code", code.into())], Vec::new()));
            }
            (Some(Step::Late(others)), _) => {
                self.service.lock().unwrap().late.push((others, asked));
                return Err(lost());
            }
            (Some(Step::Answer | Step::Lose | Step::Repeat), _)
            | (None, Fault::None | Fault::LostAnswer) => (now, now),
            (None, Fault::Slow(time)) => (now + time, now + time),
            (None, Fault::SlowAnswer(time)) => (now, now + time),
            (None, _) => return std::future::pending().await,
        };
        let number = self.service.lock().unwrap().send(asked, arrives);
        // Whoever drives these tests polls after each step of the clock.
        poll_fn(|_| if self.clock.now() < answered { Poll::Pending } else { Poll::Ready(()) })
            .await;
        let answer = self.service.lock().unwrap().collect(number, self.clock.now());
        if matches!((step, fault), (Some(Step::Lose), _) | (None, Fault::LostAnswer)) {
            return Err(lost());
        }
        if matches!(step, Some(Step::Repeat)) {
            return Ok(self::answer(
                412,
                &[
                    ("x-ms-error-code", "ConditionNotMet".into()),
                    ("x-resilience-ambiguous", "true".into()),
                ],
                Vec::new(),
            ));
        }
        Ok(answer)
    }
}

/// A request, without what it was made by.
struct Asked {
    method: Method,
    action: Option<String>,
    comp: Option<String>,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

impl Asked {
    fn of(request: &Request) -> Self {
        let comp = request.url().query_pairs().find(|(name, _)| name == "comp");
        let headers: HashMap<_, _> = request
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_lowercase(), value.as_str().to_owned()))
            .collect();
        Self {
            method: request.method(),
            action: headers.get("x-ms-lease-action").cloned(),
            comp: comp.map(|(_, value)| value.into_owned()),
            headers,
            body: match request.body() {
                Body::Bytes(bytes) => bytes.to_vec(),
                Body::SeekableStream(_) => panic!("nothing here is large"),
            },
        }
    }

    fn name(&self) -> String {
        let method = self.method.as_str().to_lowercase();
        match (&self.action, &self.comp) {
            (Some(action), _) => action.clone(),
            (None, Some(comp)) => format!("{method} {comp}"),
            (None, None) => method,
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    fn metadata(&self) -> HashMap<String, String> {
        let own = |(name, value): (&String, &String)| {
            Some((name.strip_prefix("x-ms-meta-")?.to_owned(), value.clone()))
        };
        self.headers.iter().filter_map(own).collect()
    }
}

#[derive(Default)]
struct Service {
    blob: Option<Blob>,
    next: u64,
    under_way: BTreeMap<(Instant, u64), Asked>,
    answers: HashMap<u64, Answer>,
    late: Vec<(usize, Asked)>,
}

#[derive(Default)]
struct Blob {
    version: u64,
    metadata: HashMap<String, String>,
    content: Vec<u8>,
    lease: Option<Leased>,
}

struct Leased {
    id: String,
    duration: Duration,
    until: Instant,
    is_broken: bool,
}

type Answer = (u16, Vec<(&'static str, String)>, Vec<u8>);

impl Service {
    fn send(&mut self, asked: Asked, arrives: Instant) -> u64 {
        self.next += 1;
        self.under_way.insert((arrives, self.next), asked);
        self.next
    }

    /// Carries out what has arrived, also what nobody waits for any more.
    fn collect(&mut self, wanted: u64, now: Instant) -> AsyncRawResponse {
        while let Some(first) = self.under_way.first_entry() {
            if first.key().0 > now {
                break;
            }
            let ((at, number), asked) = first.remove_entry();
            let answer = self.carry_out(&asked, at);
            self.answers.insert(number, answer);
            self.late.iter_mut().for_each(|(others, _)| *others -= 1);
            for (_, late) in
                self.late.extract_if(.., |(others, _)| *others == 0).collect::<Vec<_>>()
            {
                self.carry_out(&late, at);
            }
        }
        let (status, headers, body) = self.answers.remove(&wanted).unwrap();
        answer(status, &headers, body)
    }

    fn carry_out(&mut self, asked: &Asked, now: Instant) -> Answer {
        let failed = |status, code: &str| (status, vec![("x-ms-error-code", code.into())], vec![]);
        let Some(blob) = &mut self.blob else {
            if asked.method == Method::Put && asked.comp.is_none() {
                self.blob = Some(Blob {
                    version: 1,
                    metadata: asked.metadata(),
                    content: asked.body.clone(),
                    lease: None,
                });
                return (201, vec![("etag", "\"1\"".into())], vec![]);
            }
            return failed(404, "BlobNotFound");
        };
        if let Some(action) = &asked.action {
            return blob.change_lease(action, asked, now);
        }
        // A condition on the ETag is looked at before the lease.
        if asked.header("if-none-match") == Some("*") {
            return failed(409, "BlobAlreadyExists");
        }
        if asked.header("if-match").is_some_and(|etag| etag != blob.etag()) {
            return failed(412, "ConditionNotMet");
        }
        let held = blob.lease.as_ref().filter(|lease| now < lease.until);
        match (held, asked.header("x-ms-lease-id")) {
            (Some(held), Some(id)) if held.id != id => {
                return failed(412, "LeaseIdMismatchWithBlobOperation");
            }
            (Some(_), None) if asked.method == Method::Put => return failed(412, "LeaseIdMissing"),
            (None, Some(_)) => return failed(412, "LeaseNotPresentWithBlobOperation"),
            _ => {}
        }
        let state = if held.is_some() { "leased" } else { "available" };
        match (asked.method, asked.comp.as_deref()) {
            (Method::Put, Some("metadata")) => {
                blob.metadata = asked.metadata();
                blob.version += 1;
                (200, vec![("etag", blob.etag())], vec![])
            }
            (Method::Put, None) => {
                blob.metadata = asked.metadata();
                blob.content.clone_from(&asked.body);
                blob.version += 1;
                (201, vec![("etag", blob.etag())], vec![])
            }
            (Method::Get, None) => {
                let range = format!("bytes 0-{}/{0}", blob.content.len());
                let length = blob.content.len().to_string();
                let headers = vec![
                    ("etag", blob.etag()),
                    ("content-length", length),
                    ("content-range", range),
                ];
                let has_range =
                    ["range", "x-ms-range"].iter().any(|name| asked.header(name).is_some());
                match (has_range, blob.content.is_empty()) {
                    (true, true) => failed(416, "InvalidRange"),
                    (true, false) => (206, headers, blob.content.clone()),
                    (false, _) => (200, headers[..2].to_vec(), blob.content.clone()),
                }
            }
            (Method::Head, None) => {
                let mut headers =
                    vec![("etag", blob.etag()), ("x-ms-lease-state", state.to_owned())];
                for (name, value) in &blob.metadata {
                    let name = match name.as_str() {
                        "seawall_epoch" => "x-ms-meta-seawall_epoch",
                        "seawall_mark" => "x-ms-meta-seawall_mark",
                        "seawall_holder" => "x-ms-meta-seawall_holder",
                        "owner" => "x-ms-meta-owner",
                        other => panic!("{other}"),
                    };
                    headers.push((name, value.clone()));
                }
                (200, headers, vec![])
            }
            other => panic!("{other:?}"),
        }
    }
}

impl Blob {
    fn etag(&self) -> String {
        format!("\"{}\"", self.version)
    }

    fn change_lease(&mut self, action: &str, asked: &Asked, now: Instant) -> Answer {
        let failed = |code: &str| (409, vec![("x-ms-error-code", code.to_owned())], vec![]);
        let id = asked.header("x-ms-lease-id").unwrap_or_default();
        let done = |status| (status, vec![("etag", "\"0\"".to_owned())], vec![]);
        match (action, &mut self.lease) {
            ("acquire", lease) => {
                let id = asked.header("x-ms-proposed-lease-id").unwrap();
                if let Some(held) = lease
                    && now < held.until
                {
                    if held.is_broken {
                        return failed("LeaseIsBreakingAndCannotBeAcquired");
                    }
                    if held.id != id {
                        return failed("LeaseAlreadyPresent");
                    }
                }
                let seconds: u64 = asked.header("x-ms-lease-duration").unwrap().parse().unwrap();
                let duration = Duration::from_secs(seconds);
                let until = now + duration;
                *lease = Some(Leased { id: id.to_owned(), duration, until, is_broken: false });
                done(201)
            }
            ("renew" | "release", Some(held)) if held.id != id => {
                failed("LeaseIdMismatchWithLeaseOperation")
            }
            ("renew", Some(held)) if held.is_broken => failed("LeaseIsBrokenAndCannotBeRenewed"),
            ("renew", Some(held)) => {
                held.until = now + held.duration;
                done(200)
            }
            ("release", lease @ Some(_)) => {
                *lease = None;
                done(200)
            }
            ("break", Some(held)) if now < held.until => {
                assert_eq!(
                    asked.header("x-ms-lease-break-period"),
                    None,
                    "it ends as it would have"
                );
                held.is_broken = true;
                done(202)
            }
            _ => failed("LeaseNotPresentWithLeaseOperation"),
        }
    }
}

fn answer(status: u16, pairs: &[(&'static str, String)], body: Vec<u8>) -> AsyncRawResponse {
    let mut headers = Headers::new();
    for (name, value) in pairs {
        headers.insert(*name, value.clone());
    }
    AsyncRawResponse::from_bytes(StatusCode::from(status), headers, body)
}
