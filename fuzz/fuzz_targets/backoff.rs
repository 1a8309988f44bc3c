//! Any settings are refused, or give waits within their bounds.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use seawall::backoff::{Backoff, Jitter};

fuzz_target!(|input: (u64, u64, u64, u8, u32, u64, u64)| {
    let (base, max, factor, jitter, repeat, previous, chance) = input;
    // All bit patterns: NaN, infinities, negative numbers.
    let factor = f64::from_bits(factor);
    let jitter = match jitter % 4 {
        0 => Jitter::Decorrelated,
        1 => Jitter::Equal,
        2 => Jitter::Full,
        _ => Jitter::None,
    };
    let (base, max) = (Duration::from_nanos(base), Duration::from_nanos(max));
    let backoff = Backoff::exponential(base).max(max).factor(factor).jitter(jitter);
    let Ok(schedule) = backoff.schedule() else { return };

    let wait = schedule.wait(repeat, Duration::from_nanos(previous), chance);
    assert!(wait <= max, "{wait:?} is longer than {max:?}");
    let interval = schedule.interval(repeat);
    assert!((base..=max).contains(&interval));
    assert!(schedule.interval(repeat.saturating_add(1)) >= interval);
    match jitter {
        Jitter::Decorrelated => assert!(wait >= base),
        Jitter::Equal => assert!(wait >= interval / 2 && wait <= interval),
        Jitter::Full => assert!(wait <= interval),
        _ => assert_eq!(wait, interval),
    }
});
