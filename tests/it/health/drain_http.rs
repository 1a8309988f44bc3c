use std::convert::Infallible;
use std::future::Future;
use std::task::Poll;

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody};
use seawall::health::Phase;
use seawall::health::drain::{Cause, Drain};
use seawall::time::{Clock, Instant};
use tower::{Layer, Service, service_fn};

use super::drain::{secs, slow};
use crate::task::Task;

#[test]
fn answers_ask_http_1_clients_to_leave_once_it_is_time() {
    let clock = Clock::manual();
    let drain = slow(&clock);
    let (ten, eleven, two) = (Version::HTTP_10, Version::HTTP_11, Version::HTTP_2);
    let rows = [
        (0, eleven, 200, None),
        (1, eleven, 200, None),
        (60, ten, 200, Some("close")),
        (60, eleven, 200, Some("close")),
        (60, two, 200, None),
        (65, eleven, 503, Some("close")),
        (65, two, 503, None),
        (75, eleven, 503, Some("close")),
    ];
    for (at, version, status, connection) in rows {
        if at > 0 {
            drain.start(Cause::Operator);
        }
        clock.advance(secs(at).saturating_sub(clock.now().since(Instant::default())));
        let response = call(&drain, version);

        assert_eq!(response.status(), status, "at {at} s");
        let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header("connection"), connection, "at {at} s");
        assert_eq!(header("retry-after"), (status == 503).then_some("3"), "at {at} s");
        assert_eq!(response.body().is_end_stream(), status == 503);
    }
}

#[test]
fn an_answer_that_began_before_the_end_asks_to_leave() {
    let clock = Clock::manual();
    let drain = slow(&clock);
    let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
    let mut receiver = Some(receiver);
    let mut service = drain.http_layer().layer(service_fn(move |_: Request<()>| {
        let receiver = receiver.take().unwrap();
        async move {
            receiver.await.ok();
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("hello"))))
        }
    }));
    let mut answer = Task::new(service.call(Request::new(())));
    assert!(answer.poll().is_pending());
    drain.start(Cause::Operator);
    clock.advance(secs(66));
    assert_eq!(drain.phase(), Phase::Rejecting);

    sender.send(()).unwrap();

    let Poll::Ready(Ok(response)) = answer.poll() else { panic!("not answered") };
    assert_eq!(
        (response.status().as_u16(), &response.headers()["connection"]),
        (200, &"close".parse().unwrap())
    );
}

#[test]
fn a_request_is_under_way_until_its_answers_body_has_ended() {
    let drain = slow(&Clock::manual());
    let frames = [Ok::<_, Infallible>(Frame::data(Bytes::from("hello")))];
    let mut body = Some(StreamBody::new(futures_util::stream::iter(frames)));
    let mut service = drain.http_layer().layer(service_fn(move |_: Request<()>| {
        let body = body.take().unwrap();
        async { Ok::<_, Infallible>(Response::new(body)) }
    }));
    let answer = ready(service.call(Request::new(()))).unwrap();
    assert_eq!(drain.in_flight(), 1);
    let mut body = answer.into_body();

    assert!(ready(body.frame()).unwrap().is_ok());
    assert_eq!(drain.in_flight(), 1);
    assert!(ready(body.frame()).is_none());

    assert_eq!(drain.in_flight(), 0, "the body has ended, and is not dropped yet");
}

#[test]
fn a_request_that_is_given_up_is_counted_out() {
    let drain = slow(&Clock::manual());
    let mut service = drain.http_layer().layer(service_fn(|_: Request<()>| {
        std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>()
    }));
    let mut answer = Task::new(service.call(Request::new(())));
    assert!(answer.poll().is_pending());
    assert_eq!(drain.in_flight(), 1);
    drop(answer);
    assert_eq!(drain.in_flight(), 0);

    let unread = call(&drain, Version::HTTP_11);
    assert_eq!(drain.in_flight(), 1);
    drop(unread);
    assert_eq!(drain.in_flight(), 0);
}

#[test]
fn a_service_that_is_never_ready_is_not_waited_for_once_requests_are_turned_away() {
    let clock = Clock::manual();
    let drain = slow(&clock);
    let mut service = drain
        .http_layer()
        .layer(tower::util::MapRequestLayer::new(|r: Request<()>| r).layer(Never));
    let mut turned_away = Task::new(async move {
        std::future::poll_fn(|cx| service.poll_ready(cx)).await?;
        service.call(Request::new(())).await
    });
    assert!(turned_away.poll().is_pending());
    drain.start_by(Cause::Maintenance, clock.now());

    let Poll::Ready(Ok(response)) = turned_away.poll() else { panic!("waits for the dead") };
    assert_eq!(response.status(), 503);
}

struct Never;

impl Service<Request<()>> for Never {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Pending<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Pending
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        panic!("called without being ready")
    }
}

fn call(drain: &Drain, version: Version) -> Response<impl Body + use<>> {
    let mut service = drain.http_layer().layer(service_fn(async |_: Request<()>| {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("hello"))))
    }));
    let request = Request::builder().version(version).body(()).unwrap();
    ready(service.call(request)).unwrap()
}

fn ready<F: Future>(future: F) -> F::Output {
    let future = std::pin::pin!(future);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let Poll::Ready(output) = future.poll(&mut cx) else { panic!("not ready") };
    output
}
