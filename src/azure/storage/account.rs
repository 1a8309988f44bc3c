//! What is known of each account.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use azure_core::http::{Context, Method, Url};

use super::ReadAccess;
use super::core::{Core, Moved, Params};
use super::place::Location;
use super::probe;
use super::sync::LastSync;
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
    breakers: Option<Keyed<String, CircuitBreaker>>,
    emitter: Emitter,
    known: Mutex<HashMap<String, Arc<Account>>>,
}

/// More than this many at once are not told apart from each other.
const MOST_ACCOUNTS: usize = 64;

impl Accounts {
    pub(in crate::azure) fn new(
        settings: ReadAccess,
        breakers: Option<Keyed<String, CircuitBreaker>>,
        emitter: Emitter,
        clock: Clock,
    ) -> Arc<Self> {
        Arc::new(Self { settings, clock, breakers, emitter, known: Mutex::default() })
    }

    pub(super) fn of(self: &Arc<Self>, key: &str) -> Arc<Account> {
        let mut known = self.known.lock();
        if let Some(account) = known.get(key) {
            return Arc::clone(account);
        }
        let key = if known.len() < MOST_ACCOUNTS { key } else { OTHERS };
        let account = known.entry(key.to_owned()).or_insert_with(|| {
            Arc::new(Account {
                key: key.to_owned(),
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
        Arc::clone(account)
    }

    pub(in crate::azure) fn status(&self) -> Vec<Status> {
        let accounts: Vec<_> = self.known.lock().values().cloned().collect();
        accounts.iter().map(|account| account.status(&self.clock)).collect()
    }
}

const OTHERS: &str = "others";

/// The two places of one account.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) key: String,
    pub(super) accounts: Weak<Accounts>,
    core: Mutex<Core>,
    /// That the core says so, for who has no time to ask it.
    is_away: AtomicBool,
    secondary_gone_until: Mutex<Option<Instant>>,
    pub(super) last_sync: Mutex<Option<LastSync>>,
    /// A read of the primary, to be made again as a probe.
    template: Mutex<Option<PolicyCall>>,
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

    /// Keeps a read for probes, without what its caller said of it.
    pub(super) fn remember(&self, call: &PolicyCall) {
        let mut template = self.template.lock();
        if template.is_none() {
            let mut call = call.clone();
            *call.context_mut() = Context::new();
            *template = Some(call);
        }
    }

    /// The read that was kept.
    pub(super) fn template(&self) -> Option<PolicyCall> {
        self.template.lock().clone()
    }

    /// The cheapest request that shows whether the primary answers: the head of what was read.
    pub(super) fn probe(&self) -> Option<PolicyCall> {
        let mut call = self.template()?;
        call.request_mut().set_method(Method::Head);
        Some(call)
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
                && let Some(breaker) = breakers.get(self.key.as_str())
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
    /// The primary's host, with its port if it has one of its own.
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
