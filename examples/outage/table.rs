//! The figures for people.

use std::time::Duration;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};

use crate::record::{Record, mean};
use crate::script::spans;

/// A figure with its name: what a row of the table shows of each client.
type Row = (String, Vec<String>);

/// The figures of all clients, side by side.
pub(crate) fn rows(records: &[Record]) -> Vec<Row> {
    let row = |name: &str, figure: &dyn Fn(&Record) -> String| {
        (name.to_owned(), records.iter().map(figure).collect())
    };
    let mut rows = vec![
        row("calls", &|record| record.calls().to_string()),
        row("success rate", &|record| format!("{:.1} %", 100.0 * record.success_rate())),
    ];
    for (phase, from, to) in spans() {
        rows.push(row(&format!("goodput, {} ({from}–{to} s)", phase.name), &|record| {
            format!("{:.0}/s", mean(&record.goodput()[from as usize..to as usize]))
        }));
    }
    rows.extend([
        row("p50 of successful calls", &|record| duration(record.latency(0.5))),
        row("p99 of successful calls", &|record| duration(record.latency(0.99))),
        row("attempts per call that sent any", &|record| {
            format!("{:.2}", record.attempts_per_call())
        }),
        row("back to 95 % of healthy goodput", &|record| {
            record.recovered_after().map_or("never".into(), |seconds| format!("after {seconds} s"))
        }),
    ]);
    rows
}

/// The figures as a table for a terminal.
pub(crate) fn table(records: &[Record]) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    let names = records.iter().map(|record| record.name);
    table.set_header(std::iter::once("").chain(names));
    for (name, figures) in rows(records) {
        table.add_row(std::iter::once(name).chain(figures));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// What the recovery of each client came to, in words.
pub(crate) fn verdict(records: &[Record]) -> String {
    let watched = spans().last().map_or(0, |(_, from, to)| to - from);
    let sentence = |record: &Record| match record.recovered_after() {
        Some(0) => format!("{}: back the second the outage was over.", record.name),
        Some(1) => format!("{}: back 1 second after the outage.", record.name),
        Some(seconds) => format!("{}: back {seconds} seconds after the outage.", record.name),
        None => format!("{}: not back within {watched} seconds after the outage.", record.name),
    };
    records.iter().map(sentence).collect::<Vec<_>>().join("\n")
}

/// A time as people write it; a dash for none.
pub(crate) fn duration(time: Option<Duration>) -> String {
    match time {
        None => "–".into(),
        Some(time) if time < Duration::from_secs(1) => format!("{:.0} ms", millis(time)),
        Some(time) => format!("{:.2} s", time.as_secs_f64()),
    }
}

/// A time in milliseconds, to the microsecond.
pub(crate) fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
