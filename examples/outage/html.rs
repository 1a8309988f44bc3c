//! The report: a page that needs nothing but itself.

use std::fmt::Display;

use crate::plot::{Failure, plots};
use crate::record::Record;
use crate::script::{ARRIVALS, CAPACITY, spans};
use crate::table::{rows, verdict};

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #23262d; --paper: #fcfcfa; --rule: #d5d6d2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e6ea; --paper: #16181d; --rule: #3a3e47; } }
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: var(--ink);
  background: var(--paper); font: 16px/1.5 system-ui, sans-serif; }
table { border-collapse: collapse; margin: 1.5rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .9rem; border-bottom: 1px solid var(--rule); text-align: right; }
th:first-child, td:first-child, .words td { text-align: left; }
svg { display: block; width: 100%; height: auto; margin: 1.5rem 0; }
pre { white-space: pre-wrap; font-size: .85rem; }
p.verdict { font-size: 1.15rem; white-space: pre-line; }
";

/// The whole report; `stack` says in words what the stack is made of.
pub(crate) fn html(records: &[Record], stack: &str) -> Result<String, Failure> {
    let heads = row("th", "", records.iter().map(|record| record.name));
    let mut figures = String::new();
    for (name, values) in rows(records) {
        figures += &row("td", &name, values);
    }
    let mut script = String::new();
    for (phase, from, to) in spans() {
        script += &row("td", &format!("{from}–{to} s"), [phase.name, phase.what]);
    }
    Ok(format!(
        "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width\">
<title>Seawall: an outage</title>
<style>{STYLE}</style>
</head>
<body>
<h1>An outage, with and without Seawall</h1>
<p>Two equal HTTP servers, each with one worker that finishes {CAPACITY} requests per second in the
order of their arrival, whether or not their clients still wait. Two clients, each asked for
{ARRIVALS} calls per second at the same moments, whatever becomes of them. <b>bare</b> gives each
attempt a second and makes up to three retries, after 100, 200 and 400&nbsp;ms. <b>seawall</b> is the
same HTTP client in Seawall's standard stack with default settings.</p>
<p class=\"verdict\">{verdict}</p>
<table><thead>
{heads}</thead><tbody>
{figures}</tbody></table>
{plots}
<h2>What the servers did</h2>
<table class=\"words\"><tbody>
{script}</tbody></table>
<h2>What the stack was</h2>
<pre>{stack}</pre>
</body>
</html>
",
        verdict = verdict(records),
        plots = plots(records)?.join("\n"),
    ))
}

/// A row of a table, of cells with the given tag.
fn row(tag: &str, head: &str, cells: impl IntoIterator<Item = impl Display>) -> String {
    let cells = cells.into_iter().map(|cell| format!("<{tag}>{cell}</{tag}>"));
    let cells = cells.collect::<Vec<_>>().concat();
    format!("<tr><{tag}>{head}</{tag}>{cells}</tr>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_asks_no_network_for_anything() {
        let records = [Record::new("bare", &[]), Record::new("seawall", &[])];

        let page = html(&records, "orders\n  retry 3").unwrap();

        // The name of the SVG name space is no address that anything is fetched from.
        let rest = page.replace("http://www.w3.org/2000/svg", "");
        for word in ["http://", "https://", "src=", "href=", "@import", "url("] {
            assert!(!rest.contains(word), "{word}");
        }
        assert_eq!(page.matches("<svg").count(), 5);
    }
}
