use std::future::{Future, pending, poll_fn, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::task::{Context, Poll};
use std::time::Duration;

use seawall::context;
use seawall::error::{BoxError, Reject};
use seawall::telemetry::{Environment, Event, EventKind};
use seawall::time::Clock;
use seawall::timeout::{Timeout, TimeoutService};
use seawall::{Error, Reason};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use crate::task::{Task, panics};

type Answer = Result<u32, BoxError>;

#[test]
fn the_answer_beats_the_deadline() {
    let clock = Clock::manual();
    let timeout = after(SECOND, &clock);
    let mut polls = 0;
    let mut task = Task::new(async move {
        timeout
            .run_with(|| {
                poll_fn(move |_| {
                    polls += 1;
                    if polls == 1 { Poll::Pending } else { Poll::Ready(Answer::Ok(7)) }
                })
            })
            .await
    });

    assert!(task.poll().is_pending());
    clock.advance(100 * SECOND);

    assert!(matches!(task.poll(), Poll::Ready(Ok(7))));
}

#[test]
fn a_call_that_takes_too_long_is_dropped_and_rejected() {
    let clock = Clock::manual();
    let (environment, events) = observed(&clock);
    let timeout = Timeout::builder().name("orders").after(SECOND).build_in(&environment).unwrap();
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let mut task = Task::new(async move {
        timeout
            .run_with(async || {
                let answer = pending::<Answer>().await;
                drop(held);
                answer
            })
            .await
    });

    assert!(task.poll().is_pending());
    clock.advance(SECOND.saturating_sub(NANOSECOND));
    assert!(task.poll().is_pending());
    assert_eq!(task.wakes.count(), 0);
    clock.advance(NANOSECOND);

    assert_eq!(task.wakes.count(), 1);
    let Poll::Ready(Err(error)) = task.poll() else { panic!("not ended") };
    let rejection = *error.rejection().unwrap();
    assert_eq!((rejection.policy(), rejection.reason()), ("orders", Reason::TimedOut));
    assert_eq!(Arc::strong_count(&alive), 1, "the call was not dropped");
    let kinds: Vec<_> = events.try_iter().map(|event| *event.kind()).collect();
    assert_eq!(kinds, [EventKind::TimedOut { after: SECOND }]);
}

#[test]
fn the_time_runs_from_the_first_poll() {
    let clock = Clock::manual();
    let mut service = after(SECOND, &clock).layer().layer(hanging());
    let mut task = Task::new(service.call(1));
    clock.advance(10 * SECOND);

    assert!(task.poll().is_pending());
    clock.advance(SECOND);

    assert_eq!(reason(task.poll()), Reason::TimedOut);
}

#[test]
fn an_earlier_deadline_of_the_caller_ends_the_call() {
    let clock = Clock::manual();
    let (environment, events) = observed(&clock);
    let timeout = Timeout::builder().after(5 * SECOND).build_in(&environment).unwrap();
    let caller = context::Context::new().deadline(clock.now() + 2 * SECOND);
    let mut task =
        Task::new(caller.scope(async move { timeout.run_with(pending::<Answer>).await }));

    assert!(task.poll().is_pending());
    clock.advance(2 * SECOND);

    assert_eq!(reason(task.poll()), Reason::TimedOut);
    let kinds: Vec<_> = events.try_iter().map(|event| *event.kind()).collect();
    assert_eq!(kinds, [EventKind::TimedOut { after: 2 * SECOND }]);
}

#[test]
fn a_later_deadline_of_the_caller_does_not_lengthen_the_time() {
    let clock = Clock::manual();
    let timeout = after(SECOND, &clock);
    let caller = context::Context::new().deadline(clock.now() + 20 * SECOND);
    let mut task =
        Task::new(caller.scope(async move { timeout.run_with(pending::<Answer>).await }));

    assert!(task.poll().is_pending());
    clock.advance(SECOND);

    assert_eq!(reason(task.poll()), Reason::TimedOut);
}

#[test]
fn nothing_begins_after_the_deadline_of_its_caller() {
    let clock = Clock::manual();
    let (environment, events) = observed(&clock);
    let timeout = Timeout::builder().build_in(&environment).unwrap();
    let caller = context::Context::new().deadline(clock.now() + SECOND);
    clock.advance(SECOND);
    let task = Task::new(caller.scope(async move {
        timeout.run_with(|| -> std::future::Ready<Answer> { panic!("was called") }).await
    }));

    let error = task.finish(&clock).unwrap_err();

    let reason = Reason::DeadlineExceeded;
    assert_eq!(error.rejection().unwrap().reason(), reason);
    let kinds: Vec<_> = events.try_iter().map(|event| *event.kind()).collect();
    assert_eq!(kinds, [EventKind::Rejected { reason }]);
}

#[test]
fn an_attempt_ends_before_the_call_so_that_what_is_between_can_answer() {
    let clock = Clock::manual();
    // The second attempt can not have its 3 seconds.
    let service = ServiceBuilder::new()
        .layer(after(5 * SECOND, &clock).layer())
        .layer(tower::layer::layer_fn(Twice))
        .layer(after(3 * SECOND, &clock).layer())
        .service(hanging());
    let mut task = Task::new(service.oneshot(1));

    assert!(task.poll().is_pending());
    clock.advance(3 * SECOND);
    assert!(task.poll().is_pending());
    clock.advance(2 * SECOND);

    assert_eq!(text(task.poll()), "both failed");
}

#[test]
fn one_timeout_sets_the_deadline_and_the_other_does_not_move_it() {
    let clock = Clock::manual();
    let seen = {
        let clock = clock.clone();
        service_fn(move |_: u32| ready(Ok::<_, BoxError>(context::deadline(&clock))))
    };
    let service = ServiceBuilder::new()
        .layer(after(2 * SECOND, &clock).layer())
        .layer(after(60 * SECOND, &clock).layer())
        .service(seen);

    let deadline = Task::new(service.oneshot(1)).finish(&clock).unwrap();

    assert_eq!(deadline, Some(clock.now() + 2 * SECOND));
    assert_eq!(context::deadline(&clock), None);
}

#[test]
fn a_deadline_that_is_asked_for_late_counts_from_the_start() {
    let clock = Clock::manual();
    let start = clock.now();
    let asked = {
        let clock = clock.clone();
        service_fn(move |_: u32| {
            let clock = clock.clone();
            let mut polls = 0;
            poll_fn(move |cx| {
                polls += 1;
                if polls < 3 {
                    cx.waker().wake_by_ref();
                    clock.advance(SECOND);
                    return Poll::Pending;
                }
                Poll::Ready(Ok::<_, BoxError>(context::deadline(&clock)))
            })
        })
    };
    let service = after(60 * SECOND, &clock).layer().layer(asked);

    let deadline = Task::new(service.oneshot(1)).finish(&clock).unwrap().unwrap();

    // The first poll itself took a second, and only then was the clock read.
    assert_eq!(deadline.since(start), 61 * SECOND);
}

// The layers of a peer keep the waker of the first poll, and hang.
#[test]
fn a_call_that_moved_to_another_task_is_woken_there() {
    let clock = Clock::manual();
    let mut task = hang(&after(SECOND, &clock));
    assert!(task.poll().is_pending());
    let first = Arc::clone(&task.wakes);

    let mut task = task.moved();
    assert!(task.poll().is_pending());
    clock.advance(SECOND);

    assert_eq!((first.count(), task.wakes.count()), (0, 1));
    assert_eq!(reason(task.poll()), Reason::TimedOut);
}

#[test]
fn a_call_that_moved_is_woken_there_by_the_system_clock_too() {
    let mut task = hang(&Timeout::new(Duration::from_millis(30)).unwrap());
    assert!(task.poll().is_pending());
    let first = Arc::clone(&task.wakes);

    let mut task = task.moved();
    assert!(task.poll().is_pending());
    let second = Arc::clone(&task.wakes);
    let real = Clock::system();
    let started = real.now();
    while second.count() == 0 {
        assert!(real.now().since(started) < 20 * SECOND, "never woken");
        std::thread::yield_now();
    }

    assert_eq!(first.count(), 0);
    assert_eq!(reason(task.poll()), Reason::TimedOut);
}

#[test]
fn a_call_that_others_keep_polling_ends_in_time() {
    let clock = Clock::manual();
    let timeout = after(SECOND, &clock);
    let mut task = Task::new(async move {
        timeout
            .run_with(|| {
                poll_fn::<Answer, _>(move |cx| {
                    cx.waker().wake_by_ref();
                    clock.advance(Duration::from_millis(1));
                    Poll::Pending
                })
            })
            .await
    });

    for polls in 1..=1_001 {
        if task.poll().is_ready() {
            // The first poll's millisecond is not counted: the time runs from its end.
            assert_eq!(polls, 1_001);
            return;
        }
    }
    panic!("starved");
}

// tokio's own timeout once never looked at its clock when the budget of the task was spent.
#[test]
fn what_is_always_ready_does_not_starve_the_deadline() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let clock = Clock::manual();
    let timeout = after(SECOND, &clock);
    let looped = Arc::new(AtomicU32::new(0));

    let answer = runtime.block_on(async {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        timeout
            .run_with(async || {
                loop {
                    // Ready every time; only the budget of the task ever makes it pending.
                    sender.send(()).unwrap();
                    receiver.recv().await.unwrap();
                    looped.fetch_add(1, Ordering::Relaxed);
                    clock.advance(Duration::from_millis(1));
                    assert!(looped.load(Ordering::Relaxed) < 100_000, "the deadline starved");
                }
                #[expect(unreachable_code, reason = "says what is awaited")]
                Answer::Ok(0)
            })
            .await
    });

    assert_eq!(reason(Poll::Ready(answer)), Reason::TimedOut);
}

#[test]
fn a_panic_in_the_drop_of_a_call_that_is_cut_is_the_callers_and_no_more() {
    struct Grenade;

    impl Drop for Grenade {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new("drop"));
        }
    }

    let clock = Clock::manual();
    let timeout = after(SECOND, &clock);
    let cut = timeout.clone();
    let mut task = Task::new(async move {
        cut.run_with(async || {
            let _grenade = Grenade;
            pending::<Answer>().await
        })
        .await
    });

    assert!(task.poll().is_pending());
    clock.advance(SECOND);

    assert!(panics(|| task.poll().is_ready()));
    drop(task);
    assert_eq!(context::attempt(), 1);
    assert_eq!(context::deadline(&clock), None);
    assert!(matches!(
        Task::new(async move { timeout.run_with(|| ready(Answer::Ok(1))).await }).finish(&clock),
        Ok(1)
    ));
}

#[test]
fn it_needs_no_runtime() {
    let timeout = Timeout::new(Duration::from_millis(20)).unwrap();

    let answer = block_on(timeout.run(pending::<Result<(), ()>>));

    assert!(matches!(answer, Err(Error::Rejected(it)) if it.reason() == Reason::TimedOut));
}

#[test]
fn a_thousand_calls_end_each_for_itself() {
    let clock = Clock::manual();
    let timeouts = [1, 2, 3].map(|seconds| after(seconds * SECOND, &clock));
    let mut tasks: Vec<_> = (0..999).map(|index| (index, hang(&timeouts[index % 3]))).collect();
    for (_, task) in &mut tasks {
        assert!(task.poll().is_pending());
    }
    // Some are given up.
    tasks.retain(|(index, _)| index % 7 != 0);

    for seconds in 1..=3 {
        clock.advance(SECOND);
        for (index, task) in &mut tasks {
            let due = *index % 3 + 1 == seconds;
            assert_eq!(task.wakes.count() == 1, *index % 3 < seconds);
            if due {
                assert_eq!(reason(task.poll()), Reason::TimedOut);
            }
        }
    }
}

#[test]
fn no_time_at_all_is_refused_and_no_time_is_too_long() {
    let clock = Clock::manual();
    let refused = Timeout::new(Duration::ZERO).unwrap_err();
    assert_eq!(refused.to_string(), "`after` must be longer than zero");

    for endless in [Duration::MAX, Duration::from_nanos(u64::MAX), Duration::from_secs(1 << 40)] {
        let mut task = hang(&after(endless, &clock));
        assert!(task.poll().is_pending());
        clock.advance(Duration::from_secs(100 * 365 * 24 * 3600));
        assert!(task.poll().is_pending());
    }

    let without_end = after(Duration::MAX, &clock);
    let caller = context::Context::new().deadline(clock.now() + SECOND);
    let mut task =
        Task::new(caller.scope(async move { without_end.run_with(pending::<Answer>).await }));
    assert!(task.poll().is_pending());
    clock.advance(SECOND);
    assert_eq!(task.wakes.count(), 1, "the caller's deadline ends it all the same");
    assert_eq!(reason(task.poll()), Reason::TimedOut);

    let mut task = hang(&after(NANOSECOND, &clock));
    assert!(task.poll().is_pending());
    clock.advance(NANOSECOND);
    assert!(task.poll().is_ready());
}

#[test]
fn new_settings_hold_for_the_calls_that_begin_later() {
    let clock = Clock::manual();
    let timeout = after(SECOND, &clock);
    let layer = timeout.layer();
    let mut service: TimeoutService<_> = layer.layer(hanging());
    let mut first = Task::new(service.call(1));
    assert!(first.poll().is_pending());

    timeout.reload(&Timeout::builder().after(3 * SECOND)).unwrap();
    let mut second = Task::new(service.call(2));
    assert!(second.poll().is_pending());
    clock.advance(SECOND);

    assert_eq!(reason(first.poll()), Reason::TimedOut);
    assert!(second.poll().is_pending());
    clock.advance(2 * SECOND);
    assert_eq!(reason(second.poll()), Reason::TimedOut);
}

#[test]
fn settings_that_can_not_change_say_so() {
    let timeout = Timeout::builder().name("orders").build().unwrap();

    let name = timeout.reload(&Timeout::builder().name("stock")).unwrap_err();
    let zero = timeout.reload(&Timeout::builder().name("orders").after(Duration::ZERO));

    assert_eq!(name.field(), "name");
    assert_eq!(zero.unwrap_err().field(), "after");
    assert_eq!(timeout.after(), Timeout::builder().build().unwrap().after());

    let endless_name = Timeout::builder().name("x".repeat(10_000));
    assert!(endless_name.build().unwrap().reload(&endless_name).is_ok());
}

#[cfg(feature = "serde")]
#[test]
fn settings_are_read_from_a_file() {
    use seawall::timeout::Config;

    let config: Config =
        serde_json::from_str(r#"{"name":"orders","after":{"secs":2,"nanos":0}}"#).unwrap();

    assert_eq!(config, Timeout::builder().name("orders").after(2 * SECOND));
    assert!(serde_json::from_str::<Config>(r#"{"afetr":{"secs":2,"nanos":0}}"#).is_err());
}

#[cfg(feature = "test-util")]
#[tokio::test(start_paused = true)]
async fn a_year_passes_in_a_moment_when_time_is_paused() {
    let year = Duration::from_secs(365 * 24 * 3600);
    let timeout = after(year, &Clock::tokio());
    let start = tokio::time::Instant::now();

    let answer = timeout.run_with(pending::<Answer>).await;

    assert_eq!(reason(Poll::Ready(answer)), Reason::TimedOut);
    assert_eq!(start.elapsed().as_secs(), year.as_secs());
}

const SECOND: Duration = Duration::from_secs(1);
const NANOSECOND: Duration = Duration::from_nanos(1);

/// Tries a second time, and says so when that fails, too.
#[derive(Clone)]
struct Twice<S>(S);

impl<S> Service<u32> for Twice<S>
where
    S: Service<u32, Response = u32, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = u32;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: u32) -> Self::Future {
        let first = self.0.call(request);
        let again = self.0.clone();
        Box::pin(async move {
            if let Ok(answer) = first.await {
                return Ok(answer);
            }
            again.oneshot(request).await.map_err(|_| "both failed".into())
        })
    }
}

fn after(after: Duration, clock: &Clock) -> Timeout {
    Timeout::builder().after(after).build_in(&Environment::new().clock(clock.clone())).unwrap()
}

fn hanging() -> impl Service<u32, Response = u32, Error = BoxError, Future: Send> + Clone + Send {
    service_fn(|_: u32| pending::<Answer>())
}

fn hang(timeout: &Timeout) -> Task<Answer> {
    let timeout = timeout.clone();
    Task::new(async move { timeout.run_with(pending::<Answer>).await })
}

fn reason(answer: Poll<Answer>) -> Reason {
    match answer {
        Poll::Ready(Err(error)) => error.rejection().expect("a rejection").reason(),
        other => panic!("not rejected: {other:?}"),
    }
}

fn text(answer: Poll<Answer>) -> String {
    match answer {
        Poll::Ready(Err(error)) => error.to_string(),
        other => panic!("not failed: {other:?}"),
    }
}

fn observed(clock: &Clock) -> (Environment, Receiver<Event>) {
    let (sender, receiver) = channel();
    let environment = Environment::new()
        .clock(clock.clone())
        .observer(move |event: &Event| sender.send(*event).expect("the test listens"));
    (environment, receiver)
}

/// An executor in a few lines: parks the thread.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);

    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        std::thread::park();
    }
}
