//! What answers mean.

use std::time::{Duration, SystemTime};

use azure_core::http::StatusCode;
use proptest::prelude::*;

use super::*;
use crate::outcome::Outcome;

/// What an answer means without a wait and with one, and whether the call ran without and with.
type Expected = (Means, Means, Executed, Executed);

#[derive(Clone, Copy, Debug)]
enum Means {
    /// Overload, with the wait if there is one.
    Full,
    Permanent,
    Success,
    Transient,
}

const SUCCESS: Expected = (Means::Success, Means::Success, Executed::Yes, Executed::Yes);
const NEVER: Expected = (Means::Permanent, Means::Permanent, Executed::No, Executed::No);
const HELD: Expected = (Means::Permanent, Means::Full, Executed::No, Executed::No);
const FULL: Expected = (Means::Full, Means::Full, Executed::No, Executed::No);
const FULL_HALF_WAY: Expected = (Means::Full, Means::Full, Executed::MayBe, Executed::MayBe);
const FAILED: Expected = (Means::Transient, Means::Full, Executed::MayBe, Executed::MayBe);
const DOWN: Expected = (Means::Transient, Means::Full, Executed::MayBe, Executed::No);

/// An answer: status, `x-ms-error-code`, `x-ms-copy-source-error-code`.
type Answered = (u16, &'static str, &'static str);

/// Answers that mean the same to all that have no rows for them.
const COMMON: &[(Answered, Expected)] = &[
    ((100, "", ""), SUCCESS),
    ((200, "", ""), SUCCESS),
    ((201, "", ""), SUCCESS),
    ((202, "", ""), SUCCESS),
    ((204, "", ""), SUCCESS),
    ((206, "", ""), SUCCESS),
    ((304, "", ""), SUCCESS),
    ((308, "", ""), SUCCESS),
    ((400, "", ""), NEVER),
    ((401, "", ""), NEVER),
    ((402, "", ""), NEVER),
    ((403, "", ""), HELD),
    ((404, "", ""), NEVER),
    ((405, "", ""), NEVER),
    ((408, "", ""), FAILED),
    ((409, "", ""), HELD),
    ((410, "", ""), NEVER),
    ((411, "", ""), NEVER),
    ((412, "", ""), NEVER),
    ((413, "", ""), HELD),
    ((414, "", ""), NEVER),
    ((415, "", ""), NEVER),
    ((416, "", ""), NEVER),
    ((422, "", ""), NEVER),
    ((423, "", ""), HELD),
    ((424, "", ""), NEVER),
    ((425, "", ""), FULL),
    ((428, "", ""), NEVER),
    ((429, "", ""), FULL),
    ((431, "", ""), NEVER),
    ((449, "", ""), FULL),
    ((451, "", ""), NEVER),
    ((500, "", ""), FAILED),
    ((501, "", ""), NEVER),
    ((502, "", ""), FAILED),
    ((503, "", ""), DOWN),
    ((504, "", ""), FAILED),
    ((505, "", ""), NEVER),
    ((506, "", ""), NEVER),
    ((507, "", ""), NEVER),
    ((508, "", ""), NEVER),
    ((509, "", ""), FULL),
    ((510, "", ""), NEVER),
    ((511, "", ""), NEVER),
    ((520, "", ""), FAILED),
    ((599, "", ""), FAILED),
    ((600, "", ""), FAILED),
    ((999, "", ""), FAILED),
    ((65_535, "", ""), FAILED),
    // A code that says nothing leaves it to the status.
    ((404, "BlobNotFound", ""), NEVER),
    ((503, "Whatever", "Whatever"), DOWN),
];

/// Codes that mean the same to all, whatever the status is.
const CODES: &[(Answered, Expected)] = &[
    ((403, "AuthenticationFailed", ""), NEVER),
    ((401, "AuthenticationFailed", ""), NEVER),
    ((503, "AuthenticationFailed", ""), NEVER),
    ((403, "AuthorizationFailure", ""), NEVER),
    ((403, "AuthorizationPermissionMismatch", ""), NEVER),
    ((401, "InvalidAuthenticationInfo", ""), NEVER),
    ((503, "ServerBusy", ""), FULL),
    ((503, "serverbusy", ""), FULL),
    ((500, "ServerBusy", ""), FULL),
    ((400, "ServerBusy", ""), FULL),
    ((409, "ServerBusy", ""), FULL),
    ((500, "OperationTimedOut", ""), FAILED),
    ((409, "OperationTimedOut", ""), FAILED),
    ((503, "OperationTimedOut", ""), FAILED),
    ((500, "InternalError", ""), FAILED),
    ((400, "InternalError", ""), FAILED),
    ((404, "InternalError", ""), FAILED),
    // An answer that works is one, whatever else it says.
    ((200, "ServerBusy", "ServerBusy"), SUCCESS),
    ((201, "InternalError", ""), SUCCESS),
];

/// What only calls that copy are told.
const SOURCES: &[(Answered, Expected)] = &[
    ((409, "CannotVerifyCopySource", "ServerBusy"), FULL),
    ((503, "", "ServerBusy"), FULL),
    ((500, "", "OperationTimedOut"), FULL_HALF_WAY),
    ((400, "", "InternalError"), FULL_HALF_WAY),
];

/// Answers that mean something else, or have codes that only one service has.
fn own(contract: &Contract) -> Vec<(Answered, Expected)> {
    let own: &[_] = match contract.name() {
        "storage" => &[
            ((409, "AccountBeingCreated", ""), FULL),
            ((409, "SnapshotOperationRateExceeded", ""), FULL),
            ((409, "ContainerBeingDeleted", ""), FULL),
            ((409, "ContainerBeingDisabled", ""), FULL),
            ((409, "QueueBeingDeleted", ""), FULL),
            ((409, "ShareBeingDeleted", ""), FULL),
            ((409, "TableBeingDeleted", ""), FULL),
            ((409, "LeaseAlreadyPresent", ""), NEVER),
            ((409, "PreviousSnapshotOperationInProgress", ""), FULL),
            ((409, "ShareSnapshotInProgress", ""), FULL),
            ((409, "BlobAlreadyExists", ""), HELD),
            ((409, "LeaseIdMismatchWithLeaseOperation", ""), HELD),
            ((412, "LeaseIdMissing", ""), NEVER),
            ((412, "ConditionNotMet", ""), NEVER),
        ],
        "key_vault" => &[
            ((409, "ObjectIsBeingDeleted", ""), FULL),
            ((409, "ObjectIsBeingRecovered", ""), FULL),
        ],
        "identity" => IDENTITY,
        "managed_identity" => METADATA,
        "arm" => &[
            ((429, "RetryableErrorDueToAnotherOperation", ""), FULL),
            ((409, "RetryableErrorDueToAnotherOperation", ""), FULL),
            ((409, "AnotherOperationInProgress", ""), FULL),
            ((409, "OperationInProgress", ""), FULL),
            ((409, "RetryableError", ""), FULL),
            ((400, "AnotherOperationInProgress", ""), NEVER),
        ],
        "open_ai" => &[
            ((400, "content_filter", ""), NEVER),
            ((429, "content_filter", ""), NEVER),
            ((400, "content_policy_violation", ""), NEVER),
            ((400, "ResponsibleAIPolicyViolation", ""), NEVER),
            ((429, "insufficient_quota", ""), NEVER),
            ((408, "", ""), FULL),
        ],
        "ai_search" => &[
            ((207, "", ""), SUCCESS),
            ((503, "", ""), (Means::Full, Means::Full, Executed::MayBe, Executed::No)),
            (
                (503, "Whatever", "Whatever"),
                (Means::Full, Means::Full, Executed::MayBe, Executed::No),
            ),
        ],
        _ => &[],
    };
    let copies = ["azure", "storage"].contains(&contract.name());
    [own, if copies { SOURCES } else { &[] }].concat()
}

/// Nothing passes but throttling and failures.
const IDENTITY: &[(Answered, Expected)] = &[
    ((403, "", ""), NEVER),
    ((408, "", ""), NEVER),
    ((409, "", ""), NEVER),
    ((413, "", ""), NEVER),
    ((423, "", ""), NEVER),
    ((425, "", ""), NEVER),
    ((449, "", ""), NEVER),
    ((501, "", ""), FAILED),
    ((503, "", ""), FAILED),
    ((503, "Whatever", "Whatever"), FAILED),
    ((505, "", ""), FAILED),
    ((506, "", ""), FAILED),
    ((507, "", ""), FAILED),
    ((508, "", ""), FAILED),
    ((509, "", ""), FAILED),
    ((510, "", ""), FAILED),
    ((511, "", ""), FAILED),
];

const METADATA: &[(Answered, Expected)] = &[
    ((404, "", ""), FULL),
    ((404, "BlobNotFound", ""), FULL),
    ((410, "", ""), FULL),
    ((403, "", ""), NEVER),
    ((408, "", ""), NEVER),
    ((409, "", ""), NEVER),
    ((413, "", ""), NEVER),
    ((423, "", ""), NEVER),
    ((425, "", ""), NEVER),
    ((449, "", ""), NEVER),
    ((501, "", ""), FAILED),
    ((503, "", ""), FAILED),
    ((503, "Whatever", "Whatever"), FAILED),
    ((505, "", ""), FAILED),
    ((506, "", ""), FAILED),
    ((507, "", ""), FAILED),
    ((508, "", ""), FAILED),
    ((509, "", ""), FAILED),
    ((510, "", ""), FAILED),
    ((511, "", ""), FAILED),
];

#[test]
fn every_row_of_every_table_means_what_is_expected() {
    for contract in over_http() {
        let mut tried = BTreeSet::new();
        let own = own(&contract);
        let is_own = |answered| own.iter().any(|(own, _)| own == answered);
        let common = COMMON.iter().chain(CODES).filter(|(answered, _)| !is_own(answered));
        for (answered, expected) in own.iter().chain(common) {
            check(&contract, *answered, *expected);
            tried.insert(row_of(&contract, *answered));
        }
        assert_all_tried(&contract, Section::Answers, &tried);
    }
}

#[test]
fn every_code_of_every_row_was_tried() {
    for contract in over_http() {
        let tried: Vec<_> = own(&contract)
            .into_iter()
            .chain(CODES.iter().copied())
            .map(|((_, code, source), _)| (code, source))
            .collect();
        for when in rows_of(&contract, Section::Answers) {
            for code in when.split('`').skip(1).step_by(2) {
                let is_tried = tried.iter().any(|(own, source)| *own == code || *source == code);
                assert!(is_tried, "{}: `{code}` was not tried", contract.name());
            }
        }
    }
}

#[test]
fn each_status_that_no_row_names_means_what_its_hundred_does() {
    let named = |status| COMMON.iter().any(|((named, ..), _)| *named == status);
    for contract in over_http() {
        for status in (100..1000).filter(|status| !named(*status)) {
            let expected = match status {
                ..400 => SUCCESS,
                400..500 => NEVER,
                _ => FAILED,
            };
            check(&contract, (status, "", ""), expected);
        }
    }
}

#[test]
fn a_code_from_the_body_counts_as_one_from_the_headers() {
    let none = headers(&[]);
    let conflict = Some("RetryableErrorDueToAnotherOperation");
    let arm = Contract::arm();
    let judge = |contract: &Contract, status: u16, code| {
        contract.judge_coded(StatusCode::from(status), code, &none, SystemTime::UNIX_EPOCH)
    };

    assert_eq!(judge(&arm, 409, conflict), Outcome::Overload { retry_after: None });
    assert_eq!(judge(&arm, 409, None), Outcome::Permanent);
    assert_eq!(judge(&Contract::open_ai(), 429, Some("content_filter")), Outcome::Permanent);
    let executed = arm.executed_coded(StatusCode::from(500), Some("ServerBusy"), &none);
    assert_eq!(executed, Executed::No);
}

#[test]
fn who_does_not_wait_for_what_is_busy_takes_it_for_an_answer() {
    let busy = headers(&[("x-ms-error-code", "ContainerBeingDeleted"), ("retry-after", "7")]);
    let judge =
        |contract: Contract| contract.judge(StatusCode::Conflict, &busy, SystemTime::UNIX_EPOCH);

    assert_eq!(judge(Contract::storage()), Outcome::Overload { retry_after: seconds(7) });
    assert_eq!(judge(Contract::storage().wait_for_busy(false)), Outcome::Permanent);
    // What is full is not what is busy.
    let full = Contract::storage().wait_for_busy(false).judge(
        StatusCode::TooManyRequests,
        &headers(&[]),
        SystemTime::UNIX_EPOCH,
    );
    assert_eq!(full, Outcome::Overload { retry_after: None });
}

/// Headers, and the wait that they ask for.
type Waits = (&'static [(&'static str, &'static str)], Option<Duration>);

#[test]
fn the_wait_counts_in_each_form_and_on_each_status_that_passes() {
    // Sunday, 6 November 1994, 08:49:37.
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    let table: &[Waits] = &[
        (&[("x-ms-retry-after-ms", "1500")], millis(1500)),
        (&[("retry-after-ms", "250")], millis(250)),
        (&[("retry-after", "3")], seconds(3)),
        (&[("retry-after", "1.5")], millis(1500)),
        (&[("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT")], seconds(10)),
        // By the server's own clock, where it says what that is.
        (
            &[
                ("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT"),
                ("date", "Sun, 06 Nov 1994 08:49:42 GMT"),
            ],
            seconds(5),
        ),
        (&[("x-ms-retry-after-ms", "1"), ("retry-after-ms", "2"), ("retry-after", "3")], millis(1)),
        (&[("retry-after-ms", "2"), ("retry-after", "3")], millis(2)),
        // One that can not be read leaves it to the next.
        (&[("x-ms-retry-after-ms", "soon"), ("retry-after", "3")], seconds(3)),
        // None.
        (&[], None),
        (&[("date", "Sun, 06 Nov 1994 08:49:42 GMT")], None),
        (&[("retry-after", "-1")], None),
        (&[("retry-after-ms", "-1")], None),
        (&[("retry-after", "soon")], None),
        (&[("retry-after", "")], None),
        (&[("retry-after", "1\n")], None),
        (&[("retry-after", "\u{0661}")], None),
        (&[("x-ms-retry-after-ms", "NaN")], None),
        // Nothing is longer than a year.
        (&[("retry-after", "99999999999999999999999")], Some(crate::http::retry_after::LONGEST)),
    ];
    for (pairs, wait) in table {
        for status in [408, 409, 425, 429, 500, 502, 503, 504, 509, 520] {
            let outcome = Contract::generic().judge(StatusCode::from(status), &headers(pairs), now);
            let expected = match (wait, status) {
                (None, 409) => Outcome::Permanent,
                (None, 408 | 500 | 502 | 503 | 504 | 520) => Outcome::Transient,
                (wait, _) => Outcome::Overload { retry_after: *wait },
            };
            assert_eq!(outcome, expected, "{status} with {pairs:?}");
        }
    }
}

#[test]
fn a_wait_that_is_over_is_asked_for_but_is_none() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    for value in ["0", "Sun, 06 Nov 1994 08:49:36 GMT"] {
        let over = headers(&[("retry-after", value)]);

        let judged = Contract::generic().judge(StatusCode::ServiceUnavailable, &over, now);

        assert_eq!(judged, Outcome::Overload { retry_after: None });
        let executed = Contract::generic().executed(StatusCode::ServiceUnavailable, &over);
        assert_eq!(executed, Executed::No);
    }
}

#[test]
fn a_used_up_quota_says_when_it_is_filled_again_where_nothing_else_does() {
    let quota = [("ratelimit", r#""default";r=0;t=30"#)];
    let judge = |status: u16, pairs: &[(&str, &str)]| {
        let now = SystemTime::UNIX_EPOCH;
        Contract::generic().judge(StatusCode::from(status), &headers(pairs), now)
    };

    assert_eq!(judge(429, &quota), Outcome::Overload { retry_after: seconds(30) });
    assert_eq!(judge(500, &quota), Outcome::Transient);
    let both = [quota[0], ("retry-after-ms", "100")];
    assert_eq!(judge(429, &both), Outcome::Overload { retry_after: millis(100) });
}

#[test]
fn a_code_that_is_empty_is_none() {
    let empty = headers(&[("x-ms-error-code", "")]);

    let judged = Contract::generic().judge(StatusCode::NotFound, &empty, SystemTime::UNIX_EPOCH);

    assert_eq!(judged, Outcome::Permanent);
}

proptest! {
    #[test]
    fn no_answer_makes_a_contract_panic_or_wait_for_longer_than_a_year(
        index in 0..all().len(),
        status in any::<u16>(),
        pairs in proptest::collection::vec((header_name(), header_value()), 0..8),
        code in proptest::option::of(header_value()),
        now in 0_u64..20_000_000_000,
    ) {
        let contract = all()[index];
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (status, headers) = (StatusCode::from(status), headers(&pairs));
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now);

        let outcome = contract.judge_coded(status, code.as_deref(), &headers, now);

        if let Outcome::Overload { retry_after: Some(wait) } = outcome {
            prop_assert!(!wait.is_zero() && wait <= crate::http::retry_after::LONGEST);
        }
        prop_assert_eq!(outcome == Outcome::Success, u16::from(status) < 400);
        let _ = contract.judge(status, &headers, now);
        let executed = contract.executed_coded(status, code.as_deref(), &headers);
        prop_assert!(executed != Executed::Yes || outcome == Outcome::Success);
    }
}

fn header_name() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("x-ms-retry-after-ms"),
        Just("retry-after-ms"),
        Just("retry-after"),
        Just("date"),
        Just("ratelimit"),
        Just("x-ratelimit-reset"),
        Just("x-ms-error-code"),
        Just("x-ms-copy-source-error-code"),
    ]
}

fn header_value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| number.to_string()),
        Just("ServerBusy".to_owned()),
        Just("Sun, 06 Nov 1994 08:49:37 GMT".to_owned()),
        r#""[a-z]*";r=[0-9]{1,30};t=[0-9]{1,30}"#,
    ]
}

fn check(contract: &Contract, (status, code, source): Answered, expected: Expected) {
    let (plain, hinted, ran, ran_hinted) = expected;
    let now = SystemTime::UNIX_EPOCH;
    let name = contract.name();
    let own = StatusCode::from(status);
    for (means, ran, wait) in [(plain, ran, None), (hinted, ran_hinted, Some("7"))] {
        let mut pairs = vec![];
        if !code.is_empty() {
            pairs.push(("x-ms-error-code", code));
        }
        if !source.is_empty() {
            pairs.push(("x-ms-copy-source-error-code", source));
        }
        pairs.extend(wait.map(|wait| ("retry-after", wait)));
        let headers = headers(&pairs);
        let outcome = match means {
            Means::Full => Outcome::Overload { retry_after: wait.and(seconds(7)) },
            Means::Permanent => Outcome::Permanent,
            Means::Success => Outcome::Success,
            Means::Transient => Outcome::Transient,
        };
        assert_eq!(contract.judge(own, &headers, now), outcome, "{name}: {status} {pairs:?}");
        assert_eq!(contract.executed(own, &headers), ran, "{name}: {status} {pairs:?}");
    }
}

fn row_of(contract: &Contract, (status, code, source): Answered) -> String {
    let code = Some(code).filter(|code| !code.is_empty());
    let judged = Judged { status, code, source: Some(source) };
    contract.table.answer(&judged).unwrap().to_string()
}

#[expect(clippy::unnecessary_wraps, reason = "a wait that is there")]
const fn seconds(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

#[expect(clippy::unnecessary_wraps, reason = "a wait that is there")]
const fn millis(millis: u64) -> Option<Duration> {
    Some(Duration::from_millis(millis))
}
