//! What Seawall has to be, against its peers in the same run.

use crate::memory;
use crate::rows::Row;
use crate::window;

pub(crate) const US: &str = "seawall";

/// A bar on a ratio of two medians.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bar {
    pub(crate) case: &'static str,
    pub(crate) threads: usize,
    /// Seawall may take so much of the peer's time.
    pub(crate) ratio: f64,
    pub(crate) peer: &'static str,
}

pub(crate) const BARS: &[Bar] = &[
    Bar { case: "breaker/closed", threads: 1, ratio: 0.15, peer: "seatbelt" },
    Bar { case: "breaker/closed", threads: 2, ratio: 0.10, peer: "seatbelt" },
    Bar { case: "breaker/open", threads: 1, ratio: 0.30, peer: "recloser" },
    Bar { case: "retry/first-try", threads: 1, ratio: 0.12, peer: "tower+budget" },
    Bar { case: "timeout/ready", threads: 1, ratio: 0.15, peer: "seatbelt" },
    Bar { case: "timeout/pending-once", threads: 1, ratio: 0.80, peer: "seatbelt" },
    Bar { case: "bulkhead/free", threads: 1, ratio: 0.50, peer: "tower" },
    Bar { case: "bulkhead/free", threads: 2, ratio: 0.40, peer: "tower" },
    Bar { case: "rate/free", threads: 1, ratio: 1.10, peer: "governor" },
    Bar { case: "rate/free", threads: 2, ratio: 1.15, peer: "governor" },
    Bar { case: "stack/ready", threads: 1, ratio: 0.22, peer: "seatbelt" },
    Bar { case: "stack/ready", threads: 2, ratio: 0.35, peer: "seatbelt" },
    Bar { case: "stack/pending-once", threads: 1, ratio: 0.40, peer: "seatbelt" },
];

/// A full time window may cost so much of an empty one.
const WINDOW_RATIO: f64 = 1.1;
/// Bytes that a breaker may take, beside its shards.
const BREAKER_BYTES: f64 = 640.0;
/// Bytes that each shard of a breaker may take.
const SHARD_BYTES: f64 = 128.0;
/// Bytes that each key of a keyed breaker may take, its entry in the map included.
const KEY_BYTES: f64 = 512.0;

/// A bar, and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) what: String,
    pub(crate) bar: String,
    /// None where it was not measured.
    pub(crate) measured: Option<String>,
    pub(crate) holds: bool,
}

impl Bar {
    pub(crate) fn says(&self) -> String {
        format!("≤ {} × {}", self.ratio, self.peer)
    }

    pub(crate) fn measured(&self, rows: &[Row]) -> Option<f64> {
        let median =
            |subject| find(rows, self.case, subject, self.threads)?.nanos.map(|nanos| nanos.median);
        Some(median(US)? / median(self.peer)?)
    }
}

/// Every bar whose case is among the rows.
pub(crate) fn judge(rows: &[Row]) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for bar in BARS.iter().filter(|bar| has(rows, bar.case, bar.threads)) {
        let measured = bar.measured(rows);
        verdicts.push(Verdict {
            what: format!("{}, {}", bar.case, threads(bar.threads)),
            bar: bar.says(),
            measured: measured.map(|ratio| format!("{ratio:.3} ×")),
            holds: measured.is_some_and(|ratio| ratio <= bar.ratio),
        });
    }
    verdicts.extend(allocations(rows));
    verdicts.extend(window(rows));
    verdicts.extend(memory(rows));
    verdicts
}

/// No call of ours allocates.
fn allocations(rows: &[Row]) -> Option<Verdict> {
    let ours = || rows.iter().filter(|row| row.subject == US && row.nanos.is_some());
    let allocating = ours().filter(|row| row.allocs > 0.0).map(|row| row.case).collect::<Vec<_>>();
    ours().next()?;
    Some(Verdict {
        what: "allocations in 10,000 warmed calls".into(),
        bar: "0".into(),
        measured: Some(if allocating.is_empty() { "0".into() } else { allocating.join(", ") }),
        holds: allocating.is_empty(),
    })
}

fn window(rows: &[Row]) -> Option<Verdict> {
    has(rows, window::FULL, 1).then(|| {
        let median = |case| find(rows, case, US, 1)?.nanos.map(|nanos| nanos.median);
        let ratio =
            median(window::FULL).zip(median(window::EMPTY)).map(|(full, empty)| full / empty);
        Verdict {
            what: "time window of 60,000 calls against an empty one".into(),
            bar: format!("≤ {WINDOW_RATIO} ×"),
            measured: ratio.map(|ratio| format!("{ratio:.3} ×")),
            holds: ratio.is_some_and(|ratio| ratio <= WINDOW_RATIO),
        }
    })
}

fn memory(rows: &[Row]) -> Vec<Verdict> {
    let shards = shards();
    let bars = [
        (
            memory::BREAKER,
            "memory of a breaker",
            BREAKER_BYTES + SHARD_BYTES * f64::from(shards),
            format!("≤ 640 B + {shards} × 128 B"),
        ),
        (memory::KEY, "memory of a key", KEY_BYTES, "≤ 512 B".into()),
    ];
    bars.into_iter()
        .filter(|(case, ..)| has(rows, case, 1))
        .map(|(case, what, most, bar)| {
            let bytes = find(rows, case, US, 1).map(|row| row.bytes);
            Verdict {
                what: what.into(),
                bar,
                measured: bytes.map(|bytes| format!("{bytes:.0} B")),
                holds: bytes.is_some_and(|bytes| bytes <= most),
            }
        })
        .collect()
}

/// The shards of a breaker: two for each core, within 8 and 32, and one that all further threads share.
fn shards() -> u32 {
    let cores = std::thread::available_parallelism().map_or(4, |cores| cores.get().min(16));
    u32::try_from(cores * 2).map_or(32, |shards| shards.clamp(8, 32)) + 1
}

pub(crate) fn threads(count: usize) -> String {
    if count == 1 { "1 thread".into() } else { format!("{count} threads") }
}

pub(crate) fn find<'a>(
    rows: &'a [Row],
    case: &str,
    subject: &str,
    threads: usize,
) -> Option<&'a Row> {
    rows.iter().find(|row| row.case == case && row.subject == subject && row.threads == threads)
}

fn has(rows: &[Row], case: &str, threads: usize) -> bool {
    rows.iter().any(|row| row.case == case && row.threads == threads)
}
