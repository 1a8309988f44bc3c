//! The blob's lease: the laws, and what is asked of the service.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use proptest::prelude::*;
use seawall::azure::lease::BlobLease;
use seawall::lease::{Claim, Epoch, Leadership, Lease, LeaseError};
use seawall::telemetry::Environment;
use seawall::time::Clock;

use super::fake::{self, Step};
use crate::lease::laws::{self, World};
use crate::lease::node::{Node, poll};

proptest! {
    #![proptest_config(ProptestConfig {
        // A sixteenth of the usual: each request goes through the SDK's whole pipeline.
        cases: ProptestConfig::default().cases.div_ceil(16),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_happens_the_laws_hold(ops in prop::collection::vec(laws::op(15), 1..300), seed: u64) {
        World::live(&ops, seed, LEASE, |_, clock| {
            let service = fake::Line::new(clock);
            move || {
                let line = service.line();
                let lease: Arc<dyn Lease> = Arc::new(BlobLease::new(line.client()));
                laws::Line { lease, fault: Box::new(move |fault| line.fault(fault)) }
            }
        });
    }
}

#[test]
fn an_election_asks_for_what_it_needs_and_no_more() {
    let (clock, line, mut node) = alone();

    node.run();
    assert_eq!(node.leadership.term().unwrap().epoch(), Epoch::new(1));
    // The blob is not there at first.
    assert_eq!(line.seen(), ["acquire", "put", "acquire", "head", "put metadata"]);
    assert_eq!(line.metadata("seawall_epoch").as_deref(), Some("1"));
    assert_eq!(line.metadata("seawall_holder").as_deref(), Some("instance-3"));

    node.run_for(Duration::from_secs(10), &clock);
    assert_eq!(line.seen(), ["renew", "renew"]);
    drop(node.leadership.release());
    node.run();
    assert_eq!(line.seen(), ["release"]);
    node.leadership.campaign();
    node.run();
    assert_eq!(line.seen(), ["acquire", "head", "put metadata"]);
    assert_eq!(node.leadership.term().unwrap().epoch(), Epoch::new(2));
}

#[test]
fn whatever_gets_lost_on_the_way_no_epoch_is_handed_out_twice() {
    use Step::{Answer, Drop, Late, Lose, Refuse, Status};
    // Acquire, head, put metadata; what goes wrong with which of them, and the epoch in the end.
    let busy = Status(500, "OperationTimedOut");
    let cases: &[(&[Step], u64)] = &[
        (&[Lose], 2),
        (&[Drop], 2),
        (&[Refuse], 2),
        (&[Status(503, "ServerBusy")], 2),
        (&[busy], 2),
        (&[Answer, Lose], 2),
        (&[Answer, Status(503, "ServerBusy")], 2),
        (&[Answer, Answer, Lose], 2),
        (&[Answer, Answer, Drop], 2),
        (&[Answer, Answer, busy], 2),
        (&[Answer, Answer, Lose, Lose], 2),
        (&[Answer, Answer, Lose, Drop], 2),
        (&[Answer, Answer, Drop, Lose], 2),
        (&[Answer, Answer, Drop, Answer, Drop, Answer, Drop], 2),
        // Carried out after the question whether it was.
        (&[Answer, Answer, Late(1)], 2),
        (&[Answer, Answer, Late(1), Lose], 2),
        (&[Answer, Answer, Late(2)], 2),
        (&[Answer, Answer, Status(412, "ConditionNotMet")], 2),
    ];
    for (steps, epoch) in cases {
        let (clock, line, mut node) = alone();
        node.run();
        drop(node.leadership.release());
        node.run();
        let claims = node.leadership.term();
        assert_eq!(claims, None);

        line.script(steps.iter().copied());
        node.leadership.campaign();
        node.run();
        let mut ran = Duration::ZERO;
        while node.leadership.term().is_none() {
            node.run_for(Duration::from_millis(100), &clock);
            ran += Duration::from_millis(100);
            assert!(ran < Duration::from_secs(21), "{steps:?}: {:?}", node.leadership.last_error());
        }

        let term = node.leadership.term().unwrap();
        assert_eq!(term.epoch(), Epoch::new(*epoch), "{steps:?}");
        assert_eq!(line.metadata("seawall_epoch"), Some(epoch.to_string()), "{steps:?}");
    }
}

#[test]
fn who_may_lease_and_write_no_epoch_lets_others_lead_and_says_why() {
    let (clock, line, mut node) = alone();
    let denied = Step::Status(403, "AuthorizationPermissionMismatch");
    // The blob is not there at first.
    line.script([Step::Answer, Step::Answer, Step::Answer, Step::Answer, denied]);
    line.script([Step::Answer, Step::Answer, denied]);
    node.run_for(Duration::from_secs(5), &clock);
    assert_eq!(line.seen().last().map(String::as_str), Some("release"));

    let environment = Environment::new().clock(clock.clone()).seed(4);
    let lease = BlobLease::new(line.line().client());
    let mut other = Node::new(lease, &Leadership::builder(), &environment);
    other.run();
    assert!(other.leadership.term().is_some());

    node.run_for(Duration::from_secs(10), &clock);
    assert!(line.seen().is_empty(), "it rests");
    let error = node.leadership.last_error().unwrap();
    let cause = std::error::Error::source(&error).unwrap().downcast_ref();
    assert!(matches!(cause, Some(LeaseError::Refused(_))), "{error}");
}

#[test]
fn what_was_acquired_but_got_no_epoch_is_given_back() {
    for failure in [Step::Refuse, Step::Status(503, "ServerBusy"), Step::Status(403, "Denied")] {
        let (_, line, mut node) = alone();
        node.run();
        drop(node.leadership.release());
        node.run();
        line.script([Step::Answer, failure]);
        node.leadership.campaign();
        node.run();
        assert_eq!(node.leadership.term(), None);

        drop(node.leadership.release());
        line.seen();
        node.run();

        assert_eq!(line.seen(), ["release"], "{failure:?}");
    }
}

#[test]
fn a_write_of_an_earlier_term_that_comes_late_takes_no_epoch_back() {
    let (clock, line, mut node) = alone();
    // The first term's epoch is written only when the second one's has been.
    // It is: acquire, put, acquire, head, put metadata, head; then acquire, head, put metadata.
    line.script([Step::Answer; 4]);
    line.script([Step::Late(3), Step::Drop]);
    node.run();
    assert_eq!(node.leadership.term(), None);
    node.leadership.heard_of(Epoch::new(6));
    node.run_for(Duration::from_secs(5), &clock);
    assert_eq!(node.leadership.term().unwrap().epoch(), Epoch::new(7));

    assert_eq!(line.metadata("seawall_epoch").as_deref(), Some("7"));
}

#[test]
fn an_epoch_that_can_not_be_read_makes_nobody_a_leader() {
    for bad in ["", "seven", "-1", "18446744073709551616", "18446744073709551615"] {
        let (clock, line, mut node) = alone();
        node.run();
        drop(node.leadership.release());
        node.run();
        line.tamper(|all| drop(all.insert("seawall_epoch".into(), bad.into())));
        node.leadership.campaign();

        for _ in 0..100 {
            node.run_for(Duration::from_millis(300), &clock);
            assert_eq!(node.leadership.term(), None, "{bad}");
        }
        let error = node.leadership.last_error().unwrap().to_string();
        assert!(error.contains("epoch"), "{error}");
    }
}

#[test]
fn other_metadata_stays_and_a_change_of_it_is_not_undone() {
    let (_, line, mut node) = alone();
    node.run();
    drop(node.leadership.release());
    node.run();
    line.tamper(|all| drop(all.insert("owner".into(), "billing".into())));

    node.leadership.campaign();
    node.run();

    assert!(node.leadership.term().is_some());
    assert_eq!(line.metadata("owner").as_deref(), Some("billing"));
}

#[test]
fn a_blob_that_was_deleted_under_a_leader_does_not_make_it_count_from_1_again() {
    let (clock, line, mut node) = alone();
    node.leadership.heard_of(Epoch::new(41));
    node.run();
    assert_eq!(node.leadership.term().unwrap().epoch(), Epoch::new(42));

    line.delete();
    node.run_for(Duration::from_secs(20), &clock);

    assert_eq!(node.leadership.term().unwrap().epoch(), Epoch::new(43));
}

#[test]
fn what_the_service_answers_means_what_its_documentation_says() {
    let held = |error: &LeaseError| matches!(error, LeaseError::Held { .. });
    let lost = |error: &LeaseError| matches!(error, LeaseError::Lost);
    let unavailable = |error: &LeaseError| matches!(error, LeaseError::Unavailable(_));
    let ambiguous = |error: &LeaseError| matches!(error, LeaseError::Ambiguous(_));
    let refused = |error: &LeaseError| matches!(error, LeaseError::Refused(_));
    let cases: &[(Step, &IsMeant)] = &[
        (Step::Status(409, "LeaseAlreadyPresent"), &held),
        (Step::Status(409, "LeaseIsBreakingAndCannotBeAcquired"), &held),
        (Step::Status(409, "LeaseIdMismatchWithLeaseOperation"), &lost),
        (Step::Status(409, "LeaseIsBrokenAndCannotBeRenewed"), &lost),
        (Step::Status(409, "LeaseNotPresentWithLeaseOperation"), &lost),
        (Step::Status(409, "LeaseAlreadyBroken"), &lost),
        (Step::Status(412, "LeaseIdMismatchWithBlobOperation"), &lost),
        (Step::Status(412, "LeaseNotPresentWithBlobOperation"), &lost),
        (Step::Status(412, "LeaseIdMissing"), &lost),
        (Step::Status(412, "LeaseLost"), &lost),
        (Step::Status(503, "ServerBusy"), &unavailable),
        (Step::Status(429, "TooManyRequests"), &unavailable),
        (Step::Status(500, "InternalError"), &ambiguous),
        (Step::Status(500, "OperationTimedOut"), &ambiguous),
        (Step::Status(403, "AuthorizationFailure"), &refused),
        (Step::Status(404, "ContainerNotFound"), &refused),
        (Step::Status(400, "InvalidHeaderValue"), &refused),
        (Step::Refuse, &unavailable),
        (Step::Drop, &ambiguous),
    ];
    for (step, is_meant) in cases {
        let line = fake::Line::new(&Clock::manual());
        let lease = BlobLease::new(line.client());
        let claim = Claim::new("a");
        line.script([*step]);

        let error = now(lease.renew(&claim)).unwrap_err();

        assert!(is_meant(&error), "{step:?}: {error:?}");
    }
}

#[test]
fn a_lease_can_be_read_broken_and_read_again() {
    let clock = Clock::manual();
    let line = fake::Line::new(&clock);
    let lease = BlobLease::new(line.client());
    let status = now(lease.read()).unwrap();
    assert_eq!((status.epoch(), status.is_held()), (Epoch::NONE, false));

    let claim = Claim::new("instance-3");
    now(Lease::acquire(&lease, &claim, Duration::from_secs(15))).unwrap();
    let status = now(lease.read()).unwrap();
    assert_eq!((status.epoch(), status.holder()), (Epoch::new(1), Some("instance-3")));

    now(lease.break_off()).unwrap();
    assert!(matches!(now(lease.renew(&claim)), Err(LeaseError::Lost)));
    assert!(now(lease.read()).unwrap().is_held(), "until its time is up");
    clock.advance(Duration::from_secs(15));
    assert!(!now(lease.read()).unwrap().is_held());
}

#[test]
fn lends_for_15_to_60_whole_seconds() {
    let line = fake::Line::new(&Clock::manual());
    for (duration, is_good) in [
        (Duration::from_secs(15), true),
        (Duration::from_secs(60), true),
        (Duration::from_secs(14), false),
        (Duration::from_secs(61), false),
        (Duration::from_millis(15_500), false),
        (Duration::ZERO, false),
        // The service would lend for ever; nobody could follow on a leader that has died.
        (Duration::MAX, false),
    ] {
        let built = Leadership::builder().duration(duration).build(BlobLease::new(line.client()));

        match built {
            Ok(_) => assert!(is_good, "{duration:?}"),
            Err(error) => {
                assert!(!is_good, "{duration:?}");
                assert_eq!(
                    error.to_string(),
                    "`duration` must be from 15 to 60 s, in whole seconds"
                );
            }
        }
    }
}

#[test]
fn what_is_printed_holds_no_signature() {
    let line = fake::Line::new(&Clock::manual());
    let (leadership, election) =
        Leadership::builder().build(BlobLease::new(line.client())).unwrap();
    let printed = format!("{:?} {leadership:?} {election:?}", BlobLease::new(line.client()));

    assert!(!printed.contains("canary"), "{printed}");
    assert!(printed.contains("/leases/billing"), "{printed}");
}

pub(super) fn alone() -> (Clock, fake::Line, Node) {
    let clock = Clock::manual();
    let environment = Environment::new().clock(clock.clone()).seed(3);
    let line = fake::Line::new(&clock);
    let config = Leadership::builder().holder("instance-3");
    let node = Node::new(BlobLease::new(line.client()), &config, &environment);
    (clock, line, node)
}

/// What a future that has nothing to wait for ends in.
pub(super) fn now<F: Future>(future: F) -> F::Output {
    match poll(pin!(future)) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

type IsMeant = dyn Fn(&LeaseError) -> bool;

const LEASE: Duration = Duration::from_secs(15);
