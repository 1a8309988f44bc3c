//! The secondary's address for a request to the primary.

use azure_core::http::Url;

use super::account::authority;

/// Two addresses of the same data.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Twin {
    pub(super) primary: Url,
    pub(super) secondary: Url,
}

const SUFFIX: &str = "-secondary";

/// `url` at the secondary. `None` if it is there already.
///
/// The longest of the `twins` that fits, or else `-secondary` after the account's name: the first
/// label of the host, or the first part of the path where the host is an address or has no dot, as
/// in the emulator.
pub(super) fn secondary_of(url: &Url, twins: &[Twin]) -> Option<Url> {
    if twins.iter().any(|twin| is_below(url, &twin.secondary)) {
        return None;
    }
    let fitting = twins.iter().filter(|twin| is_below(url, &twin.primary));
    if let Some(twin) = fitting.max_by_key(|twin| twin.primary.path().len()) {
        return moved(url, twin);
    }
    let mut moved = url.clone();
    if let Some((account, rest)) = url.domain().and_then(|domain| domain.split_once('.')) {
        moved.set_host(Some(&format!("{}.{rest}", suffixed(account)?))).ok()?;
        return Some(moved);
    }
    let path = url.path().trim_start_matches('/');
    let (account, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
    let account = suffixed(account).filter(|_| !account.is_empty())?;
    moved.set_path(&format!("/{account}{rest}"));
    Some(moved)
}

/// What has a state of its own: host and port, with the account where that stands in the path.
pub(super) fn account_of(url: &Url, twins: &[Twin]) -> String {
    let authority = authority(url);
    let fitting = twins.iter().filter(|twin| is_below(url, &twin.primary));
    let path = match fitting.map(|twin| twin.primary.path()).max_by_key(|path| path.len()) {
        Some(path) => path.trim_end_matches('/'),
        None if url.domain().is_some_and(|domain| domain.contains('.')) => "",
        None => {
            let path = url.path();
            let end = path.get(1..).and_then(|rest| rest.find('/')).map_or(path.len(), |at| at + 1);
            &path[..end]
        }
    };
    format!("{authority}{path}")
}

/// Whether a read changes something after all: a queue's messages that are received are hidden for a
/// while.
pub(super) fn receives_messages(url: &Url) -> bool {
    let is_queue = url.domain().is_none_or(|domain| {
        !domain.contains('.') || domain.split('.').any(|label| label == "queue")
    });
    let peeks = url.query_pairs().any(|(name, value)| name == "peekonly" && value == "true");
    is_queue && !peeks && url.path().trim_end_matches('/').ends_with("/messages")
}

/// The root of the service that `url` belongs to: what its statistics are asked from.
#[cfg(feature = "azure-storage")]
pub(super) fn root_of(url: &Url, twins: &[Twin]) -> Url {
    let mut root = url.clone();
    let base = twins
        .iter()
        .flat_map(|twin| [&twin.primary, &twin.secondary])
        .filter(|base| is_below(url, base))
        .max_by_key(|base| base.path().len());
    match base {
        Some(base) => root.set_path(base.path()),
        None if url.domain().is_some_and(|domain| domain.contains('.')) => root.set_path("/"),
        None => {
            let account = url.path().trim_start_matches('/').split('/').next();
            root.set_path(&format!("/{}", account.unwrap_or_default()));
        }
    }
    root
}

fn suffixed(account: &str) -> Option<String> {
    (!account.ends_with(SUFFIX)).then(|| format!("{account}{SUFFIX}"))
}

/// Whether `url` is at `base` or below it.
fn is_below(url: &Url, base: &Url) -> bool {
    let path = base.path().trim_end_matches('/');
    url.scheme() == base.scheme()
        && url.host() == base.host()
        && url.port_or_known_default() == base.port_or_known_default()
        && url
            .path()
            .strip_prefix(path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn moved(url: &Url, twin: &Twin) -> Option<Url> {
    let rest = url.path().strip_prefix(twin.primary.path().trim_end_matches('/'))?;
    let mut moved = twin.secondary.clone();
    moved.set_path(&format!("{}{rest}", twin.secondary.path().trim_end_matches('/')));
    moved.set_query(url.query());
    Some(moved)
}

#[cfg(all(test, not(seawall_loom)))]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().expect("the test gives addresses")
    }

    #[test]
    fn the_account_is_the_first_label_of_a_name() {
        for (primary, secondary) in [
            (
                "https://a.blob.core.windows.net/c/b?x=1",
                "https://a-secondary.blob.core.windows.net/c/b?x=1",
            ),
            (
                "http://a.queue.core.windows.net:11000/q",
                "http://a-secondary.queue.core.windows.net:11000/q",
            ),
            ("http://127.0.0.1:10000/a/c/b", "http://127.0.0.1:10000/a-secondary/c/b"),
            ("http://localhost:10000/a", "http://localhost:10000/a-secondary"),
            ("http://[::1]:10000/a/", "http://[::1]:10000/a-secondary/"),
        ] {
            assert_eq!(secondary_of(&url(primary), &[]), Some(url(secondary)), "{primary}");
            assert_eq!(secondary_of(&url(secondary), &[]), None, "{secondary}");
        }
        assert_eq!(secondary_of(&url("http://127.0.0.1/"), &[]), None);
    }

    #[test]
    fn an_account_is_a_host_or_a_path() {
        let twins = [Twin {
            primary: url("https://a.example.net/one/"),
            secondary: url("https://b.example.net"),
        }];
        for (address, account) in [
            ("https://a.blob.core.windows.net/c/b?x=1", "a.blob.core.windows.net"),
            ("http://a.blob.core.windows.net:11000/c", "a.blob.core.windows.net:11000"),
            ("http://127.0.0.1:10000/a/c/b", "127.0.0.1:10000/a"),
            ("http://127.0.0.1:10000/a", "127.0.0.1:10000/a"),
            ("http://127.0.0.1:10000/", "127.0.0.1:10000/"),
            ("https://a.example.net/one/c", "a.example.net/one"),
            ("https://a.example.net/two/c", "a.example.net"),
        ] {
            assert_eq!(account_of(&url(address), &twins), account, "{address}");
        }
    }

    #[test]
    fn what_is_received_from_a_queue_is_hidden_from_others() {
        for (address, receives) in [
            ("https://a.queue.core.windows.net/q/messages", true),
            ("https://a.queue.core.windows.net/q/messages/?numofmessages=3", true),
            ("https://a.queue.core.windows.net/q/messages?peekonly=true", false),
            ("https://a.queue.core.windows.net/q?comp=metadata", false),
            ("https://a.blob.core.windows.net/c/messages", false),
            ("http://127.0.0.1:10001/a/q/messages", true),
        ] {
            assert_eq!(receives_messages(&url(address)), receives, "{address}");
        }
    }

    #[test]
    fn the_longest_twin_that_fits_counts_and_nothing_that_only_looks_like_it() {
        let twins = [
            Twin { primary: url("http://127.0.0.1:1/a"), secondary: url("http://127.0.0.1:2/b") },
            Twin {
                primary: url("http://127.0.0.1:1/a/deep/"),
                secondary: url("http://127.0.0.1:3/"),
            },
        ];

        let of = |text| secondary_of(&url(text), &twins).map(String::from);
        assert_eq!(of("http://127.0.0.1:1/a/c?s=1").as_deref(), Some("http://127.0.0.1:2/b/c?s=1"));
        assert_eq!(of("http://127.0.0.1:1/a/deep/c").as_deref(), Some("http://127.0.0.1:3/c"));
        assert_eq!(of("http://127.0.0.1:2/b/c"), None);
        let other = of("http://127.0.0.1:1/abc/c");
        assert_eq!(other.as_deref(), Some("http://127.0.0.1:1/abc-secondary/c"));
    }
}
