//! One dependency on Azure: the stack around all clients of it.
//!
//! # Example
//!
//! Three lines for any client of the SDK:
//!
//! ```
//! # #[cfg(feature = "azure-storage")] {
//! # use std::sync::Arc;
//! # use azure_core::credentials::TokenCredential;
//! use azure_storage_blob::{BlobServiceClient, BlobServiceClientOptions};
//! use seawall::azure::Resilience;
//! # fn wrap(credential: Arc<dyn TokenCredential>) -> Result<(), Box<dyn std::error::Error>> {
//!
//! let orders = Resilience::storage("orders").build()?;
//! let options =
//!     BlobServiceClientOptions { client_options: orders.client_options(), ..Default::default() };
//! let url = "https://orders.blob.core.windows.net".parse()?;
//! let client = BlobServiceClient::new(url, Some(orders.credential(credential)), Some(options))?;
//! # let _ = client;
//! # Ok(())
//! # }
//! # }
//! ```
//!
//! # What a call goes through
//!
//! Deadline ▸ rate limit ▸ retry, with one budget ▸ choice of the place ▸ a breaker per authority ▸
//! attempt timeout ▸ bulkhead ▸ the SDK's own policies, authentication among them ▸ transport.
//!
//! Retry stands above the SDK's authentication: each attempt is signed afresh, for the host that it
//! goes to, and starts from the whole body. The SDK's own retry is switched off.
//!
//! - What is repeated, and what an answer means, is the [`Contract`] of the service.
//! - A wait that the service asks for and that does not fit the deadline ends the call at once, with
//!   the service's own answer.
//! - A call that may have been executed and is not safe to repeat ends as it failed; its error
//!   [is ambiguous](super::is_ambiguous), or its answer has the header `x-resilience-ambiguous`. A
//!   caller who can tell gives a [look](CallOptions::verify) along.
//! - A body that is a stream is put back before it is sent again. If that fails, the call ends with
//!   the answer that it had.
//! - Timeouts and places hold until the answer's body has ended.
//!
//! # Headers of an answer
//!
//! | header | says |
//! |---|---|
//! | `x-resilience-attempts` | how many attempts were made |
//! | `x-resilience-served-by` | the host and port that answered |
//! | `x-resilience-ambiguous` | `true` if nobody knows whether the call took effect |
//! | `x-resilience-last-sync` | up to when the secondary that answered has all that was written |
//!
//! Errors of the SDK keep them: they are in the raw response of
//! [`ErrorKind::HttpResponse`](azure_core::error::ErrorKind::HttpResponse).
//!
//! # Errors
//!
//! What the SDK returns, and rejections of the stack's policies: errors of kind `Other`, in which
//! [`Reject::rejection`](crate::error::Reject::rejection) finds them.
//!
//! # Cost
//!
//! Boxed futures and a copy of the request's head, per layer that needs its own: the SDK's policies
//! work on borrowed requests. `examples/azure` measures it, bin `overhead`.

mod answer;
mod attempt;
mod chain;
mod config;
mod credentials;
mod failure;
mod hold;
mod journey;
mod judge;
mod options;
mod policy;

pub use config::Config;
pub use options::CallOptions;

pub(super) use answer::AMBIGUOUS;
pub(super) use attempt::ready_call;
pub(super) use journey::Journey;
pub(super) use judge::Judge;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use azure_core::http::policies::Policy;
use azure_core::http::{ClientOptions, RetryOptions, Transport};

use self::chain::{Materials, may_be_repeated};
use self::credentials::Credentials;
use self::hold::HoldLayer;
use self::judge::JudgeErrors;
use self::policy::ResiliencePolicy;
use super::contract::Contract;
use super::policy::Erased;
use super::storage::{self, Accounts};
use crate::circuit_breaker::CircuitBreaker;
use crate::error::{Error, InvalidConfig, intern};
use crate::gate::Keyed;
use crate::health::{self, Check, Finding};
use crate::outcome::Classify;
use crate::replay::{Cloned, Safety};
use crate::stack::Stack;
use crate::sync::{AtomicBool, Ordering};
use crate::telemetry::{Emitter, Environment};
use crate::time::Clock;
use crate::timeout::Timeout;
use crate::{bulkhead, context};

/// A dependency on Azure, and the stack around all clients of it. [The module's page](self) has an
/// example.
///
/// A cheap handle: clones share the stack's state, and so do all clients that it is
/// [applied](Self::apply) to. Make one per dependency, not per client or call.
#[derive(Clone)]
pub struct Resilience {
    shared: Arc<Shared>,
}

struct Shared {
    name: &'static str,
    contract: Contract,
    stack: Stack,
    chain: Erased,
    total: Timeout,
    breakers: Option<Keyed<String, CircuitBreaker>>,
    bulkhead: Option<bulkhead::Bulkhead>,
    accounts: Option<Arc<Accounts>>,
    transport: Option<Transport>,
    credentials: Credentials,
    is_stacked: AtomicBool,
    clock: Clock,
}

/// By this, a stack in a client's options is found again.
const MARK: &str = "seawall::azure::Resilience";

impl Resilience {
    /// For a storage account: blobs, queues, tables, files.
    pub fn storage(name: impl Into<String>) -> Config {
        Config::new(name.into(), Contract::storage())
    }

    /// For a key vault or a managed HSM.
    pub fn key_vault(name: impl Into<String>) -> Config {
        Config::new(name.into(), Contract::key_vault())
    }

    /// For the clients that fetch tokens. Retries little, for credentials try again by themselves.
    pub fn identity(name: impl Into<String>) -> Config {
        Config::new(name.into(), Contract::identity())
    }

    /// For any service that speaks HTTP as Azure's guidelines ask for.
    pub fn generic(name: impl Into<String>) -> Config {
        Config::new(name.into(), Contract::generic())
    }

    /// For the service with this `contract`.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::azure::{Contract, Resilience};
    ///
    /// let deployments = Resilience::of(Contract::arm(), "deployments").build()?;
    /// assert_eq!(deployments.name(), "deployments");
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    pub fn of(contract: Contract, name: impl Into<String>) -> Config {
        Config::new(name.into(), contract)
    }

    fn new(config: Config, environment: &Environment) -> Result<Self, InvalidConfig> {
        let Config { name, contract, stack, keep_bodies_up_to, body_deadline, .. } = config;
        let stack = stack.name(name).build_in(environment)?;
        let (name, parts) = (stack.name(), stack.parts().clone());
        let Some(max_authorities) = std::num::NonZeroUsize::new(config.max_authorities) else {
            return Err(InvalidConfig::new("max_authorities", "at least 1"));
        };
        let breakers =
            parts.breaker.clone().map(|breaker| Keyed::bounded(breaker, max_authorities));
        if let Some(access) = &config.read_access {
            access.check().map_err(|error| error.within("read_access"))?;
        }
        let clock = environment.clock.clone();
        let accounts = config.read_access.map(|access| {
            let emitter = Emitter::new("read_access", name, environment);
            Accounts::new(access, breakers.clone(), emitter, contract, clock.clone())
        });
        let credentials = Credentials::new(config.credential, name, environment)
            .map_err(|error| error.within("credential"))?;
        let hold = HoldLayer {
            bulkhead: parts.bulkhead.clone(),
            keep_up_to: keep_bodies_up_to,
            body_deadline,
            policy: name,
            clock: clock.clone(),
        };
        let chain = chain::build(Materials {
            contract,
            parts: parts.clone(),
            breakers: breakers.clone(),
            accounts: accounts.clone(),
            hold,
            policy: name,
        });
        let shared = Shared {
            name: intern(name),
            contract,
            stack,
            chain,
            total: parts.total,
            breakers,
            bulkhead: parts.bulkhead,
            accounts,
            transport: config.transport,
            credentials,
            is_stacked: AtomicBool::new(false),
            clock,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Options for a client, with this stack in them.
    #[must_use]
    pub fn client_options(&self) -> ClientOptions {
        let mut options = ClientOptions::default();
        self.apply(&mut options);
        options
    }

    /// Puts the stack into the options of a client: as the last of the policies per call, in place
    /// of the SDK's own retry. The transport is that of the dependency, if it has one and the
    /// options do not.
    ///
    /// Options that have a stack in them already are left with that one: two of them would
    /// multiply attempts. [`health`](Self::health) tells of it.
    ///
    /// # Example
    ///
    /// ```
    /// use azure_core::http::ClientOptions;
    /// use seawall::azure::Resilience;
    ///
    /// let orders = Resilience::generic("orders").build()?;
    ///
    /// let mut options = ClientOptions::default();
    /// orders.apply(&mut options);
    /// orders.apply(&mut options);
    /// assert_eq!(options.per_call_policies.len(), 1);
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    pub fn apply(&self, options: &mut ClientOptions) {
        options.retry = RetryOptions::none();
        if options.transport.is_none() {
            options.transport.clone_from(&self.shared.transport);
        }
        let is_there = |policy: &Arc<dyn Policy>| format!("{policy:?}").starts_with(MARK);
        if options.per_call_policies.iter().any(is_there) {
            self.shared.is_stacked.store(true, Ordering::Relaxed);
            return;
        }
        options.per_call_policies.push(self.policy());
    }

    /// The stack as a policy of the SDK, for pipelines that are put together by hand.
    #[must_use]
    pub fn policy(&self) -> Arc<dyn Policy> {
        Arc::new(ResiliencePolicy { shared: Arc::clone(&self.shared) })
    }

    /// Keeps the tokens of `inner`: refreshed ahead of time, by one call at a time, and used while
    /// refreshing fails. See [`credential`](super::credential).
    #[must_use]
    pub fn credential(&self, inner: Arc<dyn TokenCredential>) -> Arc<dyn TokenCredential> {
        self.shared.credentials.wrap(inner)
    }

    /// Runs an operation of a client that has no pipeline of HTTP, such as one over AMQP, through
    /// the same stack. Errors are judged by the service's contract.
    ///
    /// # Errors
    ///
    /// The last real failure of `operation`, or a rejection. One that may have been executed and is
    /// not safe to repeat [is ambiguous](super::is_ambiguous).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the operation's, with all that it holds.
    ///
    /// # Example
    ///
    /// ```
    /// use azure_core::error::{Error, ErrorKind};
    /// use seawall::azure::{Contract, Resilience};
    /// use seawall::replay::Safety;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let orders = Resilience::of(Contract::service_bus(), "orders").build()?;
    ///
    /// let sent = orders.run(Safety::Unsafe, || async {
    ///     // In place of a sender.
    ///     Ok::<_, Error>("accepted")
    /// });
    /// assert_eq!(sent.await?, "accepted");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run<T, F, Fut>(&self, safety: Safety, operation: F) -> azure_core::Result<T>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = azure_core::Result<T>>,
    {
        self.shared
            .stack
            .layer()
            .bare()
            .classify(JudgeErrors(self.shared.contract))
            .replay(Cloned::from(safety))
            .run(operation)
            .await
    }

    /// Like [`run`](Self::run), for errors of any type, judged by `classify`.
    ///
    /// # Errors
    ///
    /// The last real failure of `operation`, or a rejection.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the operation's, with all that it holds.
    pub async fn run_classified<T, E, C, F, Fut>(
        &self,
        safety: Safety,
        classify: C,
        operation: F,
    ) -> Result<T, Error<E>>
    where
        C: Classify<T, Error<E>> + Clone,
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let stack = self.shared.stack.layer().classify(classify);
        stack.replay(Cloned::from(safety)).run(operation).await
    }

    /// Checks for a [`Registry`](crate::health::Registry): the breakers, the bulkhead, the
    /// credentials that were wrapped before, where accounts are read, and whether the stack is used as it should be.
    #[must_use]
    pub fn health(&self) -> Vec<Check> {
        let shared = &self.shared;
        let name = shared.name;
        let mut checks = Vec::new();
        if let Some(breakers) = &shared.breakers {
            checks
                .push(health::policy::circuit_breakers(format!("azure/{name}/breakers"), breakers));
        }
        // What `run` goes through has no authority.
        let parts = shared.stack.parts();
        checks.extend(parts.breaker.as_ref().map(health::policy::circuit_breaker));
        checks.extend(shared.bulkhead.as_ref().map(health::policy::bulkhead));
        checks.extend(shared.credentials.checks());
        if let Some(accounts) = shared.accounts.clone() {
            let look = move || std::future::ready(places(&accounts.status()));
            checks.push(Check::new(format!("azure/{name}/places"), look).local().degraded_only());
        }
        let held = Arc::clone(shared);
        let look = move || {
            std::future::ready(if held.is_stacked.load(Ordering::Relaxed) {
                Finding::degraded("a client was given the stack twice")
            } else {
                Finding::healthy()
            })
        };
        checks.push(Check::new(format!("azure/{name}/once"), look).local().degraded_only());
        checks
    }

    /// Where each storage account is read, and how far behind its secondary is. Empty without
    /// [`read_access`](Config::read_access).
    #[must_use]
    pub fn accounts(&self) -> Vec<storage::Status> {
        self.shared.accounts.as_ref().map(|accounts| accounts.status()).unwrap_or_default()
    }

    /// The breaker of each authority that calls went to, such as `orders.blob.core.windows.net`.
    #[must_use]
    pub fn breakers(&self) -> Vec<(String, CircuitBreaker)> {
        self.shared.breakers.as_ref().map(Keyed::snapshot).unwrap_or_default()
    }

    /// The stack's own settings and state, for [`describe`](Stack::describe) and
    /// [`reload`](Stack::reload).
    #[must_use]
    pub fn stack(&self) -> &Stack {
        &self.shared.stack
    }

    /// The name that rejections, events and checks carry.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.shared.name
    }
}

fn places(accounts: &[storage::Status]) -> Finding {
    let away = accounts.iter().filter(|it| it.reads_from == storage::Location::Secondary).count();
    if away == 0 {
        Finding::healthy()
    } else {
        Finding::degraded(format_args!("{away} of {} accounts are read away", accounts.len()))
    }
}

impl fmt::Debug for Resilience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resilience")
            .field("name", &self.shared.name)
            .field("contract", &self.shared.contract.name())
            .finish_non_exhaustive()
    }
}
