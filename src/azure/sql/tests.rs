use std::collections::BTreeSet;
use std::time::Duration;

use tiberius::error::{Error, IoErrorKind};

use super::*;
use crate::azure::database::Handling;

/// Written down from the documents, and not from the table.
const EXPECTED: &[(Handling, &[i32])] = &[
    (
        Handling::Reconnect,
        &[
            4060, 40197, 40143, 40540, 40020, 40166, 40613, 42108, 42109, 615, 617, 926, 921, 927,
            941, 952, 982, 988, 18401, 49802, 64, 233, 997, 20, 121, 10053, 10054, 10060, 203,
            11001, 26, 40, 0, -2,
        ],
    ),
    (Handling::Throttled { wait: Duration::from_secs(10) }, &[40501]),
    (
        Handling::BackOff,
        &[
            49918, 49919, 49920, 10928, 10936, 10929, 10930, 40642, 40648, 40675, 40903, 40890,
            40918, 40938, 45156, 45157, 49977, 8645, 8651, 40189, 17197, 1204,
        ],
    ),
    (Handling::Rerun, &[1205, 1222, 3960, 3966, 41301, 41302, 41305, 41325, 41839]),
    (Handling::WrongReplica, &[3906]),
    (Handling::Primary, &[4221]),
    (Handling::Never, &[40549, 40550, 40551, 40552, 40553, 40544, 18456, 40615, 40531, 5]),
];

/// All that Entity Framework's strategy for Azure SQL takes for transient.
const ENTITY_FRAMEWORK: &str = "20 64 121 203 233 539 601 615 617 669 921 926 927 941 952 982 988 \
    997 1203 1204 1205 1215 1216 1221 1222 1232 1404 1413 1421 1438 1532 1533 1534 1535 1807 2021 \
    2816 3429 3635 3935 3941 3947 3948 3950 3953 3957 3960 3966 3980 4060 4117 4184 4221 5280 5529 \
    6292 7951 8628 8645 8651 9020 9515 9985 10053 10054 10060 10922 10928 10929 10930 10936 11001 \
    11539 14355 14817 14868 14906 16528 16554 16555 17065 17066 17067 17197 17889 18401 18858 \
    19413 19416 19494 20041 21503 22225 22226 22335 22353 22355 22358 22427 22430 22491 22493 \
    22498 22754 22758 22759 22760 22984 25003 25738 25740 30080 30085 33123 35216 35218 35256 \
    35293 37202 37327 39025 39108 39110 39151 39152 40106 40143 40189 40197 40501 40540 40613 \
    40623 40642 40648 40671 40675 40890 40903 40918 40938 41301 41302 41305 41325 41339 41383 \
    41614 41619 41640 41700 41701 41823 41839 41840 42029 42108 42109 45153 45156 45157 45161 \
    45179 45182 45319 45547 47132 47137 47139 49510 49802 49918 49919 49920 49977 49983";

/// Those of them after which it waits for five seconds more.
const ENTITY_FRAMEWORK_THROTTLING: &str = "25740 30085 37327 39108 39110 40189 40501 40642 40648 \
    40675 40890 40903 41823 41840 45156 45157 45161 45182 45319 49918 49919 49920 49977";

#[test]
fn each_number_is_handled_as_the_documents_say() {
    for (handling, numbers) in EXPECTED {
        for number in *numbers {
            assert_eq!(super::handling(*number), Some(*handling), "{number}");
        }
    }
}

#[test]
fn what_entity_framework_takes_for_transient_is_and_waits_as_long() {
    for number in numbers(ENTITY_FRAMEWORK) {
        assert!(handling(number).is_some_and(Handling::is_transient), "{number}");
    }
    for number in numbers(ENTITY_FRAMEWORK_THROTTLING) {
        let handling = handling(number);
        let waits_longer = matches!(handling, Some(Handling::BackOff | Handling::Throttled { .. }));
        assert!(waits_longer, "{number}");
    }
}

#[test]
fn the_table_has_no_number_that_the_documents_have_not_and_none_twice() {
    let known: BTreeSet<i32> = EXPECTED
        .iter()
        .flat_map(|(_, numbers)| numbers.iter().copied())
        .chain(numbers(ENTITY_FRAMEWORK))
        .collect();
    let mut seen = BTreeSet::new();
    for number in rows().iter().flat_map(Row::numbers) {
        assert!(known.contains(number), "{number}");
        assert!(seen.insert(number), "{number} is there twice");
    }
    assert_eq!(seen.len(), known.len());
}

#[test]
fn what_breaks_a_connection_passes_and_leaves_nobody_knowing() {
    let io = |kind| Error::Io { kind, message: String::new() };
    let broken = [
        io(IoErrorKind::ConnectionReset),
        io(IoErrorKind::TimedOut),
        io(IoErrorKind::UnexpectedEof),
        Error::Protocol("out of step".into()),
        Error::Tls("handshake eof".into()),
        Error::Routing { host: "node".into(), port: 11_000 },
    ];
    let mut kinds = BTreeSet::new();
    for error in broken {
        let meaning = judge::meaning(&error);
        assert_eq!((meaning.handling, meaning.gone), (Handling::Reconnect, true), "{error}");
        kinds.insert(meaning.kind);
    }
    assert_eq!(kinds.len(), 5, "resets and ends are one kind, and a timeout is another");
}

#[test]
fn a_wrong_certificate_and_what_can_not_be_read_do_not_pass() {
    let never = [
        (Error::Tls("invalid peer Certificate: UnknownIssuer".into()), true),
        (Error::Utf8, true),
        (Error::Utf16, true),
        (Error::Encoding("unknown collation".into()), true),
        (Error::Conversion("not a number".into()), false),
        (Error::BulkInput("too many columns".into()), false),
    ];
    for (error, gone) in never {
        let meaning = judge::meaning(&error);
        assert_eq!((meaning.handling, meaning.gone), (Handling::Never, gone), "{error}");
    }
}

#[test]
fn the_inner_code_is_found_in_the_message() {
    let cases = [
        ("Please try again. Error code 40166.", Some(40166)),
        ("please try again. error code: 40540 (state 1)", Some(40540)),
        ("The Error code comes last. Error code 1", Some(1)),
        ("Error code", None),
        ("Error code %d.", None),
        ("Error code 99999999999999999999", None),
        ("", None),
        ("é Error code 40143 é", Some(40143)),
    ];
    for (message, code) in cases {
        assert_eq!(inner_code(message), code, "{message}");
    }
}

#[test]
fn names_of_failover_groups_are_hosts() {
    let group = FailoverGroup::new("Orders-1").unwrap();
    assert_eq!(group.read_write(), "orders-1.database.windows.net");
    assert_eq!(group.read_only(), "orders-1.secondary.database.windows.net");

    let instance = FailoverGroup::managed_instance("orders", "A1b2").unwrap();
    assert_eq!(instance.read_write(), "orders.a1b2.database.windows.net");
    assert_eq!(instance.read_only(), "orders.secondary.a1b2.database.windows.net");
    let sovereign = instance.suffix("database.chinacloudapi.cn").unwrap();
    assert_eq!(sovereign.read_only(), "orders.secondary.a1b2.database.chinacloudapi.cn");

    let long = "x".repeat(64);
    for name in ["", "a.b", "-a", "a-", "a b", "ä", "a/b", "a@b", long.as_str()] {
        assert_eq!(FailoverGroup::new(name).unwrap_err().field(), "failover_group", "{name}");
        assert_eq!(FailoverGroup::managed_instance("a", name).unwrap_err().field(), "zone");
    }
    for suffix in ["", ".net", "a..b", "net:1433", &"a.".repeat(70)] {
        assert!(FailoverGroup::new("a").unwrap().suffix(suffix).is_err(), "{suffix}");
    }
}

#[test]
fn settings_and_pools_print_no_secret() {
    let mut config = tiberius::Config::new();
    config.authentication(tiberius::AuthMethod::sql_server("someone", "hunter2"));
    let config = SqlPool::builder(config).read_scale_out();

    let printed = format!("{config:?} {:?}", config.build().unwrap());

    assert!(!printed.contains("hunter2") && !printed.contains("someone"), "{printed}");
}

#[test]
fn a_time_to_connect_that_makes_no_sense_is_refused() {
    for timeout in [Duration::ZERO, Duration::from_secs(3_601), Duration::MAX] {
        let config = SqlPool::builder(tiberius::Config::new()).connect_timeout(timeout);
        assert_eq!(config.build().unwrap_err().field(), "connect_timeout");
    }
}

/// The table as the manual prints it.
#[test]
fn the_manual_prints_the_table() {
    let manual = include_str!("../../manual/azure_sql.rs");
    let printed: Vec<_> = manual
        .lines()
        .filter_map(|line| line.strip_prefix("//! | "))
        .skip_while(|line| !line.starts_with("numbers |"))
        .skip(1)
        .take(rows().len())
        .collect();
    let table: Vec<_> = rows()
        .iter()
        .map(|row| {
            let numbers: Vec<_> = row.numbers().iter().map(ToString::to_string).collect();
            let gone = if row.ends_the_connection() { "yes" } else { "" };
            let (meaning, handling) = (row.meaning(), row.handling());
            format!("{} | {meaning} | {handling} | {gone} |", numbers.join(" ")).replace("-2", "−2")
        })
        .collect();

    for (printed, row) in printed.iter().zip(&table) {
        assert_eq!(printed, row);
    }
    assert_eq!(printed.len(), table.len(), "//! | {}", table.join("\n//! | "));
}

fn numbers(text: &str) -> impl Iterator<Item = i32> {
    text.split_whitespace().map(|number| number.parse().unwrap())
}
