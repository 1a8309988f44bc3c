//! The table that people read, in Markdown, and the rows that programs read, in JSON.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use crate::bars::{BARS, Bar, US, Verdict, find};
use crate::rows::Row;

/// One line for each case and number of threads, and one for each bar.
pub(crate) fn table(rows: &[Row], verdicts: &[Verdict]) -> String {
    let mut table = String::new();
    let lines = [
        "| case | threads | bare | seawall | bar | measured | holds | peers |",
        "|---|---:|---:|---:|---|---:|---|---|",
    ];
    for line in lines {
        put(&mut table, format_args!("{line}"));
    }
    for (case, threads) in cases(rows) {
        put(&mut table, format_args!("{}", line(rows, case, threads)));
    }
    put(&mut table, format_args!(""));
    put(
        &mut table,
        format_args!(
            "Nanoseconds per call: median of the rounds' medians; in brackets allocations per call, where there are any, \
         or, where memory is measured, heap bytes. One thread in thread CPU time, two threads in wall time."
        ),
    );
    put(&mut table, format_args!(""));
    for line in ["| bar | is | measured | holds |", "|---|---|---:|---|"] {
        put(&mut table, format_args!("{line}"));
    }
    for Verdict { what, bar, measured, holds } in verdicts {
        let measured = measured.as_deref().unwrap_or("not measured");
        put(&mut table, format_args!("| {what} | {bar} | {measured} | {} |", yes(*holds)));
    }
    table
}

fn line(rows: &[Row], case: &str, threads: usize) -> String {
    let of = |subject| find(rows, case, subject, threads).map_or_else(String::new, cell);
    let bar = BARS.iter().find(|bar| bar.case == case && bar.threads == threads);
    let says = bar.map_or_else(String::new, Bar::says);
    let ratio = bar.and_then(|bar| bar.measured(rows));
    let measured = ratio.map_or_else(String::new, |ratio| format!("{ratio:.2} ×"));
    let holds = bar.zip(ratio).map_or("", |(bar, ratio)| yes(ratio <= bar.ratio));
    let peers = rows
        .iter()
        .filter(|row| row.case == case && row.threads == threads)
        .filter(|row| row.subject != US && row.subject != "bare")
        .map(|row| format!("{} {}", row.subject, cell(row)))
        .collect::<Vec<_>>()
        .join(", ");
    let (bare, us) = (of("bare"), of(US));
    format!("| `{case}` | {threads} | {bare} | {us} | {says} | {measured} | {holds} | {peers} |")
}

fn cell(row: &Row) -> String {
    let Some(nanos) = row.nanos else {
        return format!("{:.0} B", row.bytes);
    };
    let allocs =
        if row.allocs > 0.0 { format!(" ({})", number(row.allocs)) } else { String::new() };
    let instructions =
        row.instructions.map_or_else(String::new, |count| format!(" [{count:.0} instr]"));
    format!("{}{allocs}{instructions}", number(nanos.median))
}

/// Three digits, as that is what such a measurement is worth.
fn number(number: f64) -> String {
    if number < 10.0 {
        format!("{number:.1}").trim_end_matches(".0").to_owned()
    } else {
        format!("{number:.0}")
    }
}

fn cases(rows: &[Row]) -> Vec<(&'static str, usize)> {
    let mut cases = Vec::new();
    for row in rows {
        if !cases.contains(&(row.case, row.threads)) {
            cases.push((row.case, row.threads));
        }
    }
    cases
}

fn yes(holds: bool) -> &'static str {
    if holds { "yes" } else { "**no**" }
}

fn put(table: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(table, "{line}").expect("a string takes all that is written to it");
}

/// Writes the rows as one JSON array, a line for each.
pub(crate) fn write_json(rows: &[Row], path: &Path) -> io::Result<()> {
    let rows = rows.iter().map(|row| row.to_json().to_string()).collect::<Vec<_>>();
    fs::write(path, format!("[\n{}\n]\n", rows.join(",\n")))
}
