//! The figures for programs.

use serde::Serialize;

use crate::record::Record;
use crate::table::millis;

#[derive(Serialize)]
struct Figures<'a> {
    clients: Vec<ClientFigures<'a>>,
}

#[derive(Serialize)]
struct ClientFigures<'a> {
    name: &'a str,
    calls: usize,
    success_rate: f64,
    attempts_per_call: f64,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    recovered_after_s: Option<u32>,
}

/// The figures of all clients as JSON. Percentiles are null if no call succeeded, the time to
/// recovery if the goodput did not return.
pub(crate) fn json(records: &[Record]) -> serde_json::Result<String> {
    let figures = |record: &Record| ClientFigures {
        name: record.name,
        calls: record.calls(),
        success_rate: record.success_rate(),
        attempts_per_call: record.attempts_per_call(),
        p50_ms: record.latency(0.5).map(millis),
        p99_ms: record.latency(0.99).map(millis),
        recovered_after_s: record.recovered_after(),
    };
    let figures = Figures { clients: records.iter().map(figures).collect() };
    serde_json::to_string(&figures).map(|json| json + "\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::event::Event;

    #[test]
    fn the_figures_have_the_names_and_kinds_that_programs_expect() {
        let mut bare = Record::new("bare", &[Duration::ZERO, Duration::ZERO]);
        bare.note(Event::Sent { call: 0, at: Duration::ZERO });
        bare.note(Event::Sent { call: 0, at: Duration::ZERO });
        bare.note(Event::Ended { call: 0, at: Duration::from_micros(1_500), ok: true });

        let text = json(&[bare, Record::new("seawall", &[])]).unwrap();

        let expected = json!({"clients": [
            {"name": "bare", "calls": 2, "success_rate": 0.5, "attempts_per_call": 2.0,
             "p50_ms": 1.5, "p99_ms": 1.5, "recovered_after_s": null},
            {"name": "seawall", "calls": 0, "success_rate": 0.0, "attempts_per_call": 0.0,
             "p50_ms": null, "p99_ms": null, "recovered_after_s": null},
        ]});
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
    }
}
