//! The credentials of a dependency.

use std::fmt;
use std::sync::Arc;

use azure_core::credentials::TokenCredential;

use crate::azure::credential::{Config, Credential};
use crate::error::InvalidConfig;
use crate::health::Check;
use crate::sync::Mutex;
use crate::telemetry::Environment;

/// Wraps credentials, and remembers them for their checks.
pub(super) struct Credentials {
    config: Config,
    environment: Environment,
    made: Mutex<Vec<Credential>>,
}

/// More credentials than these have no check.
const MOST_CHECKED: usize = 16;

impl Credentials {
    pub(super) fn new(config: Config, environment: &Environment) -> Result<Self, InvalidConfig> {
        config.validate()?;
        Ok(Self { config, environment: environment.clone(), made: Mutex::default() })
    }

    pub(super) fn wrap(&self, inner: Arc<dyn TokenCredential>) -> Arc<dyn TokenCredential> {
        let credential = self.config.build_in(inner, &self.environment);
        let credential = credential.expect("checked when this was built");
        let mut made = self.made.lock();
        if made.len() < MOST_CHECKED {
            made.push(credential.clone());
        }
        drop(made);
        Arc::new(credential)
    }

    pub(super) fn checks(&self) -> Vec<Check> {
        self.made.lock().iter().map(Credential::check).collect()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("config", &self.config).finish_non_exhaustive()
    }
}
