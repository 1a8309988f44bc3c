//! What errors of the SDK mean.

use std::fmt;
use std::io;
use std::time::{Duration, SystemTime};

use azure_core::Error;
use azure_core::error::ErrorKind;
use azure_core::http::{AsyncRawResponse, RawResponse, StatusCode};

use super::*;
use crate::error::{Reason, Reject, Rejection};
use crate::outcome::{Classify, Outcome};

#[test]
fn each_kind_of_error_means_what_the_page_says() {
    let table = [
        (ErrorKind::Connection, Outcome::Transient, false),
        (ErrorKind::Io, Outcome::Transient, true),
        (ErrorKind::Credential, Outcome::Neutral, false),
        (ErrorKind::DataConversion, Outcome::Permanent, true),
        (ErrorKind::Other, Outcome::Neutral, true),
    ];
    for contract in all() {
        for (kind, outcome, may_have_run) in &table {
            let plain = Error::with_message(kind.clone(), "failed");
            let wrapped = plain.with_context("while at it").ambiguous();
            assert_eq!(contract.judge_error(&wrapped), *outcome, "{kind}");
            assert_eq!(contract.may_have_run_error(&wrapped), *may_have_run, "{kind}");
        }
    }
}

#[test]
fn an_error_with_an_answer_means_what_the_answer_does() {
    let table = [
        (503, None, &[("retry-after", "7")][..], full(7), false),
        (503, None, &[], Outcome::Transient, true),
        (404, Some("BlobNotFound"), &[], Outcome::Permanent, false),
        (404, Some("InternalError"), &[], Outcome::Transient, true),
        // The code in the headers comes before the one that the SDK has found.
        (404, Some("Other"), &[("x-ms-error-code", "InternalError")], Outcome::Transient, true),
        (404, Some("InternalError"), &[("x-ms-error-code", "")], Outcome::Transient, true),
        (409, Some("ContainerBeingDeleted"), &[("retry-after-ms", "2000")], full(2), false),
    ];
    for (status, code, pairs, outcome, may_have_run) in table {
        let error = answered(status, code, pairs);
        assert_eq!(Contract::storage().judge_error(&error), outcome, "{status} {code:?}");
        let ran = Contract::storage().may_have_run_error(&error);
        assert_eq!(ran, may_have_run, "{status} {code:?}");
    }
}

#[test]
fn an_error_may_have_no_answer_at_hand() {
    let kind = ErrorKind::HttpResponse {
        status: StatusCode::TooManyRequests,
        error_code: None,
        raw_response: None,
    };
    let error = kind.into_error();

    let none = Outcome::Overload { retry_after: None };
    assert_eq!(Contract::storage().judge_error(&error), none);
    assert!(!Contract::storage().may_have_run_error(&error));
    assert_eq!(Contract::storage().retry_after(&error, SystemTime::UNIX_EPOCH), None);
}

#[test]
fn a_rejection_means_what_its_reason_does() {
    let table = [
        (Reason::CircuitOpen, Outcome::Neutral, false),
        (Reason::BulkheadFull, Outcome::Neutral, false),
        (Reason::TimedOut, Outcome::Transient, true),
    ];
    for (reason, outcome, may_have_run) in table {
        let error = Error::reject(Rejection::new("orders", reason));
        assert_eq!(Contract::storage().judge_error(&error), outcome, "{reason:?}");
        assert_eq!(Contract::storage().may_have_run_error(&error), may_have_run, "{reason:?}");
    }
}

#[test]
fn a_credential_that_was_throttled_says_for_how_long() {
    let throttled = answered(429, None, &[("retry-after", "7")]);
    let error = Error::with_error(ErrorKind::Credential, throttled, "no token").ambiguous();

    assert_eq!(Contract::identity().judge_error(&error), Outcome::Neutral);
    let wait = Contract::identity().retry_after(&error, SystemTime::UNIX_EPOCH);
    assert_eq!(wait, Some(Duration::from_secs(7)));
}

#[test]
fn a_certificate_that_is_not_valid_is_not_tried_again_wherever_it_is_found() {
    let said = [
        "invalid peer certificate: UnknownIssuer",
        "error:0A000086:SSL routines::certificate verify failed",
        "The certificate was not trusted.",
        "The certificate chain was issued by an authority that is not trusted. (os error 1)",
    ];
    for said in said {
        for kind in [ErrorKind::Connection, ErrorKind::Io] {
            let inner = io::Error::new(io::ErrorKind::InvalidData, Because(said, None));
            let outer = io::Error::other(inner);
            let client = Because("client error", Some(Box::new(outer)));
            let error = Error::with_error(kind, client, "the request failed");
            assert_eq!(Contract::storage().judge_error(&error), Outcome::Neutral, "{said}");
            assert!(!Contract::storage().may_have_run_error(&error), "{said}");
        }
    }
}

#[cfg(feature = "client")]
#[test]
fn of_the_errors_of_tls_only_that_of_the_certificate_is_one() {
    let certificate = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
    let alert = rustls::Error::AlertReceived(rustls::AlertDescription::InternalError);
    for (error, outcome) in [(certificate, Outcome::Neutral), (alert, Outcome::Transient)] {
        let error = io::Error::new(io::ErrorKind::InvalidData, error);
        let error = Error::with_error(ErrorKind::Connection, error, "no connection");
        assert_eq!(Contract::storage().judge_error(&error), outcome);
    }
}

#[cfg(feature = "client")]
#[tokio::test]
async fn a_server_whose_certificate_nobody_signed_is_not_tried_again() {
    let error = handshake_with_a_stranger().await;
    // What it says is in the chain in any case, for who does not have its type.
    assert!(error.to_string().contains("invalid peer certificate"), "{error}");

    let error = Error::with_error(ErrorKind::Connection, io::Error::other(error), "no connection");

    assert_eq!(Contract::storage().judge_error(&error), Outcome::Neutral);
}

/// A client that trusts nobody, and a server with a certificate of its own making.
#[cfg(feature = "client")]
async fn handshake_with_a_stranger() -> io::Error {
    use std::sync::Arc;

    use rustls::crypto::ring;
    use rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
    use rustls::{ClientConfig, RootCertStore, ServerConfig};

    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
    let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key.into())
        .unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let (near, far) = tokio::io::duplex(64 * 1024);
    let name = ServerName::try_from("localhost").unwrap();
    let connecting = tokio_rustls::TlsConnector::from(Arc::new(client)).connect(name, near);
    let accepting = tokio_rustls::TlsAcceptor::from(Arc::new(server)).accept(far);
    let (connected, _) = tokio::join!(connecting, accepting);
    connected.unwrap_err()
}

#[test]
fn an_answer_about_certificates_is_no_error_of_tls() {
    let error = Error::with_message(ErrorKind::DataConversion, "invalid peer certificate");

    assert_eq!(Contract::key_vault().judge_error(&error), Outcome::Permanent);
}

#[test]
fn a_chain_without_an_end_ends() {
    let error = Error::with_error(ErrorKind::Connection, Circle, "no connection");

    assert_eq!(Contract::storage().judge_error(&error), Outcome::Transient);
    assert_eq!(Contract::storage().retry_after(&error, SystemTime::UNIX_EPOCH), None);
}

#[test]
fn a_contract_judges_what_a_pipeline_returns() {
    let contract = Contract::storage();
    let answer =
        |status| AsyncRawResponse::from_bytes(status, headers(&[("retry-after", "7")]), Vec::new());
    let (busy, gone) = (answer(StatusCode::ServiceUnavailable), answer(StatusCode::BadGateway));
    let reset = Error::with_message(ErrorKind::Io, "reset");

    assert_eq!(contract.classify(Ok(&busy)), full(7));
    assert!(!contract.may_have_run(Ok(&busy)));
    assert!(contract.may_have_run(Ok(&gone)));
    assert_eq!(contract.classify(Err(&reset)), Outcome::Transient);
    assert!(contract.may_have_run(Err(&reset)));
}

const fn full(seconds: u64) -> Outcome {
    Outcome::Overload { retry_after: Some(Duration::from_secs(seconds)) }
}

fn answered(status: u16, code: Option<&str>, pairs: &[(&str, &str)]) -> Error {
    let status = StatusCode::from(status);
    let response = RawResponse::from_bytes(status, headers(pairs), Vec::new());
    let kind = ErrorKind::HttpResponse {
        status,
        error_code: code.map(ToOwned::to_owned),
        raw_response: Some(Box::new(response)),
    };
    kind.into_error()
}

#[derive(Debug)]
struct Because(&'static str, Option<Box<dyn std::error::Error + Send + Sync>>);

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Because {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.1.as_deref().map(|error| error as _)
    }
}

#[derive(Debug)]
struct Circle;

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("because")
    }
}

impl std::error::Error for Circle {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self)
    }
}
