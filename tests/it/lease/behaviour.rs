//! One case at a time.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use seawall::error::InvalidConfig;
use seawall::health::{Verdict, policy};
use seawall::lease::{
    Claim, Config, Epoch, Fault, InMemory, Leadership, Lease, LeaseError, LeaseFuture, Role, Status,
};
use seawall::telemetry::{Environment, Event, Measure};
use seawall::time::{Clock, Instant};
use tokio::sync::oneshot;

use super::node::{self, poll};

#[test]
fn one_candidate_alone_leads_at_once_and_goes_on_leading() {
    let (clock, mut node) = alone();

    node.run();
    let term = node.leadership.term().unwrap();
    assert_eq!(term.epoch(), Epoch::new(1));
    assert_eq!(term.valid_until(), clock.now() + ms(12_500));

    for _ in 0..200 {
        node.run_for(ms(500), &clock);
        assert!(node.leadership.leads_in(Epoch::new(1)));
    }
}

#[test]
fn the_time_of_a_term_runs_from_before_the_request_was_sent() {
    let (clock, mut node) = alone();
    node.line.fault(Fault::SlowAnswer(ms(3_000)));

    node.run_for(ms(3_000), &clock);
    assert_eq!(node.leadership.term().unwrap().valid_until(), at(12_500));

    // Renewed a third of the lease after the first was sent: sent at 5 s, answered at 8 s.
    node.run_for(ms(4_999), &clock);
    assert_eq!(node.leadership.term().unwrap().valid_until(), at(12_500));
    node.run_for(ms(1), &clock);
    assert_eq!(node.leadership.term().unwrap().valid_until(), at(17_500));
}

#[test]
fn a_store_that_is_gone_makes_the_leader_step_down_before_the_lease_ends() {
    let (clock, mut node) = alone();
    node.run();
    for fault in [Fault::Unavailable, Fault::Silent, Fault::Slow(ms(30_000))] {
        node.line.fault(Fault::None);
        while node.leadership.term().is_none() {
            node.run_for(ms(100), &clock);
        }
        node.line.fault(fault);
        let end = node.leadership.term().unwrap().valid_until();

        node.run_for(end.since(clock.now()).saturating_sub(ms(1)), &clock);
        assert_eq!(node.leadership.role(), Role::Leader, "{fault:?}");
        node.run_for(ms(1), &clock);
        assert_eq!(node.leadership.role(), Role::Follower, "{fault:?}");
        assert!(node.leadership.store_silent_for().is_some(), "{fault:?}");
        assert!(node.leadership.last_error().is_some(), "{fault:?}");
    }
}

#[test]
fn a_store_that_answers_too_late_makes_nobody_a_leader() {
    // Not even with a timeout that lets the answer come.
    let clock = Clock::manual();
    let environment = Environment::new().clock(clock.clone());
    let store = InMemory::new_in(&environment);
    let config = Leadership::builder().timeout(ms(12_000));
    let mut nodes = [0; 2].map(|_| Node::new(&store, &config, &environment));
    for node in &nodes {
        node.line.fault(Fault::Slow(ms(30_000)));
    }

    for _ in 0..1_000 {
        clock.advance(ms(100));
        for node in &mut nodes {
            node.run();
            assert_eq!(node.leadership.term(), None);
        }
    }

    // As soon as it is quick again, and what was under way has arrived, somebody leads.
    for node in &nodes {
        node.line.fault(Fault::None);
    }
    for _ in 0..500 {
        clock.advance(ms(100));
        nodes.iter_mut().for_each(Node::run);
    }
    assert!(nodes.iter().any(|node| node.leadership.term().is_some()));
}

#[test]
fn a_process_that_is_stopped_until_its_first_answer_is_too_old_is_never_a_leader() {
    let clock = Clock::manual();
    let (sender, receiver) = mpsc::channel();
    let environment = Environment::new()
        .clock(clock.clone())
        .observer(move |event: &Event| sender.send(event.to_string()).unwrap());
    let store = InMemory::new_in(&environment);
    let mut node = Node::new(&store, &Leadership::builder(), &environment);
    node.line.fault(Fault::SlowAnswer(ms(1_000)));
    node.run();

    clock.advance(ms(12_500));
    node.run();

    assert_eq!(node.leadership.term(), None);
    assert_eq!(receiver.try_iter().find(|text| text.contains("-> leader")), None);
}

#[test]
fn a_process_that_was_stopped_does_not_lead_when_it_goes_on() {
    let (clock, mut node) = alone();
    node.run();
    let term = node.leadership.term().unwrap();

    // No task of it has run: the look alone finds out.
    clock.advance(ms(12_500));

    assert_eq!(node.leadership.term(), None);
    assert_eq!(node.leadership.role(), Role::Follower);
    assert!(!term.is_valid(&clock));
    assert!(!node.leadership.leads_in(term.epoch()));
}

#[test]
fn a_term_that_was_over_once_stays_over_and_the_next_has_another_epoch() {
    let (clock, mut node) = alone();
    node.run();
    // The renewal is sent at 5 s, and answered while the process is stopped.
    node.line.fault(Fault::SlowAnswer(ms(1_000)));
    node.run_for(ms(5_500), &clock);
    clock.advance(ms(8_000));
    assert_eq!(node.leadership.term(), None);

    node.run();
    assert_eq!(node.leadership.term(), None, "the lease was renewed, but the term was over");
    node.line.fault(Fault::None);
    node.run_for(ms(5_000), &clock);
    assert_eq!(node.leadership.term().unwrap().epoch(), Epoch::new(2));
}

#[test]
fn a_lost_answer_begins_no_term_twice_and_locks_nobody_out() {
    let (clock, mut node) = alone();
    node.line.fault(Fault::LostAnswer);
    node.run();
    assert_eq!(node.leadership.term(), None);
    assert!(node.leadership.last_error().unwrap().may_have_run());

    node.line.fault(Fault::None);
    node.run_for(ms(5_000), &clock);

    assert_eq!(node.leadership.term().unwrap().epoch(), Epoch::new(1));
}

#[test]
fn a_candidate_that_can_not_finish_its_term_does_not_keep_the_others_out() {
    let (clock, mut nodes) = pair();
    nodes[0].line.fault(Fault::SlowAnswer(ms(5_000)));
    nodes[0].run();
    assert!(status(&nodes[0].line).is_held());

    while nodes[1].leadership.term().is_none() {
        clock.advance(ms(5));
        nodes.iter_mut().for_each(Node::run);
        assert!(clock.now() < at(20_000), "it keeps what is of no use to it");
    }

    assert!(nodes[0].leadership.last_error().unwrap().may_have_run());
}

#[test]
fn who_can_not_begin_a_term_gives_the_lease_back_and_rests() {
    let (clock, mut node) = alone();
    node.line.fault(Fault::LostAnswer);
    node.run_for(ms(5_000), &clock);
    assert!(!status(&node.line).is_held(), "given back after the second time");
    assert!(node.leadership.last_error().unwrap().may_have_run());
    assert!(node.leadership.store_silent_for().is_some());
    let asked = failures(&node);

    node.run_for(ms(12_000), &clock);
    assert_eq!(failures(&node), asked, "it rests");
    node.line.fault(Fault::None);
    node.run_for(ms(5_000), &clock);

    assert!(node.leadership.term().is_some());
    assert!(node.leadership.last_error().is_none());
}

#[test]
fn a_leader_that_dies_is_followed_within_a_lease_and_a_campaign() {
    let (clock, mut nodes) = pair();
    nodes[0].run();
    nodes[1].run();
    assert_eq!(nodes[0].leadership.role(), Role::Leader);
    assert_eq!(nodes[1].leadership.role(), Role::Follower);
    let by = match nodes[1].leadership.last_error() {
        Some(LeaseError::Held { by }) => by,
        other => panic!("{other:?}"),
    };
    assert_eq!(by.as_deref(), Some("node"));

    let died = clock.now();
    while nodes[1].leadership.term().is_none() {
        nodes[1].run_for(ms(5), &clock);
        assert!(clock.now().since(died) <= ms(20_000));
    }

    assert!(clock.now().since(died) >= ms(15_000), "the lease had not ended");
    assert_eq!(nodes[1].leadership.term().unwrap().epoch(), Epoch::new(2));
}

#[test]
fn who_releases_is_followed_within_a_campaign() {
    let (clock, mut nodes) = pair();
    nodes[0].run();
    nodes[1].run();

    let mut released = pin!(nodes[0].leadership.release());
    assert_eq!(nodes[0].leadership.role(), Role::Released, "before anything is polled");
    nodes[0].run();
    assert_eq!(poll(released.as_mut()), Poll::Ready(()));
    nodes[1].run_for(ms(5_000), &clock);

    assert_eq!(nodes[1].leadership.term().unwrap().epoch(), Epoch::new(2));
    // Who has released does not ask until it is told to.
    nodes[0].run_for(ms(60_000), &clock);
    assert_eq!(nodes[0].leadership.role(), Role::Released);
    nodes[0].leadership.campaign();
    assert_eq!(nodes[0].leadership.role(), Role::Follower);
    nodes[0].run();
    assert_eq!(nodes[0].leadership.term().unwrap().epoch(), Epoch::new(3));
}

#[test]
fn the_lease_is_given_back_when_the_work_under_it_has_ended() {
    let (clock, mut node) = alone();
    node.run();
    let leadership = node.leadership.clone();
    let mut work = Box::pin(leadership.run_while_leading(|_| std::future::pending::<()>()));
    assert!(poll(work.as_mut()).is_pending());

    let mut released = pin!(node.leadership.release());
    node.run();
    assert!(poll(released.as_mut()).is_pending());
    assert!(status(&node.line).is_held());

    // The work is dropped at its next poll, and the lease follows.
    assert!(poll(work.as_mut()).is_ready());
    drop(work);
    node.run_for(ms(1), &clock);
    assert!(poll(released.as_mut()).is_ready());
    assert!(!status(&node.line).is_held());
}

#[test]
fn work_that_is_not_polled_keeps_the_lease_no_longer_than_its_term() {
    let (clock, mut node) = alone();
    node.run();
    let leadership = node.leadership.clone();
    let mut work = Box::pin(leadership.run_while_leading(|_| std::future::pending::<()>()));
    assert!(poll(work.as_mut()).is_pending());

    let mut released = pin!(node.leadership.release());
    node.run_for(ms(12_499), &clock);
    assert!(poll(released.as_mut()).is_pending());
    node.run_for(ms(1), &clock);

    assert!(poll(released.as_mut()).is_ready());
}

#[test]
fn a_release_that_the_store_does_not_take_ends_with_the_lease() {
    let (clock, mut node) = alone();
    node.run();
    node.line.fault(Fault::Silent);

    let mut released = pin!(node.leadership.release());
    node.run_for(ms(14_999), &clock);
    assert!(poll(released.as_mut()).is_pending());
    node.run_for(ms(1), &clock);

    assert!(poll(released.as_mut()).is_ready());
}

#[test]
fn a_release_ends_with_the_lease_though_nobody_polls_the_election() {
    let (clock, mut node) = alone();
    node.run();
    let (woken, waker) = counter();
    let mut cx = Context::from_waker(&waker);
    let mut released = pin!(node.leadership.release());
    assert!(released.as_mut().poll(&mut cx).is_pending());

    clock.advance(ms(14_999));
    assert_eq!(woken.count(), 0);
    clock.advance(ms(1));

    assert_eq!(woken.count(), 1);
    assert!(released.as_mut().poll(&mut cx).is_ready());
}

#[test]
fn a_release_that_is_taken_back_ends() {
    let (_, mut node) = alone();
    node.run();
    let (woken, waker) = counter();
    let mut cx = Context::from_waker(&waker);
    let mut released = pin!(node.leadership.release());
    assert!(released.as_mut().poll(&mut cx).is_pending());

    node.leadership.campaign();

    assert_eq!(woken.count(), 1);
    assert!(released.as_mut().poll(&mut cx).is_ready());
}

#[test]
fn a_release_waits_for_a_request_that_was_cut_and_may_still_arrive() {
    let (clock, mut node) = alone();
    node.line.fault(Fault::Slow(ms(10_000)));
    node.run_for(ms(3_750), &clock);
    assert!(node.leadership.last_error().unwrap().may_have_run());
    node.line.fault(Fault::None);

    let mut released = pin!(node.leadership.release());
    node.run_for(ms(6_000), &clock);
    assert!(poll(released.as_mut()).is_pending(), "the store knows nothing of it yet");
    node.run_for(ms(1_500), &clock);

    assert!(poll(released.as_mut()).is_ready());
    assert!(!status(&node.line).is_held());
}

#[test]
fn an_election_that_runs_until_something_rests_while_the_lease_is_given_back() {
    let (clock, leadership, _, stop, mut election) = until();
    let (woken, waker) = counter();
    woken.settle(&waker, election.as_mut());
    let worker = leadership;
    let mut work = Box::pin(worker.run_while_leading(|_| std::future::pending::<()>()));
    assert!(poll(work.as_mut()).is_pending());

    stop.send(()).unwrap();
    assert!(!woken.settle(&waker, election.as_mut()), "it waits for the work");
    clock.advance(ms(100));
    assert!(!woken.settle(&waker, election.as_mut()));
    drop(work);

    assert!(woken.settle(&waker, election.as_mut()));
}

#[test]
fn an_election_whose_end_is_taken_back_runs_until_the_next_release() {
    let (clock, leadership, line, stop, mut election) = until();
    let (woken, waker) = counter();
    woken.settle(&waker, election.as_mut());
    line.fault(Fault::Silent);
    stop.send(()).unwrap();
    assert!(!woken.settle(&waker, election.as_mut()));

    line.fault(Fault::None);
    leadership.campaign();
    for _ in 0..200 {
        clock.advance(ms(100));
        assert!(!woken.settle(&waker, election.as_mut()));
    }
    assert!(leadership.term().is_some());
    drop(leadership.release());

    assert!(woken.settle(&waker, election.as_mut()));
    assert!(!status(&line).is_held());
}

#[test]
fn a_release_of_what_was_never_held_ends_at_once() {
    let (_, node) = alone();
    let mut released = pin!(node.leadership.release());

    assert!(poll(released.as_mut()).is_ready());
}

#[test]
fn a_release_waits_for_a_request_that_is_under_way() {
    let (clock, mut node) = alone();
    node.line.fault(Fault::SlowAnswer(ms(1_000)));
    node.run();
    node.line.fault(Fault::None);

    let mut released = pin!(node.leadership.release());
    node.run_for(ms(999), &clock);
    assert!(poll(released.as_mut()).is_pending());
    node.run_for(ms(1), &clock);
    assert_eq!(node.leadership.term(), None);
    node.run_for(ms(1_000), &clock);

    assert!(poll(released.as_mut()).is_ready());
    assert!(!status(&node.line).is_held());
}

#[test]
fn a_release_that_arrives_late_ends_no_later_term() {
    let (clock, mut node) = alone();
    node.run();
    node.line.fault(Fault::Slow(ms(10_000)));
    drop(node.leadership.release());
    node.run_for(ms(100), &clock);

    node.line.fault(Fault::None);
    node.leadership.campaign();
    node.run_for(ms(30_000), &clock);
    let term = node.leadership.term().unwrap();

    assert!(status(&node.line).is_held());
    assert_eq!(status(&node.line).epoch(), term.epoch());
}

#[test]
fn work_is_dropped_when_the_term_ends_and_not_begun_without_one() {
    let (clock, mut node) = alone();
    let leadership = node.leadership.clone();
    let begun = Rc::new(Cell::new(0));
    let work = || {
        let begun = begun.clone();
        leadership.run_while_leading(move |_| {
            begun.set(begun.get() + 1);
            std::future::pending::<()>()
        })
    };
    let Poll::Ready(Err(error)) = poll(pin!(work())) else { panic!("nobody leads") };
    assert_eq!((error.epoch(), begun.get()), (None, 0));

    node.run();
    let mut by_clock = Box::pin(work());
    assert!(poll(by_clock.as_mut()).is_pending());
    clock.advance(ms(12_500));
    let Poll::Ready(Err(error)) = poll(by_clock.as_mut()) else { panic!("the term is over") };
    assert_eq!((error.epoch(), begun.get()), (Some(Epoch::new(1)), 1));

    // Also if this process leads again, in another term, before the work is polled.
    node.run_for(ms(5_000), &clock);
    let mut by_epoch = Box::pin(work());
    assert!(poll(by_epoch.as_mut()).is_pending());
    clock.advance(ms(12_500));
    node.run_for(ms(5_000), &clock);
    assert!(node.leadership.term().is_some());
    let Poll::Ready(Err(error)) = poll(by_epoch.as_mut()) else { panic!("that term is over") };
    assert_eq!(error.epoch(), Some(Epoch::new(2)));
}

#[test]
fn work_that_ends_in_time_has_its_result() {
    let (_, mut node) = alone();
    node.run();

    let done = pin!(node.leadership.run_while_leading(async |term| term.epoch()));

    assert_eq!(poll(done), Poll::Ready(Ok(Epoch::new(1))));
}

#[test]
fn a_broken_lease_ends_when_its_time_is_up_and_the_holder_steps_down_before() {
    let (clock, mut nodes) = pair();
    nodes[0].run();
    let operator = nodes[1].leadership.clone();
    assert_eq!(unwrap(poll(pin!(operator.break_by_operator()))).ok(), Some(()));

    let (mut stepped_down, mut followed) = (None, None);
    while followed.is_none() {
        clock.advance(ms(5));
        nodes.iter_mut().for_each(Node::run);
        let leads = |node: &Node| node.leadership.term().is_some();
        assert!(!(leads(&nodes[0]) && leads(&nodes[1])));
        if !leads(&nodes[0]) && stepped_down.is_none() {
            stepped_down = Some(clock.now());
        }
        if nodes.iter().any(leads) && stepped_down.is_some() {
            followed = Some(clock.now());
        }
        assert!(clock.now() <= at(20_000));
    }

    assert_eq!(stepped_down, Some(at(5_000)), "at its next renewal");
    assert!(followed >= Some(at(15_000)));
}

#[test]
fn nobody_holds_a_lease_to_break() {
    let (_, node) = alone();

    let broken = unwrap(poll(pin!(node.leadership.break_by_operator())));

    assert!(matches!(broken, Err(LeaseError::Lost)), "{broken:?}");
}

#[test]
fn questions_of_people_are_cut_as_well() {
    let (clock, node) = alone();
    node.line.fault(Fault::Silent);
    let mut status = pin!(node.leadership.status());
    let mut broken = pin!(node.leadership.break_by_operator());
    assert!(poll(status.as_mut()).is_pending());
    assert!(poll(broken.as_mut()).is_pending());

    clock.advance(ms(3_750));

    assert!(unwrap(poll(status)).unwrap_err().may_have_run());
    assert!(unwrap(poll(broken)).unwrap_err().may_have_run());
}

#[test]
fn a_store_that_fails_at_once_is_asked_at_a_measured_pace() {
    let (clock, mut node) = alone();
    let events = failures(&node);
    node.line.fault(Fault::Unavailable);

    node.run_for(ms(60_000), &clock);

    // Each wait is between 2.5 and 5 s.
    let asked = failures(&node) - events;
    assert!((12..=25).contains(&asked), "{asked} in a minute");
}

#[test]
fn an_election_that_is_dropped_ends_the_term_and_lets_nobody_wait() {
    let (clock, Node { leadership, line, .. }) = {
        let (clock, mut node) = alone();
        node.run();
        assert!(node.leadership.term().is_some());
        (clock, node)
    };

    assert_eq!(leadership.term(), None);
    assert_eq!(leadership.role(), Role::Released);
    assert!(poll(pin!(leadership.release())).is_ready());
    leadership.campaign();
    assert_eq!(leadership.role(), Role::Released);
    // It was not given back: nobody could.
    assert!(status(&line).is_held());
    drop(clock);
}

#[test]
fn who_waits_to_lead_or_never_to_is_told_when_the_election_is_dropped() {
    let (_, Node { leadership, line, inner }) = alone();
    let (woken, waker) = counter();
    let mut cx = Context::from_waker(&waker);
    let mut waits = pin!(leadership.leading_or_abandoned());
    assert!(waits.as_mut().poll(&mut cx).is_pending());

    drop(inner);

    assert_eq!(woken.count(), 1);
    assert_eq!(waits.as_mut().poll(&mut cx), Poll::Ready(None));
    assert_eq!(poll(pin!(leadership.leading_or_abandoned())), Poll::Ready(None));
    drop(line);
}

#[test]
fn an_epoch_that_a_store_has_seen_ends_an_earlier_term_and_is_passed_by_the_next() {
    let (clock, mut node) = alone();
    node.run();

    node.leadership.heard_of(Epoch::new(1));
    assert!(node.leadership.term().is_some(), "its own");
    node.leadership.heard_of(Epoch::new(41));
    assert_eq!(node.leadership.term(), None);
    node.run_for(ms(5_000), &clock);

    assert_eq!(node.leadership.term().unwrap().epoch(), Epoch::new(42));
}

#[test]
fn when_no_epoch_is_left_nobody_leads() {
    let (clock, mut node) = alone();
    node.leadership.heard_of(Epoch::new(u64::MAX));

    node.run_for(ms(60_000), &clock);

    assert_eq!(node.leadership.term(), None);
    assert!(matches!(node.leadership.last_error(), Some(LeaseError::Refused(_))));
}

#[test]
fn a_watch_tells_of_each_term_and_of_its_end() {
    let (clock, mut node) = alone();
    let mut watch = node.leadership.watch();
    assert!(poll(pin!(watch.changed())).is_pending());

    node.run();
    assert_eq!(epoch(poll(pin!(watch.changed()))), Some(1));
    assert!(poll(pin!(watch.changed())).is_pending());
    // By the clock alone, and then by another epoch.
    clock.advance(ms(12_500));
    assert_eq!(epoch(poll(pin!(watch.changed()))), None);
    node.run_for(ms(5_000), &clock);
    assert_eq!(epoch(poll(pin!(watch.changed()))), Some(2));
    clock.advance(ms(12_500));
    node.run_for(ms(5_000), &clock);
    assert_eq!(epoch(poll(pin!(watch.changed()))), Some(3));
}

#[test]
fn changes_of_role_are_told_once_each() {
    let clock = Clock::manual();
    let (sender, receiver) = mpsc::channel();
    let environment = Environment::new()
        .clock(clock.clone())
        .observer(move |event: &Event| sender.send(event.to_string()).unwrap());
    let store = InMemory::new_in(&environment);
    let mut node = Node::new(&store, &Leadership::builder().name("billing"), &environment);

    node.run_for(ms(20_000), &clock);
    node.line.fault(Fault::Unavailable);
    clock.advance(ms(15_000));
    node.run();
    node.line.fault(Fault::None);
    node.run_for(ms(5_000), &clock);
    drop(node.leadership.release());
    node.leadership.campaign();

    let told: Vec<_> = receiver.try_iter().filter(|text| text.contains("->")).collect();
    let expected = [
        "`billing` lease: follower -> leader",
        "`billing` lease: leader -> follower",
        "`billing` lease: follower -> leader",
        "`billing` lease: leader -> released",
        "`billing` lease: released -> follower",
    ];
    assert_eq!(told, expected);
}

#[test]
fn its_levels_can_be_read() {
    let (_, mut node) = alone();
    node.run();

    let mut levels = Vec::new();
    node.leadership.measure(&mut |level| levels.push((level.name(), level.value())));

    let expected = [
        ("is_leader", 1.0),
        ("epoch", 1.0),
        ("terms", 1.0),
        ("store_failures", 0.0),
        ("remaining", 12.5),
    ];
    assert_eq!(levels, expected);
}

#[test]
fn its_check_is_down_when_nobody_can_be_elected_and_not_for_followers() {
    let (clock, mut nodes) = pair();
    nodes[0].run();
    nodes[1].run();
    let mut checks = [0, 1].map(|index: usize| policy::leadership(&nodes[index].leadership));
    let mut verdicts = || {
        let found = checks.each_mut().map(|check| unwrap(poll(pin!(check.run_once()))));
        found.map(|finding| (finding.verdict(), finding.observation().unwrap().0))
    };
    assert_eq!(verdicts(), [(Verdict::Healthy, 1.0), (Verdict::Healthy, 0.0)]);

    // The leader of a store that is gone is one for a while, and the store may come back.
    for node in &nodes {
        node.line.fault(Fault::Unavailable);
    }
    for _ in 0..100 {
        clock.advance(ms(100));
        nodes.iter_mut().for_each(Node::run);
    }
    assert_eq!(verdicts(), [(Verdict::Healthy, 1.0), (Verdict::Healthy, 0.0)]);
    for _ in 0..200 {
        clock.advance(ms(100));
        nodes.iter_mut().for_each(Node::run);
    }
    assert_eq!(verdicts(), [(Verdict::Down, 0.0); 2]);

    let [first, second] = nodes;
    second.line.fault(Fault::None);
    drop(first);
    let mut second = second;
    second.run_for(ms(5_000), &clock);
    assert_eq!(verdicts(), [(Verdict::Down, 0.0), (Verdict::Healthy, 1.0)]);
}

#[test]
fn a_store_whose_epochs_do_not_grow_makes_nobody_a_leader_twice() {
    let clock = Clock::manual();
    let environment = Environment::new().clock(clock.clone());
    let (leadership, election) = Leadership::builder().build_in(Broken, &environment).unwrap();
    let mut election = pin!(election.run());
    assert!(poll(election.as_mut()).is_pending());
    assert_eq!(leadership.term().unwrap().epoch(), Epoch::new(7));

    let mut watch = leadership.watch();
    clock.advance(ms(12_500));
    for _ in 0..1_000 {
        clock.advance(ms(100));
        assert!(poll(election.as_mut()).is_pending());
        assert!(poll(pin!(watch.changed())).is_pending());
    }
}

#[test]
fn a_store_that_panics_ends_the_term() {
    let clock = Clock::manual();
    let environment = Environment::new().clock(clock.clone());
    let (leadership, election) = Leadership::builder().build_in(Broken, &environment).unwrap();
    let mut election = Box::pin(election.run());
    assert!(poll(election.as_mut()).is_pending());
    assert!(leadership.term().is_some());

    clock.advance(ms(5_000));
    let panicked = catch_unwind(AssertUnwindSafe(move || poll(election.as_mut())));

    assert!(panicked.is_err());
    assert_eq!(leadership.term(), None);
}

#[test]
fn settings_that_make_no_sense_are_refused_by_name() {
    let default = Leadership::builder;
    let second = Duration::from_secs(1);
    let cases: [(Config, &str); 16] = [
        (default().holder(""), "holder"),
        (default().holder("x".repeat(65)), "holder"),
        (default().holder("ä"), "holder"),
        (default().holder("a\r\nb"), "holder"),
        (default().duration(Duration::ZERO), "duration"),
        (default().duration(Duration::MAX), "duration"),
        (default().margin(Duration::ZERO), "margin"),
        (default().margin(8 * second), "margin"),
        (default().renew_every(Duration::ZERO), "renew_every"),
        (default().renew_every(7 * second), "renew_every"),
        (default().renew_every(Duration::MAX), "renew_every"),
        (default().timeout(Duration::ZERO), "timeout"),
        (default().timeout(13 * second), "timeout"),
        (default().campaign_every(Duration::ZERO), "campaign_every"),
        (default().campaign_every(Duration::MAX), "campaign_every"),
        (default().duration(Duration::from_micros(1)), "duration"),
    ];
    // Nor what a store takes that takes everything.
    for duration in [Duration::ZERO, Duration::MAX] {
        let error = default().duration(duration).build(Broken).map(drop).unwrap_err();
        assert_eq!(error.field(), "duration");
    }
    for (config, field) in cases {
        let error = config.build(InMemory::new()).map(drop).unwrap_err();

        assert_eq!(error.field(), field, "{config:?}");
    }
    for good in [
        default(),
        default().margin(second * 15 / 2),
        default().duration(Duration::from_millis(1)),
        default().duration(24 * 60 * 60 * second),
    ] {
        assert!(good.build(InMemory::new()).is_ok(), "{good:?}");
    }
}

/// Its epochs do not grow, and it panics when it is renewed.
struct Broken;

impl Lease for Broken {
    fn check(&self, _: Duration) -> Result<(), InvalidConfig> {
        Ok(())
    }

    fn acquire<'a>(&'a self, _: &'a Claim, _: Duration) -> LeaseFuture<'a, Epoch> {
        Box::pin(async { Ok(Epoch::new(7)) })
    }

    fn renew<'a>(&'a self, _: &'a Claim) -> LeaseFuture<'a, ()> {
        Box::pin(async { panic!("as a store may") })
    }

    fn release<'a>(&'a self, _: &'a Claim) -> LeaseFuture<'a, ()> {
        Box::pin(async { Err(LeaseError::Lost) })
    }

    fn break_off(&self) -> LeaseFuture<'_, ()> {
        Box::pin(async { Err(LeaseError::Lost) })
    }

    fn read(&self) -> LeaseFuture<'_, Status> {
        Box::pin(async { Ok(Status::new(Epoch::new(7))) })
    }
}

/// A candidate with a line of its own to the store.
struct Node {
    inner: node::Node,
    leadership: Leadership,
    line: InMemory,
}

impl Node {
    fn new(store: &InMemory, config: &Config, environment: &Environment) -> Self {
        let line = store.line();
        let inner = node::Node::new(line.clone(), config, environment);
        Self { leadership: inner.leadership.clone(), inner, line }
    }

    fn run(&mut self) {
        self.inner.run();
    }

    fn run_for(&mut self, time: Duration, clock: &Clock) {
        self.inner.run_for(time, clock);
    }
}

fn alone() -> (Clock, Node) {
    let clock = Clock::manual();
    let environment = Environment::new().clock(clock.clone()).seed(3);
    let store = InMemory::new_in(&environment);
    (clock, Node::new(&store, &Leadership::builder().holder("node"), &environment))
}

fn pair() -> (Clock, [Node; 2]) {
    let clock = Clock::manual();
    let environment = Environment::new().clock(clock.clone()).seed(3);
    let store = InMemory::new_in(&environment);
    let config = Leadership::builder().holder("node");
    (clock, [0; 2].map(|_| Node::new(&store, &config, &environment)))
}

type Until = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One candidate that runs until it is told to end.
fn until() -> (Clock, Leadership, InMemory, oneshot::Sender<()>, Until) {
    let clock = Clock::manual();
    let environment = Environment::new().clock(clock.clone()).seed(3);
    let line = InMemory::new_in(&environment);
    let (leadership, election) =
        Leadership::builder().build_in(line.clone(), &environment).unwrap();
    let (stop, stopped) = oneshot::channel();
    (clock, leadership, line, stop, Box::pin(election.run_until(async { drop(stopped.await) })))
}

/// Counts how often it is woken.
#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Counter {
    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Polls as often as it is woken, and says whether that was to the end.
    fn settle(
        &self,
        waker: &Waker,
        mut future: Pin<&mut (dyn Future<Output = ()> + Send)>,
    ) -> bool {
        for _ in 0..20 {
            let before = self.count();
            if future.as_mut().poll(&mut Context::from_waker(waker)).is_ready() {
                return true;
            }
            if self.count() == before {
                return false;
            }
        }
        panic!("it never rests");
    }
}

fn counter() -> (Arc<Counter>, Waker) {
    let counter = Arc::new(Counter::default());
    (Arc::clone(&counter), Waker::from(counter))
}

fn status(line: &InMemory) -> Status {
    unwrap(poll(pin!(line.line().read()))).unwrap()
}

fn failures(node: &Node) -> u32 {
    let mut failures = 0.0;
    node.leadership.measure(&mut |level| {
        if level.name() == "store_failures" {
            failures = level.value();
        }
    });
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
    let failures = failures as u32;
    failures
}

fn epoch(polled: Poll<Option<seawall::lease::Term>>) -> Option<u64> {
    unwrap(polled).map(|term| term.epoch().get())
}

fn unwrap<T>(polled: Poll<T>) -> T {
    match polled {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it is not ready"),
    }
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn at(millis: u64) -> Instant {
    Instant::default() + ms(millis)
}
