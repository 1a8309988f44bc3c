//! What an error of the SDK says.

use std::error::Error as StdError;
use std::io;
use std::time::{Duration, SystemTime};

use azure_core::Error;
use azure_core::error::ErrorKind;
use azure_core::http::headers::Headers;

use super::hint::hint;

/// What kind of failure an error is, as far as contracts tell them apart.
#[derive(Debug)]
pub(in crate::azure) enum Failure<'a> {
    /// The service answered.
    Answered { status: u16, code: Option<&'a str>, headers: Option<&'a Headers> },
    /// The server's certificate is not valid.
    Certificate,
    /// There was no token.
    Credential,
    /// The answer could not be read.
    Unreadable,
    /// No connection could be made.
    Unreached,
    /// The connection failed when it was there.
    Broken,
    /// Something on our side.
    Local,
}

impl<'a> Failure<'a> {
    pub(in crate::azure) fn of(error: &'a Error) -> Self {
        match error.kind() {
            ErrorKind::HttpResponse { status, error_code, raw_response } => Self::Answered {
                status: u16::from(*status),
                code: error_code.as_deref(),
                headers: raw_response.as_ref().map(|response| response.headers()),
            },
            ErrorKind::Connection | ErrorKind::Io if is_certificate(error) => Self::Certificate,
            ErrorKind::Connection => Self::Unreached,
            ErrorKind::Io => Self::Broken,
            ErrorKind::Credential => Self::Credential,
            ErrorKind::DataConversion => Self::Unreadable,
            ErrorKind::Other => Self::Local,
        }
    }
}

/// The wait that some answer along the chain of `error` asks for.
pub(in crate::azure) fn hint_of(error: &Error, now: SystemTime) -> Option<Duration> {
    chain(error).find_map(|error| {
        let ErrorKind::HttpResponse { raw_response, .. } = error.downcast_ref::<Error>()?.kind()
        else {
            return None;
        };
        hint(raw_response.as_ref()?.headers(), now)
    })
}

/// Whether the server's certificate was refused on our side, before anything was sent.
fn is_certificate(error: &Error) -> bool {
    chain(error).any(|error| {
        #[cfg(feature = "client")]
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return matches!(error, rustls::Error::InvalidCertificate(_));
        }
        let said = error.to_string();
        CERTIFICATE.iter().any(|words| said.contains(words))
    })
}

/// An error and what it is due to.
///
/// The source of an [`io::Error`] is that of the error inside of it, which is thus left out: here
/// it is not.
pub(in crate::azure) fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = inside.map(|inside| inside as _).or_else(|| error.source());
        Some(error)
    })
    .take(MOST_SOURCES)
}

/// What rustls, OpenSSL, Secure Transport and Schannel say of a certificate that they refuse. Their types are
/// known only to who depends on them.
const CERTIFICATE: &[&str] = &[
    "invalid peer certificate",
    "certificate verify failed",
    "The certificate was not trusted",
    "The certificate chain was issued by an authority that is not trusted",
];

/// An error whose sources go round in a circle must not hang a call.
const MOST_SOURCES: usize = 32;
