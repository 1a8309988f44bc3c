//! What services without HTTP say.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::outcome::Outcome::{self, Permanent, Success, Transient};

type Case = (&'static str, Outcome, Executed);

const BUSY: Outcome = Outcome::Overload { retry_after: Some(Duration::from_secs(10)) };
const SOON: Outcome = Outcome::Overload { retry_after: None };

const BUS: &[Case] = &[
    ("ServiceBusy", BUSY, Executed::No),
    ("ServerBusy", BUSY, Executed::No),
    ("com.microsoft:server-busy", BUSY, Executed::No),
    ("ServiceTimeout", Transient, Executed::MayBe),
    ("com.microsoft:timeout", Transient, Executed::MayBe),
    ("GeneralError", Transient, Executed::MayBe),
    ("ServiceCommunicationProblem", Transient, Executed::MayBe),
    ("amqp:internal-error", Transient, Executed::MayBe),
    ("amqp:connection:forced", Transient, Executed::MayBe),
    ("amqp:connection:framing-error", Transient, Executed::MayBe),
    ("amqp:link:detach-forced", Transient, Executed::MayBe),
    ("com.microsoft:container-close", Transient, Executed::MayBe),
    ("MessageLockLost", Permanent, Executed::No),
    ("SessionLockLost", Permanent, Executed::No),
    ("MessageNotFound", Permanent, Executed::No),
    ("com.microsoft:message-lock-lost", Permanent, Executed::No),
    ("com.microsoft:session-lock-lost", Permanent, Executed::No),
    ("com.microsoft:message-not-found", Permanent, Executed::No),
    ("SessionCannotBeLocked", Permanent, Executed::No),
    ("com.microsoft:session-cannot-be-locked", Permanent, Executed::No),
    ("QuotaExceeded", Permanent, Executed::No),
    ("amqp:resource-limit-exceeded", Permanent, Executed::No),
    ("MessageSizeExceeded", Permanent, Executed::No),
    ("MessageSizeExceededException", Permanent, Executed::No),
    ("amqp:link:message-size-exceeded", Permanent, Executed::No),
    ("MessagingEntityNotFound", Permanent, Executed::No),
    ("MessagingEntityDisabled", Permanent, Executed::No),
    ("MessagingEntityAlreadyExists", Permanent, Executed::No),
    ("amqp:not-found", Permanent, Executed::No),
    ("com.microsoft:entity-disabled", Permanent, Executed::No),
    ("com.microsoft:entity-already-exists", Permanent, Executed::No),
    ("Unauthorized", Permanent, Executed::No),
    ("amqp:unauthorized-access", Permanent, Executed::No),
    ("com.microsoft:auth-failed", Permanent, Executed::No),
    ("com.microsoft:argument-error", Permanent, Executed::No),
    ("com.microsoft:argument-out-of-range", Permanent, Executed::No),
    ("amqp:not-allowed", Permanent, Executed::No),
];

const HUBS: &[Case] = &[
    ("ServiceBusy", BUSY, Executed::No),
    ("ServerBusy", BUSY, Executed::No),
    ("50002", BUSY, Executed::No),
    ("com.microsoft:server-busy", BUSY, Executed::No),
    ("ServiceTimeout", Transient, Executed::MayBe),
    ("com.microsoft:timeout", Transient, Executed::MayBe),
    ("GeneralError", Transient, Executed::MayBe),
    ("ServiceCommunicationProblem", Transient, Executed::MayBe),
    ("amqp:internal-error", Transient, Executed::MayBe),
    ("amqp:connection:forced", Transient, Executed::MayBe),
    ("amqp:connection:framing-error", Transient, Executed::MayBe),
    ("amqp:link:detach-forced", Transient, Executed::MayBe),
    ("com.microsoft:container-close", Transient, Executed::MayBe),
    ("ConsumerDisconnected", Permanent, Executed::No),
    ("amqp:link:stolen", Permanent, Executed::No),
    ("QuotaExceeded", Permanent, Executed::No),
    ("amqp:resource-limit-exceeded", Permanent, Executed::No),
    ("MessageSizeExceeded", Permanent, Executed::No),
    ("amqp:link:message-size-exceeded", Permanent, Executed::No),
    ("MessagingEntityNotFound", Permanent, Executed::No),
    ("amqp:not-found", Permanent, Executed::No),
    ("com.microsoft:entity-disabled", Permanent, Executed::No),
    ("Unauthorized", Permanent, Executed::No),
    ("amqp:unauthorized-access", Permanent, Executed::No),
    ("com.microsoft:auth-failed", Permanent, Executed::No),
    ("com.microsoft:publisher-revoked", Permanent, Executed::No),
    ("com.microsoft:argument-error", Permanent, Executed::No),
    ("com.microsoft:argument-out-of-range", Permanent, Executed::No),
    ("amqp:not-allowed", Permanent, Executed::No),
];

const REDIS: &[Case] = &[
    ("LOADING", Transient, Executed::No),
    ("CLUSTERDOWN", Transient, Executed::No),
    ("MASTERDOWN", Transient, Executed::No),
    ("READONLY", Transient, Executed::No),
    ("UNBLOCKED", Transient, Executed::No),
    ("NOREPLICAS", Transient, Executed::No),
    ("MISCONF", Transient, Executed::No),
    ("BUSY", SOON, Executed::No),
    ("TRYAGAIN", SOON, Executed::No),
    ("MOVED", SOON, Executed::No),
    ("ASK", SOON, Executed::No),
    ("OOM", SOON, Executed::No),
    ("ERR max number of clients reached", SOON, Executed::No),
    ("NOAUTH", Permanent, Executed::No),
    ("WRONGPASS", Permanent, Executed::No),
    ("NOPERM", Permanent, Executed::No),
    ("WRONGTYPE", Permanent, Executed::No),
    ("CROSSSLOT", Permanent, Executed::No),
    ("BUSYKEY", Permanent, Executed::No),
    ("BUSYGROUP", Permanent, Executed::No),
    ("NOGROUP", Permanent, Executed::No),
    ("NOSCRIPT", Permanent, Executed::No),
    ("EXECABORT", Permanent, Executed::No),
    ("ERR", Permanent, Executed::MayBe),
];

const SEARCH: &[Case] = &[
    ("200", Success, Executed::Yes),
    ("201", Success, Executed::Yes),
    ("409", SOON, Executed::No),
    ("422", SOON, Executed::No),
    ("429", SOON, Executed::No),
    ("503", SOON, Executed::No),
    ("400", Permanent, Executed::No),
    ("404", Permanent, Executed::No),
];

#[test]
fn every_reason_means_what_is_expected() {
    for contract in all() {
        let cases = match contract.name() {
            "service_bus" => BUS,
            "event_hubs" => HUBS,
            "redis" => REDIS,
            "ai_search" => SEARCH,
            _ => &[],
        };
        let mut tried = BTreeSet::new();
        for (code, outcome, executed) in cases {
            let name = contract.name();
            for code in [*code, &code.to_lowercase(), &code.to_uppercase()] {
                assert_eq!(contract.judge_code(code), Some(*outcome), "{name}: {code}");
                assert_eq!(contract.executed_code(code), Some(*executed), "{name}: {code}");
            }
            tried.insert(format!("`{code}`"));
        }
        assert_all_tried(&contract, Section::Reasons, &tried);
        assert_eq!(contract.judge_code("Whatever"), None);
        assert_eq!(contract.judge_code(""), None);
        assert_eq!(contract.executed_code("Whatever"), None);
    }
}

#[test]
fn of_redis_the_first_words_count() {
    let table = [
        ("MOVED 3999 127.0.0.1:6381", Some(SOON)),
        ("BUSY Redis is busy running a script. You can only call SCRIPT KILL.", Some(SOON)),
        ("BUSYGROUP Consumer Group name already exists", Some(Permanent)),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", Some(Permanent)),
        ("ERR max number of clients reached", Some(SOON)),
        ("ERR unknown command", Some(Permanent)),
        ("ASKING", None),
        ("ERROR", None),
        ("OOMPH", None),
        ("the word LOADING", None),
        ("M\u{f6}VED", None),
        ("BUS\u{df}", None),
    ];
    for (message, outcome) in table {
        assert_eq!(Contract::redis().judge_code(message), outcome, "{message}");
    }
}

#[test]
fn of_other_services_all_of_it_counts() {
    assert_eq!(Contract::service_bus().judge_code("ServiceBusy now"), None);
    assert_eq!(Contract::service_bus().judge_code("ServiceBus"), None);
}

proptest! {
    #[test]
    fn no_reason_makes_a_contract_panic(index in 0..all().len(), said in any::<String>()) {
        let contract = all()[index];

        let known = contract.judge_code(&said).is_some();

        prop_assert_eq!(known, contract.executed_code(&said).is_some());
    }
}
