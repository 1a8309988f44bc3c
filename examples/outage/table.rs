//! The figures for people.

use std::time::Duration;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};

use crate::record::{Record, mean};
use crate::script::{self, spans};

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
        row("back to 95 % of healthy goodput", &|record| match record.recovered_after() {
            Some(seconds) => format!("after {seconds} s"),
            None => format!("not in {} s", watched()),
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
    let sentence = |record: &Record| match record.recovered_after() {
        Some(0) => format!("{}: back the second the outage was over.", record.name),
        Some(1) => format!("{}: back 1 second after the outage.", record.name),
        Some(seconds) => format!("{}: back {seconds} seconds after the outage.", record.name),
        None => format!("{}: still not back {} seconds after the outage.", record.name, watched()),
    };
    records.iter().map(sentence).collect::<Vec<_>>().join("\n")
}

/// Seconds from the end of the outage to the end of the run.
fn watched() -> u32 {
    script::length() - script::outage_end()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_the_unit_that_suits_them() {
        assert_eq!(duration(None), "–");
        assert_eq!(duration(Some(Duration::from_micros(6_592))), "7 ms");
        assert_eq!(duration(Some(Duration::from_millis(1_234))), "1.23 s");
        assert_eq!(millis(Duration::from_nanos(6_592_400)), 6.592);
    }

    #[test]
    fn every_row_has_a_figure_for_each_client() {
        let records = [Record::new("bare", &[]), Record::new("seawall", &[])];

        assert!(rows(&records).iter().all(|(_, figures)| figures.len() == 2));
        assert!(table(&records).contains("goodput, brown-out (10–15 s)"));
        assert_eq!(verdict(&records).lines().count(), 2);
    }
}
