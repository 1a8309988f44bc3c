//! Why a registry could not be started.

use std::error::Error;
use std::fmt;

/// [`Registry::start`](super::Registry::start) was not called in a tokio runtime.
///
/// # Example
///
/// ```
/// use seawall::health::{NoRuntime, Registry};
///
/// let error: NoRuntime = Registry::new().start().unwrap_err();
///
/// assert_eq!(error.to_string(), "not called in a tokio runtime");
/// ```
#[derive(Clone, Debug)]
pub struct NoRuntime {
    _private: (),
}

impl NoRuntime {
    pub(super) const fn new() -> Self {
        Self { _private: () }
    }
}

impl fmt::Display for NoRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not called in a tokio runtime")
    }
}

impl Error for NoRuntime {}
