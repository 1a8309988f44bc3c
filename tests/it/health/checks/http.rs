use std::net::SocketAddr;
use std::time::Duration;

use seawall::health::checks::{self, Http};
use seawall::health::{Check, Verdict};
use seawall::http::Client;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{assert_found, run};

/// What a server saw of one connection.
#[derive(Debug)]
struct Seen {
    request: String,
    /// How many bytes it could send.
    sent: usize,
}

/// Answers each connection with `head`, and then with `body` so many times, and tells of it when
/// the connection is over.
async fn serve(
    head: impl Into<Vec<u8>>,
    body: &'static [u8],
    times: usize,
) -> (SocketAddr, mpsc::UnboundedReceiver<Seen>) {
    let (head, listener) = (head.into(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = listener.local_addr().unwrap();
    let (tell, seen) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let (head, tell) = (head.clone(), tell.clone());
            tokio::spawn(async move {
                let request = request(&mut connection).await;
                let mut sent = 0;
                if connection.write_all(&head).await.is_ok() {
                    for _ in 0..times {
                        match connection.write_all(body).await {
                            Ok(()) => sent += body.len(),
                            Err(_) => break,
                        }
                    }
                }
                let _told = tell.send(Seen { request, sent });
            });
        }
    });
    (address, seen)
}

/// All until the end of the headers.
async fn request(connection: &mut TcpStream) -> String {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        match connection.read_u8().await {
            Ok(byte) => read.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(read).unwrap()
}

fn get(address: SocketAddr) -> Http {
    checks::http("shop", format!("http://{address}/path?sig=canary"))
}

#[tokio::test]
async fn answers_are_judged_as_the_table_says() {
    use Verdict::{Down, Healthy};
    type Set = fn(Http) -> Http;
    let rows: &[(&str, Set, Verdict)] = &[
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", |get| get, Healthy),
        ("HTTP/1.1 204 No Content\r\n\r\n", |get| get, Healthy),
        ("HTTP/1.0 200 OK\r\n\r\nhello", |get| get.body_contains("hello"), Healthy),
        ("HTTP/1.1 199 Odd\r\n\r\n", |get| get, Down),
        ("HTTP/1.1 300 Choices\r\ncontent-length: 0\r\n\r\n", |get| get, Down),
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", |get| get, Down),
        (
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            |get| get.statuses(404..=404),
            Healthy,
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", |get| get.statuses(404..=404), Down),
        (
            "HTTP/1.1 503 Busy\r\nretry-after: canary\r\ncontent-length: 6\r\n\r\ncanary",
            |get| get,
            Down,
        ),
        ("HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n", |get| get, Down),
        // Headers.
        (
            "HTTP/1.1 200 OK\r\nrole: primary\r\n\r\n",
            |get| get.expect_header("Role", "primary"),
            Healthy,
        ),
        (
            "HTTP/1.1 200 OK\r\nrole: a\r\nrole: primary\r\n\r\n",
            |get| get.expect_header("role", "primary"),
            Healthy,
        ),
        (
            "HTTP/1.1 200 OK\r\nrole: canary\r\n\r\n",
            |get| get.expect_header("role", "primary"),
            Down,
        ),
        ("HTTP/1.1 200 OK\r\n\r\n", |get| get.expect_header("role", "primary"), Down),
        (
            "HTTP/1.1 200 OK\r\na: 1\r\n\r\n",
            |get| get.expect_header("a", "1").expect_header("b", "2"),
            Down,
        ),
        // Bodies.
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab up",
            |get| get.body_contains("b up"),
            Healthy,
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nb up",
            |get| get.body_contains("b upp"),
            Down,
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", |get| get.body_contains("b"), Down),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\na \r\n2\r\nup\r\n0\r\n\r\n",
            |get| get.body_contains("a up"),
            Healthy,
        ),
        // Malformed, or cut short.
        ("", |get| get, Down),
        ("canary canary canary\r\n\r\n", |get| get, Down),
        ("HTTP/1.1 200 OK\r\nno", |get| get, Down),
        ("HTTP/1.1 200 OK\r\ncontent-length: 1, 2\r\n\r\n", |get| get, Down),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab", |get| get.body_contains("b up"), Down),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab up",
            |get| get.body_contains("b up"),
            Healthy,
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\ncanary",
            |get| get.body_contains("b up"),
            Down,
        ),
    ];
    for (index, (answer, set, verdict)) in rows.iter().enumerate() {
        let (address, mut seen) = serve(*answer, b"", 0).await;

        let finding = run(set(get(address))).await;

        let of = format!("row {index}: {answer:?}");
        assert_found(&finding, *verdict, &of);
        assert_eq!(finding.observation().is_some(), *verdict == Healthy, "{of}");
        assert!(!format!("{finding:?}").contains("canary"), "{of}: {finding:?}");
        assert!(
            seen.recv().await.unwrap().request.starts_with("GET /path?sig=canary HTTP/1.1\r\n")
        );
    }
}

#[tokio::test]
async fn a_slow_answer_is_degraded() {
    let (address, _seen) = serve("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b"", 0).await;

    let slow = run(get(address).degraded_above(Duration::from_nanos(1))).await;
    let fast = run(get(address).degraded_above(Duration::from_secs(3_600))).await;

    assert_found(&slow, Verdict::Degraded, "slow");
    assert!(slow.observation().is_some_and(|(took, unit)| took > 0.0 && unit == "s"));
    assert_found(&fast, Verdict::Healthy, "fast");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = elsewhere.local_addr().unwrap();
    let answer =
        format!("HTTP/1.1 302 Found\r\nlocation: http://{to}/\r\ncontent-length: 0\r\n\r\n");
    let (address, _seen) = serve(answer, b"", 0).await;

    assert_found(&run(get(address)).await, Verdict::Down, "refused");
    assert_found(&run(get(address).statuses(200..=399)).await, Verdict::Healthy, "allowed");

    let mut accept = tokio_test::task::spawn(elsewhere.accept());
    tokio_test::assert_pending!(accept.poll());
}

#[tokio::test]
async fn no_more_than_64_kib_of_a_body_are_searched() {
    const KIB: [u8; 1024] = [b'.'; 1024];
    for (before, verdict) in [(63, Verdict::Healthy), (64, Verdict::Down)] {
        let mut head = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        head.extend(KIB.repeat(before));
        head.extend(b"up");
        let (address, _seen) = serve(head, b"", 0).await;

        let finding = run(get(address).body_contains("up")).await;

        assert_found(&finding, verdict, &format!("{before} KiB before"));
    }
}

#[tokio::test]
async fn a_text_in_two_pieces_is_found() {
    let mut head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for piece in ["x", "nee", "d", "l", "es"] {
        head.extend(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes());
    }
    head.extend(b"0\r\n\r\n");
    let (address, _seen) = serve(head, b"", 0).await;

    let finding = run(get(address).body_contains("needles")).await;

    assert_found(&finding, Verdict::Healthy, "in pieces");
}

#[tokio::test]
async fn a_body_without_end_is_read_no_further() {
    const MANY: usize = 1 << 20;
    for check in [Check::from, |get: Http| get.body_contains("never").check()] {
        let (address, mut seen) = serve("HTTP/1.1 200 OK\r\n\r\n", &[b'.'; 1024], MANY).await;

        let _found = run(check(get(address))).await;

        // What the sockets hold is sent, and no gigabyte.
        let sent = seen.recv().await.unwrap().sent;
        assert!(sent < 64 << 20, "{sent} bytes");
    }
}

#[tokio::test]
async fn headers_without_end_are_down() {
    let (address, mut seen) = serve("HTTP/1.1 200 OK\r\n", b"a: canary\r\n", 1 << 24).await;

    let finding = run(get(address)).await;

    assert_found(&finding, Verdict::Down, "headers without end");
    assert!(!format!("{finding:?}").contains("canary"), "{finding:?}");
    assert!(seen.recv().await.unwrap().sent < 64 << 20);
}

#[tokio::test]
async fn headers_are_sent() {
    let (address, mut seen) = serve("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b"", 0).await;

    let _found = run(get(address).header("authorization", "Bearer canary")).await;
    let _found = run(get(address).header("user-agent", "mine")).await;

    let first = seen.recv().await.unwrap().request;
    assert!(first.contains("authorization: Bearer canary\r\n"), "{first}");
    assert!(first.contains("user-agent: seawall\r\n"), "{first}");
    let second = seen.recv().await.unwrap().request;
    assert!(second.contains("user-agent: mine\r\n"), "{second}");
    assert_eq!(second.matches("user-agent").count(), 1, "{second}");
}

#[tokio::test]
async fn nothing_that_is_kept_shows_a_secret() {
    let check = checks::http("shop", "http://127.0.0.1:1/canary?sig=canary")
        .header("authorization", "canary")
        .expect_header("x", "canary")
        .body_contains("canary");

    assert!(!format!("{check:?}").contains("canary"), "{check:?}");
    let check = Check::from(check);
    assert!(!format!("{check:?}").contains("canary"), "{check:?}");
    let finding = run(check).await;
    assert_found(&finding, Verdict::Down, "nobody listens");
    assert!(!format!("{finding:?}").contains("canary"), "{finding:?}");
}

#[tokio::test]
async fn each_run_makes_a_connection_of_its_own_and_closes_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut check = get(listener.local_addr().unwrap()).check();

    for _ in 0..3 {
        let run = tokio::spawn(check.run_once());
        let (mut connection, _) = listener.accept().await.unwrap();
        assert!(request(&mut connection).await.starts_with("GET "));
        // It may stay open as far as the server is concerned.
        connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();

        assert_found(&run.await.unwrap(), Verdict::Healthy, "again");
        let mut byte = [0; 1];
        let end = timeout(Duration::from_secs(10), connection.read(&mut byte)).await;
        assert_eq!(end.unwrap().unwrap(), 0);
    }
}

#[tokio::test]
async fn a_run_that_is_dropped_closes_its_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut check = get(listener.local_addr().unwrap()).check();

    let hanging = tokio::spawn(check.run_once());
    let (mut connection, _) = listener.accept().await.unwrap();
    assert!(request(&mut connection).await.starts_with("GET "));
    hanging.abort();

    assert_eq!(connection.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_client_of_one_s_own_is_asked_by_its_own_rules() {
    let (address, _seen) = serve("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b"", 0).await;
    let client = |plain| Client::builder().plain_http(plain).build().unwrap();

    assert_found(&run(get(address).client(client(true))).await, Verdict::Healthy, "plain");
    assert_found(&run(get(address).client(client(false))).await, Verdict::Down, "TLS only");
}
