use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody};
use seawall::Reason;
use seawall::error::{BoxError, Reject};
use seawall::http::{Ambiguous, ReplayBody};
use seawall::replay::NotReplayable;
use seawall::stack::{HttpStackService, Stack};
use seawall::telemetry::Environment;
use seawall::time::Clock;
use tokio::time::{Instant, Interval, interval};
use tower::{Layer, Service, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_call_with_a_key_is_sent_again_with_identical_bytes() {
    let (client, seen) = client([Step::Answer(500), Step::Reset, Step::Answer(200)]);

    let order = post().header("idempotency-key", "8e03978e").body(shirts()).unwrap();
    let response = client.oneshot(order).await.unwrap();

    assert_eq!(response.status(), StatusCode::OK);
    let seen: Vec<_> = seen.try_iter().collect();
    let repeats: Vec<_> = seen.iter().map(|seen| seen.headers.get("retry-attempt")).collect();
    assert_eq!(repeats[0], None);
    assert_eq!(repeats[1].unwrap(), "1");
    assert_eq!(repeats[2].unwrap(), "2");
    for seen in seen {
        assert_eq!(seen.method, Method::POST);
        assert_eq!(seen.headers["idempotency-key"], "8e03978e");
        assert_eq!(seen.body, "two shirts");
    }
}

#[tokio::test(start_paused = true)]
async fn each_attempt_is_told_less_time() {
    let (client, seen) = client([Step::Answer(500), Step::Answer(500), Step::Answer(200)]);

    client.oneshot(get()).await.unwrap();

    let left = |seen: Seen| -> u64 {
        seen.headers["x-envoy-expected-rq-timeout-ms"].to_str().unwrap().parse().unwrap()
    };
    let left: Vec<_> = seen.try_iter().map(left).collect();
    assert_eq!(left.len(), 3);
    assert!(left.is_sorted_by(|before, after| before >= after), "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_may_have_been_executed_is_not_sent_again() {
    let (failing, seen) = client([Step::Answer(500), Step::Answer(200)]);
    let response = failing.oneshot(post().body(shirts()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(response.extensions().get::<Ambiguous>().is_some());
    assert_eq!(seen.try_iter().count(), 1);

    let (failing, seen) = client([Step::Reset, Step::Answer(200)]);
    let error = failing.oneshot(post().body(shirts()).unwrap()).await.unwrap_err();
    assert!(error.is_ambiguous(), "{error:?}");
    assert_eq!(seen.try_iter().count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_not_executed_is_sent_again_whatever_it_is() {
    for step in [Step::Refused, Step::Busy(429, "1"), Step::Busy(503, "1")] {
        let (client, seen) = client([step, Step::Answer(200)]);

        let response = client.oneshot(post().body(shirts()).unwrap()).await.unwrap();

        assert_eq!(response.status(), StatusCode::OK);
        let bodies: Vec<_> = seen.try_iter().map(|seen| seen.body).collect();
        assert_eq!(bodies, ["two shirts", "two shirts"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_the_server_asks_for_is_not_undercut() {
    let start = Instant::now();
    let (client, seen) = client([Step::Busy(503, "2"), Step::Answer(200)]);

    client.oneshot(get()).await.unwrap();

    assert!(start.elapsed() >= 2 * SECOND);
    assert_eq!(seen.try_iter().count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_does_not_fit_ends_the_call_with_the_real_answer_at_once() {
    for wait in ["86400", "18446744073709551615", "Fri, 31 Dec 9999 23:59:59 GMT"] {
        let start = Instant::now();
        let (client, seen) = client([Step::Busy(503, wait), Step::Answer(200)]);

        let response = client.oneshot(get()).await.unwrap();

        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(seen.try_iter().count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_can_not_be_read_does_not_mean_at_once() {
    for wait in ["-1", "NaN", "0", "Thu, 01 Jan 1970 00:00:00 GMT"] {
        let start = Instant::now();
        let busy = || Step::Busy(429, wait);
        let (client, _seen) = client([busy(), busy(), Step::Answer(200)]);

        let response = client.oneshot(get()).await.unwrap();

        assert_eq!(response.status(), StatusCode::OK);
        assert!(start.elapsed() > Duration::from_millis(1), "{wait}: {:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_fit_is_sent_once_and_whole_and_says_why() {
    let chunk = || Ok::<_, Infallible>(Frame::data(Bytes::from(vec![7; 40_000])));
    let known = Full::new(Bytes::from(vec![7; 80_000])).boxed();
    let found_out = BodyExt::boxed(StreamBody::new(stream::iter([chunk(), chunk()])));
    for body in [known, found_out] {
        let (client, seen) = client([Step::Answer(500), Step::Answer(200)]);

        let put = Request::put("http://localhost/orders/7").body(body).unwrap();
        let response = client.oneshot(put).await.unwrap();

        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.extensions().get(), Some(&NotReplayable::BodyTooLarge));
        let bodies: Vec<_> = seen.try_iter().map(|seen| seen.body.len()).collect();
        assert_eq!(bodies, [80_000]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_total_timeout_covers_the_body_of_the_answer() {
    let start = Instant::now();
    let (client, _seen) = client([Step::Drip]);

    let response = client.oneshot(get()).await.unwrap();
    let error = response.into_body().collect().await.unwrap_err();

    assert_eq!(error.rejection().unwrap().reason(), Reason::TimedOut);
    let passed = start.elapsed();
    assert!(passed >= 30 * SECOND && passed < 31 * SECOND, "{passed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_of_a_client_with_boxed_errors_can_be_spawned_once_they_have_a_name() {
    #[derive(Debug)]
    struct Boxed(BoxError);

    let stack = Stack::builder().without_retry().build().unwrap();
    let boxed = service_fn(|_: Request<ReplayBody<Full<Bytes>>>| async {
        Err::<Response<Drip>, _>(Boxed("reset".into()))
    });

    let call = tokio::spawn(async move { stack.http_layer().layer(boxed).oneshot(get()).await });

    let error = call.await.unwrap().err().unwrap();
    assert_eq!(error.into_service().unwrap().0.to_string(), "reset");
}

/// A client in a standard stack, of a server that goes by the book, and what the server saw.
fn client<const N: usize>(steps: [Step; N]) -> (HttpStackService<Scripted>, mpsc::Receiver<Seen>) {
    let environment = Environment::new().clock(Clock::tokio());
    let stack = Stack::builder().name("orders").total_timeout(30 * SECOND);
    let stack = stack.build_in(&environment).unwrap();
    let (sender, seen) = mpsc::channel();
    let steps = Arc::new(Steps::from(steps));
    (stack.http_layer().layer(Scripted { steps, sender }), seen)
}

fn get() -> Request<Full<Bytes>> {
    Request::get("http://localhost/orders/7").body(Full::default()).unwrap()
}

fn post() -> http::request::Builder {
    Request::post("http://localhost/orders")
}

fn shirts() -> Full<Bytes> {
    Full::new(Bytes::from("two shirts"))
}

/// What the server does with one request.
#[derive(Clone, Copy)]
enum Step {
    Answer(u16),
    /// Says when to come back.
    Busy(u16, &'static str),
    /// Answers, with a body that never ends.
    Drip,
    /// Never gets the request.
    Refused,
    /// Gets the request, and goes.
    Reset,
}

struct Steps {
    steps: Vec<Step>,
    next: AtomicUsize,
}

impl<const N: usize> From<[Step; N]> for Steps {
    fn from(steps: [Step; N]) -> Self {
        Self { steps: steps.into(), next: AtomicUsize::new(0) }
    }
}

struct Seen {
    method: Method,
    headers: HeaderMap,
    body: Bytes,
}

#[derive(Clone)]
struct Scripted {
    steps: Arc<Steps>,
    sender: mpsc::Sender<Seen>,
}

impl<A> Service<Request<ReplayBody<A>>> for Scripted
where
    A: Body<Error = Infallible> + Send + 'static,
{
    type Response = Response<Drip>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Response<Drip>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ReplayBody<A>>) -> Self::Future {
        let step = self.steps.steps[self.steps.next.fetch_add(1, Ordering::Relaxed)];
        let sender = self.sender.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            sender.send(Seen { method: head.method, headers: head.headers, body }).unwrap();
            let answer = |status, drips| {
                let answer = Response::builder().status(status);
                answer.body(Drip(drips)).map_err(io::Error::other)
            };
            match step {
                Step::Answer(status) => answer(status, None),
                Step::Busy(status, wait) => {
                    let mut answer = answer(status, None)?;
                    answer.headers_mut().insert("retry-after", HeaderValue::from_static(wait));
                    Ok(answer)
                }
                Step::Drip => answer(200, Some(interval(SECOND / 2))),
                Step::Refused => Err(io::ErrorKind::ConnectionRefused.into()),
                Step::Reset => Err(io::ErrorKind::ConnectionReset.into()),
            }
        })
    }
}

/// Nothing, or a drop at each tick for ever.
struct Drip(Option<Interval>);

impl Body for Drip {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(interval) = &mut self.0 else { return Poll::Ready(None) };
        interval.poll_tick(cx).map(|_| Some(Ok(Frame::data(Bytes::from_static(b".")))))
    }
}
