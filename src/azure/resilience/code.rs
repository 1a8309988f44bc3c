//! The code of an error that stands in the body of its answer.

use azure_core::Error;
use azure_core::error::ErrorResponse;
use azure_core::http::headers::{CONTENT_TYPE, HeaderName};
use azure_core::http::response::PinnedStream;
use azure_core::http::{AsyncRawResponse, StatusCode};
use azure_core::json::from_json;
use bytes::BytesMut;
use futures_util::{StreamExt, stream};

/// Where services that follow Azure's guidelines say it themselves.
const ERROR_CODE: HeaderName = HeaderName::from_static("x-ms-error-code");

/// More than this of a body is not looked through.
const MOST_BYTES: usize = 64 << 10;

/// `response` with the error's code in its header, where only the body has it: the stack judges by
/// heads.
///
/// Resource Manager, Azure OpenAI and others write `{"error": {"code": ...}}` and no header.
pub(super) async fn named(response: AsyncRawResponse) -> Result<AsyncRawResponse, Error> {
    if !is_error(response.status())
        || response.headers().get_optional_str(&ERROR_CODE).is_some()
        || !response.headers().get_optional_str(&CONTENT_TYPE).is_some_and(is_json)
    {
        return Ok(response);
    }
    let (status, mut headers, mut body) = response.deconstruct();
    let mut head = BytesMut::new();
    while let Some(bytes) = body.next().await {
        head.extend_from_slice(&bytes?);
        if head.len() > MOST_BYTES {
            let whole: PinnedStream = stream::iter([Ok(head.freeze())]).chain(body).boxed();
            return Ok(AsyncRawResponse::new(status, headers, whole));
        }
    }
    let head = head.freeze();
    if let Some(code) = code_of(&head) {
        headers.insert(ERROR_CODE, code);
    }
    Ok(AsyncRawResponse::from_bytes(status, headers, head))
}

fn is_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

fn is_json(kind: &str) -> bool {
    kind.split(';').next().is_some_and(|kind| {
        let kind = kind.trim();
        kind.eq_ignore_ascii_case("application/json") || kind.ends_with("+json")
    })
}

fn code_of(body: &[u8]) -> Option<String> {
    let ErrorResponse { error } = from_json(body).ok()?;
    let code = error?.code?;
    let is_word = code.len() <= 256 && code.bytes().all(|byte| byte.is_ascii_graphic());
    is_word.then_some(code)
}

#[cfg(all(test, not(seawall_loom)))]
mod tests {
    use super::*;

    #[test]
    fn only_a_word_is_a_code() {
        for (body, code) in [
            (r#"{"error":{"code":"content_filter","message":"no"}}"#, Some("content_filter")),
            (r#"{"error":{"code":"two words"}}"#, None),
            (r#"{"error":{"code":"a\r\nb: c"}}"#, None),
            (r#"{"error":{"code":429}}"#, None),
            (r#"{"error":null}"#, None),
            (r#"{"code":"Elsewhere"}"#, None),
            ("not JSON", None),
            ("", None),
        ] {
            assert_eq!(code_of(body.as_bytes()).as_deref(), code, "{body}");
        }
    }

    #[test]
    fn kinds_of_json_are_known() {
        for (kind, is) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/problem+json", true),
            ("application/xml", false),
            ("text/json5", false),
            ("", false),
        ] {
            assert_eq!(is_json(kind), is, "{kind}");
        }
    }
}
