//! What a breaker weighs, and what a key of a keyed one does: heap after less heap before, for a thousand of them that
//! have each served a call. The types' own size is not in it.

use allocation_counter::{AllocationInfo, measure, opt_out};

use crate::cases::WINDOW;
use crate::environment::Environment;
use crate::rows::Row;
use crate::run::Run;
use crate::subjects::{failsafe, recloser, seatbelt, seawall, tower_resilience};

pub(crate) const BREAKER: &str = "memory/breaker";
pub(crate) const KEY: &str = "memory/key";

/// Breakers or keys that live at a time.
const COUNT: u32 = 1_000;

type Make = fn(&Environment) -> Box<dyn Run>;

const BREAKERS: &[(&str, Make)] = &[
    ("seawall", |_| seawall::time_window(WINDOW)),
    ("tower-resilience", |_| tower_resilience::one()),
    ("seatbelt", |environment| seatbelt::time_window(environment, WINDOW)),
    ("failsafe", |_| failsafe::time_window(WINDOW)),
    ("recloser", |_| recloser::one()),
];

const KEYED: &[(&str, Make)] = &[("seawall", |_| seawall::keyed()), ("seatbelt", seatbelt::keyed)];

/// To be asked first: what a program has once, it must not have yet.
pub(crate) fn rows(environment: &Environment) -> Vec<Row> {
    let breakers =
        BREAKERS.iter().map(|(subject, make)| row(BREAKER, subject, breakers(environment, *make)));
    let keys = KEYED.iter().map(|(subject, make)| row(KEY, subject, keys(environment, *make)));
    breakers.chain(keys).collect()
}

fn breakers(environment: &Environment, make: Make) -> AllocationInfo {
    // What is made once for all of them is made by this one.
    let mut first = make(environment);
    assert_eq!(first.run(1), 1, "the call was answered");
    let mut all = Vec::with_capacity(COUNT as usize);
    let info = measure(|| {
        for _ in 0..COUNT {
            let mut one = make(environment);
            assert_eq!(one.run(1), 1, "the call was answered");
            all.push(one);
        }
    });
    // The box around each is ours, and the subject in it is not on the heap in a program.
    let boxes = all.iter().map(|one| size_of_val(&**one)).sum::<usize>();
    let count = all.len();
    drop(all);
    AllocationInfo {
        bytes_current: info.bytes_current - i64::try_from(boxes).expect("a few kilobytes"),
        count_current: info.count_current - i64::try_from(count).expect("a thousand"),
        ..info
    }
}

fn keys(environment: &Environment, make: Make) -> AllocationInfo {
    let mut keyed = make(environment);
    // Requests are their own keys, and a run counts its requests from zero.
    let first = 64;
    let all = first + u64::from(COUNT);
    opt_out(|| assert_eq!(keyed.run(first), first, "the calls were answered"));
    measure(|| assert_eq!(keyed.run(all), all, "the calls were answered"))
}

fn row(case: &'static str, subject: &'static str, info: AllocationInfo) -> Row {
    #[expect(clippy::cast_precision_loss, reason = "some megabytes")]
    let each = |sum: i64| sum as f64 / f64::from(COUNT);
    Row {
        case,
        subject,
        threads: 1,
        nanos: None,
        allocs: each(info.count_current),
        bytes: each(info.bytes_current),
        instructions: None,
    }
}
