//! The ready-made HTTP client in the standard stack.
//!
//! ```sh
//! cargo run --example http_client
//! ```
//!
//! Starts a server on loopback that fails every other request, and shows what its caller notices.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use seawall::error::BoxError;
use seawall::http::{Ambiguous, Client};
use seawall::stack::Stack;
use tokio::net::TcpListener;
use tower::{ServiceBuilder, ServiceExt};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/orders", listener.local_addr()?);
    tokio::spawn(serve(listener));

    // These lines are the point. A real service has `https`, and needs no `plain_http`.
    let stack = Stack::builder().name("orders").build()?;
    let orders = ServiceBuilder::new()
        .layer(stack.http_layer())
        .service(Client::builder().plain_http(true).build()?);

    println!("{}\n", stack.describe());
    for (what, request) in [
        ("a read is repeated", Request::get(&url)),
        ("a write with a key is, too", Request::post(&url).header("idempotency-key", "8e03978e")),
        ("a write without one is not: it may have been done", Request::post(&url)),
    ] {
        let request = request.body(Full::new(Bytes::from("two shirts")))?;
        let response = orders.clone().oneshot(request).await?;

        let status = response.status();
        let ambiguous = response.extensions().get::<Ambiguous>().is_some();
        // The body ends with the call's deadline, too.
        let answer = response.into_body().collect().await?.to_bytes();
        println!("{what}:");
        println!("    {status}, ambiguous: {ambiguous}, {}", String::from_utf8_lossy(&answer));
    }
    Ok(())
}

/// Fails every other request, the first one included.
async fn serve(listener: TcpListener) -> Result<(), BoxError> {
    static REQUESTS: AtomicUsize = AtomicUsize::new(0);

    loop {
        let (connection, _) = listener.accept().await?;
        let answer = service_fn(async |request: Request<Incoming>| {
            let number = REQUESTS.fetch_add(1, Ordering::Relaxed) + 1;
            let repeat = request.headers().get("retry-attempt").cloned();
            let status = if number % 2 == 1 { 500 } else { 200 };
            let text = format!("request {number} was repeat {repeat:?}");
            let mut response = Response::new(Full::new(Bytes::from(text)));
            *response.status_mut() = status.try_into().expect("a valid status");
            Ok::<_, Infallible>(response)
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(connection), answer));
    }
}
