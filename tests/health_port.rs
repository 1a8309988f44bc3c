//! The health server under attack, with its default limits: a binary of its own, because it measures
//! the memory of the process and opens thousands of sockets.
//!
//! The attackers share the process with the server, so what is measured is too much rather than too
//! little.

#![cfg(all(feature = "health", target_os = "linux"))]
#![expect(clippy::unwrap_used, reason = "a test that fails is to panic")]

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use seawall::health::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tower::service_fn;

const HOSTILE: [u8; 4] = [127, 0, 0, 2];
const HONEST: [u8; 4] = [127, 0, 0, 1];
/// Within this, every hostile connection is closed.
const CLOSED_WITHIN: Duration = Duration::from_secs(12);
/// One test at a time: they share the memory that is measured.
static ALONE: Mutex<()> = Mutex::const_new(());
const MIB: usize = 1024 * 1024;

#[test]
fn a_flood_of_hostile_connections_keeps_no_probe_from_its_answer() {
    let _alone = ALONE.blocking_lock();
    rlimit::increase_nofile_limit(16_384).unwrap();
    let clients = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // One server for each size of the attack, so that both take their time at once.
    let servers = [serve(), serve()];
    clients.block_on(warm_up(&servers));
    let before = memory();
    let peak = Arc::new(AtomicUsize::new(before));

    let [few, many] = clients.block_on(async {
        let watch = tokio::spawn(watch_memory(Arc::clone(&peak)));
        let outcomes = tokio::join!(
            attack(servers[0].local_addr(), 300),
            attack(servers[1].local_addr(), 2_000)
        );
        watch.abort();
        [outcomes.0, outcomes.1]
    });

    let growth = peak.load(Ordering::Relaxed).saturating_sub(before);
    println!("300: {few:?}\n2,000: {many:?}\nmemory grew by {} KiB at the most", growth / 1024);
    for outcome in [few, many] {
        assert!(outcome.probes > 100, "{outcome:?}");
        assert!(outcome.answered * 100 >= outcome.probes * 99, "{outcome:?}");
        assert!(outcome.last_closed <= CLOSED_WITHIN, "{outcome:?}");
    }
    assert!(growth <= 16 * MIB, "{} KiB", growth / 1024);
}

#[test]
fn a_flood_from_many_addresses_keeps_no_probe_from_its_answer() {
    let _alone = ALONE.blocking_lock();
    rlimit::increase_nofile_limit(16_384).unwrap();
    let clients = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = serve();

    let (answered, probes) = clients.block_on(async {
        let mut silent = JoinSet::new();
        let (mut answered, mut probes) = (0, 0);
        for round in 0..100_u8 {
            for host in 0..20_u8 {
                let from = [127, 1, round, host + 1];
                if let Ok(stream) = connect(server.local_addr(), from).await {
                    silent.spawn(until_closed(stream, Instant::now()));
                }
            }
            probes += 1;
            answered += usize::from(probe(server.local_addr()).await.is_some());
        }
        silent.abort_all();
        (answered, probes)
    });

    assert!(answered * 100 >= probes * 99, "{answered} of {probes}");
}

#[test]
fn a_thousand_probes_a_second_are_answered() {
    let _alone = ALONE.blocking_lock();
    let clients = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = serve();

    let mut took: Vec<Duration> = clients.block_on(async {
        let begin = Instant::now();
        let mut probes = JoinSet::new();
        for number in 0..2_000 {
            sleep_until(begin + Duration::from_millis(number)).await;
            probes.spawn(probe(server.local_addr()));
        }
        probes.join_all().await.into_iter().flatten().collect()
    });

    took.sort_unstable();
    assert_eq!(took.len(), 2_000);
    println!(
        "of 2,000 probes in 2 s: half within {:?}, 99 % within {:?}",
        took[1_000], took[1_980]
    );
}

/// What came of an attack.
#[derive(Debug)]
struct Outcome {
    probes: usize,
    answered: usize,
    slowest: Duration,
    last_closed: Duration,
}

/// Opens so many hostile connections, of all kinds in turn, and probes until they have ended.
async fn attack(at: SocketAddr, connections: usize) -> Outcome {
    let mut hostile = JoinSet::new();
    for number in 0..connections {
        hostile.spawn(async move {
            match connect(at, HOSTILE).await {
                Ok(stream) => misbehave(number % 7, stream).await,
                // Accepted and pushed out by another before this one knew.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => Duration::ZERO,
                Err(error) => panic!("{error}"),
            }
        });
    }
    let all = async {
        let mut last = Duration::ZERO;
        while let Some(closed) = hostile.join_next().await {
            last = last.max(closed.unwrap());
        }
        last
    };
    let mut all = std::pin::pin!(all);
    let mut outcome =
        Outcome { probes: 0, answered: 0, slowest: Duration::ZERO, last_closed: Duration::ZERO };
    loop {
        let took = probe(at).await;
        outcome.probes += 1;
        outcome.answered += usize::from(took.is_some());
        outcome.slowest = outcome.slowest.max(took.unwrap_or(Duration::from_secs(1)));
        if let Ok(last) = timeout(Duration::from_millis(20), all.as_mut()).await {
            outcome.last_closed = last;
            return outcome;
        }
    }
}

/// One of the ways to hold a connection. How long the server let it.
async fn misbehave(kind: usize, mut stream: TcpStream) -> Duration {
    let begin = Instant::now();
    let sent: &[u8] = match kind {
        // Silent.
        0 => b"",
        // Part of a head, and then nothing.
        1 => b"GET /livez HTTP/1.1\r\nhost: ",
        // A byte a second.
        2 => return dribble(stream, begin).await,
        // Idle after its answer.
        3 => b"GET /livez HTTP/1.1\r\nconnection: keep-alive\r\n\r\n",
        4 => b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        5 => b"PRI * HTTP",
        // Never reading an answer that is more than the system takes off the server's hands.
        _ => {
            let _ = stream.write_all(b"GET /flood HTTP/1.1\r\n\r\n").await;
            let _ = timeout(2 * CLOSED_WITHIN, stream.ready(Interest::ERROR)).await;
            return begin.elapsed();
        }
    };
    let _ = stream.write_all(sent).await;
    until_closed(stream, begin).await
}

async fn dribble(stream: TcpStream, begin: Instant) -> Duration {
    let (mut reader, mut writer) = stream.into_split();
    let write = async {
        loop {
            let _ = writer.write_all(b"G").await;
            sleep(Duration::from_secs(1)).await;
        }
    };
    let mut byte = [0; 64];
    let closed = async { while reader.read(&mut byte).await.is_ok_and(|read| read > 0) {} };
    tokio::select! {
        () = write => {}
        () = closed => {}
        () = sleep_until(begin + 2 * CLOSED_WITHIN) => {}
    }
    begin.elapsed()
}

/// Reads until the server has ended the connection, with an end or a reset.
async fn until_closed(mut stream: TcpStream, begin: Instant) -> Duration {
    let mut bytes = [0; 64];
    let closed = async { while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {} };
    let _ = timeout_at(begin + 2 * CLOSED_WITHIN, closed).await;
    begin.elapsed()
}

/// How long an honest probe took, if it was answered within a second.
async fn probe(at: SocketAddr) -> Option<Duration> {
    let begin = Instant::now();
    let ask = async {
        let mut stream = connect(at, HONEST).await.ok()?;
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n").await.ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok()?;
        (answer.starts_with(b"HTTP/1.1 200 ") && answer.ends_with(b"\r\n\r\nok")).then_some(())
    };
    timeout(Duration::from_secs(1), ask).await.ok()??;
    Some(begin.elapsed())
}

async fn connect(at: SocketAddr, from: [u8; 4]) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    socket.connect(at).await
}

/// Both sides have done once what they will do, so that what is made once is not counted.
async fn warm_up(servers: &[Server]) {
    for server in servers {
        assert!(probe(server.local_addr()).await.is_some());
    }
}

async fn watch_memory(peak: Arc<AtomicUsize>) {
    loop {
        peak.fetch_max(memory(), Ordering::Relaxed);
        sleep(Duration::from_millis(50)).await;
    }
}

/// The resident memory of the process in bytes.
fn memory() -> usize {
    let sizes = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = sizes.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

fn serve() -> Server {
    let service = service_fn(|request: Request<()>| async move {
        let body = match request.uri().path() {
            "/livez" => Answer::Ok(Some(Bytes::from_static(b"ok"))),
            "/flood" => Answer::Endless,
            _ => Answer::Ok(None),
        };
        let mut response = Response::new(body);
        if matches!(response.body(), Answer::Ok(None)) {
            *response.status_mut() = StatusCode::NOT_FOUND;
        }
        Ok::<_, Infallible>(response)
    });
    Server::builder().address((HONEST, 0).into()).serve(service).unwrap()
}

enum Answer {
    Ok(Option<Bytes>),
    Endless,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(match self.get_mut() {
            Self::Ok(bytes) => bytes.take().map(|bytes| Ok(Frame::data(bytes))),
            Self::Endless => Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 8 * 1024])))),
        })
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Ok(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Endless => SizeHint::default(),
        }
    }
}
