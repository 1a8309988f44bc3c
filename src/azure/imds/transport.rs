//! Any HTTP client as the way to the metadata service.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper_util::client::legacy;
use tower_service::Service;

use super::ImdsError;
use crate::error::BoxError;
use crate::http::retry_after;

/// Makes a request and reads its answer.
pub(super) type Transport = Arc<dyn Fn(Request<String>) -> Asking + Send + Sync>;

type Asking = Pin<Box<dyn Future<Output = Result<Answer, ImdsError>> + Send>>;

/// An answer of the service. The body of one that is no 200 is not read.
pub(super) struct Answer {
    status: StatusCode,
    retry_after: Option<Duration>,
    body: Bytes,
}

impl Answer {
    pub(super) fn into_body(self) -> Result<Bytes, ImdsError> {
        let Self { status, retry_after, body } = self;
        if status == StatusCode::OK {
            Ok(body)
        } else {
            Err(ImdsError::Status { status, retry_after })
        }
    }
}

/// Over `service`, with bodies up to `max` bytes.
pub(super) fn over<S, B>(service: S, max: usize) -> Transport
where
    S: Service<Request<String>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    Arc::new(move |request| {
        let mut service = service.clone();
        Box::pin(async move {
            let broken = |error: S::Error| failure(error.into());
            poll_fn(|cx| service.poll_ready(cx)).await.map_err(broken)?;
            let (head, body) = service.call(request).await.map_err(broken)?.into_parts();
            let retry_after = retry_after(&head.headers, SystemTime::now());
            let body =
                if head.status == StatusCode::OK { read(body, max).await? } else { Bytes::new() };
            Ok(Answer { status: head.status, retry_after, body })
        })
    })
}

async fn read<B>(body: B, max: usize) -> Result<Bytes, ImdsError>
where
    B: Body<Error: Into<BoxError>>,
{
    match Limited::new(body, max).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ImdsError::TooLarge),
        Err(error) => Err(ImdsError::Transport(error)),
    }
}

fn failure(error: BoxError) -> ImdsError {
    match error.downcast_ref::<legacy::Error>() {
        Some(error) if error.is_connect() => ImdsError::Absent,
        _ => ImdsError::Transport(error),
    }
}
