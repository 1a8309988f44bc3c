//! What is expected of an answer over HTTP.

use std::error::Error;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Body;
use http_body_util::BodyExt;

use super::Finding;
use crate::error::InvalidConfig;

/// How much of a body is read, and held against a text.
pub(super) const MAX_BODY: usize = 64 * 1024;

/// The headers of the setting `field`; their values may be secrets.
pub(super) fn headers(
    field: &'static str,
    headers: &[(String, String)],
) -> Result<HeaderMap, InvalidConfig> {
    let wrong = || InvalidConfig::new(field, "a header's name and its value");
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::try_from(name).map_err(|_| wrong())?;
        let mut value = HeaderValue::try_from(value).map_err(|_| wrong())?;
        value.set_sensitive(true);
        map.append(name, value);
    }
    Ok(map)
}

/// A text that a body is to contain: from 1 to 1,024 bytes.
pub(super) fn text(text: Option<&String>) -> Result<Option<Bytes>, InvalidConfig> {
    match text {
        Some(text) if !(1..=1_024).contains(&text.len()) => {
            Err(InvalidConfig::new("body_contains", "from 1 to 1,024 bytes long"))
        }
        text => Ok(text.map(|text| Bytes::copy_from_slice(text.as_bytes()))),
    }
}

/// The first of the `expected` headers that is not among those `answered`.
pub(super) fn missing<'a>(expected: &'a HeaderMap, answered: &HeaderMap) -> Option<&'a HeaderName> {
    expected
        .iter()
        .find(|(name, value)| !answered.get_all(*name).iter().any(|found| found == *value))
        .map(|(name, _)| name)
}

/// Fails unless `text` is in the first [`MAX_BODY`] bytes of `body`.
pub(super) async fn find<B>(text: &[u8], mut body: B) -> Result<(), Finding>
where
    B: Body<Data = Bytes, Error: Error + 'static> + Unpin,
{
    let mut read = Vec::new();
    while read.len() < MAX_BODY
        && let Some(frame) = body.frame().await
    {
        let frame = frame.map_err(|error| Finding::down(root(&error)))?;
        let Ok(data) = frame.into_data() else { break };
        let room = MAX_BODY - read.len();
        // A text may begin in what was there before.
        let from = read.len().saturating_sub(text.len() - 1);
        read.extend_from_slice(&data[..data.len().min(room)]);
        if read[from..].windows(text.len()).any(|part| part == text) {
            return Ok(());
        }
    }
    Err(Finding::down("the body is not as expected"))
}

/// What is at the bottom of `error`: the causes above only say that they have one.
pub(super) fn root<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root
}
