//! Who may see the status page without a token.

use http::header::{FORWARDED, HOST, HeaderMap, HeaderName, VIA};
use http::uri::Authority;
use http::{HeaderValue, Uri};

use crate::health::Peer;

/// Who may see the status page.
///
/// # Example
///
/// ```
/// use seawall::health::status::Access;
/// use seawall::health::{Endpoints, Registry};
///
/// let endpoints = Endpoints::builder().status_access(Access::Token).build(&Registry::new())?;
/// # let _ = endpoints;
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Access {
    /// Who has a token.
    Token,
    /// Who has a token, and who sits at this machine: the request comes from a loopback address,
    /// asks for a loopback host, was passed on by no proxy, and was made by no other site's page.
    #[default]
    TokenOrLoopback,
}

/// Whether a request was made at this machine, by whom it serves.
///
/// Each of its parts is there for somebody who is elsewhere and whose request comes from a loopback
/// address nevertheless: a proxy that runs here passes on requests from anywhere, and says so; a
/// page whose host's name was made to lead here asks for that host; a page of another site makes a
/// browser ask, and modern browsers say so.
pub(super) fn is_local(peer: Option<&Peer>, uri: &Uri, headers: &HeaderMap) -> bool {
    peer.is_some_and(|peer| peer.addr().ip().to_canonical().is_loopback())
        && names_loopback(uri, headers)
        && !PASSED_ON.iter().any(|name| headers.contains_key(name))
        && is_own(headers)
}

/// The host that is asked for, in the header and in the request's line if that has one.
fn names_loopback(uri: &Uri, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let host = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
    host.is_some_and(|host| is_loopback(&host)) && uri.authority().is_none_or(is_loopback)
}

fn is_loopback(authority: &Authority) -> bool {
    // Nobody asks for `user@localhost` in good faith.
    let host = authority.host();
    !authority.as_str().contains('@') && LOOPBACK.iter().any(|name| host.eq_ignore_ascii_case(name))
}

/// What a browser says of the page that made the request. Links from anywhere may lead here.
fn is_own(headers: &HeaderMap) -> bool {
    let value = |name| headers.get(name).map(HeaderValue::as_bytes);
    matches!(value(SITE), None | Some(b"none" | b"same-origin")) || value(MODE) == Some(b"navigate")
}

const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];
const PASSED_ON: [HeaderName; 6] = [
    FORWARDED,
    VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-real-ip"),
];
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
