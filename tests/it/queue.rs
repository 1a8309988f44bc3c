use std::future::{pending, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use seawall::Reason;
use seawall::bulkhead::Bulkhead;
use seawall::context;
use seawall::error::{BoxError, Reject};
use seawall::gate::Waitable;
use seawall::queue::QueueLayer;
use seawall::telemetry::Environment;
use seawall::time::Clock;
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use crate::polled::Polled;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn first_come_is_first_served() {
    let (bulkhead, _) = bulkhead(1, 10);
    let first = bulkhead.enter().unwrap();
    let layer = bulkhead.queue_layer();
    let mut calls: Vec<_> =
        (0..3).map(|n| Polled::new(layer.run_with(move || answer(n)))).collect();
    assert!(calls.iter_mut().all(Polled::is_pending));

    drop(first);

    for n in 0..3 {
        assert!(calls[n + 1..].iter_mut().all(Polled::is_pending));
        assert_eq!((calls[n].woken(), calls[n].output().unwrap()), (1, n));
    }
    assert_eq!(bulkhead.in_flight(), 0);
}

#[test]
fn who_comes_anew_does_not_overtake_who_waits() {
    let (bulkhead, _) = bulkhead(1, 10);
    let first = bulkhead.enter().unwrap();
    let layer = bulkhead.queue_layer();
    let mut waiting = Polled::new(layer.run_with(|| answer(())));
    assert!(waiting.is_pending());

    drop(first);

    assert_eq!(bulkhead.enter().unwrap_err().reason(), Reason::BulkheadFull);
    let mut late = Polled::new(layer.run_with(|| answer(())));
    assert!(late.is_pending());
    waiting.output().unwrap();
    late.output().unwrap();
}

#[test]
fn the_line_is_bounded() {
    let (bulkhead, _) = bulkhead(1, 2);
    let _first = bulkhead.enter().unwrap();
    let layer = bulkhead.queue_layer();
    let mut calls: Vec<_> = (0..2).map(|_| Polled::new(layer.run_with(|| answer(())))).collect();
    assert!(calls.iter_mut().all(Polled::is_pending));

    let error = Polled::new(layer.run_with(|| answer(()))).output().unwrap_err();
    assert_eq!(reason(&error), Reason::QueueFull);

    calls.pop();
    let mut next = Polled::new(layer.run_with(|| answer(())));
    assert!(next.is_pending());
    assert_eq!(bulkhead.waiting(), 2);
}

#[test]
fn a_call_waits_as_long_as_it_may_and_no_nanosecond_less() {
    let (bulkhead, clock) = bulkhead(1, 10);
    let _first = bulkhead.enter().unwrap();
    let layer = bulkhead.queue_layer();
    let mut call = Polled::new(layer.run_with(|| answer(())));
    assert!(call.is_pending());

    clock.advance(SECOND - Duration::from_nanos(1));
    assert!(call.is_pending());
    assert_eq!(call.woken(), 0);
    clock.advance(Duration::from_nanos(1));

    assert_eq!(call.woken(), 1);
    assert_eq!(reason(&call.output().unwrap_err()), Reason::QueueTimedOut);
    assert_eq!(bulkhead.waiting(), 0);
}

#[test]
fn a_turn_that_comes_with_the_end_of_the_wait_is_taken() {
    let (bulkhead, clock) = bulkhead(1, 10);
    let first = bulkhead.enter().unwrap();
    let layer = bulkhead.queue_layer();
    let mut call = Polled::new(layer.run_with(|| answer(())));
    assert!(call.is_pending());

    clock.advance(SECOND);
    drop(first);

    call.output().unwrap();
    assert_eq!((bulkhead.in_flight(), bulkhead.waiting()), (0, 0));
}

#[test]
fn nobody_waits_past_his_deadline() {
    let (bulkhead, clock) = bulkhead(1, 10);
    let _first = bulkhead.enter().unwrap();
    let layer = bulkhead.queue_layer();
    let within = |wait| context::Context::new().deadline(clock.now() + wait);
    let mut call = Polled::new(within(SECOND / 4).scope(layer.run_with(|| answer(()))));
    assert!(call.is_pending());

    clock.advance(SECOND / 4);

    assert_eq!(call.woken(), 1);
    assert_eq!(reason(&call.output().unwrap_err()), Reason::DeadlineExceeded);
    // One that is over already is not waited for at all.
    let mut late = Polled::new(within(Duration::ZERO).scope(layer.run_with(|| answer(()))));
    assert_eq!(reason(&late.output().unwrap_err()), Reason::DeadlineExceeded);
    // One that comes later than the wait may last changes nothing.
    let mut patient = Polled::new(within(SECOND * 2).scope(layer.run_with(|| answer(()))));
    assert!(patient.is_pending());
    clock.advance(SECOND);
    assert_eq!(reason(&patient.output().unwrap_err()), Reason::QueueTimedOut);
}

#[test]
fn a_call_that_is_given_up_passes_its_turn_on() {
    let (bulkhead, _) = bulkhead(1, 10);
    let first = bulkhead.enter().unwrap();
    let layer = bulkhead.queue_layer();
    let mut calls: Vec<_> =
        (0..3).map(|n| Polled::new(layer.run_with(move || answer(n)))).collect();
    assert!(calls.iter_mut().all(Polled::is_pending));

    // One that is in the line, and one that was called already.
    calls.remove(1);
    drop(first);
    assert_eq!(calls[0].woken(), 1);
    calls.remove(0);

    assert_eq!((calls[0].woken(), calls[0].output().unwrap()), (1, 2));
    assert_eq!((bulkhead.in_flight(), bulkhead.waiting()), (0, 0));
}

/// `tick_delay_keeps_stale_waker`: a future that was polled once and then moved hung for ever.
#[test]
fn a_call_that_moves_to_another_task_is_woken_there() {
    let (bulkhead, clock) = bulkhead(1, 10);
    let first = bulkhead.enter().unwrap();
    let layer = bulkhead.queue_layer();
    let mut served = Polled::new(layer.run_with(|| answer(())));
    let mut timed_out = Polled::new(layer.run_with(pending::<Result<(), BoxError>>));
    assert!(served.is_pending() && timed_out.is_pending());
    let (mut served, mut timed_out) = (served.moved(), timed_out.moved());
    assert!(served.is_pending() && timed_out.is_pending());

    drop(first);
    assert_eq!((served.woken(), timed_out.woken()), (1, 0));
    clock.advance(SECOND);
    assert_eq!(timed_out.woken(), 1);

    served.output().unwrap();
}

/// `tr_coalesce_busy_spin`, `tr_outlier_busy_spin`: who waits must not wake himself.
#[test]
fn a_call_that_waits_is_woken_once() {
    let (bulkhead, clock) = bulkhead(1, 10);
    let first = bulkhead.enter().unwrap();
    let layer = bulkhead.queue_layer();
    let mut call = Polled::new(layer.run_with(|| answer(())));
    for _ in 0..100 {
        assert!(call.is_pending());
        clock.advance(Duration::from_millis(1));
    }
    assert_eq!(call.woken(), 0);

    drop(first);

    assert_eq!(call.woken(), 1);
    call.output().unwrap();
}

#[test]
fn a_queue_is_always_ready_and_never_polls_the_service_itself() {
    #[derive(Default)]
    struct Original(bool);
    impl Clone for Original {
        fn clone(&self) -> Self {
            Self(true)
        }
    }
    impl Service<()> for Original {
        type Response = ();
        type Error = BoxError;
        type Future = std::future::Ready<Result<(), BoxError>>;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            assert!(self.0, "the original was polled");
            Poll::Ready(Ok(()))
        }
        fn call(&mut self, (): ()) -> Self::Future {
            ready(Ok(()))
        }
    }
    let (bulkhead, _) = bulkhead(1, 1);
    let mut service = bulkhead.queue_layer().layer(Original::default());
    let first = bulkhead.enter().unwrap();

    let is_ready = service.poll_ready(&mut Context::from_waker(std::task::Waker::noop()));
    assert!(matches!(is_ready, Poll::Ready(Ok(()))));

    drop(first);
    Polled::new(service.call(())).output().unwrap();
}

/// `seatbelt_tower_retry_calls_unready_clone`, of every layer that calls a clone.
#[tokio::test]
async fn the_clone_that_is_called_was_polled() {
    let (bulkhead, _) = bulkhead(2, 10);
    let mut service = ServiceBuilder::new()
        .layer(bulkhead.queue_layer())
        .layer(ConcurrencyLimitLayer::new(1))
        .service(service_fn(|n: u32| answer(n)));

    for n in 0..10 {
        assert_eq!(service.ready().await.unwrap().call(n).await.unwrap(), n);
    }
}

#[test]
fn the_inner_service_is_not_polled_before_the_call_is_let_in() {
    let polls = Arc::new(AtomicU32::new(0));
    let inner = Counting(Arc::clone(&polls));
    let (bulkhead, _) = bulkhead(1, 1);
    let first = bulkhead.enter().unwrap();
    let mut call = Polled::new(bulkhead.queue_layer().layer(inner).oneshot(()));
    assert!(call.is_pending());
    assert_eq!(polls.load(Ordering::Relaxed), 0);

    drop(first);
    let error = call.output().unwrap_err();

    // What the service says of itself comes back as it is, and frees the place.
    assert_eq!((polls.load(Ordering::Relaxed), error.to_string().as_str()), (1, "dead"));
    assert_eq!(bulkhead.in_flight(), 0);
}

#[test]
fn a_raised_limit_lets_those_in_who_wait() {
    let (bulkhead, _) = bulkhead(1, 10);
    let _first = bulkhead.enter().unwrap();
    let layer = bulkhead.queue_layer();
    let mut calls: Vec<_> =
        (0..3).map(|_| Polled::new(layer.run_with(pending::<Result<(), BoxError>>))).collect();
    assert!(calls.iter_mut().all(Polled::is_pending));

    bulkhead.reload(&Bulkhead::builder().name("queue").max_calls(3)).unwrap();

    assert_eq!(calls.iter().map(Polled::woken).collect::<Vec<_>>(), [1, 1, 0]);
    assert_eq!((bulkhead.in_flight(), bulkhead.waiting()), (3, 1));
}

#[test]
fn the_last_caller_to_be_dropped_frees_everything() {
    let (bulkhead, clock) = bulkhead(2, 10);
    let service = bulkhead.queue_layer().layer(service_fn(|()| pending::<Result<(), BoxError>>()));
    let mut calls: Vec<_> = (0..12).map(|_| Polled::new(service.clone().oneshot(()))).collect();
    assert!(calls.iter_mut().all(Polled::is_pending));
    assert_eq!((bulkhead.in_flight(), bulkhead.waiting()), (2, 10));
    drop(service);

    drop(calls);

    assert_eq!((bulkhead.in_flight(), bulkhead.waiting()), (0, 0));
    clock.advance(SECOND * 10);
}

#[test]
fn any_gate_that_can_be_waited_for_gets_a_queue() {
    fn queue<G: Waitable<()>>(gate: G) -> QueueLayer<G> {
        QueueLayer::new(gate)
    }
    let (bulkhead, _) = bulkhead(1, 1);

    let mut call = Polled::new(async move { queue(bulkhead).run(|| ready(Err::<(), _>(7))).await });

    assert_eq!(call.output(), Err(seawall::Error::Service(7)));
}

struct Counting(Arc<AtomicU32>);

impl Clone for Counting {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl Service<()> for Counting {
    type Response = ();
    type Error = BoxError;
    type Future = std::future::Ready<Result<(), BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Err("dead".into()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        unreachable!("it is never ready")
    }
}

fn bulkhead(calls: u32, waiting: u32) -> (Bulkhead, Clock) {
    let clock = Clock::manual();
    let bulkhead = Bulkhead::builder()
        .name("queue")
        .max_calls(calls)
        .max_waiting(waiting)
        .max_wait(SECOND)
        .build_in(&Environment::new().clock(clock.clone()))
        .unwrap();
    (bulkhead, clock)
}

fn answer<T>(answer: T) -> std::future::Ready<Result<T, BoxError>> {
    ready(Ok(answer))
}

fn reason(error: &BoxError) -> Reason {
    error.rejection().expect("a policy ended the call").reason()
}
