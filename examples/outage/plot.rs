//! Plots of the run, as SVG.

use std::error::Error;
use std::time::Duration;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::record::{Breaker, Record};
use crate::script::{self, ARRIVALS, Front, Phase, spans};

/// What a plot is drawn on.
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// What can go wrong while drawing.
pub(crate) type Failure = Box<dyn Error>;

/// A plot with its height in pixels.
type Plot = (u32, fn(&Area<'_>, &[Record], RGBColor) -> Result<(), Failure>);

/// The plots of the report, from top to bottom.
const PLOTS: [Plot; 5] =
    [(280, goodput), (280, attempts), (280, backlog), (170, breaker), (280, latency)];

/// Width of every plot in pixels.
const WIDTH: u32 = 960;

/// One colour for each client; they stand out from white and from black.
const CLIENTS: [RGBColor; 2] = [RGBColor(224, 87, 46), RGBColor(20, 152, 172)];

/// Stands for the colour of the text around a plot, which the plot can not know.
const INK: RGBColor = RGBColor(1, 2, 3);

/// Text and axes of a picture that stands alone, and what is behind them.
const DARK: RGBColor = RGBColor(40, 44, 52);
const PAPER: RGBColor = RGBColor(252, 252, 250);

/// The plots of the report, in the colours of the page that they are put into.
pub(crate) fn plots(records: &[Record]) -> Result<Vec<String>, Failure> {
    let plot = |(height, draw): Plot| {
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
            draw(&area, records, INK)?;
            area.present()?;
        }
        Ok(svg.replace("#010203", "currentColor"))
    };
    PLOTS.into_iter().map(plot).collect()
}

/// The run in one picture that stands alone: goodput above attempts.
pub(crate) fn picture(records: &[Record]) -> Result<String, Failure> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, 560)).into_drawing_area();
        area.fill(&PAPER)?;
        let (above, below) = area.split_vertically(280);
        goodput(&above, records, DARK)?;
        attempts(&below, records, DARK)?;
        area.present()?;
    }
    Ok(svg)
}

fn goodput(area: &Area<'_>, records: &[Record], ink: RGBColor) -> Result<(), Failure> {
    let title = format!("Goodput: successful calls per second, of {ARRIVALS} made");
    let lines: Vec<_> = each(records, |record| per_second(&record.goodput())).collect();
    let top = 1.15 * highest(&lines).max(f64::from(ARRIVALS));
    let frame = Frame { area, ink, title: &title, records, top, labels: 6 };
    frame.draw(&lines, &|calls| format!("{calls:.0}"))
}

fn latency(area: &Area<'_>, records: &[Record], ink: RGBColor) -> Result<(), Failure> {
    let title = "Latency of the successful calls: p99 (thick) and p50 (thin), logarithmic";
    let quantile = |quantile| {
        each(records, move |record| {
            let second = |second: u32| {
                let from = Duration::from_secs(second.into());
                let latency =
                    record.latency_within(from, from + Duration::from_secs(1), quantile)?;
                // Logarithms of milliseconds: 0 is one, 4 are ten seconds.
                Some((middle(second), (latency.as_secs_f64() * 1e3).log10().max(0.0)))
            };
            (0..script::length()).map(second).collect()
        })
    };
    let lines: Vec<_> = quantile(0.99).chain(quantile(0.5).map(Line::thin)).collect();
    let frame = Frame { area, ink, title, records, top: 4.4, labels: 5 };
    frame.draw(&lines, &|power| match 10_f64.powf(power) {
        millis if millis < 999.0 => format!("{millis:.0} ms"),
        millis => format!("{:.0} s", millis / 1e3),
    })
}

fn attempts(area: &Area<'_>, records: &[Record], ink: RGBColor) -> Result<(), Failure> {
    let title =
        "Load: requests per second, retries included: sent (thick), read by the server (thin)";
    let sent = each(records, |record| per_second(&record.sent()));
    let reached = each(records, |record| per_second(&record.reached()));
    let lines: Vec<_> = sent.chain(reached.map(Line::thin)).collect();
    let top = 1.15 * highest(&lines).max(f64::from(ARRIVALS));
    let frame = Frame { area, ink, title, records, top, labels: 6 };
    frame.draw(&lines, &|requests| format!("{requests:.0}"))
}

fn backlog(area: &Area<'_>, records: &[Record], ink: RGBColor) -> Result<(), Failure> {
    let title = "Backlog: work in the server's queue, in seconds; after one second, bare has gone";
    let end = f64::from(script::length());
    let waits = |record: &Record| {
        let wait = |(at, requests): &(Duration, u32)| {
            (at.as_secs_f64(), f64::from(*requests) / f64::from(script::CAPACITY))
        };
        record.backlog().iter().map(wait).filter(|(at, _)| *at <= end).map(Some).collect()
    };
    let lines: Vec<_> = each(records, waits).collect();
    let top = 1.15 * highest(&lines).max(1.0);
    let frame = Frame { area, ink, title, records, top, labels: 6 };
    frame.draw(&lines, &|seconds| format!("{seconds:.0} s"))
}

fn breaker(area: &Area<'_>, records: &[Record], ink: RGBColor) -> Result<(), Failure> {
    let end = f64::from(script::length());
    let steps = |record: &Record| {
        let states = record.breaker();
        let ends = states.iter().skip(1).map(|(at, _)| at.as_secs_f64()).chain([end]);
        let step = |((from, state), to): (&(Duration, Breaker), f64)| {
            [from.as_secs_f64(), to].map(|at| Some((at.min(end), height(*state))))
        };
        states.iter().zip(ends).flat_map(step).collect()
    };
    let lines: Vec<_> = each(records, steps).collect();
    let title = "State of the circuit breaker";
    let frame = Frame { area, ink, title, records, top: 3.9, labels: 4 };
    frame.draw(&lines, &|at| {
        let state = Breaker::ALL.into_iter().find(|state| (height(*state) - at).abs() < 0.1);
        state.map_or("", Breaker::name).to_owned()
    })
}

/// Where a state is on the axis.
fn height(state: Breaker) -> f64 {
    match state {
        Breaker::Closed => 0.0,
        Breaker::Recovering => 1.0,
        Breaker::HalfOpen => 2.0,
        Breaker::Open => 3.0,
    }
}

/// A line of a plot. It is broken where there is no point.
struct Line {
    points: Vec<Option<(f64, f64)>>,
    colour: RGBColor,
    width: u32,
}

impl Line {
    fn thin(self) -> Self {
        Self { width: 1, ..self }
    }

    /// The stretches without a gap.
    fn pieces(&self) -> impl Iterator<Item = Vec<(f64, f64)>> {
        let pieces = self.points.split(Option::is_none);
        pieces.map(|piece| piece.iter().copied().flatten().collect())
    }
}

/// A line for each client, in its colour.
fn each<F>(records: &[Record], points: F) -> impl Iterator<Item = Line>
where
    F: Fn(&Record) -> Vec<Option<(f64, f64)>>,
{
    records.iter().zip(CLIENTS).map(move |(record, colour)| Line {
        points: points(record),
        colour,
        width: 3,
    })
}

/// Counts of each second, each in the middle of it.
fn per_second(counts: &[u32]) -> Vec<Option<(f64, f64)>> {
    (0..).zip(counts).map(|(second, count)| Some((middle(second), f64::from(*count)))).collect()
}

fn middle(second: u32) -> f64 {
    f64::from(second) + 0.5
}

fn highest(lines: &[Line]) -> f64 {
    lines.iter().flat_map(|line| &line.points).flatten().map(|(_, y)| *y).fold(0.0, f64::max)
}

/// Everything of a plot but its lines.
struct Frame<'a, 'b> {
    area: &'a Area<'b>,
    ink: RGBColor,
    title: &'a str,
    records: &'a [Record],
    /// The upper end of the vertical axis, which begins at 0.
    top: f64,
    /// Labels that the vertical axis may have.
    labels: usize,
}

impl Frame<'_, '_> {
    fn draw(&self, lines: &[Line], label: &dyn Fn(f64) -> String) -> Result<(), Failure> {
        self.headline()?;
        let mut chart = ChartBuilder::on(self.area)
            .margin_top(34)
            .margin_right(14)
            .x_label_area_size(24)
            .y_label_area_size(76)
            .build_cartesian_2d(0.0..f64::from(script::length()), 0.0..self.top)?;
        let text = ("sans-serif", 13).into_font().color(&self.ink);
        for (phase, from, to) in spans() {
            let corners = [(f64::from(from), 0.0), (f64::from(to), self.top)];
            chart.draw_series([Rectangle::new(corners, shade(phase).filled())])?;
            let small = ("sans-serif", 11).into_font().color(&self.ink.mix(0.8));
            let place = (f64::from(from) + 0.25, self.top * 0.985);
            chart.draw_series([Text::new(phase.name, place, small)])?;
        }
        chart
            .configure_mesh()
            .disable_x_mesh()
            .bold_line_style(self.ink.mix(0.15))
            .light_line_style(self.ink.mix(0.0))
            .axis_style(self.ink.mix(0.5))
            .x_labels(14)
            .y_labels(self.labels)
            .x_label_formatter(&|second| format!("{second:.0} s"))
            .y_label_formatter(&|height| label(*height))
            .label_style(text)
            .draw()?;
        for line in lines {
            for piece in line.pieces() {
                let style = line.colour.stroke_width(line.width);
                // A second alone has no line to it.
                if let [point] = piece[..] {
                    chart.draw_series([Circle::new(point, line.width, line.colour.filled())])?;
                }
                chart.draw_series(LineSeries::new(piece, style))?;
            }
        }
        Ok(())
    }

    /// The title, and the names of the clients in their colours.
    fn headline(&self) -> Result<(), Failure> {
        let title = ("sans-serif", 16).into_font().color(&self.ink);
        self.area.draw(&Text::new(self.title, (14, 10), title))?;
        let mut right = WIDTH.cast_signed() - 14;
        for (record, colour) in self.records.iter().zip(CLIENTS).rev() {
            let style = TextStyle::from(("sans-serif", 16).into_font())
                .color(&colour)
                .pos(Pos::new(HPos::Right, VPos::Top));
            self.area.draw(&Text::new(record.name, (right, 10), style))?;
            right -= 80;
        }
        Ok(())
    }
}

/// The colour behind a phase: none where the server is well.
fn shade(phase: &Phase) -> RGBAColor {
    match (phase.front, phase.rate) {
        (Front::Serve, script::CAPACITY) => BLACK.mix(0.0),
        (Front::Serve, 0) => RGBColor(150, 90, 200).mix(0.16),
        (Front::Serve, _) => RGBColor(230, 160, 30).mix(0.16),
        (Front::Refuse, _) => RGBColor(230, 200, 40).mix(0.16),
        (Front::Reset, _) => RGBColor(220, 80, 140).mix(0.16),
        (Front::Gone, _) => RGBColor(128, 128, 128).mix(0.22),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_broken_where_there_is_no_point() {
        let points = vec![Some((0.0, 1.0)), Some((1.0, 1.0)), None, Some((3.0, 2.0))];
        let line = Line { points, colour: BLACK, width: 1 };

        let pieces: Vec<_> = line.pieces().collect();

        assert_eq!(pieces, [vec![(0.0, 1.0), (1.0, 1.0)], vec![(3.0, 2.0)]]);
    }

    #[test]
    fn plots_of_a_run_without_calls_can_be_drawn() {
        let records = [Record::new("bare", &[]), Record::new("seawall", &[])];

        let plots = plots(&records).unwrap();

        assert_eq!(plots.len(), PLOTS.len());
        for plot in plots {
            assert!(plot.starts_with("<svg") && plot.contains("currentColor"), "{plot}");
            assert!(!plot.contains("#010203"));
        }
        assert!(picture(&records).unwrap().contains("Goodput"));
    }
}
