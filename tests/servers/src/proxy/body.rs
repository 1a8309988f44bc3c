//! Bodies of answers that break, or take their time.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use tokio::time::sleep;

use super::broken;

pub(super) type Answer = UnsyncBoxBody<Bytes, io::Error>;

/// Breaks after so many bytes.
pub(super) fn cut(body: Incoming, after: usize) -> Answer {
    StreamBody::new(stream::unfold((body, after), |(mut body, left)| async move {
        if left == 0 {
            // What went before is written while nothing follows.
            sleep(Duration::from_millis(20)).await;
            return Some((Err(broken()), (body, 0)));
        }
        let mut data = match next(&mut body).await? {
            Ok(data) => data,
            Err(error) => return Some((Err(error), (body, left))),
        };
        data.truncate(left);
        let left = left - data.len();
        Some((Ok(Frame::data(data)), (body, left)))
    }))
    .boxed_unsync()
}

/// Passes so many bytes a second.
pub(super) fn throttle(body: Incoming, rate: u32) -> Answer {
    let piece = (rate / 20).max(1);
    let pause = Duration::from_secs(1) * piece / rate.max(1);
    let start = (body, Bytes::new());
    StreamBody::new(stream::unfold(start, move |(mut body, mut rest)| async move {
        while rest.is_empty() {
            rest = match next(&mut body).await? {
                Ok(data) => data,
                Err(error) => return Some((Err(error), (body, rest))),
            };
        }
        let data = rest.split_to(rest.len().min(piece as usize));
        sleep(pause).await;
        Some((Ok(Frame::data(data)), (body, rest)))
    }))
    .boxed_unsync()
}

async fn next(body: &mut Incoming) -> Option<Result<Bytes, io::Error>> {
    loop {
        match body.frame().await? {
            Ok(frame) => {
                if let Ok(data) = frame.into_data() {
                    return Some(Ok(data));
                }
            }
            Err(error) => return Some(Err(io::Error::other(error))),
        }
    }
}
