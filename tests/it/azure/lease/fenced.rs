//! A blob that only the leader writes.

use std::task::Poll;
use std::time::Duration;

use seawall::azure::lease::{FencedBlob, FencedError, FencedWriter};
use seawall::lease::{Epoch, Fault, Stale};
use seawall::telemetry::Environment;
use seawall::time::Clock;

use super::blob::now;
use super::fake::{Line, Step};
use crate::lease::node::poll;

#[test]
fn a_leader_reads_what_the_one_before_wrote_and_goes_on_from_there() {
    let line = line();
    let (content, mut first) = open(&line, 1);
    assert!(content.is_empty());
    now(first.write("one")).unwrap();
    now(first.write("one, two")).unwrap();

    let (content, mut second) = open(&line, 2);
    assert_eq!(content, "one, two");
    now(second.write("one, two, three")).unwrap();

    assert_eq!(line.content().unwrap(), b"one, two, three");
    assert_eq!(line.metadata("seawall_epoch").as_deref(), Some("2"));
}

#[test]
fn the_service_refuses_a_leader_that_was_overtaken_from_the_moment_the_next_has_opened() {
    let line = line();
    let (_, mut first) = open(&line, 1);
    now(first.write("one")).unwrap();
    // It has written nothing yet.
    let (_, _second) = open(&line, 2);

    for _ in 0..3 {
        let error = now(first.write("stale")).unwrap_err();
        assert!(
            matches!(error, FencedError::Stale(stale) if stale == Stale::new(Epoch::new(1), Epoch::new(2)))
        );
    }
    let error = now(FencedBlob::new(line.client()).open(Epoch::new(1))).map(drop).unwrap_err();
    assert!(matches!(error, FencedError::Stale(_)), "{error}");
    assert_eq!(line.content().unwrap(), b"one");
}

#[test]
fn who_opens_it_again_in_the_same_epoch_shuts_the_other_writer_out() {
    let line = line();
    let (_, mut first) = open(&line, 1);
    let (_, mut second) = open(&line, 1);

    assert!(matches!(now(first.write("first")), Err(FencedError::Conflict)));
    now(second.write("second")).unwrap();
    assert_eq!(line.content().unwrap(), b"second");
}

#[test]
fn a_write_whose_answer_is_lost_is_found_by_its_mark() {
    let line = line();
    let (_, mut writer) = open(&line, 1);
    line.script([Step::Lose]);

    now(writer.write("one")).unwrap();
    now(writer.write("one, two")).unwrap();

    assert_eq!(line.content().unwrap(), b"one, two");
}

#[test]
fn a_write_of_which_nobody_knows_is_ambiguous_and_the_next_one_settles_it() {
    // Neither, the first, or the last of two lost writes arrives, and each before or after the third.
    for lost in [
        &[Step::Drop, Step::Drop][..],
        &[Step::Late(1), Step::Answer, Step::Drop],
        &[Step::Late(3), Step::Answer, Step::Drop],
        &[Step::Drop, Step::Answer, Step::Late(1), Step::Answer],
        &[Step::Drop, Step::Answer, Step::Late(3), Step::Answer],
        &[Step::Late(5), Step::Answer, Step::Late(2), Step::Answer],
        &[Step::Lose, Step::Lose, Step::Lose, Step::Lose],
    ] {
        let line = line();
        let (_, mut writer) = open(&line, 1);
        now(writer.write("zero")).unwrap();
        line.script(lost.iter().copied());

        let doubtful = now(writer.write("one"));
        if let Err(error) = doubtful {
            assert!(matches!(error, FencedError::Ambiguous(_)), "{lost:?}: {error}");
        }
        while let Err(error) = now(writer.write("two")) {
            assert!(matches!(error, FencedError::Ambiguous(_)), "{lost:?}: {error}");
        }
        assert_eq!(line.content().unwrap(), b"two", "{lost:?}");
        now(writer.write("three")).unwrap();
        assert_eq!(line.content().unwrap(), b"three", "{lost:?}");
    }
}

#[test]
fn a_write_whose_end_nobody_saw_before_another_leader_opened_the_blob_stays_in_doubt() {
    for (step, content) in [(Step::Lose, "one"), (Step::Repeat, "one"), (Step::Drop, "")] {
        for epoch in [1, 2] {
            let clock = Clock::manual();
            let line = Line::new(&clock);
            let (_, mut first) = open(&line, 1);
            line.script([step]);
            line.fault(Fault::Slow(Duration::from_secs(1)));
            let mut write = Box::pin(first.write("one"));
            assert!(poll(write.as_mut()).is_pending(), "it asks what became of it");

            let (there, _second) = open(&line.line(), epoch);
            assert_eq!(there, content);
            clock.advance(Duration::from_secs(1));
            let Poll::Ready(Err(error)) = poll(write.as_mut()) else { panic!("{step:?}") };

            assert!(matches!(error, FencedError::Ambiguous(_)), "{step:?}, {epoch}: {error}");
        }
    }
}

#[test]
fn a_service_that_does_not_answer_is_waited_for_no_longer_than_wanted() {
    let clock = Clock::manual();
    let line = Line::new(&clock);
    let environment = Environment::new().clock(clock.clone());
    let blob = FencedBlob::new_in(line.client(), &environment).timeout(Duration::from_secs(2));
    let (_, mut writer) = now(blob.open(Epoch::new(1))).unwrap();
    line.fault(Fault::Silent);

    let mut opened = Box::pin(blob.open(Epoch::new(2)));
    let mut written = Box::pin(writer.write("one"));
    assert!(poll(written.as_mut()).is_pending());
    assert!(poll(opened.as_mut()).is_pending());
    clock.advance(Duration::from_millis(1_999));
    assert!(poll(opened.as_mut()).is_pending());
    clock.advance(Duration::from_millis(1));
    let Poll::Ready(Err(error)) = poll(opened.as_mut()).map_ok(drop) else { panic!("it waits") };
    assert!(matches!(error, FencedError::Ambiguous(_)), "{error}");

    // It has cut the write, and asks what became of it.
    assert!(poll(written.as_mut()).is_pending());
    clock.advance(Duration::from_secs(2));
    let Poll::Ready(Err(error)) = poll(written.as_mut()) else { panic!("it waits") };
    assert!(matches!(error, FencedError::Ambiguous(_)), "{error}");
}

#[test]
fn a_write_that_was_not_made_says_so() {
    let line = line();
    let (_, mut writer) = open(&line, 1);
    for step in [Step::Refuse, Step::Status(503, "ServerBusy"), Step::Status(403, "Denied")] {
        line.script([step]);
        let error = now(writer.write("one")).unwrap_err();
        assert!(matches!(error, FencedError::Store(_)), "{step:?}: {error}");
    }

    now(writer.write("two")).unwrap();
}

#[test]
fn it_is_opened_whatever_gets_lost_meanwhile() {
    for steps in [
        // The blob is not there: head, put, head, then put metadata or not.
        &[Step::Answer, Step::Lose][..],
        &[Step::Answer, Step::Drop],
        &[Step::Answer, Step::Status(409, "BlobAlreadyExists")],
    ] {
        let line = line();
        line.script(steps.iter().copied());
        let (_, mut writer) = open(&line, 1);
        now(writer.write("one")).unwrap();
    }
    for steps in [
        &[Step::Answer, Step::Lose][..],
        &[Step::Answer, Step::Drop],
        &[Step::Answer, Step::Late(1)],
        &[Step::Answer, Step::Late(2)],
        &[Step::Answer, Step::Status(412, "ConditionNotMet")],
    ] {
        let line = line();
        let (_, mut first) = open(&line, 1);
        now(first.write("one")).unwrap();
        line.script(steps.iter().copied());

        let (content, mut second) = open(&line, 2);
        assert_eq!(content, "one", "{steps:?}");
        assert!(matches!(now(first.write("stale")), Err(FencedError::Stale(_))), "{steps:?}");
        now(second.write("two")).unwrap();
    }
}

#[test]
fn metadata_that_makes_no_sense_is_told_of_and_not_overwritten() {
    let line = line();
    let (_, writer) = open(&line, 1);
    drop(writer);
    line.tamper(|all| drop(all.insert("seawall_epoch".into(), "one".into())));

    let error = now(FencedBlob::new(line.client()).open(Epoch::new(2))).map(drop).unwrap_err();

    assert!(matches!(error, FencedError::Malformed(_)), "{error}");
    assert_eq!(line.metadata("seawall_epoch").as_deref(), Some("one"));
}

#[test]
fn a_change_by_somebody_else_is_not_overwritten() {
    let line = line();
    let (_, mut writer) = open(&line, 1);
    line.tamper(|all| drop(all.insert("seawall_mark".into(), "another".into())));

    assert!(matches!(now(writer.write("one")), Err(FencedError::Conflict)));
}

fn line() -> Line {
    Line::new(&Clock::manual())
}

fn open(line: &Line, epoch: u64) -> (azure_core::Bytes, FencedWriter) {
    now(FencedBlob::new(line.client()).open(Epoch::new(epoch))).unwrap()
}
