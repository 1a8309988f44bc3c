//! The stacks that services ask for.

use std::time::Duration;

use super::*;
use crate::backoff::{Backoff, Jitter};

/// Attempts, the interval before the first repeat and the longest one, the time for an attempt and
/// for all, as the stack's own description has them.
const EXPECTED: &[(&str, &str, &str, &str)] = &[
    ("ai_search", "4 attempts, waits 1s x2 to 10s", "10s", "60s"),
    ("app_configuration", "4 attempts, waits 1s x2 to 10s", "5s", "40s"),
    ("arm", "4 attempts, waits 2s x2 to 30s", "30s", "180s"),
    ("azure", "4 attempts, waits 800ms x2 to 10s", "10s", "45s"),
    ("event_hubs", "8 attempts, waits 200ms x2 to 30s", "20s", "60s"),
    ("identity", "3 attempts, waits 10s x2 to 20s", "15s", "90s"),
    ("key_vault", "6 attempts, waits 2s x2 to 32s", "5s", "100s"),
    ("managed_identity", "one attempt", "90s", "90s"),
    ("open_ai", "2 attempts, waits 1s x2 to 10s", "60s", "120s"),
    ("redis", "2 attempts, waits 100ms x2 to 1s", "5s", "12s"),
    ("service_bus", "4 attempts, waits 800ms x2 to 60s", "20s", "90s"),
    ("storage", "6 attempts, waits 2s x2 to 10s", "30s", "100s"),
];

#[test]
fn every_stack_is_valid_and_is_what_its_service_asks_for() {
    for contract in all() {
        let stack = contract.stack().build().unwrap();
        let said = stack.describe().to_string();

        let (name, retry, attempt, total) =
            EXPECTED.iter().find(|(name, ..)| *name == contract.name()).unwrap();
        assert_eq!(stack.name(), *name);
        assert!(said.contains(&format!("retry            {retry}")), "{said}");
        assert!(said.contains(&format!("attempt timeout  {attempt}\n")), "{said}");
        assert!(said.contains(&format!("total timeout    {total}\n")), "{said}");
        assert_eq!(said.contains("equal jitter"), *retry != "one attempt", "{said}");
    }
}

#[test]
fn the_jitter_undercuts_no_wait_that_is_asked_for() {
    let least = |base: u64, max: u64, repeat| {
        let backoff = Backoff::exponential(Duration::from_secs(base));
        let backoff = backoff.max(Duration::from_secs(max)).jitter(Jitter::Equal);
        backoff.schedule().unwrap().wait(repeat, Duration::ZERO, 0)
    };

    // Key Vault's 1, 2, 4, 8 and 16 seconds, and the first five of Entra ID.
    let waits: Vec<_> = (0..5).map(|repeat| least(2, 32, repeat).as_secs()).collect();
    assert_eq!(waits, [1, 2, 4, 8, 16]);
    assert!(least(10, 20, 0) >= Duration::from_secs(5));
}
