//! Defects of other crates that could exist here, each named after what goes wrong.

use std::collections::HashSet;

use seawall::error::BoxError;
use tower::ServiceBuilder;
use tower::limit::ConcurrencyLimitLayer;
use tower::load_shed::LoadShedLayer;

use super::amplification::always_fails;
use super::*;

#[test]
fn a_repeat_on_a_clone_that_was_never_polled() {
    // `ConcurrencyLimit` panics when it is called without.
    let Stage { clock, environment, .. } = stage();
    let retry = plain().build_in(&environment).unwrap();
    let failing = service_fn(|(): ()| async { Err::<(), BoxError>("down".into()) });
    let mut service = retry.layer().layer(ConcurrencyLimitLayer::new(1).layer(failing));

    let whole = Task::new(async move { service.ready().await?.call(()).await });

    assert_eq!(whole.finish(&clock).unwrap_err().to_string(), "down");
}

#[test]
fn a_first_attempt_on_a_clone_that_sheds_all_load() {
    let Stage { environment, .. } = stage();
    let retry = plain().build_in(&environment).unwrap();
    let works = service_fn(|(): ()| async { Ok::<(), BoxError>(()) });
    let mut service = ServiceBuilder::new()
        .layer(retry.layer())
        .layer(LoadShedLayer::new())
        .layer(ConcurrencyLimitLayer::new(64))
        .service(works);

    for _ in 0..100 {
        let mut whole = Task::new({
            let mut service = service.clone();
            async move { service.ready().await?.call(()).await }
        });
        assert!(matches!(whole.poll(), Poll::Ready(Ok(()))));
    }
    let ready = service.poll_ready(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    assert!(matches!(ready, Poll::Ready(Ok(()))));
}

#[test]
fn a_repeat_that_holds_a_place_while_it_waits() {
    // The first attempt is over: its permit must be free for others during the wait.
    let Stage { environment, .. } = stage();
    let retry = plain().build_in(&environment).unwrap();
    let failing = service_fn(|(): ()| async { Err::<(), BoxError>("down".into()) });
    let limited = ConcurrencyLimitLayer::new(1).layer(failing);
    let service = retry.layer().layer(limited.clone());
    let mut waiting = Task::new(service.oneshot(()));
    assert!(waiting.poll().is_pending());

    let mut other = Task::new(limited.oneshot(()));

    assert!(other.poll().is_ready());
}

#[test]
fn jitter_that_is_the_same_for_all_clients() {
    let (sender, events) = channel();
    let clock = Clock::manual();
    let observer = move |event: &Event| sender.send(*event).unwrap_or_default();
    let environment = Environment::new().clock(clock.clone()).observer(observer);
    // One client's many calls, and many clients' one.
    let one = Retry::builder().without_budget().build_in(&environment).unwrap();
    for _ in 0..500 {
        let (service, _) = scripted(&clock, [RESET]);
        assert!(task(one.layer().layer(service)).poll().is_pending());
        let (service, _) = scripted(&clock, [RESET]);
        let other = Retry::builder().build_in(&environment).unwrap();
        assert!(task(other.layer().layer(service)).poll().is_pending());
    }

    let waits: Vec<_> = events.try_iter().filter_map(|event| wait_of(&event)).collect();
    assert_eq!(waits.len(), 1_000);
    let different: HashSet<_> = waits.iter().collect();
    assert!(different.len() > 990, "{} different waits", different.len());
}

#[test]
fn jitter_that_exceeds_the_longest_wait_or_is_lost_at_it() {
    let max = Duration::from_secs(1);
    for jitter in [Jitter::Full, Jitter::Equal, Jitter::Decorrelated] {
        let Stage { clock, environment, events } = stage();
        let backoff = Backoff::exponential(max).factor(2.0).base(max / 4).max(max).jitter(jitter);
        let config = Retry::builder().max_attempts(200).backoff(backoff).without_budget();
        let retry = config.build_in(&environment).unwrap();
        let made = Arc::new(AtomicUsize::new(0));
        assert!(task(retry.layer().layer(always_fails(&made))).finish(&clock).is_err());

        let waits: Vec<_> = events.try_iter().filter_map(|event| wait_of(&event)).skip(4).collect();
        assert_eq!(waits.len(), 195);
        assert!(waits.iter().all(|wait| *wait <= max), "{jitter:?}");
        let at_max = waits.iter().filter(|wait| **wait == max).count();
        assert!(at_max <= 2, "{jitter:?}: {at_max} waits of exactly {max:?}");
        let upper_half = waits.iter().filter(|wait| **wait > max * 3 / 4).count();
        assert!((20..150).contains(&upper_half), "{jitter:?}: {upper_half}");
    }
}

#[test]
fn a_hint_of_days_that_is_obeyed() {
    let Stage { clock, environment, .. } = stage();
    let retry = Retry::builder().build_in(&environment).unwrap();
    let days = |_: Result<&&str, &Error<&str>>| Outcome::Overload {
        retry_after: Some(Duration::from_secs(315_360_000)),
    };
    let (service, _) = scripted(&clock, [Ok("429"), Ok("never")]);

    assert_eq!(task(retry.layer().classify(days).layer(service)).poll(), Poll::Ready(Ok("429")));
}

#[test]
fn hints_without_jitter_that_send_all_clients_at_once() {
    let Stage { clock, environment, events } = stage();
    let retry = Retry::builder().without_budget().build_in(&environment).unwrap();
    for _ in 0..1_000 {
        let (service, _) = scripted(&clock, [Ok("429 after 2 s")]);
        assert!(task(retry.layer().classify(ByText).layer(service)).poll().is_pending());
    }

    let waits = events.try_iter().filter_map(|event| wait_of(&event));
    let fullest = fullest_tenth(waits, millis(2_000), millis(1_000));
    assert!(fullest <= 200, "{fullest} of 1000 within a tenth of the spread");
}

#[test]
fn a_herd_that_comes_back_together() {
    // A thousand clients lose their connection at the same instant.
    let (sender, events) = channel();
    let clock = Clock::manual();
    let observer = move |event: &Event| sender.send(*event).unwrap_or_default();
    let environment = Environment::new().clock(clock.clone()).observer(observer);
    for _ in 0..1_000 {
        let retry = Retry::builder()
            .backoff(Backoff::exponential(Duration::from_secs(1)))
            .build_in(&environment)
            .unwrap();
        let (service, _) = scripted(&clock, [RESET]);
        assert!(task(retry.layer().layer(service)).poll().is_pending());
    }

    let waits = events.try_iter().filter_map(|event| wait_of(&event));
    let fullest = fullest_tenth(waits, Duration::ZERO, Duration::from_secs(1));
    assert!(fullest <= 200, "{fullest} of 1000 within a tenth of a second");
}

#[test]
fn a_wait_of_nothing_that_spins() {
    let Stage { clock, environment, .. } = stage();
    let config = Retry::builder().max_attempts(5).backoff(Backoff::constant(Duration::ZERO));
    let retry = config.build_in(&environment).unwrap();
    let made = Arc::new(AtomicUsize::new(0));

    let mut task = task(retry.layer().layer(always_fails(&made)));

    // At once, as often as allowed, and then no more.
    assert_eq!(task.poll(), Poll::Ready(RESET));
    assert_eq!(made.load(Ordering::Relaxed), 5);
    drop(clock);
}

#[test]
fn a_success_that_pays_for_a_whole_repeat() {
    // Half of the calls fail: what is sent on top must stay what the ratio says.
    let Stage { clock, environment, .. } = stage();
    let budget = Budget::builder().ratio(0.1).per_second(0.1);
    let retry = plain().max_attempts(2).budget(budget).build_in(&environment).unwrap();
    let made = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&made);
    let service = retry.layer().layer(service_fn(move |_: &'static str| {
        let number = counted.fetch_add(1, Ordering::Relaxed);
        async move { if number.is_multiple_of(2) { RESET } else { Ok("done") } }
    }));
    for _ in 0..20_000 {
        drop(Task::new(service.clone().oneshot("q")).finish(&clock));
    }

    let made = made.load(Ordering::Relaxed);
    // Twenty thousand calls and, in about 200 s, a reserve of one in ten seconds.
    assert!(made <= 22_250, "{made} attempts for 20000 calls");
    assert!(made >= 21_500, "{made} attempts for 20000 calls");
}

#[test]
fn a_rest_of_a_month_that_is_paid_for_by_the_next_call() {
    let Stage { clock, environment, .. } = stage();
    let retry = Retry::builder().build_in(&environment).unwrap();
    for _ in 0..1_000 {
        clock.advance(Duration::from_secs(30 * 24 * 3_600));
        // Were each tick of the rest walked through, this would be 2.6 billion steps.
        let (service, _) = scripted(&clock, [RESET, Ok("done")]);
        assert_eq!(call(&clock, retry.layer().layer(service)), Ok("done"));
    }
}

/// How many of these lie in the fullest of ten parts of the range.
fn fullest_tenth(waits: impl Iterator<Item = Duration>, from: Duration, range: Duration) -> usize {
    let mut tenths = [0; 10];
    for wait in waits {
        let share = wait.saturating_sub(from).as_nanos() * 10 / (range.as_nanos() + 1);
        tenths[usize::try_from(share).expect("within the range")] += 1;
    }
    assert_eq!(tenths.iter().sum::<usize>(), 1_000);
    tenths.into_iter().fold(0, usize::max)
}
