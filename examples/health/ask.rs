//! Asks over HTTP as probes do: a new connection for each question, and little patience.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{HOST, USER_AGENT};
use hyper_util::rt::TokioIo;
use seawall::error::BoxError;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::products::{Answer, Question};

/// The shortest patience of any product: the kubelet's.
const PATIENCE: Duration = Duration::from_secs(1);

/// The answer to `question`, if there is one in time.
pub(crate) async fn ask(address: SocketAddr, question: Question) -> Answer {
    match timeout(PATIENCE, exchange(address, question)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) | Err(_) => Answer::Nothing,
    }
}

async fn exchange(address: SocketAddr, question: Question) -> Result<Answer, BoxError> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = hyper::Request::builder()
        .method(question.method)
        .uri(question.path)
        .header(HOST, question.host)
        .header(USER_AGENT, question.user_agent)
        .body(Empty::<Bytes>::new())?;
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes().to_vec();
        Ok::<_, hyper::Error>(Answer::Http { status, body })
    };
    tokio::pin!(answer);
    tokio::select! {
        answer = &mut answer => Ok(answer?),
        // What the connection has read before it ended is still there to be taken.
        _ended = connection => Ok(answer.await?),
    }
}
