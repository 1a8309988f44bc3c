//! The thread-local that the context travels in.
//!
//! Each part is a cell of its own, and is read and written whole: a copy of all in one would be
//! read wider than it was written, which stalls the processor for longer than all the rest takes.
//! What changes one part puts in and takes out that one only.

use std::cell::Cell;
use std::time::Duration;

use super::Criticality;
use crate::time::{Clock, Instant};

// In this order: were the two times neighbours, the compiler would read them as one.
#[repr(C)]
struct Cells {
    /// Set once somebody has asked; [`Instant::FAR_FUTURE`] is none.
    deadline: Cell<Instant>,
    attempt: Cell<u32>,
    criticality: Cell<Criticality>,
    cut: Cell<bool>,
    /// The time that a timeout allows from now on, as long as nobody has asked; `MAX` is none.
    within_nanos: Cell<u64>,
}

thread_local! {
    static CELLS: Cells = const {
        Cells {
            deadline: Cell::new(Instant::FAR_FUTURE),
            within_nanos: Cell::new(u64::MAX),
            attempt: Cell::new(1),
            criticality: Cell::new(Criticality::Default),
            cut: Cell::new(false),
        }
    };
}

/// All that travels, as a value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ambient {
    pub(super) deadline: Instant,
    within_nanos: u64,
    pub(super) attempt: u32,
    pub(super) criticality: Criticality,
}

impl Ambient {
    pub(super) const NONE: Self = Self {
        deadline: Instant::FAR_FUTURE,
        within_nanos: u64::MAX,
        attempt: 1,
        criticality: Criticality::Default,
    };

    /// The context of the code that asks.
    #[inline]
    pub(crate) fn current() -> Self {
        CELLS.with(|cells| Self {
            deadline: cells.deadline.get(),
            within_nanos: cells.within_nanos.get(),
            attempt: cells.attempt.get(),
            criticality: cells.criticality.get(),
        })
    }

    /// With this deadline, unless there is an earlier one.
    #[inline]
    pub(crate) fn until(mut self, deadline: Instant) -> Self {
        self.deadline = self.deadline.min(deadline);
        self
    }

    /// As that attempt.
    #[inline]
    pub(crate) fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }
}

/// The number of the attempt, and nothing else: the other parts stay unread.
#[inline]
pub(super) fn attempt() -> u32 {
    CELLS.with(|cells| cells.attempt.get())
}

/// The deadline. Reads the clock if it was only known relative to the call's start.
#[inline]
pub(super) fn deadline(clock: &Clock) -> Option<Instant> {
    CELLS.with(|cells| {
        if cells.within_nanos.get() != u64::MAX {
            let end = clock.now() + Duration::from_nanos(cells.within_nanos.get());
            cells.deadline.set(cells.deadline.get().min(end));
            cells.within_nanos.set(u64::MAX);
        }
        let deadline = cells.deadline.get();
        (deadline != Instant::FAR_FUTURE).then_some(deadline)
    })
}

/// The deadline as far as somebody has named it, without a look at the clock:
/// [`Instant::FAR_FUTURE`] if nobody has.
#[inline]
pub(crate) fn named_deadline() -> Instant {
    CELLS.with(|cells| cells.deadline.get())
}

/// Whether what is being dropped is dropped because its deadline has passed.
#[inline]
pub(crate) fn is_cut() -> bool {
    CELLS.with(|cells| cells.cut.get())
}

/// Drops a call whose deadline has passed, in `f`: it was not given up by its caller, but took too
/// long. All that it is made of knows, whatever contexts are put in further in.
pub(crate) fn cut<R>(f: impl FnOnce() -> R) -> R {
    struct Restore {
        cut: bool,
    }

    impl Drop for Restore {
        fn drop(&mut self) {
            CELLS.with(|cells| cells.cut.set(self.cut));
        }
    }

    let _restore = Restore { cut: CELLS.with(|cells| cells.cut.replace(true)) };
    f()
}

/// Runs `f` in `ambient` and nothing else, and takes it out again, also when `f` panics.
///
/// When `f` or what it calls asked for the deadline, `ambient` knows it afterwards.
#[inline]
pub(super) fn scope_alone<R>(ambient: &mut Ambient, f: impl FnOnce() -> R) -> R {
    let _restore = Restore { outer: Ambient::current() };
    put_in(ambient);
    let result = f();
    CELLS.with(|cells| {
        ambient.deadline = cells.deadline.get();
        ambient.within_nanos = cells.within_nanos.get();
    });
    result
}

/// Runs `f` in `ambient`, which was taken from a call further out and changed, and takes it out
/// again, also when `f` panics.
///
/// A deadline that has been named further out since then holds.
#[inline]
pub(crate) fn scope<R>(ambient: &mut Ambient, f: impl FnOnce() -> R) -> R {
    ambient.deadline = ambient.deadline.min(named_deadline());
    scope_alone(ambient, f)
}

struct Restore {
    outer: Ambient,
}

impl Drop for Restore {
    #[inline]
    fn drop(&mut self) {
        put_in(&self.outer);
    }
}

#[inline]
fn put_in(ambient: &Ambient) {
    CELLS.with(|cells| {
        cells.deadline.set(ambient.deadline);
        cells.within_nanos.set(ambient.within_nanos);
        cells.attempt.set(ambient.attempt);
        cells.criticality.set(ambient.criticality);
    });
}

/// Runs `f` within that time of now or until that deadline, and takes both out again, also when `f`
/// panics. `u64::MAX` and [`Instant::FAR_FUTURE`] are none.
#[expect(clippy::inline_always, reason = "out of line, it costs as much again")]
#[inline(always)]
pub(crate) fn limited<R>(within_nanos: u64, deadline: Instant, f: impl FnOnce() -> R) -> R {
    let _restore = CELLS.with(|cells| {
        let (outer_nanos, outer_deadline) = (cells.within_nanos.get(), cells.deadline.get());
        // Written only where it differs: calls in a row would wait for each other's stores.
        if within_nanos < outer_nanos {
            cells.within_nanos.set(within_nanos);
        }
        if deadline < outer_deadline {
            cells.deadline.set(deadline);
        }
        RestoreTime { outer_nanos, outer_deadline }
    });
    f()
}

struct RestoreTime {
    outer_nanos: u64,
    outer_deadline: Instant,
}

impl Drop for RestoreTime {
    #[expect(clippy::inline_always, reason = "out of line, it costs as much again")]
    #[inline(always)]
    fn drop(&mut self) {
        CELLS.with(|cells| {
            cells.within_nanos.set(self.outer_nanos);
            if cells.deadline.get() != self.outer_deadline {
                cells.deadline.set(self.outer_deadline);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::attempt;
    use super::*;
    use crate::time::nanos;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_first_who_asks_names_the_deadline() {
        let clock = Clock::manual();

        let (asked, again) = within(2 * SECOND, || {
            let asked = deadline(&clock);
            clock.advance(SECOND);
            (asked, deadline(&clock))
        });

        assert_eq!(asked, Some(Instant::default() + 2 * SECOND));
        assert_eq!(asked, again);
        assert_eq!(deadline(&clock), None);
    }

    #[test]
    fn the_earlier_deadline_wins() {
        let clock = Clock::manual();
        let soon = clock.now() + SECOND;
        let mut ambient = Ambient::NONE.until(soon);

        let seen = scope(&mut ambient, || within(2 * SECOND, || deadline(&clock)));
        assert_eq!(seen, Some(soon));

        let seen = scope(&mut ambient, || within(SECOND / 2, || deadline(&clock)));
        assert_eq!(seen, Some(clock.now() + SECOND / 2));
    }

    #[test]
    fn the_shorter_of_two_times_wins_wherever_it_stands() {
        let clock = Clock::manual();
        for (outer, inner) in [(1, 3), (3, 1)] {
            let seen = within(outer * SECOND, || within(inner * SECOND, || deadline(&clock)));

            assert_eq!(seen, Some(clock.now() + SECOND));
        }
    }

    #[test]
    fn to_ask_further_in_names_no_deadline_further_out() {
        let clock = Clock::manual();

        within(3 * SECOND, || {
            assert_eq!(within(5 * SECOND, || deadline(&clock)), Some(clock.now() + 3 * SECOND));
            let end = clock.now() + SECOND;
            assert_eq!(limited(u64::MAX, end, || deadline(&clock)), Some(end));
            assert_eq!(named_deadline(), Instant::FAR_FUTURE);
        });
    }

    #[test]
    fn a_panic_takes_the_context_out_again() {
        let clock = Clock::manual();
        let mut ambient = Ambient::NONE.attempt(7);

        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            scope(&mut ambient, || {
                within(SECOND, || cut(|| panic!("inside, as expected")));
            });
        }));

        assert!(caught.is_err());
        assert_eq!(attempt(), 1);
        assert_eq!(deadline(&clock), None);
        assert!(!is_cut());
    }

    #[test]
    fn a_nested_context_ends_with_its_scope() {
        let mut outer = Ambient::NONE.attempt(2);

        scope(&mut outer, || {
            let mut inner = Ambient::current().attempt(3);
            assert_eq!(scope(&mut inner, attempt), 3);
            assert_eq!(attempt(), 2);
        });
    }

    #[test]
    fn what_was_taken_before_the_deadline_was_named_knows_it_then() {
        let clock = Clock::manual();
        let mut taken = within(SECOND, Ambient::current).attempt(2);
        let end = clock.now() + SECOND;
        clock.advance(SECOND / 2);

        let seen = limited(u64::MAX, end, || scope(&mut taken, || deadline(&clock)));

        assert_eq!(seen, Some(Instant::default() + SECOND));
    }

    #[test]
    fn a_cut_reaches_what_has_a_context_of_its_own() {
        let mut inner = Ambient::NONE.attempt(2);

        assert!(cut(|| scope(&mut inner, || within(SECOND, is_cut))));
        assert!(!scope(&mut inner, is_cut));
    }

    #[test]
    fn endless_time_is_no_deadline() {
        let clock = Clock::manual();

        assert_eq!(within(Duration::MAX, || deadline(&clock)), None);
    }

    fn within<R>(time: Duration, f: impl FnOnce() -> R) -> R {
        limited(nanos(time), Instant::FAR_FUTURE, f)
    }
}
