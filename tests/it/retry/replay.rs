//! What may be sent twice, and with which body.

use std::sync::mpsc::channel;

use seawall::error::{AmbiguousError, BoxError};
use seawall::replay::{Cloned, NotReplayable, Replay, Safety};

use super::*;

#[test]
fn what_may_have_been_executed_and_is_not_idempotent_is_sent_once() {
    let Stage { clock, environment, events } = stage();
    let retry = plain().build_in(&environment).unwrap();
    let (service, sent) = scripted(&clock, [RESET, Ok("never")]);
    let layer = retry.layer().replay(Cloned::not_idempotent());

    assert_eq!(call(&clock, layer.layer(service)), Err(Error::Ambiguous("reset")));
    assert_eq!(sent.try_iter().count(), 1);
    assert_eq!(
        events.try_iter().map(|event| *event.kind()).collect::<Vec<_>>(),
        [EventKind::Ambiguous]
    );
}

#[test]
fn an_answer_that_leaves_it_open_is_marked_too() {
    let Stage { clock, environment, .. } = stage();
    let retry = plain().build_in(&environment).unwrap();
    let layer = retry.layer().classify(ByText).replay(Cloned::not_idempotent());
    for (answer, expected) in [("503", "ambiguous"), ("404", "404"), ("200", "200")] {
        let (service, _) = scripted(&clock, [Ok(answer)]);
        assert_eq!(call(&clock, layer.clone().layer(service)), Ok(expected));
    }
}

#[test]
fn even_a_single_attempt_is_ambiguous_when_it_is() {
    let Stage { clock, environment, .. } = stage();
    let retry = plain().max_attempts(1).build_in(&environment).unwrap();
    let (service, _) = scripted(&clock, [rejected(Reason::TimedOut)]);
    let layer = retry.layer().replay(Cloned::not_idempotent());

    let error = call(&clock, layer.layer(service)).unwrap_err();

    assert!(error.is_ambiguous());
}

#[test]
fn what_was_certainly_not_executed_is_repeated_whatever_it_is() {
    let Stage { clock, environment, .. } = stage();
    let retry = plain().build_in(&environment).unwrap();
    let (service, sent) = scripted(&clock, [Ok("429"), Ok("429"), Ok("200")]);
    let layer = retry.layer().classify(ByText).replay(Cloned::not_idempotent());

    assert_eq!(call(&clock, layer.layer(service)), Ok("200"));
    assert_eq!(attempts(&sent), [1, 2, 3]);
}

#[test]
fn an_unsafe_call_ends_ambiguous_with_its_first_attempt_that_may_have_run() {
    let Stage { clock, environment, .. } = stage();
    let retry = plain().max_attempts(9).build_in(&environment).unwrap();
    let (service, sent) = scripted(&clock, [Ok("429"), RESET, Ok("never")]);
    let layer = retry.layer().classify(ByText).replay(Cloned::not_idempotent());

    assert_eq!(call(&clock, layer.layer(service)), Err(Error::Ambiguous("reset")));
    assert_eq!(attempts(&sent), [1, 2]);
}

#[test]
fn an_idempotent_call_is_never_ambiguous() {
    let Stage { clock, environment, .. } = stage();
    let retry = plain().build_in(&environment).unwrap();
    let (service, _) = scripted(&clock, [RESET, RESET, RESET]);

    assert_eq!(call(&clock, retry.layer().layer(service)), RESET);
}

#[test]
fn a_boxed_error_is_marked_by_its_type() {
    let Stage { clock, environment, .. } = stage();
    let retry = plain().build_in(&environment).unwrap();
    let service = service_fn(|(): ()| async { Err::<(), BoxError>("reset".into()) });
    let service = retry.layer().replay(Cloned::not_idempotent()).layer(service);

    let error = Task::new(service.oneshot(())).finish(&clock).unwrap_err();

    assert!(error.is::<AmbiguousError<'_>>());
}

/// Requests whose body is kept up to four bytes, and is spoilt when the first attempt says so.
#[derive(Clone)]
struct Bodies;

type Upload = (Safety, Vec<u8>);

impl Replay<Upload> for Bodies {
    fn safety(&self, (safety, _): &Upload) -> Safety {
        *safety
    }

    fn keep(&self, upload: &mut Upload) -> Result<Upload, NotReplayable> {
        if upload.1.len() > 4 { Err(NotReplayable::BodyTooLarge) } else { Ok(upload.clone()) }
    }

    fn again(&self, kept: &Upload) -> Result<Upload, NotReplayable> {
        if kept.1.starts_with(b"!") { Err(NotReplayable::BodyFailed) } else { Ok(kept.clone()) }
    }
}

#[test]
fn every_attempt_sends_the_same_bytes_or_there_is_one_attempt() {
    let cases = [
        (&b"body"[..], 3, None),
        (b"bodies", 1, Some(NotReplayable::BodyTooLarge)),
        (b"!bad", 1, Some(NotReplayable::BodyFailed)),
    ];
    for safety in [Safety::Idempotent, Safety::Keyed] {
        for (body, expected, reason) in cases {
            let Stage { clock, environment, events } = stage();
            let retry = plain().build_in(&environment).unwrap();
            let before = retry.budget().unwrap().available();
            let (sender, seen) = channel();
            let service = service_fn(move |(_, body): Upload| {
                sender.send(body).unwrap();
                async { Err::<(), _>(Error::Service("reset")) }
            });
            let service = retry.layer().replay(Bodies).layer(service);

            let result = Task::new(service.oneshot((safety, body.to_vec()))).finish(&clock);

            assert_eq!(result, Err(Error::Service("reset")));
            assert_eq!(seen.try_iter().collect::<Vec<_>>(), vec![body.to_vec(); expected]);
            let told = events.try_iter().find_map(|event| match event.kind() {
                EventKind::NotReplayable { reason } => Some(*reason),
                _ => None,
            });
            assert_eq!(told, reason);
            let charged = before - retry.budget().unwrap().available();
            assert_eq!(charged, expected as u64 - 1, "what is not sent is not charged");
        }
    }
}

#[test]
fn an_unsafe_call_whose_body_is_gone_is_ambiguous_all_the_same() {
    let Stage { clock, environment, .. } = stage();
    let retry = plain().build_in(&environment).unwrap();
    let service = service_fn(|_: Upload| async { Err::<(), _>(Error::Service("reset")) });
    let service = retry.layer().replay(Bodies).layer(service);

    let upload = (Safety::Unsafe, b"bodies".to_vec());
    let result = Task::new(service.oneshot(upload)).finish(&clock);

    assert_eq!(result, Err(Error::Ambiguous("reset")));
}

#[test]
fn a_panic_while_the_request_is_made_again_costs_no_charge() {
    #[derive(Clone)]
    struct Panics;

    impl Replay<&'static str> for Panics {
        fn safety(&self, _: &&'static str) -> Safety {
            Safety::Idempotent
        }

        fn keep(&self, request: &mut &'static str) -> Result<&'static str, NotReplayable> {
            Ok(request)
        }

        fn again(&self, _: &&'static str) -> Result<&'static str, NotReplayable> {
            panic!("as users' code does")
        }
    }

    let Stage { clock, environment, .. } = stage();
    let retry = plain().build_in(&environment).unwrap();
    let before = retry.budget().unwrap().available();
    let (service, _) = scripted(&clock, [RESET]);
    let mut task = task(retry.layer().replay(Panics).layer(service));

    assert!(crate::task::panics(|| task.poll()));
    drop(task);
    assert_eq!(retry.budget().unwrap().available(), before);
}
