//! How a subject is measured: thread CPU time for one thread, wall time for two on one instance, and its allocations.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use allocation_counter::{AllocationInfo, opt_out};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

use crate::cases::Entry;
use crate::environment::Environment;
use crate::probe;
use crate::run::Run;

/// Calls over which allocations are counted, after as many to warm up.
const COUNTED: u64 = 10_000;
/// The part of a batch of two threads that must overlap for it to count.
const OVERLAP: f64 = 0.85;
/// Batches of two threads that may fail to overlap, for each that counts.
const MISSES: usize = 20;

/// How long and how often to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Rounds, in each of which every subject has its turn with a fresh instance.
    pub(crate) rounds: usize,
    /// Samples of a subject in each round.
    pub(crate) samples: usize,
    /// How long one sample takes.
    pub(crate) sample: Duration,
}

impl Plan {
    pub(crate) const FULL: Self =
        Self { rounds: 11, samples: 15, sample: Duration::from_millis(2) };
    pub(crate) const QUICK: Self =
        Self { rounds: 5, samples: 5, sample: Duration::from_micros(500) };

    /// Two threads disturb each other in more ways: more and shorter samples.
    pub(crate) fn for_two(self) -> Self {
        Self { samples: self.samples * 2, sample: self.sample / 3, ..self }
    }
}

/// What one subject took in one round.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// Nanoseconds per call, one number for each sample.
    pub(crate) nanos: Vec<f64>,
    /// Allocations per call.
    pub(crate) allocs: f64,
    /// Bytes allocated per call.
    pub(crate) bytes: f64,
}

/// One thread, in thread CPU time: other programs take nothing of it.
///
/// A sample ends with a turn of the runtime, so that a subject pays for what it left to a task.
pub(crate) fn alone(entry: &Entry, environment: &Environment, plan: Plan) -> Round {
    let mut handles = (entry.make)(environment, 1);
    let run = handles.first_mut().expect("one handle was asked for");
    let counted = count(entry, run.as_mut());
    let calls = calibrate(plan.sample, |calls| {
        let start = cpu_time();
        batch(entry, run.as_mut(), calls);
        cpu_time().saturating_sub(start)
    });
    let nanos = (0..plan.samples)
        .map(|_| {
            let start = cpu_time();
            batch(entry, run.as_mut(), calls);
            environment.turn();
            per_call(cpu_time().saturating_sub(start), calls)
        })
        .collect();
    environment.turn();
    Round::new(nanos, counted)
}

/// Two threads on one instance, in wall time: only batches in which both ran at once count.
pub(crate) fn together(entry: &Entry, environment: &Environment, plan: Plan) -> Round {
    let mut handles = (entry.make)(environment, 2);
    let mut theirs = handles.pop().expect("two handles were asked for");
    let mut ours = handles.pop().expect("two handles were asked for");
    let cores = cores();
    let _pinned = Pinned::to(cores.first().copied());
    let arrived = AtomicU64::new(0);
    let (orders, their_orders) = channel();
    let (their_reports, reports) = channel();
    let round = thread::scope(|scope| {
        let other = scope.spawn(|| {
            let _entered = environment.handle().enter();
            let _pinned = Pinned::to(cores.get(1).copied());
            obey(entry, theirs.as_mut(), &arrived, their_orders, &their_reports);
        });
        let mut batches = 0;
        let mut both = |calls| {
            batches += 1;
            orders.send(Order::Batch(calls)).expect("the other thread waits for orders");
            meet(&arrived, batches, || other.is_finished());
            let start = Instant::now();
            batch(entry, ours.as_mut(), calls);
            let ours = Span { start, end: Instant::now() };
            let theirs = reports.recv().expect("the other thread reports each batch");
            (ours, theirs)
        };
        let calls = calibrate(plan.sample, |calls| {
            let (ours, theirs) = both(calls);
            ours.length().max(theirs.length())
        });
        let mut nanos = Vec::with_capacity(plan.samples);
        for _ in 0..plan.samples * MISSES {
            let (ours, theirs) = both(calls);
            if ours.overlap(theirs) >= OVERLAP {
                nanos.push(f64::midpoint(
                    per_call(ours.length(), calls),
                    per_call(theirs.length(), calls),
                ));
            }
            if nanos.len() == plan.samples {
                break;
            }
        }
        orders.send(Order::Stop).expect("the other thread waits for orders");
        nanos
    });
    let counted = count(entry, ours.as_mut());
    environment.turn();
    Round::new(round, counted)
}

/// Makes calls outside of the allocation count, and checks that they were made and ended as they must.
pub(crate) fn batch(entry: &Entry, run: &mut dyn Run, calls: u64) {
    let before = probe::calls();
    let mut right = 0;
    opt_out(|| right = run.run(calls));
    check(entry, calls, right, probe::calls() - before);
}

/// Warms up, and counts the allocations of [`COUNTED`] calls.
fn count(entry: &Entry, run: &mut dyn Run) -> AllocationInfo {
    batch(entry, run, COUNTED);
    let before = probe::calls();
    let mut right = 0;
    let info = allocation_counter::measure(|| right = run.run(COUNTED));
    check(entry, COUNTED, right, probe::calls() - before);
    info
}

fn check(entry: &Entry, calls: u64, right: u64, reached: u64) {
    let Entry { case, subject, .. } = entry;
    assert_eq!(right, calls, "{case}, {subject}: calls that ended as they must");
    let expected = if entry.reaches { calls } else { 0 };
    assert_eq!(reached, expected, "{case}, {subject}: calls that reached the service");
}

/// How many calls fill a sample.
fn calibrate(sample: Duration, mut time: impl FnMut(u64) -> Duration) -> u64 {
    let mut calls = 64;
    loop {
        let taken = time(calls);
        if taken * 4 >= sample {
            let nanos = per_call(taken, calls);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a count of calls, at least 1"
            )]
            return ((sample.as_secs_f64() * 1e9 / nanos) as u64).max(1);
        }
        calls *= 2;
    }
}

enum Order {
    Batch(u64),
    Stop,
}

fn obey(
    entry: &Entry,
    run: &mut dyn Run,
    arrived: &AtomicU64,
    orders: Receiver<Order>,
    reports: &Sender<Span>,
) {
    let mut batches = 0;
    for order in orders {
        let Order::Batch(calls) = order else { return };
        batches += 1;
        meet(arrived, batches, || false);
        let start = Instant::now();
        batch(entry, run, calls);
        if reports.send(Span { start, end: Instant::now() }).is_err() {
            return;
        }
    }
}

/// Waits until both threads are here for the `batches`th time.
fn meet(arrived: &AtomicU64, batches: u64, is_lost: impl Fn() -> bool) {
    arrived.fetch_add(1, Ordering::AcqRel);
    let mut spins = 0_u32;
    while arrived.load(Ordering::Acquire) < batches * 2 {
        spin_loop();
        spins = spins.wrapping_add(1);
        if spins.is_multiple_of(1 << 16) {
            assert!(!is_lost(), "the other thread has ended early");
            // On a machine with one core the other one could never get here.
            thread::yield_now();
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Span {
    start: Instant,
    end: Instant,
}

impl Span {
    fn length(self) -> Duration {
        self.end - self.start
    }

    /// The time that both ran, as a part of the time that any ran.
    fn overlap(self, other: Self) -> f64 {
        let both = self.end.min(other.end).saturating_duration_since(self.start.max(other.start));
        let any = self.end.max(other.end) - self.start.min(other.start);
        both.as_secs_f64() / any.as_secs_f64()
    }
}

/// Keeps the thread on one core until it is dropped.
struct Pinned {
    before: Option<CpuSet>,
}

impl Pinned {
    fn to(core: Option<usize>) -> Self {
        let before = core.and_then(|core| {
            let before = sched_getaffinity(None).ok()?;
            let mut only = CpuSet::new();
            only.set(core);
            sched_setaffinity(None, &only).ok()?;
            Some(before)
        });
        Self { before }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // Where this fails the thread stays on a core of its own set, which is no harm.
            let _ = sched_setaffinity(None, before);
        }
    }
}

/// The cores that this process may run on.
fn cores() -> Vec<usize> {
    match sched_getaffinity(None) {
        Ok(set) => (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect(),
        Err(_) => Vec::new(),
    }
}

/// Whether two threads can run at once here.
pub(crate) fn has_two_cores() -> bool {
    thread::available_parallelism().is_ok_and(|cores| cores.get() >= 2)
}

pub(crate) fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("the time of a thread is never negative")
}

#[expect(clippy::cast_precision_loss, reason = "batches are far below 2^52 calls")]
pub(crate) fn per_call(taken: Duration, calls: u64) -> f64 {
    taken.as_secs_f64() * 1e9 / calls as f64
}

impl Round {
    #[expect(clippy::cast_precision_loss, reason = "some thousand calls and their bytes")]
    pub(crate) fn new(nanos: Vec<f64>, counted: AllocationInfo) -> Self {
        let calls = COUNTED as f64;
        Self {
            nanos,
            allocs: counted.count_total as f64 / calls,
            bytes: counted.bytes_total as f64 / calls,
        }
    }
}
