//! What a retry does, seen from outside.

mod amplification;
mod config;
mod deadline;
mod model;
mod others_defects;
mod replay;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::Poll;
use std::time::Duration;

use proptest::prelude::*;
use seawall::backoff::{Backoff, Jitter};
use seawall::budget::Budget;
use seawall::context;
use seawall::outcome::Classify;
use seawall::retry::{Config, Retry};
use seawall::telemetry::{Environment, Event, EventKind};
use seawall::time::{Clock, Instant};
use seawall::{Error, Outcome, Reason, Rejection};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::task::Task;

type Answer = Result<&'static str, Error<&'static str>>;

const RESET: Answer = Err(Error::Service("reset"));

#[test]
fn a_call_that_works_is_made_once() {
    let Stage { clock, environment, events } = stage();
    let (service, sent) = scripted(&clock, [Ok("done"), Ok("never")]);
    let retry = Retry::builder().build_in(&environment).unwrap();

    assert_eq!(call(&clock, retry.layer().layer(service)), Ok("done"));
    assert_eq!(attempts(&sent), [1]);
    assert_eq!(events.try_iter().count(), 0);
}

#[test]
fn a_failed_call_is_made_again_until_it_works() {
    let Stage { clock, environment, events } = stage();
    let (service, sent) = scripted(&clock, [RESET, RESET, Ok("done")]);
    let retry = plain().build_in(&environment).unwrap();

    assert_eq!(call(&clock, retry.layer().layer(service)), Ok("done"));
    let sent: Vec<_> = sent.try_iter().collect();
    assert_eq!(sent, [Sent::new(0, 1), Sent::new(100, 2), Sent::new(300, 3)]);
    let events: Vec<_> = events.try_iter().map(|event| *event.kind()).collect();
    let retries = [(2, 100), (3, 200)]
        .map(|(attempt, after)| EventKind::Retry { attempt, after: millis(after) });
    assert_eq!(events, retries);
}

#[test]
fn the_last_failure_comes_back_when_the_attempts_are_spent() {
    let Stage { clock, environment, events } = stage();
    let last = Err(Error::Service("last"));
    let (service, sent) = scripted(&clock, [RESET, RESET, last.clone(), Ok("never")]);
    let retry = plain().build_in(&environment).unwrap();

    assert_eq!(call(&clock, retry.layer().layer(service)), last);
    assert_eq!(attempts(&sent), [1, 2, 3]);
    let end = events.try_iter().last().unwrap();
    assert_eq!(end.kind(), &EventKind::RetriesExhausted { attempts: 3 });
    assert_eq!((end.pattern(), end.policy()), ("retry", "retry"));
}

#[test]
fn an_answer_that_is_no_success_is_repeated_by_its_outcome() {
    let Stage { clock, environment, .. } = stage();
    let retry = plain().build_in(&environment).unwrap();
    for (answer, expected) in [("503", 3), ("429", 3), ("404", 1), ("200", 1), ("cancelled", 1)] {
        let (service, sent) = scripted(&clock, vec![Ok(answer); 3]);
        let layer = retry.layer().classify(ByText);

        assert_eq!(call(&clock, layer.layer(service)), Ok(answer));
        assert_eq!(sent.try_iter().count(), expected, "{answer}");
    }
}

#[test]
fn a_local_rejection_is_not_repeated() {
    let Stage { clock, environment, events } = stage();
    let retry = plain().build_in(&environment).unwrap();
    for reason in LOCAL {
        let rejected = rejected(reason);
        let (service, sent) = scripted(&clock, [rejected.clone(), Ok("never")]);
        assert_eq!(call(&clock, retry.layer().layer(service)), rejected);
        assert_eq!(sent.try_iter().count(), 1);

        // Not even when a classifier takes every error for the service's.
        let all = |_: Result<&&str, &Error<&str>>| Outcome::Transient;
        let (service, sent) = scripted(&clock, [rejected.clone(), Ok("never")]);
        assert_eq!(call(&clock, retry.layer().classify(all).layer(service)), rejected);
        assert_eq!(sent.try_iter().count(), 1);
    }
    assert_eq!(events.try_iter().count(), 0);
}

#[test]
fn a_local_rejection_does_not_hide_the_failure_before_it() {
    let Stage { clock, environment, .. } = stage();
    let retry = plain().build_in(&environment).unwrap();
    for reason in LOCAL {
        let (service, sent) = scripted(&clock, [RESET, rejected(reason), Ok("never")]);

        assert_eq!(call(&clock, retry.layer().layer(service)), RESET);
        assert_eq!(attempts(&sent), [1, 2], "{reason:?}");
    }
}

#[test]
fn an_answer_of_an_earlier_attempt_comes_back_too() {
    let Stage { clock, environment, .. } = stage();
    let retry = plain().build_in(&environment).unwrap();
    let (service, _) = scripted(&clock, [Ok("503"), rejected(Reason::CircuitOpen)]);

    assert_eq!(call(&clock, retry.layer().classify(ByText).layer(service)), Ok("503"));
}

#[test]
fn a_timeout_of_an_attempt_is_a_failure_like_others() {
    let Stage { clock, environment, .. } = stage();
    let retry = plain().build_in(&environment).unwrap();
    let timed_out = rejected(Reason::TimedOut);
    let (service, sent) = scripted(&clock, [timed_out.clone(), RESET, timed_out.clone()]);

    assert_eq!(call(&clock, retry.layer().layer(service)), timed_out);
    assert_eq!(attempts(&sent), [1, 2, 3]);
}

#[test]
fn a_hint_is_waited_for_and_spread_above() {
    let Stage { clock, environment, events } = stage();
    let config = Retry::builder().without_budget().backoff(Backoff::exponential(millis(10)));
    let retry = config.build_in(&environment).unwrap();
    for _ in 0..200 {
        let (service, _) = scripted(&clock, [Ok("429 after 2 s"), Ok("200")]);
        assert_eq!(call(&clock, retry.layer().classify(ByText).layer(service)), Ok("200"));
    }
    let mut waits: Vec<_> = events.try_iter().filter_map(|event| wait_of(&event)).collect();
    waits.sort_unstable();
    waits.dedup();

    assert!(waits.len() > 190, "{} different waits", waits.len());
    assert!(waits[0] >= millis(2_000), "{:?}", waits[0]);
    assert!(*waits.last().unwrap() <= millis(3_000), "{waits:?}");
    assert!(*waits.last().unwrap() >= millis(2_900), "{waits:?}");
}

#[test]
fn a_hint_beyond_the_cap_ends_the_call_with_the_real_answer() {
    let Stage { clock, environment, events } = stage();
    let config = plain().max_retry_after(millis(1_999));
    let retry = config.build_in(&environment).unwrap();
    let (service, sent) = scripted(&clock, [Ok("429 after 2 s"), Ok("never")]);

    let mut task = task(retry.layer().classify(ByText).layer(service));

    assert_eq!(task.poll(), Poll::Ready(Ok("429 after 2 s")), "at once");
    assert_eq!(sent.try_iter().count(), 1);
    let end = events.try_iter().last().unwrap();
    assert_eq!(end.kind(), &EventKind::RetriesExhausted { attempts: 1 });
}

#[test]
fn the_attempts_number_is_visible_wherever_the_service_runs() {
    /// Says at each of its four steps which attempt it is.
    #[derive(Clone)]
    struct Telling(Sender<(&'static str, u32)>);

    struct Attempt(Sender<(&'static str, u32)>, bool);

    impl Telling {
        fn tell(&self, step: &'static str) {
            self.0.send((step, context::attempt())).unwrap();
        }
    }

    impl Service<()> for Telling {
        type Response = ();
        type Error = Error<&'static str>;
        type Future = Attempt;

        fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), Self::Error>> {
            self.tell("ready");
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, (): ()) -> Attempt {
            self.tell("call");
            Attempt(self.0.clone(), false)
        }
    }

    impl Future for Attempt {
        type Output = Result<(), Error<&'static str>>;

        fn poll(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> Poll<Self::Output> {
            self.0.send(("poll", context::attempt())).unwrap();
            if std::mem::replace(&mut self.1, true) {
                return Poll::Ready(Err(Error::Service("reset")));
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }

    impl Drop for Attempt {
        fn drop(&mut self) {
            self.0.send(("drop", context::attempt())).unwrap();
        }
    }

    let Stage { clock, environment, .. } = stage();
    let retry = plain().max_attempts(2).build_in(&environment).unwrap();
    let (sender, receiver) = channel();
    let mut service = retry.layer().layer(Telling(sender));

    let whole = Task::new(async move {
        service.ready().await?;
        service.call(()).await
    });
    assert!(whole.finish(&clock).is_err());
    let steps: Vec<_> = receiver.try_iter().collect();
    let of =
        |attempt| ["ready", "call", "poll", "poll", "drop"].map(|step| (step, attempt)).into_iter();
    assert_eq!(steps, of(1).chain(of(2)).collect::<Vec<_>>());
    assert_eq!(context::attempt(), 1);
}

#[test]
fn a_repeat_that_is_dropped_is_dropped_as_what_it_is() {
    struct Hung(Sender<u32>);

    impl Drop for Hung {
        fn drop(&mut self) {
            self.0.send(context::attempt()).unwrap();
        }
    }

    let Stage { clock, environment, .. } = stage();
    let retry = plain().build_in(&environment).unwrap();
    let (sender, dropped) = channel();
    let service = service_fn(move |_: &str| {
        let hung = Hung(sender.clone());
        async move {
            if context::attempt() == 2 {
                std::future::pending::<()>().await;
            }
            drop(hung);
            RESET
        }
    });

    let mut task = task(retry.layer().layer(service));
    assert!(task.poll().is_pending());
    clock.advance(millis(100));
    assert!(task.poll().is_pending());
    drop(task);

    assert_eq!(dropped.try_iter().collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_call_that_is_somebodys_repeat_has_fewer_attempts_of_its_own() {
    let Stage { clock, environment, .. } = stage();
    for (incoming, expected) in [(1, vec![1, 2, 3]), (2, vec![2, 3]), (3, vec![3]), (9, vec![9])] {
        let retry = plain().build_in(&environment).unwrap();
        let available = retry.budget().unwrap().available();
        let (service, sent) = scripted(&clock, [RESET, RESET, RESET, RESET]);
        let service = retry.layer().layer(service);
        let context = context::Context::new().attempt(incoming);

        let result = Task::new(context.scope(service.oneshot("q"))).finish(&clock);

        assert_eq!(result, RESET);
        assert_eq!(attempts(&sent), expected);
        let repeats = expected.len() as u64 - 1;
        assert_eq!(available - retry.budget().unwrap().available(), repeats);
    }
}

#[test]
fn only_calls_that_are_no_repeats_add_to_the_budget() {
    let Stage { clock, environment, .. } = stage();
    let budget = Budget::builder().ratio(1.0).per_second(0.0).build_in(&environment).unwrap();
    let retry = plain().build_sharing(&budget, &environment).unwrap();
    for incoming in [1, 2] {
        let (service, _) = scripted(&clock, [Ok("200")]);
        let context = context::Context::new().attempt(incoming);
        let call = context.scope(retry.layer().layer(service).oneshot("q"));
        assert_eq!(Task::new(call).finish(&clock), Ok("200"));
    }

    assert_eq!(budget.available(), 1);
}

#[test]
fn a_wait_ends_though_the_call_has_moved_to_another_task() {
    let Stage { clock, environment, .. } = stage();
    let retry = plain().build_in(&environment).unwrap();
    let (service, _) = scripted(&clock, [RESET, Ok("done")]);
    let mut task = task(retry.layer().layer(service));
    assert!(task.poll().is_pending());

    let mut moved = task.moved();
    assert!(moved.poll().is_pending());
    clock.advance(millis(100));

    assert_eq!(moved.wakes.count(), 1);
    assert_eq!(moved.poll(), Poll::Ready(Ok("done")));
}

#[test]
fn a_wait_is_one_wake_and_no_spin() {
    let Stage { clock, environment, .. } = stage();
    let retry = plain().build_in(&environment).unwrap();
    let (service, sent) = scripted(&clock, [RESET, Ok("done")]);
    let mut task = task(retry.layer().layer(service));
    assert!(task.poll().is_pending());

    for _ in 0..99 {
        clock.advance(millis(1));
        assert_eq!(task.wakes.count(), 0);
    }
    // Polled for another reason, it is not over a nanosecond early.
    clock.advance(Duration::from_nanos(999_999));
    assert!(task.poll().is_pending());
    clock.advance(Duration::from_nanos(1));
    assert_eq!(task.wakes.count(), 1);
    assert_eq!(task.poll(), Poll::Ready(Ok("done")));
    assert_eq!(sent.try_iter().last(), Some(Sent::new(100, 2)));
}

#[test]
fn closures_are_run_by_the_same_rules() {
    let Stage { clock, environment, .. } = stage();
    let retry = plain().build_in(&environment).unwrap();
    let made = Arc::new(AtomicUsize::new(0));
    let runs = |fails| {
        let (retry, made) = (retry.clone(), Arc::clone(&made));
        made.store(0, Ordering::Relaxed);
        Task::new(async move {
            let operation = || {
                let number = made.fetch_add(1, Ordering::Relaxed);
                async move { if number < fails { Err("reset") } else { Ok(number) } }
            };
            retry.run(operation).await
        })
        .finish(&clock)
    };

    assert_eq!(runs(0), Ok(0));
    assert_eq!(runs(2), Ok(2));
    assert_eq!(runs(3), Err(Error::Service("reset")));
    assert_eq!(made.load(Ordering::Relaxed), 3);
}

#[test]
fn a_call_that_is_polled_after_its_end_says_so() {
    let Stage { clock, environment, .. } = stage();
    let retry = plain().build_in(&environment).unwrap();
    let (service, _) = scripted(&clock, [RESET, RESET, RESET]);
    let mut service = retry.layer().layer(service);
    let mut call = Box::pin(service.call("q"));
    let mut poll = || {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        call.as_mut().poll(&mut cx)
    };
    while poll().is_pending() {
        clock.advance(millis(100));
    }

    assert!(crate::task::panics(poll));
}

#[test]
fn a_panic_of_the_classifier_costs_the_call_and_no_charge() {
    let Stage { clock, environment, .. } = stage();
    let retry = plain().build_in(&environment).unwrap();
    let before = retry.budget().unwrap().available();
    let (service, _) = scripted(&clock, [RESET, RESET]);
    let judge = |_: Result<&&str, &Error<&str>>| -> Outcome { panic!("as users' code does") };
    let mut task = task(retry.layer().classify(judge).layer(service));

    assert!(crate::task::panics(|| task.poll()));
    drop(task);
    assert_eq!(retry.budget().unwrap().available(), before);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn does_what_a_naive_retry_does(bytes in proptest::collection::vec(any::<u8>(), 0..28)) {
        model::check(&bytes);
    }
}

/// Judges answers by their text.
#[derive(Clone)]
struct ByText;

impl<E> Classify<&'static str, E> for ByText {
    fn classify(&self, result: Result<&&'static str, &E>) -> Outcome {
        match result {
            Ok(&"200") => Outcome::Success,
            Ok(&"404") => Outcome::Permanent,
            Ok(&"429") => Outcome::Overload { retry_after: None },
            Ok(&"429 after 2 s") => Outcome::Overload { retry_after: Some(millis(2_000)) },
            Ok(&"cancelled") => Outcome::Neutral,
            _ => Outcome::Transient,
        }
    }

    fn may_have_run(&self, result: Result<&&'static str, &E>) -> bool {
        !matches!(result, Ok(&"429" | &"429 after 2 s"))
    }

    fn ambiguous(&self, _: &'static str) -> &'static str {
        "ambiguous"
    }
}

const LOCAL: [Reason; 8] = [
    Reason::BulkheadFull,
    Reason::CircuitOpen,
    Reason::DeadlineExceeded,
    Reason::Paused,
    Reason::QueueFull,
    Reason::QueueTimedOut,
    Reason::RateLimited,
    Reason::TooHeavy,
];

/// A manual clock, and who listens.
struct Stage {
    clock: Clock,
    environment: Environment,
    events: Receiver<Event>,
}

fn stage() -> Stage {
    let clock = Clock::manual();
    let (sender, events) = channel();
    let observer = move |event: &Event| sender.send(*event).unwrap_or_default();
    let environment = Environment::new().clock(clock.clone()).seed(7).observer(observer);
    Stage { clock, environment, events }
}

/// Three attempts after 100 and 200 ms.
fn plain() -> Config {
    Retry::builder().backoff(Backoff::exponential(millis(100)).jitter(Jitter::None))
}

/// An attempt as the service saw it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Sent {
    at: Instant,
    attempt: u32,
}

impl Sent {
    fn new(at_millis: u64, attempt: u32) -> Self {
        Self { at: Instant::default() + millis(at_millis), attempt }
    }
}

/// A service that gives these answers one after the other.
fn scripted(
    clock: &Clock,
    answers: impl IntoIterator<Item = Answer>,
) -> (
    impl Service<
        &'static str,
        Response = &'static str,
        Error = Error<&'static str>,
        Future = impl Future<Output = Answer> + Send,
    > + Clone
    + Send
    + 'static,
    Receiver<Sent>,
) {
    let (sender, sent) = channel();
    let answers: Arc<[Answer]> = answers.into_iter().collect();
    let next = Arc::new(AtomicUsize::new(0));
    let clock = clock.clone();
    let service = service_fn(move |_: &'static str| {
        let answer = answers[next.fetch_add(1, Ordering::Relaxed)].clone();
        // A test that asks for the answer alone listens no more.
        let seen = Sent { at: clock.now(), attempt: context::attempt() };
        sender.send(seen).unwrap_or_default();
        async move { answer }
    });
    (service, sent)
}

fn attempts(sent: &Receiver<Sent>) -> Vec<u32> {
    sent.try_iter().map(|sent| sent.attempt).collect()
}

fn call<S>(clock: &Clock, service: S) -> Answer
where
    S: Service<&'static str, Response = &'static str, Error = Error<&'static str>>,
    S: Send + 'static,
    S::Future: Send,
{
    task(service).finish(clock)
}

fn task<S>(service: S) -> Task<Answer>
where
    S: Service<&'static str, Response = &'static str, Error = Error<&'static str>>,
    S: Send + 'static,
    S::Future: Send,
{
    Task::new(service.oneshot("q"))
}

fn rejected(reason: Reason) -> Answer {
    Err(Error::Rejected(Rejection::new("inner", reason)))
}

fn wait_of(event: &Event) -> Option<Duration> {
    if let EventKind::Retry { after, .. } = event.kind() { Some(*after) } else { None }
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
