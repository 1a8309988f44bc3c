use bytes::Bytes;
use http::{HeaderName, Method, Request, Version};
use http_body_util::{BodyExt, Empty, Full};
use seawall::http::{Idempotency, ReplayBody};
use seawall::replay::{NotReplayable, Replay, Safety};

#[test]
fn the_method_says_what_may_be_sent_again() {
    for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"] {
        assert_eq!(safety(method, &[]), Safety::Idempotent, "{method}");
    }
    for method in ["POST", "PATCH", "CONNECT", "PURGE", "get"] {
        assert_eq!(safety(method, &[]), Safety::Unsafe, "{method}");
    }
}

#[test]
fn a_key_makes_it_safe_unless_it_is_empty() {
    assert_eq!(safety("POST", &[("idempotency-key", "8e03978e")]), Safety::Keyed);
    assert_eq!(safety("PATCH", &[("idempotency-key", "\"8e03978e\"")]), Safety::Keyed);
    assert_eq!(safety("POST", &[("idempotency-key", "")]), Safety::Unsafe);
    assert_eq!(safety("POST", &[("idempotency-key", " \t")]), Safety::Unsafe);
    assert_eq!(safety("GET", &[("idempotency-key", "8e03978e")]), Safety::Idempotent);
    assert_eq!(safety("POST", &[("x-key", "8e03978e")]), Safety::Unsafe);

    let other = Idempotency::new().key_header(HeaderName::from_static("x-key"));
    let request = request("POST", &[("x-key", "8e03978e")]);
    assert_eq!(other.safety(&request), Safety::Keyed);
}

#[test]
fn the_caller_knows_better_than_the_method() {
    for (method, said) in [("POST", Safety::Idempotent), ("PUT", Safety::Unsafe)] {
        let mut request = request(method, &[]);
        request.extensions_mut().insert(said);

        assert_eq!(Idempotency::new().safety(&request), said);
    }
}

#[tokio::test]
async fn another_request_is_the_same_in_every_part() {
    let replay = Idempotency::new();
    let mut request = Request::put("http://localhost/orders/7?dry=1")
        .version(Version::HTTP_2)
        .header("accept", "a")
        .header("accept", "b")
        .extension(7_u64)
        .body(ReplayBody::new(Full::new(Bytes::from("two shirts")), 64))
        .unwrap();

    let kept = replay.keep(&mut request).unwrap();
    let sent = request.into_body().collect().await.unwrap().to_bytes();

    for again in [replay.again(&kept).unwrap(), replay.again(&kept).unwrap(), kept] {
        assert_eq!(again.method(), Method::PUT);
        assert_eq!(again.uri(), "http://localhost/orders/7?dry=1");
        assert_eq!(again.version(), Version::HTTP_2);
        assert!(again.headers().get_all("accept").iter().eq(["a", "b"]));
        assert_eq!(again.extensions().get(), Some(&7_u64));
        assert_eq!(again.into_body().collect().await.unwrap().to_bytes(), sent);
    }
}

#[test]
fn a_body_that_is_too_large_is_not_kept() {
    let body = ReplayBody::new(Full::new(Bytes::from("two shirts")), 9);

    let kept = Idempotency::new().keep(&mut Request::new(body));

    assert_eq!(kept.unwrap_err(), NotReplayable::BodyTooLarge);
}

#[test]
fn the_requests_of_a_foreign_client_are_made_again_by_its_own_clone() {
    let replay =
        Idempotency::new().foreign(Request::method, Request::headers, |request: &Request<&str>| {
            (*request.body() != "stream").then(|| request.clone())
        });
    let mut keyed = Request::post("/").header("idempotency-key", "1").body("text").unwrap();
    let mut stream = Request::post("/").body("stream").unwrap();

    assert_eq!(replay.safety(&keyed), Safety::Keyed);
    assert_eq!(replay.safety(&stream), Safety::Unsafe);
    let kept = replay.clone().keep(&mut keyed).unwrap();
    assert_eq!(replay.again(&kept).unwrap().body(), &"text");
    assert_eq!(replay.keep(&mut stream).unwrap_err(), NotReplayable::NotClonable);
}

fn safety(method: &str, headers: &[(&str, &str)]) -> Safety {
    Idempotency::new().safety(&request(method, headers))
}

fn request(method: &str, headers: &[(&str, &str)]) -> Request<ReplayBody<Empty<Bytes>>> {
    let mut request = Request::builder().method(method);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(ReplayBody::new(Empty::new(), 64)).unwrap()
}
