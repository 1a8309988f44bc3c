//! Tokio's clock on our time line, for tests in paused time.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use super::instant::Instant;
use super::system;

static FOLLOWED: AtomicBool = AtomicBool::new(false);

/// Makes every system clock of the process read tokio's time from now on.
///
/// Then policies that were built with the default clock stand still in a runtime whose time is
/// paused, and wait no real time in it. Meant for the start of a test; there is no way back, so
/// that tests which run side by side agree. Each paused runtime has its own time; code outside of
/// runtimes sees real time.
///
/// ```
/// use std::time::Duration;
///
/// use seawall::time::{Clock, follow_tokio};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// follow_tokio();
/// let clock = Clock::default();
/// let start = clock.now();
///
/// tokio::time::advance(Duration::from_secs(3600)).await;
///
/// assert_eq!(clock.now().since(start), Duration::from_secs(3600));
/// # }
/// ```
pub fn follow_tokio() {
    origin();
    // Relaxed: the origin publishes itself, and a clock that still reads the system's time for a
    // moment is on the same line.
    FOLLOWED.store(true, Ordering::Relaxed);
}

#[inline]
pub(super) fn is_followed() -> bool {
    FOLLOWED.load(Ordering::Relaxed)
}

/// Tokio's time, of the runtime that this is called in.
pub(super) fn now() -> Instant {
    let (theirs, ours) = origin();
    let now = tokio::time::Instant::now();
    // A runtime may have paused its time before the origin was taken.
    ours + now.saturating_duration_since(theirs) - theirs.saturating_duration_since(now)
}

/// Whether tokio's timers can be used here.
pub(super) fn is_in_runtime() -> bool {
    tokio::runtime::Handle::try_current().is_ok()
}

/// Ends when `deadline` has come in the time of the runtime that this is called in.
///
/// # Panics
///
/// Outside of a runtime, and in one that was built without its timers.
pub(super) fn sleep_until(deadline: Instant) -> tokio::time::Sleep {
    tokio::time::sleep(deadline.since(now()))
}

/// One moment on both time lines.
fn origin() -> (tokio::time::Instant, Instant) {
    static ORIGIN: OnceLock<(tokio::time::Instant, Instant)> = OnceLock::new();
    *ORIGIN.get_or_init(|| (tokio::time::Instant::now(), system::now()))
}

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use std::time::Duration;

    use crate::time::Clock;

    #[tokio::test(start_paused = true)]
    async fn stands_still_in_a_paused_runtime() {
        let clock = Clock::tokio();
        let start = clock.now();
        assert_eq!(clock.now(), start);

        tokio::time::sleep(Duration::from_secs(1_000_000)).await;

        assert_eq!(clock.coarse().since(start), Duration::from_secs(1_000_000));
        assert!(clock.has_passed(start + Duration::from_secs(1_000_000)));
    }

    #[test]
    fn outside_of_runtimes_it_is_on_the_line_of_the_system() {
        let (before, tokio, after) =
            (Clock::tokio().now(), super::system::now(), Clock::tokio().now());

        // The two readings of the origin are not taken at once.
        let slack = Duration::from_secs(5);
        assert!(before <= after);
        assert!(tokio + slack >= before && tokio <= after + slack);
    }
}
