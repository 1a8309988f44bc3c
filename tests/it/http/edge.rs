use std::convert::Infallible;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use seawall::context::{self, Context};
use seawall::http::{EdgeLayer, ReplayBody};
use seawall::replay::NotReplayable;
use seawall::time::{Clock, Instant};
use seawall::{Error, Reason};
use tokio_test::task;
use tower::{Layer, Service, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

type Sent = Request<ReplayBody<Full<Bytes>>>;

#[tokio::test]
async fn the_earlier_deadline_is_set_for_everyone_inside() {
    let clock = Clock::manual();
    let at = Instant::from_nanos;
    for (timeout, given, expected) in [
        (Some(SECOND), None, Some(at(1_000_000_000))),
        (Some(SECOND), Some(at(500)), Some(at(500))),
        (Some(SECOND), Some(at(u64::MAX / 2)), Some(at(1_000_000_000))),
        (Some(Duration::MAX), None, None),
        (None, Some(at(500)), Some(at(500))),
        (None, None, None),
    ] {
        let (sender, seen) = mpsc::channel();
        let asked = clock.clone();
        let inner = service_fn(move |_: Sent| {
            sender.send(context::deadline(&asked)).unwrap();
            let (sender, asked) = (sender.clone(), asked.clone());
            async move {
                sender.send(context::deadline(&asked)).unwrap();
                Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
            }
        });
        let client = EdgeLayer::new().timeout(timeout).clock(clock.clone()).layer(inner);

        let context = given.map_or(Context::new(), |given| Context::new().deadline(given));
        context.scope(client.oneshot(request())).await.unwrap();

        assert_eq!(seen.try_iter().collect::<Vec<_>>(), [expected, expected]);
        assert_eq!(context::deadline(&clock), None);
    }
}

#[tokio::test]
async fn the_deadline_counts_from_the_call_and_covers_the_body() {
    let clock = Clock::manual();
    let later = clock.clone();
    let slow = service_fn(move |_: Sent| {
        // The headers take most of the time.
        later.advance(SECOND * 9 / 10);
        async { Ok::<_, Infallible>(Response::new(Silent)) }
    });
    let client = EdgeLayer::new().name("orders").timeout(SECOND).clock(clock.clone()).layer(slow);

    let response = client.oneshot(request()).await.unwrap();
    let mut body = task::spawn(response.into_body().collect());
    assert!(body.poll().is_pending());
    clock.advance(SECOND / 10);

    assert!(body.is_woken());
    let Poll::Ready(Err(Error::Rejected(rejection))) = body.poll() else { panic!("in time") };
    assert_eq!((rejection.policy(), rejection.reason()), ("orders", Reason::TimedOut));
}

#[tokio::test]
async fn a_download_may_be_allowed_to_take_longer() {
    let clock = Clock::manual();
    let silent = service_fn(async |_: Sent| Ok::<_, Infallible>(Response::new(Silent)));
    let edge = EdgeLayer::new().timeout(SECOND).body_deadline(false).clock(clock.clone());

    let response = edge.layer(silent).oneshot(request()).await.unwrap();
    let mut body = task::spawn(response.into_body().collect());
    assert!(body.poll().is_pending());
    clock.advance(SECOND * 100);

    assert!(body.poll().is_pending());
}

#[tokio::test]
async fn the_body_that_is_sent_can_be_sent_again() {
    let again = service_fn(async |request: Sent| {
        let again = request.body().again().unwrap();
        let first = request.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(again.collect().await.unwrap().to_bytes(), first);
        Ok::<_, Infallible>(Response::new(Full::new(first)))
    });

    let response = EdgeLayer::new().layer(again).oneshot(request()).await.unwrap();

    assert_eq!(response.extensions().get::<NotReplayable>(), None);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "two shirts");
}

#[tokio::test]
async fn an_answer_says_why_its_request_could_not_have_been_sent_again() {
    // Known from the start, and found out while it is sent.
    let known = Full::new(Bytes::from("two shirts")).boxed();
    let found_out = http_body_util::StreamBody::new(futures_util::stream::iter([
        Ok(Frame::data(Bytes::from("two "))),
        Ok(Frame::data(Bytes::from("shirts"))),
    ]));
    for body in [known, BodyExt::boxed(found_out)] {
        let echo = service_fn(async |request: Request<ReplayBody<_>>| {
            let body: ReplayBody<http_body_util::combinators::BoxBody<Bytes, Infallible>> =
                request.into_body();
            Ok::<_, Infallible>(Response::new(Full::new(body.collect().await.unwrap().to_bytes())))
        });
        let client = EdgeLayer::new().replay_cap(9).layer(echo);

        let response = client.oneshot(Request::new(body)).await.unwrap();

        assert_eq!(response.extensions().get(), Some(&NotReplayable::BodyTooLarge));
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "two shirts");
    }
}

#[tokio::test]
async fn a_call_is_dropped_in_its_context() {
    struct OnDrop(Clock, mpsc::Sender<Option<Instant>>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.1.send(context::deadline(&self.0)).unwrap();
        }
    }
    let clock = Clock::manual();
    let (sender, seen) = mpsc::channel();
    let inner_clock = clock.clone();
    let hanging = service_fn(move |_: Sent| {
        let held = OnDrop(inner_clock.clone(), sender.clone());
        async move {
            let _held = held;
            std::future::pending::<()>().await;
            Ok::<_, Infallible>(Response::new(Silent))
        }
    });
    let mut client = EdgeLayer::new().timeout(SECOND).clock(clock).layer(hanging);

    let mut call = task::spawn(client.call(request()));
    assert!(call.poll().is_pending());
    drop(call);

    assert_eq!(seen.try_iter().collect::<Vec<_>>(), [Some(Instant::from_nanos(1_000_000_000))]);
}

fn request() -> Request<Full<Bytes>> {
    Request::new(Full::new(Bytes::from("two shirts")))
}

/// A body that never says anything.
struct Silent;

impl Body for Silent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}
