//! The metadata service of a virtual machine.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::Response;
use serde_json::json;

use super::{Fake, json_answer};
use crate::seen::Seen;

/// Tells a machine what it is, and gives it tokens for its identity.
#[derive(Debug)]
pub struct MetadataService {
    fake: Fake,
    script: Arc<Mutex<VecDeque<u16>>>,
}

impl MetadataService {
    /// Starts one at a free port.
    ///
    /// # Panics
    ///
    /// If there is no loopback port.
    pub async fn start() -> Self {
        let script = Arc::<Mutex<VecDeque<u16>>>::default();
        let fake = {
            let script = Arc::clone(&script);
            Fake::start(move |request| {
                let next = script.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                answer(request, next.unwrap_or(200))
            })
        };
        Self { fake: fake.await, script }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.fake.address()
    }

    /// Answers the next requests with these statuses, each with the next one, and is well after that.
    pub fn next(&self, statuses: impl IntoIterator<Item = u16>) {
        self.script.lock().unwrap_or_else(PoisonError::into_inner).extend(statuses);
    }

    /// All requests that came in so far, the oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Seen> {
        self.fake.requests()
    }
}

fn answer(request: &Seen, status: u16) -> Response<String> {
    let asked_well = request.headers.get("metadata").is_some_and(|value| value == "true")
        && request.query.contains("api-version=");
    match (request.path.trim_end_matches('/'), status, asked_well) {
        (_, 200, false) => json_answer(400, &json!({"error": "Bad request"})),
        ("/metadata/identity/oauth2/token", 200, true) => {
            let end = SystemTime::now() + Duration::from_secs(3600);
            let end = end.duration_since(UNIX_EPOCH).expect("it is past 1970").as_secs();
            let body = json!({
                "access_token": "token",
                "expires_in": "3600",
                "expires_on": end.to_string(),
                "resource": "https://storage.azure.com/",
                "token_type": "Bearer",
            });
            json_answer(200, &body)
        }
        ("/metadata/instance", 200, true) => {
            let body = json!({"compute": {
                "location": "westeurope",
                "zone": "2",
                "physicalZone": "westeurope-AZ01",
                "platformFaultDomain": "1",
                "platformUpdateDomain": "0",
                "name": "orders_3",
                "vmId": "13f56399-bd52-4150-9748-7190aae1ff21",
                "vmScaleSetName": "orders",
            }});
            json_answer(200, &body)
        }
        (_, 200, true) => json_answer(404, &json!({"error": "Not found"})),
        (_, status, _) => json_answer(status, &json!({"error": "as it was told"})),
    }
}
