//! Seawall and its peers side by side: one process, one service, one way to measure.
//!
//! ```text
//! cargo run --release --manifest-path benches/compare/Cargo.toml -- --json FILE [--quick] [--check]
//! ```
//!
//! Each subject wraps the same service (see `probe`), with the same settings (see `cases`), in the fastest form it has
//! to offer through its public interface. In each of several rounds every subject of a case has its turn, with a fresh
//! instance; a row is the median of the rounds. Each batch is checked: the calls must have reached the service, and
//! their answers must be right.

mod bars;
mod cases;
mod environment;
mod instructions;
mod measure;
mod memory;
mod probe;
mod report;
mod rows;
mod run;
mod subjects;
mod window;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::cases::{CASES, Entry};
use crate::environment::Environment;
use crate::measure::{Plan, Round};
use crate::rows::Row;

/// Seawall and its peers side by side.
#[derive(Debug, Parser)]
struct Arguments {
    /// Writes the rows to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measures for a shorter time: enough to see that all work.
    #[arg(long)]
    quick: bool,
    /// Fails when a bar is missed.
    #[arg(long)]
    check: bool,
    /// Counts instructions per call too, where valgrind is installed.
    #[arg(long)]
    instructions: bool,
    /// Runs only the cases whose names contain this.
    #[arg(long, value_name = "PART")]
    case: Option<String>,
    #[arg(long, hide = true, requires = "only_subject")]
    only_case: Option<String>,
    #[arg(long, hide = true, requires = "calls")]
    only_subject: Option<String>,
    #[arg(long, hide = true)]
    calls: Option<u64>,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = Arguments::parse();
    let environment = Environment::new();
    let _entered = environment.handle().enter();
    let entries = subjects::all();
    if let (Some(case), Some(subject), Some(calls)) =
        (&arguments.only_case, &arguments.only_subject, arguments.calls)
    {
        let entry = entries.iter().find(|entry| entry.case == case && entry.subject == subject);
        instructions::make_calls(
            entry.ok_or("no such subject in such a case")?,
            &environment,
            calls,
        );
        return Ok(ExitCode::SUCCESS);
    }

    let rows = measure_all(&arguments, &environment, &entries)?;
    let verdicts = bars::judge(&rows);
    println!("{}", report::table(&rows, &verdicts));
    if let Some(path) = &arguments.json {
        report::write_json(&rows, path)?;
    }
    let missed = verdicts.iter().any(|verdict| !verdict.holds);
    Ok(if arguments.check && missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn measure_all(
    arguments: &Arguments,
    environment: &Environment,
    entries: &[Entry],
) -> Result<Vec<Row>, Box<dyn Error>> {
    let plan = if arguments.quick { Plan::QUICK } else { Plan::FULL };
    let wanted = |case: &str| arguments.case.as_ref().is_none_or(|part| case.contains(part));
    // First, while nothing of what a program has once is there yet.
    let memory = if [memory::BREAKER, memory::KEY].into_iter().any(wanted) {
        memory::rows(environment)
    } else {
        Vec::new()
    };
    let mut rows = Vec::new();
    for case in CASES.iter().filter(|case| wanted(case.name)) {
        eprintln!("{} …", case.name);
        let all = entries.iter().filter(|entry| entry.case == case.name).collect::<Vec<_>>();
        let first = rows.len();
        rows.extend(in_rounds(&all, 1, plan, |entry| measure::alone(entry, environment, plan)));
        if arguments.instructions {
            count_instructions(&all, &mut rows[first..])?;
        }
        if measure::has_two_cores() {
            let shared = all.into_iter().filter(|entry| entry.shared).collect::<Vec<_>>();
            let plan = plan.for_two();
            rows.extend(in_rounds(&shared, 2, plan, |entry| {
                measure::together(entry, environment, plan)
            }));
        }
    }
    if [window::EMPTY, window::FULL].into_iter().any(wanted) {
        eprintln!("breaker/window …");
        rows.extend(window::rows(environment, plan));
    }
    rows.extend(memory);
    Ok(rows)
}

/// Gives every subject its turn in each round, and not always in the same order.
fn in_rounds(
    entries: &[&Entry],
    threads: usize,
    plan: Plan,
    mut measure: impl FnMut(&Entry) -> Round,
) -> Vec<Row> {
    let mut rounds = entries.iter().map(|_| Vec::new()).collect::<Vec<_>>();
    for round in 0..plan.rounds {
        for turn in 0..entries.len() {
            let index = (round + turn) % entries.len();
            rounds[index].push(measure(entries[index]));
        }
    }
    entries
        .iter()
        .zip(&rounds)
        .map(|(entry, rounds)| Row::of(entry.case, entry.subject, threads, rounds))
        .collect()
}

fn count_instructions(entries: &[&Entry], rows: &mut [Row]) -> Result<(), Box<dyn Error>> {
    if !instructions::can_count() {
        eprintln!("valgrind is not installed: instructions are not counted");
        return Ok(());
    }
    for (entry, row) in entries.iter().zip(rows) {
        row.instructions = instructions::per_call(entry)?;
    }
    Ok(())
}
