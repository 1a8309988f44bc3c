use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::crypto::ring;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use seawall::error::BoxError;
use seawall::http::client::Config;
use seawall::http::{ByStatus, Client, EdgeLayer};
use seawall::outcome::Classify;
use seawall::telemetry::Environment;
use seawall::time::Clock;
use seawall::{Error, Outcome, Reason};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, yield_now};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::{Layer, ServiceExt};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn requests_share_connections() {
    let server = Server::start(Protocol::Http1).await;
    let client = plain().build().unwrap();

    for _ in 0..3 {
        assert_eq!(post(&client, server.at, "two shirts").await, "two shirts");
    }
    assert_eq!(get(&client.clone(), server.at).await, "");

    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_connection_past_its_age_takes_no_further_request() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let server = Server::start(protocol).await;
        let clock = Clock::manual();
        let config = plain().max_age(10 * SECOND).http2_only(protocol == Protocol::Http2);
        let client = config.build_in(&Environment::new().clock(clock.clone())).unwrap();
        let connections = async |passed| {
            clock.advance(passed);
            let_others_run().await;
            get(&client, server.at).await;
            let_others_run().await;
            server.connections()
        };

        // No connection is younger than four fifths of the age when it ends.
        assert_eq!(connections(Duration::ZERO).await, 1, "{protocol:?}");
        assert_eq!(connections(4 * SECOND).await, 1, "{protocol:?}");
        assert_eq!(connections(Duration::from_nanos(3_999_999_999)).await, 1, "{protocol:?}");
        assert_eq!(connections(Duration::from_nanos(2_000_000_001)).await, 2, "{protocol:?}");
        assert_eq!(connections(7 * SECOND).await, 2, "{protocol:?}");
        assert_eq!(connections(3 * SECOND).await, 3, "{protocol:?}");
    }
}

#[tokio::test]
async fn without_a_bound_a_connection_grows_old() {
    let server = Server::start(Protocol::Http1).await;
    let clock = Clock::manual();
    let environment = Environment::new().clock(clock.clone());
    let client = plain().max_age(None).build_in(&environment).unwrap();

    for _ in 0..3 {
        get(&client, server.at).await;
        clock.advance(1_000_000 * SECOND);
        let_others_run().await;
    }

    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_call_that_runs_when_its_connection_comes_of_age_ends_well_and_is_the_last() {
    // The headers of the answer come before or after that moment.
    for early in ["HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nans", "HTTP/1.1 "] {
        let (listener, at) = listen().await;
        let clock = Clock::manual();
        let environment = Environment::new().clock(clock.clone());
        let client = plain().max_age(SECOND).build_in(&environment).unwrap();
        let whole = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nanswer";
        let late = whole.strip_prefix(early).unwrap();

        let call = tokio::spawn({
            let client = client.clone();
            async move { get(&client, at).await }
        });
        let mut connection = accept(&listener).await;
        request_head(&mut connection).await;
        connection.write_all(early.as_bytes()).await.unwrap();
        let_others_run().await;
        clock.advance(100 * SECOND);
        let_others_run().await;
        connection.write_all(late.as_bytes()).await.unwrap();

        assert_eq!(call.await.unwrap(), "answer");
        let next = tokio::spawn(async move { get(&client, at).await });
        let mut connection = accept(&listener).await;
        request_head(&mut connection).await;
        connection.write_all(whole.as_bytes()).await.unwrap();
        assert_eq!(next.await.unwrap(), "answer");
    }
}

#[tokio::test]
async fn a_refused_connection_means_that_nothing_was_sent() {
    let (listener, at) = listen().await;
    drop(listener);

    let error = plain().build().unwrap().oneshot(request(at, empty())).await.unwrap_err();

    assert!(error.is_connect());
    assert_eq!(judge(error), (Outcome::Transient, false));
}

#[tokio::test]
async fn a_handshake_that_hangs_ends_with_the_connect_timeout() {
    let (listener, at) = listen().await;
    let clock = Clock::manual();
    let client = Client::builder().build_in(&Environment::new().clock(clock.clone())).unwrap();

    let request = Request::get(format!("https://{at}/")).body(empty()).unwrap();
    let mut call = tokio_test::task::spawn(client.oneshot(request));
    let silent = loop {
        assert!(call.poll().is_pending());
        tokio::select! {
            biased;
            accepted = listener.accept() => break accepted,
            () = yield_now() => {}
        }
    };
    // TCP is there by now. Whatever TLS does, it gets no answer.
    let_others_run().await;
    assert!(call.poll().is_pending());
    clock.advance(2 * SECOND);

    let error = call.await.unwrap_err();
    drop(silent);
    assert!(error.is_connect());
    assert_eq!(kinds(&error).last(), Some(&io::ErrorKind::TimedOut));
    assert_eq!(judge(error), (Outcome::Transient, false));
}

#[tokio::test]
async fn tls_is_spoken_to_servers_that_the_roots_vouch_for_and_to_no_others() {
    let (listener, at) = listen().await;
    let server = TlsAcceptor::from(Arc::new(server_tls()));
    tokio::spawn(async move {
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            // Refused by the clients that do not know the certificate.
            let Ok(connection) = server.accept(connection).await else { continue };
            let echo = service_fn(async |request: Request<Incoming>| {
                Ok::<_, Infallible>(Response::new(request.into_body()))
            });
            let server = http2::Builder::new(TokioExecutor::new());
            tokio::spawn(server.serve_connection(TokioIo::new(connection), echo));
        }
    });
    let request = || Request::get(format!("https://{at}/")).body(empty()).unwrap();

    let knows = Client::builder().build_with_tls(client_tls(), &Environment::new()).unwrap();
    let response = knows.oneshot(request()).await.unwrap();
    assert_eq!((response.status(), response.version()), (StatusCode::OK, Version::HTTP_2));

    let error = Client::builder().build().unwrap().oneshot(request()).await.unwrap_err();
    assert!(error.is_connect());
    assert_eq!(judge(error), (Outcome::Transient, false));
}

#[tokio::test]
async fn plain_http_is_refused_unless_it_is_allowed() {
    let server = Server::start(Protocol::Http1).await;
    let client = Client::builder().build().unwrap();

    let error = client.oneshot(request(server.at, empty())).await.unwrap_err();

    assert!(error.is_connect());
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_connection_that_is_reset_may_have_done_its_work() {
    let (listener, at) = listen().await;
    let call = tokio::spawn(plain().build().unwrap().oneshot(request(at, empty())));

    let mut connection = accept(&listener).await;
    request_head(&mut connection).await;
    connection.set_zero_linger().unwrap();
    drop(connection);

    let error = call.await.unwrap().unwrap_err();
    assert!(!error.is_connect());
    assert_eq!(judge(error), (Outcome::Transient, true));
}

#[tokio::test]
async fn a_request_whose_own_body_fails_is_no_evidence_against_the_service() {
    struct Failing;
    impl Body for Failing {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
            Poll::Ready(Some(Err("disk gone")))
        }
    }
    let server = Server::start(Protocol::Http1).await;
    let client = plain().build().unwrap();

    let error = client.oneshot(request(server.at, Failing)).await.unwrap_err();

    assert_eq!(judge(error), (Outcome::Neutral, true));
}

#[tokio::test]
async fn a_body_that_hangs_after_its_headers_ends_with_the_deadline() {
    let (listener, at) = listen().await;
    let clock = Clock::manual();
    let client =
        EdgeLayer::new().timeout(SECOND).clock(clock.clone()).layer(plain().build().unwrap());

    let call = tokio::spawn(client.oneshot(request(at, empty())));
    let mut connection = accept(&listener).await;
    request_head(&mut connection).await;
    connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nans").await.unwrap();
    let mut body = call.await.unwrap().unwrap().into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "ans");
    let rest = tokio::spawn(async move { body.frame().await.unwrap() });
    let_others_run().await;
    clock.advance(SECOND);

    let Err(Error::Rejected(rejection)) = rest.await.unwrap() else { panic!("no rejection") };
    assert_eq!(rejection.reason(), Reason::TimedOut);
    // The connection is closed, and not left to the server.
    assert_eq!(connection.read(&mut [0; 1024]).await.unwrap_or(0), 0);
}

#[test]
fn settings_that_make_no_sense_are_refused_by_name() {
    let zero = Duration::ZERO;
    for (field, config) in [
        ("connect_timeout", Client::builder().connect_timeout(zero)),
        ("connect_timeout", Client::builder().connect_timeout(Duration::MAX)),
        ("max_age", Client::builder().max_age(zero)),
        ("max_age", Client::builder().max_age(Duration::MAX)),
        ("idle_timeout", Client::builder().idle_timeout(zero)),
        ("idle_timeout", Client::builder().idle_timeout(Duration::MAX)),
        ("tcp_user_timeout", Client::builder().tcp_user_timeout(Duration::from_micros(999))),
        ("keep_alive", Client::builder().keep_alive(Duration::from_millis(999))),
    ] {
        assert_eq!(config.build().unwrap_err().field(), field);
    }
    let none = Client::builder().max_age(None).idle_timeout(None).tcp_user_timeout(None);
    assert!(none.keep_alive(None).max_idle_per_host(0).build().is_ok());
}

#[test]
fn protocols_of_ones_own_are_refused() {
    let mut tls = client_tls();
    tls.alpn_protocols = vec![b"h2".to_vec()];

    let error = Client::builder().build_with_tls(tls, &Environment::new()).unwrap_err();

    assert_eq!(error.field(), "tls");
}

fn plain() -> Config {
    Client::builder().plain_http(true)
}

fn empty() -> Empty<Bytes> {
    Empty::new()
}

fn request<B>(at: SocketAddr, body: B) -> Request<B> {
    Request::post(format!("http://{at}/")).body(body).unwrap()
}

async fn get(client: &Client, at: SocketAddr) -> Bytes {
    answer(client, request(at, empty())).await
}

async fn post(client: &Client, at: SocketAddr, body: &'static str) -> Bytes {
    answer(client, request(at, Full::<Bytes>::from(body))).await
}

async fn answer<B>(client: &Client, request: Request<B>) -> Bytes
where
    B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let response = client.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    response.into_body().collect().await.unwrap().to_bytes()
}

/// A certificate for 127.0.0.1 that is its own root, valid for a hundred years.
const CERTIFICATE: &[u8] = include_bytes!("localhost.crt.der");
const KEY: &[u8] = include_bytes!("localhost.key.der");

/// Trusts that certificate alone.
fn client_tls() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CERTIFICATE.into()).unwrap();
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// Speaks HTTP/2 alone.
fn server_tls() -> ServerConfig {
    let mut tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CERTIFICATE.into()], PrivatePkcs8KeyDer::from(KEY).into())
        .unwrap();
    tls.alpn_protocols = vec![b"h2".to_vec()];
    tls
}

/// What a stack makes of the error, and whether it thinks that the call may have been executed.
fn judge(error: legacy::Error) -> (Outcome, bool) {
    let error = Error::Service(error);
    let outcome = ByStatus::new().classify(Err::<&Response<()>, _>(&error));
    let may_have_run = ByStatus::new().may_have_run(Err::<&Response<()>, _>(&error));

    let Error::Service(error) = error else { unreachable!() };
    let boxed = BoxError::from(error);
    assert_eq!(ByStatus::new().classify(Err::<&Response<()>, _>(&boxed)), outcome);
    assert_eq!(ByStatus::new().may_have_run(Err::<&Response<()>, _>(&boxed)), may_have_run);
    (outcome, may_have_run)
}

/// The kinds of the IO errors along the chain.
fn kinds(error: &legacy::Error) -> Vec<io::ErrorKind> {
    let mut kinds = Vec::new();
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        kinds.extend(error.downcast_ref::<io::Error>().map(io::Error::kind));
        next = error.source();
    }
    kinds
}

async fn let_others_run() {
    for _ in 0..50 {
        yield_now().await;
    }
}

/// The next connection. A test that waits for one in vain fails and does not hang.
async fn accept(listener: &TcpListener) -> TcpStream {
    timeout(10 * SECOND, listener.accept()).await.expect("a connection").unwrap().0
}

/// Reads up to the end of a request's headers.
async fn request_head(connection: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await.unwrap());
    }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    (listener, at)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Protocol {
    Http1,
    Http2,
}

/// Sends back what it gets, and counts connections.
struct Server {
    at: SocketAddr,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(protocol: Protocol) -> Self {
        let (listener, at) = listen().await;
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            loop {
                let (connection, _) = listener.accept().await.unwrap();
                counter.fetch_add(1, Ordering::Relaxed);
                let echo = service_fn(async |request: Request<Incoming>| {
                    Ok::<_, Infallible>(Response::new(request.into_body()))
                });
                let connection = TokioIo::new(connection);
                tokio::spawn(async move {
                    match protocol {
                        Protocol::Http1 => {
                            http1::Builder::new().serve_connection(connection, echo).await
                        }
                        Protocol::Http2 => {
                            let server = http2::Builder::new(TokioExecutor::new());
                            server.serve_connection(connection, echo).await
                        }
                    }
                });
            }
        });
        Self { at, connections, task }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}
