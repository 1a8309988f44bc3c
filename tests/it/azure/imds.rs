use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use seawall::Reason;
use seawall::azure::Imds;
use seawall::azure::imds::{Config, ImdsError, Instance};
use seawall::error::BoxError;
use seawall::telemetry::Environment;
use seawall::time::Clock;
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::fake::{Fake, Turn};

#[tokio::test]
async fn asks_over_the_wire_as_the_service_wants_it() {
    let fake = Fake::new();
    let imds = Imds::builder().endpoint(fake.listen().await).build().unwrap();

    let instance = imds.instance().await.unwrap();
    let again = imds.clone().instance().await.unwrap();

    assert_eq!(instance.region(), Some("westeurope"));
    assert_eq!(instance.zone(), Some("2"));
    assert_eq!(instance.physical_zone(), Some("westeurope-az3"));
    assert_eq!((instance.fault_domain(), instance.update_domain()), (Some("1"), None));
    assert_eq!((instance.name(), instance.scale_set()), (Some("shop_1"), Some("shop")));
    assert_eq!(instance.vm_id(), Some("02aab8a4"));
    assert_eq!(instance.resource_id(), Some("/subscriptions/8d10da13/vm/shop_1"));
    assert!(!instance.is_spot());
    assert_eq!(instance, again);
    assert_eq!(fake.violations(), [""; 0]);
    assert_eq!(fake.seen().len(), 1, "what is known is not asked for again");
}

#[tokio::test]
async fn the_request_on_the_wire_holds_no_more_than_it_should() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let imds = Imds::builder().endpoint(format!("http://{}/", listener.local_addr().unwrap()));
    let imds = imds.build().unwrap();
    let asking = tokio::spawn(async move { imds.instance().await });

    let (mut stream, _) = listener.accept().await.unwrap();
    let mut head = vec![0; 4096];
    let length = stream.read(&mut head).await.unwrap();
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();

    let head = String::from_utf8(head[..length].to_vec()).unwrap().to_lowercase();
    let mut lines: Vec<_> = head.trim().lines().collect();
    assert_eq!(lines.remove(0), "get /metadata/instance/compute?api-version=2023-11-15 http/1.1");
    lines.retain(|line| !line.starts_with("host: 127.0.0.1:"));
    lines.sort_unstable();
    assert_eq!(lines, ["accept: application/json", "metadata: true"]);
    assert_eq!(*asking.await.unwrap().unwrap(), Instance::default());
}

#[tokio::test]
async fn where_there_is_no_such_service_it_says_so_and_remembers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let clock = Clock::manual();
    let imds = Imds::builder().endpoint(format!("http://{address}"));
    let imds = imds.build_in(&Environment::new().clock(clock.clone())).unwrap();

    assert!(matches!(imds.instance().await, Err(ImdsError::Absent)));
    // Now there is one; but for a minute that is not even looked for.
    let listener = TcpListener::bind(address).await.unwrap();
    clock.advance(Duration::from_millis(59_999));
    assert!(matches!(imds.instance().await, Err(ImdsError::Absent)));
    clock.advance(Duration::from_millis(1));
    let asking = tokio::spawn(async move { imds.instance().await });
    let (mut stream, _) = listener.accept().await.unwrap();
    assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();

    assert!(asking.await.unwrap().is_ok());
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let fake = Fake::new();
    let imds = Imds::builder().endpoint(fake.listen().await).build().unwrap();
    fake.then(Turn::Status(302, &[("location", "/metadata/versions")]));

    let error = imds.instance().await.unwrap_err();

    assert!(matches!(error, ImdsError::Status { status: StatusCode::FOUND, .. }), "{error}");
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn an_answer_without_end_is_given_up_at_the_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let imds = Imds::builder().endpoint(format!("http://{}", listener.local_addr().unwrap()));
    let imds = imds.build().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head).await.unwrap();
        let chunk = [b"10000\r\n".as_slice(), &vec![b' '; 0x1_0000], b"\r\n"].concat();
        let mut sent = 0_u64;
        loop {
            match stream.write_all(&chunk).await {
                Ok(()) => sent += 0x1_0000,
                Err(error) => break (sent, error.kind()),
            }
        }
    });

    assert!(matches!(imds.instance().await, Err(ImdsError::TooLarge)));

    let (sent, end) = server.await.unwrap();
    assert!(matches!(end, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{end:?}");
    // The limit, and what the sockets of both ends hold.
    assert!(sent < 16 * 1024 * 1024, "{sent} bytes were taken");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_gone_is_asked_again_for_70_seconds_and_no_longer() {
    let fake = Fake::new();
    for _ in 0..4 {
        fake.then(Turn::Status(410, &[]));
    }
    assert!(fake.client().instance().await.is_ok());
    assert_eq!(fake.seen().len(), 5);

    for _ in 0..10_000 {
        fake.then(Turn::Status(410, &[]));
    }
    let start = Instant::now();
    let error = fake.client().instance().await.unwrap_err();

    assert!(matches!(error, ImdsError::Status { status: StatusCode::GONE, .. }), "{error}");
    assert!(start.elapsed() <= Duration::from_secs(71), "{:?}", start.elapsed());
    assert!(start.elapsed() >= Duration::from_secs(60), "{:?}", start.elapsed());
    assert_eq!(fake.violations(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_full_service_is_asked_again_when_it_says() {
    let fake = Fake::new();
    fake.then(Turn::Status(429, &[("retry-after", "7")]));
    let start = Instant::now();

    assert!(fake.client().instance().await.is_ok());

    assert!(start.elapsed() >= Duration::from_secs(7), "{:?}", start.elapsed());
    assert_eq!(fake.seen().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_fails_for_a_moment_is_asked_again() {
    let fake = Fake::new();
    fake.then(Turn::Status(500, &[]));
    fake.then(Turn::Broken);
    fake.then(Turn::Late(Duration::from_secs(3_600)));

    assert!(fake.client().instance().await.is_ok());
    assert_eq!(fake.seen().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_never_answers_is_given_up() {
    let fake = Fake::new();
    for _ in 0..100 {
        fake.then(Turn::Late(Duration::from_secs(3_600)));
    }
    let start = Instant::now();

    let error = fake.client().instance().await.unwrap_err();

    assert!(matches!(error, ImdsError::Rejected(why) if why.reason() == Reason::TimedOut));
    assert!(start.elapsed() <= Duration::from_secs(71), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_old_service_is_asked_in_its_own_version() {
    let fake = Fake::new();
    fake.then(Turn::Status(400, &[]));

    assert!(fake.client().instance().await.is_ok());

    let asked: Vec<_> = fake.seen().into_iter().map(|(_, what)| what).collect();
    let instance = "GET /metadata/instance/compute";
    assert_eq!(asked, [instance, "GET /metadata/versions", instance]);
}

#[tokio::test(start_paused = true)]
async fn nonsense_is_an_error_and_not_asked_for_again() {
    let fake = Fake::new();
    for text in ["", "[]", "{\"name\":", "\u{0}", "null", "7"] {
        fake.then(Turn::Text(text.into()));
        let error = fake.client().instance().await.unwrap_err();
        assert!(matches!(error, ImdsError::Malformed), "{text:?}: {error}");
    }
    fake.then(Turn::Text("[".repeat(100_000)));
    assert!(matches!(fake.client().instance().await, Err(ImdsError::Malformed)));
    fake.then(Turn::Text(" ".repeat(1024 * 1024 + 1)));
    assert!(matches!(fake.client().instance().await, Err(ImdsError::TooLarge)));
    assert_eq!(fake.seen().len(), 8);
}

#[tokio::test(start_paused = true)]
async fn an_error_tells_nothing_of_what_the_service_said() {
    let fake = Fake::new();
    fake.then(Turn::Status(404, &[]));

    let error = fake.client().instance().await.unwrap_err();

    assert_eq!(error.to_string(), "the instance metadata service answered 404");
    assert!(!format!("{error:?}").contains("secret"));
}

#[tokio::test(start_paused = true)]
async fn strange_types_are_read_as_far_as_they_can_be() {
    let fake = Fake::new();
    fake.instance(json!({"name": 7, "zone": null, "location": ["x"], "priority": "spot"}));

    let instance = fake.client().instance().await.unwrap();

    assert_eq!((instance.name(), instance.zone(), instance.region()), (Some("7"), None, None));
    assert!(instance.is_spot());
}

/// So many calls at once.
fn herd(
    imds: &Imds,
    calls: usize,
) -> Vec<tokio::task::JoinHandle<Result<Arc<Instance>, ImdsError>>> {
    let call = || {
        let imds = imds.clone();
        tokio::spawn(async move { imds.instance().await })
    };
    (0..calls).map(|_| call()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_herd_asks_once_and_all_get_the_answer() {
    let fake = Fake::new();
    fake.then(Turn::Late(Duration::from_millis(50)));
    let imds = fake.client();

    for one in herd(&imds, 40) {
        assert_eq!(one.await.unwrap().unwrap().region(), Some("westeurope"));
    }

    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_that_of_all_who_waited_for_it_and_of_nobody_after_them() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let service = tower::service_fn(move |_: Request<String>| {
        let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let answer = Bytes::from(if first { "nonsense" } else { "{}" });
            Ok::<_, BoxError>(Response::new(Full::new(answer)))
        }
    });
    let environment = Environment::new().clock(Clock::tokio());
    let imds = Imds::builder().build_over(service, &environment).unwrap();

    for one in herd(&imds, 40) {
        assert!(matches!(one.await.unwrap(), Err(ImdsError::Malformed)));
    }

    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert!(imds.instance().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn where_the_one_that_asks_gives_up_another_does() {
    let fake = Fake::new();
    fake.then(Turn::Late(Duration::from_secs(1)));
    let imds = fake.client();
    let mut calls = herd(&imds, 3);
    tokio::task::yield_now().await;

    calls.remove(0).abort();

    for one in calls {
        assert!(one.await.unwrap().is_ok());
    }
    assert_eq!(fake.seen().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn one_after_the_other_makes_no_more_requests_than_a_machine_may() {
    let fake = Fake::new();
    let imds = fake.client();
    for _ in 0..40 {
        fake.then(Turn::Text("nonsense".into()));
    }
    for _ in 0..40 {
        assert!(matches!(imds.instance().await, Err(ImdsError::Malformed)));
    }

    assert_eq!(fake.seen().len(), 40);
    assert_eq!(fake.violations(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn outside_of_azure_it_is_known_to_be_absent_after_a_second() {
    // Packets into nowhere: a listener on loopback whose queue is full answers no further one.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(250)) {
        queued.push(stream);
    }
    let imds = Imds::builder().endpoint(format!("http://{address}"));
    let imds = imds.build_in(&Environment::new().clock(Clock::tokio())).unwrap();
    let start = Instant::now();

    for one in herd(&imds, 10) {
        assert!(matches!(one.await.unwrap(), Err(ImdsError::Absent)));
    }

    // By the paused clock, which goes in whole milliseconds.
    assert!(start.elapsed() <= Duration::from_millis(1_002), "{:?}", start.elapsed());
    assert!(start.elapsed() >= Duration::from_secs(1), "a connection was made");
}

#[test]
fn region_and_zone_are_types_that_compare() {
    let instance = |document: Value| Instance::parse(document.to_string().as_bytes()).unwrap();
    let ours = instance(json!({"location": "WestEurope", "zone": "1", "physicalZone": "we-AZ2"}));
    let theirs = instance(json!({"location": "westeurope", "zone": "3", "physicalZone": "we-az2"}));

    assert_eq!(ours.to_region(), Some("West Europe".parse().unwrap()));
    assert_eq!(ours.to_region(), theirs.to_region());
    let (one, other) = (ours.to_zone().unwrap(), theirs.to_zone().unwrap());
    assert_eq!((one.number(), other.number()), (1, 3));
    assert_eq!(one.same_place(&other), Some(true));
    // What is no zone is none, and a place without a name is a zone all the same.
    for zone in ["", "0", "256", "-1", "one", "1.0"] {
        assert!(instance(json!({ "zone": zone })).to_zone().is_none(), "{zone}");
    }
    let nameless = instance(json!({"zone": "2", "physicalZone": "a b"})).to_zone().unwrap();
    assert_eq!((nameless.number(), nameless.physical_name()), (2, None));
    assert_eq!(instance(json!({"location": "a.b"})).to_region(), None);
}

#[test]
fn settings_that_make_no_sense_are_refused_by_name() {
    let zero = Duration::ZERO;
    let rows: [(Config, &str); 13] = [
        (Imds::builder().endpoint(""), "endpoint"),
        (Imds::builder().endpoint("169.254.169.254"), "endpoint"),
        (Imds::builder().endpoint("https://169.254.169.254"), "endpoint"),
        (Imds::builder().endpoint("http://169.254.169.254/metadata"), "endpoint"),
        (Imds::builder().endpoint("http://me@169.254.169.254"), "endpoint"),
        (Imds::builder().endpoint("http://a b"), "endpoint"),
        (Imds::builder().connect_timeout(zero), "connect_timeout"),
        (Imds::builder().timeout(zero), "timeout"),
        (Imds::builder().retry_for(zero), "retry_for"),
        (Imds::builder().per_second(0), "per_second"),
        (Imds::builder().per_second(21), "per_second"),
        (Imds::builder().max_body(0), "max_body"),
        (Imds::builder().absent_for(Duration::MAX), "absent_for"),
    ];
    for (config, field) in rows {
        assert_eq!(config.build().unwrap_err().field(), field, "{config:?}");
    }
}
