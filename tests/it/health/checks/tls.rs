use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, CertifiedKey, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::version::{TLS12, TLS13};
use seawall::health::Verdict;
use seawall::health::checks::{TlsCertificate, tls_certificate, tls_certificate_file};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use super::{assert_found, run};

const DAY: Duration = Duration::from_secs(86_400);

/// A certificate for `names`, valid from so many days from now to so many days from now.
fn certificate(names: &[&str], from: i32, to: i32) -> CertifiedKey<KeyPair> {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    let at = |days: i32| {
        let now = SystemTime::now();
        let distance = DAY * days.unsigned_abs();
        // An hour later, so that a test that takes its time is not on the other side of a limit.
        (if days < 0 { now - distance } else { now + distance } + DAY / 24).into()
    };
    (params.not_before, params.not_after) = (at(from), at(to));
    let signing_key = KeyPair::generate().unwrap();
    let cert = params.self_signed(&signing_key).unwrap();
    CertifiedKey { cert, signing_key }
}

/// A server that shows `own`, and tells of each connection what it got after the handshake and
/// which name it was asked for; nothing for a handshake that failed.
async fn serve(
    own: &CertifiedKey<KeyPair>,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> (SocketAddr, mpsc::UnboundedReceiver<Option<(Vec<u8>, Option<String>)>>) {
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let seen = match acceptor.accept(connection).await {
                Ok(mut tls) => {
                    let mut got = Vec::new();
                    let _ends_without_a_word = tls.read_to_end(&mut got).await;
                    let name = tls.get_ref().1.server_name().map(str::to_owned);
                    Some((got, name))
                }
                Err(_) => None,
            };
            let _told = tell.send(seen);
        }
    });
    (address, told)
}

fn at(address: SocketAddr) -> TlsCertificate {
    tls_certificate("certificate", address.to_string()).server_name("www.shop.example")
}

#[tokio::test]
async fn certificates_are_judged_as_the_table_says() {
    use Verdict::{Degraded, Down, Healthy};
    for (names, from, to, verdict, days) in [
        (["www.shop.example"], -1, 90, Healthy, 90),
        (["*.shop.example"], -1, 21, Healthy, 21),
        (["www.shop.example"], -1, 20, Degraded, 20),
        (["www.shop.example"], -1, 3, Degraded, 3),
        (["www.shop.example"], -1, 2, Down, 2),
        (["www.shop.example"], -90, -1, Down, -1),
        (["www.shop.example"], 1, 90, Down, 90),
        (["other.example"], -1, 90, Down, 90),
    ] {
        for version in [&TLS12, &TLS13] {
            let (address, mut told) = serve(&certificate(&names, from, to), &[version]).await;

            let finding = run(at(address)).await;

            let of = format!("{names:?} from {from} to {to}");
            assert_found(&finding, verdict, &of);
            let (left, unit) = finding.observation().unwrap();
            assert!(
                (left - f64::from(days) - 1.0 / 24.0).abs() < 0.01 && unit == "d",
                "{of}: {left}"
            );
            // The handshake was completed, and not a byte was sent.
            let (got, name) = told.recv().await.unwrap().unwrap();
            assert!(
                got.is_empty() && name.as_deref() == Some("www.shop.example"),
                "{of}: {name:?}"
            );
        }
    }
}

#[tokio::test]
async fn limits_and_names_can_be_set() {
    let own = certificate(&["other.example", "127.0.0.1"], -1, 10);
    let (address, mut told) = serve(&own, &[&TLS13]).await;

    let no_name = at(address).verify_name(false);
    assert_found(&run(no_name.clone()).await, Verdict::Degraded, "any name");
    assert_found(&run(no_name.degraded_below(9 * DAY)).await, Verdict::Healthy, "9 days");
    let by_address = tls_certificate("certificate", address.to_string());
    assert_found(&run(by_address.clone().down_below(11 * DAY)).await, Verdict::Down, "11 days");
    assert_found(&run(by_address.degraded_below(9 * DAY)).await, Verdict::Healthy, "an address");

    for _ in 0..2 {
        assert_eq!(told.recv().await.unwrap().unwrap().1.as_deref(), Some("www.shop.example"));
    }
    assert_eq!(told.recv().await.unwrap().unwrap().1, None, "an address is no name to ask for");
}

#[tokio::test]
async fn what_speaks_no_tls_is_down() {
    for answer in ["", "HTTP/1.1 400 Bad Request\r\n\r\n", "\u{16}\u{3}\u{1}"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut connection, _) = listener.accept().await.unwrap();
            connection.write_all(answer.as_bytes()).await.unwrap();
        });

        assert_found(&run(at(address)).await, Verdict::Down, answer);
    }
}

#[tokio::test]
async fn a_run_that_is_dropped_closes_its_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut check = at(listener.local_addr().unwrap()).check();

    let hanging = tokio::spawn(check.run_once());
    let (mut connection, _) = listener.accept().await.unwrap();
    assert_eq!(connection.read_u8().await.unwrap(), 22, "a handshake begins");
    hanging.abort();

    let mut rest = Vec::new();
    connection.read_to_end(&mut rest).await.unwrap();
}

#[tokio::test]
async fn a_certificate_in_a_file_is_read_anew_by_each_run() {
    use Verdict::{Degraded, Down, Healthy};
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tls.pem");
    let mut check = tls_certificate_file("own", &path).check();
    let own = |to| certificate(&["www.shop.example"], -365, to);
    let (first, second) = (own(90), own(1));
    let with_key = format!("{}{}", first.signing_key.serialize_pem(), first.cert.pem());

    for (what, text, verdict) in [
        ("good", first.cert.pem(), Healthy),
        ("20 days", own(20).cert.pem(), Degraded),
        ("ended", own(-1).cert.pem(), Down),
        ("the first counts", first.cert.pem() + &second.cert.pem(), Healthy),
        ("after a key", with_key, Healthy),
        ("a key alone", first.signing_key.serialize_pem(), Down),
        ("empty", String::new(), Down),
        ("garbage", "canary".into(), Down),
        (
            "no certificate in it",
            "-----BEGIN CERTIFICATE-----\nY2FuYXJ5\n-----END CERTIFICATE-----\n".into(),
            Down,
        ),
        ("too far into the file", "x\n".repeat(1 << 20) + &first.cert.pem(), Down),
    ] {
        fs::write(&path, text).unwrap();

        let finding = check.run_once().await;

        assert_found(&finding, verdict, what);
        assert!(!format!("{finding:?}").contains("canary"), "{what}: {finding:?}");
    }

    fs::remove_file(&path).unwrap();
    assert_found(&check.run_once().await, Down, "missing");
}
