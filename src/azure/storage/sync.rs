//! How far behind a secondary is.

use std::time::Duration;

use azure_core::time::OffsetDateTime;

use super::account::Account;
use crate::time::Instant;

/// What the secondary of an account said of itself.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LastSync {
    /// Up to when everything that was written can be read there. Later writes may be there or not,
    /// in any order. `None` while the secondary is being filled, or can not be reached.
    pub time: Option<OffsetDateTime>,
    /// `live`, `bootstrap` or `unavailable`.
    pub status: String,
    /// When it was asked.
    pub(super) asked: Instant,
}

impl LastSync {
    /// How far behind the secondary is at `now`, which is a wall-clock time.
    #[must_use]
    pub fn lag(&self, now: OffsetDateTime) -> Option<Duration> {
        Some((now - self.time?).try_into().unwrap_or(Duration::ZERO))
    }
}

impl Account {
    /// As a header's value.
    pub(super) fn last_sync_text(&self) -> Option<String> {
        let time = self.last_sync.lock().as_ref()?.time?;
        Some(azure_core::time::to_rfc7231(&time))
    }
}

/// Asks for the Last Sync Time in the background, if it was not asked for lately.
#[cfg(not(feature = "azure-storage"))]
pub(super) const fn refresh(_: &std::sync::Arc<Account>) {}

#[cfg(feature = "azure-storage")]
pub(super) use with_storage::refresh;

#[cfg(feature = "azure-storage")]
mod with_storage {
    use std::sync::Arc;

    use azure_core::http::headers::{ACCEPT, HeaderName};
    use azure_core::http::{Method, Request, StatusCode, Url};
    use azure_core::time::{OffsetDateTime, parse_rfc7231};
    use azure_core::xml::from_xml;
    use futures_util::StreamExt;
    use serde::Deserialize;
    use tokio::runtime::Handle;
    use tower_service::Service;

    use super::LastSync;
    use crate::azure::policy::{Next, PolicyCall};
    use crate::azure::storage::account::{Account, Accounts};
    use crate::azure::storage::host;
    use crate::azure::until::until;
    use crate::sync::Ordering;

    pub(in crate::azure::storage) fn refresh(account: &Arc<Account>) {
        let Some(accounts) = account.accounts.upgrade() else { return };
        let known = account.last_sync.lock().as_ref().map(|sync| sync.asked);
        let now = accounts.clock.now();
        let is_fresh =
            known.is_some_and(|asked| now.since(asked) < accounts.settings.sync_interval);
        if is_fresh || !account.has_secondary(&accounts.clock) {
            return;
        }
        let (Ok(runtime), Some(call)) = (Handle::try_current(), account.probe()) else { return };
        if account.is_polling.swap(true, Ordering::SeqCst) {
            return;
        }
        let polling = Polling(Arc::clone(account));
        drop(runtime.spawn(async move {
            let account = &polling.0;
            let end = accounts.clock.now() + accounts.settings.probe_timeout;
            let said = until(&accounts.clock, Some(end), ask(call, &accounts)).await.flatten();
            let mut last = account.last_sync.lock();
            let (time, status) = said.unwrap_or_else(|| {
                // What was known stays true: it only gets older.
                (last.as_ref().and_then(|last| last.time), "unknown".to_owned())
            });
            *last = Some(LastSync { time, status, asked: now });
        }));
    }

    /// The task that asks. However it ends, another one may begin.
    struct Polling(Arc<Account>);

    impl Drop for Polling {
        fn drop(&mut self) {
            self.0.is_polling.store(false, Ordering::SeqCst);
        }
    }

    /// More than this of an answer is not read.
    const MOST_BYTES: usize = 64 << 10;

    /// The request `call` made into one for the statistics of the secondary.
    fn request(call: &PolicyCall, accounts: &Accounts) -> Option<Request> {
        let twins = &accounts.settings.twins;
        let read = call.request();
        let secondary = host::secondary_of(read.url(), twins)?;
        let mut url: Url = host::root_of(&secondary, twins);
        // What signs the address itself belongs to it; what was asked for does not.
        let signature: Vec<(String, String)> = read
            .url()
            .query_pairs()
            .filter(|(name, _)| SIGNATURE.contains(&&**name))
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        url.query_pairs_mut()
            .clear()
            .append_pair("restype", "service")
            .append_pair("comp", "stats")
            .extend_pairs(signature);
        let mut request = Request::new(url, Method::Get);
        request.insert_header(ACCEPT, "application/xml");
        if let Some(version) = read.headers().get_optional_str(&VERSION) {
            request.insert_header(VERSION, version.to_owned());
        }
        Some(request)
    }

    const VERSION: HeaderName = HeaderName::from_static("x-ms-version");

    /// The parameters of a shared access signature.
    const SIGNATURE: [&str; 17] = [
        "sv", "ss", "srt", "sp", "st", "se", "sip", "spr", "sig", "sr", "si", "skoid", "sktid",
        "skt", "ske", "sks", "skv",
    ];

    async fn ask(
        mut call: PolicyCall,
        accounts: &Accounts,
    ) -> Option<(Option<OffsetDateTime>, String)> {
        *call.request_mut() = request(&call, accounts)?;
        let answer = Next::new().call(call).await.ok()?;
        let (status, _, mut body) = answer.deconstruct();
        if status != StatusCode::Ok {
            return None;
        }
        let mut whole = Vec::new();
        while let Some(bytes) = body.next().await {
            whole.extend_from_slice(&bytes.ok()?);
            if whole.len() > MOST_BYTES {
                return None;
            }
        }
        parse(&whole)
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Statistics {
        geo_replication: GeoReplication,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct GeoReplication {
        status: String,
        /// Empty while there is none.
        #[serde(default)]
        last_sync_time: String,
    }

    fn parse(body: &[u8]) -> Option<(Option<OffsetDateTime>, String)> {
        let Statistics { geo_replication } = from_xml(body).ok()?;
        let GeoReplication { status, last_sync_time } = geo_replication;
        Some((parse_rfc7231(&last_sync_time).ok(), status))
    }

    #[cfg(all(test, not(seawall_loom)))]
    mod tests {
        use super::*;

        fn stats(inner: &str) -> Option<(bool, String)> {
            let text = format!(
                "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><StorageServiceStats>\
                 <GeoReplication>{inner}</GeoReplication></StorageServiceStats>"
            );
            parse(text.as_bytes()).map(|(time, status)| (time.is_some(), status))
        }

        #[test]
        fn statistics_are_read_as_the_service_writes_them() {
            for (inner, expected) in [
                (
                    "<Status>live</Status><LastSyncTime>Mon, 19 Oct 2026 22:28:43 GMT</LastSyncTime>",
                    Some((true, "live")),
                ),
                (
                    "<Status>bootstrap</Status><LastSyncTime></LastSyncTime>",
                    Some((false, "bootstrap")),
                ),
                ("<Status>unavailable</Status><LastSyncTime/>", Some((false, "unavailable"))),
                ("<Status>unavailable</Status>", Some((false, "unavailable"))),
                ("<LastSyncTime/>", None),
            ] {
                let expected = expected.map(|(known, status)| (known, status.to_owned()));
                assert_eq!(stats(inner), expected, "{inner}");
            }
        }
    }
}
