//! The stack in the SDK's pipeline.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::{Error, ErrorKind};
use azure_core::http::headers::Headers;
use azure_core::http::{Body, Method, RawResponse, StatusCode};
use azure_core::stream::{BytesStream, SeekableStream};
use futures_util::StreamExt;
use seawall::azure::{CallOptions, Contract, Resilience, is_ambiguous};
use seawall::error::Reject;
use seawall::health::{Registry, Verdict};
use seawall::replay::{Safety, Verified};
use seawall::{Reason, bulkhead, circuit_breaker, retry, stack};
use tokio::time::Instant;

use super::pipeline::{Client, Turn, Wire, get, request, told};

const BLOB: &str = "https://orders.blob.core.windows.net/c/b";
const APPEND: &str = "https://orders.blob.core.windows.net/c/b?comp=appendblock";

fn storage() -> seawall::azure::resilience::Config {
    Resilience::storage("orders")
}

fn status_of(result: &azure_core::Result<RawResponse>) -> Option<StatusCode> {
    result.as_ref().unwrap_err().http_status()
}

/// The headers of an error's answer.
fn headers_of(error: &Error) -> &Headers {
    match error.kind() {
        ErrorKind::HttpResponse { raw_response: Some(raw), .. } => raw.headers(),
        kind => panic!("{kind:?} has no answer"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_passes_is_tried_again_and_the_answer_says_so() {
    let wire = Wire::turns([Turn::status(500), Turn::Reset, Turn::ok("two shirts")]);
    let (_, client) = wire.wrapped(&storage());

    let answer = client.send(get(BLOB)).await.unwrap();

    assert_eq!(answer.body().as_ref(), b"two shirts");
    assert_eq!(told(answer.headers(), "x-resilience-attempts"), Some("3"));
    let served_by = told(answer.headers(), "x-resilience-served-by");
    assert_eq!(served_by, Some("orders.blob.core.windows.net"));
    assert_eq!(told(answer.headers(), "x-resilience-ambiguous"), None);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_does_not_fit_ends_the_call_with_the_real_answer_at_once() {
    const LATER: Turn = Turn::Answer(503, &[("retry-after", "7200")], "busy");
    let wire = Wire::turns([LATER, Turn::ok("fine")]);
    let (_, client) = wire.wrapped(&storage());

    let begin = Instant::now();
    let context = CallOptions::new().deadline(Duration::from_secs(5)).into_context();
    let result = client.send_in(&context, get(BLOB)).await;

    assert_eq!(status_of(&result), Some(StatusCode::ServiceUnavailable));
    assert_eq!(told(headers_of(&result.unwrap_err()), "retry-after"), Some("7200"));
    assert_eq!((begin.elapsed(), wire.count()), (Duration::ZERO, 1));

    // As it is without the stack:
    let wire = Wire::turns([LATER, Turn::ok("fine")]);
    let begin = Instant::now();
    wire.bare().send(get(BLOB)).await.unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(7200), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_is_not_safe_to_repeat_is_sent_once_and_is_told_to_be_unknown() {
    let wire = Wire::turns([Turn::Reset, Turn::status(201)]);
    let (_, client) = wire.wrapped(&storage());

    let error = client.send(request(Method::Put, APPEND)).await.unwrap_err();
    assert!(is_ambiguous(&error));
    assert_eq!((error.kind(), wire.count()), (&ErrorKind::Io, 1));

    let wire = Wire::turns([Turn::status(500), Turn::status(201)]);
    let (_, client) = wire.wrapped(&storage());
    let error = client.send(request(Method::Put, APPEND)).await.unwrap_err();
    assert_eq!(told(headers_of(&error), "x-resilience-ambiguous"), Some("true"));
    assert!(is_ambiguous(&error));
    assert_eq!(wire.count(), 1);

    // What certainly was not executed may be sent again whatever it is.
    let wire = Wire::turns([Turn::Refused, Turn::status(201)]);
    let (_, client) = wire.wrapped(&storage());
    client.send(request(Method::Put, APPEND)).await.unwrap();
    assert_eq!(wire.count(), 2);

    // As it is without the stack:
    let wire = Wire::turns([Turn::Reset, Turn::status(201)]);
    wire.bare().send(request(Method::Put, APPEND)).await.unwrap();
    assert_eq!(wire.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_caller_says_what_is_safe() {
    for (safety, sent) in [(Safety::Idempotent, 2), (Safety::Unsafe, 1)] {
        let wire = Wire::turns([Turn::Reset, Turn::status(201)]);
        let (_, client) = wire.wrapped(&storage());
        let context = CallOptions::new().safety(safety).into_context();

        let result = client.send_in(&context, request(Method::Put, BLOB)).await;

        assert_eq!((result.is_ok(), wire.count()), (sent == 2, sent));
    }
}

#[tokio::test(start_paused = true)]
async fn a_conflict_that_an_earlier_attempt_may_have_made_is_told() {
    let wire = Wire::turns([Turn::Reset, Turn::status(404)]);
    let (_, client) = wire.wrapped(&storage());
    let error = client.send(request(Method::Delete, BLOB)).await.unwrap_err();
    assert_eq!(told(headers_of(&error), "x-resilience-ambiguous"), Some("true"));
    assert_eq!(told(headers_of(&error), "x-resilience-attempts"), Some("2"));

    let wire = Wire::turns([Turn::status(404)]);
    let (_, client) = wire.wrapped(&storage());
    let error = client.send(request(Method::Delete, BLOB)).await.unwrap_err();
    assert_eq!(told(headers_of(&error), "x-resilience-ambiguous"), None);

    let wire = Wire::turns([Turn::Refused, Turn::status(404)]);
    let (_, client) = wire.wrapped(&storage());
    let error = client.send(request(Method::Delete, BLOB)).await.unwrap_err();
    assert_eq!(told(headers_of(&error), "x-resilience-ambiguous"), None);
}

#[tokio::test(start_paused = true)]
async fn a_look_afterwards_decides_what_became_of_a_call() {
    let found = || {
        let mut headers = Headers::new();
        headers.insert("etag", "\"7\"");
        RawResponse::from_bytes(StatusCode::Ok, headers, Vec::new())
    };
    for (look, sent, expected) in [
        (Verified::Executed(()), 1, Ok(200)),
        (Verified::NotExecuted, 2, Ok(201)),
        (Verified::Unknown, 1, Err(true)),
    ] {
        let wire = Wire::turns([Turn::Reset, Turn::status(201)]);
        let (_, client) = wire.wrapped(&storage());
        let options = CallOptions::new().verify(move || async move {
            match look {
                Verified::Executed(()) => Verified::Executed(found()),
                Verified::NotExecuted => Verified::NotExecuted,
                Verified::Unknown => Verified::Unknown,
            }
        });

        let result = client.send_in(&options.into_context(), request(Method::Put, APPEND)).await;

        let ended =
            result.map(|answer| u16::from(answer.status())).map_err(|error| is_ambiguous(&error));
        assert_eq!((ended, wire.count()), (expected, sent));
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_that_hangs_ends_with_the_deadline() {
    let wire = Wire::turns([Turn::Reset]);
    let (_, client) = wire.wrapped(&storage());
    let options = CallOptions::new().deadline(Duration::from_secs(5)).verify(std::future::pending);

    let begin = Instant::now();
    let error =
        client.send_in(&options.into_context(), request(Method::Put, APPEND)).await.unwrap_err();

    assert!(is_ambiguous(&error));
    assert_eq!(begin.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_costs_no_more_than_the_deadline() {
    let wire = Wire::turns([Turn::Hangs]);
    let (_, client) = wire.wrapped(&storage().stack(stack::Config::without_attempt_timeout));
    let context = CallOptions::new().deadline(Duration::from_secs(5)).into_context();

    let begin = Instant::now();
    let error = client.send_in(&context, get(BLOB)).await.unwrap_err();

    assert_eq!(error.rejection().unwrap().reason(), Reason::TimedOut);
    assert!(begin.elapsed() <= Duration::from_millis(5_010), "{:?}", begin.elapsed());

    // As it is without the stack:
    let wire = Wire::turns([Turn::Hangs]);
    let bare = wire.bare();
    let hangs = tokio::time::timeout(Duration::from_secs(24 * 3600), bare.send(get(BLOB)));
    assert!(hangs.await.is_err());
}

/// A stream that can be read once.
#[derive(Clone, Debug)]
struct Once(BytesStream);

impl futures_util::AsyncRead for Once {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

#[async_trait::async_trait]
impl SeekableStream for Once {
    async fn reset(&mut self) -> azure_core::Result<()> {
        Err(Error::with_message(ErrorKind::Io, "it was read"))
    }

    fn len(&self) -> Option<u64> {
        self.0.len()
    }
}

fn upload(stream: impl SeekableStream + 'static) -> azure_core::http::Request {
    let mut request = request(Method::Put, BLOB);
    request.set_body(Body::SeekableStream(Box::new(stream)));
    request
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_put_back_before_it_is_sent_again() {
    let wire = Wire::turns([Turn::status(503), Turn::Reset, Turn::status(201)]);
    let (_, client) = wire.wrapped(&storage());

    client.send(upload(BytesStream::new("two shirts"))).await.unwrap();

    assert_eq!(
        wire.seen().iter().map(|seen| &seen.body[..]).collect::<Vec<_>>(),
        [b"two shirts"; 3]
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_can_not_be_put_back_ends_the_call_with_the_answer_that_it_had() {
    let wire = Wire::turns([Turn::status(503), Turn::status(201)]);
    let (_, client) = wire.wrapped(&storage());

    let result = client.send(upload(Once(BytesStream::new("two shirts")))).await;

    assert_eq!(status_of(&result), Some(StatusCode::ServiceUnavailable));
    assert_eq!(wire.count(), 1);
}

/// A stream over something that does not answer when it is to be read again.
#[derive(Clone, Debug)]
struct Stuck(BytesStream);

impl futures_util::AsyncRead for Stuck {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

#[async_trait::async_trait]
impl SeekableStream for Stuck {
    async fn reset(&mut self) -> azure_core::Result<()> {
        std::future::pending().await
    }

    fn len(&self) -> Option<u64> {
        self.0.len()
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_hangs_when_it_is_put_back_ends_the_call_at_its_deadline() {
    let wire = Wire::turns([Turn::status(503), Turn::status(201)]);
    let (_, client) = wire.wrapped(&storage());
    let context = CallOptions::new().deadline(Duration::from_secs(5)).into_context();

    let begin = Instant::now();
    let result = client.send_in(&context, upload(Stuck(BytesStream::new("two shirts")))).await;

    assert_eq!(status_of(&result), Some(StatusCode::ServiceUnavailable));
    assert_eq!((begin.elapsed(), wire.count()), (Duration::from_secs(5), 1));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_not_executed_is_not_made_again_without_its_body() {
    let wire = Wire::turns([Turn::Reset, Turn::status(201)]);
    let (_, client) = wire.wrapped(&storage());
    let options =
        CallOptions::new().safety(Safety::Unsafe).verify(|| async { Verified::NotExecuted });

    let once = upload(Once(BytesStream::new("two shirts")));
    let error = client.send_in(&options.clone().into_context(), once).await.unwrap_err();
    assert!(is_ambiguous(&error));
    assert_eq!(wire.count(), 1);

    let wire = Wire::turns([Turn::Reset, Turn::status(201)]);
    let (_, client) = wire.wrapped(&storage());
    let again = upload(BytesStream::new("two shirts"));
    client.send_in(&options.into_context(), again).await.unwrap();
    assert_eq!(wire.seen()[1].body.as_ref(), b"two shirts");
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_is_kept_while_others_are_tried_has_no_place() {
    let one = bulkhead::Bulkhead::builder().max_calls(1);
    let wire = Wire::turns([Turn::status(503), Turn::ok("two shirts")]);
    let (_, client) = wire.wrapped(&storage().stack(|stack| stack.bulkhead(one)));

    let answer = client.stream(get(BLOB)).await.unwrap();

    assert_eq!(answer.into_body().collect().await.unwrap().as_ref(), b"two shirts");
}

#[tokio::test(start_paused = true)]
async fn each_credential_has_a_check_of_its_own() {
    let resilience = storage().build().unwrap();
    let [first, second] = [Tokens(1), Tokens(2)].map(Arc::new);
    for inner in [&first, &second, &first] {
        drop(resilience.credential(Arc::clone(inner) as _));
    }

    let registry = Registry::new();
    for check in resilience.health() {
        registry.add(check).unwrap();
    }
    let report = registry.report();
    let names: Vec<_> = report.checks.iter().map(|check| check.name.as_str()).collect();
    assert!(names.contains(&"orders") && names.contains(&"orders/2"), "{names:?}");
    assert!(!names.contains(&"orders/3"), "{names:?}");
}

/// Never asked. Of a size, so that two of them are at two places.
#[derive(Debug)]
struct Tokens(#[expect(dead_code, reason = "it only makes a place")] u8);

#[async_trait::async_trait]
impl TokenCredential for Tokens {
    async fn get_token(
        &self,
        _: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        unreachable!("the test asks for none")
    }
}

#[tokio::test(start_paused = true)]
async fn a_download_that_breaks_off_is_made_again() {
    let whole = Turn::Answer(200, &[("content-length", "10")], "two shirts");
    let wire = Wire::turns([Turn::Breaks("two s"), whole.clone()]);
    let (_, client) = wire.wrapped(&storage());

    let answer = client.stream(get(BLOB)).await.unwrap();
    assert_eq!(told(answer.headers(), "x-resilience-attempts"), Some("2"));
    assert_eq!(answer.into_body().collect().await.unwrap().as_ref(), b"two shirts");

    // As it is without the stack:
    let wire = Wire::turns([Turn::Breaks("two s"), whole]);
    let answer = wire.bare().stream(get(BLOB)).await.unwrap();
    assert!(answer.into_body().collect().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_ends_too_early_is_no_answer() {
    let short = Turn::Answer(200, &[("content-length", "10")], "two s");
    let wire = Wire::turns([short, Turn::Answer(200, &[("content-length", "10")], "two shirts")]);
    let (_, client) = wire.wrapped(&storage());

    let answer = client.stream(get(BLOB)).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().as_ref(), b"two shirts");
    assert_eq!(wire.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_place_is_taken_until_the_body_has_ended() {
    let wire = Wire::turns([Turn::Drips(3)]);
    let one = bulkhead::Bulkhead::builder().max_calls(1);
    let (_, client) = wire.wrapped(&storage().stack(|stack| stack.bulkhead(one)));

    let mut body = client.stream(get(BLOB)).await.unwrap().into_body();
    let refused = client.stream(get(BLOB)).await.unwrap_err();
    assert_eq!(refused.rejection().unwrap().reason(), Reason::BulkheadFull);
    while let Some(bytes) = body.next().await {
        bytes.unwrap();
    }
    let half_read = client.stream(get(BLOB)).await.unwrap();
    drop(half_read);
    client.stream(get(BLOB)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_body_ends_with_the_deadline_unless_it_may_not() {
    let wire = Wire::turns([Turn::Drips(60)]);
    for bounded in [true, false] {
        let config = storage()
            .stack(|stack| {
                stack.total_timeout(Duration::from_secs(20)).attempt_timeout(Duration::from_secs(5))
            })
            .body_deadline(bounded);
        let (_, client) = wire.wrapped(&config);
        let begin = Instant::now();

        let body = client.stream(get(BLOB)).await.unwrap().into_body().collect().await;

        if bounded {
            assert_eq!(body.unwrap_err().rejection().unwrap().reason(), Reason::TimedOut);
            assert!(begin.elapsed() <= Duration::from_secs(21), "{:?}", begin.elapsed());
        } else {
            assert_eq!(body.unwrap().len(), 240);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_stacks_make_no_more_attempts_than_one() {
    let wire = Wire::turns([Turn::status(500)]);
    let (resilience, client) = wire.wrapped(&storage());
    client.send(get(BLOB)).await.unwrap_err();
    let alone = wire.count();
    let once = || resilience.health().into_iter().last().unwrap();
    assert_eq!(once().run_once().await.verdict(), Verdict::Healthy);

    let mut options = wire.options();
    resilience.apply(&mut options);
    options.per_call_policies.push(resilience.policy());
    Client::new(options).send(get(BLOB)).await.unwrap_err();

    assert_eq!(wire.count(), 2 * alone);
    assert_eq!(once().run_once().await.verdict(), Verdict::Degraded);
}

#[tokio::test(start_paused = true)]
async fn each_authority_has_a_breaker_of_its_own() {
    let wire =
        Wire::new(
            |seen| if seen.host().starts_with("dead") { Turn::Refused } else { Turn::ok("") },
        );
    let breaker = circuit_breaker::CircuitBreaker::builder()
        .consecutive_failures(3)
        .time_window(Duration::from_secs(60));
    let config = Resilience::generic("shops").stack(|stack| {
        stack.circuit_breaker(breaker).retry(retry::Retry::builder().max_attempts(1))
    });
    let (resilience, client) = wire.wrapped(&config);

    for _ in 0..4 {
        client.send(get("https://dead.example.net/")).await.unwrap_err();
    }
    let error = client.send(get("https://dead.example.net/")).await.unwrap_err();
    assert_eq!(error.rejection().unwrap().reason(), Reason::CircuitOpen);
    client.send(get("https://well.example.net/")).await.unwrap();

    let states = resilience.breakers();
    assert_eq!(states.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn clients_share_the_state_of_their_dependency_and_leave_no_retry_to_the_sdk() {
    let wire = Wire::turns([Turn::Refused]);
    let breaker = circuit_breaker::CircuitBreaker::builder()
        .consecutive_failures(1)
        .time_window(Duration::from_secs(60));
    let (resilience, first) = wire.wrapped(&storage().stack(|stack| {
        stack.circuit_breaker(breaker).retry(retry::Retry::builder().max_attempts(1))
    }));
    let mut options = wire.options();
    resilience.clone().apply(&mut options);
    let second = Client::new(options);

    first.send(get(BLOB)).await.unwrap_err();
    let error = second.send(get(BLOB)).await.unwrap_err();

    assert_eq!(error.rejection().unwrap().reason(), Reason::CircuitOpen);
    assert_eq!(wire.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn operations_without_a_pipeline_go_through_the_same_rules() {
    let resilience = storage().build().unwrap();
    for (safety, made) in [(Safety::Idempotent, 3), (Safety::Unsafe, 1)] {
        let calls = Arc::new(std::sync::atomic::AtomicUsize::new(0));

        let result = resilience
            .run(safety, || {
                let call = calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                async move {
                    if call < 2 {
                        Err(Error::with_message(ErrorKind::Io, "reset"))
                    } else {
                        Ok(call)
                    }
                }
            })
            .await;

        assert_eq!(calls.load(std::sync::atomic::Ordering::Relaxed), made);
        match safety {
            Safety::Idempotent => assert_eq!(result.unwrap(), 2),
            _ => assert!(is_ambiguous(&result.unwrap_err())),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_code_that_only_the_body_has_is_judged_as_well() {
    const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
    // Not a limit on calls, but another operation that is in the way.
    let conflict = Turn::Answer(
        429,
        JSON,
        r#"{"error":{"code":"RetryableErrorDueToAnotherOperation","message":"busy"}}"#,
    );
    let wire = Wire::turns([conflict]);
    let (_, client) = wire.wrapped(&Resilience::of(Contract::arm(), "deployments"));

    let error = client.send(get("https://management.azure.com/x")).await.unwrap_err();

    let code = told(headers_of(&error), "x-ms-error-code");
    assert_eq!(code, Some("RetryableErrorDueToAnotherOperation"));

    let filtered = Turn::Answer(400, JSON, r#"{"error":{"code":"content_filter"}}"#);
    let long = Turn::Answer(400, JSON, concat_json());
    for turn in [filtered, long] {
        let Turn::Answer(.., body) = turn else { unreachable!() };
        let wire = Wire::turns([turn]);
        let (_, client) = wire.wrapped(&Resilience::of(Contract::open_ai(), "answers"));
        let answer = client.stream(get("https://answers.openai.azure.com/")).await.unwrap_err();
        let ErrorKind::HttpResponse { raw_response: Some(raw), .. } = answer.kind() else {
            panic!("{answer:?}")
        };
        assert_eq!(raw.body().as_ref(), body.as_bytes(), "nothing of it is lost");
        assert_eq!(wire.count(), 1);
    }
}

/// More of an error than anybody looks through.
fn concat_json() -> &'static str {
    format!(r#"{{"error":{{"message":"{}","code":"late"}}}}"#, "x".repeat(100_000)).leak()
}

#[tokio::test(start_paused = true)]
async fn an_outer_deadline_counts() {
    let wire = Wire::turns([Turn::Hangs]);
    let (_, client) = wire.wrapped(&storage());
    let clock = seawall::time::Clock::tokio();
    let outer = seawall::context::Context::new().deadline(clock.now() + Duration::from_secs(1));

    let begin = Instant::now();
    let error = outer.scope(client.send(get(BLOB))).await.unwrap_err();

    assert_eq!(error.rejection().unwrap().reason(), Reason::TimedOut);
    assert!(begin.elapsed() <= Duration::from_millis(1_010), "{:?}", begin.elapsed());
}
