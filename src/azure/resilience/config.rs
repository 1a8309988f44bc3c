//! Settings of a dependency.

use azure_core::http::Transport;

use super::Resilience;
use crate::azure::contract::Contract;
use crate::azure::credential;
use crate::azure::storage::ReadAccess;
use crate::error::InvalidConfig;
use crate::stack;
use crate::telemetry::Environment;

/// Settings of a [`Resilience`], with the service's own contract as the default.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::azure::Resilience;
///
/// let orders = Resilience::storage("orders")
///     .stack(|stack| {
///         stack.total_timeout(Duration::from_secs(10)).attempt_timeout(Duration::from_secs(3))
///     })
///     .keep_bodies_up_to(1 << 20)
///     .build()?;
/// # let _ = orders;
///
/// let error = Resilience::storage("orders").max_authorities(0).build().unwrap_err();
/// assert_eq!(error.field(), "max_authorities");
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Config {
    pub(super) name: String,
    pub(super) contract: Contract,
    pub(super) stack: stack::Config,
    pub(super) keep_bodies_up_to: u64,
    pub(super) body_deadline: bool,
    pub(super) max_authorities: usize,
    pub(super) read_access: Option<ReadAccess>,
    pub(super) transport: Option<Transport>,
    pub(super) credential: credential::Config,
}

impl Config {
    pub(super) fn new(name: String, contract: Contract) -> Self {
        Self {
            stack: contract.stack(),
            credential: credential::Config::default(),
            name,
            contract,
            keep_bodies_up_to: 8 << 20,
            body_deadline: true,
            max_authorities: 64,
            read_access: None,
            transport: None,
        }
    }

    /// Changes timeouts, retry, breaker, bulkhead and rate limit.
    ///
    /// Who shortens the total timeout below the attempt timeout of the service's contract must
    /// shorten that one, too. The breaker is the pattern for one per authority; the total timeout
    /// is the default of [`CallOptions::deadline`](super::CallOptions::deadline).
    ///
    /// Default: [`Contract::stack`] of the service.
    pub fn stack(mut self, change: impl FnOnce(stack::Config) -> stack::Config) -> Self {
        self.stack = change(self.stack);
        self
    }

    /// Judges answers, and tells what may be repeated.
    ///
    /// Default: the contract of the service that the dependency was made for.
    pub fn contract(mut self, contract: Contract) -> Self {
        self.contract = contract;
        self
    }

    /// Bodies of answers up to this size, in bytes, are read within the attempt, so that one that
    /// breaks off is asked for again. What is larger, or of unknown size, is handed on as it comes,
    /// and keeps its place in the bulkhead until it ends.
    ///
    /// Default: 8 MiB, twice the parts in which the SDK downloads.
    pub const fn keep_bodies_up_to(mut self, bytes: u64) -> Self {
        self.keep_bodies_up_to = bytes;
        self
    }

    /// Whether a body that is handed on as it comes ends with the call's deadline. `false` for
    /// downloads that may take longer.
    ///
    /// Default: `true`.
    pub const fn body_deadline(mut self, body_deadline: bool) -> Self {
        self.body_deadline = body_deadline;
        self
    }

    /// The most authorities that have a breaker of their own. The one that was idle for longest
    /// gives way.
    ///
    /// Default: 64.
    pub const fn max_authorities(mut self, authorities: usize) -> Self {
        self.max_authorities = authorities;
        self
    }

    /// Reads from the secondary of storage accounts, too.
    ///
    /// Default: only from the primary.
    pub fn read_access(mut self, access: ReadAccess) -> Self {
        self.read_access = Some(access);
        self
    }

    /// The transport of all clients, so that they share one pool of connections.
    ///
    /// Default: what the client's options say, or the SDK's own, a new one per client.
    pub fn transport(mut self, transport: impl Into<Transport>) -> Self {
        self.transport = Some(transport.into());
        self
    }

    /// How tokens are kept, see [`Resilience::credential`].
    ///
    /// Default: [`credential::Config::default`].
    pub fn credential(mut self, credential: credential::Config) -> Self {
        self.credential = credential;
        self
    }

    /// Checks the settings, and builds the dependency's handle.
    ///
    /// # Errors
    ///
    /// Names the first field that makes no sense.
    pub fn build(&self) -> Result<Resilience, InvalidConfig> {
        self.build_in(&Environment::new())
    }

    /// Like [`build`](Self::build), with the clock, chance and observer of `environment`.
    ///
    /// # Errors
    ///
    /// Names the first field that makes no sense.
    pub fn build_in(&self, environment: &Environment) -> Result<Resilience, InvalidConfig> {
        Resilience::new(self.clone(), environment)
    }
}
