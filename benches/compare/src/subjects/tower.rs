//! tower's own layers. Its retry asks for a policy; these are the least that does the work.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::time::Duration;

use tower::ServiceBuilder;
use tower::limit::rate::Rate;
use tower::limit::{ConcurrencyLimit, RateLimit};
use tower::retry::budget::{Budget, TpsBudget};
use tower::retry::{Policy, Retry};
use tower::timeout::Timeout;

use crate::cases::{
    ATTEMPT, ATTEMPTS, BUDGET_FLOOR, BUDGET_RATIO, BURST, Entry, PLACES, TOTAL, WINDOW, handles,
};
use crate::probe::{AtOnce, PendingOnce, Probe};
use crate::run::{Run, Tower, answered};

pub(super) fn entries() -> Vec<Entry> {
    vec![
        Entry::new("retry/first-try", "tower", |_, threads| {
            let retry = Retry::new(Attempts { left: ATTEMPTS - 1, budget: NoBudget }, AtOnce);
            handles(&Tower(retry), threads, answered)
        }),
        Entry::new("retry/first-try", "tower+budget", |_, threads| {
            handles(&Tower(Retry::new(attempts_with_budget(), AtOnce)), threads, answered)
        }),
        Entry::new("timeout/ready", "tower", |_, threads| {
            handles(&Tower(Timeout::new(AtOnce, TOTAL)), threads, answered)
        }),
        Entry::new("timeout/pending-once", "tower", |_, threads| {
            handles(&Tower(Timeout::new(PendingOnce, TOTAL)), threads, answered)
        }),
        Entry::new("bulkhead/free", "tower", |_, threads| {
            handles(&Tower(ConcurrencyLimit::new(AtOnce, PLACES as usize)), threads, answered)
        }),
        // A fixed window, and not to be cloned. It is given a window that no run fills.
        Entry::new("rate/free", "tower", |_, _| {
            let rate = Rate::new(u64::from(BURST), Duration::from_hours(1));
            vec![answered(Tower(RateLimit::new(AtOnce, rate)))]
        })
        .alone(),
        Entry::new("stack/ready", "tower+budget", |_, threads| stack(AtOnce, threads)),
        Entry::new("stack/pending-once", "tower+budget", |_, threads| stack(PendingOnce, threads)),
    ]
}

/// Without a breaker: tower has none.
fn stack<P>(probe: P, threads: usize) -> Vec<Box<dyn Run>>
where
    P: Probe,
{
    let service = ServiceBuilder::new()
        .timeout(TOTAL)
        .retry(attempts_with_budget())
        .timeout(ATTEMPT)
        .concurrency_limit(PLACES as usize)
        .service(probe);
    handles(&Tower(service), threads, answered)
}

/// Retries every failure while attempts and budget last.
#[derive(Clone, Debug)]
struct Attempts<B> {
    left: u32,
    budget: B,
}

impl<B, T, E> Policy<u64, T, E> for Attempts<B>
where
    B: Allowance,
{
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut u64, result: &mut Result<T, E>) -> Option<Ready<()>> {
        if result.is_ok() {
            self.budget.deposit();
            return None;
        }
        if self.left == 0 || !self.budget.withdraw() {
            return None;
        }
        self.left -= 1;
        Some(ready(()))
    }

    fn clone_request(&mut self, request: &u64) -> Option<u64> {
        Some(*request)
    }
}

trait Allowance {
    fn deposit(&self);
    fn withdraw(&self) -> bool;
}

#[derive(Clone, Debug)]
struct NoBudget;

impl Allowance for NoBudget {
    fn deposit(&self) {}

    fn withdraw(&self) -> bool {
        true
    }
}

impl Allowance for Arc<TpsBudget> {
    fn deposit(&self) {
        Budget::deposit(&**self);
    }

    fn withdraw(&self) -> bool {
        Budget::withdraw(&**self)
    }
}

fn attempts_with_budget() -> Attempts<Arc<TpsBudget>> {
    let budget = TpsBudget::new(WINDOW, BUDGET_FLOOR, BUDGET_RATIO);
    Attempts { left: ATTEMPTS - 1, budget: Arc::new(budget) }
}
