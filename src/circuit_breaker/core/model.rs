//! The same breaker, as naive as can be: lists instead of sums, enums instead of words.
//!
//! [`check`] does the same with both, one step after the other, and compares all that they say.

use std::cell::Cell;
use std::time::Duration;

use super::enter::STEPS;
use super::exit::open_time;
use super::{Core, MILLION, OFF, Outside, Params, Settings, Shut, State, Ticket};
use crate::outcome::Outcome;
use crate::time::{Instant, nanos};
use crate::window::{RECENT, Span, TICKS, Tally, Window};

/// Does what `bytes` say with a core and with the model.
///
/// # Panics
///
/// When they differ.
#[cfg_attr(not(fuzzing), expect(unreachable_pub, reason = "the fuzzer reaches it"))]
pub fn check(bytes: &[u8]) {
    let mut bytes = bytes.iter().copied();
    let mut next = || bytes.next();
    let Some(shape) = next() else { return };
    let Some(choice) = next() else { return };
    let tick_nanos = 100_000_000;
    let span = if shape & 1 == 0 {
        Span::Time { tick_nanos }
    } else {
        Span::Calls { calls: 1 + u32::from(shape >> 3), tick_nanos }
    };
    let params = params(choice, span);
    let outside = Made {
        now: Cell::new(u64::from(shape) * 37_000_000),
        step: if shape & 2 == 0 { 1 } else { 4_000_000 },
        chance: u64::MAX / 3,
        settings: Settings::new(&params),
    };
    let window = if shape & 4 == 0 { Window::new } else { Window::compact };
    let core = Core::new(window(span, outside.now()), outside.now());
    let mut model = Model::new(span, params, &outside);
    let mut calls: Vec<(Ticket, Call)> = Vec::new();
    while let Some(op) = next() {
        let pick = |calls: &[(Ticket, Call)]| {
            (!calls.is_empty()).then(|| usize::from(op >> 4) % calls.len())
        };
        match op & 0x0F {
            0..=4 => {
                let shut = core.peek(&outside);
                let (entered, expected) = (core.enter(&outside), model.enter(&outside));
                match (entered, expected) {
                    (Ok(entered), Ok(call)) => {
                        // Recovery alone can turn a call away that the look did not foresee.
                        assert_eq!(shut, None, "let a call in that was not to be");
                        calls.push((entered.ticket, call));
                    }
                    (Err(shut), Err(expected)) => expected.matches(shut, outside.step),
                    (entered, expected) => panic!("{entered:?} is not {expected:?}"),
                }
            }
            5..=10 => {
                let Some(at) = pick(&calls) else { continue };
                let (ticket, call) = calls.swap_remove(at);
                let outcome = match op & 0x0F {
                    5 => Outcome::Neutral,
                    6 => Outcome::Overload {
                        retry_after: Some(Duration::from_millis(u64::from(op >> 4) * 70)),
                    },
                    7 | 8 => Outcome::Transient,
                    9 => Outcome::Permanent,
                    _ => Outcome::Success,
                };
                core.exit(ticket, outcome, &outside);
                model.exit(call, outcome, &outside);
            }
            11 => {
                let Some(at) = pick(&calls) else { continue };
                let (ticket, call) = &mut calls[at];
                if ticket.started_nanos == OFF {
                    core.pending(ticket, &outside);
                    model.pending(call, &outside);
                }
            }
            12 => outside.advance(u64::from(op >> 4) * 1_300_000),
            13 => outside.advance(u64::from(op >> 4) * 41_000_000),
            14 => outside.advance(u64::from(op >> 4) * 700_000_000),
            _ => {
                let state = match op >> 4 {
                    0 => State::Isolated,
                    1 => State::ForcedClosed,
                    2 => State::MetricsOnly,
                    3 | 4 => State::Closed,
                    _ => continue,
                };
                core.force(state, &outside);
                model.force(state, &outside);
            }
        }
        assert_eq!(core.state(), model.state(), "after {op:#x}");
        let view = core.view(&outside);
        assert_eq!(view.tally, model.tally(outside.now.get()), "after {op:#x}");
        assert_eq!(view.running_slow, model.running_slow(outside.now.get()), "after {op:#x}");
        assert_eq!(view, core.view(&outside), "looking changed something");
    }
}

fn params(choice: u8, span: Span) -> Params {
    let bit = |bit: u8| choice & (1 << bit) != 0;
    let most = match span {
        Span::Calls { calls, .. } => u64::from(calls),
        Span::Time { .. } => u64::MAX,
    };
    Params {
        consecutive_failures: if bit(0) { 4 } else { OFF },
        failure_ppm: if bit(1) { 500_000 } else { 1 },
        jitter_ppm: if bit(2) { 500_000 } else { 0 },
        max_open_nanos: if bit(3) { 5_000_000_000 } else { 700_000_000 },
        max_pause_nanos: 500_000_000,
        min_calls: (if bit(4) { 5 } else { 1 }).min(most),
        open_nanos: 700_000_000,
        probe_lease_nanos: 300_000_000,
        probes: if bit(5) { 3 } else { 1 },
        ramp_nanos: if bit(6) { 800_000_000 } else { 0 },
        recent_failure_ppm: if bit(1) { 900_000 } else { OFF },
        slow_nanos: 150_000_000,
        slow_ppm: if bit(7) { 700_000 } else { OFF },
    }
}

/// A outside that stands still unless it is moved on.
pub(super) struct Made {
    pub(super) now: Cell<u64>,
    /// The coarse reading moves in such steps.
    pub(super) step: u64,
    pub(super) chance: u64,
    pub(super) settings: Settings,
}

impl Made {
    fn advance(&self, nanos: u64) {
        self.now.set(self.now.get() + nanos);
    }

    fn coarse_nanos(&self) -> u64 {
        self.now.get() / self.step * self.step
    }
}

impl Outside for Made {
    fn coarse(&self) -> Instant {
        Instant::from_nanos(self.coarse_nanos())
    }

    fn now(&self) -> Instant {
        Instant::from_nanos(self.now.get())
    }

    fn tick(&self) -> Duration {
        Duration::from_nanos(self.step - 1)
    }

    fn chance(&self) -> u64 {
        self.chance
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }
}

struct Model {
    span: Span,
    params: Params,
    term: u64,
    phase: Phase,
    since: u64,
    paused_until: u64,
    reopened: u64,
    /// The tick, and whether the call failed and was slow, since the window was cleared.
    ended: Vec<(u64, bool, bool)>,
    /// The tick in which each that still runs has started.
    running: Vec<u64>,
    newest_tick: u64,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Closed { failures: u64 },
    ForcedClosed,
    HalfOpen { admitted: u64, passed: u64 },
    Isolated,
    MetricsOnly,
    Open { until: u64 },
    Recovering { eighths: u64 },
}

#[derive(Clone, Copy, Debug)]
struct Call {
    term: u64,
    started: Option<u64>,
}

#[derive(Debug)]
struct Refused {
    is_pause: bool,
    /// How long that surely lasts.
    rest: Option<u64>,
}

impl Refused {
    fn matches(&self, shut: Shut, step: u64) {
        assert_eq!(self.is_pause, shut.is_pause);
        match (self.rest, shut.retry_after()) {
            (None, None) => {}
            (Some(rest), Some(after)) => {
                // Whoever waits for that is let in, and nobody waits longer than he must, but for
                // what the coarse reading may be behind.
                let after = nanos(after);
                assert!((rest..rest + step).contains(&after), "{after} for {rest}");
            }
            other => panic!("{other:?}"),
        }
    }
}

impl Model {
    fn new(span: Span, params: Params, outside: &Made) -> Self {
        Self {
            span,
            params,
            term: 0,
            phase: Phase::Closed { failures: 0 },
            since: outside.now.get(),
            paused_until: 0,
            reopened: 0,
            ended: Vec::new(),
            running: Vec::new(),
            newest_tick: outside.now.get() / span.tick_nanos(),
        }
    }

    fn state(&self) -> State {
        match self.phase {
            Phase::Closed { .. } => State::Closed,
            Phase::ForcedClosed => State::ForcedClosed,
            Phase::HalfOpen { .. } => State::HalfOpen,
            Phase::Isolated => State::Isolated,
            Phase::MetricsOnly => State::MetricsOnly,
            Phase::Open { .. } => State::Open,
            Phase::Recovering { .. } => State::Recovering,
        }
    }

    fn enter(&mut self, outside: &Made) -> Result<Call, Refused> {
        let now = outside.now.get();
        let paused = (now < self.paused_until).then(|| self.paused_until - now);
        let closed = |rest| Err(Refused { is_pause: false, rest });
        match (&mut self.phase, paused) {
            (Phase::Isolated, _) => return closed(None),
            (Phase::ForcedClosed | Phase::MetricsOnly, _) | (Phase::Closed { .. }, None) => {}
            (Phase::Open { until }, paused) => {
                let rest = until.saturating_sub(now).max(paused.unwrap_or(0));
                if rest > 0 {
                    return closed(Some(rest));
                }
                self.go(Phase::HalfOpen { admitted: 1, passed: 0 }, now);
            }
            (_, Some(rest)) => return Err(Refused { is_pause: true, rest: Some(rest) }),
            (Phase::HalfOpen { admitted, .. }, None) if *admitted < self.params.probes => {
                *admitted += 1;
            }
            (Phase::HalfOpen { .. }, None) => {
                if now < self.since + self.params.probe_lease_nanos {
                    return closed(None);
                }
                self.go(Phase::HalfOpen { admitted: 1, passed: 0 }, now);
            }
            (Phase::Recovering { eighths }, None) => {
                // As the core does, from a coarse reading unless the end is near.
                let end = self.since + self.params.ramp_nanos;
                let near = end.saturating_sub(outside.coarse_nanos()) < outside.step;
                let seen = if near { now } else { outside.coarse_nanos() };
                let age = seen.saturating_sub(self.since);
                if age >= self.params.ramp_nanos {
                    self.phase = Phase::Closed { failures: 0 };
                    self.since = now;
                    self.reopened = 0;
                } else {
                    *eighths += 1 + age * STEPS / self.params.ramp_nanos;
                    if *eighths < STEPS {
                        return closed(None);
                    }
                    *eighths -= STEPS;
                }
            }
        }
        Ok(Call { term: self.term, started: None })
    }

    fn pending(&mut self, call: &mut Call, outside: &Made) {
        if call.term != self.term {
            return;
        }
        let coarse = outside.coarse_nanos();
        let tick = coarse / self.span.tick_nanos();
        let is_due = self.turn(tick);
        call.started = Some(coarse);
        self.running.push(tick);
        if is_due {
            self.evaluate(outside);
        }
    }

    fn exit(&mut self, call: Call, outcome: Outcome, outside: &Made) {
        if let Outcome::Overload { retry_after: Some(wait) } = outcome {
            let wait = nanos(wait).min(self.params.max_pause_nanos);
            if wait > 0 {
                self.paused_until = self.paused_until.max(outside.now.get() + wait);
            }
        }
        if call.term != self.term {
            return;
        }
        let tick_nanos = self.span.tick_nanos();
        let mut slow = false;
        if let Some(started) = call.started {
            let tick = started / tick_nanos;
            let at = self.running.iter().position(|running| *running == tick);
            let at = at.expect("it was counted in");
            self.running.swap_remove(at);
            slow = outside.coarse_nanos() - started > self.params.slow_nanos;
        }
        let failed = match outcome {
            Outcome::Transient => true,
            Outcome::Permanent | Outcome::Success => false,
            Outcome::Neutral | Outcome::Overload { .. } => {
                if let Phase::HalfOpen { admitted, .. } = &mut self.phase {
                    *admitted -= 1;
                }
                return;
            }
        };
        match &mut self.phase {
            Phase::HalfOpen { passed, .. } => {
                if failed || slow && self.params.slow_ppm != OFF {
                    self.open(outside);
                    return;
                }
                *passed += 1;
                if *passed == self.params.probes {
                    self.clear(outside);
                    let phase = if self.params.ramp_nanos == 0 {
                        self.reopened = 0;
                        Phase::Closed { failures: 0 }
                    } else {
                        Phase::Recovering { eighths: STEPS - 1 }
                    };
                    self.go(phase, outside.now.get());
                }
            }
            Phase::Closed { .. } | Phase::Recovering { .. } | Phase::MetricsOnly => {
                self.count(failed, slow, outside);
            }
            Phase::ForcedClosed | Phase::Isolated | Phase::Open { .. } => {}
        }
    }

    fn count(&mut self, failed: bool, slow: bool, outside: &Made) {
        let tick = outside.coarse_nanos() / self.span.tick_nanos();
        let is_new_tick = self.turn(tick);
        let is_due = is_new_tick || !self.is_full_of_good_calls();
        self.ended.push((tick, failed, slow));
        if let (Phase::Closed { failures }, true) =
            (&mut self.phase, self.params.consecutive_failures != OFF)
        {
            *failures = if failed { *failures + 1 } else { 0 };
            if *failures >= self.params.consecutive_failures {
                self.open(outside);
                return;
            }
        }
        if failed || slow || is_due {
            self.evaluate(outside);
        }
    }

    /// Whether one more good call changes nothing in a window of calls.
    fn is_full_of_good_calls(&self) -> bool {
        let Span::Calls { calls, .. } = self.span else { return true };
        let len = usize::try_from(calls).expect("a window fits memory");
        let is_good = |(_, failed, slow): &(u64, bool, bool)| !failed && !slow;
        self.ended.len() >= len && self.ended.iter().rev().take(len).all(is_good)
    }

    fn evaluate(&mut self, outside: &Made) {
        let min_calls = match self.phase {
            Phase::Closed { .. } => self.params.min_calls,
            Phase::Recovering { .. } => self.params.min_calls.min(self.params.probes),
            _ => return,
        };
        let now = outside.coarse_nanos();
        let tally = self.tally(now);
        let running = self.running_slow(now);
        let reaches = |part: u64, calls: u64, ppm: u64| {
            ppm != OFF && calls >= min_calls && part * MILLION >= calls * ppm
        };
        if reaches(tally.failed, tally.calls, self.params.failure_ppm)
            || reaches(tally.recent_failed, tally.recent_calls, self.params.recent_failure_ppm)
            || reaches(tally.slow + running, tally.calls + running, self.params.slow_ppm)
        {
            self.open(outside);
        }
    }

    fn open(&mut self, outside: &Made) {
        self.reopened = match self.phase {
            Phase::Closed { .. } => 0,
            _ => self.reopened + 1,
        };
        let wait = open_time(&outside.settings, self.reopened, outside.chance);
        let until = (outside.now() + wait).as_nanos().max(self.paused_until);
        // An open circuit counts in microseconds.
        let until = until.div_ceil(1_000) * 1_000;
        self.go(Phase::Open { until }, outside.now.get());
    }

    fn force(&mut self, state: State, outside: &Made) {
        self.paused_until = 0;
        self.reopened = 0;
        self.clear(outside);
        let phase = match state {
            State::ForcedClosed => Phase::ForcedClosed,
            State::Isolated => Phase::Isolated,
            State::MetricsOnly => Phase::MetricsOnly,
            _ => Phase::Closed { failures: 0 },
        };
        self.go(phase, outside.now.get());
    }

    fn go(&mut self, phase: Phase, now: u64) {
        self.term += 1;
        self.phase = phase;
        self.since = now;
    }

    fn clear(&mut self, outside: &Made) {
        self.ended.clear();
        self.running.clear();
        self.newest_tick = self.newest_tick.max(outside.coarse_nanos() / self.span.tick_nanos());
    }

    fn turn(&mut self, tick: u64) -> bool {
        let is_new = tick > self.newest_tick;
        self.newest_tick = self.newest_tick.max(tick);
        is_new
    }

    fn tally(&self, now: u64) -> Tally {
        let mut tally = Tally::default();
        match self.span {
            Span::Calls { calls, .. } => {
                let len = usize::try_from(calls).expect("a window fits memory");
                for (_, failed, slow) in self.ended.iter().rev().take(len) {
                    tally.calls += 1;
                    tally.failed += u64::from(*failed);
                    tally.slow += u64::from(*slow);
                }
            }
            Span::Time { tick_nanos } => {
                let current = now / tick_nanos;
                for (tick, failed, slow) in &self.ended {
                    if tick + TICKS > current {
                        tally.calls += 1;
                        tally.failed += u64::from(*failed);
                        tally.slow += u64::from(*slow);
                    }
                    if tick + RECENT > current {
                        tally.recent_calls += 1;
                        tally.recent_failed += u64::from(*failed);
                    }
                }
            }
        }
        tally
    }

    fn running_slow(&self, now: u64) -> u64 {
        let tick_nanos = self.span.tick_nanos();
        let surely_slow = |tick: &&u64| {
            // The youngest call of that tick, in the oldest moment of the current one.
            (now / tick_nanos).saturating_sub(**tick + 1) * tick_nanos >= self.params.slow_nanos
        };
        self.running.iter().filter(surely_slow).fold(0, |count, _| count + 1)
    }
}
