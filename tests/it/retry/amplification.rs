//! How much more is sent than was asked for, when everything fails.

use seawall::context::Context as CallContext;

use super::*;

#[test]
fn the_defaults_send_little_more_than_what_is_asked_for_in_an_outage() {
    let Stage { clock, environment, .. } = stage();
    let retry = Retry::builder().build_in(&environment).unwrap();
    let made = Arc::new(AtomicUsize::new(0));
    let service = retry.layer().layer(always_fails(&made));

    // 280 calls per second for about 36 seconds.
    let mut running = Vec::new();
    for _ in 0..10_000 {
        let mut task = Task::new(service.clone().oneshot("q"));
        if task.poll().is_pending() {
            running.push(task);
        }
        clock.advance(Duration::from_nanos(3_571_428));
        running.retain_mut(|task| task.poll().is_pending());
    }
    for task in running {
        assert!(task.finish(&clock).is_err());
    }

    let made = made.load(Ordering::Relaxed);
    assert!(made > 10_500, "{made} attempts for 10000 calls: the budget is for nothing");
    assert!(made <= 11_050, "{made} attempts for 10000 calls");
}

#[test]
fn without_a_budget_every_attempt_is_made() {
    let Stage { clock, environment, .. } = stage();
    let retry = plain().without_budget().build_in(&environment).unwrap();
    let made = Arc::new(AtomicUsize::new(0));
    let service = retry.layer().layer(always_fails(&made));
    for _ in 0..1_000 {
        assert!(Task::new(service.clone().oneshot("q")).finish(&clock).is_err());
    }

    assert!(retry.budget().is_none());
    assert_eq!(made.load(Ordering::Relaxed), 3_000);
}

#[test]
fn the_first_call_after_the_start_may_be_repeated() {
    let Stage { clock, environment, .. } = stage();
    let retry = Retry::builder().build_in(&environment).unwrap();
    let (service, sent) = scripted(&clock, [RESET, Ok("done")]);

    assert_eq!(call(&clock, retry.layer().layer(service)), Ok("done"));
    assert_eq!(attempts(&sent), [1, 2]);
}

#[test]
fn a_client_with_a_call_per_second_may_repeat_every_one() {
    let Stage { clock, environment, .. } = stage();
    let retry = plain().max_attempts(2).build_in(&environment).unwrap();
    let made = Arc::new(AtomicUsize::new(0));
    let service = retry.layer().layer(always_fails(&made));
    for _ in 0..60 {
        assert!(Task::new(service.clone().oneshot("q")).finish(&clock).is_err());
        clock.advance(millis(900));
    }

    assert_eq!(made.load(Ordering::Relaxed), 120);
}

#[test]
fn of_a_thousand_simultaneous_failures_no_more_wait_than_the_budget_allows() {
    let Stage { environment, events, .. } = stage();
    let budget = Budget::builder().ratio(0.2).per_second(0.0);
    let retry = plain().budget(budget).build_in(&environment).unwrap();
    let made = Arc::new(AtomicUsize::new(0));
    let service = retry.layer().layer(always_fails(&made));
    let mut tasks: Vec<_> = (0..1_000).map(|_| Task::new(service.clone().oneshot("q"))).collect();

    // Each call has begun by the time that the first one fails.
    for _ in 0..1_000 {
        retry.budget().unwrap().deposit();
    }
    tasks.retain_mut(|task| task.poll().is_pending());
    // They wait: nothing has been sent, and they are bounded all the same. The thousand calls
    // themselves counted, too.
    assert!((200..=400).contains(&tasks.len()), "{} wait", tasks.len());
    assert_eq!(made.load(Ordering::Relaxed), 1_000);
    assert_eq!(retry.budget().unwrap().available(), 400 - tasks.len() as u64);
    let refused = events
        .try_iter()
        .filter(|event| event.kind() == &EventKind::BudgetExhausted { attempt: 1 })
        .count();
    assert_eq!(refused, 1_000 - tasks.len());

    // And when their callers give up, others may repeat instead.
    drop(tasks);
    assert_eq!(retry.budget().unwrap().available(), 400);
}

#[test]
fn what_was_sent_is_not_given_back() {
    let Stage { clock, environment, .. } = stage();
    let retry = plain().build_in(&environment).unwrap();
    let before = retry.budget().unwrap().available();
    let service = service_fn(|_: &'static str| async {
        if context::attempt() > 1 {
            std::future::pending::<()>().await;
        }
        RESET
    });
    let mut task = task(retry.layer().layer(service));
    assert!(task.poll().is_pending());
    clock.advance(millis(100));
    assert!(task.poll().is_pending());

    drop(task);

    assert_eq!(retry.budget().unwrap().available(), before - 1);
}

#[test]
fn two_retries_on_one_budget_share_it() {
    let Stage { clock, environment, .. } = stage();
    let budget = Budget::builder().ratio(0.0).per_second(0.1).build_in(&environment).unwrap();
    let reads = plain().name("reads").build_sharing(&budget, &environment).unwrap();
    let writes = plain().name("writes").build_sharing(&budget, &environment).unwrap();
    let (service, sent) = scripted(&clock, [RESET, RESET, RESET, Ok("never")]);

    assert_eq!(call(&clock, reads.layer().layer(service.clone())), RESET);
    assert_eq!(call(&clock, writes.layer().layer(service)), RESET);
    assert_eq!(attempts(&sent), [1, 2, 1]);
}

#[test]
fn three_tiers_of_defaults_send_no_more_than_1_3_times_the_calls() {
    let Stage { clock, environment, .. } = stage();
    // Without the reserves, which are for clients with little traffic.
    let budget = Budget::builder().ratio(0.1).per_second(0.0);
    let tier = |name: &str| {
        let config = Retry::builder().name(name).budget(budget.clone().name(name));
        config.build_in(&environment).unwrap()
    };
    let made = Arc::new(AtomicUsize::new(0));
    // Between tiers the number travels in a header: here, in a context of its own.
    let bottom = tier("bottom").layer().layer(always_fails(&made));
    let middle = tier("middle").layer().layer(over_the_wire(bottom));
    let top = tier("top").layer().layer(over_the_wire(middle));

    let mut running = Vec::new();
    for _ in 0..5_000 {
        let mut task = Task::new(top.clone().oneshot("q"));
        if task.poll().is_pending() {
            running.push(task);
        }
        clock.advance(millis(5));
        running.retain_mut(|task| task.poll().is_pending());
    }
    for task in running {
        assert!(task.finish(&clock).is_err());
    }

    let made = made.load(Ordering::Relaxed);
    assert!(made <= 6_500, "{made} attempts at the bottom for 5000 calls at the top");
    assert!(made > 6_000, "{made} attempts at the bottom for 5000 calls at the top");
}

/// Takes nothing along from the caller's context but the attempt's number.
fn over_the_wire<S>(
    inner: S,
) -> impl Service<
    &'static str,
    Response = &'static str,
    Error = Error<&'static str>,
    Future = impl Future<Output = Answer> + Send,
> + Clone
+ Send
+ 'static
where
    S: Service<&'static str, Response = &'static str, Error = Error<&'static str>>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    service_fn(move |request| {
        let header = context::attempt();
        CallContext::new().attempt(header).scope(inner.clone().oneshot(request))
    })
}

pub(super) fn always_fails(
    made: &Arc<AtomicUsize>,
) -> impl Service<
    &'static str,
    Response = &'static str,
    Error = Error<&'static str>,
    Future = impl Future<Output = Answer> + Send,
> + Clone
+ Send
+ 'static {
    let made = Arc::clone(made);
    service_fn(move |_: &'static str| {
        made.fetch_add(1, Ordering::Relaxed);
        async { RESET }
    })
}
