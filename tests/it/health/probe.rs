//! The prober, against a server that answers what the test says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use seawall::health::probe::{Config, Feed, Prober};
use seawall::health::{Finding, Verdict};
use seawall::telemetry::Environment;
use seawall::time::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;

use Verdict::{Degraded, Down, Healthy};

#[tokio::test]
async fn an_answer_means_what_the_table_says() {
    type Change = fn(Config) -> Config;
    let as_it_is: Change = |config| config;
    let identity: Change = |config| config.expect_identity("x-service", "shop");
    let body: Change = |config| config.body_contains("\"status\":\"Healthy\"");
    let rows: [(&str, Change, Verdict); 19] = [
        ("200 OK\r\ncontent-length: 0", as_it_is, Healthy),
        ("204 No Content", as_it_is, Down),
        ("204 No Content", |config| config.statuses([200..=204]), Healthy),
        ("301 Moved\r\nlocation: /ok\r\ncontent-length: 0", as_it_is, Down),
        ("503 Unavailable\r\ncontent-length: 0", as_it_is, Down),
        ("200 OK\r\nx-envoy-degraded: true\r\ncontent-length: 0", as_it_is, Degraded),
        ("200 OK\r\nx-envoy-degraded: false\r\ncontent-length: 0", as_it_is, Healthy),
        ("503 No\r\nx-envoy-degraded: true\r\ncontent-length: 0", as_it_is, Down),
        ("200 OK\r\nx-slow: 1\r\ncontent-length: 0", |c| c.degraded_header("x-slow"), Degraded),
        ("200 OK\r\nx-envoy-immediate-health-check-fail: 1\r\ncontent-length: 0", as_it_is, Down),
        ("200 OK\r\nx-service: shop\r\ncontent-length: 0", identity, Healthy),
        ("200 OK\r\nx-service: other\r\ncontent-length: 0", identity, Down),
        ("200 OK\r\ncontent-length: 0", identity, Down),
        ("200 OK\r\nx-a: 1\r\ncontent-length: 0", |c| c.expect_header("x-a", "1"), Healthy),
        ("200 OK\r\nx-a: 2\r\ncontent-length: 0", |c| c.expect_header("x-a", "1"), Down),
        ("200 OK\r\ncontent-length: 20\r\n\r\n{\"status\":\"Healthy\"}", body, Healthy),
        ("200 OK\r\ncontent-length: 17\r\n\r\n{\"status\":\"Down\"}", body, Down),
        ("200 OK\r\ncontent-length: 20\r\n\r\n{\"status\":", body, Down),
        ("no HTTP at all", as_it_is, Down),
    ];
    for (answer, change, expected) in rows {
        let server = Server::start(answer).await;
        let mut probing = Probing::start(&change(server.target()));

        let (finding, _) = probing.next().await;

        assert_eq!(finding.verdict(), expected, "{answer}: {finding:?}");
        assert_eq!(server.connections(), 1, "{answer}: nothing is followed or repeated");
    }
}

#[tokio::test]
async fn it_falls_and_rises_after_so_many_probes_and_asks_faster_in_between() {
    let server = Server::start(WELL).await;
    let config = server.target().jitter(0.0).interval(SECOND * 5).unhealthy_interval(SECOND);
    let mut probing = Probing::start(&config.fall(3).rise(2));
    assert_eq!(probing.next().await.1, Some(Healthy), "the first decides at once");

    server.answer(ILL);
    // The first bad probe comes after an interval, the next ones sooner.
    for (wait, changed) in [(5, None), (1, None), (1, Some(Down))] {
        probing.expect_after(SECOND * wait, changed).await;
    }
    server.answer(WELL);
    for (wait, changed) in [(1, None), (1, Some(Healthy)), (5, None)] {
        probing.expect_after(SECOND * wait, changed).await;
    }
}

#[tokio::test]
async fn who_asks_to_be_left_or_is_somebody_else_is_left_at_once() {
    for answer in [
        "200 OK\r\nx-service: shop\r\nx-envoy-immediate-health-check-fail: 1\r\ncontent-length: 0",
        "200 OK\r\nx-service: other\r\ncontent-length: 0",
    ] {
        let server = Server::start("200 OK\r\nx-service: shop\r\ncontent-length: 0").await;
        let config = server.target().jitter(0.0).expect_identity("x-service", "shop");
        let mut probing = Probing::start(&config);
        assert_eq!(probing.next().await.1, Some(Healthy));

        server.answer(answer);

        probing.expect_after(SECOND * 5, Some(Down)).await;
        assert_eq!(probing.prober.verdict(), Some(Down));
    }
}

#[tokio::test]
async fn it_connects_to_no_address_that_is_not_allowed() {
    let server = Server::start(WELL).await;
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
        let url = format!("http://{host}:{}/", server.address.port());
        let mut probing = Probing::start(&Prober::builder("inside", url));

        let (finding, _) = probing.next().await;

        assert_eq!(finding.verdict(), Down);
        assert!(finding.detail().unwrap().contains("not allowed"), "{finding:?}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn it_reads_64_kib_and_no_more() {
    let server = Server::start("").await;
    for (before, expected) in [(60 * 1024, Healthy), (64 * 1024, Down)] {
        let head = "200 OK\r\ncontent-length: 1000000000\r\n\r\n";
        server.answer(&format!("{head}{}needle", "x".repeat(before)));
        let mut probing = Probing::start(&server.target().body_contains("needle"));

        assert_eq!(probing.next().await.0.verdict(), expected, "after {before} bytes");
    }
}

#[tokio::test]
async fn silence_ends_with_the_timeout() {
    let server = Server::start(SILENT).await;
    let mut probing = Probing::start(&server.target().timeout(SECOND * 2));
    server.accepted(1).await;

    probing.clock.advance(SECOND * 2);
    let (finding, changed) = probing.next().await;

    assert_eq!((finding.detail(), changed), (Some("timed out"), Some(Down)));
}

#[tokio::test]
async fn nobody_listens_and_that_is_down() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("http://{address}/");
    let mut probing = Probing::start(&Prober::builder("gone", url).allow_loopback(true));

    assert_eq!(probing.next().await.1, Some(Down));
}

#[tokio::test]
async fn a_feed_that_panics_is_fed_again() {
    let server = Server::start(WELL).await;
    let clock = Clock::manual();
    let environment = Environment::new().clock(clock.clone());
    let prober = server.target().jitter(0.0).build_in(&environment).unwrap();
    let (told, mut heard) = unbounded_channel();
    let running = tokio::spawn(prober.run(move |_: &str, verdict: Verdict| {
        told.send(verdict).unwrap();
        panic!("as hooks do");
    }));
    assert_eq!(heard.recv().await, Some(Healthy));

    server.answer("200 OK\r\nx-envoy-immediate-health-check-fail: 1\r\ncontent-length: 0");
    while heard.is_empty() {
        clock.advance(SECOND);
        tokio::task::yield_now().await;
    }

    assert_eq!(heard.recv().await, Some(Down));
    running.abort();
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let refused = |config: Config| config.build().unwrap_err().field().to_owned();
    let target = || Prober::builder("north", "http://north.example/");
    for url in ["", "north.example", "ftp://a/", "http://u:p@a/", "/x", "http://a:0/"] {
        assert_eq!(refused(Prober::builder("north", url)), "url", "{url}");
    }
    for (config, field) in [
        (Prober::builder("", "http://a/"), "name"),
        (target().interval(Duration::ZERO), "interval"),
        (target().unhealthy_interval(SECOND * 6), "unhealthy_interval"),
        (target().jitter(f64::NAN), "jitter"),
        (target().timeout(Duration::MAX), "timeout"),
        (target().fall(0), "fall"),
        (target().rise(0), "rise"),
        (target().statuses([]), "statuses"),
        (target().statuses([0..=200]), "statuses"),
        (target().header("a b", "c"), "header"),
        (target().expect_header("a", "\n"), "expect_header"),
        (target().expect_identity("", ""), "expect_identity"),
        (target().body_contains(""), "body_contains"),
        (target().degraded_header("a b"), "degraded_header"),
    ] {
        assert_eq!(refused(config), field);
    }
}

#[test]
fn nothing_secret_is_in_what_it_prints() {
    let config = Prober::builder("north", "http://canary.example/canary?canary")
        .header("authorization", "canary")
        .expect_identity("x-service", "canary")
        .body_contains("canary");

    assert!(!format!("{config:?}").contains("canary"));
    assert!(!format!("{:?}", config.build().unwrap()).contains("canary"));
}

const SECOND: Duration = Duration::from_secs(1);
const WELL: &str = "200 OK\r\ncontent-length: 0";
const ILL: &str = "503 Unavailable\r\ncontent-length: 0";
const SILENT: &str = "silent";

/// A prober under way, and what it tells.
struct Probing {
    prober: Prober,
    clock: Clock,
    told: UnboundedReceiver<Told>,
}

enum Told {
    Changed(Verdict),
    Probed(Finding),
}

struct Tell(UnboundedSender<Told>);

impl Feed for Tell {
    fn changed(&self, _: &str, verdict: Verdict) {
        self.0.send(Told::Changed(verdict)).ok();
    }

    fn probed(&self, _: &str, finding: &Finding, _: Duration) {
        self.0.send(Told::Probed(finding.clone())).ok();
    }
}

impl Probing {
    fn start(config: &Config) -> Self {
        let clock = Clock::manual();
        let prober = config.build_in(&Environment::new().clock(clock.clone())).unwrap();
        let (sender, told) = unbounded_channel();
        tokio::spawn(prober.run(Tell(sender)));
        Self { prober, clock, told }
    }

    /// What the next probe finds, and what the target counts as from then on, if that is new.
    async fn next(&mut self) -> (Finding, Option<Verdict>) {
        // Only a prober that never asks again takes so long.
        let told = tokio::time::timeout(SECOND * 10, self.told.recv()).await;
        let Ok(Some(Told::Probed(finding))) = told else {
            panic!("a probe before any change, and soon");
        };
        // It is told in one go.
        let changed = match self.told.try_recv() {
            Ok(Told::Changed(verdict)) => Some(verdict),
            _ => None,
        };
        (finding, changed)
    }

    /// The next probe begins after just this time.
    async fn expect_after(&mut self, wait: Duration, changed: Option<Verdict>) {
        let least = Duration::from_millis(1);
        self.clock.advance(wait - least);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(self.told.is_empty(), "too early");
        self.clock.advance(least);
        assert_eq!(self.next().await.1, changed);
    }
}

/// Answers each connection with what was said last.
struct Server {
    address: SocketAddr,
    answer: watch::Sender<String>,
    accepted: Arc<AtomicUsize>,
}

impl Server {
    async fn start(answer: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (answer, answers) = watch::channel(answer.to_owned());
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let answer = answers.borrow().clone();
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(stream.read_u8().await?);
                    }
                    if answer == SILENT {
                        return std::future::pending().await;
                    }
                    let end = if answer.contains("\r\n\r\n") { "" } else { "\r\n\r\n" };
                    stream.write_all(format!("HTTP/1.1 {answer}{end}").as_bytes()).await
                });
            }
        });
        Self { address, answer, accepted }
    }

    fn answer(&self, answer: &str) {
        self.answer.send_replace(answer.to_owned());
    }

    fn target(&self) -> Config {
        Prober::builder("north", format!("http://{}/healthz", self.address)).allow_loopback(true)
    }

    fn connections(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    async fn accepted(&self, connections: usize) {
        while self.connections() < connections {
            tokio::task::yield_now().await;
        }
    }
}
