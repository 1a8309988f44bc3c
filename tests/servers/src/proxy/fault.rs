//! What a proxy does to which requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Method;

use crate::seen::Seen;

/// Which requests: all that have everything it names.
#[derive(Clone, Debug, Default)]
pub struct When {
    method: Option<Method>,
    path: Option<String>,
    query: Option<String>,
    skip: usize,
    times: Option<usize>,
}

impl When {
    /// Every request.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// Of this method.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.method = Some(method);
        self
    }

    /// With this in the path.
    #[must_use]
    pub fn path(mut self, part: &str) -> Self {
        self.path = Some(part.to_owned());
        self
    }

    /// With this in the query.
    #[must_use]
    pub fn query(mut self, part: &str) -> Self {
        self.query = Some(part.to_owned());
        self
    }

    /// Not the first `count` of them. For faults only.
    #[must_use]
    pub fn skip(mut self, count: usize) -> Self {
        self.skip = count;
        self
    }

    /// No more than `count` of them. For faults only.
    #[must_use]
    pub fn times(mut self, count: usize) -> Self {
        self.times = Some(count);
        self
    }

    pub(super) fn holds(&self, seen: &Seen) -> bool {
        self.method.as_ref().is_none_or(|method| *method == seen.method)
            && self.path.as_ref().is_none_or(|part| seen.path.contains(part))
            && self.query.as_ref().is_none_or(|part| seen.query.contains(part))
    }
}

/// What is done to a request or to its answer.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is never answered, and the server never sees it.
    Hang,
    /// The connection is reset, and the server never sees it.
    Reset,
    /// The server answers it, and the connection is reset instead.
    LoseAnswer,
    /// The connection is reset after so many bytes of the answer's body.
    CutAnswer(usize),
    /// It is passed on later.
    Delay(Duration),
    /// The answer's body comes in at so many bytes a second.
    Slow(u32),
    /// This is the answer, and the server never sees it.
    Answer { status: u16, headers: Vec<(&'static str, String)>, body: String },
}

impl Fault {
    /// An answer of this status and no more.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::Answer { status, headers: Vec::new(), body: String::new() }
    }

    /// The same answer with this header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name, value.to_string()));
        }
        self
    }

    /// The same answer with this body.
    #[must_use]
    pub fn body(mut self, text: &str) -> Self {
        if let Self::Answer { body, .. } = &mut self {
            text.clone_into(body);
        }
        self
    }
}

/// A fault that a proxy was told to make.
#[derive(Clone, Debug)]
pub struct Rule {
    when: When,
    fault: Fault,
    matched: Arc<AtomicUsize>,
}

impl Rule {
    pub(super) fn new(when: When, fault: Fault) -> Self {
        Self { when, fault, matched: Arc::default() }
    }

    /// How many requests it was asked about that it names, the skipped ones and those after it was used up included.
    #[must_use]
    pub fn matched(&self) -> usize {
        self.matched.load(Ordering::Relaxed)
    }

    pub(super) fn applies(&self, seen: &Seen) -> Option<Fault> {
        if !self.when.holds(seen) {
            return None;
        }
        let before = self.matched.fetch_add(1, Ordering::Relaxed);
        let left = before.checked_sub(self.when.skip)?;
        self.when.times.is_none_or(|times| left < times).then(|| self.fault.clone())
    }
}
