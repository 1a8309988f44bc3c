//! Nothing begins that can not end in time, and the deadline hides no failure.

use std::sync::mpsc::channel;
use std::task::{Context, Poll};

use seawall::context::Context as CallContext;
use seawall::replay::Cloned;
use seawall::timeout::Timeout;

use super::*;

#[test]
fn a_wait_that_would_reach_the_deadline_ends_the_call_at_once() {
    let Stage { clock, environment, events } = stage();
    let retry = plain().build_in(&environment).unwrap();
    let (service, sent) = scripted(&clock, [RESET, RESET, Ok("never")]);
    let within = CallContext::new().deadline(at(300));

    let mut task = Task::new(within.scope(retry.layer().layer(service).oneshot("q")));
    assert!(task.poll().is_pending());
    clock.advance(millis(100));

    // The next wait would be 200 ms, which are left to the nanosecond.
    assert_eq!(task.poll(), Poll::Ready(RESET));
    assert_eq!(attempts(&sent), [1, 2]);
    let end = events.try_iter().last().unwrap();
    assert_eq!(end.kind(), &EventKind::RetriesExhausted { attempts: 2 });
}

#[test]
fn a_hint_beyond_the_deadline_ends_the_call_with_the_real_answer() {
    let Stage { clock, environment, .. } = stage();
    let retry = plain().build_in(&environment).unwrap();
    for (deadline, expected) in [(2_000, 1), (2_001, 2)] {
        let (service, sent) = scripted(&clock, [Ok("429 after 2 s"), Ok("200")]);
        let service = retry.layer().classify(ByText).layer(service);
        let within = CallContext::new().deadline(clock.now() + millis(deadline));

        let mut task = Task::new(within.scope(service.oneshot("q")));

        let at_once = task.poll();
        assert_eq!(at_once.is_ready(), expected == 1);
        clock.advance(millis(2_000));
        if at_once.is_pending() {
            assert_eq!(task.poll(), Poll::Ready(Ok("200")));
        }
        assert_eq!(sent.try_iter().count(), expected);
    }
}

#[test]
fn an_attempt_begins_only_with_the_time_that_it_needs() {
    let Stage { clock, environment, .. } = stage();
    for (needs, expected) in [(200, 2), (201, 1)] {
        let retry = plain().min_attempt_time(millis(needs)).build_in(&environment).unwrap();
        let (service, sent) = scripted(&clock, [RESET, Ok("done")]);
        let within = CallContext::new().deadline(clock.now() + millis(300));

        let whole = within.scope(retry.layer().layer(service).oneshot("q"));

        assert_eq!(Task::new(whole).finish(&clock).is_ok(), expected == 2);
        assert_eq!(sent.try_iter().count(), expected);
    }
}

#[test]
fn a_repeat_whose_wait_ended_late_is_not_sent_and_given_back() {
    let Stage { clock, environment, .. } = stage();
    let retry = plain().build_in(&environment).unwrap();
    let before = retry.budget().unwrap().available();
    let (service, sent) = scripted(&clock, [RESET, Ok("never")]);
    let within = CallContext::new().deadline(at(200));
    let mut task = Task::new(within.scope(retry.layer().layer(service).oneshot("q")));
    assert!(task.poll().is_pending());
    assert_eq!(retry.budget().unwrap().available(), before - 1);

    // A busy runtime polls it long after its wake-up.
    clock.advance(millis(200));

    assert_eq!(task.poll(), Poll::Ready(RESET));
    assert_eq!(attempts(&sent), [1]);
    assert_eq!(retry.budget().unwrap().available(), before);
}

#[test]
fn a_deadline_that_passes_while_a_repeat_runs_brings_the_failure_before_it() {
    let Stage { clock, environment, .. } = stage();
    let retry = plain().build_in(&environment).unwrap();
    let within = CallContext::new().deadline(at(1_000));
    let mut task = Task::new(within.scope(retry.layer().layer(hangs_when_repeated()).oneshot("q")));
    assert!(task.poll().is_pending());
    clock.advance(millis(100));
    assert!(task.poll().is_pending());

    clock.advance(millis(899));
    assert!(task.poll().is_pending());
    clock.advance(millis(1));
    assert_eq!(task.wakes.count(), 2);
    assert_eq!(task.poll(), Poll::Ready(RESET));
}

#[test]
fn a_timeout_around_it_does_not_hide_the_failure_before() {
    let Stage { clock, environment, .. } = stage();
    let retry = plain().build_in(&environment).unwrap();
    let timeout = Timeout::builder().after(millis(1_000)).build_in(&environment).unwrap();
    let service = timeout.layer().layer(retry.layer().layer(hangs_when_repeated()));

    let started = clock.now();
    assert_eq!(call(&clock, service), RESET);
    assert_eq!(clock.now().since(started), millis(1_000));
}

#[test]
fn a_first_attempt_that_hangs_is_the_timeouts() {
    let Stage { clock, environment, .. } = stage();
    let retry = plain().build_in(&environment).unwrap();
    let timeout = Timeout::builder().after(millis(1_000)).build_in(&environment).unwrap();
    let hangs = service_fn(|_: &'static str| std::future::pending::<Answer>());

    let answer = call(&clock, timeout.layer().layer(retry.layer().layer(hangs)));

    let rejection = *seawall::error::Reject::rejection(&answer.unwrap_err()).unwrap();
    assert_eq!(rejection.reason(), Reason::TimedOut);
}

#[test]
fn attempts_with_a_timeout_each_are_repeated_within_the_whole() {
    let Stage { clock, environment, .. } = stage();
    let retry = plain().max_attempts(9).build_in(&environment).unwrap();
    let whole = Timeout::builder().after(millis(1_000)).build_in(&environment).unwrap();
    let each = Timeout::builder().name("each").after(millis(200)).build_in(&environment).unwrap();
    let (sender, sent) = channel();
    let hangs = service_fn(move |_: &'static str| {
        sender.send(()).unwrap();
        std::future::pending::<Answer>()
    });
    let service = whole.layer().layer(retry.layer().layer(each.layer().layer(hangs)));

    let answer = call(&clock, service);

    // Attempts at 0, 300 and 700 ms; the wait after the third would be 400 ms.
    assert_eq!(sent.try_iter().count(), 3);
    assert_eq!(clock.now(), at(900));
    let rejection = *seawall::error::Reject::rejection(&answer.unwrap_err()).unwrap();
    assert_eq!((rejection.policy(), rejection.reason()), ("each", Reason::TimedOut));
}

#[test]
fn an_unsafe_repeat_that_the_deadline_cuts_is_ambiguous() {
    let Stage { clock, environment, events } = stage();
    let retry = plain().build_in(&environment).unwrap();
    // The first attempt was certainly not executed. The second one nobody knows.
    let service = service_fn(|_: &'static str| async {
        if context::attempt() > 1 {
            std::future::pending::<()>().await;
        }
        Answer::Ok("429")
    });
    let layer = retry.layer().classify(ByText).replay(Cloned::not_idempotent());
    let within = CallContext::new().deadline(at(1_000));

    let whole = Task::new(within.scope(layer.layer(service).oneshot("q")));

    assert_eq!(whole.finish(&clock), Ok("ambiguous"));
    assert_eq!(events.try_iter().last().unwrap().kind(), &EventKind::Ambiguous);
}

#[test]
fn a_service_that_is_not_ready_for_the_repeat_is_waited_for_until_the_deadline() {
    for with_deadline in [false, true] {
        let Stage { clock, environment, .. } = stage();
        let retry = plain().build_in(&environment).unwrap();
        let before = retry.budget().unwrap().available();
        let mut service = retry.layer().layer(Once::new(Poll::Pending));
        let mut within = CallContext::new();
        if with_deadline {
            within = within.deadline(at(1_000));
        }
        let mut task = Task::new(within.scope(async move {
            service.ready().await?;
            service.call("q").await
        }));
        assert!(task.poll().is_pending());
        clock.advance(millis(100));
        assert!(task.poll().is_pending());
        clock.advance(millis(900));

        assert_eq!(task.poll() == Poll::Ready(RESET), with_deadline);
        drop(task);
        assert_eq!(retry.budget().unwrap().available(), before, "nothing was sent");
    }
}

#[test]
fn a_service_that_died_meanwhile_says_so_itself() {
    let Stage { clock, environment, .. } = stage();
    let retry = plain().build_in(&environment).unwrap();
    let dead = Err(Error::Service("dead"));
    let local = rejected(Reason::CircuitOpen);
    for (unready, expected) in [(dead.clone(), dead), (local, RESET)] {
        let before = retry.budget().unwrap().available();
        let unready = Poll::Ready(unready.map(drop));
        let service = retry.layer().layer(Once::new(unready));

        assert_eq!(call(&clock, service), expected);
        assert_eq!(retry.budget().unwrap().available(), before, "nothing was sent");
    }
}

#[test]
fn a_repeat_that_the_deadline_cuts_is_dropped_as_cut() {
    let Stage { clock, environment, .. } = stage();
    let retry = plain().build_in(&environment).unwrap();
    // A slow call that is only ever dropped is evidence for a breaker below, if a deadline cut it.
    let breaker = seawall::circuit_breaker::CircuitBreaker::builder()
        .failure_rate(0.5)
        .min_calls(2)
        .build_in(&environment)
        .unwrap();
    let service = retry.layer().layer(breaker.layer().layer(hangs_when_repeated()));
    let within = CallContext::new().deadline(at(1_000));

    let whole = Task::new(within.scope(service.oneshot("q")));

    assert_eq!(whole.finish(&clock), RESET);
    assert_eq!(breaker.state(), seawall::circuit_breaker::State::Open);
}

/// Fails the first attempt, and never ends another.
fn hangs_when_repeated() -> impl Service<
    &'static str,
    Response = &'static str,
    Error = Error<&'static str>,
    Future = impl Future<Output = Answer> + Send,
> + Clone
+ Send
+ 'static {
    service_fn(|_: &'static str| async {
        if context::attempt() > 1 {
            std::future::pending::<()>().await;
        }
        RESET
    })
}

/// Is ready for one call, which fails. Its clones are as ready as they were told.
struct Once {
    clones: Poll<Result<(), Error<&'static str>>>,
    own: Poll<Result<(), Error<&'static str>>>,
}

impl Once {
    fn new(clones: Poll<Result<(), Error<&'static str>>>) -> Self {
        Self { clones, own: Poll::Ready(Ok(())) }
    }
}

impl Clone for Once {
    fn clone(&self) -> Self {
        let (clones, own) = (self.clones.clone(), self.clones.clone());
        Self { clones, own }
    }
}

impl Service<&'static str> for Once {
    type Response = &'static str;
    type Error = Error<&'static str>;
    type Future = std::future::Ready<Answer>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.own.clone()
    }

    fn call(&mut self, _: &'static str) -> Self::Future {
        assert!(matches!(self.own, Poll::Ready(Ok(()))), "called though it was not ready");
        std::future::ready(RESET)
    }
}

fn at(at_millis: u64) -> Instant {
    Instant::default() + millis(at_millis)
}
