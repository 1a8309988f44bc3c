//! Which requests may be sent again, and how.
//!
//! | request                                              | safety                  |
//! |------------------------------------------------------|-------------------------|
//! | has a [`Safety`] in its extensions                   | that                    |
//! | `GET`, `HEAD`, `OPTIONS`, `TRACE`, `PUT`, `DELETE`   | [`Safety::Idempotent`]  |
//! | any other, with an `Idempotency-Key` that is not empty | [`Safety::Keyed`]     |
//! | any other (`POST`, `PATCH`, `CONNECT`, one's own)    | [`Safety::Unsafe`]      |
//!
//! An unsafe request is sent again only when it certainly was not executed: no connection could be
//! made, or the service turned it away ([`ByStatus`](super::ByStatus) has the table). A service
//! whose `PUT` appends, or whose `POST` only searches, is told apart by the extension (which only
//! requests of the `http` crate have).
//!
//! Sources: RFC 9110, 9.2.2; the IETF draft on the `Idempotency-Key` header field.

use std::fmt;

use http::{HeaderMap, HeaderName, Method, Request};

use super::body::ReplayBody;
use crate::replay::{NotReplayable, Replay, Safety};

/// Makes HTTP requests again, if their method or a key makes that safe.
///
/// Replays requests whose body is a [`ReplayBody`]. Costs a copy of the request's head per call,
/// and one per repeat.
///
/// # Example
///
/// ```
/// use bytes::Bytes;
/// use http::Request;
/// use http_body_util::Full;
/// use seawall::http::body::{DEFAULT_CAP, ReplayBody};
/// use seawall::http::Idempotency;
/// use seawall::replay::{Replay, Safety};
///
/// let body = || ReplayBody::new(Full::new(Bytes::from("two shirts")), DEFAULT_CAP);
/// let replay = Idempotency::new();
///
/// let order = Request::post("/orders").body(body())?;
/// assert_eq!(replay.safety(&order), Safety::Unsafe);
///
/// let order = Request::post("/orders").header("idempotency-key", "8e03978e").body(body())?;
/// assert_eq!(replay.safety(&order), Safety::Keyed);
///
/// // A search changes nothing, whatever its method says.
/// let search = Request::post("/search").extension(Safety::Idempotent).body(body())?;
/// assert_eq!(replay.safety(&search), Safety::Idempotent);
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Idempotency {
    key: HeaderName,
}

impl Idempotency {
    /// Looks for the header `Idempotency-Key`.
    #[must_use]
    pub const fn new() -> Self {
        Self { key: HeaderName::from_static("idempotency-key") }
    }

    /// Looks for the key in another header.
    ///
    /// Default: `idempotency-key`.
    #[must_use]
    pub fn key_header(self, name: HeaderName) -> Self {
        Self { key: name }
    }

    /// Whether a request with this method and these headers may be executed twice.
    /// [The module's page](self) has the table.
    ///
    /// # Example
    ///
    /// ```
    /// use http::{HeaderMap, Method};
    /// use seawall::http::Idempotency;
    /// use seawall::replay::Safety;
    ///
    /// let safety = Idempotency::new().safety_of(&Method::PUT, &HeaderMap::new());
    /// assert_eq!(safety, Safety::Idempotent);
    /// ```
    #[must_use]
    pub fn safety_of(&self, method: &Method, headers: &HeaderMap) -> Safety {
        match *method {
            Method::GET
            | Method::HEAD
            | Method::OPTIONS
            | Method::TRACE
            | Method::PUT
            | Method::DELETE => Safety::Idempotent,
            _ if self.has_key(headers) => Safety::Keyed,
            _ => Safety::Unsafe,
        }
    }

    /// Makes the requests of an HTTP client that has types of its own.
    ///
    /// The functions say where a request has its method and headers, and how it is cloned; without
    /// a clone (a body that is a stream) the request is sent once.
    ///
    /// # Example
    ///
    /// With reqwest, this is
    ///
    /// ```text
    /// Idempotency::new().foreign(
    ///     reqwest::Request::method,
    ///     reqwest::Request::headers,
    ///     reqwest::Request::try_clone,
    /// )
    /// ```
    ///
    /// and with `http`'s own requests:
    ///
    /// ```
    /// use http::Request;
    /// use seawall::http::Idempotency;
    /// use seawall::replay::{NotReplayable, Replay};
    ///
    /// let replay = Idempotency::new().foreign(
    ///     Request::method,
    ///     Request::headers,
    ///     |request: &Request<String>| request.body().is_empty().then(|| request.clone()),
    /// );
    ///
    /// let mut request = Request::new(String::from("large"));
    /// assert_eq!(replay.keep(&mut request).unwrap_err(), NotReplayable::NotClonable);
    /// ```
    #[must_use]
    pub const fn foreign<R>(
        self,
        method: fn(&R) -> &Method,
        headers: fn(&R) -> &HeaderMap,
        try_clone: fn(&R) -> Option<R>,
    ) -> ForeignRequests<R> {
        ForeignRequests { idempotency: self, method, headers, try_clone }
    }

    fn has_key(&self, headers: &HeaderMap) -> bool {
        headers.get_all(&self.key).iter().any(|key| !key.as_bytes().trim_ascii().is_empty())
    }
}

impl Default for Idempotency {
    fn default() -> Self {
        Self::new()
    }
}

impl<B> Replay<Request<ReplayBody<B>>> for Idempotency {
    fn safety(&self, request: &Request<ReplayBody<B>>) -> Safety {
        let said = request.extensions().get().copied();
        said.unwrap_or_else(|| self.safety_of(request.method(), request.headers()))
    }

    fn keep(
        &self,
        request: &mut Request<ReplayBody<B>>,
    ) -> Result<Request<ReplayBody<B>>, NotReplayable> {
        self.again(request)
    }

    fn again(
        &self,
        kept: &Request<ReplayBody<B>>,
    ) -> Result<Request<ReplayBody<B>>, NotReplayable> {
        let body = kept.body().again()?;
        let mut request = Request::new(body);
        *request.method_mut() = kept.method().clone();
        *request.uri_mut() = kept.uri().clone();
        *request.version_mut() = kept.version();
        *request.headers_mut() = kept.headers().clone();
        *request.extensions_mut() = kept.extensions().clone();
        Ok(request)
    }
}

/// Makes the requests of an HTTP client that has types of its own. Made by
/// [`Idempotency::foreign`].
///
/// # Example
///
/// ```
/// use http::Request;
/// use seawall::http::{ForeignRequests, Idempotency};
///
/// let replay: ForeignRequests<Request<()>> = Idempotency::new().foreign(
///     Request::method,
///     Request::headers,
///     |request| Some(request.clone()),
/// );
/// # let _ = replay;
/// ```
pub struct ForeignRequests<R> {
    idempotency: Idempotency,
    method: fn(&R) -> &Method,
    headers: fn(&R) -> &HeaderMap,
    try_clone: fn(&R) -> Option<R>,
}

impl<R> Replay<R> for ForeignRequests<R> {
    fn safety(&self, request: &R) -> Safety {
        self.idempotency.safety_of((self.method)(request), (self.headers)(request))
    }

    fn keep(&self, request: &mut R) -> Result<R, NotReplayable> {
        self.again(request)
    }

    fn again(&self, kept: &R) -> Result<R, NotReplayable> {
        (self.try_clone)(kept).ok_or(NotReplayable::NotClonable)
    }
}

impl<R> Clone for ForeignRequests<R> {
    fn clone(&self) -> Self {
        Self { idempotency: self.idempotency.clone(), ..*self }
    }
}

impl<R> fmt::Debug for ForeignRequests<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForeignRequests")
            .field("idempotency", &self.idempotency)
            .finish_non_exhaustive()
    }
}
