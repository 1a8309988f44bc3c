use std::num::NonZeroUsize;
use std::sync::mpsc;
use std::time::Duration;

use seawall::Reason;
use seawall::bulkhead::Bulkhead;
use seawall::error::BoxError;
use seawall::gate::{Gate, Keyed, Sibling};
use seawall::queue::QueueLayer;
use seawall::rate_limit::Quota;
use seawall::telemetry::{Environment, Event, EventKind};
use seawall::time::Clock;
use tower::{Layer, ServiceExt, service_fn};

use crate::polled::Polled;

#[test]
fn each_key_has_a_state_of_its_own() {
    let hosts: Keyed<String, _> = Keyed::new(bulkhead(1));
    let _permit = hosts.gate("a").enter().unwrap();

    assert!(hosts.gate("a").enter().is_err());
    assert!(hosts.gate("b").enter().is_ok());
    assert_eq!(hosts.get("a").unwrap().in_flight(), 1);
    assert!(hosts.get("c").is_none());
    assert_eq!(hosts.len(), 2);
}

/// `seatbelt_breaker_ids_unbounded`, and others: the number of keys is in the hands of strangers.
#[test]
fn a_million_keys_do_not_grow_without_bound() {
    let keyed = Keyed::new(bulkhead(1));
    let by_key = keyed.by(|key: &u64| *key);
    for n in 0..1_000_000_u64 {
        drop(by_key.enter(&n.wrapping_mul(0x9E37_79B9_7F4A_7C15)).unwrap());
    }

    assert_eq!(keyed.len(), 10_000);
}

#[test]
fn an_empty_key_is_a_key_like_any_other() {
    let keyed = keyed(2);
    for key in ["", "a", "", "b", "", "c", ""] {
        let _ = keyed.gate(key);
    }

    assert!(keyed.get("").is_some());
    assert_eq!(keyed.len(), 2);
}

#[test]
fn the_key_that_was_not_used_for_longest_makes_room() {
    let keyed = keyed(3);
    for key in ["a", "b", "c", "a", "d", "e"] {
        let _ = keyed.gate(key);
    }

    let known = ["a", "b", "c", "d", "e"].map(|key| keyed.get(key).is_some());
    assert_eq!(known, [true, false, false, true, true]);
}

#[test]
fn a_look_is_not_a_use() {
    let keyed = keyed(2);
    let _ = keyed.gate("a");
    let _ = keyed.gate("b");
    let _ = (keyed.get("a"), keyed.snapshot());
    let _ = keyed.gate("c");

    assert!(keyed.get("a").is_none());
}

#[test]
fn a_key_with_a_call_in_flight_stays() {
    let keyed = keyed(2);
    let permit = keyed.gate("a").enter().unwrap();
    for n in 0..1_000 {
        let _ = keyed.gate(&n.to_string());
    }
    assert_eq!(keyed.get("a").unwrap().in_flight(), 1);

    drop(permit);
    for n in 0..1_000 {
        let _ = keyed.gate(&n.to_string());
    }
    assert!(keyed.get("a").is_none());
}

#[test]
fn a_key_for_which_a_call_waits_stays() {
    let keyed = keyed(1);
    let layer = QueueLayer::new(keyed.by(|key: &String| key.clone()));
    let service = layer.layer(service_fn(|_: String| async { Ok::<_, BoxError>(()) }));
    let permit = keyed.gate("a").enter().unwrap();
    let mut call = Polled::new(service.oneshot("a".into()));
    assert!(call.is_pending());

    let _ = keyed.gate("b");
    assert_eq!(keyed.get("a").unwrap().waiting(), 1);
    drop(permit);
    let _ = keyed.gate("b");
    assert_eq!(keyed.get("a").unwrap().in_flight(), 1);

    call.output().unwrap();
}

#[test]
fn new_keys_share_one_gate_while_all_others_are_in_use() {
    let keyed = keyed(2);
    let permits = ["a", "b"].map(|key| keyed.gate(key).enter().unwrap());

    let shared = keyed.gate("c").enter().unwrap();
    assert_eq!(keyed.gate("d").in_flight(), 1);
    assert_eq!(keyed.len(), 2);

    drop(permits);
    assert_eq!(keyed.gate("d").in_flight(), 0);
    drop(shared);
}

/// Whoever makes up keys must not get a new burst for an old one.
#[test]
fn a_limiter_that_owes_stays() {
    let clock = Clock::manual();
    let environment = Environment::new().clock(clock.clone());
    let quota = Quota::per_second(10).burst(2).build_in(&environment).unwrap();
    let keyed: Keyed<u32, _> = Keyed::bounded(quota, NonZeroUsize::new(2).unwrap());
    keyed.gate(&1).enter_weighted(2).unwrap();
    for key in 2..100 {
        let _ = keyed.gate(&key);
    }

    assert!(keyed.gate(&1).enter().is_err());
    clock.advance(Duration::from_millis(200));
    for key in 2..100 {
        let _ = keyed.gate(&key);
    }
    assert!(keyed.get(&1).is_none());
}

#[test]
fn rejections_and_events_name_the_family_and_never_the_key() {
    let (sender, receiver) = mpsc::channel();
    let environment = Environment::new().observer(move |event: &Event| {
        sender.send(*event).unwrap();
    });
    let bulkhead = Bulkhead::builder().name("hosts").max_calls(1).build_in(&environment).unwrap();
    let keyed: Keyed<String, _> = Keyed::bounded(bulkhead, NonZeroUsize::MIN);
    let permit = keyed.gate("secret").enter().unwrap();

    let rejection = keyed.gate("secret").enter().unwrap_err();
    drop(permit);
    let _ = keyed.gate("another");

    assert_eq!((rejection.policy(), rejection.reason()), ("hosts", Reason::BulkheadFull));
    let events: Vec<_> = receiver.try_iter().collect();
    assert_eq!(
        events.iter().map(|event| *event.kind()).collect::<Vec<_>>(),
        [EventKind::Rejected { reason: Reason::BulkheadFull }, EventKind::Evicted],
    );
    assert!(events.iter().all(|event| event.policy() == "hosts"));
    assert!(!format!("{keyed:?}").contains("another"));
}

#[test]
fn a_large_table_holds_as_many_keys_as_it_may() {
    let keyed: Keyed<u32, _> = Keyed::bounded(bulkhead(1), NonZeroUsize::new(1_000).unwrap());
    let permits: Vec<_> = (0..1_000).map(|key| keyed.gate(&key).enter().unwrap()).collect();
    assert_eq!(keyed.len(), 1_000);

    let shared = keyed.gate(&1_000);

    assert_eq!((keyed.len(), shared.in_flight()), (1_000, 0));
    assert!(keyed.get(&1_000).is_none());
    drop(permits);
}

#[test]
fn threads_that_race_for_a_key_get_one_gate() {
    let keyed: Keyed<u32, _> = Keyed::bounded(bulkhead(4), NonZeroUsize::new(50).unwrap());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for n in 0..20_000_u32 {
                    let gate = keyed.gate(&(n % 60));
                    let permit = gate.enter();
                    assert!(gate.in_flight() <= 4);
                    drop(permit);
                }
            });
        }
    });
    // Who came too late with a key has given up another one for it.
    assert!(keyed.len() <= 50);
    for key in 0..60 {
        keyed.gate(&key);
    }

    assert_eq!(keyed.len(), 50);
    assert!(keyed.snapshot().iter().all(|(_, gate)| gate.in_flight() == 0));
}

#[test]
fn all_gates_of_a_family_can_be_reloaded() {
    let config = Bulkhead::builder().name("reloaded family").max_calls(1);
    let keyed: Keyed<u32, _> = Keyed::new(config.build().unwrap());
    let known = keyed.gate(&1);

    let config = config.max_calls(2);
    keyed.for_each(|gate| gate.reload(&config).unwrap());

    assert_eq!((known.max_calls(), keyed.gate(&2).max_calls()), (2, 2));
}

#[test]
fn a_sibling_has_the_settings_and_not_the_state() {
    let one = bulkhead(3);
    let _permit = one.enter().unwrap();
    let sibling = one.sibling();

    assert_eq!((sibling.max_calls(), sibling.in_flight()), (3, 0));
    assert!(sibling.is_idle());
    let permit = sibling.enter().unwrap();
    assert!(!sibling.is_idle());
    drop(permit);
    assert!(sibling.is_idle());
}

fn bulkhead(calls: u32) -> Bulkhead {
    Bulkhead::builder().max_calls(calls).build().unwrap()
}

fn keyed(max_keys: usize) -> Keyed<String, Bulkhead> {
    Keyed::bounded(bulkhead(1), NonZeroUsize::new(max_keys).unwrap())
}
