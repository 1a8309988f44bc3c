//! The policies, a table for each pattern.

use super::super::data::Data;
use super::super::html::Element;
use super::super::policies::{PolicyData, TransitionData};
use super::super::words::{number, percent, word};
use super::{SHOWN, age, badge, empty, more, plain};

pub(super) fn policies(data: &Data) -> Element {
    let mut section = Element::new("section")
        .set("id", "policies")
        .set("aria-labelledby", "policies-title")
        .child(Element::new("h2").set("id", "policies-title").text("Policies"));
    for (pattern, title, columns) in PATTERNS {
        let policies: Vec<_> =
            data.policies.iter().filter(|policy| policy.pattern == pattern).collect();
        if !policies.is_empty() {
            section = section.child(table(data, pattern, title, columns, &policies));
        }
    }
    if data.policies.is_empty() {
        section = section.child(empty("This process has no policies."));
    }
    section.children(more(data.omitted.policies, "more policy", "more policies"))
}

fn table(
    data: &Data,
    pattern: &'static str,
    title: &'static str,
    columns: &[&'static str],
    policies: &[&PolicyData],
) -> Element {
    let head = columns.iter().map(|column| {
        Element::new("th").set("role", "columnheader").set("scope", "col").text(*column)
    });
    let rows = policies.iter().map(|policy| {
        let cells = columns.iter().map(|column| {
            let cell = cell(data, policy, column);
            Element::new("td").set("role", "cell").set("data-label", *column).child(cell)
        });
        Element::new("tr").set("role", "row").set("data-verdict", policy.verdict).children(cells)
    });
    // Roles are said where they seem to be given, because a narrow window lays rows out as blocks.
    Element::new("div").class("pattern").set("data-key", pattern).child(
        Element::new("table")
            .set("role", "table")
            .child(
                Element::new("caption")
                    .text(title)
                    .child(Element::new("span").class("note").text(policies.len().to_string())),
            )
            .child(
                Element::new("thead")
                    .set("role", "rowgroup")
                    .child(Element::new("tr").set("role", "row").children(head)),
            )
            .child(Element::new("tbody").set("role", "rowgroup").children(rows)),
    )
}

fn cell(data: &Data, policy: &PolicyData, column: &str) -> Element {
    let level = |name| plain(number(policy.levels.get(name)));
    match column {
        "State" => state(data, policy),
        "Name" => plain(if policy.name.is_empty() { "(unnamed)" } else { policy.name })
            .set("class", "name"),
        "Failed" => share(policy.levels.get("failure_rate")),
        "Slow" => share(policy.levels.get("slow_rate")),
        "Calls" => level("calls"),
        "In flight" => {
            let (taken, places) = (policy.levels.get("in_flight"), policy.levels.get("max_calls"));
            gauge(taken / places, format!("{} of {}", number(taken), number(places)))
        }
        "Waiting" => level("waiting"),
        "Charged" => level("charged"),
        "Available" => level("available"),
        _ => changes(data, &policy.transitions),
    }
}

fn state(data: &Data, policy: &PolicyData) -> Element {
    let badge = badge(policy.verdict, policy.state);
    match policy.shut_until {
        Some(until) => badge
            .child(Element::new("span").class("until").text("next try ").child(age(data, until.0))),
        None => badge,
    }
}

fn share(share: f64) -> Element {
    gauge(share, percent(share))
}

/// A text, and how full that is.
fn gauge(share: f64, text: String) -> Element {
    let end = if share.is_finite() { (share * 100.0).clamp(0.0, 100.0).round() } else { 0.0 };
    Element::new("span").class("gauge").text(text).child(
        Element::new("svg")
            .set("viewBox", "0 0 100 6")
            .set("preserveAspectRatio", "none")
            .set("aria-hidden", "true")
            .child(Element::new("path").class("rest").set("d", "M0 3H100"))
            .child(Element::new("path").class("fill").set("d", format!("M0 3H{end}"))),
    )
}

fn changes(data: &Data, transitions: &[TransitionData]) -> Element {
    if transitions.is_empty() {
        return plain("none");
    }
    let newest_first = transitions.iter().rev().take(SHOWN);
    Element::new("ul").class("changes").children(newest_first.map(|change| {
        Element::new("li")
            .text(format!("{} → {} ", word(change.from), word(change.to)))
            .child(age(data, change.at))
    }))
}

const PATTERNS: [(&str, &str, &[&str]); 4] = [
    (
        "circuit_breaker",
        "Circuit breakers",
        &["State", "Name", "Failed", "Slow", "Calls", "Last changes"],
    ),
    ("bulkhead", "Bulkheads", &["State", "Name", "In flight", "Waiting"]),
    ("rate_limit", "Rate limiters", &["State", "Name", "Available", "Waiting"]),
    ("budget", "Budgets", &["State", "Name", "Available", "Charged"]),
];
