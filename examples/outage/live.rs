//! The run as it goes, in the terminal.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::time::Duration;

use console::style;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

use crate::record::{Breaker, Record};
use crate::script::{self, ARRIVALS, phase_at, spans};
use crate::table::duration;

/// Heights of the little plot, from nothing to all that is asked for.
const HEIGHTS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// What the terminal shows.
pub(crate) enum Live {
    /// Lines that change in place.
    Terminal { time: ProgressBar, clients: Vec<[ProgressBar; 2]>, _all: MultiProgress },
    /// A new line for every second, for what is no terminal.
    Lines { shown: u64 },
}

impl Live {
    pub(crate) fn new(names: impl Iterator<Item = &'static str>) -> Self {
        if !std::io::stdout().is_terminal() {
            return Self::Lines { shown: 0 };
        }
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        let line = |template: &str| {
            let style = ProgressStyle::with_template(template).expect("a template of this file");
            let bar = ProgressBar::new(script::length().into());
            // The last state stays above the table.
            let bar = bar.with_style(style).with_finish(ProgressFinish::Abandon);
            all.add(bar)
        };
        let time = line("  {bar:65.dim} {pos:>2} of {len} s\n  {wide_msg}\n  {prefix}");
        time.set_prefix(ruler());
        let clients = names.map(|_| [line("  {wide_msg}"), line("  {wide_msg}")]).collect();
        Self::Terminal { time, clients, _all: all }
    }

    /// Shows how things stand at `now`.
    pub(crate) fn show<'a>(&mut self, now: Duration, records: impl Iterator<Item = &'a Record>) {
        let (_, phase) = phase_at(now);
        let over = now.as_secs() >= script::length().into();
        let what = if over { "waiting for the last calls" } else { phase.what };
        match self {
            Self::Terminal { time, clients, .. } => {
                time.set_position(now.as_secs().min(script::length().into()));
                time.set_message(format!("server: {} – {}", style(phase.name).bold(), what));
                for ([figures, plot], record) in clients.iter().zip(records) {
                    figures.set_message(terminal_line(record, now));
                    plot.set_message(sparkline(&record.goodput(), now));
                }
            }
            Self::Lines { shown } => {
                if now.as_secs() <= *shown {
                    return;
                }
                *shown = now.as_secs();
                let mut line = format!("{shown:>3} s  {:<10}", phase.name);
                for record in records {
                    let _ = write!(line, " | {}", Standing::of(record, now).plain(record.name));
                }
                println!("{line}");
            }
        }
    }

    /// Leaves the last state on the screen.
    pub(crate) fn end(self) {
        if let Self::Terminal { time, .. } = self {
            time.set_message("All calls have ended.");
        }
    }
}

/// How a client stands.
struct Standing {
    goodput: u32,
    p99: Option<Duration>,
    breaker: Option<Breaker>,
    attempts_per_call: f64,
}

impl Standing {
    fn of(record: &Record, now: Duration) -> Self {
        let last = now.as_secs().checked_sub(1).and_then(|second| usize::try_from(second).ok());
        let before = now.saturating_sub(Duration::from_secs(2));
        Self {
            goodput: last.and_then(|second| record.goodput().get(second).copied()).unwrap_or(0),
            p99: record.latency_within(before, now, 0.99),
            breaker: record.breaker().last().map(|(_, state)| *state),
            attempts_per_call: record.attempts_per_call(),
        }
    }

    fn plain(&self, name: &str) -> String {
        let mut line = format!(
            "{name:<7} {:>3}/s  p99 {:>6}  attempts/call {:.2}",
            self.goodput,
            duration(self.p99),
            self.attempts_per_call,
        );
        if let Some(state) = self.breaker {
            let _ = write!(line, "  breaker {:<10}", state.name());
        }
        line
    }
}

fn terminal_line(record: &Record, now: Duration) -> String {
    let standing = Standing::of(record, now);
    let goodput = format!("{:>3}/s", standing.goodput);
    let goodput = match standing.goodput {
        _ if now < Duration::from_secs(1) => style(goodput),
        good if f64::from(good) >= 0.95 * f64::from(ARRIVALS) => style(goodput).green(),
        0..=20 => style(goodput).red(),
        _ => style(goodput).yellow(),
    };
    let breaker = match standing.breaker {
        None => style("none").dim(),
        Some(state @ Breaker::Closed) => style(state.name()).green(),
        Some(state @ (Breaker::Recovering | Breaker::HalfOpen)) => style(state.name()).yellow(),
        Some(state @ Breaker::Open) => style(state.name()).red(),
    };
    format!(
        "{:<7}  {goodput}  p99 {:>6}  attempts/call {:.2}  breaker {breaker}",
        style(record.name).bold(),
        duration(standing.p99),
        standing.attempts_per_call,
    )
}

/// The goodput of each second that is over, as a row of blocks.
fn sparkline(goodput: &[u32], now: Duration) -> String {
    let over = usize::try_from(now.as_secs()).unwrap_or(usize::MAX);
    let height = |count: &u32| {
        let eighths = (8 * count).div_ceil(ARRIVALS).min(8);
        HEIGHTS[eighths as usize]
    };
    goodput.iter().take(over).map(height).collect()
}

/// The names of the phases, each where its seconds are in the row of blocks.
fn ruler() -> String {
    let mut ruler = String::new();
    for (phase, from, to) in spans() {
        let width = (to - from) as usize - 1;
        let _ = write!(ruler, "╷{:<width$.width$}", phase.name);
    }
    ruler
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_little_plot_shows_seconds_that_are_over() {
        let goodput = [0, 1, 140, 280, 300, 280];

        assert_eq!(sparkline(&goodput, Duration::from_millis(5_900)), " ▁▄██");
        assert_eq!(sparkline(&goodput, Duration::ZERO), "");
        assert_eq!(sparkline(&goodput, Duration::from_secs(99)), " ▁▄███");
    }

    #[test]
    fn the_ruler_has_a_column_for_each_second() {
        assert_eq!(ruler().chars().count(), script::length() as usize);
    }
}
