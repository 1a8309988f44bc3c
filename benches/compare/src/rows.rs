//! The rows of the result, and how samples become one.

use serde_json::{Map, Value, json};

use crate::measure::Round;

/// One subject in one case.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) case: &'static str,
    pub(crate) subject: &'static str,
    pub(crate) threads: usize,
    /// Nanoseconds per call; none where memory is measured.
    pub(crate) nanos: Option<Nanos>,
    /// Allocations per call, or per breaker or key where memory is measured.
    pub(crate) allocs: f64,
    /// Their bytes.
    pub(crate) bytes: f64,
    /// Instructions per call, where they were counted.
    pub(crate) instructions: Option<f64>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Nanos {
    /// The median of the medians of the rounds.
    pub(crate) median: f64,
    /// Of all samples.
    pub(crate) p10: f64,
    /// Of all samples.
    pub(crate) p90: f64,
}

impl Row {
    pub(crate) fn of(
        case: &'static str,
        subject: &'static str,
        threads: usize,
        rounds: &[Round],
    ) -> Self {
        let medians =
            rounds.iter().filter_map(|round| quantile(&round.nanos, 0.5)).collect::<Vec<_>>();
        let samples =
            rounds.iter().flat_map(|round| round.nanos.iter().copied()).collect::<Vec<_>>();
        let nanos = quantile(&medians, 0.5).map(|median| Nanos {
            median,
            p10: quantile(&samples, 0.1).unwrap_or(median),
            p90: quantile(&samples, 0.9).unwrap_or(median),
        });
        // The most of any round: what allocates once in a while must not hide behind a median.
        let allocs = rounds.iter().map(|round| round.allocs).fold(0.0, f64::max);
        let bytes = rounds.iter().map(|round| round.bytes).fold(0.0, f64::max);
        Self { case, subject, threads, nanos, allocs, bytes, instructions: None }
    }

    pub(crate) fn to_json(&self) -> Value {
        let nanos =
            |pick: fn(Nanos) -> f64| self.nanos.map(|nanos| (pick(nanos) * 100.0).round() / 100.0);
        let mut row = Map::new();
        row.insert("case".into(), json!(self.case));
        row.insert("subject".into(), json!(self.subject));
        row.insert("threads".into(), json!(self.threads));
        row.insert("median_ns".into(), json!(nanos(|nanos| nanos.median)));
        row.insert("p10_ns".into(), json!(nanos(|nanos| nanos.p10)));
        row.insert("p90_ns".into(), json!(nanos(|nanos| nanos.p90)));
        row.insert("allocs".into(), json!(self.allocs));
        row.insert("bytes".into(), json!(self.bytes));
        if let Some(instructions) = self.instructions {
            row.insert("instructions".into(), json!(instructions));
        }
        Value::Object(row)
    }
}

fn quantile(samples: &[f64], at: f64) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "an index into a list of some hundred"
    )]
    sorted.get((last as f64 * at).round() as usize).copied()
}
