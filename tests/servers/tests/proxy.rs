//! The fault proxy itself: a test over it proves nothing if it does not do what it says.

use std::time::{Duration, Instant};

use azure_core::error::ErrorKind;
use azure_core::http::{Method, Request, Url};
use futures_util::StreamExt;
use http::Response;
use seawall_servers::fakes::Fake;
use seawall_servers::proxy::{Fault, When};
use seawall_servers::{Proxy, Wire};
use tokio::time::timeout;

/// What the server answers to everything.
const BODY: &str = "0123456789";

#[tokio::test]
async fn passes_on_what_is_asked_and_what_is_answered() {
    let (proxy, server) = world().await;

    let (status, body) = ask(&proxy, Method::Put, "/blob?comp=block", "two chairs").await.unwrap();

    assert_eq!((status, body.as_str()), (201, BODY));
    let [seen] = &server.requests()[..] else { panic!("{:?}", server.requests()) };
    assert_eq!((seen.path.as_str(), seen.query.as_str()), ("/blob", "comp=block"));
    assert_eq!(seen.body, "two chairs");
    let put = When::any().method(http::Method::PUT);
    assert_eq!(proxy.count(&put.clone().path("blo").query("block")), 1);
    assert_eq!(proxy.count(&put.path("queue")), 0);
    assert_eq!(proxy.count(&When::any().method(http::Method::GET)), 0);
}

#[tokio::test]
async fn resets_before_the_server_and_after_it() {
    let (proxy, server) = world().await;
    let reset = proxy.fault(When::any().times(1), Fault::Reset);

    let error = ask(&proxy, Method::Get, "/", "").await.unwrap_err();

    assert_eq!((error, server.requests().len(), reset.matched()), (ErrorKind::Io, 0, 1));

    proxy.fault(When::any().times(1), Fault::LoseAnswer);
    let error = ask(&proxy, Method::Get, "/", "").await.unwrap_err();
    assert_eq!((error, server.requests().len()), (ErrorKind::Io, 1));

    ask(&proxy, Method::Get, "/", "").await.unwrap();
}

#[tokio::test]
async fn cuts_a_body_after_so_many_bytes() {
    let (proxy, _server) = world().await;
    proxy.fault(When::any(), Fault::CutAnswer(4));

    let request = Request::new(url(&proxy, "/"), Method::Get);
    let answer = Wire::new().send(&request).await.unwrap();
    let mut body = answer.into_body();
    let first = body.next().await.unwrap().unwrap();
    let then = body.next().await.unwrap().unwrap_err();

    assert_eq!((&first[..], then.kind()), (&b"0123"[..], &ErrorKind::Io));
}

#[tokio::test]
async fn refuses_and_is_back_at_the_same_port() {
    let (proxy, server) = world().await;
    let wire = Wire::new();
    let request = Request::new(url(&proxy, "/"), Method::Get);
    drop(wire.send(&request).await.unwrap().try_into_raw_response().await.unwrap());

    proxy.refuse().await;

    // The connection that is open is of no use either.
    let error = wire.send(&request).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Connection | ErrorKind::Io), "{error}");
    let error = wire.send(&request).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Connection);
    assert_eq!(server.requests().len(), 1);

    proxy.heal().await;
    wire.send(&request).await.unwrap();
}

#[tokio::test]
async fn swallows_what_comes_in_until_it_is_healed() {
    let (proxy, server) = world().await;

    proxy.swallow().await;
    let waited = timeout(Duration::from_millis(300), ask(&proxy, Method::Get, "/", "")).await;

    assert!(waited.is_err(), "{waited:?}");
    assert!(server.requests().is_empty() && proxy.requests().is_empty());
    proxy.heal().await;
    ask(&proxy, Method::Get, "/", "").await.unwrap();
}

#[tokio::test]
async fn hangs_delays_and_slows_down() {
    let (proxy, server) = world().await;
    let hang = When::any().path("hang");
    proxy.fault(hang, Fault::Hang);
    let waited = timeout(Duration::from_millis(300), ask(&proxy, Method::Get, "/hang", "")).await;
    assert!(waited.is_err());
    assert!(server.requests().is_empty());

    let start = Instant::now();
    proxy.fault(When::any().path("delay"), Fault::Delay(Duration::from_millis(300)));
    ask(&proxy, Method::Get, "/delay", "").await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(300));

    let start = Instant::now();
    proxy.fault(When::any().path("slow"), Fault::Slow(40));
    let (_, body) = ask(&proxy, Method::Get, "/slow", "").await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(240), "{:?}", start.elapsed());
    assert_eq!(body, BODY);
}

#[tokio::test]
async fn answers_in_place_of_the_server_for_the_requests_that_are_named() {
    let (proxy, server) = world().await;
    let busy = Fault::status(503).header("retry-after", "7200");
    let rule = proxy.fault(When::any().path("blob").skip(1).times(2), busy);

    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(ask(&proxy, Method::Get, "/blob", "").await.unwrap().0);
    }
    statuses.push(ask(&proxy, Method::Get, "/queue", "").await.unwrap().0);

    assert_eq!(statuses, [201, 503, 503, 201, 201]);
    assert_eq!((rule.matched(), server.requests().len()), (4, 3));
    assert_eq!(proxy.requests().len(), 5);
}

async fn world() -> (Proxy, Fake) {
    let server = Fake::start(|_| {
        let answer = Response::builder().status(201);
        answer.body(BODY.to_owned()).expect("a good answer")
    });
    let server = server.await;
    (Proxy::start(server.address().port()).await, server)
}

async fn ask(
    proxy: &Proxy,
    method: Method,
    path: &str,
    body: &'static str,
) -> Result<(u16, String), ErrorKind> {
    let mut request = Request::new(url(proxy, path), method);
    request.set_body(body);
    let kind = |error: azure_core::Error| error.kind().clone();
    let answer = Wire::new().send(&request).await.map_err(kind)?;
    let answer = answer.try_into_raw_response().await.map_err(kind)?;
    let body = String::from_utf8(answer.body().to_vec()).expect("it is text");
    Ok((answer.status().into(), body))
}

fn url(proxy: &Proxy, path: &str) -> Url {
    Url::parse(&format!("http://{}{path}", proxy.address())).expect("an address")
}
