//! A client, a server that is almost full, and an outage that the load itself keeps alive.
//!
//! 280 calls/s meet a server that can do 300/s, answers first come first served, and finishes work
//! whose client has gone. It stops for ten seconds. What queued up meanwhile takes longer than the
//! client's timeout of one second, so the client asks again for what the server is still doing: the
//! outage outlives its cause, unless the client lets go. (Bronson and others, *Metastable Failures
//! in Distributed Systems*, `HotOS` 2021.)

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use seawall::stack::Stack;
use seawall::telemetry::Environment;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, sleep, sleep_until, timeout};

#[test]
fn the_standard_stack_survives_a_metastable_trigger() {
    for seed in 0..seeds() {
        let stack = stack(seed);

        let run = simulate(seed, OUTAGE, move |server| {
            let stack = stack.clone();
            async move { stack.run(|| server.answer()).await.is_ok() }
        });

        let back = run.recovered_after();
        assert!(back.is_some_and(|seconds| seconds <= 10), "seed {seed}: back after {back:?} s");
    }
}

#[test]
fn three_naive_retries_do_not() {
    for seed in 0..seeds() {
        let run = simulate(seed, OUTAGE, naive);

        assert_eq!(run.recovered_after(), None, "seed {seed}");
    }
}

/// What the test above stands on: without a trigger nobody has a problem.
#[test]
fn without_an_outage_the_naive_client_does_well() {
    let run = simulate(0, Duration::ZERO, naive);

    assert_eq!(run.recovered_after(), Some(0));
}

/// The defaults, with the client's timeout of one second for each attempt.
fn stack(seed: u64) -> Stack {
    Stack::builder()
        .name("metastable")
        .attempt_timeout(TIMEOUT)
        .build_in(&Environment::new().seed(seed))
        .expect("the defaults are sound")
}

async fn naive(server: Rc<Server>) -> bool {
    for retry in 0..4 {
        if retry > 0 {
            sleep(Duration::from_millis(100) * (1 << (retry - 1))).await;
        }
        if matches!(timeout(TIMEOUT, server.answer()).await, Ok(Ok(()))) {
            return true;
        }
    }
    false
}

/// Answers in the order of arrival, and does not notice when a client has gone.
struct Server {
    outage: std::ops::Range<Instant>,
    free_at: Cell<Instant>,
}

impl Server {
    /// The work is taken on when the call arrives, and is done whether anybody waits or not.
    fn answer(&self) -> impl Future<Output = Result<(), &'static str>> + use<> {
        let now = Instant::now();
        let mut start = self.free_at.get().max(now);
        if self.outage.contains(&start) {
            start = self.outage.end;
        }
        let done = start + Duration::from_secs(1) / CAPACITY;
        self.free_at.set(done);
        async move {
            sleep_until(done).await;
            Ok(())
        }
    }
}

struct Run {
    /// Calls that were answered, by the second in which they were.
    answered: Vec<u32>,
    outage_end: usize,
}

impl Run {
    /// Whole seconds from the end of the outage to the first of five seconds in a row with at
    /// least 95 % of the goodput before.
    fn recovered_after(&self) -> Option<usize> {
        let healthy = &self.answered[WARM_UP..HEALTHY];
        let before: u32 = healthy.iter().sum();
        let seconds = u32::try_from(healthy.len()).expect("small");
        // 95 % of the mean, without fractions.
        let is_good = |count: &u32| 20 * count * seconds >= 19 * before;
        let good = |window: &[u32]| window.iter().all(is_good);
        self.answered[self.outage_end..].windows(5).position(good)
    }
}

fn simulate<F, Fut>(seed: u64, outage: Duration, client: F) -> Run
where
    F: Fn(Rc<Server>) -> Fut + 'static,
    Fut: Future<Output = bool> + 'static,
{
    seawall::time::follow_tokio();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without drivers for input and output");
    LocalSet::new().block_on(&runtime, async {
        let start = Instant::now();
        let fails_at = start + Duration::from_secs(HEALTHY as u64);
        let server =
            Rc::new(Server { outage: fails_at..fails_at + outage, free_at: Cell::new(start) });
        let answered = Rc::new(RefCell::new(vec![0_u32; SECONDS]));
        let mut calls = JoinSet::new();
        // The seed shifts the arrivals within their interval, and seeds the stack.
        let phase = Duration::from_nanos(seed * 173_205);
        for number in 0..u32::try_from(SECONDS).expect("small") * LOAD {
            let arrival = start + phase + Duration::from_secs(1) * number / LOAD;
            sleep_until(arrival).await;
            let answered = answered.clone();
            let answer = client(server.clone());
            calls.spawn_local(async move {
                if answer.await {
                    let second = usize::try_from(start.elapsed().as_secs()).expect("small");
                    if let Some(count) = answered.borrow_mut().get_mut(second) {
                        *count += 1;
                    }
                }
            });
            while calls.try_join_next().is_some() {}
        }
        drop(calls);
        let outage_end = HEALTHY + usize::try_from(outage.as_secs()).expect("small");
        Run { answered: answered.take(), outage_end }
    })
}

/// So many chances. More of them with `SEAWALL_SEEDS`.
fn seeds() -> u64 {
    std::env::var("SEAWALL_SEEDS").map_or(20, |seeds| seeds.parse().expect("a number"))
}

/// Calls per second.
const LOAD: u32 = 280;
/// Calls per second that the server can do.
const CAPACITY: u32 = 300;
const TIMEOUT: Duration = Duration::from_secs(1);
const OUTAGE: Duration = Duration::from_secs(10);
/// Seconds that do not count, seconds until the outage, seconds in all.
const WARM_UP: usize = 2;
const HEALTHY: usize = 12;
const SECONDS: usize = 60;
