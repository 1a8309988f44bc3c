//! The hot paths allocate nothing: ten thousand warmed calls through each policy and the standard
//! stack, over a service that is ready at once and over one that is pending once.

#![expect(unsafe_code, reason = "an allocator that counts is one")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use seawall::budget::Budget;
use seawall::bulkhead::Bulkhead;
use seawall::circuit_breaker::CircuitBreaker;
use seawall::error::WrapLayer;
use seawall::fallback::{FallbackLayer, LastGood};
use seawall::gate::Keyed;
use seawall::health::{Check, Group, Registry};
use seawall::rate_limit::Quota;
use seawall::retry::Retry;
use seawall::stack::Stack;
use seawall::timeout::Timeout;
use seawall::{Error, Outcome};
use tower::{Layer, Service, ServiceBuilder};

/// Counts what this thread allocates. The timer's thread is no part of a call.
struct Counting;

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.set(ALLOCATED.get() + 1);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        ALLOCATED.set(ALLOCATED.get() + 1);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(pointer, layout, new_size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn the_counter_counts() {
    struct Boxing;

    impl Service<u64> for Boxing {
        type Response = u64;
        type Error = Error<u64>;
        type Future = Pin<Box<dyn Future<Output = Result<u64, Error<u64>>>>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: u64) -> Self::Future {
            Box::pin(async move { Ok(request) })
        }
    }

    assert_eq!(allocations(Boxing), CALLS);
}

#[test]
fn nothing() {
    both(|inner| inner);
}

#[test]
fn timeout() {
    both(|inner| Timeout::new(SECOND).unwrap().layer().layer(inner));
}

#[test]
fn a_timeout_after_a_reload() {
    both(|inner| {
        let timeout = Timeout::new(SECOND).unwrap();
        let service = timeout.layer().layer(inner);
        timeout.reload(&Timeout::builder().after(7 * SECOND)).unwrap();
        service
    });
}

#[test]
fn circuit_breaker() {
    both(|inner| CircuitBreaker::builder().build().unwrap().layer().layer(inner));
}

#[test]
fn an_open_circuit_breaker() {
    both(|inner| {
        let breaker = CircuitBreaker::builder().build().unwrap();
        breaker.isolate();
        breaker.layer().layer(inner)
    });
}

#[test]
fn a_circuit_breaker_that_sees_failures() {
    both(|inner| {
        // Half of the calls fail, and it takes more to open it.
        let breaker = CircuitBreaker::builder().failure_rate(0.9).recent_failure_rate(None);
        breaker.build().unwrap().layer().classify(odd_fails).layer(inner)
    });
}

#[test]
fn a_circuit_breaker_by_key() {
    both(|inner| {
        let breakers = Keyed::new(CircuitBreaker::builder().build().unwrap());
        breakers.layer(|request: &u64| request % 4).layer(inner)
    });
}

#[test]
fn retry() {
    both(|inner| Retry::builder().build().unwrap().layer().layer(inner));
}

#[test]
fn a_retry_that_is_out_of_budget() {
    both(|inner| {
        let none = Budget::builder().ratio(0.0).per_second(0.0);
        let retry = Retry::builder().budget(none).build().unwrap();
        retry.layer().classify(odd_fails).layer(inner)
    });
}

#[test]
fn bulkhead() {
    both(|inner| Bulkhead::builder().build().unwrap().layer().layer(inner));
}

#[test]
fn a_bulkhead_with_a_queue_that_is_empty() {
    both(|inner| Bulkhead::builder().build().unwrap().queue_layer().layer(inner));
}

#[test]
fn a_full_bulkhead() {
    let bulkhead = Bulkhead::builder().max_calls(1).build().unwrap();
    let _taken = bulkhead.enter().unwrap();
    both(|inner| bulkhead.layer().layer(inner));
}

#[test]
fn rate_limit() {
    both(|inner| {
        Quota::per_second(1_000_000).burst(u32::MAX).build().unwrap().layer().layer(inner)
    });
}

#[test]
fn a_rate_limit_that_is_reached() {
    both(|inner| Quota::per_hour(1).burst(1).build().unwrap().layer().layer(inner));
}

#[test]
fn a_fallback_that_is_not_needed() {
    both(|inner| FallbackLayer::value(0).layer(inner));
}

#[test]
fn a_fallback_that_is() {
    both(|inner| FallbackLayer::value(0).classify(odd_fails).layer(inner));
}

#[test]
fn the_last_good_answer() {
    both(|inner| {
        let last_good: LastGood<u64, u64> = LastGood::builder().capacity(64).build().unwrap();
        last_good.layer(|request: &u64| request % 100).classify(odd_fails).layer(inner)
    });
}

#[test]
fn a_verdict_of_health() {
    let registry = Registry::new();
    let shop = Group::named("shop");
    registry.add(Check::new("disk", || std::future::ready(true)).groups([shop])).unwrap();
    registry.signal("failover").unwrap().set(true);
    registry.start_with(drop);
    let groups = [Group::STARTUP, Group::LIVENESS, Group::READINESS, Group::REGION, shop];
    let before = ALLOCATED.get();

    for _ in 0..CALLS {
        for group in groups {
            black_box(registry.verdict(black_box(group)));
        }
    }

    assert_eq!(ALLOCATED.get() - before, 0);
}

#[test]
fn five_layers_by_hand() {
    both(|inner| {
        ServiceBuilder::new()
            .layer(Timeout::new(10 * SECOND).unwrap().layer())
            .layer(Retry::builder().build().unwrap().layer())
            .layer(CircuitBreaker::builder().build().unwrap().layer())
            .layer(Timeout::new(SECOND).unwrap().layer())
            .layer(Bulkhead::builder().build().unwrap().layer())
            .service(inner)
    });
}

#[test]
fn the_standard_stack() {
    both(|inner| Stack::builder().build().unwrap().layer().bare().layer(inner));
}

#[test]
fn the_standard_stack_around_an_error_of_ones_own() {
    let service = Stack::builder().build().unwrap().layer().layer(Plain);
    assert_eq!(allocations(service), 0);
    assert_eq!(allocations(WrapLayer::new().layer(Plain)), 0);
}

/// An answer to a probe allocates what its headers are kept in, and nothing else.
#[cfg(feature = "health")]
#[test]
fn an_answer_to_a_probe() {
    use http::{HeaderMap, Request};
    use seawall::health::{Endpoints, Registry};

    let registry = Registry::new();
    registry.start_with(drop);
    let mut endpoints = Endpoints::builder().build(&registry).unwrap();
    for path in ["/livez", "/readyz", "/healthz/region", "/vmss", "/vmss-binary", "/health", "/no"]
    {
        for accept in ["*/*", "application/health+json, text/plain;q=0.5"] {
            let request = || Request::get(path).header("accept", accept).body(()).unwrap();
            drop(black_box(endpoints.call(request())));
            let requests: Vec<_> = (0..100).map(|_| request()).collect();

            let before = ALLOCATED.get();
            let headers = black_box(HeaderMap::<u8>::with_capacity(4));
            // A second value of one name, as a 401 has, is kept in a list beside the others.
            let each = ALLOCATED.get() - before + usize::from(path == "/health");
            drop(headers);
            let before = ALLOCATED.get();
            for request in requests {
                drop(black_box(endpoints.call(request)));
            }
            assert_eq!(ALLOCATED.get() - before, 100 * each, "{path} for {accept}");
        }
    }
}

const CALLS: usize = 10_000;
const SECOND: Duration = Duration::from_secs(1);

/// No allocation, whether the service answers at once or later.
fn both<S>(layer: impl Fn(Inner) -> S)
where
    S: Service<u64, Response = u64, Error = Error<u64>>,
{
    assert_eq!(allocations(layer(Inner { pending: false })), 0, "over a service that is ready");
    assert_eq!(allocations(layer(Inner { pending: true })), 0, "over one that is pending once");
}

/// What the calls allocate, once the first ones have set up what stays.
fn allocations<S>(mut service: S) -> usize
where
    S: Service<u64, Response = u64>,
{
    let waker = Waker::from(Arc::new(Deaf));
    let mut cx = Context::from_waker(&waker);
    run(&mut service, 1_000, &mut cx);
    let before = ALLOCATED.get();
    run(&mut service, CALLS, &mut cx);
    ALLOCATED.get() - before
}

fn run<S>(service: &mut S, calls: usize, cx: &mut Context<'_>)
where
    S: Service<u64, Response = u64>,
{
    for request in 0..calls as u64 {
        let ready = pin!(poll_fn(|cx| service.poll_ready(cx))).poll(cx);
        assert!(matches!(ready, Poll::Ready(Ok(()))));
        let mut call = pin!(service.call(black_box(request)));
        // Pending once at most: whoever waits for longer would hang here.
        let polled = call.as_mut().poll(cx);
        let polled = if polled.is_pending() { call.poll(cx) } else { polled };
        assert!(polled.is_ready());
        let _ = black_box(polled);
    }
}

fn odd_fails(result: Result<&u64, &Error<u64>>) -> Outcome {
    match result {
        Ok(answer) if answer % 2 == 1 => Outcome::Transient,
        Ok(_) => Outcome::Success,
        Err(_) => Outcome::Neutral,
    }
}

#[derive(Clone)]
struct Inner {
    pending: bool,
}

impl Service<u64> for Inner {
    type Response = u64;
    type Error = Error<u64>;
    type Future = Answer<Error<u64>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Self::Future {
        Answer { result: Some(Ok(request)), pending: self.pending }
    }
}

/// Its error knows nothing of policies.
#[derive(Clone)]
struct Plain;

impl Service<u64> for Plain {
    type Response = u64;
    type Error = u64;
    type Future = Answer<u64>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), u64>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Self::Future {
        Answer { result: Some(Ok(request)), pending: true }
    }
}

struct Answer<E> {
    result: Option<Result<u64, E>>,
    pending: bool,
}

impl<E> Unpin for Answer<E> {}

impl<E> Future for Answer<E> {
    type Output = Result<u64, E>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        if std::mem::take(&mut self.pending) {
            return Poll::Pending;
        }
        Poll::Ready(self.result.take().expect("polled once more only"))
    }
}

struct Deaf;

impl Wake for Deaf {
    fn wake(self: Arc<Self>) {}
}
