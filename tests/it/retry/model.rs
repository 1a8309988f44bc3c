//! A retry beside a naive one that is told how every attempt will end.
//!
//! The fuzz target `retry_core` runs the same check.

use std::cell::RefCell;
use std::pin::pin;
use std::sync::mpsc::{Receiver, channel};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use seawall::backoff::{Backoff, Jitter};
use seawall::budget::Budget;
use seawall::context::{self, Context as CallContext};
use seawall::outcome::Classify;
use seawall::replay::{NotReplayable, Replay, Safety};
use seawall::retry::Retry;
use seawall::telemetry::{Environment, Event, EventKind};
use seawall::time::{Clock, Instant};
use seawall::{Error, Outcome, Reason, Rejection};

/// How an attempt ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ending {
    Works,
    Permanent,
    Resets,
    /// Certainly not executed.
    Refused,
    Overloaded {
        hint: Option<Duration>,
    },
    /// By a policy further in.
    Local,
    /// By a policy further in, too, but after the call was sent.
    TimesOut,
}

/// One call.
#[derive(Clone, Debug)]
struct Script {
    max_attempts: u32,
    base: Duration,
    max_retry_after: Duration,
    min_attempt_time: Duration,
    /// Repeats that the budget allows.
    reserve: u32,
    incoming: u32,
    deadline: Option<Duration>,
    safety: Safety,
    /// How often the request can be made again.
    copies: usize,
    endings: Vec<Ending>,
}

/// What became of it.
#[derive(Debug, Eq, PartialEq)]
struct Story {
    /// When each attempt was made, and as which.
    sent: Vec<(Duration, u32)>,
    /// Which attempt's result came back.
    result: usize,
    ambiguous: bool,
    charged: u64,
}

/// Makes a call as `bytes` say, once really and once naively.
pub(crate) fn check(bytes: &[u8]) {
    let script = Script::read(bytes);

    assert_eq!(script.play(), script.predict(), "{script:#?}");
}

impl Script {
    fn read(bytes: &[u8]) -> Self {
        let mut bytes = bytes.iter().copied();
        let mut next = || bytes.next().unwrap_or(0);
        let millis = |byte: u8| Duration::from_millis(u64::from(byte) * 10);
        let mut script = Self {
            max_attempts: u32::from(next() % 8) + 1,
            base: millis(next() % 32) + Duration::from_nanos(1),
            max_retry_after: millis(next()),
            min_attempt_time: millis(next() % 64),
            reserve: u32::from(next() % 8),
            incoming: u32::from(next() % 5),
            deadline: None,
            safety: [Safety::Idempotent, Safety::Keyed, Safety::Unsafe][usize::from(next() % 3)],
            copies: usize::from(next() % 10),
            endings: Vec::new(),
        };
        if next() % 2 == 1 {
            script.deadline = Some(millis(next()) * 4);
        }
        for _ in 0..8 {
            let ending = match next() % 12 {
                0 => Ending::Works,
                1 => Ending::Permanent,
                2 => Ending::Local,
                3 => Ending::TimesOut,
                4 | 5 => Ending::Refused,
                6 => Ending::Overloaded { hint: None },
                7 | 8 => Ending::Overloaded { hint: Some(millis(next())) },
                _ => Ending::Resets,
            };
            script.endings.push(ending);
        }
        script
    }

    /// What ought to happen.
    fn predict(&self) -> Story {
        let mut now = Duration::ZERO;
        let mut story = Story { sent: vec![], result: 0, ambiguous: false, charged: 0 };
        let allowed = self.max_attempts.saturating_sub(self.incoming.max(1) - 1).max(1);
        for (n, ending) in (0_u32..).zip(&self.endings) {
            story.sent.push((now, self.incoming.max(1) + n));
            if *ending == Ending::Local && n > 0 {
                return story;
            }
            story.result = n as usize;
            let hint = match ending {
                Ending::Works | Ending::Permanent | Ending::Local => return story,
                Ending::Overloaded { hint } => *hint,
                Ending::Resets | Ending::Refused | Ending::TimesOut => None,
            };
            let may_have_run = matches!(ending, Ending::Resets | Ending::TimesOut);
            if self.safety == Safety::Unsafe && may_have_run {
                story.ambiguous = true;
                return story;
            }
            let interval = self.base * 2_u32.pow(n);
            let wait = hint.map_or(interval, |hint| hint.max(interval));
            let begin = now + wait;
            let is_late = self
                .deadline
                .is_some_and(|end| begin >= end || begin + self.min_attempt_time > end);
            let is_spent = n + 1 >= allowed
                || hint.is_some_and(|hint| hint > self.max_retry_after)
                || is_late
                || n as usize >= self.copies
                || story.charged >= u64::from(self.reserve);
            if is_spent {
                return story;
            }
            story.charged += 1;
            now = begin;
        }
        story
    }

    fn play(&self) -> Story {
        let clock = Clock::manual();
        let (sender, waits) = channel();
        let observer = move |event: &Event| {
            if let EventKind::Retry { after, .. } = event.kind() {
                sender.send(*after).ok();
            }
        };
        let environment = Environment::new().clock(clock.clone()).observer(observer);
        let budget = Budget::builder().ratio(0.0).per_second(f64::from(self.reserve) / 3_600.0);
        let budget = budget
            .window(Duration::from_secs(3_600))
            .build_in(&environment)
            .expect("settings in range");
        assert_eq!(budget.available(), u64::from(self.reserve));
        let backoff = Backoff::exponential(self.base).max(Duration::from_secs(3_600));
        let retry = Retry::builder()
            .max_attempts(self.max_attempts)
            .backoff(backoff.jitter(Jitter::None))
            .max_retry_after(self.max_retry_after)
            .min_attempt_time(self.min_attempt_time)
            .build_sharing(&budget, &environment)
            .expect("settings in range");
        let layer = retry
            .layer()
            .classify(ByScript(self.endings.clone()))
            .replay(Copies { safety: self.safety, left: RefCell::new(self.copies) });

        let sent = RefCell::new(Vec::new());
        let operation = || {
            let mut sent = sent.borrow_mut();
            let number = sent.len();
            sent.push((clock.now().since(Instant::default()), context::attempt()));
            std::future::ready(self.endings[number].result(number))
        };
        let mut within = CallContext::new().attempt(self.incoming);
        if let Some(deadline) = self.deadline {
            within = within.deadline(Instant::default() + deadline);
        }
        let result = finish(&clock, &waits, within.scope(layer.run_with(operation)));

        let (result, ambiguous) = match result {
            Ok(answer) => answer,
            Err(Error::Service(number)) => (number, false),
            Err(Error::Ambiguous(number)) => (number, true),
            // Both kinds of rejections are told apart from the others by being there.
            Err(Error::Rejected(rejection)) => {
                let number = rejection.retry_after().map_or(u64::MAX, |wait| wait.as_secs());
                (usize::try_from(number).unwrap_or(usize::MAX), rejection.is_ambiguous())
            }
        };
        let charged = u64::from(self.reserve) - budget.available();
        Story { sent: sent.into_inner(), result, ambiguous, charged }
    }
}

/// Attempt's number, and whether it was marked as ambiguous.
type Answer = (usize, bool);

impl Ending {
    fn result(self, number: usize) -> Result<Answer, Error<usize>> {
        let rejected = |reason| {
            let rejection = Rejection::new("inner", reason);
            Err(Error::Rejected(rejection.after(Duration::from_secs(number as u64))))
        };
        match self {
            Self::Works | Self::Permanent | Self::Overloaded { .. } => Ok((number, false)),
            Self::Resets | Self::Refused => Err(Error::Service(number)),
            Self::Local => rejected(Reason::CircuitOpen),
            Self::TimesOut => rejected(Reason::TimedOut),
        }
    }
}

#[derive(Clone)]
struct ByScript(Vec<Ending>);

impl ByScript {
    fn ending(&self, result: Result<&Answer, &Error<usize>>) -> Ending {
        match result {
            Ok((number, _)) | Err(Error::Service(number) | Error::Ambiguous(number)) => {
                self.0[*number]
            }
            Err(Error::Rejected(rejection)) if rejection.reason() == Reason::TimedOut => {
                Ending::TimesOut
            }
            Err(Error::Rejected(_)) => Ending::Local,
        }
    }
}

impl Classify<Answer, Error<usize>> for ByScript {
    fn classify(&self, result: Result<&Answer, &Error<usize>>) -> Outcome {
        match self.ending(result) {
            Ending::Works => Outcome::Success,
            Ending::Permanent => Outcome::Permanent,
            Ending::Overloaded { hint } => Outcome::Overload { retry_after: hint },
            // A local rejection is not repeated, whatever the classifier thinks.
            Ending::Resets | Ending::Refused | Ending::Local | Ending::TimesOut => {
                Outcome::Transient
            }
        }
    }

    fn may_have_run(&self, result: Result<&Answer, &Error<usize>>) -> bool {
        matches!(self.ending(result), Ending::Resets | Ending::TimesOut)
    }

    fn ambiguous(&self, (number, _): Answer) -> Answer {
        (number, true)
    }
}

#[derive(Clone)]
struct Copies {
    safety: Safety,
    left: RefCell<usize>,
}

impl Replay<()> for Copies {
    fn safety(&self, (): &()) -> Safety {
        self.safety
    }

    fn keep(&self, (): &mut ()) -> Result<(), NotReplayable> {
        if *self.left.borrow() == 0 { Err(NotReplayable::BodyTooLarge) } else { Ok(()) }
    }

    fn again(&self, (): &()) -> Result<(), NotReplayable> {
        let mut left = self.left.borrow_mut();
        *left = left.checked_sub(1).ok_or(NotReplayable::BodyGone)?;
        Ok(())
    }
}

/// Polls `future` to its end, and lets as much time pass as it said that it would wait.
fn finish<F: Future>(clock: &Clock, waits: &Receiver<Duration>, future: F) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        clock.advance(waits.try_recv().expect("it waits for nothing else"));
    }
}
