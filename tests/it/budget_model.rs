//! A budget beside a naive one that remembers everything.
//!
//! The fuzz target `budget_core` runs the same check.

use std::time::Duration;

use seawall::budget::{Budget, Charge};
use seawall::telemetry::Environment;
use seawall::time::Clock;

/// Calls, charges and rests as `bytes` say, kept by a budget and by a naive one.
pub(crate) fn check(bytes: &[u8]) {
    let mut bytes = bytes.iter().copied();
    let mut byte = || bytes.next();
    let clock = Clock::manual();
    let (percent, reserve) = (byte().unwrap_or(0) % 101, byte().unwrap_or(0) % 8);
    let mut naive = Naive {
        ratio_ppm: u64::from(percent) * 10_000,
        reserve: u64::from(reserve),
        ..Naive::default()
    };
    let budget = Budget::builder()
        .ratio(f64::from(percent) / 100.0)
        .per_second(f64::from(reserve) / 2.0)
        .window(Duration::from_secs(2))
        .build_in(&Environment::new().clock(clock.clone()))
        .expect("settings in range");
    let mut held: Vec<(Charge, usize)> = Vec::new();

    while let Some(op) = byte() {
        let number = byte().unwrap_or(0);
        let amount = u64::from(number);
        match op % 8 {
            0 => naive.rest(&clock, amount),
            1 => naive.rest(&clock, amount * 40),
            2 | 3 => {
                for _ in 0..amount {
                    budget.deposit();
                }
                naive.calls.push((naive.tick(), amount));
            }
            4 | 5 => match budget.withdraw() {
                Some(charge) => {
                    assert!(naive.room(0) >= MILLION, "more than there is: {naive:?}");
                    held.push((charge, naive.charges.len()));
                    naive.charges.push((naive.tick(), Held::Yes));
                }
                // The thread may have made that many calls since it last looked at the clock.
                None => assert!(naive.room(16) < MILLION, "refused: {naive:?}"),
            },
            6 if !held.is_empty() => {
                let (charge, index) = held.swap_remove(usize::from(number) % held.len());
                drop(charge);
                naive.charges[index].1 = Held::GivenBack;
            }
            7 if !held.is_empty() => {
                held.swap_remove(usize::from(number) % held.len()).0.spend();
            }
            _ => {
                let exact = naive.room(0) / MILLION;
                let careful = naive.room(16) / MILLION;
                let available = budget.available();
                assert!((careful..=exact).contains(&available), "{available}: {naive:?}");
            }
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Held {
    Yes,
    GivenBack,
}

#[derive(Debug, Default)]
struct Naive {
    ratio_ppm: u64,
    reserve: u64,
    millis: u64,
    /// The tick, and how many.
    calls: Vec<(u64, u64)>,
    charges: Vec<(u64, Held)>,
}

impl Naive {
    fn rest(&mut self, clock: &Clock, millis: u64) {
        self.millis += millis;
        clock.advance(Duration::from_millis(millis));
    }

    fn tick(&self) -> u64 {
        self.millis / 200
    }

    fn counts(&self, tick: u64) -> bool {
        tick + 10 >= self.tick()
    }

    /// What is left, in millionths, if so many calls were forgotten early.
    fn room(&self, forgotten: u64) -> u64 {
        let calls: u64 =
            self.calls.iter().filter(|(tick, _)| self.counts(*tick)).map(|(_, calls)| calls).sum();
        let spent = self
            .charges
            .iter()
            .filter(|(tick, held)| *held == Held::Yes && self.counts(*tick))
            .count() as u64;
        let allowed = calls.saturating_sub(forgotten) * self.ratio_ppm + self.reserve * MILLION;
        allowed.saturating_sub(spent * MILLION)
    }
}

const MILLION: u64 = 1_000_000;
