use super::*;
use crate::outcome::Outcome;

/// From Microsoft's pages and the sources of the driver and of the client for .NET, gathered by
/// hand: status, sub-status, what it says of the account, whether a write may have been executed,
/// whether the region that said it is alive.
#[rustfmt::skip]
const CONTRACT: &[(u16, u16, &str, bool, &str)] = &[
    (400, 0, "permanent", false, "alive"),
    (400, 1001, "permanent", false, "alive"),
    (401, 0, "permanent", false, "alive"),
    (401, 5006, "permanent", false, "alive"),
    (401, 20_401, "neutral", false, "nothing"),
    (401, 20_402, "neutral", false, "nothing"),
    (403, 0, "permanent", false, "alive"),
    (403, 3, "transient", false, "nothing"),
    (403, 1008, "transient", false, "nothing"),
    (404, 0, "permanent", false, "alive"),
    (404, 1002, "transient", false, "alive"),
    (404, 1003, "permanent", false, "alive"),
    (404, 1013, "transient", false, "alive"),
    (405, 0, "permanent", false, "alive"),
    (408, 0, "transient", true, "suspect"),
    (408, 20_008, "transient", true, "suspect"),
    (409, 0, "permanent", false, "alive"),
    (410, 0, "transient", false, "nothing"),
    (410, 1000, "transient", false, "nothing"),
    (410, 1002, "transient", false, "nothing"),
    (410, 1007, "transient", false, "nothing"),
    (410, 1008, "transient", false, "nothing"),
    (410, 1022, "transient", false, "nothing"),
    (412, 0, "permanent", false, "alive"),
    (413, 0, "permanent", false, "alive"),
    (418, 0, "permanent", false, "alive"),
    (424, 0, "permanent", false, "alive"),
    (429, 0, "overload", false, "alive"),
    (429, 3088, "overload", false, "alive"),
    (429, 3092, "transient", false, "suspect"),
    (429, 3200, "overload", false, "alive"),
    (429, 3210, "overload", false, "alive"),
    (429, 3214, "overload", false, "alive"),
    (449, 0, "transient", false, "nothing"),
    (449, 5352, "transient", false, "nothing"),
    (500, 0, "transient", true, "alive"),
    (500, 20_020, "permanent", true, "alive"),
    (500, 20_206, "permanent", false, "nothing"),
    (502, 0, "transient", true, "alive"),
    (503, 0, "transient", true, "suspect"),
    (503, 20_003, "transient", true, "suspect"),
    (503, 20_010, "transient", false, "suspect"),
    (503, 20_011, "transient", true, "suspect"),
    (503, 20_012, "transient", false, "suspect"),
    (503, 20_014, "transient", true, "suspect"),
    (503, 20_015, "transient", false, "nothing"),
    (503, 20_305, "transient", false, "nothing"),
    (503, 20_310, "transient", false, "nothing"),
    (503, 20_311, "transient", false, "nothing"),
    (503, 20_312, "transient", false, "nothing"),
];

#[test]
fn each_status_means_what_the_contract_says() {
    for &(status, sub_status, outcome, may_have_run, sign) in CONTRACT {
        let row = judge(status, sub_status);
        let said = match row.outcome {
            Outcome::Neutral => "neutral",
            Outcome::Overload { retry_after: None } => "overload",
            Outcome::Permanent => "permanent",
            Outcome::Transient => "transient",
            other => panic!("{other:?}"),
        };
        let of_the_region = match row.sign {
            Sign::Alive => "alive",
            Sign::Nothing => "nothing",
            Sign::Suspect => "suspect",
        };
        let it = (said, row.may_have_run, of_the_region);
        assert_eq!(it, (outcome, may_have_run, sign), "{status}/{sub_status}");
    }
}

#[test]
fn each_row_is_reached_and_tested() {
    for row in rows() {
        let is_tested =
            CONTRACT.iter().any(|&(status, sub_status, ..)| judge(status, sub_status) == *row);
        assert!(is_tested, "{row}");
    }
}

#[test]
fn what_throttles_and_what_is_elsewhere_is_handled_so() {
    let handled = |handling| {
        let fits = CONTRACT.iter().filter(|it| judge(it.0, it.1).handling == handling);
        fits.map(|it| (it.0, it.1)).collect::<Vec<_>>()
    };

    assert_eq!(handled(Handling::Throttled), [(429, 0), (429, 3200), (429, 3210)]);
    assert_eq!(handled(Handling::Behind), [(404, 1002), (503, 20_310)]);
    assert_eq!(handled(Handling::Taken), [(404, 0), (404, 1003), (409, 0), (412, 0)]);
    #[rustfmt::skip]
    assert_eq!(
        handled(Handling::Elsewhere),
        [
            (403, 3), (403, 1008), (408, 0), (408, 20_008), (410, 1022), (429, 3092), (503, 0), (503, 20_003),
            (503, 20_010), (503, 20_011), (503, 20_012), (503, 20_014), (503, 20_015), (503, 20_305), (503, 20_311),
            (503, 20_312),
        ]
    );
}

#[test]
fn no_status_panics_and_no_success_is_a_failure() {
    for status in 0..=999 {
        for sub_status in [0, 3, 1002, 3200, 20_003, 20_206, u16::MAX] {
            let row = judge(status, sub_status);
            assert_eq!(row.outcome == Outcome::Success, (200..400).contains(&status), "{status}");
        }
    }
}

/// A write that the driver sent twice: what the second answer says is of the second one only.
#[test]
fn a_request_that_was_sent_before_may_have_been_executed_whatever_the_last_answer_was() {
    let lost = || Request::new(503, 20_003);
    let unsent = || Request::new(503, 20_003).not_sent();
    let refused = || Request::new(403, 3);
    #[rustfmt::skip]
    let cases = [
        (vec![], (503, 20_003), true),
        (vec![], (503, 20_010), false),
        (vec![], (409, 0), false),
        (vec![lost()], (503, 20_003), true),
        (vec![unsent()], (503, 20_003), false),
        (vec![unsent(), unsent()], (503, 20_003), false),
        (vec![unsent(), lost()], (503, 20_003), true),
        (vec![lost(), unsent()], (503, 20_003), true),
        (vec![lost(), Request::new(409, 0)], (409, 0), true),
        (vec![unsent(), Request::new(409, 0)], (409, 0), false),
        (vec![refused(), Request::new(409, 0)], (409, 0), false),
        (vec![Request::new(429, 3200), Request::new(409, 0)], (409, 0), false),
        (vec![lost(), Request::new(429, 3200)], (429, 3200), true),
        (vec![Request::new(409, 0)], (409, 0), false),
        // Its own deadline: no answer to a request that was on its way.
        (vec![Request::new(408, 20_008)], (408, 20_008), true),
        (vec![Request::new(408, 20_008).not_sent()], (408, 20_008), false),
    ];
    for (requests, (status, sub_status), expected) in cases {
        let report = requests.iter().cloned().fold(Report::new(), Report::request);
        let report = report.status(status, sub_status);
        assert_eq!(report.may_have_run(), expected, "{requests:?} {status}/{sub_status}");
    }
    assert!(!Report::new().request(lost()).may_have_run(), "nobody said that it failed");
}

#[test]
fn the_manual_prints_the_table() {
    let manual = include_str!("../../manual/cosmos.rs");
    let printed: Vec<_> = manual
        .lines()
        .filter_map(|line| line.strip_prefix("//! "))
        .skip_while(|line| !line.starts_with("| status |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect();
    let table: Vec<_> = rows().iter().map(ToString::to_string).collect();

    assert_eq!(printed, table, "//! {}", table.join("\n//! "));
}
