//! Services of Azure that answer as the real ones do, on this machine, to the SDK's own clients. See [`Wire::to`].
//!
//! They make no faults of their own: put a [`Proxy`](crate::Proxy) between for those.
//!
//! [`Wire::to`]: crate::Wire::to

mod metadata;
mod token;
mod vault;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

pub use self::metadata::MetadataService;
pub use self::token::TokenEndpoint;
pub use self::vault::Vault;

use crate::seen::Seen;

/// A server that answers each request with what a function makes of it.
pub struct Fake {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    listener: JoinHandle<()>,
}

impl Fake {
    /// Starts one at a free port.
    ///
    /// # Panics
    ///
    /// If there is no loopback port.
    pub async fn start<F>(answer: F) -> Self
    where
        F: Fn(&Seen) -> Response<String> + Send + Sync + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let accepting = accept(listener, Arc::new(answer), Arc::clone(&seen));
        Self { address, seen, listener: tokio::spawn(accepting) }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All requests that came in so far, the oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fake").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn accept<F>(listener: TcpListener, answer: Arc<F>, seen: Arc<Mutex<Vec<Seen>>>)
where
    F: Fn(&Seen) -> Response<String> + Send + Sync + 'static,
{
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
        connections.spawn(async move {
            let each = service_fn(move |request: Request<Incoming>| {
                let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
                async move {
                    let (head, body) = request.into_parts();
                    // Who asks and goes away has asked nothing.
                    let body = body.collect().await?.to_bytes();
                    let request = Seen::new(&head, body);
                    let answer = answer(&request).map(Full::<bytes::Bytes>::from);
                    seen.lock().unwrap_or_else(PoisonError::into_inner).push(request);
                    Ok::<_, hyper::Error>(answer)
                }
            });
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), each).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

fn json_answer(status: u16, body: &Value) -> Response<String> {
    let answer = Response::builder().status(status).header("content-type", "application/json");
    answer.body(body.to_string()).expect("a good answer")
}
