//! Whatever a configuration says, it is refused, or what it describes can be built and used.

#![no_main]

use std::fmt::Debug;
use std::sync::LazyLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use seawall::backoff::Backoff;
use seawall::bulkhead::Bulkhead;
use seawall::circuit_breaker::CircuitBreaker;
use seawall::error::InvalidConfig;
use seawall::gate::Permit;
use seawall::rate_limit::Quota;
use seawall::retry::Retry;
use seawall::stack::Stack;
use seawall::telemetry::Environment;
use seawall::time::Clock;
use seawall::timeout::Timeout;
use seawall::{
    Outcome, budget, bulkhead, circuit_breaker, fallback, rate_limit, retry, stack, timeout,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Which configuration, what to change in it, and a text to read it from instead.
type Input<'a> = (u8, Vec<(u8, u8, u64)>, &'a [u8]);

fuzz_target!(|input: Input<'_>| {
    let (choice, changes, text) = input;
    let input = (&changes[..changes.len().min(16)], text);
    match choice % 9 {
        0 => check(input, |config: &Backoff| {
            let built = Retry::builder().backoff(config.clone()).build();
            built.map(drop)
        }),
        1 => check(input, |config: &budget::Config| {
            let budget = config.build_in(&still())?;
            budget.deposit();
            let charged = budget.withdraw().is_some();
            assert!(!charged || budget.available() < u64::MAX);
            Ok(())
        }),
        2 => check(input, |config: &bulkhead::Config| {
            let bulkhead: Bulkhead = config.build_in(&still())?;
            drop(bulkhead.enter());
            Bulkhead::builder().build()?.reload(config).or(Ok(()))
        }),
        3 => check(input, |config: &circuit_breaker::Config| {
            let clock = Clock::manual();
            let environment = Environment::default().clock(clock.clone());
            let breaker: CircuitBreaker = config.build_in(&environment)?;
            for _ in 0..3 {
                if let Ok(permit) = breaker.enter() {
                    permit.complete(Outcome::Transient);
                }
                clock.advance(Duration::from_secs(7));
                drop(breaker.enter());
            }
            let _read = breaker.snapshot();
            CircuitBreaker::builder().build()?.reload(config).or(Ok(()))
        }),
        4 => {
            check(input, |config: &fallback::Config| config.build_in::<u8, u8>(&still()).map(drop))
        }
        5 => check(input, |config: &Quota| {
            let clock = Clock::manual();
            let limiter: rate_limit::RateLimiter =
                config.build_in(&Environment::default().clock(clock.clone()))?;
            assert!(limiter.enter().is_ok(), "the first call is within any burst");
            clock.advance(Duration::from_secs(1));
            drop(limiter.enter());
            Ok(())
        }),
        6 => check(input, |config: &retry::Config| config.build_in(&still()).map(drop)),
        7 => check(input, |config: &timeout::Config| {
            let _timeout: Timeout = config.build_in(&still())?;
            Ok(())
        }),
        _ => check(input, |config: &stack::Config| {
            let stack: Stack = config.build_in(&still())?;
            assert!(!stack.describe().to_string().is_empty());
            Stack::builder().build()?.reload(config).or(Ok(()))
        }),
    }
});

fn check<C>(
    (changes, text): (&[(u8, u8, u64)], &[u8]),
    build_and_use: impl Fn(&C) -> Result<(), InvalidConfig>,
) where
    C: Debug + Default + DeserializeOwned + PartialEq + Serialize,
{
    let config: C = if changes.is_empty() {
        let Ok(config) = serde_json::from_slice(text) else { return };
        config
    } else {
        let mut value = to_json(&C::default());
        for (field, kind, bits) in changes {
            change(&mut value, *field, made_up(*kind, *bits));
        }
        let Ok(config) = serde_json::from_value(value) else { return };
        config
    };
    let again: C = serde_json::from_value(to_json(&config)).expect("what was written can be read");
    assert_eq!(again, config);
    if let Err(refused) = build_and_use(&config) {
        assert!(!refused.to_string().is_empty());
    }
}

fn still() -> Environment {
    Environment::default().clock(Clock::manual())
}

fn to_json(config: &impl Serialize) -> Value {
    serde_json::to_value(config).expect("settings are numbers, texts and objects")
}

/// Sets the `field`th field, counted through all objects within.
fn change(value: &mut Value, field: u8, to: Value) {
    let mut paths = Vec::new();
    collect(value, "", &mut paths);
    if let Some(path) = paths.get(usize::from(field) % paths.len().max(1))
        && let Some(place) = value.pointer_mut(path)
    {
        *place = to;
    }
}

fn collect(value: &Value, path: &str, paths: &mut Vec<String>) {
    for (name, inner) in value.as_object().into_iter().flatten() {
        let path = format!("{path}/{name}");
        collect(inner, &path, paths);
        paths.push(path);
    }
}

fn made_up(kind: u8, bits: u64) -> Value {
    static PARTS: LazyLock<[Value; 5]> = LazyLock::new(|| {
        [
            to_json(&budget::Config::default()),
            to_json(&bulkhead::Config::default()),
            to_json(&circuit_breaker::Config::default()),
            to_json(&retry::Config::default()),
            to_json(&Quota::default()),
        ]
    });
    match kind % 11 {
        0 => json!(bits),
        1 => json!(bits % 100),
        2 => json!(bits as u32),
        3 => json!(f64::from_bits(bits)),
        4 => json!(-1.5),
        5 => json!((bits % 1_000) as f64 / 500.0),
        6 => json!({ "secs": bits >> 32, "nanos": bits as u32 }),
        7 => json!({ "secs": bits, "nanos": 999_999_999 }),
        8 => Value::Null,
        9 => [json!("default"), json!("off"), json!(""), json!(true), json!([])]
            [(bits % 5) as usize]
            .clone(),
        _ => PARTS[(bits % 5) as usize].clone(),
    }
}
