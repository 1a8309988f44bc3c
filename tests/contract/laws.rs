//! What every layer must keep, whatever the service below it does.

use std::sync::Arc;
use std::task::Poll;
use std::thread;

use tower::Service;

use crate::bench::{Bench, ready};
use crate::hostile::{Hostile, Manner, Readiness};
use crate::subjects::Boxed;
use crate::task::{Task, panics};

pub(crate) fn answers_and_errors_pass_unchanged(bench: &mut Bench) {
    assert_eq!(bench.call(7).unwrap(), 7);

    bench.script.set(Readiness::Ready, Manner::Fail);
    assert_eq!(bench.call(7).unwrap_err().to_string(), "failed");
}

pub(crate) fn only_what_was_polled_is_called(bench: &mut Bench) {
    for manner in [Manner::Answer, Manner::Fail, Manner::Fail, Manner::Answer] {
        bench.script.set(Readiness::Ready, manner);
        let _ = bench.call(7);
    }
}

pub(crate) fn a_service_that_is_not_ready_is_waited_for(bench: &mut Bench) {
    bench.call(1).unwrap();
    let calls = bench.script.count(|script| &script.calls);

    bench.script.set(Readiness::Pending, Manner::Answer);
    let mut task = bench.start(2);
    assert!(task.poll().is_pending());
    let wakes = task.wakes.count();
    assert!(task.poll().is_pending());
    assert_eq!(bench.script.count(|script| &script.calls), calls, "called without being ready");
    bench.script.set(Readiness::Ready, Manner::Answer);

    assert!(task.wakes.count() > wakes, "not woken when it was ready");
    assert_eq!(task.finish(&bench.clock).unwrap(), 2);
}

pub(crate) fn a_dead_service_is_reported_as_such(bench: &mut Bench) {
    bench.script.set(Readiness::Dead, Manner::Answer);

    let error = bench.call(1).unwrap_err();

    assert_eq!(error.to_string(), "dead");
}

pub(crate) fn a_clone_starts_unready(bench: &mut Bench) {
    let mut original = bench.service.clone();
    assert!(ready(&mut original));

    let mut copy = original.clone();

    // The copy is polled, and the readiness of the original is still its own.
    assert!(ready(&mut copy));
    assert_eq!(Task::new(copy.call(1)).finish(&bench.clock).unwrap(), 1);
    assert_eq!(Task::new(original.call(2)).finish(&bench.clock).unwrap(), 2);
}

pub(crate) fn readiness_reserves_nothing(bench: &mut Bench) {
    let mut idle: Vec<_> = (0..10).map(|_| bench.service.clone()).collect();
    assert!(idle.iter_mut().all(ready));

    for _ in 0..100 {
        assert_eq!(bench.call(1).unwrap(), 1);
    }
    drop(idle);
}

pub(crate) fn a_call_may_be_dropped_at_any_point(bench: &mut Bench) {
    for polls in 0..4 {
        bench.script.set(Readiness::Ready, Manner::Wait);
        let mut service = bench.service.clone();
        assert!(ready(&mut service));
        let mut task = Task::new(service.call(1));
        for _ in 0..polls {
            assert!(task.poll().is_pending());
        }
        drop(task);
        assert_eq!(bench.script.count(|script| &script.alive), 0, "the call lives on");

        bench.recovers();
    }
}

pub(crate) fn a_call_that_waits_is_not_polled_in_circles(bench: &mut Bench) {
    bench.script.set(Readiness::Ready, Manner::Wait);
    let mut task = bench.start(1);
    assert!(task.poll().is_pending());

    assert_eq!(task.wakes.count(), 0, "woken by nobody but itself");
    assert_eq!(bench.script.count(|script| &script.polls), 1);
}

pub(crate) fn who_polled_last_is_woken(bench: &mut Bench) {
    bench.script.set(Readiness::Ready, Manner::Wait);
    let mut task = bench.start(1);
    assert!(task.poll().is_pending());
    let before = Arc::clone(&task.wakes);

    let mut task = task.moved();
    assert!(task.poll().is_pending());
    bench.script.set(Readiness::Ready, Manner::Answer);

    assert_eq!((before.count(), task.wakes.count()), (0, 1));
    assert!(matches!(task.poll(), Poll::Ready(Ok(1))));
}

pub(crate) fn a_panic_of_the_service_costs_one_call_and_no_more(bench: &mut Bench) {
    for _ in 0..3 {
        bench.script.set(Readiness::Ready, Manner::PanicInCall);
        assert!(panics(|| bench.call(1)), "a panic in call was swallowed");
        bench.recovers();

        bench.script.set(Readiness::Ready, Manner::PanicInPoll);
        assert!(panics(|| bench.call(1)), "a panic in poll was swallowed");
        bench.recovers();

        bench.script.set(Readiness::Panic, Manner::Answer);
        assert!(panics(|| bench.call(1)), "a panic in poll_ready was swallowed");
        bench.recovers();

        bench.script.set(Readiness::Ready, Manner::PanicInDrop);
        let mut task = bench.start(1);
        assert!(task.poll().is_pending());
        assert!(panics(|| drop(task)), "a panic in drop was swallowed");
        bench.recovers();
    }
}

pub(crate) fn a_call_is_over_after_its_end(bench: &mut Bench) {
    let mut task = bench.start(1);
    let mut answers = 0;
    for _ in 0..5 {
        panics(|| answers += u32::from(task.poll().is_ready()));
    }
    drop(task);

    assert_eq!(answers, 1);
    bench.recovers();
}

pub(crate) fn a_call_outlives_its_service_and_layer(bench: &mut Bench) {
    bench.script.set(Readiness::Ready, Manner::Wait);
    let mut task = bench.start(1);
    assert!(task.poll().is_pending());

    let gone = Boxed::new(Hostile::new());
    drop(std::mem::replace(&mut bench.service, gone));
    bench.script.set(Readiness::Ready, Manner::Answer);

    assert_eq!(task.finish(&bench.clock).unwrap(), 1);
}

pub(crate) fn a_call_moves_between_threads(bench: &mut Bench) {
    for _ in 0..20 {
        bench.script.set(Readiness::Ready, Manner::Wait);
        let mut first = bench.start(1);
        let mut second = thread::spawn(move || {
            assert!(first.poll().is_pending());
            first
        })
        .join()
        .unwrap();
        assert!(second.poll().is_pending());
        thread::spawn(move || drop(second)).join().unwrap();
        bench.recovers();
    }
}

pub(crate) fn no_call_is_lost_among_many_that_are_given_up(bench: &mut Bench) {
    let mut chance = 1_u32;
    for round in 0..500 {
        // A linear congruence is chance enough, and the same in every run.
        chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let manner = [Manner::Wait, Manner::Answer, Manner::Fail, Manner::PanicInPoll]
            [(chance >> 24) as usize % 4];
        bench.script.set(Readiness::Ready, manner);
        let mut task = bench.start(round);
        panics(|| {
            for _ in 0..(chance >> 20) % 3 {
                if task.poll().is_ready() {
                    break;
                }
            }
        });
    }

    assert_eq!(bench.script.count(|script| &script.alive), 0);
    bench.recovers();
}
