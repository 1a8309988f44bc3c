//! The thread that fires timers.
//!
//! It sleeps until the first deadline of all queues. A timer that is armed wakes it only if it is
//! due before that; most are not, for they are disarmed long before the timers that were there
//! first would have fired. So short calls cost it one wake per length of their timeout, and not
//! one per call.
//!
//! It is a thread of its own and not a task: tasks end with their runtime, and finding the
//! runtime costs a reference count per call. So timers work under any executor.
//!
//! # No wake is lost
//!
//! `until` holds what the driver sleeps for. A round of the driver is: store the far future (*tell
//! me of everything*), look through all queues under their locks, store the first deadline, park.
//! Who arms a timer adds it under a queue's lock and then loads `until`; if its deadline is
//! earlier, it lowers `until` and unparks the driver.
//!
//! Either the driver locks that queue after the timer was added, and sees it; or before, and then
//! its store of the far future happens before the load, which so reads that or something later: the
//! far future, or the first deadline of the round, which the timer undercuts or need not; or what
//! another timer lowered it to in this round, and that timer unparks the driver, for one more
//! round. An unpark that comes before the park makes the park return at once. The locks order
//! everything, so `until` itself is relaxed.
//!
//! The same holds of a queue that is new: it can be found from when it is put on the list of lanes,
//! under the lock under which the driver goes through them. Either the driver takes that lock
//! afterwards, and sees the queue; or before, and its store of the far future happens before the
//! queue is found.

use std::sync::{LazyLock, OnceLock};
use std::task::Waker;
use std::thread::{self, Thread};
use std::time::Duration;

use super::instant::Instant;
use super::lane::{Lane, Lanes};
use super::queue::{Queue, wake_all};
use super::system;
use crate::sync::{AtomicU64, Mutex, Ordering};

/// The driver of the process. Its thread starts with the first timer.
pub(super) static DRIVER: LazyLock<Driver> = LazyLock::new(Driver::new);

/// All timers of the system clock.
pub(super) struct Driver {
    lanes: Lanes,
    queue: Queue,
    alarm: Alarm,
    /// The time of the last round: all that was due by then has been taken out.
    fired: AtomicU64,
    thread: OnceLock<Thread>,
    starting: Mutex<()>,
}

/// What the driver sleeps for.
struct Alarm {
    until: AtomicU64,
}

impl Driver {
    pub(super) fn new() -> Self {
        Self {
            lanes: Lanes::new(),
            queue: Queue::default(),
            alarm: Alarm::new(),
            fired: AtomicU64::new(0),
            thread: OnceLock::new(),
            starting: Mutex::new(()),
        }
    }

    /// The queues for timers of so many nanoseconds, unless there are too many others.
    #[inline]
    pub(super) fn lane(&'static self, nanos: u64) -> Option<&'static Lane> {
        self.lanes.of(nanos, self)
    }

    #[cfg(test)]
    pub(super) fn has_lane(&self, nanos: u64) -> bool {
        self.lanes.has(nanos)
    }

    /// Adds a timer with a deadline of its own. Returns its number in the [queue](Self::queue);
    /// none if there is no thread to fire it.
    pub(super) fn arm(&'static self, deadline: Instant, waker: Waker) -> Option<u64> {
        let thread = self.thread()?;
        let number = self.queue.arm(deadline, waker);
        self.hurry(deadline, thread);
        Some(number)
    }

    /// Whether a timer that was in a queue is due. True for whoever is woken, however far the
    /// coarse clock may be behind: the entry is gone by then, and nobody would wake it again.
    #[inline]
    pub(super) fn has_passed(&self, deadline: Instant) -> bool {
        // Relaxed: see the store.
        deadline.as_nanos() <= self.fired.load(Ordering::Relaxed) || system::has_passed(deadline)
    }

    pub(super) fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Makes sure that the driver wakes by `deadline`. To be called when the timer is in its queue.
    #[inline]
    pub(super) fn hurry(&self, deadline: Instant, thread: &Thread) {
        self.alarm.hurry(deadline, || thread.unpark());
    }

    /// The driver's thread, which this starts if need be; none if the system refuses.
    #[inline]
    pub(super) fn thread(&'static self) -> Option<&'static Thread> {
        match self.thread.get() {
            Some(thread) => Some(thread),
            None => self.start(),
        }
    }

    #[cold]
    fn start(&'static self) -> Option<&'static Thread> {
        let _starting = self.starting.lock();
        if self.thread.get().is_none() {
            let builder = thread::Builder::new().name("seawall-timer".into());
            let handle = builder.spawn(|| self.run()).ok()?;
            let thread = handle.thread().clone();
            self.thread.set(thread).expect("set under the lock only");
        }
        self.thread.get()
    }

    fn run(&self) {
        let mut due = Vec::new();
        loop {
            self.alarm.open();
            let now = system::now();
            let first = self.expire(now, &mut due);
            // Relaxed: whoever is woken sees it through the wake.
            self.fired.store(now.as_nanos(), Ordering::Relaxed);
            wake_all(&mut due);
            due.shrink_to(KEPT);
            self.alarm.set(first);
            if first == Instant::FAR_FUTURE {
                thread::park();
            } else {
                // A burst of timers that are due one by one is fired in a few rounds.
                thread::park_timeout(first.since(system::now()).max(BREATH));
            }
        }
    }

    /// Moves the wakers of all that is due into `due`. Returns the first deadline left.
    fn expire(&self, now: Instant, due: &mut Vec<Waker>) -> Instant {
        let first = self.lanes.expire(now, due);
        self.queue.expire(now, due);
        let far = Instant::FAR_FUTURE;
        first.unwrap_or(far).min(self.queue.next().unwrap_or(far))
    }
}

impl Alarm {
    fn new() -> Self {
        Self { until: AtomicU64::new(Instant::FAR_FUTURE.as_nanos()) }
    }

    /// Asks to be told of everything that is armed from now on.
    fn open(&self) {
        self.until.store(Instant::FAR_FUTURE.as_nanos(), Ordering::Relaxed);
    }

    fn set(&self, first: Instant) {
        self.until.store(first.as_nanos(), Ordering::Relaxed);
    }

    #[inline]
    fn hurry(&self, deadline: Instant, unpark: impl FnOnce()) {
        let deadline = deadline.as_nanos();
        // Whoever lowers it unparks, so that a timer which need not lower it can rely on that.
        if deadline < self.until.load(Ordering::Relaxed)
            && deadline < self.until.fetch_min(deadline, Ordering::Relaxed)
        {
            unpark();
        }
    }
}

/// The least time between two rounds that nobody asked for: how late a timer may be.
const BREATH: Duration = Duration::from_micros(500);

/// Room for so many wakers is kept.
const KEPT: usize = 1_024;

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    use super::*;

    #[test]
    fn fires_what_is_due_and_finds_what_comes_next() {
        let driver = driver();
        let counter = Arc::new(Counter::default());
        let short = driver.lane(1_000_000_000).unwrap();
        let long = driver.lane(100_000_000_000).unwrap();
        let (first, _) = short.arm(Waker::from(Arc::clone(&counter))).unwrap();
        let (last, _) = long.arm(Waker::from(Arc::clone(&counter))).unwrap();
        let own = first + Duration::from_secs(7);
        driver.arm(own, Waker::from(Arc::clone(&counter))).unwrap();
        let mut due = Vec::new();

        assert_eq!(driver.expire(first - Duration::from_nanos(1), &mut due), first);
        assert_eq!(due.len(), 0);
        assert_eq!(driver.expire(first, &mut due), own);
        assert_eq!(driver.expire(own, &mut due), last);
        assert_eq!(driver.expire(last, &mut due), Instant::FAR_FUTURE);
        wake_all(&mut due);
        assert_eq!(counter.0.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn a_waker_that_panics_does_not_keep_others_asleep() {
        let counter = Arc::new(Counter::default());
        let mut due = vec![Waker::from(Arc::new(Hostile)), Waker::from(Arc::clone(&counter))];
        wake_all(&mut due);

        assert_eq!(counter.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn short_calls_do_not_wake_the_driver_each() {
        let alarm = Alarm::new();
        let unparked = AtomicUsize::new(0);
        for n in 0..1_000 {
            // One call after the other, each with a timeout of a millisecond.
            alarm.hurry(Instant::from_nanos(1_000_000 + n), || {
                unparked.fetch_add(1, Ordering::Relaxed);
            });
        }

        assert_eq!(unparked.load(Ordering::Relaxed), 1);
    }

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    struct Hostile;

    impl Wake for Hostile {
        fn wake(self: Arc<Self>) {
            panic!("a waker's panic, which this test expects");
        }
    }

    /// A driver whose thread does not run: time is passed in.
    fn driver() -> &'static Driver {
        let driver = Box::leak(Box::new(Driver::new()));
        driver.thread.set(thread::current()).unwrap();
        driver
    }
}

#[cfg(test)]
#[cfg(seawall_loom)]
mod loom_tests {
    use loom::thread;

    use super::*;
    use crate::sync::Arc;

    /// The protocol over one queue. Two timers are armed while the driver makes its rounds, and it
    /// sleeps for ever whenever nothing is early: a lost wake is a deadlock, which loom reports.
    #[test]
    fn loom_a_timer_that_is_armed_early_wakes_the_driver() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = model.preemption_bound.or(Some(2));
        model.check(|| {
            let alarm = Arc::new(Alarm::new());
            // Left over from a round before, whose timers have all fired.
            alarm.set(Instant::default());
            let queue = Arc::new(Mutex::new(Vec::new()));
            let driver = thread::current();
            let armers = [2, 1].map(|deadline| {
                let (alarm, queue) = (Arc::clone(&alarm), Arc::clone(&queue));
                let driver = driver.clone();
                thread::spawn(move || {
                    let deadline = Instant::from_nanos(deadline);
                    queue.lock().push(deadline);
                    alarm.hurry(deadline, || driver.unpark());
                })
            });
            // What it sleeps for never comes by itself; it ends when it sleeps for the earlier.
            loop {
                alarm.open();
                let first = queue.lock().iter().min().copied().unwrap_or(Instant::FAR_FUTURE);
                alarm.set(first);
                if first == Instant::from_nanos(1) {
                    break;
                }
                thread::park();
            }
            for armer in armers {
                armer.join().unwrap();
            }
        });
    }
}
