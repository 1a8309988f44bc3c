//! What a server can do: one worker behind a first-in-first-out queue.

use std::time::Duration;

/// Work that the queue holds at most, in requests: 30 s of it for a worker that is well.
///
/// A real queue is bounded too, and most are bounded far too late: from the first second of
/// backlog on, the worker only finishes what its client has given up on.
pub(crate) const QUEUE: f64 = 9_000.0;

/// A worker whose speed changes over time.
///
/// Nothing is burnt and nothing is held: a request that is taken in gets the time at which the
/// worker will be done with it. That is settled when it arrives, so a client that leaves takes
/// nothing out of the queue.
#[derive(Debug)]
pub(crate) struct Worker {
    stretches: Vec<Stretch>,
    /// Work taken in so far, counted from the start of time and including idle time, which is lost.
    taken: f64,
}

/// Time in which the worker has one speed.
#[derive(Debug)]
struct Stretch {
    from: f64,
    rate: f64,
    /// Work that could have been done before it.
    before: f64,
}

impl Worker {
    /// A worker that has each rate, in requests per second, for the time beside it; the last one
    /// for good.
    pub(crate) fn new(rates: impl IntoIterator<Item = (Duration, u32)>) -> Self {
        let (mut from, mut before) = (0.0, 0.0);
        let mut stretches = Vec::new();
        for (time, rate) in rates {
            let rate = f64::from(rate);
            stretches.push(Stretch { from, rate, before });
            from += time.as_secs_f64();
            before += rate * time.as_secs_f64();
        }
        Self { stretches, taken: 0.0 }
    }

    /// Takes a request in at `now` and says when it will be done, or `None` if the queue is full.
    pub(crate) fn take(&mut self, now: Duration) -> Option<Duration> {
        let possible = self.possible_by(now.as_secs_f64());
        let begin = possible.max(self.taken);
        if begin - possible > QUEUE {
            return None;
        }
        let done_at = self.done_at(begin + 1.0)?;
        self.taken = begin + 1.0;
        Some(done_at)
    }

    /// Requests that wait at `now`, the one in work included.
    pub(crate) fn waiting(&self, now: Duration) -> u32 {
        let waiting = (self.taken - self.possible_by(now.as_secs_f64())).ceil();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the cast saturates, and the queue is bounded far below"
        )]
        {
            waiting as u32
        }
    }

    /// Work that could have been done by `at`.
    fn possible_by(&self, at: f64) -> f64 {
        self.stretches
            .iter()
            .rfind(|stretch| stretch.from <= at)
            .map_or(0.0, |stretch| stretch.before + stretch.rate * (at - stretch.from))
    }

    /// The first time at which `work` can have been done, if there ever is one.
    fn done_at(&self, work: f64) -> Option<Duration> {
        // The last stretch that begins with less than this done is the one that gets it done,
        // unless it is the last of all and stands still.
        let stretch = self.stretches.iter().rfind(|stretch| stretch.before < work)?;
        let seconds = stretch.from + (work - stretch.before) / stretch.rate;
        Duration::try_from_secs_f64(seconds).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_worker_starts_at_once_and_idle_time_is_lost() {
        let mut worker = steady();

        assert_eq!(worker.take(at(1.0)), Some(at(1.1)));
        assert_eq!(worker.take(at(5.0)), Some(at(5.1)));
    }

    #[test]
    fn requests_are_done_one_after_the_other_in_the_order_of_their_arrival() {
        let mut worker = steady();

        let done: Vec<_> = (0..4).filter_map(|_| worker.take(at(1.0))).collect();

        assert_close(&done, &[1.1, 1.2, 1.3, 1.4]);
        assert_eq!(worker.waiting(at(1.0)), 4);
        assert_eq!(worker.waiting(at(1.25)), 2);
        assert_eq!(worker.waiting(at(9.0)), 0);
    }

    #[test]
    fn what_waits_while_the_worker_hangs_is_done_after_it() {
        // 10/s for one second, nothing for three, 5/s from then on.
        let mut worker = Worker::new([(at(1.0), 10), (at(3.0), 0), (at(1.0), 5)]);

        let done: Vec<_> =
            [0.95, 2.0, 2.0].into_iter().filter_map(|s| worker.take(at(s))).collect();

        // Half of the first one is done before the worker hangs.
        assert_close(&done, &[4.1, 4.3, 4.5]);
    }

    #[test]
    fn a_full_queue_takes_nothing_until_work_is_done() {
        let mut worker = steady();

        let taken = (0..20_000).filter_map(|_| worker.take(at(0.0))).count();

        assert_eq!(taken, 9_001);
        assert_eq!(worker.take(at(0.0)), None);
        assert!(worker.take(at(0.2)).is_some());
    }

    #[test]
    fn a_worker_that_never_works_again_takes_nothing() {
        let mut worker = Worker::new([(at(1.0), 10), (at(1.0), 0)]);

        assert!(worker.take(at(0.5)).is_some());
        assert_eq!(worker.take(at(1.5)), None);
    }

    fn steady() -> Worker {
        Worker::new([(at(1.0), 10)])
    }

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn assert_close(times: &[Duration], seconds: &[f64]) {
        assert_eq!(times.len(), seconds.len());
        for (time, seconds) in times.iter().zip(seconds) {
            assert!((time.as_secs_f64() - seconds).abs() < 1e-6, "{time:?} is not {seconds}");
        }
    }
}
