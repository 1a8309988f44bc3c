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
    name: &'static str,
    made: Mutex<Vec<(Arc<dyn TokenCredential>, Credential)>>,
}

/// More credentials than these have no check, and are not found again.
const MOST_KEPT: usize = 16;

impl Credentials {
    pub(super) fn new(
        config: Config,
        name: &'static str,
        environment: &Environment,
    ) -> Result<Self, InvalidConfig> {
        config.validate()?;
        Ok(Self { config, environment: environment.clone(), name, made: Mutex::default() })
    }

    pub(super) fn wrap(&self, inner: Arc<dyn TokenCredential>) -> Arc<dyn TokenCredential> {
        let mut made = self.made.lock();
        if let Some((_, known)) = made.iter().find(|(known, _)| Arc::ptr_eq(known, &inner)) {
            return Arc::new(known.clone());
        }
        let config = match made.len() {
            0 => self.config.clone().name(self.name),
            more => self.config.clone().name(format!("{}/{}", self.name, more + 1)),
        };
        let credential = config.build_in(Arc::clone(&inner), &self.environment);
        let credential = credential.expect("checked when this was built");
        if made.len() < MOST_KEPT {
            made.push((inner, credential.clone()));
        }
        drop(made);
        Arc::new(credential)
    }

    pub(super) fn checks(&self) -> Vec<Check> {
        self.made.lock().iter().map(|(_, credential)| credential.check()).collect()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("config", &self.config).finish_non_exhaustive()
    }
}
