//! An outage, and two clients that live through it: one bare, one behind Seawall's standard stack.
//!
//! ```text
//! cargo run --release --example outage
//! ```
//!
//! Two equal HTTP servers on loopback follow one script: healthy, slow, 503, hanging, resetting
//! connections, dead, and well again. Each works off its queue in the order of arrival, and does so
//! for clients that are long gone, too. One of the clients calls each of them at the same moments.
//! What they make of it is shown while it happens, and drawn up in a table and a report at the end,
//! 75 seconds later.
//!
//! What to see: the bare client's retries keep the queue of its server so long that every answer
//! comes too late, even when the server has long been well. The outage goes on without a cause.
//!
//! `script.rs` says what happens when, `capacity.rs` and `server.rs` are the servers, `client.rs`
//! the clients, `record.rs` the figures, and `live.rs`, `table.rs`, `json.rs`, `plot.rs` and
//! `html.rs` show them.

#![forbid(unsafe_code)]

mod capacity;
mod client;
mod event;
mod html;
mod json;
mod lane;
mod live;
mod plot;
mod record;
mod script;
mod server;
mod table;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::Parser;
use seawall::stack::Stack;

use crate::client::{Bare, Protected};
use crate::event::Run;
use crate::lane::Lane;
use crate::live::Live;
use crate::record::Record;

/// Shows what an outage does to a bare HTTP client and to one behind Seawall.
#[derive(Debug, Parser)]
struct Arguments {
    /// Writes the figures to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes the report to this file [default: target/outage.html, or outage.html where there is
    /// no such folder].
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Writes a picture of the run to this file, as SVG.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Draws the moments at which calls arrive; the same seed, the same moments.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    // Both ends of every connection are in this process, and some systems allow few at first.
    if rlimit::increase_nofile_limit(16_384).is_ok_and(|files| files < 4_096) {
        eprintln!(
            "Few open files are allowed here (`ulimit -Hn`): both clients may suffer from it."
        );
    }

    let arrivals: Arc<[Duration]> = script::arrivals(arguments.seed).into();
    let run = Run::begins_after(Duration::from_millis(500));
    let stack = Stack::builder().name("seawall").build()?;
    let protected = |run, events| Protected::new(stack.clone(), run, events);
    let mut lanes = [
        Lane::start("bare", run, &arrivals, |run, events| Bare(client::http(run, events)))?,
        Lane::start("seawall", run, &arrivals, protected)?,
    ];
    watch(run, &mut lanes)?;

    let records: Vec<Record> = lanes.into_iter().map(Lane::into_record).collect();
    println!("{}", table::table(&records));
    println!("{}", table::verdict(&records));
    if let Some(file) = &arguments.json {
        write(file, &json::json(&records)?)?;
    }
    if let Some(file) = &arguments.svg {
        write(file, &plot::picture(&records)?)?;
    }
    let report = arguments.html.unwrap_or_else(default_report);
    write(&report, &html::html(&records, &stack.describe().to_string())?)?;
    println!("Report with plots: {}", report.display());
    Ok(())
}

/// Shows what happens until all calls have ended.
fn watch(run: Run, lanes: &mut [Lane]) -> Result<(), Box<dyn Error>> {
    let mut live = Live::new(lanes.iter().map(|lane| lane.record().name));
    while lanes.iter().any(Lane::is_running) {
        thread::sleep(Duration::from_millis(100));
        let now = run.elapsed();
        for lane in &mut *lanes {
            lane.take_in(now)?;
        }
        live.show(now, lanes.iter().map(Lane::record));
    }
    for lane in lanes {
        lane.take_in(run.elapsed())?;
    }
    live.end();
    Ok(())
}

/// Where the report goes if nobody says: among what cargo builds, if that is here.
fn default_report() -> PathBuf {
    let target = Path::new("target");
    if target.is_dir() { target.join("outage.html") } else { PathBuf::from("outage.html") }
}

/// Writes a file, with its name in the error.
fn write(file: &Path, text: &str) -> Result<(), Box<dyn Error>> {
    fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()).into())
}
