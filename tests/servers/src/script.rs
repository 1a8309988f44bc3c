//! A transport without a network, for time that does not pass.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, HttpClient, Request, Transport};

/// Gives the answers of a script, one for each request, and the last of them for ever.
#[derive(Debug)]
pub struct Script {
    answers: Mutex<VecDeque<Scripted>>,
    requests: Mutex<Vec<Request>>,
}

/// A status, and headers.
type Scripted = (u16, Vec<(&'static str, String)>);

impl Script {
    /// # Panics
    ///
    /// Later, if there are no answers.
    #[must_use]
    pub fn new(answers: impl IntoIterator<Item = Scripted>) -> Arc<Self> {
        let answers = Mutex::new(answers.into_iter().collect());
        Arc::new(Self { answers, requests: Mutex::default() })
    }

    /// As the SDK's options take it.
    #[must_use]
    pub fn transport(self: &Arc<Self>) -> Transport {
        Transport::new(Arc::<Self>::clone(self))
    }

    /// All requests so far, the oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl HttpClient for Script {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        let (status, headers) = match answers.len() {
            1 => answers.front().cloned(),
            _ => answers.pop_front(),
        }
        .expect("there is an answer");
        let mut answer = Headers::new();
        for (name, value) in headers {
            answer.insert(name, value);
        }
        Ok(AsyncRawResponse::from_bytes(status.into(), answer, ""))
    }
}
