//! When a certificate ends.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_name};
use rustls::crypto::{
    WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio_rustls::TlsConnector;
use x509_parser::parse_x509_certificate;

use super::super::{Check, Finding};
use super::blocking::Blocking;
use super::target::Target;
use super::tcp::connect;
use super::{Limits, float};
use crate::error::InvalidConfig;

/// When the certificate ends that the server at `address` shows: `host:port`.
///
/// It makes a TLS handshake that accepts any certificate, reads this one's time and names, and
/// closes the connection; nothing is ever sent over it. Whether a trusted authority has signed it,
/// and when the certificates of authorities end, is not looked at: a check over HTTPS does that. A
/// server that is not yet, or no longer, certified by its certificate is down, and so is one with
/// another name. What is observed is the time that is left, in days. It is shared by default.
///
/// It needs the wall clock to be right.
///
/// # Cancel safety
///
/// Dropping a run closes its connection.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::health::checks;
///
/// let check = checks::tls_certificate("certificate", "shop.example:443")
///     .degraded_below(Duration::from_secs(14 * 86_400))
///     .check()
///     .interval(Duration::from_secs(3_600));
/// # let _ = check;
/// ```
pub fn tls_certificate(name: impl Into<String>, address: impl Into<String>) -> TlsCertificate {
    TlsCertificate {
        name: name.into(),
        address: address.into(),
        server_name: None,
        verify_name: true,
        left: Left::default(),
    }
}

/// Settings of [`tls_certificate`].
///
/// # Example
///
/// ```
/// use seawall::health::Check;
/// use seawall::health::checks::{TlsCertificate, tls_certificate};
///
/// let settings: TlsCertificate =
///     tls_certificate("certificate", "10.0.0.7:443").server_name("shop.example");
/// let check = Check::from(settings);
/// # let _ = check;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TlsCertificate {
    name: String,
    address: String,
    server_name: Option<String>,
    verify_name: bool,
    left: Left,
}

impl TlsCertificate {
    /// Asks for the certificate of this name, or address, and expects that in it.
    ///
    /// Default: the host of the address.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Whether it is down when the certificate is for another name.
    ///
    /// Default: it is.
    pub fn verify_name(mut self, verify: bool) -> Self {
        self.verify_name = verify;
        self
    }

    /// With less time left it is degraded.
    ///
    /// Default: 21 days.
    pub fn degraded_below(mut self, left: Duration) -> Self {
        self.left.degraded = left;
        self
    }

    /// With less time left it is down; no longer than the time for degraded.
    ///
    /// Default: 3 days.
    pub fn down_below(mut self, left: Duration) -> Self {
        self.left.down = left;
        self
    }

    /// Makes the check.
    ///
    /// # Errors
    ///
    /// An address or a name that is none, and times in the wrong order, are refused when the check
    /// is added to a registry.
    pub fn check(self) -> Check {
        let verify_name = self.verify_name;
        let probe = self.parse().map(|(target, server, limits, connector)| {
            move || {
                let (target, server) = (target.clone(), server.clone());
                let connector = connector.clone();
                async move {
                    match show(&target, &server, &connector).await {
                        Ok(certificate) => {
                            let name = verify_name.then_some(&server);
                            judge(&certificate, name, limits, SystemTime::now())
                        }
                        Err(finding) => finding,
                    }
                }
            }
        });
        super::check(self.name, probe)
    }

    fn parse(&self) -> Result<(Target, ServerName<'static>, Limits, TlsConnector), InvalidConfig> {
        let target = Target::parse(&self.address)?;
        let server = self.server_name.clone().unwrap_or_else(|| target.host());
        let server = ServerName::try_from(server)
            .map_err(|_| InvalidConfig::new("server_name", "the name or address of a server"))?;
        Ok((target, server, self.left.limits()?, TlsConnector::from(Arc::new(reading()))))
    }
}

impl From<TlsCertificate> for Check {
    fn from(settings: TlsCertificate) -> Self {
        settings.check()
    }
}

/// When the first certificate in the PEM file at `path` ends: the one that a server of one's own
/// shows.
///
/// The file is read anew by each run, 1 MiB of it at most. What is observed is the time that is
/// left, in days. It is local by default, and needs the wall clock to be right.
///
/// # Cancel safety
///
/// A file system that hangs keeps one thread until it answers; until then further runs are down
/// and start no other.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::health::checks;
///
/// let check = checks::tls_certificate_file("own certificate", "/etc/shop/tls.crt")
///     .check()
///     .interval(Duration::from_secs(3_600));
/// # let _ = check;
/// ```
pub fn tls_certificate_file(
    name: impl Into<String>,
    path: impl Into<PathBuf>,
) -> TlsCertificateFile {
    TlsCertificateFile { name: name.into(), path: path.into(), left: Left::default() }
}

/// Settings of [`tls_certificate_file`].
///
/// # Example
///
/// ```
/// use seawall::health::Check;
/// use seawall::health::checks::{TlsCertificateFile, tls_certificate_file};
///
/// let settings: TlsCertificateFile =
///     tls_certificate_file("own certificate", "/etc/shop/tls.crt");
/// let check = Check::from(settings);
/// # let _ = check;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TlsCertificateFile {
    name: String,
    path: PathBuf,
    left: Left,
}

impl TlsCertificateFile {
    /// With less time left it is degraded.
    ///
    /// Default: 21 days.
    pub fn degraded_below(mut self, left: Duration) -> Self {
        self.left.degraded = left;
        self
    }

    /// With less time left it is down; no longer than the time for degraded.
    ///
    /// Default: 3 days.
    pub fn down_below(mut self, left: Duration) -> Self {
        self.left.down = left;
        self
    }

    /// Makes the check.
    ///
    /// # Errors
    ///
    /// Times in the wrong order are refused when the check is added to a registry.
    pub fn check(self) -> Check {
        let Self { name, path, left } = self;
        let blocking = Blocking::new();
        let probe = left.limits().map(|limits| {
            move || {
                let (blocking, path) = (blocking.clone(), path.clone());
                async move {
                    match blocking.run(move || read(&path)).await {
                        Ok(Ok(certificate)) => judge(&certificate, None, limits, SystemTime::now()),
                        Ok(Err(error)) => Finding::down(error),
                        Err(finding) => finding,
                    }
                }
            }
        });
        super::check(name, probe).local()
    }
}

impl From<TlsCertificateFile> for Check {
    fn from(settings: TlsCertificateFile) -> Self {
        settings.check()
    }
}

/// How much time is to be left.
#[derive(Clone, Copy, Debug)]
struct Left {
    degraded: Duration,
    down: Duration,
}

impl Default for Left {
    fn default() -> Self {
        Self { degraded: Duration::from_secs(21 * DAY), down: Duration::from_secs(3 * DAY) }
    }
}

impl Left {
    /// In days, and negative: the less is left the worse.
    fn limits(self) -> Result<Limits, InvalidConfig> {
        if self.down > self.degraded {
            return Err(InvalidConfig::new("down_below", "no longer than `degraded_below`"));
        }
        Ok(Limits { degraded: -days(self.degraded), down: -days(self.down) })
    }
}

/// The certificate that the server shows.
async fn show(
    target: &Target,
    server: &ServerName<'static>,
    connector: &TlsConnector,
) -> Result<CertificateDer<'static>, Finding> {
    let tcp = connect(target).await?;
    let tls = connector.connect(server.clone(), tcp).await.map_err(Finding::down)?;
    let shown = tls.get_ref().1.peer_certificates();
    let first = shown.and_then(<[_]>::first).ok_or_else(|| Finding::down("no certificate"))?;
    Ok(first.clone().into_owned())
}

/// The first certificate in a PEM file.
fn read(path: &Path) -> io::Result<CertificateDer<'static>> {
    let mut pem = Vec::new();
    File::open(path)?.take(MAX_FILE).read_to_end(&mut pem)?;
    CertificateDer::from_pem_slice(&pem)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "no certificate in the file"))
}

fn judge(
    certificate: &CertificateDer<'_>,
    server: Option<&ServerName<'_>>,
    limits: Limits,
    now: SystemTime,
) -> Finding {
    let Ok((_, parsed)) = parse_x509_certificate(certificate) else {
        return Finding::down("not a certificate that can be read");
    };
    let validity = parsed.validity();
    let now = seconds(now);
    let left = validity.not_after.timestamp().saturating_sub(now);
    let left = if left < 0 {
        -days(Duration::from_secs(left.unsigned_abs()))
    } else {
        days(Duration::from_secs(left.unsigned_abs()))
    };
    let finding = if validity.not_before.timestamp() > now {
        Finding::down("not valid yet")
    } else if left < 0.0 {
        Finding::down(format_args!("ended {:.1} days ago", -left))
    } else if server.is_some_and(|server| !is_for(certificate, server)) {
        Finding::down("for another name")
    } else {
        limits.find(-left, format_args!("ends in {left:.1} days"))
    };
    finding.observed(left, "d")
}

fn is_for(certificate: &CertificateDer<'_>, server: &ServerName<'_>) -> bool {
    ParsedCertificate::try_from(certificate)
        .is_ok_and(|parsed| verify_server_name(&parsed, server).is_ok())
}

/// Seconds since 1970, which may be before.
fn seconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

fn days(time: Duration) -> f64 {
    float(time.as_secs()) / float(DAY)
}

/// TLS that looks at a certificate and believes it: for reading it only.
fn reading() -> ClientConfig {
    let provider = Arc::new(ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has suites for all versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Reading(algorithms)))
        .with_no_client_auth();
    // A resumed session would show the certificate of its first handshake.
    config.resumption = Resumption::disabled();
    config
}

/// Accepts every certificate whose key the server has.
#[derive(Debug)]
struct Reading(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Reading {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        // Nothing is sent to this server, so nothing is trusted to it.
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

const DAY: u64 = 86_400;
const MAX_FILE: u64 = 1 << 20;
