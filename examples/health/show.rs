//! What is printed.

use std::time::Duration;

use console::{Alignment, pad_str, style};

use crate::load::Load;

const TIME: usize = 6;
const STATE: usize = 16;
const CELL: usize = 14;

/// The names of the columns, a word above the rest.
pub(crate) fn heading(names: &[&str]) -> String {
    let parts = names.iter().map(|name| name.split_once(' ').unwrap_or(("", name)));
    let (above, below): (Vec<_>, Vec<_>) = parts.unzip();
    let line = |words: Vec<&str>| {
        let cells = words.iter().map(|word| pad_str(word, CELL, Alignment::Left, None));
        let line = format!("{:>TIME$}  {:STATE$}{}", "", "", cells.collect::<String>());
        style(line).bold().to_string()
    };
    format!("{}\n{}", line(above), line(below))
}

/// What each product concludes at one moment, and whether that is right.
///
/// A product that has not caught up with a change yet is not wrong; the end of each state counts.
pub(crate) fn row(at: Duration, state: &str, concluded: &[(&str, bool)]) -> String {
    let mut line = format!("{:>TIME$}  {state:STATE$}", format!("{:.0} s", at.as_secs_f64()));
    for (word, is_right) in concluded {
        let cell = pad_str(word, CELL, Alignment::Left, None);
        line += &if *is_right { style(cell).green() } else { style(cell).red() }.to_string();
    }
    line
}

/// How many conclusions were right.
pub(crate) fn verdict(wrong: usize, all: usize) -> String {
    if wrong == 0 {
        format!(
            "All {all} conclusions at the ends of states were what the products' documentation demands."
        )
    } else {
        format!("{wrong} of {all} conclusions at the ends of states were wrong.")
    }
}

/// The figures under load.
pub(crate) fn load(load: &Load) -> String {
    format!("{load:#?}")
}
