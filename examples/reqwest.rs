//! `reqwest` in the standard stack.
//!
//! ```sh
//! cargo run --example reqwest
//! ```
//!
//! Starts a server on loopback that fails its first two requests, and posts an order to it.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use seawall::error::BoxError;
use seawall::http::{ByStatus, ReplayBody};
use seawall::stack::Stack;
use tokio::net::TcpListener;
use tower::{ServiceBuilder, ServiceExt, service_fn};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/orders", listener.local_addr()?);
    tokio::spawn(serve(listener));

    let client = reqwest::Client::new();

    // `reqwest` has requests and answers of its own. In terms of the `http` crate, which it knows
    // as well, bodies can be recorded, and end with the deadline.
    let sender = client.clone();
    let transport = service_fn(move |request: Request<ReplayBody<reqwest::Body>>| {
        let sender = sender.clone();
        async move {
            let request = reqwest::Request::try_from(request.map(reqwest::Body::wrap))?;
            sender.execute(request).await.map(Response::from)
        }
    });

    let stack = Stack::builder().name("orders").build()?;
    let classify = ByStatus::new().never_sent(reqwest::Error::is_connect);
    let orders =
        ServiceBuilder::new().layer(stack.http_layer().classify(classify)).service(transport);

    let order = client.post(url).header("idempotency-key", "8e03978e").body("two shirts");
    let response = orders.oneshot(order.build()?.try_into()?).await?;

    let response = reqwest::Response::from(response.map(reqwest::Body::wrap));
    println!("{}: {}", response.status(), response.text().await?);
    Ok(())
}

/// Fails the first two requests, then sends back what it gets.
async fn serve(listener: TcpListener) -> Result<(), BoxError> {
    static REQUESTS: AtomicUsize = AtomicUsize::new(0);

    loop {
        let (connection, _) = listener.accept().await?;
        let answer = hyper::service::service_fn(async |request: Request<Incoming>| {
            let number = REQUESTS.fetch_add(1, Ordering::Relaxed) + 1;
            let body = request.into_body().collect().await?.to_bytes();
            println!("request {number} carries {body:?}");
            let mut response = Response::new(Full::<Bytes>::new(body));
            let status = if number < 3 { 502 } else { 200 };
            *response.status_mut() = status.try_into().expect("a valid status");
            Ok::<_, hyper::Error>(response)
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(connection), answer));
    }
}
