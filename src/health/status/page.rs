//! The page: one document that needs nothing else.

use std::fmt::Write;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::data::Data;
use super::html::{Element, Escaped};
use super::{view, words};

/// What the page may load and do: its own style, its own script, and to ask where it came from.
///
/// The sources are named by their digests, so that nothing else runs, whatever gets into the page.
pub(super) static CONTENT_SECURITY_POLICY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; \
         img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        digest(STYLE),
        digest(SCRIPT),
    )
});

/// Where a reader of the page finds the rest, as seen from the page.
#[derive(Debug, Default)]
pub(in crate::health) struct Links {
    pub(super) json: Option<String>,
    pub(super) events: Option<String>,
}

impl Links {
    /// From the page at `page` to what is at these paths.
    pub(in crate::health) fn new(page: &str, json: Option<&str>, events: Option<&str>) -> Self {
        let folder = &page[..page.rfind('/').map_or(0, |slash| slash + 1)];
        // Relative, so that a link holds behind a proxy that serves all from another folder. One
        // that begins with a slash or has a colon would be read as something else.
        let link = |path: &str| match path.strip_prefix(folder) {
            Some(rest) => format!("./{rest}"),
            None => path.to_owned(),
        };
        Self { json: json.map(link), events: events.map(link) }
    }
}

/// The page with the state as it is.
pub(super) fn page(data: &Data, links: &Links) -> String {
    let mut main = String::new();
    for element in view::main(data) {
        write!(main, "{element}").expect("a string takes everything");
    }
    let phase = match data.phase {
        "serving" => "In service".to_owned(),
        "closed" => "Closed".to_owned(),
        phase => format!("Leaving, {}", words::word(phase).to_lowercase()),
    };
    fill(&[
        ("{title}", &format!("{} · Status", words::word(data.verdict))),
        ("{style}", STYLE),
        ("{events}", &Escaped(links.events.as_deref().unwrap_or_default()).to_string()),
        ("{phase}", data.phase),
        ("{phase-text}", &phase),
        ("{as-of}", &format!("As of {}", date(data.at.0))),
        ("{main}", &main),
        ("{footer}", &footer(links).to_string()),
        ("{script}", SCRIPT),
    ])
}

fn footer(links: &Links) -> Element {
    let mut list = Element::new("p");
    for (link, text) in [(&links.json, "The data as JSON"), (&links.events, "The event stream")] {
        if let Some(link) = link {
            list = list.child(Element::new("a").set("href", link.clone()).text(text)).text(" ");
        }
    }
    list
}

/// Puts values where the page has their marks. What is put in is not searched for marks.
fn fill(values: &[(&str, &str)]) -> String {
    let length = values.iter().map(|(_, value)| value.len()).sum::<usize>() + PAGE.len();
    let mut page = String::with_capacity(length);
    let mut rest = PAGE;
    for (mark, value) in values {
        let (before, after) = rest.split_once(mark).expect("the page has each mark, in this order");
        page.push_str(before);
        page.push_str(value);
        rest = after;
    }
    page.push_str(rest);
    page
}

fn date(millis: u64) -> String {
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_millis(millis))
}

fn digest(text: &str) -> String {
    STANDARD.encode(Sha256::digest(text))
}

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
