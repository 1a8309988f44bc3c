//! The state as elements: what stands in the page when it arrives. `page.js` makes the same ones
//! from the data of each event.

mod checks;
mod policies;

use std::borrow::Cow;

use self::checks::checks;
use self::policies::policies;
use super::data::{CheckData, Data, GroupData};
use super::html::Element;
use super::words::{ago, count, word};

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

/// Of names on a card, and of changes of a breaker.
const SHOWN: usize = 3;
