//! What a test says where the server that it needs can not be had.

use std::env;
use std::io::Write;

/// Says loudly that a test is not run, because there is no `what`, and which `variable` would name it.
///
/// # Panics
///
/// Under `CI=true`, where everything must run.
pub(crate) fn not_run(what: &str, variable: &str) {
    let must_run = env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!must_run, "there is no {what}, and these tests have to run here");
    // Not by a macro: what those write is kept back while a test passes.
    let line = format!("\n*** NOT RUN: there is no {what} on this machine (set {variable}) ***\n");
    std::io::stderr().write_all(line.as_bytes()).expect("somebody listens");
}
