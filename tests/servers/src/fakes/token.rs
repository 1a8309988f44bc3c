//! The endpoint that gives tokens for the secret of an application.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{Method, Response};
use serde_json::json;

use super::{Fake, json_answer};
use crate::seen::Seen;

/// Gives tokens to who asks in the right form. Each is another: `token-1`, `token-2`, ...
#[derive(Debug)]
pub struct TokenEndpoint {
    fake: Fake,
    seconds: Arc<AtomicU64>,
}

impl TokenEndpoint {
    /// Starts one at a free port, whose tokens live for an hour.
    ///
    /// # Panics
    ///
    /// If there is no loopback port.
    pub async fn start() -> Self {
        let seconds = Arc::new(AtomicU64::new(3600));
        let given = AtomicU64::new(0);
        let fake = {
            let seconds = Arc::clone(&seconds);
            Fake::start(move |request| answer(request, &given, seconds.load(Ordering::Relaxed)))
        };
        Self { fake: fake.await, seconds }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.fake.address()
    }

    /// How long the tokens live that it gives from now on, to the second.
    pub fn life(&self, life: Duration) {
        self.seconds.store(life.as_secs(), Ordering::Relaxed);
    }

    /// All requests that came in so far, the oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Seen> {
        self.fake.requests()
    }
}

fn answer(request: &Seen, given: &AtomicU64, seconds: u64) -> Response<String> {
    let form = String::from_utf8_lossy(&request.body);
    let asks = ["client_id=", "client_secret=", "grant_type=client_credentials", "scope="];
    if request.method != Method::POST
        || !request.path.ends_with("/oauth2/v2.0/token")
        || !asks.iter().all(|field| form.contains(field))
    {
        let body = json!({
            "error": "invalid_request",
            "error_description": "not in the right form",
            "error_codes": [900_144],
            "timestamp": "",
            "trace_id": "",
            "correlation_id": "",
        });
        return json_answer(400, &body);
    }
    let number = given.fetch_add(1, Ordering::Relaxed) + 1;
    let body = json!({
        "token_type": "Bearer",
        "expires_in": seconds,
        "ext_expires_in": seconds,
        "access_token": format!("token-{number}"),
    });
    json_answer(200, &body)
}
