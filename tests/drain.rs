//! SIGTERM under load, behind a balancer that probes: a process of its own is the server, this one
//! balances over it and another instance, and counts what is lost.

#![cfg(all(unix, feature = "health"))]
#![expect(clippy::unwrap_used, reason = "a test that fails is to panic")]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use seawall::health::Phase;
use seawall::health::drain::{Drain, Product};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt};

/// Names the port of the server that this process is to be.
const ROLE: &str = "SEAWALL_TEST_DRAIN_SERVER";
/// How often the balancer probes, and how many failures it takes.
const INTERVAL: Duration = Duration::from_millis(200);
const THRESHOLD: u32 = 2;
const RATE: u32 = 500;

/// What the balancer knows of one instance.
struct Instance {
    traffic: SocketAddr,
    health: SocketAddr,
    up: AtomicBool,
    served: AtomicU64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_when_an_instance_is_terminated_under_load() {
    let (mut leaving, first) = spawn_server();
    let (staying, second) = spawn_server();
    let instances = [Arc::new(first), Arc::new(second)];
    let start = Instant::now();
    let probes: JoinSet<_> = instances.iter().cloned().map(probe).collect();

    let mut load = tokio::spawn(load(instances.clone(), Duration::from_secs(6)));
    tokio::time::sleep(Duration::from_secs(2)).await;
    terminate(&leaving.0);
    let told = start.elapsed();
    let mut readiness_fell = None;
    let mut exited = None;
    let statuses = loop {
        tokio::select! {
            statuses = &mut load => break statuses.unwrap(),
            () = tokio::time::sleep(Duration::from_millis(5)) => {}
        }
        if readiness_fell.is_none() && !instances[0].up.load(Ordering::SeqCst) {
            readiness_fell = Some(start.elapsed());
        }
        if exited.is_none() && leaving.0.try_wait().unwrap().is_some() {
            exited = Some(start.elapsed());
        }
    };
    drop(probes);
    drop(staying);

    let sent: u64 = statuses.values().sum();
    assert_eq!(statuses, BTreeMap::from([("200".to_owned(), sent)]), "requests were lost");
    assert!(sent >= u64::from(RATE) * 5, "only {sent} requests were sent");
    let served = instances.each_ref().map(|instance| instance.served.load(Ordering::SeqCst));
    assert!(served[0] >= u64::from(RATE) / 2, "the leaving instance had hardly any: {served:?}");
    let (fell, exited) = (readiness_fell.unwrap(), exited.expect("the instance did not leave"));
    assert!(told < fell && fell < exited, "told {told:?}, not ready {fell:?}, gone {exited:?}");
    assert!(leaving.0.wait().unwrap().success(), "it was killed, or failed");
}

/// Sends requests at a steady rate for so long, and counts what comes of them.
async fn load(instances: [Arc<Instance>; 2], time: Duration) -> BTreeMap<String, u64> {
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let mut requests = JoinSet::new();
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / RATE);
    let end = Instant::now() + time;
    let mut turn = 0;
    while Instant::now() < end {
        ticks.tick().await;
        turn += 1;
        let up: Vec<_> =
            instances.iter().filter(|instance| instance.up.load(Ordering::SeqCst)).collect();
        let instance = Arc::clone(up[turn % up.len()]);
        let client = client.clone();
        requests.spawn(async move {
            let request = Request::get(format!("http://{}/work", instance.traffic));
            let answer = client.request(request.body(Empty::new()).unwrap()).await;
            let response = match answer {
                Ok(response) => response,
                Err(error) => return format!("{error:?}"),
            };
            let status = response.status();
            let body =
                response.into_body().collect().await.map(http_body_util::Collected::to_bytes);
            if status == StatusCode::OK && body.ok().is_none_or(|body| body != "done") {
                return "a broken body".to_owned();
            }
            instance.served.fetch_add(1, Ordering::SeqCst);
            status.as_str().to_owned()
        });
    }
    let mut statuses = BTreeMap::new();
    while let Some(status) = requests.join_next().await {
        *statuses.entry(status.unwrap()).or_default() += 1;
    }
    statuses
}

/// Probes as a load balancer does: a new connection each time, down after some failures in a row.
async fn probe(instance: Arc<Instance>) {
    let mut failures = 0;
    let mut ticks = tokio::time::interval(INTERVAL);
    loop {
        ticks.tick().await;
        let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let uri = format!("http://{}/readyz", instance.health).parse().unwrap();
        let healthy = client.get(uri).await.is_ok_and(|answer| answer.status() == StatusCode::OK);
        failures = if healthy { 0 } else { failures + 1 };
        if failures >= THRESHOLD {
            instance.up.store(false, Ordering::SeqCst);
        }
    }
}

fn terminate(server: &Child) {
    let killed = Command::new("kill").args(["-TERM", &server.id().to_string()]).status();
    assert!(killed.unwrap().success());
}

/// A process that does not outlive its test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn spawn_server() -> (Server, Instance) {
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "server", "--ignored", "--nocapture"])
        .env(ROLE, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let addresses = lines.find_map(|line| Some(line.unwrap().split_once("LISTENS ")?.1.to_owned()));
    let addresses = addresses.unwrap();
    let (traffic, health) = addresses.split_once(' ').unwrap();
    let instance = Instance {
        traffic: traffic.parse().unwrap(),
        health: health.parse().unwrap(),
        up: AtomicBool::new(true),
        served: AtomicU64::new(0),
    };
    // What it prints further is read, or it would wait.
    std::thread::spawn(move || lines.count());
    (Server(server), instance)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the other process of the test above"]
async fn server() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let balancer = Product::other("balancer").interval(INTERVAL).threshold(THRESHOLD);
    let drain = Drain::for_products([balancer])
        .closing(Duration::from_millis(300))
        .grace(Duration::from_secs(10))
        .build()
        .unwrap();
    let traffic = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let health = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let signal = tokio::spawn({
        let drain = drain.clone();
        async move { drain.on_sigterm().await }
    });
    // The signal's handler is there once its task has been polled.
    tokio::task::yield_now().await;
    println!("\nLISTENS {} {}", traffic.local_addr().unwrap(), health.local_addr().unwrap());

    let mut connections = JoinSet::new();
    let work = drain.http_layer().layer(tower::service_fn(async |_: Request<Incoming>| {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("done"))))
    }));
    let probed = drain.clone();
    let ready = tower::service_fn(move |_: Request<Incoming>| {
        let mut response = Response::new(Empty::<Bytes>::new());
        if probed.phase() != Phase::Serving {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        async { Ok::<_, Infallible>(response) }
    });
    loop {
        tokio::select! {
            accepted = traffic.accept() => {
                connections.spawn(serve(accepted.unwrap().0, work.clone(), drain.clone()));
            }
            accepted = health.accept() => {
                tokio::spawn(serve(accepted.unwrap().0, ready.clone(), drain.clone()));
            }
            () = drain.closed() => break,
        }
    }
    // Answers are counted out when they are written, and connections end when they are sent.
    connections.join_all().await;
    assert_eq!(drain.in_flight(), 0);
    signal.await.unwrap().unwrap();
}

/// Serves a connection; once new requests are turned away, it ends after the one under way.
async fn serve<S, B>(stream: tokio::net::TcpStream, service: S, drain: Drain)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone,
    B: http_body::Body<Data = Bytes, Error = Infallible> + 'static,
{
    let service = hyper::service::service_fn(move |request| service.clone().oneshot(request));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = &mut connection => return,
        () = drain.reached(Phase::Rejecting) => connection.as_mut().graceful_shutdown(),
    }
    connection.await.ok();
}
