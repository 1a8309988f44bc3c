//! The clients, and the load that is put on them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Body, Bytes, Incoming};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use seawall::circuit_breaker::State;
use seawall::http::ReplayBody;
use seawall::stack::{HttpStackService, Stack};
use tokio::task::JoinSet;
use tower::{Layer as _, Service, ServiceExt as _};

use crate::event::{Event, Run};
use crate::record::Breaker;

/// What the calls send: a GET.
pub(crate) type Call = Request<Empty<Bytes>>;

/// The HTTP client that both use, with every attempt counted.
pub(crate) type Http<B> = Counted<legacy::Client<HttpConnector, B>>;

/// Time that calls have to end once no more arrive. What still runs then has failed.
const PATIENCE: Duration = Duration::from_secs(8);

/// A way to call the server.
pub(crate) trait Client: Clone + Send + 'static {
    /// Makes one call, with whatever it takes, and says whether an answer came.
    fn call(&self, request: Call) -> impl Future<Output = bool> + Send;

    /// The state of its circuit breaker, if it has one.
    fn breaker(&self) -> Option<Breaker>;
}

/// The client as most write it: a second for each attempt, and three retries of whatever failed,
/// after 100, 200 and 400 ms.
#[derive(Clone)]
pub(crate) struct Bare<S>(pub(crate) S);

impl<S, B> Client for Bare<S>
where
    S: Service<Call, Response = Response<B>, Future: Send> + Clone + Send + Sync + 'static,
    B: Body<Data: Send> + Send,
{
    async fn call(&self, request: Call) -> bool {
        let mut backoff = Duration::from_millis(100);
        for retries_left in (0..=3).rev() {
            let attempt = exchange(self.0.clone(), request.clone());
            if let Ok(true) = tokio::time::timeout(Duration::from_secs(1), attempt).await {
                return true;
            }
            if retries_left > 0 {
                tokio::time::sleep(backoff).await;
                backoff *= 2;
            }
        }
        false
    }

    fn breaker(&self) -> Option<Breaker> {
        None
    }
}

/// The same HTTP client in Seawall's standard stack, as it is by default.
#[derive(Clone)]
pub(crate) struct Protected {
    stack: Stack,
    http: HttpStackService<Http<ReplayBody<Empty<Bytes>>>>,
}

impl Protected {
    pub(crate) fn new(stack: Stack, run: Run, events: Sender<Event>) -> Self {
        let http = stack.http_layer().layer(http(run, events));
        Self { stack, http }
    }
}

impl Client for Protected {
    async fn call(&self, request: Call) -> bool {
        exchange(self.http.clone(), request).await
    }

    fn breaker(&self) -> Option<Breaker> {
        self.stack.circuit_breaker().map(|breaker| match breaker.state() {
            State::Recovering => Breaker::Recovering,
            State::HalfOpen => Breaker::HalfOpen,
            State::Open | State::Isolated => Breaker::Open,
            // Nobody sets this one by hand, and each of the others lets all calls pass.
            _ => Breaker::Closed,
        })
    }
}

/// Sends a request and reads the whole answer; whether it came and says success.
async fn exchange<S, B>(service: S, request: Call) -> bool
where
    S: Service<Call, Response = Response<B>>,
    B: Body,
{
    let Ok(response) = service.oneshot(request).await else { return false };
    let success = response.status().is_success();
    success && response.into_body().collect().await.is_ok()
}

/// The HTTP client, as hyper-util makes it.
pub(crate) fn http<B>(run: Run, events: Sender<Event>) -> Http<B>
where
    B: Body<Data: Send> + Send,
{
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let inner = legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .build(connector);
    Counted { inner, run, events }
}

/// Tells of every request that passes.
#[derive(Clone)]
pub(crate) struct Counted<S> {
    inner: S,
    run: Run,
    events: Sender<Event>,
}

impl<S, B> Service<Request<B>> for Counted<S>
where
    S: Service<Request<B>, Response = Response<Incoming>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if let Some(call) = number_of(request.uri()) {
            // Nobody listens any more once the figures are being drawn up.
            let _ = self.events.send(Event::Sent { call, at: self.run.elapsed() });
        }
        self.inner.call(request)
    }
}

/// The number that a call has in the path of its address, `/orders/7`.
fn number_of(uri: &Uri) -> Option<usize> {
    uri.path().strip_prefix("/orders/")?.parse().ok()
}

/// Makes a call at each of `arrivals`, whether or not earlier ones have ended.
pub(crate) async fn drive<C: Client>(
    client: C,
    address: SocketAddr,
    arrivals: Arc<[Duration]>,
    run: Run,
    events: Sender<Event>,
) {
    let mut calls = JoinSet::new();
    for (number, arrival) in arrivals.iter().enumerate() {
        tokio::time::sleep_until(run.at(*arrival)).await;
        let request = Request::get(format!("http://{address}/orders/{number}"))
            .body(Empty::new())
            .expect("a loopback address and a number make a valid address");
        let (client, events) = (client.clone(), events.clone());
        calls.spawn(async move {
            let ok = client.call(request).await;
            let _ = events.send(Event::Ended { call: number, at: run.elapsed(), ok });
        });
        while calls.try_join_next().is_some() {}
    }
    let rest = async { while calls.join_next().await.is_some() {} };
    // What has not ended by now counts as failed, for no end was told of it.
    let _ = tokio::time::timeout(PATIENCE, rest).await;
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::pending;
    use std::sync::atomic::{AtomicU16, Ordering};

    use http::StatusCode;
    use http_body_util::Full;
    use tower::service_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_bare_client_gives_four_attempts_a_second_each_and_doubles_its_pauses() {
        let begin = tokio::time::Instant::now();
        let (sent, attempts) = std::sync::mpsc::channel();
        let client = Bare(service_fn(move |_: Call| {
            let _ = sent.send(begin.elapsed().as_millis());
            pending::<Result<Response<Full<Bytes>>, Infallible>>()
        }));

        let ok = client.call(Call::default()).await;

        assert!(!ok);
        assert_eq!(attempts.try_iter().collect::<Vec<_>>(), [0, 1_100, 2_300, 3_700]);
        assert_eq!(begin.elapsed(), Duration::from_millis(4_700));
    }

    #[tokio::test(start_paused = true)]
    async fn the_bare_client_takes_the_first_success_and_nothing_less() {
        let statuses = Arc::new(AtomicU16::new(501));
        let client = Bare(service_fn({
            let statuses = Arc::clone(&statuses);
            // 501, 351, and 201 with the third attempt.
            move |_: Call| {
                let status = statuses.fetch_sub(150, Ordering::Relaxed);
                let mut response = Response::new(Full::<Bytes>::default());
                *response.status_mut() = StatusCode::from_u16(status).unwrap();
                async move { Ok::<_, Infallible>(response) }
            }
        }));

        let ok = client.call(Call::default()).await;

        assert!(ok);
        assert_eq!(statuses.load(Ordering::Relaxed), 501 - 3 * 150);
    }

    #[test]
    fn a_call_is_known_by_its_path() {
        let number = |uri: &'static str| number_of(&Uri::from_static(uri));

        assert_eq!(number("http://127.0.0.1:80/orders/17"), Some(17));
        assert_eq!(number("http://127.0.0.1:80/orders/x"), None);
        assert_eq!(number("http://127.0.0.1:80/"), None);
    }
}
