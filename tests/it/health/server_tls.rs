//! The health server over TLS.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{Either, Full, StreamBody};
use rustls::crypto::ring;
use rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use seawall::health::Server;
use seawall::health::server::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower::service_fn;

const CERTIFICATE: &[u8] = include_bytes!("../http/localhost.crt.der");
const KEY: &[u8] = include_bytes!("../http/localhost.key.der");
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn probes_over_tls_are_answered_in_http_1() {
    let server = serve(&config());

    let mut stream = connect(server.local_addr(), &["h2", "http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();

    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
}

#[tokio::test]
async fn a_client_that_speaks_http_2_alone_is_told_so() {
    let server = serve(&config());

    let error = connect(server.local_addr(), &["h2"]).await.unwrap_err();

    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
}

#[tokio::test]
async fn refusals_arrive_over_tls() {
    let server = serve(&config());
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(30_000));
    for (request, expected) in [
        ("POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nabcde", "413"),
        ("nonsense\r\n\r\n", "400"),
        (&long, "414"),
    ] {
        let mut stream = connect(server.local_addr(), &[]).await.unwrap();
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();

        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected} ")), "{expected}: {answer}");
    }
}

#[tokio::test]
async fn the_handshake_counts_towards_the_time_for_a_head() {
    let server = serve(&config().header_timeout(Duration::from_millis(600)));
    let begin = Instant::now();
    let tcp = TcpStream::connect(server.local_addr()).await.unwrap();
    // Most of the time goes by before the handshake: what is left is less than a new one.
    sleep(Duration::from_millis(400)).await;
    let mut stream = handshake(tcp, &[]).await.unwrap();
    let done = begin.elapsed();

    let _ = timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await.unwrap();

    let closed = begin.elapsed();
    assert!(closed > Duration::from_millis(590), "{closed:?}");
    assert!(closed < Duration::from_secs(6), "{closed:?}");
    assert!(done < closed);
}

#[tokio::test]
async fn whoever_does_not_shake_hands_is_closed() {
    let server = serve(&config().header_timeout(Duration::from_millis(300)));
    // Silent; the beginning of a handshake; not TLS at all.
    for (sent, waits) in [(&b""[..], true), (b"\x16\x03\x01\x02\x00\x01", true), (b"GET / ", false)]
    {
        let begin = Instant::now();
        let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
        stream.write_all(sent).await.unwrap();

        let _ = timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await.unwrap();

        assert!(begin.elapsed() < Duration::from_secs(5));
        assert_eq!(begin.elapsed() > Duration::from_millis(250), waits, "{sent:?}");
    }
}

#[tokio::test]
async fn whoever_does_not_read_is_cut_over_tls_too() {
    let config = config()
        .header_timeout(Duration::from_millis(300))
        .connection_limit(Duration::from_millis(300));
    let server = serve(&config);
    let mut stream = connect(server.local_addr(), &[]).await.unwrap();
    stream.write_all(b"GET /flood HTTP/1.1\r\n\r\n").await.unwrap();

    let begin = Instant::now();
    let cut = stream.get_ref().0.ready(tokio::io::Interest::ERROR);
    let _ = timeout(PATIENCE, cut).await.expect("a reset");

    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn keys_are_not_printed() {
    let printed = format!("{:?}", config());

    assert!(printed.contains("tls: Some(Tls)"), "{printed}");
}

fn config() -> Config {
    let mut tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CERTIFICATE.into()], PrivatePkcs8KeyDer::from(KEY).into())
        .unwrap();
    tls.alpn_protocols = vec![b"h2".to_vec()];
    Server::builder().address(([127, 0, 0, 1], 0).into()).tls(Arc::new(tls))
}

fn serve(config: &Config) -> Server {
    let service = service_fn(|request: Request<()>| async move {
        let body = if request.uri().path() == "/flood" {
            let block = || Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[b'x'; 8 * 1024])));
            let blocks = std::iter::repeat_with(block);
            Either::Left(StreamBody::new(futures_util::stream::iter(blocks)))
        } else {
            Either::Right(Full::new(Bytes::from_static(b"ok")))
        };
        Ok::<_, Infallible>(Response::new(body))
    });
    config.serve(service).unwrap()
}

async fn connect(at: SocketAddr, protocols: &[&str]) -> std::io::Result<TlsStream<TcpStream>> {
    handshake(TcpStream::connect(at).await?, protocols).await
}

async fn handshake(tcp: TcpStream, protocols: &[&str]) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CERTIFICATE.into()).unwrap();
    let mut tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(tls)).connect(name, tcp).await
}
