//! App Configuration.

use std::time::Duration;

use super::Table;
use super::common::{CODES, CONDITIONS, DOUBTS, METHODS, PATCHES, READ, STATUSES};
use crate::backoff::{Backoff, Jitter};
use crate::retry;
use crate::stack;

pub(super) static APP_CONFIGURATION: Table = Table {
    name: "app_configuration",
    answers: &[CODES, STATUSES],
    operations: &[READ, CONDITIONS, PATCHES, METHODS],
    doubts: &[DOUBTS],
    ..Table::new(stack)
};

/// Short, as the last snapshot serves meanwhile.
fn stack() -> stack::Config {
    let backoff = Backoff::exponential(Duration::from_secs(1)).max(Duration::from_secs(10));
    stack::Config::default()
        .total_timeout(Duration::from_secs(40))
        .attempt_timeout(Duration::from_secs(5))
        .retry(retry::Config::default().max_attempts(4).backoff(backoff.jitter(Jitter::Equal)))
}
