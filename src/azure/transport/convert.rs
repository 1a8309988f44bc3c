//! Requests, answers and failures, from one world into the other.

use std::io;

use azure_core::error::{Error, ErrorKind};
use azure_core::http::headers::{HeaderName as SdkName, HeaderValue as SdkValue, Headers};
use azure_core::http::{AsyncRawResponse, Request, StatusCode};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use http::{HeaderName, HeaderValue};
use http_body::Body;
use http_body_util::BodyDataStream;

use super::TransportBody;
use crate::azure::classify::chain;
use crate::error::{BoxError, Reject};

pub(super) fn request(request: &Request) -> azure_core::Result<http::Request<TransportBody>> {
    let invalid = |error: http::Error| Error::new(ErrorKind::DataConversion, error);
    let mut converted = http::Request::builder()
        .method(request.method().as_ref())
        .uri(request.url().as_str())
        .body(TransportBody::from(request.body().clone()))
        .map_err(invalid)?;
    let headers = converted.headers_mut();
    headers.reserve(request.headers().iter().count());
    for (name, value) in request.headers().iter() {
        let name = HeaderName::from_bytes(name.as_str().as_bytes());
        let value = HeaderValue::from_str(value.as_str());
        headers.insert(
            name.map_err(|error| invalid(error.into()))?,
            value.map_err(|error| invalid(error.into()))?,
        );
    }
    Ok(converted)
}

pub(super) fn response<B>(response: http::Response<B>) -> AsyncRawResponse
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let (head, body) = response.into_parts();
    let mut headers = Headers::new();
    for (name, value) in &head.headers {
        // The SDK holds text only; what is none is nobody's to read there.
        if let Ok(value) = value.to_str() {
            let name = SdkName::from(name.as_str().to_owned());
            headers.insert(name, SdkValue::from(value.to_owned()));
        }
    }
    let body = BodyDataStream::new(body).map_err(|error| failure(error.into()));
    AsyncRawResponse::new(StatusCode::from(head.status.as_u16()), headers, body.boxed())
}

/// What went wrong on the wire, in the kinds that tell what may be sent again.
pub(super) fn failure(error: BoxError) -> Error {
    if let Some(rejection) = error.rejection().copied() {
        return Error::reject(rejection);
    }
    let error = match error.downcast::<Error>() {
        Ok(error) => return *error,
        Err(error) => error,
    };
    let kind = if never_sent(&*error) { ErrorKind::Connection } else { ErrorKind::Io };
    Error::new(kind, error)
}

fn never_sent(error: &(dyn std::error::Error + 'static)) -> bool {
    chain(error).any(|error| {
        #[cfg(feature = "client")]
        if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
            return error.is_connect();
        }
        error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    })
}
