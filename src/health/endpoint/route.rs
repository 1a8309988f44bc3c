//! What is answered at which path.

use http::uri::PathAndQuery;

use crate::error::InvalidConfig;
use crate::health::{Format, Group};

/// What can be answered at a path.
///
/// # Example
///
/// ```
/// use seawall::health::{Endpoints, Group, Registry, Route};
///
/// let endpoints = Endpoints::builder()
///     .path(Route::Group(Group::READINESS), "/healthz/ready")
///     .without(Route::Metrics)
///     .build(&Registry::new())?;
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Route {
    /// The verdict of a group, for everyone.
    Group(Group),
    /// What the Application Health extension of scale sets reads as rich health states, for everyone.
    ScaleSet,
    /// What it reads as binary health states, for everyone.
    ScaleSetBinary,
    /// All that is known, for those who have a token.
    Details,
    /// All that is known and the levels of policies, as Prometheus' text, for those who have a token.
    Metrics,
    /// The [status page](crate::health::status), for those who may see it.
    Status,
    /// What the status page shows, as JSON, for the same.
    StatusJson,
    /// What the status page shows, as a stream of events, for the same.
    StatusEvents,
}

impl Route {
    /// Whether it is to be had in each [`Format`].
    const fn has_formats(self) -> bool {
        matches!(self, Self::Group(_) | Self::Details)
    }
}

/// A path, and what is answered there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Entry {
    pub(super) path: String,
    pub(super) route: Route,
    /// The one format it is told in, whatever is asked for.
    pub(super) format: Option<Format>,
}

impl Entry {
    pub(super) const fn new(path: String, route: Route) -> Self {
        Self { path, route, format: None }
    }
}

/// What is where, once it was found good.
#[derive(Debug)]
pub(super) struct Table {
    /// In the order of their paths.
    entries: Box<[Entry]>,
}

impl Table {
    /// Refuses what can not be asked for, and what would be two answers to one question.
    pub(super) fn new(entries: &[Entry], format_paths: bool) -> Result<Self, InvalidConfig> {
        if entries.len() > MAX_ENTRIES {
            return Err(InvalidConfig::new("path", "one of at most 256"));
        }
        let mut all = entries.to_vec();
        if format_paths {
            let whole = entries.iter().filter(|entry| entry.format.is_none());
            all.extend(whole.filter(|entry| entry.route.has_formats()).flat_map(in_each_format));
        }
        for entry in &all {
            check(&entry.path)?;
        }
        all.sort_by(|a, b| a.path.cmp(&b.path));
        if all.windows(2).any(|pair| pair[0].path == pair[1].path) {
            return Err(InvalidConfig::new("path", "different from all others"));
        }
        Ok(Self { entries: all.into() })
    }

    /// The first path of `route`.
    pub(super) fn path_of(&self, route: Route) -> Option<&str> {
        self.entries.iter().find(|entry| entry.route == route).map(|entry| entry.path.as_str())
    }

    /// What is exactly there.
    pub(super) fn at(&self, path: &str) -> Option<(Route, Option<Format>)> {
        let found = self.entries.binary_search_by(|entry| entry.path.as_str().cmp(path)).ok()?;
        self.entries.get(found).map(|entry| (entry.route, entry.format))
    }
}

fn in_each_format(entry: &Entry) -> impl Iterator<Item = Entry> {
    Format::ALL.into_iter().map(|format| Entry {
        path: format!("{}/{}", entry.path.trim_end_matches('/'), format.name()),
        route: entry.route,
        format: Some(format),
    })
}

fn check(path: &str) -> Result<(), InvalidConfig> {
    let rules = [
        (path.starts_with('/'), "a path that starts with `/`"),
        (path.len() <= MAX_PATH, "at most 256 bytes long"),
        (!path.contains(['?', '#']), "without `?` and `#`"),
        (!path.chars().any(char::is_control), "without control characters"),
        // What no request has is never asked for.
        (
            path.parse::<PathAndQuery>().is_ok_and(|parsed| parsed.as_str() == path),
            "made of what may stand in a path",
        ),
    ];
    rules
        .into_iter()
        .find(|(holds, _)| !holds)
        .map_or(Ok(()), |(_, expected)| Err(InvalidConfig::new("path", expected)))
}

const MAX_PATH: usize = 256;
const MAX_ENTRIES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_can_not_be_asked_for_is_refused() {
        let long = format!("/{}", "x".repeat(MAX_PATH));
        for path in
            ["", "readyz", "/a?b", "/a#b", "/a b", "/a\r\nb", "/a\u{7f}", "/\u{1b}[0m", &long]
        {
            let entry = Entry::new(path.into(), Route::Details);
            assert_eq!(Table::new(&[entry], false).unwrap_err().field(), "path", "{path:?}");
        }
        assert!(check(&long[..MAX_PATH]).is_ok());
    }

    #[test]
    fn two_answers_at_one_path_are_refused() {
        let table = |a: &str, b: &str, format_paths| {
            let entries =
                [Entry::new(a.into(), Route::Details), Entry::new(b.into(), Route::Metrics)];
            Table::new(&entries, format_paths).is_ok()
        };

        assert!(!table("/a", "/a", false));
        assert!(!table("/a", "/a/spring", true));
        assert!(table("/a", "/a/spring", false));
        assert!(table("/a", "/a/", true));
    }

    #[test]
    fn a_path_is_found_exactly_or_not_at_all() {
        let route = Route::Group(Group::READINESS);
        let table = Table::new(&[Entry::new("/readyz".into(), route)], true).unwrap();

        assert_eq!(table.at("/readyz"), Some((route, None)));
        assert_eq!(table.at("/readyz/spring"), Some((route, Some(Format::Spring))));
        for path in ["", "/", "/readyz/", "//readyz", "/READYZ", "/ready", "/readyzz", "/%72eadyz"]
        {
            assert_eq!(table.at(path), None, "{path}");
        }
    }

    #[test]
    fn formats_hang_below_the_root_as_well() {
        let table = Table::new(&[Entry::new("/".into(), Route::Details)], true).unwrap();

        assert_eq!(table.at("/xabaril"), Some((Route::Details, Some(Format::Xabaril))));
    }
}
