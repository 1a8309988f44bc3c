//! Answers that tell of an error.

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

/// `response`, which tells of an error, with its body read and the error's code in its header,
/// where only the body has it: the stack judges by heads, and may keep the answer for longer than the
/// call has time to read it.
///
/// Resource Manager, Azure OpenAI and others write `{"error": {"code": ...}}` and no header. A body
/// that breaks off tells what it has told.
///
/// Whether the body was read to its end comes with it: more than 64 KiB are left to the caller.
pub(super) async fn told(response: AsyncRawResponse) -> (AsyncRawResponse, bool) {
    let (status, mut headers, mut body) = response.deconstruct();
    let mut head = BytesMut::new();
    while let Some(Ok(bytes)) = body.next().await {
        head.extend_from_slice(&bytes);
        if head.len() > MOST_BYTES {
            let whole: PinnedStream = stream::iter([Ok(head.freeze())]).chain(body).boxed();
            return (AsyncRawResponse::new(status, headers, whole), false);
        }
    }
    if headers.get_optional_str(&ERROR_CODE).is_none()
        && headers.get_optional_str(&CONTENT_TYPE).is_some_and(is_json)
        && let Some(code) = code_of(&head)
    {
        headers.insert(ERROR_CODE, code);
    }
    (AsyncRawResponse::from_bytes(status, headers, head.freeze()), true)
}

pub(super) fn is_failure(status: StatusCode) -> bool {
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
