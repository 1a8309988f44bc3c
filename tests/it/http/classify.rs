use std::io;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue, Response, StatusCode};
use seawall::error::{BoxError, Reject};
use seawall::http::{Ambiguous, ByStatus, Foreign, Meaning};
use seawall::outcome::Classify;
use seawall::{Error, Outcome, Reason, Rejection};

#[test]
fn every_status_has_its_meaning() {
    for code in 100..=999 {
        let expected = match code {
            429 => Outcome::Overload { retry_after: None },
            501 | 505 => Outcome::Permanent,
            408 | 500..=999 => Outcome::Transient,
            400..=499 => Outcome::Permanent,
            _ => Outcome::Success,
        };
        assert_eq!(judge(code, &[]), expected, "{code}");
        assert_eq!(may_have_run(code, &[]), code != 429, "{code}");
    }
}

#[test]
fn a_wait_makes_a_503_an_overload_that_was_not_executed() {
    for (name, value, wait) in [
        ("retry-after", "2", Some(Duration::from_secs(2))),
        ("retry-after-ms", "250", Some(Duration::from_millis(250))),
        ("x-ms-retry-after-ms", "250", Some(Duration::from_millis(250))),
        ("retry-after", "0", None),
        ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT", None),
    ] {
        let overload = Outcome::Overload { retry_after: wait };
        assert_eq!(judge(503, &[(name, value)]), overload, "{name}: {value}");
        assert_eq!(judge(429, &[(name, value)]), overload, "{name}: {value}");
        assert!(!may_have_run(503, &[(name, value)]));
    }
}

#[test]
fn a_wait_that_can_not_be_read_is_no_wait_and_never_zero() {
    for value in ["-1", "+3", "1e9", "NaN", "", "0x10", "soon"] {
        assert_eq!(judge(503, &[("retry-after", value)]), Outcome::Transient, "{value}");
        assert!(may_have_run(503, &[("retry-after", value)]), "{value}");
        let overload = Outcome::Overload { retry_after: None };
        assert_eq!(judge(429, &[("retry-after", value)]), overload, "{value}");
    }
}

#[test]
fn the_reset_of_a_quota_counts_only_where_the_quota_is_the_reason() {
    let reset = [("x-ratelimit-reset", "30")];

    let wait = Some(Duration::from_secs(30));
    assert_eq!(judge(429, &reset), Outcome::Overload { retry_after: wait });
    assert_eq!(judge(503, &reset), Outcome::Transient);
    assert_eq!(judge(200, &reset), Outcome::Success);
    let both = [("x-ratelimit-reset", "30"), ("retry-after", "1")];
    let wait = Some(Duration::from_secs(1));
    assert_eq!(judge(429, &both), Outcome::Overload { retry_after: wait });
}

#[test]
fn a_wait_changes_nothing_on_other_statuses() {
    let headers = [("retry-after", "2")];

    assert_eq!(judge(202, &headers), Outcome::Success);
    assert_eq!(judge(301, &headers), Outcome::Success);
    assert_eq!(judge(404, &headers), Outcome::Permanent);
    assert_eq!(judge(500, &headers), Outcome::Transient);
}

#[test]
fn the_last_word_on_a_status_counts() {
    let conflict = StatusCode::CONFLICT;
    let standard = ByStatus::new().status(StatusCode::NOT_FOUND, Meaning::Neutral);
    let by_status = standard
        .clone()
        .status(conflict, Meaning::Success)
        .status(StatusCode::BAD_GATEWAY, Meaning::Overload)
        .status(conflict, Meaning::Transient)
        .status(StatusCode::GATEWAY_TIMEOUT, Meaning::Shed);

    assert_eq!(by_status.meaning(conflict), Meaning::Transient);
    assert_eq!(by_status.meaning(StatusCode::NOT_FOUND), Meaning::Neutral);
    assert_eq!(by_status.meaning(StatusCode::BAD_GATEWAY), Meaning::Overload);
    assert_eq!(by_status.meaning(StatusCode::GATEWAY_TIMEOUT), Meaning::Shed);
    assert_eq!(by_status.meaning(StatusCode::OK), Meaning::Success);
    assert_eq!(standard.meaning(conflict), Meaning::Permanent);
    let headers = HeaderMap::new();
    let outcome = by_status.judge(StatusCode::NOT_FOUND, &headers, SystemTime::now());
    assert_eq!(outcome, Outcome::Neutral);
}

#[test]
fn a_refused_connection_was_not_executed_however_it_is_wrapped() {
    let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
    let reset = || io::Error::from(io::ErrorKind::ConnectionReset);

    assert!(!error_may_have_run(&Error::Service(refused())));
    assert!(!error_may_have_run::<BoxError>(&refused().into()));
    assert!(!error_may_have_run(&Error::<BoxError>::Service(refused().into())));
    assert!(!error_may_have_run(&Error::Ambiguous(refused())));
    assert!(error_may_have_run(&Error::Service(reset())));
    assert!(error_may_have_run::<BoxError>(&reset().into()));
    assert!(error_may_have_run(&Error::Service("unknown")));
    for error in [refused(), reset()] {
        let error = BoxError::from(error);
        assert_eq!(by_status().classify(Err::<&Response<()>, _>(&error)), Outcome::Transient);
    }
}

#[test]
fn a_rule_says_which_errors_of_other_clients_were_never_sent() {
    let by_status = ByStatus::new()
        .never_sent(|error: &&str| *error == "refused")
        .status(StatusCode::CONFLICT, Meaning::Transient)
        .never_sent(|error: &u8| *error == 7);
    assert!(!run(&by_status, &Error::Service("refused")));
    assert!(!run(&by_status, &Error::Ambiguous("refused")));
    assert!(!run(&by_status, &Error::Service(7_u8)));
    assert!(run(&by_status, &Error::Service("reset")));
    assert!(run(&by_status, &Error::Service(8_u8)));
    assert!(run(&by_status, &Error::Service(7_u16)));
    assert_eq!(by_status.meaning(StatusCode::CONFLICT), Meaning::Transient);
}

#[test]
fn a_rejection_counts_for_what_it_is() {
    let open = Error::<BoxError>::reject(Rejection::new("orders", Reason::CircuitOpen));
    let late = Error::<BoxError>::reject(Rejection::new("orders", Reason::TimedOut));

    assert_eq!(by_status().classify(Err::<&Response<()>, _>(&open)), Outcome::Neutral);
    assert!(!error_may_have_run(&open));
    assert_eq!(by_status().classify(Err::<&Response<()>, _>(&late)), Outcome::Transient);
    assert!(error_may_have_run(&late));
}

#[test]
fn sources_that_go_round_in_a_circle_hang_nothing() {
    #[derive(Debug)]
    struct Circle;
    impl std::fmt::Display for Circle {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("circle")
        }
    }
    impl std::error::Error for Circle {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&Self)
        }
    }

    // As an error of a client that is looked into, and not as a box, which `Reject` looks along.
    let error = Error::<BoxError>::Service(Circle.into());

    assert!(error_may_have_run(&error));
}

#[test]
fn an_ambiguous_answer_is_marked() {
    let marked = Classify::<_, BoxError>::ambiguous(&ByStatus::new(), response(500, &[]));

    assert_eq!(marked.extensions().get(), Some(&Ambiguous));
}

#[test]
fn the_answers_of_a_foreign_client_are_judged_alike() {
    let foreign = foreign();
    let open = Error::Rejected(Rejection::new("orders", Reason::CircuitOpen));
    let busy = response(503, &[("retry-after", "2")]);

    let wait = Some(Duration::from_secs(2));
    assert_eq!(foreign.classify(Ok(&busy)), Outcome::Overload { retry_after: wait });
    assert!(!foreign.may_have_run(Ok(&busy)));
    assert!(foreign.may_have_run(Ok(&response(500, &[]))));
    assert_eq!(foreign.classify(Err(&open)), Outcome::Neutral);
    assert!(!foreign.may_have_run(Err(&open)));
    assert_eq!(foreign.classify(Err(&Error::Service("refused"))), Outcome::Transient);
    assert!(!foreign.may_have_run(Err(&Error::Service("refused"))));
    assert!(foreign.may_have_run(Err(&Error::Service("reset"))));
    assert!(foreign.clone().ambiguous(busy).extensions().get::<Ambiguous>().is_some());
}

fn foreign() -> Foreign<Response<()>, &'static str> {
    ByStatus::new().foreign(
        Response::status,
        Response::headers,
        Response::extensions_mut,
        |error| *error == "refused",
    )
}

fn by_status() -> ByStatus {
    ByStatus::new()
}

fn judge(status: u16, headers: &[(&'static str, &'static str)]) -> Outcome {
    Classify::<_, BoxError>::classify(&by_status(), Ok(&response(status, headers)))
}

fn may_have_run(status: u16, headers: &[(&'static str, &'static str)]) -> bool {
    Classify::<_, BoxError>::may_have_run(&by_status(), Ok(&response(status, headers)))
}

fn error_may_have_run<E: Reject + 'static>(error: &E) -> bool {
    run(&by_status(), error)
}

fn run<E: Reject + 'static>(by_status: &ByStatus, error: &E) -> bool {
    by_status.may_have_run(Err::<&Response<()>, _>(error))
}

fn response(status: u16, headers: &[(&'static str, &'static str)]) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        response.headers_mut().append(*name, HeaderValue::from_static(value));
    }
    response
}
