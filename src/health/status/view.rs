//! The state as elements: what stands in the page when it arrives. `page.js` makes the same ones
//! from the data of each event.

use std::borrow::Cow;
use std::fmt::Write;

use super::data::{CheckData, Data, GroupData, Moment, RunData};
use super::html::Element;
use super::policies::{PolicyData, TransitionData};
use super::words::{ago, count, number, percent, span, word};

/// The children of `main`.
pub(super) fn main(data: &Data) -> Vec<Element> {
    vec![hero(data), cards(data), checks(data), policies(data)]
}

fn hero(data: &Data) -> Element {
    Element::new("section")
        .class("hero")
        .set("data-verdict", data.verdict)
        .set("aria-label", "Overall")
        .child(icon(data.verdict))
        .child(
            Element::new("div")
                .child(Element::new("p").class("word").text(word(data.verdict)))
                .child(Element::new("p").class("sum").text(sum(&data.checks)))
                .children(leaving(data)),
        )
}

/// What comes next on the way out, if the instance is on it.
fn leaving(data: &Data) -> Option<Element> {
    let drain = data.drain.as_ref()?;
    let next = drain.phases.first()?;
    let requests = if drain.in_flight == 1 { "request" } else { "requests" };
    let line = Element::new("p")
        .class("leaving")
        .text(format!("Leaving: {} ", word(next.phase).to_lowercase()))
        .child(age(data, next.at.0))
        .text(format!(", with {} {requests} under way.", drain.in_flight));
    Some(line)
}

fn sum(checks: &[CheckData]) -> String {
    let troubled = checks.iter().filter(|check| check.verdict != "healthy").count();
    match (checks.len(), troubled) {
        (0, _) => "There are no checks.".to_owned(),
        (1, 0) => "The one check is healthy.".to_owned(),
        (all, 0) => format!("All {all} checks are healthy."),
        (all, 1) => format!("1 of {} is not healthy.", count(all, "check", "checks")),
        (all, troubled) => format!("{troubled} of {all} checks are not healthy."),
    }
}

fn cards(data: &Data) -> Element {
    let cards = data.groups.iter().map(|group| card(data, group));
    Element::new("section").class("cards").set("aria-label", "Groups").children(cards)
}

fn card(data: &Data, group: &GroupData) -> Element {
    let troubled: Vec<_> = (group.checks.iter())
        .filter(|name| data.check(name).is_some_and(|check| check.verdict != "healthy"))
        .collect();
    let note = match (group.checks.len(), troubled.len()) {
        (0, _) => "No checks".to_owned(),
        (all, 0) => count(all, "check, healthy", "checks, all healthy"),
        (all, troubled) => {
            format!("{troubled} of {} not healthy", count(all, "check", "checks"))
        }
    };
    let shown = troubled.iter().take(SHOWN).map(|name| Element::new("li").text((*name).clone()));
    let more = troubled.len().saturating_sub(SHOWN);
    let mut names = Element::new("ul").children(shown);
    if more > 0 {
        names = names.child(Element::new("li").class("more").text(format!("and {more} more")));
    }
    Element::new("article")
        .class("card")
        .set("data-key", group.name)
        .set("data-verdict", group.verdict)
        .child(Element::new("h2").text(group.name))
        .child(badge(group.verdict, group.verdict))
        .children(group.reason.clone().map(|text| Element::new("p").class("reason").text(text)))
        .child(Element::new("p").class("note").text(note))
        .children((!troubled.is_empty()).then_some(names))
}

fn checks(data: &Data) -> Element {
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

fn policies(data: &Data) -> Element {
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

fn badge(verdict: &'static str, text: &str) -> Element {
    Element::new("span")
        .class("badge")
        .set("data-verdict", verdict)
        .child(icon(verdict))
        .child(plain(word(text)))
}

/// A shape per verdict, so that none is told by its colour alone.
fn icon(verdict: &'static str) -> Element {
    Element::new("svg")
        .class("icon")
        .set("viewBox", "0 0 20 20")
        .set("aria-hidden", "true")
        .child(Element::new("use").set("href", format!("#{verdict}")))
}

fn age(data: &Data, at: u64) -> Element {
    Element::new("span").class("age").set("data-at", at.to_string()).text(ago(data.at.0, at))
}

fn plain(text: impl Into<Cow<'static, str>>) -> Element {
    Element::new("span").text(text)
}

fn empty(text: &'static str) -> Element {
    Element::new("p").class("empty").text(text)
}

fn more(omitted: usize, one: &str, many: &str) -> Option<Element> {
    (omitted > 0).then(|| {
        let text = format!("and {}", count(omitted, one, many));
        Element::new("p").class("empty").text(text)
    })
}

fn list(words: &[impl AsRef<str>]) -> String {
    let words: Vec<_> = words.iter().map(AsRef::as_ref).collect();
    if words.is_empty() { "–".to_owned() } else { words.join(", ") }
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

/// Of names on a card, and of changes of a breaker.
const SHOWN: usize = 3;
/// From more checks on, only groups that need a look are open at first.
const MANY: usize = 60;
/// Bars of a history.
const SLOTS: usize = 40;
