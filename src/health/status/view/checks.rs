//! The checks, each with its history and what is known of it.

use std::fmt::Write;

use super::super::data::{CheckData, Data, GroupData, Moment, RunData};
use super::super::html::Element;
use super::super::words::{count, number, span, word};
use super::{age, badge, empty, list, more, plain};

pub(super) fn checks(data: &Data) -> Element {
    let groups = data.groups.iter().filter(|group| !group.checks.is_empty());
    let mut section = Element::new("section")
        .set("id", "checks")
        .set("tabindex", "-1")
        .set("aria-labelledby", "checks-title")
        .child(Element::new("h2").set("id", "checks-title").text("Checks"))
        .children(groups.map(|group| tree(data, group)));
    if data.checks.is_empty() {
        section = section.child(empty("No checks have been added to the registry."));
    }
    section.children(more(data.omitted.checks, "more check", "more checks"))
}

/// A group and its checks; open, unless there is much and all of it is well.
fn tree(data: &Data, group: &GroupData) -> Element {
    let checks = group.checks.iter().filter_map(|name| data.check(name));
    let rows = checks.map(|check| {
        Element::new("li").set("data-key", check.name.clone()).child(row(data, check))
    });
    Element::new("details")
        .class("group")
        .set("data-key", group.name)
        .set("data-verdict", group.verdict)
        .set_if(data.checks.len() <= MANY || group.verdict != "healthy", "open")
        .child(
            Element::new("summary")
                .child(Element::new("span").class("name").text(group.name))
                .child(Element::new("span").class("note").text(count(
                    group.checks.len(),
                    "check",
                    "checks",
                )))
                .child(badge(group.verdict, group.verdict)),
        )
        .child(Element::new("ul").children(rows))
}

fn row(data: &Data, check: &CheckData) -> Element {
    let name = Element::new("span")
        .class("name")
        .text(check.name.clone())
        .children(flags(check).into_iter().map(|flag| Element::new("em").text(flag)));
    let when = Element::new("span").class("when");
    Element::new("details")
        .class("check")
        .set("data-verdict", check.verdict)
        .child(
            Element::new("summary")
                .child(badge(check.verdict, check.verdict))
                .child(name)
                .child(
                    Element::new("span")
                        .class("detail")
                        .text(check.detail.clone().unwrap_or_default()),
                )
                .child(history(&check.history))
                .child(match check.last_run {
                    Some(at) => when.child(age(data, at.0)),
                    None => when.text("not yet run"),
                }),
        )
        .child(facts(data, check))
}

fn flags(check: &CheckData) -> Vec<String> {
    let mut flags = Vec::new();
    if check.stale {
        flags.push("stale".to_owned());
    }
    if check.flapping {
        flags.push("flapping".to_owned());
    }
    if check.criticality != "critical" {
        flags.push(word(check.criticality).to_lowercase());
    }
    flags
}

fn facts(data: &Data, check: &CheckData) -> Element {
    let moment = |at: Option<Moment>| match at {
        Some(at) => age(data, at.0),
        None => plain("–"),
    };
    let effect = match check.criticality {
        "critical" => "its groups count it as down",
        "degraded_only" => "its groups are degraded",
        _ => "it is shown, and counts for nothing",
    };
    let looks_at =
        if check.shared { "something that all instances share" } else { "this instance alone" };
    let observed = check.observed.map_or_else(
        || "–".to_owned(),
        |observed| format!("{} {}", number(observed.value), observed.unit),
    );
    let rows = [
        ("Same verdict since", moment(check.since)),
        ("Last run", moment(check.last_run)),
        ("It took", plain(check.took_ms.map_or_else(|| "–".to_owned(), span))),
        ("Observed", plain(observed)),
        ("Runs every", plain(span(check.interval_ms))),
        ("Runs so far", plain(check.runs.to_string())),
        ("If it fails", plain(effect)),
        ("Looks at", plain(looks_at)),
        ("Groups", plain(list(&check.groups))),
        ("Tags", plain(list(&check.tags))),
    ];
    Element::new("dl").children(rows.into_iter().map(|(name, value)| {
        Element::new("div")
            .child(Element::new("dt").text(name))
            .child(Element::new("dd").child(value))
    }))
}

/// The last runs as bars, the worse the taller. The newest is on the right.
fn history(runs: &[RunData]) -> Element {
    let heights = [("none", 36), ("healthy", 26), ("degraded", 14), ("down", 2)];
    let runs = &runs[runs.len().saturating_sub(SLOTS)..];
    let empty = SLOTS - runs.len();
    let bars = heights.map(|(verdict, top)| {
        let mut path = String::new();
        for slot in 0..SLOTS {
            let found = slot.checked_sub(empty).map_or("none", |run| runs[run].verdict);
            if found == verdict {
                write!(path, "M{} 40V{top}", slot * 10 + 5).expect("a string takes everything");
            }
        }
        Element::new("path").class(verdict).set("d", path)
    });
    let counts: Vec<_> = ["healthy", "degraded", "down"]
        .into_iter()
        .map(|verdict| (runs.iter().filter(|run| run.verdict == verdict).count(), verdict))
        .filter(|(count, _)| *count > 0)
        .map(|(count, verdict)| format!("{count} {verdict}"))
        .collect();
    let label = if counts.is_empty() {
        "No history yet".to_owned()
    } else {
        format!("Last {}: {}", count(runs.len(), "run", "runs"), counts.join(", "))
    };
    Element::new("svg")
        .class("history")
        .set("viewBox", "0 0 400 40")
        .set("role", "img")
        .set("aria-label", label)
        .children(bars)
}

/// From more checks on, only groups that need a look are open at first.
const MANY: usize = 60;
/// Bars of a history.
const SLOTS: usize = 40;
