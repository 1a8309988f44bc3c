//! What happened in a run, and the figures that follow from it.

use std::time::Duration;

use crate::event::Event;
use crate::script;

/// State of a circuit breaker over time, from the lowest to the highest alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breaker {
    Closed,
    Recovering,
    HalfOpen,
    Open,
}

impl Breaker {
    pub(crate) const ALL: [Self; 4] = [Self::Closed, Self::Recovering, Self::HalfOpen, Self::Open];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Recovering => "recovering",
            Self::HalfOpen => "half-open",
            Self::Open => "open",
        }
    }
}

/// Everything that happened to the calls of one client.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) name: &'static str,
    calls: Vec<Call>,
    sent: Vec<u32>,
    reached: Vec<u32>,
    /// The queue of the server, at many moments.
    backlog: Vec<(Duration, u32)>,
    /// When the breaker was seen in another state than before.
    breaker: Vec<(Duration, Breaker)>,
}

#[derive(Clone, Copy, Debug)]
struct Call {
    arrived: Duration,
    ended: Option<Ended>,
    attempts: u32,
}

#[derive(Clone, Copy, Debug)]
struct Ended {
    at: Duration,
    ok: bool,
}

impl Record {
    /// A record of calls that arrive at `arrivals`, of which nothing has happened yet.
    pub(crate) fn new(name: &'static str, arrivals: &[Duration]) -> Self {
        let call = |arrived: &Duration| Call { arrived: *arrived, ended: None, attempts: 0 };
        Self {
            name,
            calls: arrivals.iter().map(call).collect(),
            sent: Vec::new(),
            reached: Vec::new(),
            backlog: Vec::new(),
            breaker: Vec::new(),
        }
    }

    pub(crate) fn note(&mut self, event: Event) {
        match event {
            Event::Sent { call, at } => {
                count(&mut self.sent, at);
                if let Some(call) = self.calls.get_mut(call) {
                    call.attempts += 1;
                }
            }
            Event::Reached { at } => count(&mut self.reached, at),
            Event::Backlog { at, requests } => self.backlog.push((at, requests)),
            Event::Ended { call, at, ok } => {
                if let Some(call) = self.calls.get_mut(call) {
                    call.ended = Some(Ended { at, ok });
                }
            }
        }
    }

    pub(crate) fn note_breaker(&mut self, at: Duration, state: Breaker) {
        if self.breaker.last().is_none_or(|(_, last)| *last != state) {
            self.breaker.push((at, state));
        }
    }

    pub(crate) fn breaker(&self) -> &[(Duration, Breaker)] {
        &self.breaker
    }

    /// Requests that waited in the server's queue, and when.
    pub(crate) fn backlog(&self) -> &[(Duration, u32)] {
        &self.backlog
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.len()
    }

    /// The share of all calls that got an answer.
    pub(crate) fn success_rate(&self) -> f64 {
        let good =
            self.calls.iter().filter(|call| call.ended.is_some_and(|ended| ended.ok)).count();
        share(good, self.calls.len())
    }

    /// Requests sent for each call that sent any. A call that was turned away before it sent one
    /// is no part of it.
    pub(crate) fn attempts_per_call(&self) -> f64 {
        let sent = self.calls.iter().map(|call| call.attempts as usize).filter(|n| *n > 0);
        let (calls, attempts) = sent.fold((0, 0), |(calls, sum), n| (calls + 1, sum + n));
        share(attempts, calls)
    }

    /// Successful calls that ended in each second of the run.
    pub(crate) fn goodput(&self) -> Vec<u32> {
        let mut seconds = vec![0; script::length() as usize];
        for (at, _) in self.answers() {
            if let Some(second) = seconds.get_mut(second_of(at)) {
                *second += 1;
            }
        }
        seconds
    }

    /// Requests that left the client in each second of the run.
    pub(crate) fn sent(&self) -> Vec<u32> {
        padded(&self.sent)
    }

    /// Requests that the server read in each second of the run.
    pub(crate) fn reached(&self) -> Vec<u32> {
        padded(&self.reached)
    }

    /// Time from arrival to answer that the share `quantile` of successful calls stayed within.
    pub(crate) fn latency(&self, quantile: f64) -> Option<Duration> {
        percentile(self.answers().map(|(_, latency)| latency).collect(), quantile)
    }

    /// The same for the calls that ended from `from` up to before `to`.
    pub(crate) fn latency_within(
        &self,
        from: Duration,
        to: Duration,
        quantile: f64,
    ) -> Option<Duration> {
        let within = self.answers().filter(|(at, _)| (from..to).contains(at));
        percentile(within.map(|(_, latency)| latency).collect(), quantile)
    }

    /// Seconds from the end of the outage to the return of the goodput before it, if it returned.
    pub(crate) fn recovered_after(&self) -> Option<u32> {
        let goodput = self.goodput();
        let (healthy, rest) = goodput.split_at(script::SCRIPT[0].seconds as usize);
        let outage = script::outage_end() as usize - healthy.len();
        recovered_after(mean(healthy), &rest[outage..])
    }

    /// When each successful call ended, and how long after its arrival.
    fn answers(&self) -> impl Iterator<Item = (Duration, Duration)> {
        self.calls.iter().filter_map(|call| {
            let ended = call.ended.filter(|ended| ended.ok)?;
            Some((ended.at, ended.at.saturating_sub(call.arrived)))
        })
    }
}

/// The first of five seconds in a row that each have at least 95 % of the goodput before.
fn recovered_after(before: f64, after: &[u32]) -> Option<u32> {
    let enough = |second: &u32| f64::from(*second) >= 0.95 * before;
    if before <= 0.0 {
        // Nothing was there that could return.
        return None;
    }
    let first = after.windows(5).position(|five| five.iter().all(enough))?;
    u32::try_from(first).ok()
}

/// The smallest of `values` that the share `quantile` of them does not exceed.
fn percentile(mut values: Vec<Duration>, quantile: f64) -> Option<Duration> {
    values.sort_unstable();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of a number of calls"
    )]
    let rank = (quantile * values.len() as f64).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied()
}

/// The mean of counts; 0 of none.
pub(crate) fn mean(counts: &[u32]) -> f64 {
    share(counts.iter().map(|count| *count as usize).sum(), counts.len())
}

#[expect(clippy::cast_precision_loss, reason = "counts of calls")]
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The second of the run that `at` is in.
fn second_of(at: Duration) -> usize {
    usize::try_from(at.as_secs()).unwrap_or(usize::MAX)
}

fn count(seconds: &mut Vec<u32>, at: Duration) {
    let second = second_of(at);
    // A run is short; whatever claims to be far outside of it is not worth its memory.
    if second >= 1_000 {
        return;
    }
    if seconds.len() <= second {
        seconds.resize(second + 1, 0);
    }
    seconds[second] += 1;
}

fn padded(seconds: &[u32]) -> Vec<u32> {
    let mut seconds = seconds.to_vec();
    seconds.resize(script::length() as usize, 0);
    seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_is_the_first_of_five_good_seconds_in_a_row() {
        let good_then = |rest: &[u32]| recovered_after(280.0, rest);

        assert_eq!(good_then(&[280; 5]), Some(0));
        assert_eq!(good_then(&[0, 266, 300, 266, 270, 280]), Some(1));
        assert_eq!(good_then(&[280, 280, 280, 280, 265, 280, 280, 280, 280, 280]), Some(5));
        assert_eq!(good_then(&[280, 280, 280, 280]), None);
        assert_eq!(good_then(&[265; 40]), None);
        assert_eq!(good_then(&[]), None);
    }

    #[test]
    fn recovery_is_measured_from_the_end_of_the_outage_against_the_healthy_phase() {
        let arrivals = script::arrivals(3);
        let mut record = Record::new("any", &arrivals);
        let end = Duration::from_secs(script::outage_end().into());

        let lost = Duration::from_secs(10)..end + Duration::from_secs(6);
        for (call, at) in arrivals.iter().enumerate() {
            record.note(Event::Ended { call, at: *at, ok: !lost.contains(at) });
        }

        assert_eq!(record.recovered_after(), Some(6));
    }

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let hundred: Vec<_> = (1..=100).rev().map(Duration::from_millis).collect();

        assert_eq!(percentile(hundred.clone(), 0.5), Some(Duration::from_millis(50)));
        assert_eq!(percentile(hundred.clone(), 0.99), Some(Duration::from_millis(99)));
        assert_eq!(percentile(hundred.clone(), 1.0), Some(Duration::from_millis(100)));
        assert_eq!(percentile(hundred, 0.0), Some(Duration::from_millis(1)));
        assert_eq!(
            percentile(vec![Duration::from_millis(7)], 0.99),
            Some(Duration::from_millis(7))
        );
        assert_eq!(percentile(Vec::new(), 0.5), None);
    }

    #[test]
    fn attempts_count_for_calls_that_sent_any_and_success_for_all() {
        let mut record = Record::new("any", &[Duration::ZERO; 4]);

        for call in [0, 1, 1, 1] {
            record.note(Event::Sent { call, at: Duration::from_millis(1_500) });
        }
        record.note(Event::Ended { call: 0, at: Duration::from_secs(2), ok: true });
        record.note(Event::Ended { call: 1, at: Duration::from_secs(2), ok: false });
        record.note(Event::Ended { call: 2, at: Duration::from_secs(2), ok: false });

        assert_eq!(record.attempts_per_call(), 2.0);
        assert_eq!(record.success_rate(), 0.25);
        assert_eq!(record.goodput()[2], 1);
        assert_eq!(record.sent()[1], 4);
        assert_eq!(record.latency(0.5), Some(Duration::from_secs(2)));
    }

    #[test]
    fn a_record_without_calls_has_no_figures_and_no_panic() {
        let record = Record::new("any", &[]);

        assert_eq!(record.attempts_per_call(), 0.0);
        assert_eq!(record.success_rate(), 0.0);
        assert_eq!(record.latency(0.99), None);
        assert_eq!(record.recovered_after(), None);
    }

    #[test]
    fn only_changes_of_the_breaker_are_kept() {
        let mut record = Record::new("any", &[]);

        for (at, state) in [(1, Breaker::Closed), (2, Breaker::Closed), (3, Breaker::Open)] {
            record.note_breaker(Duration::from_secs(at), state);
        }

        let states: Vec<_> = record.breaker().iter().map(|(at, _)| at.as_secs()).collect();
        assert_eq!(states, [1, 3]);
    }
}
