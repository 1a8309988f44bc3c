//! The health server when descriptors run out: a binary of its own, because all of the process lacks
//! them.

#![cfg(all(feature = "health", target_os = "linux"))]
#![expect(clippy::unwrap_used, reason = "a test that fails is to panic")]

use std::convert::Infallible;
use std::fs::File;
use std::io::{Read, Write};
use std::time::Duration;

use http::{Request, Response};
use http_body_util::Full;
use rlimit::Resource;
use rustix::time::{ClockId, clock_gettime};
use seawall::health::Server;
use socket2::{Domain, Socket, Type};
use tower::service_fn;

#[test]
fn a_server_without_descriptors_waits_and_goes_on_when_there_are_some() {
    let (_, hard) = Resource::NOFILE.get().unwrap();
    Resource::NOFILE.set(64, hard).unwrap();
    let service = service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::new(Full::new(&b"ok"[..])))
    });
    let server = Server::builder().address(([127, 0, 0, 1], 0).into()).serve(service).unwrap();
    // This one has its descriptor before there are none.
    let mut probe = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let files: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    assert!(files.len() > 10);

    // The system accepts, the server can not.
    probe.connect(&server.local_addr().into()).unwrap();
    probe.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    probe.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let before = processor_time();
    let unanswered = probe.read(&mut [0; 16]).unwrap_err();
    assert_eq!(unanswered.kind(), std::io::ErrorKind::WouldBlock);
    let spent = processor_time().saturating_sub(before);
    // A loop that does not wait would take all of two seconds.
    assert!(spent < Duration::from_millis(500), "{spent:?}");

    drop(files);
    probe.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut answer = String::new();
    probe.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
}

/// What the process has spent so far. Needs no descriptor.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}
