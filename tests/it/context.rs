use std::time::Duration;

use seawall::context::{self, Context, Criticality};
use seawall::error::BoxError;
use seawall::telemetry::Environment;
use seawall::time::{Clock, Instant};
use seawall::timeout::Timeout;
use tower::{Layer, ServiceExt, service_fn};

use crate::task::{Task, panics};

type Seen = (Option<Instant>, u32, Criticality);

#[test]
fn outside_of_a_call_there_is_none() {
    assert_eq!(look(&Clock::manual()), (None, 1, Criticality::Default));
}

#[test]
fn it_reaches_the_service_at_the_bottom_of_a_stack() {
    let clock = Clock::manual();
    let until = clock.now() + Duration::from_secs(3);
    let bottom = {
        let clock = clock.clone();
        service_fn(move |()| std::future::ready(Ok::<_, BoxError>(look(&clock))))
    };
    let stack = timeout(5, &clock).layer().layer(timeout(60, &clock).layer().layer(bottom));
    let caller = Context::new().deadline(until).attempt(4).criticality(Criticality::Critical);

    let seen = Task::new(caller.scope(stack.oneshot(()))).finish(&clock).unwrap();

    assert_eq!(seen, (Some(until), 4, Criticality::Critical));
    assert_eq!(look(&clock), (None, 1, Criticality::Default));
}

#[test]
fn calls_side_by_side_in_one_task_do_not_see_each_other() {
    let clock = Clock::manual();
    let caller = |attempt| {
        let clock = clock.clone();
        Context::new().attempt(attempt).scope(async move {
            let before = context::attempt();
            tokio::task::yield_now().await;
            (before, look(&clock).1)
        })
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();

    let seen = runtime.block_on(async { tokio::join!(caller(2), caller(3), caller(4)) });

    assert_eq!(seen, ((2, 2), (3, 3), (4, 4)));
}

#[test]
fn a_panic_leaves_none_behind() {
    let clock = Clock::manual();
    let timeout = timeout(5, &clock);
    let mut task = Task::new(Context::new().attempt(9).scope(async move {
        timeout
            .run_with(async || -> Result<(), BoxError> { std::panic::resume_unwind(Box::new("")) })
            .await
    }));

    assert!(panics(|| task.poll()));
    assert_eq!(look(&clock), (None, 1, Criticality::Default));
    drop(task);
    assert_eq!(look(&clock), (None, 1, Criticality::Default));
}

#[test]
fn a_call_is_dropped_in_its_context() {
    struct Tell(std::sync::mpsc::Sender<u32>);

    impl Drop for Tell {
        fn drop(&mut self) {
            self.0.send(context::attempt()).expect("the test listens");
        }
    }

    let clock = Clock::manual();
    let (sender, seen) = std::sync::mpsc::channel();
    let timeout = timeout(5, &clock);
    let mut task = Task::new(Context::new().attempt(3).scope(async move {
        timeout
            .run_with(async || {
                let _tell = Tell(sender);
                std::future::pending::<Result<(), BoxError>>().await
            })
            .await
    }));
    assert!(task.poll().is_pending());

    drop(task);

    assert_eq!(seen.recv().unwrap(), 3);
}

#[tokio::test]
async fn a_spawned_task_loses_it_unless_it_takes_it_along() {
    let clock = Clock::manual();
    let until = clock.now() + Duration::from_secs(5);
    let caller = Context::new().deadline(until).attempt(2);

    let (lost, taken) = caller
        .scope(async {
            let (one, two) = (clock.clone(), clock.clone());
            let lost = tokio::spawn(async move { look(&one) });
            let taken = tokio::spawn(context::capture(&clock).scope(async move { look(&two) }));
            (lost.await.unwrap(), taken.await.unwrap())
        })
        .await;

    assert_eq!(lost, (None, 1, Criticality::Default));
    assert_eq!(taken, (Some(until), 2, Criticality::Default));
}

#[tokio::test]
async fn a_buffer_loses_it_unless_the_request_takes_it_along() {
    let clock = Clock::manual();
    let until = clock.now() + Duration::from_secs(5);
    let looks = {
        let clock = clock.clone();
        service_fn(move |carried: Option<Context>| {
            let clock = clock.clone();
            let here = look(&clock);
            async move {
                let there = match carried {
                    Some(context) => context.scope(async { look(&clock) }).await,
                    None => here,
                };
                Ok::<_, BoxError>((here, there))
            }
        })
    };
    let buffered = tower::buffer::Buffer::new(looks, 4);
    let caller = Context::new().deadline(until).attempt(2);
    let none = (None, 1, Criticality::Default);

    let lost = caller.scope(buffered.clone().oneshot(None)).await.unwrap();
    let taken = caller
        .scope(async { buffered.oneshot(Some(context::capture(&clock))).await })
        .await
        .unwrap();

    assert_eq!(lost, (none, none));
    assert_eq!(taken, (none, (Some(until), 2, Criticality::Default)));
}

fn look(clock: &Clock) -> Seen {
    (context::deadline(clock), context::attempt(), context::criticality())
}

fn timeout(seconds: u64, clock: &Clock) -> Timeout {
    Timeout::builder()
        .after(Duration::from_secs(seconds))
        .build_in(&Environment::new().clock(clock.clone()))
        .unwrap()
}
