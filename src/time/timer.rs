//! The timer of one future, which costs nothing until it is needed.

use std::fmt;
#[cfg(feature = "test-util")]
use std::future::Future;
#[cfg(feature = "test-util")]
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::clock::{Clock, Manual, Source};
use super::driver::DRIVER;
use super::instant::Instant;
use super::lane::{Lane, Place};
#[cfg(feature = "test-util")]
use super::tokio_clock;

/// Waits for a length of time or for an instant, inside of a future.
///
/// Idle it is a few words, and free to make and drop. The first poll arms it, which takes one lock
/// that is rarely contended and a clone of the waker, and no allocation; later polls read the
/// coarse clock, and take the lock only if the future has moved to another task. Dropping it
/// disarms it. It never ends early.
///
/// A timer belongs to the clock and the time that it was armed with; polls until it is
/// [idle](Self::reset) again must pass the same.
#[derive(Default)]
pub(crate) struct Timer {
    deadline: Instant,
    waker: WakerId,
    entry: Entry,
}

/// Where an armed timer is registered.
#[derive(Default)]
enum Entry {
    #[default]
    Idle,
    Lane(&'static Lane, Place),
    Queue(u64),
    Manual(Arc<Manual>, u64),
    #[cfg(feature = "test-util")]
    Tokio(Pin<Box<tokio::time::Sleep>>),
    /// There is no thread that would fire it: it is polled again and again.
    Unattended,
}

/// Tells wakers apart without a clone. The entry holds the waker itself, so as long as it is there
/// no other one has its address.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
struct WakerId {
    data: usize,
    vtable: usize,
}

impl Timer {
    /// A timer that waits for nothing yet.
    pub(crate) const fn idle() -> Self {
        Self {
            deadline: Instant::FAR_FUTURE,
            waker: WakerId { data: 0, vtable: 0 },
            entry: Entry::Idle,
        }
    }

    /// Makes room for timers that wait for so many nanoseconds, so that the first of them need not.
    /// Takes a lock and allocates: for when a policy is built or its setting changes.
    pub(crate) fn prepare(nanos: u64, clock: &Clock) {
        // Who waits for ever is in no lane.
        if matches!(clock.source(), Source::System) && nanos != u64::MAX {
            DRIVER.lane(nanos);
        }
    }

    /// Whether there is room for them.
    #[cfg(test)]
    pub(crate) fn is_prepared(nanos: u64) -> bool {
        DRIVER.has_lane(nanos)
    }

    /// Waits for so many nanoseconds, from the first poll on.
    ///
    /// When that has passed the timer is idle again, and a further poll starts it anew.
    #[inline]
    pub(crate) fn poll_timeout(
        &mut self,
        nanos: u64,
        clock: &Clock,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if self.is_armed() { self.poll_armed(clock, cx) } else { self.arm_for(nanos, clock, cx) }
    }

    /// Waits until `deadline`. If the timer waits for another one it is armed anew.
    ///
    /// When that has passed the timer is idle again, and a further poll is ready at once.
    #[inline]
    pub(crate) fn poll_until(
        &mut self,
        deadline: Instant,
        clock: &Clock,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if self.is_armed() && self.deadline == deadline {
            return self.poll_armed(clock, cx);
        }
        self.reset();
        self.arm_until(deadline, clock, cx)
    }

    /// Makes the timer idle: it waits for nothing, and wakes nobody.
    #[inline]
    pub(crate) fn reset(&mut self) {
        if self.is_armed() {
            self.disarm();
        }
    }

    /// What an armed timer waits for. In a lane this includes a tick of the coarse clock.
    #[inline]
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.is_armed().then_some(self.deadline)
    }

    #[inline]
    fn is_armed(&self) -> bool {
        !matches!(self.entry, Entry::Idle)
    }

    fn arm_for(&mut self, nanos: u64, clock: &Clock, cx: &mut Context<'_>) -> Poll<()> {
        if nanos == 0 {
            return Poll::Ready(());
        }
        if let Source::System = clock.source()
            && let Some(lane) = DRIVER.lane(nanos)
            && let Some((deadline, place)) = lane.arm(cx.waker().clone())
        {
            self.deadline = deadline;
            self.waker = WakerId::of(cx.waker());
            self.entry = Entry::Lane(lane, place);
            return Poll::Pending;
        }
        self.arm_until(clock.now() + Duration::from_nanos(nanos), clock, cx)
    }

    fn arm_until(&mut self, deadline: Instant, clock: &Clock, cx: &mut Context<'_>) -> Poll<()> {
        if clock.has_passed(deadline) {
            return Poll::Ready(());
        }
        self.deadline = deadline;
        self.waker = WakerId::of(cx.waker());
        self.entry = match clock.source() {
            #[cfg(feature = "test-util")]
            Source::Tokio if tokio_clock::is_in_runtime() => {
                let mut sleep = Box::pin(tokio_clock::sleep_until(deadline));
                if sleep.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                Entry::Tokio(sleep)
            }
            #[cfg(feature = "test-util")]
            Source::Tokio => Self::queued(deadline, cx),
            Source::System => Self::queued(deadline, cx),
            Source::Manual(manual) => {
                let number = manual.waiting.arm(deadline, cx.waker().clone());
                Entry::Manual(Arc::clone(manual), number)
            }
        };
        // The manual clock may have been advanced before the entry was there for it to see.
        if matches!(self.entry, Entry::Manual(..)) && clock.has_passed(deadline) {
            self.disarm();
            return Poll::Ready(());
        }
        Poll::Pending
    }

    fn queued(deadline: Instant, cx: &Context<'_>) -> Entry {
        if let Some(number) = DRIVER.arm(deadline, cx.waker().clone()) {
            Entry::Queue(number)
        } else {
            cx.waker().wake_by_ref();
            Entry::Unattended
        }
    }

    fn poll_armed(&mut self, clock: &Clock, cx: &mut Context<'_>) -> Poll<()> {
        let has_passed = match &mut self.entry {
            // These are fired by the system's time, and not by what a clock has come to follow.
            Entry::Lane(..) | Entry::Queue(_) => DRIVER.has_passed(self.deadline),
            Entry::Manual(manual, _) => manual.now() >= self.deadline,
            #[cfg(feature = "test-util")]
            Entry::Tokio(sleep) => sleep.as_mut().poll(cx).is_ready(),
            Entry::Idle | Entry::Unattended => {
                let deadline = self.deadline;
                self.reset();
                return self.arm_until(deadline, clock, cx);
            }
        };
        if !has_passed && self.waker == WakerId::of(cx.waker()) {
            return Poll::Pending;
        }
        if has_passed || !self.replace_waker(cx) {
            self.disarm();
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// Has the task of `cx` woken instead. False if the time has passed meanwhile.
    #[cold]
    fn replace_waker(&mut self, cx: &Context<'_>) -> bool {
        self.waker = WakerId::of(cx.waker());
        let waker = cx.waker().clone();
        let replaced = match &self.entry {
            Entry::Lane(lane, place) => lane.replace(*place, waker),
            Entry::Queue(number) => DRIVER.queue().replace(self.deadline, *number, waker),
            Entry::Manual(manual, number) => manual.waiting.replace(self.deadline, *number, waker),
            // Tokio's sleep has seen the waker, the others have none.
            #[cfg(feature = "test-util")]
            Entry::Tokio(_) => Ok(()),
            Entry::Idle | Entry::Unattended => Ok(()),
        };
        replaced.is_ok()
    }

    #[inline(never)]
    fn disarm(&mut self) {
        match std::mem::take(&mut self.entry) {
            Entry::Lane(lane, place) => lane.cancel(place),
            Entry::Queue(number) => DRIVER.queue().cancel(self.deadline, number),
            Entry::Manual(manual, number) => manual.waiting.cancel(self.deadline, number),
            #[cfg(feature = "test-util")]
            Entry::Tokio(sleep) => drop(sleep),
            Entry::Idle | Entry::Unattended => {}
        }
    }
}

impl Drop for Timer {
    #[inline]
    fn drop(&mut self) {
        self.reset();
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer").field("deadline", &self.deadline()).finish()
    }
}

impl WakerId {
    #[inline]
    fn of(waker: &Waker) -> Self {
        Self { data: waker.data().addr(), vtable: std::ptr::from_ref(waker.vtable()).addr() }
    }
}

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;
    use std::thread::{self, Thread};

    use super::*;
    use crate::time::nanos;

    #[test]
    fn a_timer_is_small() {
        assert!(size_of::<Timer>() <= 48, "{} bytes", size_of::<Timer>());
    }

    #[test]
    fn does_not_fire_early_by_the_system_clock() {
        let clock = Clock::system();
        for period in [Duration::from_millis(2), Duration::from_millis(260)] {
            let mut timer = Timer::idle();
            let start = clock.now();
            block_on(|cx| timer.poll_timeout(nanos(period), &clock, cx));

            assert!(clock.now().since(start) >= period);
            assert_eq!(timer.deadline(), None);
        }
        let deadline = clock.now() + Duration::from_millis(2);
        let mut timer = Timer::idle();
        block_on(|cx| timer.poll_until(deadline, &clock, cx));

        assert!(clock.now() >= deadline);
    }

    #[test]
    fn a_later_timer_does_not_delay_an_earlier_one() {
        let clock = Clock::system();
        let mut late = Timer::idle();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(late.poll_timeout(nanos(HOUR), &clock, &mut cx).is_pending());

        let mut early = Timer::idle();
        block_on(|cx| early.poll_timeout(nanos(Duration::from_millis(1)), &clock, cx));

        assert!(late.deadline().is_some());
    }

    #[test]
    fn is_ready_at_once_for_no_time_and_for_the_past() {
        let mut cx = Context::from_waker(Waker::noop());
        for clock in [Clock::system(), Clock::manual()] {
            let mut timer = Timer::idle();

            assert!(timer.poll_timeout(nanos(Duration::ZERO), &clock, &mut cx).is_ready());
            assert!(timer.poll_until(clock.now(), &clock, &mut cx).is_ready());
            assert!(timer.poll_timeout(nanos(Duration::MAX), &clock, &mut cx).is_pending());
        }
    }

    #[test]
    fn advancing_a_manual_clock_wakes_who_waits() {
        let clock = Clock::manual();
        let (count, waker) = counter();
        let mut cx = Context::from_waker(&waker);
        let mut timer = Timer::idle();
        assert!(timer.poll_timeout(nanos(HOUR), &clock, &mut cx).is_pending());

        clock.advance(HOUR.saturating_sub(Duration::from_nanos(1)));
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        assert!(timer.poll_timeout(nanos(HOUR), &clock, &mut cx).is_pending());
        clock.advance(Duration::from_nanos(1));

        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(timer.poll_timeout(nanos(HOUR), &clock, &mut cx).is_ready());
    }

    #[test]
    fn a_timer_that_moved_to_another_task_wakes_that_one() {
        let clock = Clock::manual();
        let ((first, one), (second, two)) = (counter(), counter());
        let mut timer = Timer::idle();
        for waker in [&one, &two] {
            let mut cx = Context::from_waker(waker);
            assert!(timer.poll_timeout(nanos(HOUR), &clock, &mut cx).is_pending());
        }
        clock.advance(HOUR);

        assert_eq!(first.0.load(Ordering::Relaxed), 0);
        assert_eq!(second.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_timer_of_the_system_moves_between_tasks_and_threads() {
        let clock = Clock::system();
        let mut cx = Context::from_waker(Waker::noop());
        let period = Duration::from_millis(5);
        let deadline = clock.now() + Duration::from_millis(5);
        let (mut one, mut two) = (Timer::idle(), Timer::idle());
        assert!(one.poll_timeout(nanos(period), &clock, &mut cx).is_pending());
        assert!(two.poll_until(deadline, &clock, &mut cx).is_pending());

        // Were the first task still the one that is woken, this would hang.
        thread::spawn(move || {
            block_on(|cx| one.poll_timeout(nanos(period), &clock, cx));
            block_on(|cx| two.poll_until(deadline, &clock, cx));
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_dropped_timer_leaves_nothing_behind() {
        let clock = Clock::manual();
        let (count, waker) = counter();
        let mut cx = Context::from_waker(&waker);
        for clock in [&clock, &Clock::system()] {
            let (mut one, mut two) = (Timer::idle(), Timer::idle());
            assert!(one.poll_timeout(nanos(HOUR), clock, &mut cx).is_pending());
            assert!(two.poll_until(clock.now() + HOUR, clock, &mut cx).is_pending());
        }
        clock.advance(HOUR);

        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        drop(waker);
        assert_eq!(Arc::strong_count(&count), 1);
    }

    #[test]
    fn another_deadline_arms_it_anew() {
        let clock = Clock::manual();
        let mut cx = Context::from_waker(Waker::noop());
        let mut timer = Timer::idle();
        assert!(timer.poll_until(clock.now() + HOUR, &clock, &mut cx).is_pending());
        assert!(timer.poll_until(clock.now() + 2 * HOUR, &clock, &mut cx).is_pending());
        clock.advance(HOUR);

        assert!(timer.poll_until(Instant::default() + 2 * HOUR, &clock, &mut cx).is_pending());
        assert!(timer.poll_until(Instant::default() + HOUR, &clock, &mut cx).is_ready());
        assert_eq!(timer.deadline(), None);
    }

    #[test]
    fn without_a_thread_to_fire_it_it_asks_to_be_polled_again() {
        let clock = Clock::system();
        let (count, waker) = counter();
        let mut cx = Context::from_waker(&waker);
        let deadline = clock.now() + HOUR;
        let mut timer = Timer { deadline, waker: WakerId::default(), entry: Entry::Unattended };

        // Here there is a thread: the next poll hands the timer over to it.
        assert!(timer.poll_until(deadline, &clock, &mut cx).is_pending());
        assert!(matches!(timer.entry, Entry::Queue(_)));
        assert_eq!(timer.deadline(), Some(deadline));
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
    }

    #[cfg(feature = "test-util")]
    #[tokio::test(start_paused = true)]
    async fn follows_the_paused_time_of_tokio() {
        let clock = Clock::tokio();
        let start = clock.now();
        let mut timer = Timer::idle();
        poll_fn(|cx| timer.poll_timeout(nanos(1_000 * HOUR), &clock, cx)).await;

        assert_eq!(clock.now().since(start), 1_000 * HOUR);
    }

    #[cfg(feature = "test-util")]
    #[test]
    fn outside_of_a_runtime_tokio_time_is_real_time() {
        let clock = Clock::tokio();
        let mut timer = Timer::idle();
        let start = clock.now();
        block_on(|cx| timer.poll_timeout(nanos(Duration::from_millis(1)), &clock, cx));

        assert!(clock.now().since(start) >= Duration::from_millis(1));
    }

    const HOUR: Duration = Duration::from_secs(3_600);

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn counter() -> (Arc<Counter>, Waker) {
        let counter = Arc::new(Counter::default());
        (Arc::clone(&counter), Waker::from(counter))
    }

    /// The smallest executor: no runtime is needed.
    fn block_on<T>(poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
        struct Unpark(Thread);

        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }

        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut future = pin!(poll_fn(poll));
        loop {
            if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return value;
            }
            thread::park();
        }
    }
}
