//! What is known of each account.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use azure_core::http::headers::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use azure_core::http::{Context, Method, Url};

use super::ReadAccess;
use super::core::{Core, Moved, Params};
use super::host::account_of;
use super::place::Location;
use super::probe;
use super::sync::LastSync;
use crate::azure::contract::Contract;
use crate::azure::policy::PolicyCall;
use crate::circuit_breaker::CircuitBreaker;
use crate::gate::Keyed;
use crate::sync::{AtomicBool, Mutex, Ordering};
use crate::telemetry::{Emitter, EventKind};
use crate::time::{Clock, Instant};

/// All accounts that a dependency's calls went to, by authority.
#[derive(Debug)]
pub(in crate::azure) struct Accounts {
    pub(super) settings: ReadAccess,
    pub(super) clock: Clock,
    pub(super) contract: Contract,
    breakers: Option<Keyed<String, CircuitBreaker>>,
    emitter: Emitter,
    known: Mutex<HashMap<String, Arc<Account>>>,
}

const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

/// Further ones are served by their primary alone.
const MOST_ACCOUNTS: usize = 64;

impl Accounts {
    pub(in crate::azure) fn new(
        settings: ReadAccess,
        breakers: Option<Keyed<String, CircuitBreaker>>,
        emitter: Emitter,
        contract: Contract,
        clock: Clock,
    ) -> Arc<Self> {
        Arc::new(Self { settings, clock, contract, breakers, emitter, known: Mutex::default() })
    }

    /// That of `url`. `None` if there are too many.
    pub(super) fn of(self: &Arc<Self>, url: &Url) -> Option<Arc<Account>> {
        let key = account_of(url, &self.settings.twins);
        let mut known = self.known.lock();
        if let Some(account) = known.get(&key) {
            return Some(Arc::clone(account));
        }
        if known.len() >= MOST_ACCOUNTS {
            return None;
        }
        let account = known.entry(key.clone()).or_insert_with(|| {
            Arc::new(Account {
                key,
                authority: authority(url),
                accounts: Arc::downgrade(self),
                core: Mutex::default(),
                is_away: AtomicBool::new(false),
                secondary_gone_until: Mutex::new(None),
                last_sync: Mutex::new(None),
                template: Mutex::new(None),
                is_probing: AtomicBool::new(false),
                #[cfg(feature = "azure-storage")]
                is_polling: AtomicBool::new(false),
            })
        });
        Some(Arc::clone(account))
    }

    pub(in crate::azure) fn status(&self) -> Vec<Status> {
        let accounts: Vec<_> = self.known.lock().values().cloned().collect();
        accounts.iter().map(|account| account.status(&self.clock)).collect()
    }
}

/// The two places of one account.
#[derive(Debug)]
pub(super) struct Account {
    key: String,
    authority: String,
    pub(super) accounts: Weak<Accounts>,
    core: Mutex<Core>,
    /// That the core says so, for who has no time to ask it.
    is_away: AtomicBool,
    secondary_gone_until: Mutex<Option<Instant>>,
    pub(super) last_sync: Mutex<Option<LastSync>>,
    /// A call of the primary, to be made again as a probe, and when it was kept.
    template: Mutex<Option<(Instant, PolicyCall)>>,
    pub(super) is_probing: AtomicBool,
    #[cfg(feature = "azure-storage")]
    pub(super) is_polling: AtomicBool,
}

impl Account {
    /// Whether reads begin at the secondary.
    pub(super) fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
    }

    pub(super) fn has_secondary(&self, clock: &Clock) -> bool {
        let mut gone = self.secondary_gone_until.lock();
        match *gone {
            Some(until) if !clock.has_passed(until) => false,
            Some(_) => {
                *gone = None;
                true
            }
            None => true,
        }
    }

    /// Its name does not exist: nothing is to be had there for a while.
    pub(super) fn lose_secondary(&self, accounts: &Accounts) {
        let until = accounts.clock.now() + accounts.settings.gone_for;
        let before = self.secondary_gone_until.lock().replace(until);
        if before.is_none() {
            accounts.emitter.emit(EventKind::StateChanged { from: "readable", to: "gone" });
        }
    }

    /// Keeps a call for probes, without what its caller said of it. A newer one takes its place now
    /// and then, as signatures in addresses end.
    pub(super) fn remember(&self, call: &PolicyCall, accounts: &Accounts) {
        let now = accounts.clock.now();
        let mut template = self.template.lock();
        let is_fresh = template
            .as_ref()
            .is_some_and(|(kept, _)| now.since(*kept) < accounts.settings.sync_interval);
        if !is_fresh {
            *template = Some((now, as_probe(call)));
        }
    }

    /// The cheapest request that shows whether the primary answers: the head of what was called.
    pub(super) fn probe(&self) -> Option<PolicyCall> {
        self.template.lock().as_ref().map(|(_, call)| call.clone())
    }

    pub(super) fn observe(self: &Arc<Self>, accounts: &Accounts, is_well: bool) {
        let (now, params) = (accounts.clock.now(), accounts.settings.params());
        let moved = {
            let mut core = self.core.lock();
            let moved = core.observe(is_well, now, &params);
            self.is_away.store(core.away_since().is_some(), Ordering::Relaxed);
            moved
        };
        if moved == Some(Moved::Away) {
            accounts.emitter.emit(changed(Location::Primary, Location::Secondary));
            probe::begin(self);
        }
    }

    pub(super) fn probed(&self, accounts: &Accounts, is_well: bool, sent: Instant) {
        let (now, params) = (accounts.clock.now(), accounts.settings.params());
        let moved = {
            let mut core = self.core.lock();
            let moved = core.probed(is_well, sent, now, &params);
            self.is_away.store(core.away_since().is_some(), Ordering::Relaxed);
            moved
        };
        if moved == Some(Moved::Back) {
            if let Some(breakers) = &accounts.breakers
                && let Some(breaker) = breakers.get(self.authority.as_str())
            {
                breaker.reset();
            }
            accounts.emitter.emit(changed(Location::Secondary, Location::Primary));
        }
    }

    fn status(&self, clock: &Clock) -> Status {
        let away = self.core.lock().away_since();
        Status {
            account: self.key.clone(),
            reads_from: if away.is_some() { Location::Secondary } else { Location::Primary },
            away_for: away.map(|since| clock.now().since(since)),
            secondary_is_there: self.has_secondary(clock),
            last_sync: self.last_sync.lock().clone(),
        }
    }
}

fn as_probe(call: &PolicyCall) -> PolicyCall {
    let mut call = call.clone();
    *call.context_mut() = Context::new();
    let request = call.request_mut();
    request.set_method(Method::Head);
    request.set_body(Vec::new());
    for name in [CONTENT_LENGTH, CONTENT_TYPE, CONTENT_MD5] {
        let _ = request.headers_mut().remove(name);
    }
    call
}

fn changed(from: Location, to: Location) -> EventKind {
    EventKind::StateChanged { from: from.name(), to: to.name() }
}

impl ReadAccess {
    const fn params(&self) -> Params {
        Params { failures: self.failures, hold: self.hold }
    }
}

/// Where an account is read, and how far behind its secondary is.
///
/// # Example
///
/// ```
/// use seawall::azure::Resilience;
/// use seawall::azure::storage::ReadAccess;
///
/// let orders = Resilience::storage("orders").read_access(ReadAccess::new()).build()?;
///
/// // Nothing was called yet.
/// assert!(orders.accounts().is_empty());
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Status {
    /// The primary's host, with its port if it has one of its own, and with the account's name where
    /// that stands in the path.
    pub account: String,
    /// Where reads begin.
    pub reads_from: Location,
    /// How long they have begun at the secondary.
    pub away_for: Option<Duration>,
    /// Whether the secondary's name exists, as far as is known.
    pub secondary_is_there: bool,
    /// What the secondary last said of itself.
    pub last_sync: Option<LastSync>,
}

/// The part of `url` that has its own state: host and port.
pub(in crate::azure) fn authority(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => String::new(),
    }
}
