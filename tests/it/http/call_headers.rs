use std::convert::Infallible;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use seawall::Error;
use seawall::context::{self, Context};
use seawall::http::{CallHeaders, TransportLayer};
use seawall::time::{Clock, Instant};
use tower::{Layer, ServiceExt, service_fn};

const DEADLINE: &str = "x-envoy-expected-rq-timeout-ms";
const ATTEMPT: &str = "retry-attempt";

#[tokio::test]
async fn the_server_is_told_what_time_is_left_rounded_down() {
    let clock = Clock::manual();
    let until = |nanos| Context::new().deadline(Instant::from_nanos(nanos));

    for (nanos, left) in [(1_500_999_999, "1500"), (999_999, "0"), (0, "0")] {
        let headers = until(nanos).scope(sent(&clock, CallHeaders::new())).await;
        assert_eq!(headers[DEADLINE], left);
    }
    clock.advance(Duration::from_secs(1));
    let headers = until(1_500_000_000).scope(sent(&clock, CallHeaders::new())).await;
    assert_eq!(headers[DEADLINE], "500");
}

#[tokio::test]
async fn a_first_attempt_without_deadline_is_told_nothing() {
    let clock = Clock::manual();

    let headers = sent(&clock, CallHeaders::new()).await;

    assert!(headers.is_empty());
}

#[tokio::test]
async fn a_repeat_is_told_as_such() {
    let clock = Clock::manual();

    let headers = Context::new().attempt(3).scope(sent(&clock, CallHeaders::new())).await;
    assert_eq!(headers[ATTEMPT], "2");

    let last = Context::new().attempt(u32::MAX).scope(sent(&clock, CallHeaders::new())).await;
    assert_eq!(last[ATTEMPT], "4294967294");
}

#[tokio::test]
async fn an_earlier_deadline_in_the_request_stays() {
    let clock = Clock::manual();
    let context = Context::new().deadline(Instant::from_nanos(2_000_000_000));

    for (there, expected) in [("500", "500"), ("9000", "2000"), ("-1", "2000"), ("x", "2000")] {
        let mut headers = HeaderMap::new();
        headers.insert(DEADLINE, HeaderValue::from_static(there));
        let headers = context
            .scope(async {
                CallHeaders::new().write(&mut headers, &clock);
                headers
            })
            .await;
        assert_eq!(headers.get_all(DEADLINE).iter().collect::<Vec<_>>(), [expected]);
    }
}

#[tokio::test]
async fn headers_can_be_renamed_and_left_out() {
    let clock = Clock::manual();
    let context = Context::new().deadline(Instant::from_nanos(2_000_000_000)).attempt(2);
    let renamed = CallHeaders::new()
        .deadline(HeaderName::from_static("x-left"))
        .attempt(HeaderName::from_static("x-repeat"));

    let headers = context.scope(sent(&clock, renamed)).await;
    assert_eq!(headers.len(), 2);
    assert_eq!(headers["x-left"], "2000");
    assert_eq!(headers["x-repeat"], "1");

    assert!(context.scope(sent(&clock, CallHeaders::none())).await.is_empty());
    let attempt_only = CallHeaders::new().deadline(None);
    assert_eq!(context.scope(sent(&clock, attempt_only)).await.len(), 1);
}

#[tokio::test]
async fn what_came_in_is_read_without_overflow() {
    let second = Some(Instant::from_nanos(1_000_000_000));
    let table: [(&[(&str, &str)], _, _); 12] = [
        (&[], None, 1),
        (&[(DEADLINE, "1000"), (ATTEMPT, "2")], second, 3),
        (&[(DEADLINE, " 1000 ")], second, 1),
        (&[(DEADLINE, "0")], Some(Instant::default()), 1),
        (&[(DEADLINE, "18446744073709551615")], None, 1),
        (&[(DEADLINE, "99999999999999999999999")], None, 1),
        (&[(DEADLINE, "-1"), (ATTEMPT, "-1")], None, 1),
        (&[(DEADLINE, "1e3"), (ATTEMPT, "NaN")], None, 1),
        (&[(DEADLINE, ""), (ATTEMPT, "")], None, 1),
        (&[(DEADLINE, "9000"), (DEADLINE, "1000")], second, 1),
        (&[(ATTEMPT, "1"), (ATTEMPT, "3")], None, 4),
        (&[(ATTEMPT, "99999999999999999999999")], None, u32::MAX),
    ];
    for (pairs, deadline, attempt) in table {
        let clock = Clock::manual();
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }

        let context = CallHeaders::new().read(&headers, &clock);

        let seen = context.scope(async { (context::deadline(&clock), context::attempt()) }).await;
        assert_eq!(seen, (deadline, attempt), "{pairs:?}");
    }
}

#[tokio::test]
async fn what_is_written_is_read_again() {
    let clock = Clock::manual();
    let context = Context::new().deadline(Instant::from_nanos(2_000_000_000)).attempt(4);

    let headers = context.scope(sent(&clock, CallHeaders::new())).await;
    let read = CallHeaders::new().read(&headers, &clock);

    let seen = read.scope(async { (context::deadline(&clock), context::attempt()) }).await;
    assert_eq!(seen, (Some(Instant::from_nanos(2_000_000_000)), 4));
}

#[tokio::test]
async fn the_headers_of_a_foreign_request_are_found() {
    let clock = Clock::manual();
    let echo = service_fn(async |headers: Vec<HeaderMap>| Ok::<_, Infallible>(headers));
    let layer = TransportLayer::foreign(|request: &mut Vec<HeaderMap>| &mut request[0]);
    let client = layer.clock(clock).layer(echo);

    let call = client.oneshot(vec![HeaderMap::new()]);
    let headers = Context::new().attempt(2).scope(call).await.unwrap();

    assert_eq!(headers[0][ATTEMPT], "1");
}

#[tokio::test]
async fn the_error_of_the_client_becomes_one_that_holds_rejections() {
    let failing = service_fn(async |_: Request<()>| Err::<Response<()>, _>("reset"));

    let error = TransportLayer::new().layer(failing).oneshot(Request::new(())).await.unwrap_err();

    assert_eq!(error, Error::Service("reset"));
}

/// The headers that a server sees.
async fn sent(clock: &Clock, headers: CallHeaders) -> HeaderMap {
    let echo = service_fn(async |request: Request<()>| {
        Ok::<_, Infallible>(request.into_parts().0.headers)
    });
    let client = TransportLayer::new().headers(headers).clock(clock.clone()).layer(echo);
    client.oneshot(Request::new(())).await.unwrap()
}
