//! A pipeline of the SDK over a transport that answers as a test says.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use azure_core::Bytes;
use azure_core::error::{Error, ErrorKind};
use azure_core::http::headers::{HeaderName, Headers};
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{
    AsyncRawResponse, Body, ClientOptions, Context, Method, Pipeline, RawResponse, Request,
    StatusCode, Transport,
};
use futures_util::{StreamExt, stream};
use seawall::azure::Resilience;
use seawall::azure::resilience::Config;
use seawall::telemetry::Environment;
use seawall::time::Clock;

/// What the wire does with one request.
#[derive(Clone, Debug)]
pub(super) enum Turn {
    Answer(u16, &'static [(&'static str, &'static str)], &'static str),
    /// An answer that announces its length and breaks off.
    Breaks(&'static str),
    /// A body that comes in parts of unknown length, each after a second.
    Drips(u32),
    Refused,
    Reset,
    UnknownName,
    Hangs,
}

impl Turn {
    pub(super) const fn status(status: u16) -> Self {
        Self::Answer(status, &[], "")
    }

    pub(super) const fn ok(body: &'static str) -> Self {
        Self::Answer(200, &[], body)
    }
}

/// A request as it arrived.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Seen {
    pub(super) method: Method,
    pub(super) url: String,
    pub(super) body: Bytes,
}

impl Seen {
    pub(super) fn host(&self) -> &str {
        let rest = self.url.split("//").nth(1).unwrap();
        rest.split('/').next().unwrap()
    }
}

type Answer = Box<dyn FnMut(&Seen) -> Turn + Send>;

/// The other end of the wire.
#[derive(Clone)]
pub(super) struct Wire {
    state: Arc<Mutex<State>>,
}

struct State {
    seen: Vec<Seen>,
    answer: Answer,
}

impl Wire {
    pub(super) fn new(answer: impl FnMut(&Seen) -> Turn + Send + 'static) -> Self {
        let state = State { seen: Vec::new(), answer: Box::new(answer) };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// One turn after the other; the last one again and again.
    pub(super) fn turns<const N: usize>(turns: [Turn; N]) -> Self {
        let mut turns = VecDeque::from(turns);
        Self::new(move |_| {
            if turns.len() > 1 { turns.pop_front() } else { turns.front().cloned() }.unwrap()
        })
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    pub(super) fn count(&self) -> usize {
        self.state.lock().unwrap().seen.len()
    }

    pub(super) fn transport(&self) -> Transport {
        Transport::with_policy(Arc::new(self.clone()))
    }

    pub(super) fn options(&self) -> ClientOptions {
        ClientOptions { transport: Some(self.transport()), ..ClientOptions::default() }
    }

    /// A pipeline with the stack of `config` in it.
    pub(super) fn wrapped(&self, config: &Config) -> (Resilience, Client) {
        let environment = Environment::new().clock(Clock::tokio()).seed(7);
        let resilience = config.build_in(&environment).unwrap();
        let mut options = self.options();
        resilience.apply(&mut options);
        (resilience, Client::new(options))
    }

    /// The same as the SDK has it.
    pub(super) fn bare(&self) -> Client {
        Client::new(self.options())
    }
}

#[expect(elided_lifetimes_in_paths, reason = "async_trait tells the two apart")]
#[async_trait::async_trait]
impl Policy for Wire {
    async fn send(
        &self,
        _: &Context,
        request: &mut Request,
        _: &[Arc<dyn Policy>],
    ) -> PolicyResult {
        let body = match request.body_mut() {
            Body::Bytes(bytes) => bytes.clone(),
            Body::SeekableStream(stream) => {
                let mut read = Vec::new();
                while let Some(bytes) = stream.next().await {
                    read.extend_from_slice(&bytes?);
                }
                read.into()
            }
        };
        let seen = Seen { method: request.method(), url: request.url().to_string(), body };
        let turn = {
            let mut state = self.state.lock().unwrap();
            state.seen.push(seen.clone());
            (state.answer)(&seen)
        };
        play(turn).await
    }
}

async fn play(turn: Turn) -> PolicyResult {
    let io = |kind, message: &'static str| Error::new(kind, std::io::Error::other(message));
    let respond = |status: u16, headers: &[(&'static str, String)], body| {
        let mut all = Headers::new();
        for (name, value) in headers {
            all.insert(HeaderName::from_static(name), value.clone());
        }
        AsyncRawResponse::new(StatusCode::from(status), all, body)
    };
    match turn {
        Turn::Answer(status, headers, body) => {
            let headers: Vec<_> =
                headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
            let bytes = stream::iter([Ok(Bytes::from_static(body.as_bytes()))]);
            Ok(respond(status, &headers, bytes.boxed()))
        }
        Turn::Breaks(body) => {
            let length = [("content-length", (body.len() * 2).to_string())];
            let reset = Err(io(ErrorKind::Io, "connection reset"));
            let bytes = stream::iter([Ok(Bytes::from_static(body.as_bytes())), reset]);
            Ok(respond(200, &length, bytes.boxed()))
        }
        Turn::Drips(parts) => {
            let bytes = stream::iter(0..parts).then(|_| async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Ok(Bytes::from_static(b"drop"))
            });
            Ok(respond(200, &[], bytes.boxed()))
        }
        Turn::Refused => Err(io(ErrorKind::Connection, "connection refused")),
        Turn::Reset => Err(io(ErrorKind::Io, "connection reset")),
        Turn::UnknownName => Err(io(
            ErrorKind::Connection,
            "failed to lookup address information: Name or service not known",
        )),
        Turn::Hangs => pending().await,
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

/// A client of no service in particular.
pub(super) struct Client(Pipeline);

impl Client {
    pub(super) fn new(options: ClientOptions) -> Self {
        Self(Pipeline::new(None, None, options, Vec::new(), Vec::new(), None))
    }

    /// As most operations are made: with a body that is read before the caller sees it.
    pub(super) async fn send(&self, request: Request) -> azure_core::Result<RawResponse> {
        self.send_in(&Context::new(), request).await
    }

    pub(super) async fn send_in(
        &self,
        context: &Context<'_>,
        mut request: Request,
    ) -> azure_core::Result<RawResponse> {
        let sending: Pin<Box<dyn Future<Output = _> + Send>> =
            Box::pin(self.0.send(context, &mut request, None));
        sending.await
    }

    /// As downloads are made: with a body that comes as it is read.
    pub(super) async fn stream(
        &self,
        mut request: Request,
    ) -> azure_core::Result<AsyncRawResponse> {
        self.0.stream(&Context::new(), &mut request, None).await
    }
}

pub(super) fn request(method: Method, url: &str) -> Request {
    Request::new(url.parse().unwrap(), method)
}

pub(super) fn get(url: &str) -> Request {
    request(Method::Get, url)
}

/// The value of one of the stack's own headers.
pub(super) fn told<'a>(headers: &'a Headers, name: &'static str) -> Option<&'a str> {
    headers.get_optional_str(&HeaderName::from_static(name))
}
