//! Answers that are ready before anybody asks.

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{Response, StatusCode};

use crate::health::{Body, Format, Verdict};

/// An answer, but for whether its body is sent.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Reply {
    pub(super) fn new(status: StatusCode, content_type: &'static str, body: Bytes) -> Self {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(CONTENT_LENGTH, body.len().into());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        // An error text of a dependency's, shown to who has a token, is to be no page of ours.
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        Self { status, headers, body }
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// The same headers for both verbs, and no body for HEAD.
    pub(super) fn into_response(self, head: bool) -> Response<Body> {
        let body = if head { Body::empty() } else { Body::from(self.body) };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }

    /// The same as often as it is wanted. Allocates the response's headers, and nothing else.
    pub(super) fn response(&self, head: bool) -> Response<Body> {
        self.clone().into_response(head)
    }
}

/// The answers that are the same for everyone and every time.
#[derive(Debug)]
pub(super) struct Replies {
    /// By format, as in [`Format::ALL`], and verdict.
    verdicts: [[Reply; 3]; Format::ALL.len()],
    /// What is wedged will not be well if one waits.
    wedged: [Reply; Format::ALL.len()],
    pub(super) not_allowed: Reply,
    pub(super) not_found: Reply,
    pub(super) unauthorized: Reply,
}

impl Replies {
    pub(super) fn new(retry_after: u64) -> Self {
        let text = |status, body: &'static str| {
            Reply::new(status, "text/plain; charset=utf-8", Bytes::from_static(body.as_bytes()))
        };
        let again = |reply: Reply| reply.with(RETRY_AFTER, retry_after.into());
        let made = Self {
            verdicts: Format::ALL.map(|format| {
                [
                    again(verdict(format, Verdict::Down)),
                    verdict(format, Verdict::Degraded),
                    verdict(format, Verdict::Healthy),
                ]
            }),
            wedged: Format::ALL.map(|format| verdict(format, Verdict::Down)),
            not_allowed: text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed")
                .with(ALLOW, HeaderValue::from_static("GET, HEAD")),
            not_found: text(StatusCode::NOT_FOUND, "not found"),
            // In two lines: not every browser finds the second challenge of one.
            unauthorized: text(StatusCode::UNAUTHORIZED, "unauthorized")
                .with(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
                .with(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"status\"")),
        };
        made.warm();
        made
    }

    /// What says `verdict` to everyone.
    pub(super) fn verdict(&self, format: Format, verdict: Verdict) -> &Reply {
        // The order of `ALL` is not that of the enum's discriminants; a handful is looked through.
        let at = Format::ALL.iter().position(|known| *known == format).unwrap_or(0);
        &self.verdicts[at][verdict as usize]
    }

    /// What says to everyone whether the process is wedged.
    pub(super) fn liveness(&self, format: Format, verdict: Verdict) -> &Reply {
        let at = Format::ALL.iter().position(|known| *known == format).unwrap_or(0);
        if verdict.is_up() { self.verdict(format, verdict) } else { &self.wedged[at] }
    }

    /// The first copy of a header's value moves it to where copies share it, which allocates.
    fn warm(&self) {
        let rows = self.verdicts.iter().flatten().chain(&self.wedged);
        for reply in rows.chain([&self.not_allowed, &self.not_found, &self.unauthorized]) {
            drop(reply.response(false));
        }
    }
}

fn verdict(format: Format, verdict: Verdict) -> Reply {
    let status = if verdict.is_up() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Reply::new(
        status,
        format.content_type(),
        Bytes::from_static(format.verdict(verdict).as_bytes()),
    )
}
