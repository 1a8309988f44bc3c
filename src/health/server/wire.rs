//! Any bytes on a connection, in memory and with time that passes by itself.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::{Ipv4Addr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex, split};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tower_service::Service;

use super::connection::{Ends, Limits, serve};
use super::stop::Stop;
use super::table::Table;

const HEAD: Duration = Duration::from_secs(2);
const LIFE: Duration = Duration::from_secs(10);
/// A byte of the input that stands for a wait.
const WAIT: u8 = 0xff;
const STATUSES: [&str; 6] = ["200", "400", "404", "413", "414", "431"];

/// Sends `bytes`, of which the first says how, and holds the answers against what may be in them:
/// a status that is allowed, headers and bodies that are known, and nothing else.
///
/// # Panics
///
/// When there is something else, or the connection outlives its limit.
#[cfg_attr(not(fuzzing), expect(unreachable_pub, reason = "the fuzzer reaches it"))]
pub fn check(bytes: &[u8]) {
    let Some((how, bytes)) = bytes.split_first() else {
        return;
    };
    let answers = exchange(how & 1 == 1, how & 2 == 2, bytes);
    let mut rest = answers.as_str();
    while !rest.is_empty() {
        rest = answer(rest).unwrap_or_else(|| panic!("an answer: {answers:?}"));
    }
}

/// Takes one answer off what was read.
fn answer(text: &str) -> Option<&str> {
    let (head, rest) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.").and_then(|line| line.get(2..5))?;
    if !STATUSES.contains(&status) || !lines.all(is_known) {
        return None;
    }
    // Not after a `HEAD`.
    let body = match status {
        "200" => "ok",
        "404" => "none",
        _ => "",
    };
    Some(rest.strip_prefix(body).unwrap_or(rest))
}

/// Whether a header can hold nothing of a request.
fn is_known(line: &str) -> bool {
    match line.split_once(": ") {
        Some(("connection", value)) => value == "close" || value == "keep-alive",
        Some(("content-length", value)) => value.len() == 1,
        Some(("date", value)) => httpdate::parse_http_date(value).is_ok(),
        _ => false,
    }
}

/// What the server says to `bytes`, until it ends the connection.
fn exchange(keep_alive: bool, half_close: bool, bytes: &[u8]) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing from the system");
    let answers = runtime.block_on(async {
        let limits = Limits::new(HEAD, LIFE, keep_alive, 8 * 1024, 16);
        let (place, evicted) = Table::new(1).admit(Ipv4Addr::LOCALHOST.into());
        let (_stop, stopped) = watch::channel(Stop::No);
        let ends = Ends::new(&limits, evicted, stopped);
        let (theirs, ours) = duplex(4 * 1024);
        let (mut reader, mut writer) = split(theirs);
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));

        let serving = async {
            drop(serve(ours, peer, Paths, &limits, place, ends).await);
        };
        let writing = async {
            for part in bytes.split(|byte| *byte == WAIT) {
                // The server may have had enough.
                let _ = writer.write_all(part).await;
                sleep(Duration::from_millis(100)).await;
            }
            if half_close {
                let _ = writer.shutdown().await;
            }
        };
        let reading = async {
            let mut answers = Vec::new();
            let _ = reader.read_to_end(&mut answers).await;
            answers
        };
        let reading = async { tokio::join!(serving, reading).1 };
        let mut reading = std::pin::pin!(timeout(LIFE + Duration::from_millis(5), reading));
        tokio::select! {
            biased;
            answers = &mut reading => answers,
            () = writing => reading.await,
        }
    });
    let answers = answers.expect("no connection outlives its limit");
    String::from_utf8(answers).expect("answers are text")
}

/// A service with one path.
#[derive(Clone, Copy, Debug)]
struct Paths;

impl Service<Request<()>> for Paths {
    type Response = Response<Full<&'static [u8]>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let found = request.uri().path() == "/ok";
        let mut response = Response::new(Full::new(if found { &b"ok"[..] } else { b"none" }));
        if !found {
            *response.status_mut() = StatusCode::NOT_FOUND;
        }
        ready(Ok(response))
    }
}

#[cfg(test)]
mod tests {
    use super::{answer, check, exchange};

    #[test]
    fn answers_are_told_from_what_is_none() {
        let good = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\nok";
        assert_eq!(answer(good), Some(""));
        assert_eq!(answer(&format!("{good}{good}")), Some(good));
        assert_eq!(answer(&good.replace("200 OK", "500 No")), None);
        assert_eq!(answer(&good.replace("date", "server")), None);
        assert_eq!(answer(&good.replace("close", "close key")), None);
        assert_eq!(answer(&format!("{good}key")), Some("key"));
        assert_eq!(answer("key"), None);
    }

    #[test]
    fn what_comes_in_pieces_is_answered_as_if_it_came_whole() {
        let whole = exchange(false, false, b"GET /ok HTTP/1.1\r\nhost: a\r\n\r\n");
        let pieces = exchange(false, false, b"GET /o\xffk HTTP/1.1\r\n\xffhost: a\r\n\xff\r\n");

        assert!(whole.starts_with("HTTP/1.1 200 OK\r\n"));
        assert_eq!(whole.len(), pieces.len());
    }

    #[test]
    fn what_is_too_slow_or_only_begun_gets_no_answer() {
        assert_eq!(exchange(false, false, b"GET /ok HTTP/1.1\r\n"), "");
        assert_eq!(exchange(false, false, b"G\xffE\xffT\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff /ok HTTP/1.1\r\n\r\n"), "");
        assert_eq!(exchange(true, true, b""), "");
    }

    #[test]
    fn the_fuzzers_way_in_takes_what_the_server_says() {
        let requests: [&[u8]; 9] = [
            b"GET /ok HTTP/1.1\r\n\r\nGET /no HTTP/1.1\r\n\r\nHEAD /ok HTTP/1.0\r\n\r\n",
            b"POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabcGET /ok HTTP/1.1\r\n\r\n",
            b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\nabc",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"CONNECT a:1 HTTP/1.1\r\n\r\nxyz",
            b"\0\0\0\0\xff\0",
            &b"a".repeat(20_000),
            &b"\n".repeat(20_000),
            &b"GET /ok HTTP/1.1\r\na: b\r\n".repeat(1_000),
        ];
        for request in requests {
            for how in 0..4 {
                check(&[&[how], request].concat());
            }
        }
    }
}
