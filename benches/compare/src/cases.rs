//! What is compared, with which settings, and which bar Seawall has to clear.

use std::time::Duration;

use crate::environment::Environment;
use crate::run::Run;

/// The span over which the breakers count.
pub(crate) const WINDOW: Duration = Duration::from_secs(10);
/// Calls that a breaker needs before it judges.
pub(crate) const MIN_CALLS: u32 = 20;
/// Failed calls that open every breaker: more than any of them counts at a time.
pub(crate) const TRIPPING: u64 = 200;
/// Longer than any run, so that an open breaker stays so.
pub(crate) const OPEN_FOR: Duration = Duration::from_hours(1);
/// Attempts in all, the first included.
pub(crate) const ATTEMPTS: u32 = 3;
/// The share of calls that may be retried.
pub(crate) const BUDGET_RATIO: f32 = 0.2;
/// Retries that are allowed per second, however few calls there are.
pub(crate) const BUDGET_FLOOR: u32 = 10;
/// The time that a whole call may take.
pub(crate) const TOTAL: Duration = Duration::from_secs(30);
/// The time that one attempt may take.
pub(crate) const ATTEMPT: Duration = Duration::from_secs(10);
/// Calls that may run at a time.
pub(crate) const PLACES: u32 = 1_000;
/// Calls per second that the limiters let through.
pub(crate) const RATE: u32 = 1_000_000;
/// Calls that the limiters let through at once: more than a run makes, so that none is ever held back.
pub(crate) const BURST: u32 = u32::MAX;

/// One subject in one case.
pub(crate) struct Entry {
    pub(crate) case: &'static str,
    pub(crate) subject: &'static str,
    /// Whether the case is also run by two threads on one shared instance.
    pub(crate) shared: bool,
    /// Whether its calls get through to the service.
    pub(crate) reaches: bool,
    /// Makes one instance, and gives each of so many threads its own handle of it.
    pub(crate) make: Make,
}

pub(crate) type Make = Box<dyn Fn(&Environment, usize) -> Vec<Box<dyn Run>> + Send + Sync>;

impl Entry {
    /// A subject whose calls are answered by the service.
    pub(crate) fn new(
        case: &'static str,
        subject: &'static str,
        make: impl Fn(&Environment, usize) -> Vec<Box<dyn Run>> + Send + Sync + 'static,
    ) -> Self {
        let case = case_named(case);
        let reaches = case.name != "breaker/open";
        Self { case: case.name, subject, shared: case.shared, reaches, make: Box::new(make) }
    }

    /// Leaves two threads out, for a subject that can not be shared.
    pub(crate) fn alone(mut self) -> Self {
        self.shared = false;
        self
    }
}

/// A case, in the order of the table.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) shared: bool,
}

pub(crate) const CASES: &[Case] = &[
    Case { name: "breaker/closed", shared: true },
    Case { name: "breaker/open", shared: false },
    Case { name: "retry/first-try", shared: false },
    Case { name: "timeout/ready", shared: false },
    Case { name: "timeout/pending-once", shared: false },
    Case { name: "bulkhead/free", shared: true },
    Case { name: "rate/free", shared: true },
    Case { name: "stack/ready", shared: true },
    Case { name: "stack/pending-once", shared: false },
];

fn case_named(name: &str) -> &'static Case {
    CASES.iter().find(|case| case.name == name).expect("every entry names a case of the table")
}

/// So many handles of one instance.
pub(crate) fn handles<T>(
    instance: &T,
    threads: usize,
    run: impl Fn(T) -> Box<dyn Run>,
) -> Vec<Box<dyn Run>>
where
    T: Clone,
{
    (0..threads).map(|_| run(instance.clone())).collect()
}
