//! A storage account, and the ways to show that one may use it.

use std::sync::Arc;

use async_trait::async_trait;
use azure_core::base64;
use azure_core::credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions};
use azure_core::hmac::hmac_sha256;
use azure_core::http::headers::{CONTENT_LENGTH, HeaderName};
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{Context, Request, Url};
use azure_core::time::{Duration, OffsetDateTime, to_rfc3339, to_rfc7231};
use serde_json::json;

/// A storage account: its name, and the key to all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    /// In base64.
    pub key: String,
}

impl Account {
    /// An account with a key of its own.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), key: base64::encode(format!("the key of {name}")) }
    }

    /// `url` with the right to everything in the account, for an hour.
    ///
    /// # Panics
    ///
    /// If the key is not base64.
    #[must_use]
    pub fn sas(&self, mut url: Url) -> Url {
        // Azure's own clocks may be behind.
        let from = time(OffsetDateTime::now_utc() - Duration::minutes(5));
        let until = time(OffsetDateTime::now_utc() + Duration::hours(1));
        let fields = [
            ("sv", "2020-08-04"),
            ("ss", "bq"),
            ("srt", "sco"),
            ("sp", "rwdlacup"),
            ("st", &from),
            ("se", &until),
            ("spr", "https,http"),
        ];
        let signed = ["sp", "ss", "srt", "st", "se", "sip", "spr", "sv"].map(|wanted| {
            let field = fields.iter().find(|(name, _)| *name == wanted);
            field.map_or("", |(_, value)| value)
        });
        let signature = self.sign(&format!("{}\n{}\n", self.name, signed.join("\n")));
        url.query_pairs_mut().extend_pairs(fields).append_pair("sig", &signature);
        url
    }

    /// Signs each attempt with the key. Goes among the policies of each try.
    #[must_use]
    pub fn shared_key(&self) -> Arc<dyn Policy> {
        Arc::new(SharedKey(self.clone()))
    }

    fn sign(&self, text: &str) -> String {
        hmac_sha256(text, &Secret::new(self.key.clone())).expect("the key is base64")
    }
}

/// The account that every Azurite has by itself.
impl Default for Account {
    fn default() -> Self {
        Self::new("devstoreaccount1")
    }
}

fn time(at: OffsetDateTime) -> String {
    to_rfc3339(&at.replace_nanosecond(0).expect("zero is a nanosecond"))
}

#[derive(Debug)]
struct SharedKey(Account);

#[async_trait]
#[expect(elided_lifetimes_in_paths, reason = "the trait is written that way")]
impl Policy for SharedKey {
    async fn send(
        &self,
        context: &Context,
        request: &mut Request,
        next: &[Arc<dyn Policy>],
    ) -> PolicyResult {
        request.insert_header("x-ms-date", to_rfc7231(&OffsetDateTime::now_utc()));
        let signature = self.0.sign(&self.text(request));
        let account = &self.0.name;
        request.insert_header("authorization", format!("SharedKey {account}:{signature}"));
        next[0].send(context, request, &next[1..]).await
    }
}

impl SharedKey {
    /// What is signed, as the storage services define it for versions from 2015 on.
    fn text(&self, request: &Request) -> String {
        let header = |name: &'static str| {
            request.headers().get_optional_str(&HeaderName::from_static(name)).unwrap_or("")
        };
        let length = match request.headers().get_optional_str(&CONTENT_LENGTH) {
            Some(length) => length.to_owned(),
            None => request.body().len().map_or(String::new(), |length| length.to_string()),
        };
        let mut lines = vec![request.method().as_ref().to_owned()];
        lines.extend(
            [
                header("content-encoding"),
                header("content-language"),
                if length == "0" { "" } else { &length },
                header("content-md5"),
                header("content-type"),
                header("date"),
                header("if-modified-since"),
                header("if-match"),
                header("if-none-match"),
                header("if-unmodified-since"),
                header("range"),
            ]
            .map(String::from),
        );
        let headers = request.headers().iter();
        let headers = headers.map(|(name, value)| (name.as_str(), value.as_str().trim()));
        let mut ours: Vec<_> = headers.filter(|(name, _)| name.starts_with("x-ms-")).collect();
        ours.sort_unstable();
        lines.extend(ours.iter().map(|(name, value)| format!("{name}:{value}")));
        lines.push(format!("/{}{}", self.0.name, request.url().path()));
        let mut query: Vec<_> = request.url().query_pairs().collect();
        query.sort_unstable();
        lines.extend(query.iter().map(|(name, value)| format!("{}:{value}", name.to_lowercase())));
        lines.join("\n")
    }
}

/// A credential whose token nobody signed: Azurite looks at what it says and no further.
#[derive(Debug)]
pub struct UnsignedToken;

#[async_trait]
impl TokenCredential for UnsignedToken {
    async fn get_token(
        &self,
        _: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let now = OffsetDateTime::now_utc();
        let end = now + Duration::hours(1);
        let head = json!({"alg": "none", "typ": "JWT"});
        let claims = json!({
            "aud": "https://storage.azure.com",
            "iss": "https://sts.windows.net/00000000-0000-0000-0000-000000000000/",
            "iat": now.unix_timestamp() - 60,
            "nbf": now.unix_timestamp() - 60,
            "exp": end.unix_timestamp(),
        });
        let [head, claims] = [head, claims].map(|part| base64::encode_url_safe(part.to_string()));
        Ok(AccessToken::new(format!("{head}.{claims}.none"), end))
    }
}
