//! The health server over loopback sockets, in real time: limits are set short, and what ends by
//! them is given a hundred times as long.

use std::convert::Infallible;
use std::future::{pending, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use seawall::error::BoxError;
use seawall::health::server::{Config, Prolong, ServeError};
use seawall::health::{Endpoints, Peer, Registry, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower::Service;

/// Long enough for anything that ends at all.
const PATIENCE: Duration = Duration::from_secs(20);
/// What a request must never find in an answer.
const CANARY: &str = "cAnArY-4f1d";
/// The statuses that the server answers with by itself, or lets through here.
const ALLOWED: [u16; 9] = [200, 400, 401, 404, 405, 413, 414, 431, 503];

#[tokio::test]
async fn requests_get_what_the_table_says() {
    let server = start(&short());
    let many = format!("GET /ok HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(65));
    let fewer = format!("GET /ok HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(64));
    let huge =
        |bytes: usize| format!("GET /ok HTTP/1.1\r\nx: {}\r\n\r\n", CANARY.repeat(bytes / 11));
    let long = |bytes: usize| format!("GET /ok?{} HTTP/1.1\r\n\r\n", CANARY.repeat(bytes / 11));
    let flood =
        format!("POST /ok HTTP/1.1\r\ncontent-length: 9999999\r\n\r\n{}", "x".repeat(9_999_999));
    let table: &[(&str, &str, Option<u16>)] = &[
        ("plain", "GET /ok HTTP/1.1\r\nhost: a\r\n\r\n", Some(200)),
        ("old", "GET /ok HTTP/1.0\r\n\r\n", Some(200)),
        ("head", "HEAD /ok HTTP/1.1\r\n\r\n", Some(200)),
        ("bare line feeds", "GET /ok HTTP/1.1\nhost: a\n\n", Some(200)),
        ("absolute", "GET http://a.invalid/ok HTTP/1.1\r\n\r\n", Some(200)),
        ("a length of zero", "GET /ok HTTP/1.1\r\ncontent-length: 0\r\n\r\n", Some(200)),
        ("pipelined", "GET /ok HTTP/1.1\r\n\r\nGET /none HTTP/1.1\r\n\r\n", Some(200)),
        ("as many headers as may be", &fewer, Some(200)),
        ("unknown", "GET /cAnArY-4f1d HTTP/1.1\r\n\r\n", Some(404)),
        ("upgrade", "GET /ok HTTP/1.1\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n", Some(200)),
        ("tunnel", "CONNECT a.invalid:443 HTTP/1.1\r\n\r\n", Some(404)),
        ("all of it", "OPTIONS * HTTP/1.1\r\n\r\n", Some(404)),
        ("body", "POST /ok HTTP/1.1\r\ncontent-length: 11\r\n\r\ncAnArY-4f1d", Some(413)),
        ("body to come", "POST /ok HTTP/1.1\r\ncontent-length: 11\r\n\r\n", Some(413)),
        ("flood", &flood, Some(413)),
        (
            "asks before it sends",
            "POST /ok HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 11\r\n\r\n",
            Some(413),
        ),
        (
            "chunks",
            "POST /ok HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            Some(413),
        ),
        (
            "length, then chunks",
            "POST /ok HTTP/1.1\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            Some(413),
        ),
        (
            "chunks, then length",
            "POST /ok HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n",
            Some(413),
        ),
        (
            "two lengths",
            "POST /ok HTTP/1.1\r\ncontent-length: 0\r\ncontent-length: 4\r\n\r\nabcd",
            Some(400),
        ),
        ("no length", "POST /ok HTTP/1.1\r\ncontent-length: cAnArY-4f1d\r\n\r\n", Some(400)),
        ("signed length", "POST /ok HTTP/1.1\r\ncontent-length: +1\r\n\r\na", Some(400)),
        (
            "great length",
            "POST /ok HTTP/1.1\r\ncontent-length: 18446744073709551615\r\n\r\n",
            Some(431),
        ),
        ("other coding", "POST /ok HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n", Some(400)),
        ("old chunks", "POST /ok HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n", Some(400)),
        ("no version", "GET /ok\r\n\r\n", Some(400)),
        ("wrong version", "GET /ok HTTP/3.0\r\n\r\n", Some(400)),
        ("zeros", "\0\0\0\0\0\0\0\0\0\0\0\0", Some(400)),
        ("zero in a header", "GET /ok HTTP/1.1\r\nx: a\0b\r\n\r\n", Some(400)),
        ("escape", "GET /ok HTTP/1.1\r\nx: \u{1b}[31mcAnArY-4f1d\r\n\r\n", Some(400)),
        ("space in a name", "GET /ok HTTP/1.1\r\ncAnArY-4f1d x: a\r\n\r\n", Some(400)),
        ("folded", "GET /ok HTTP/1.1\r\nx: a\r\n b\r\n\r\n", Some(400)),
        ("TLS", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}", Some(400)),
        ("another protocol", "SSH-2.0-cAnArY-4f1d\r\n", Some(400)),
        ("line too long", &long(9_000), Some(414)),
        ("line far too long", &long(100_000), Some(414)),
        ("head too long", &huge(20_000), Some(431)),
        ("head far too long", &huge(200_000), Some(431)),
        ("too many headers", &many, Some(431)),
        ("nothing", "", None),
        ("half a line", "GET /o", None),
        ("half a head", "GET /ok HTTP/1.1\r\nhost: a\r\n", None),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0", None),
        ("half of HTTP/2", "PRI * HTTP/2.0\r\n\r\n", Some(400)),
        ("less of HTTP/2", "PRI * HT", None),
    ];
    for (name, request, expected) in table {
        let answer = exchange(server.local_addr(), request.as_bytes()).await;

        assert_eq!(status(&answer), *expected, "{name}: {answer:?}");
        assert!(!answer.contains("100 Continue"), "{name}: {answer:?}");
        assert_eq!(answer.matches("HTTP/1.").count(), usize::from(expected.is_some()), "{name}");
        assert_harmless(&answer);
        assert_eq!(status(&probe(server.local_addr()).await), Some(200), "after {name}");
    }
}

#[tokio::test]
async fn the_endpoints_are_served() {
    let registry = Registry::new();
    registry.start().unwrap();
    let endpoints = Endpoints::builder().build(&registry).unwrap();
    let server = short().serve(endpoints).unwrap();
    let at = server.local_addr();

    for (path, expected) in [("/livez", 200), ("/health", 401), ("/cAnArY-4f1d", 404)] {
        let answer = get(at, path).await;
        assert_eq!(status(&answer), Some(expected), "{answer}");
        assert_harmless(&answer);
    }
    let answer = exchange(at, b"PATCH /livez HTTP/1.1\r\n\r\n").await;
    assert_eq!(status(&answer), Some(405), "{answer}");
}

#[tokio::test]
async fn any_bytes_get_an_allowed_status_or_none() {
    let seconds = std::env::var("SEAWALL_FUZZ_SECONDS").map_or(2, |text| text.parse().unwrap());
    let end = std::time::SystemTime::now() + Duration::from_secs(seconds);
    let config = short().header_timeout(Duration::from_millis(20));
    let servers = [start(&config), start(&config.clone().keep_alive(true))];
    let mut chance = Chance(0x5ea_3a11);
    let mut rounds = 0_u32;

    while std::time::SystemTime::now() < end {
        let at = servers[chance.below(2)].local_addr();
        let requests: Vec<_> = (0..16).map(|_| request(&mut chance)).collect();
        let asked = requests.iter().map(|request| exchange(at, request));
        for (answer, request) in futures_util::future::join_all(asked).await.iter().zip(&requests) {
            let told = String::from_utf8_lossy(request);
            assert!(status(answer).is_none_or(|status| ALLOWED.contains(&status)), "{told:?}");
            assert_harmless(answer);
        }
        assert!(still_answers(at).await, "after {rounds} rounds");
        rounds += 1;
    }

    println!("{} requests", rounds * 16);
    assert!(rounds > 4);
}

/// Whether an honest request is answered, on a machine so busy that some of them come too late for the
/// time that this server gives them.
async fn still_answers(at: SocketAddr) -> bool {
    for _ in 0..50 {
        if status(&probe(at).await) == Some(200) {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn whoever_does_not_ask_in_time_is_closed() {
    let server = start(&short().header_timeout(Duration::from_millis(200)));
    for sent in ["", "GET /ok HTTP/1.1\r\n", "PRI * HT"] {
        let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();

        let (answer, took) = timed(read(&mut stream)).await;

        assert_eq!(answer, "");
        assert!(took > Duration::from_millis(190), "{took:?}");
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
}

#[tokio::test]
async fn a_byte_now_and_then_does_not_help() {
    let server = start(&short().header_timeout(Duration::from_millis(200)));
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();

    let dribble = async {
        for byte in b"GET /ok HTTP/1.1\r\nhost: a.rather.long.name.invalid\r\n\r\n".iter().cycle() {
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let (ended, took) = timed(timeout(PATIENCE, dribble)).await;

    assert!(ended.is_ok());
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn a_service_that_never_answers_is_cut_at_the_limit() {
    let server = start(&limited(Duration::from_millis(300)));
    let never = limited(Duration::from_millis(300)).serve(Odd::NeverReady).unwrap();
    for (at, path) in [
        (server.local_addr(), "/pending"),
        (server.local_addr(), "/endless"),
        (never.local_addr(), "/"),
    ] {
        let (answer, took) = timed(get(at, path)).await;

        assert!(answer.len() < 200, "{answer}");
        assert!(took > Duration::from_millis(290), "{path}: {took:?}");
        assert!(took < Duration::from_secs(5), "{path}: {took:?}");
    }
    assert_eq!(status(&probe(server.local_addr()).await), Some(200));
}

#[tokio::test]
async fn whoever_does_not_read_is_cut_at_the_limit() {
    let server = start(&limited(Duration::from_millis(300)));
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    stream.write_all(b"GET /flood HTTP/1.1\r\n\r\n").await.unwrap();

    // The body counts itself out when it is dropped.
    let ((), took) = timed(until(|| server.floods.load(Ordering::SeqCst) == 1)).await;
    let ((), cut) = timed(until(|| server.floods.load(Ordering::SeqCst) == 0)).await;

    assert!(took + cut < Duration::from_secs(5), "{took:?} {cut:?}");
    assert!(cut > Duration::from_millis(200), "{cut:?}");
    let mut rest = Vec::new();
    let error = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_stream_lives_longer_when_its_answer_says_so() {
    let server = start(&limited(Duration::from_millis(200)));

    let (answer, took) = timed(get(server.local_addr(), "/stream")).await;

    assert_eq!(status(&answer), Some(200));
    assert!(took > Duration::from_millis(790), "{took:?}");
    assert!(took < Duration::from_secs(8), "{took:?}");
}

#[tokio::test]
async fn only_so_many_streams_live_longer() {
    let config = limited(Duration::from_millis(200)).max_connections(8);
    let server = start(&config);

    let streams = (0..2).map(|_| timed(get(server.local_addr(), "/stream")));
    let mut took: Vec<_> =
        futures_util::future::join_all(streams).await.iter().map(|(_, took)| *took).collect();
    took.sort_unstable();
    assert!(took[0] > Duration::from_millis(790), "{took:?}");

    let three = (0..3).map(|number| timed(get_from([127, 0, 0, 2 + number], &server, "/stream")));
    let mut took: Vec<_> =
        futures_util::future::join_all(three).await.iter().map(|(_, took)| *took).collect();
    took.sort_unstable();
    assert!(took[0] < Duration::from_millis(700), "{took:?}");
    assert!(took[1] > Duration::from_millis(790), "{took:?}");
}

#[tokio::test]
async fn a_side_that_has_said_all_gets_its_answer() {
    let server = start(&short());
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    stream.write_all(b"GET /slow HTTP/1.1\r\n\r\n").await.unwrap();
    stream.shutdown().await.unwrap();

    assert_eq!(status(&read(&mut stream).await), Some(200));
}

#[tokio::test]
async fn a_connection_takes_one_request_and_says_so() {
    let server = start(&short());

    let answer =
        exchange(server.local_addr(), b"GET /ok HTTP/1.1\r\nconnection: keep-alive\r\n\r\n").await;

    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert!(!answer.to_lowercase().contains("server:"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
}

#[tokio::test]
async fn with_keep_alive_a_connection_takes_more_until_it_is_idle() {
    let config = short().keep_alive(true).header_timeout(Duration::from_millis(300));
    let server = start(&config);
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    for _ in 0..3 {
        stream.write_all(b"GET /ok HTTP/1.1\r\n\r\n").await.unwrap();
        let mut answer = vec![0; 4096];
        let read = timeout(PATIENCE, stream.read(&mut answer)).await.unwrap().unwrap();
        assert!(answer[..read].starts_with(b"HTTP/1.1 200 OK\r\n"));
    }

    let (answer, took) = timed(read(&mut stream)).await;

    assert_eq!(answer, "");
    assert!(took > Duration::from_millis(250), "{took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn with_keep_alive_nothing_follows_a_refusal() {
    let server = start(&short().keep_alive(true));
    let next = "GET /ok HTTP/1.1\r\n\r\n";
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(9_000));
    for (first, expected) in [
        ("POST /ok HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc", 413),
        (
            "POST /ok HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
            413,
        ),
        (
            "POST /ok HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            413,
        ),
        ("POST /ok HTTP/1.1\r\ncontent-length: 1, 2\r\n\r\nab", 400),
        ("nonsense\r\n\r\n", 400),
        (&long, 414),
    ] {
        let answer = exchange(server.local_addr(), format!("{first}{next}").as_bytes()).await;

        assert_eq!(status(&answer), Some(expected), "{first}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{first}: {answer}");
    }
}

#[tokio::test]
async fn with_keep_alive_the_second_line_may_not_be_longer() {
    let server = start(&short().keep_alive(true));
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    stream.write_all(b"GET /ok HTTP/1.1\r\nx: y\r\n\r\n").await.unwrap();
    let mut answer = vec![0; 4096];
    let read_bytes = timeout(PATIENCE, stream.read(&mut answer)).await.unwrap().unwrap();
    assert!(answer[..read_bytes].starts_with(b"HTTP/1.1 200 OK\r\n"));

    let _ = stream.write_all(&vec![b'G'; 20_000]).await;

    assert_eq!(status(&read(&mut stream).await), Some(414));
}

#[tokio::test]
async fn a_service_that_fails_or_panics_answers_503() {
    let server = start(&short());
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if thread::current().name() != Some("seawall-health") {
            hook(panic);
        }
    }));
    for path in ["/error", "/panic", "/panic-later", "/early-hints"] {
        let answer = get(server.local_addr(), path).await;

        assert_eq!(status(&answer), Some(503), "{path}: {answer}");
        assert!(answer.ends_with("\r\n\r\n"), "{path}: {answer}");
        assert_eq!(status(&probe(server.local_addr()).await), Some(200), "{path}");
    }
    for (odd, name) in [
        (Odd::NotReady, "not ready"),
        (Odd::PanicsInReadiness, "readiness"),
        (Odd::PanicsAsClone(2), "clone"),
    ] {
        let server = short().serve(odd).unwrap();
        for _ in 0..2 {
            assert_eq!(status(&probe(server.local_addr()).await), Some(503), "{name}");
        }
    }
    // No service, no answer; but the next connection is accepted all the same.
    let server = short().serve(Odd::PanicsAsClone(1)).unwrap();
    for _ in 0..2 {
        assert_eq!(status(&probe(server.local_addr()).await), None);
    }
}

#[tokio::test]
async fn the_service_is_told_the_peer_and_runs_on_the_servers_thread() {
    let server = start(&short());
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    let from = stream.local_addr().unwrap();
    stream.write_all(b"GET /who HTTP/1.1\r\n\r\n").await.unwrap();

    let answer = read(&mut stream).await;

    assert!(answer.ends_with(&format!("{from} on seawall-health")), "{answer}");
}

#[tokio::test]
async fn a_newer_connection_of_a_full_peer_pushes_out_its_oldest() {
    let server = start(&short().max_connections(16));
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(TcpStream::connect(server.local_addr()).await.unwrap());
        // Another's probe, so that the connections are accepted in the order of the test.
        get_from([127, 0, 0, 3], &server, "/ok").await;
    }

    silent.push(TcpStream::connect(server.local_addr()).await.unwrap());

    let error = timeout(PATIENCE, silent[0].read_u8()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert!(
        silent[1]
            .try_read(&mut [0])
            .is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    );
}

#[tokio::test]
async fn closing_lets_requests_end_and_frees_the_port() {
    let server = start(&short());
    let at = server.local_addr();
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(b"GET /slow HTTP/1.1\r\n\r\n").await.unwrap();
    until(|| server.slow.load(Ordering::SeqCst) == 1).await;

    let (closed, took) = timed(timeout(PATIENCE, server.inner.close())).await;

    assert!(closed.is_ok());
    assert_eq!(status(&read(&mut stream).await), Some(200));
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(TcpStream::connect(at).await.is_err());
    drop(start(&short().address(at)));
}

#[tokio::test]
async fn closing_does_not_wait_for_ever() {
    let config = short()
        .header_timeout(Duration::from_millis(200))
        .connection_limit(Duration::from_millis(200))
        .keep_alive(true);
    let server = start(&config);
    let at = server.local_addr();
    let mut streams = Vec::new();
    for request in ["", "GET /o", "GET /pending HTTP/1.1\r\n\r\n", "GET /stream HTTP/1.1\r\n\r\n"] {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        streams.push(stream);
    }
    probe(at).await;

    let (closed, took) = timed(timeout(PATIENCE, server.inner.close())).await;

    assert!(closed.is_ok());
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test]
async fn a_server_can_be_dropped_inside_a_runtime() {
    let server = start(&short());
    let at = server.local_addr();
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(b"GET /pending HTTP/1.1\r\n\r\n").await.unwrap();
    probe(at).await;

    let ((), took) = timed(async { drop(server) }).await;

    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(read(&mut stream).await, "");
    drop(start(&short().address(at)));
}

#[test]
fn a_server_can_be_dropped_outside_a_runtime() {
    let server = start(&short());
    let at = server.local_addr();
    drop(server);
    let again = start(&short().address(at));

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert_eq!(status(&runtime.block_on(probe(again.local_addr()))), Some(200));
}

#[tokio::test]
async fn a_service_that_blocks_the_thread_does_not_block_a_drop() {
    let server = start(&short());
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    stream.write_all(b"GET /block HTTP/1.1\r\n\r\n").await.unwrap();
    until(|| server.slow.load(Ordering::SeqCst) == 1).await;

    let ((), took) = timed(async { drop(server) }).await;

    assert!(took < Duration::from_millis(2_500), "{took:?}");
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let second = Duration::from_secs(1);
    for (field, config) in [
        ("max_connections", short().max_connections(0)),
        ("max_connections", short().max_connections(65_536)),
        ("header_timeout", short().header_timeout(Duration::ZERO)),
        ("connection_limit", short().header_timeout(2 * second).connection_limit(second)),
        ("connection_limit", short().connection_limit(3_601 * second)),
        ("max_buffer", short().max_buffer(8 * 1024 - 1)),
        ("max_buffer", short().max_buffer(1024 * 1024 + 1)),
        ("max_headers", short().max_headers(0)),
        ("max_headers", short().max_headers(1_025)),
    ] {
        let error = config.serve(App::default()).unwrap_err();

        assert!(matches!(error, ServeError::Config(error) if error.field() == field), "{field}");
    }
    // Only this machine reaches the default.
    assert!(format!("{:?}", Config::default()).contains("address: 127.0.0.1:8081"));
}

#[test]
fn an_address_that_is_taken_is_refused() {
    let server = start(&short());

    let error = short().address(server.local_addr()).serve(App::default()).unwrap_err();

    assert!(
        matches!(error, ServeError::Listen(error) if error.kind() == std::io::ErrorKind::AddrInUse)
    );
}

/// A server and what its service counts.
struct Running {
    inner: Server,
    slow: Arc<AtomicUsize>,
    floods: Arc<AtomicUsize>,
}

impl Running {
    fn local_addr(&self) -> SocketAddr {
        self.inner.local_addr()
    }
}

/// Limits short enough for a test, on a free port.
fn short() -> Config {
    Server::builder()
        .address(([127, 0, 0, 1], 0).into())
        .header_timeout(Duration::from_millis(500))
        .connection_limit(Duration::from_secs(10))
}

fn limited(limit: Duration) -> Config {
    short().header_timeout(limit).connection_limit(limit)
}

fn start(config: &Config) -> Running {
    let app = App::default();
    let (slow, floods) = (Arc::clone(&app.slow), Arc::clone(&app.floods));
    Running { inner: config.serve(app).unwrap(), slow, floods }
}

/// A service with a path for each way to behave.
#[derive(Clone, Default)]
struct App {
    slow: Arc<AtomicUsize>,
    floods: Arc<AtomicUsize>,
}

impl Service<Request<()>> for App {
    type Response = Response<Reply>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let app = self.clone();
        match request.uri().path() {
            "/ok" => answer(StatusCode::OK, Reply::text("ok")),
            "/who" => {
                let peer = request.extensions().get::<Peer>().unwrap().addr();
                let who = format!("{peer} on {}", thread::current().name().unwrap());
                answer(StatusCode::OK, Reply::text(&who))
            }
            "/slow" => Box::pin(async move {
                app.slow.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(100)).await;
                Ok(Response::new(Reply::text("late")))
            }),
            "/block" => {
                app.slow.fetch_add(1, Ordering::SeqCst);
                thread::sleep(Duration::from_secs(5));
                answer(StatusCode::OK, Reply::text("too late"))
            }
            "/pending" => Box::pin(pending()),
            "/endless" => answer(StatusCode::OK, Reply::Pending),
            "/flood" => answer(StatusCode::OK, Reply::flood(app.floods)),
            "/stream" => {
                let mut response = Response::new(Reply::Pending);
                response.extensions_mut().insert(Prolong::new(Duration::from_millis(800)));
                Box::pin(ready(Ok(response)))
            }
            "/error" => Box::pin(ready(Err(CANARY.into()))),
            "/panic" => panic!("{CANARY}"),
            "/panic-later" => Box::pin(async { panic!("{CANARY}") }),
            "/early-hints" => answer(StatusCode::EARLY_HINTS, Reply::text("")),
            _ => answer(StatusCode::NOT_FOUND, Reply::text("none")),
        }
    }
}

fn answer(
    status: StatusCode,
    body: Reply,
) -> Pin<Box<dyn Future<Output = Result<Response<Reply>, BoxError>> + Send>> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    Box::pin(ready(Ok(response)))
}

/// A body for each way to behave.
enum Reply {
    Text(Option<Bytes>),
    /// Never says anything.
    Pending,
    /// Never ends, and counts itself while it lives.
    Flood(Arc<AtomicUsize>),
}

impl Reply {
    fn text(text: &str) -> Self {
        Self::Text(Some(Bytes::copy_from_slice(text.as_bytes())))
    }

    fn flood(count: Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self::Flood(count)
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Self::Flood(count) = self {
            count.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Pending => Poll::Pending,
            Self::Flood(_) => {
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 8 * 1024])))))
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, Bytes::len) as u64),
            Self::Pending | Self::Flood(_) => SizeHint::default(),
        }
    }
}

/// A service that does not get as far as a call.
enum Odd {
    NotReady,
    NeverReady,
    PanicsInReadiness,
    /// Panics when it is cloned so many times in a row.
    PanicsAsClone(u32),
}

impl Clone for Odd {
    fn clone(&self) -> Self {
        match self {
            Self::NotReady => Self::NotReady,
            Self::NeverReady => Self::NeverReady,
            Self::PanicsInReadiness => Self::PanicsInReadiness,
            Self::PanicsAsClone(1) => panic!("{CANARY}"),
            Self::PanicsAsClone(left) => Self::PanicsAsClone(left - 1),
        }
    }
}

impl Service<Request<()>> for Odd {
    type Response = Response<Reply>;
    type Error = BoxError;
    type Future = std::future::Ready<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self {
            Self::NotReady => Poll::Ready(Err(CANARY.into())),
            Self::NeverReady => Poll::Pending,
            Self::PanicsInReadiness | Self::PanicsAsClone(_) => panic!("{CANARY}"),
        }
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        unreachable!("it is never ready")
    }
}

async fn probe(at: SocketAddr) -> String {
    get(at, "/ok").await
}

async fn get(at: SocketAddr, path: &str) -> String {
    exchange(at, format!("GET {path} HTTP/1.1\r\n\r\n").as_bytes()).await
}

/// From another address of the loopback network.
async fn get_from(from: [u8; 4], server: &Running, path: &str) -> String {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    let mut stream = socket.connect(server.local_addr()).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\n\r\n").as_bytes()).await.unwrap();
    read(&mut stream).await
}

/// Sends while it reads, until the server ends the connection.
async fn exchange(at: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let write = async {
        // The server may have had enough of it.
        let _ = writer.write_all(request).await;
    };
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, reader.read_to_end(&mut answer));
    let ((), ended) = tokio::join!(write, read);
    // A reset ends a connection, too.
    let _ = ended.expect("every connection ends");
    String::from_utf8(answer).unwrap()
}

/// What is still to come, until the server ends the connection.
async fn read(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let ended = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    let _ = ended.expect("every connection ends");
    String::from_utf8(answer).unwrap()
}

async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, wait).await.unwrap();
}

async fn timed<F>(future: F) -> (F::Output, Duration)
where
    F: Future,
{
    let begin = tokio::time::Instant::now();
    let output = future.await;
    (output, begin.elapsed())
}

fn status(answer: &str) -> Option<u16> {
    let rest = answer.strip_prefix("HTTP/1.1 ").or_else(|| answer.strip_prefix("HTTP/1.0 "))?;
    rest.get(..3)?.parse().ok()
}

/// Nothing of the request comes back, and nothing that names the server.
fn assert_harmless(answer: &str) {
    let low = answer.to_lowercase();
    assert!(!low.contains(&CANARY.to_lowercase()), "{answer:?}");
    assert!(
        !low.contains("\nserver:") && !low.contains("seawall") && !low.contains("hyper"),
        "{answer:?}"
    );
}

/// A request that is right, nearly right, or nothing like one.
fn request(chance: &mut Chance) -> Vec<u8> {
    const WHOLE: [&str; 7] = [
        "GET /ok HTTP/1.1\r\nhost: cAnArY-4f1d\r\naccept: */*\r\n\r\n",
        "POST /cAnArY-4f1d HTTP/1.1\r\ncontent-length: 4\r\n\r\nabcd",
        "POST /ok HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n",
        "GET http://cAnArY-4f1d:80/ok?a#b HTTP/1.0\r\nconnection: keep-alive\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0",
        "GET /ok HTTP/1.1\r\nupgrade: websocket\r\nconnection: upgrade\r\nexpect: 100-continue\r\n\r\n",
        "HEAD /none HTTP/1.1\r\ncontent-length: 0\r\ncontent-length: 0\r\n\r\nGET /ok HTTP/1.1\r\n\r\n",
    ];
    let mut bytes = WHOLE[chance.below(WHOLE.len())].as_bytes().to_vec();
    for _ in 0..chance.below(6) {
        let at = chance.below(bytes.len());
        match chance.below(6) {
            0 => bytes[at] = chance.byte(),
            1 => bytes.insert(at, chance.byte()),
            2 => drop(bytes.remove(at)),
            3 => bytes.truncate(at + 1),
            4 => bytes.splice(at..at, b"\r\n".iter().copied()).for_each(drop),
            _ => {
                let repeated = bytes[at..].repeat(1 + chance.below(40));
                bytes.extend(repeated);
            }
        }
        bytes.truncate(40_000);
        if bytes.is_empty() {
            bytes.push(chance.byte());
        }
    }
    if chance.below(8) == 0 {
        bytes = (0..chance.below(2_000)).map(|_| chance.byte()).collect();
    }
    bytes
}

/// A generator with a fixed seed, so that a failure comes again.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % end
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[7]
    }
}
