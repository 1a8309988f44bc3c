//! Key Vault: secrets and their versions.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use http::{Method, Response};
use serde_json::{Value, json};

use super::{Fake, json_answer};
use crate::seen::Seen;

/// A vault for secrets that asks who does not say who it is, and takes any token for good.
#[derive(Debug)]
pub struct Vault {
    fake: Fake,
    secrets: Arc<Mutex<Secrets>>,
}

/// The values of each secret, the oldest version first.
type Secrets = BTreeMap<String, Vec<String>>;

impl Vault {
    /// Its address for a client over [`Wire::to`](crate::Wire::to).
    pub const URL: &'static str = "https://seawall.vault.azure.net";

    /// Starts one at a free port.
    ///
    /// # Panics
    ///
    /// If there is no loopback port.
    pub async fn start() -> Self {
        let secrets = Arc::<Mutex<Secrets>>::default();
        let fake = {
            let secrets = Arc::clone(&secrets);
            Fake::start(move |request| {
                answer(request, &mut secrets.lock().unwrap_or_else(PoisonError::into_inner))
            })
        };
        Self { fake: fake.await, secrets }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.fake.address()
    }

    /// The values of all versions of the secret, the oldest first.
    #[must_use]
    pub fn versions(&self, name: &str) -> Vec<String> {
        let secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.get(name).cloned().unwrap_or_default()
    }

    /// How many requests came in to set a secret, with a token and without a body: those that a vault finds bad.
    #[must_use]
    pub fn empty(&self) -> usize {
        let requests = self.fake.requests();
        let empty = requests.iter().filter(|request| {
            request.method == Method::PUT
                && request.headers.contains_key("authorization")
                && request.body.is_empty()
        });
        empty.count()
    }

    /// All requests that came in so far, the oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Seen> {
        self.fake.requests()
    }
}

fn answer(request: &Seen, secrets: &mut Secrets) -> Response<String> {
    if !request.headers.contains_key("authorization") {
        let mut answer = json_answer(401, &error("Unauthorized"));
        let challenge = "Bearer authorization=\"https://login.microsoftonline.com/seawall\", \
                         resource=\"https://vault.azure.net\"";
        answer.headers_mut().insert("www-authenticate", challenge.parse().expect("a header"));
        return answer;
    }
    let mut path = request.path.split('/').filter(|part| !part.is_empty());
    let (Some("secrets"), Some(name), version) = (path.next(), path.next(), path.next()) else {
        return json_answer(404, &error("NotFound"));
    };
    if request.method == Method::PUT {
        let body = serde_json::from_slice::<Value>(&request.body);
        let Some(value) = body.ok().and_then(|body| Some(body["value"].as_str()?.to_owned()))
        else {
            return json_answer(400, &error("BadParameter"));
        };
        secrets.entry(name.to_owned()).or_default().push(value);
    }
    let versions = secrets.get(name).map_or(&[][..], Vec::as_slice);
    let number = match version {
        Some(version) => usize::from_str_radix(version, 16).unwrap_or(0),
        None => versions.len(),
    };
    match number.checked_sub(1).and_then(|index| versions.get(index)) {
        Some(value) => {
            let id = format!("{}/secrets/{name}/{number:032x}", Vault::URL);
            json_answer(200, &json!({"id": id, "value": value, "attributes": {"enabled": true}}))
        }
        None => json_answer(404, &error("SecretNotFound")),
    }
}

fn error(code: &str) -> Value {
    json!({"error": {"code": code, "message": code}})
}
