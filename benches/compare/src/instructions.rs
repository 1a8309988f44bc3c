//! Instructions per call, counted by valgrind: exact, and the same on a busy machine.
//!
//! The program runs itself under callgrind, once with few calls and once with many: the difference is what the calls
//! took, without what begins and ends a batch. What runs in the kernel, and in its page of fast clocks, is not in it.

use std::env;
use std::io;
use std::process::Command;

use crate::cases::Entry;
use crate::environment::Environment;
use crate::measure::batch;
use crate::run::Run;

const FEW: u64 = 1_000;
const MANY: u64 = 11_000;

/// Whether valgrind is here.
pub(crate) fn can_count() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// The instructions of one call, or none where valgrind does not tell them.
pub(crate) fn per_call(entry: &Entry) -> io::Result<Option<f64>> {
    let few = run(entry, FEW)?;
    let many = run(entry, MANY)?;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let per_call = |(few, many): (u64, u64)| many.saturating_sub(few) as f64 / (MANY - FEW) as f64;
    Ok(few.zip(many).map(per_call))
}

/// What the program does when it runs under valgrind.
pub(crate) fn make_calls(entry: &Entry, environment: &Environment, calls: u64) {
    let mut handles = (entry.make)(environment, 1);
    let run = handles.first_mut().expect("one handle was asked for");
    counted_batch(entry, run.as_mut(), calls);
}

/// Where callgrind counts.
#[inline(never)]
fn counted_batch(entry: &Entry, run: &mut dyn Run, calls: u64) {
    batch(entry, run, calls);
}

fn run(entry: &Entry, calls: u64) -> io::Result<Option<u64>> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=*counted_batch*")
        .arg(env::current_exe()?)
        .args(["--only-case", entry.case, "--only-subject", entry.subject])
        .args(["--calls", &calls.to_string()])
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected :"));
    Ok(collected.and_then(|(_, count)| count.trim().parse().ok()))
}
