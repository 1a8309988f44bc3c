//! What all handles of one credential share: the sets of scopes, and who asks for tokens.

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use azure_core::Error;
use azure_core::credentials::{AccessToken, TokenCredential};
use azure_core::error::ErrorKind;
use futures_util::FutureExt;
use tokio::runtime::Handle;

use super::core::{Core, Landed, Next, Params, Standing, Wall};
use super::error;
use super::figures::Figures;
use crate::context::Context;
use crate::rng::Rng;
use crate::sync::Mutex;
use crate::time::{Clock, Timer};
use crate::timeout::Timeout;

/// One try to get a token, for all who wait for it. Whoever polls it drives it.
type Flight = futures_util::future::Shared<Pin<Box<dyn Future<Output = Answer> + Send>>>;

type Answer = Result<AccessToken, Arc<Error>>;

/// Reads the wall clock.
pub(super) type WallClock = Box<dyn Fn() -> SystemTime + Send + Sync>;

pub(super) struct Shared {
    pub(super) name: Box<str>,
    pub(super) inner: Arc<dyn TokenCredential>,
    pub(super) attempt: Timeout,
    pub(super) params: Params,
    pub(super) max_scope_sets: usize,
    pub(super) clock: Clock,
    pub(super) wall: WallClock,
    pub(super) rng: Rng,
    pub(super) table: Mutex<Table>,
}

/// The sets of scopes, the one that was asked for last first.
#[derive(Default)]
pub(super) struct Table {
    entries: Vec<Entry>,
    /// The last number that was given to an entry or a keeper.
    numbers: u64,
    refreshes: u64,
    unchanged: u64,
    failures: u64,
}

struct Entry {
    number: u64,
    scopes: Arc<[Box<str>]>,
    core: Core,
    /// The one try that is under way.
    flight: Option<Flight>,
    /// The task that renews the token, if there is one.
    keeper: Option<u64>,
}

/// What a call gets.
pub(super) enum Asked {
    Token(AccessToken),
    Cooling(Arc<Error>),
    Waits(Flight),
}

/// What a keeper does next.
enum Step {
    Drive(Flight),
    Rest(Duration),
    Leave,
}

impl Shared {
    /// Answers a call: with the token, with the flight to wait for, or with the last failure.
    pub(super) fn ask(self: &Arc<Self>, scopes: &[&str]) -> Asked {
        let (wall, runtime) = (self.wall(), Handle::try_current().ok());
        let mut table = self.table.lock();
        let evicted = table.find_or_insert(scopes, self.max_scope_sets);
        let keeper = table.next_number();
        let entry = table.entries.first_mut().expect("found or inserted");
        let asked = match (entry.core.token(wall), &entry.flight) {
            (Some(token), _) => Asked::Token(token),
            (None, Some(flight)) => Asked::Waits(flight.clone()),
            (None, None) => match entry.core.cooling(self.clock.now()) {
                Some(error) => Asked::Cooling(error),
                None => Asked::Waits(self.start(entry)),
            },
        };
        // A keeper renews the token, and sees a flight to its end where all who wait give up.
        let needs_keeper = entry.keeper.is_none() && !matches!(asked, Asked::Cooling(_));
        let keep = runtime.filter(|_| needs_keeper).map(|runtime| {
            entry.keeper = Some(keeper);
            (runtime, Keeper { shared: Arc::downgrade(self), entry: entry.number, number: keeper })
        });
        drop(table);
        // Holds futures of others, which may do anything when they are dropped.
        drop(evicted);
        if let Some((runtime, keeper)) = keep {
            runtime.spawn(keeper.keep(self.clock.clone()));
        }
        asked
    }

    pub(super) fn figures(&self) -> Figures {
        let (now, wall) = (self.clock.now(), self.wall());
        let table = self.table.lock();
        let standings: Vec<_> =
            table.entries.iter().map(|entry| entry.core.standing(wall)).collect();
        let lefts = table.entries.iter().map(|entry| entry.core.left(wall));
        Figures {
            refreshes: table.refreshes,
            unchanged: table.unchanged,
            failures: table.failures,
            scope_sets: standings.len(),
            in_flight: table.entries.iter().filter(|entry| entry.flight.is_some()).count(),
            stale: count(&standings, |it| matches!(it, Standing::Stale(_))),
            failed: count(&standings, |it| matches!(it, Standing::Failed(_))),
            useless: count(&standings, |it| matches!(it, Standing::Useless)),
            failures_in_a_row: standings
                .iter()
                .map(|standing| standing.failures())
                .max()
                .unwrap_or_default(),
            age: table.entries.iter().filter_map(|entry| entry.core.age(now, wall)).max(),
            left: lefts.filter(|left| !left.is_zero()).min(),
        }
    }

    /// The status that the last failure of any set of scopes came with.
    pub(super) fn last_status(&self) -> Option<u16> {
        let table = self.table.lock();
        let mut failures = table.entries.iter().filter_map(|entry| entry.core.failure());
        failures.find_map(error::status)
    }

    fn wall(&self) -> Wall {
        match (self.wall)().duration_since(UNIX_EPOCH) {
            Ok(since) => Wall::try_from(since.as_nanos()).unwrap_or(Wall::MAX),
            Err(before) => Wall::try_from(before.duration().as_nanos()).map_or(Wall::MIN, |n| -n),
        }
    }

    /// Starts a try. It does nothing until it is polled, so this may be done under the lock.
    fn start(self: &Arc<Self>, entry: &mut Entry) -> Flight {
        let (number, scopes) = (entry.number, Arc::clone(&entry.scopes));
        let (inner, attempt) = (Arc::clone(&self.inner), self.attempt.clone());
        let shared = Arc::downgrade(self);
        let flight = async move {
            let ask = || async {
                let scopes: Vec<&str> = scopes.iter().map(AsRef::as_ref).collect();
                // Without the options of the call that was first: its context is its own.
                inner.get_token(&scopes, None).await
            };
            let answer = AssertUnwindSafe(attempt.run_with(ask)).catch_unwind().await;
            let answer = answer.unwrap_or_else(|_| Err(panicked())).map_err(Arc::new);
            if let Some(shared) = shared.upgrade() {
                shared.land(number, &answer);
            }
            answer
        };
        // The caller who happens to poll it lends it neither deadline nor attempt number.
        let flight = Context::new().scope(flight).boxed().shared();
        entry.flight = Some(flight.clone());
        flight
    }

    fn land(&self, number: u64, answer: &Answer) {
        let (now, wall, chance) = (self.clock.now(), self.wall(), self.rng.next());
        let hint = answer.as_ref().err().and_then(|error| error::hint(error, (self.wall)()));
        let mut table = self.table.lock();
        match answer {
            Ok(_) => table.refreshes += 1,
            Err(_) => table.failures += 1,
        }
        let Some(entry) = table.entries.iter_mut().find(|entry| entry.number == number) else {
            return;
        };
        let flight = entry.flight.take();
        let core = &mut entry.core;
        match answer {
            Ok(token) => {
                let landed = core.answered(token, now, wall, chance, &self.params);
                table.unchanged += u64::from(landed != Landed::Renewed);
            }
            Err(error) => core.failed(Arc::clone(error), hint, now, chance, &self.params),
        }
        drop(table);
        drop(flight);
    }

    /// What the keeper of that entry does next.
    fn step(self: &Arc<Self>, number: u64, keeper: u64) -> Step {
        let (now, wall) = (self.clock.now(), self.wall());
        let mut table = self.table.lock();
        let entry = table.entries.iter_mut().find(|entry| entry.number == number);
        let Some(entry) = entry.filter(|entry| entry.keeper == Some(keeper)) else {
            return Step::Leave;
        };
        if let Some(flight) = &entry.flight {
            return Step::Drive(flight.clone());
        }
        match entry.core.next(now, wall) {
            Next::Ask => Step::Drive(self.start(entry)),
            Next::Rest(wait) => Step::Rest(wait),
            Next::Nothing => {
                // Under the same lock, so that the next call sees that it needs another.
                entry.keeper = None;
                Step::Leave
            }
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Table {
    /// Puts the entry for `scopes` first, and makes one if there is none. Returns what had to go.
    fn find_or_insert(&mut self, scopes: &[&str], max: usize) -> Option<Entry> {
        let is_it =
            |entry: &Entry| entry.scopes.iter().map(AsRef::as_ref).eq(scopes.iter().copied());
        if let Some(at) = self.entries.iter().position(is_it) {
            self.entries.get_mut(..=at).expect("found there").rotate_right(1);
            return None;
        }
        let evicted = if self.entries.len() < max { None } else { self.entries.pop() };
        let entry = Entry {
            number: self.next_number(),
            scopes: scopes.iter().map(|scope| Box::from(*scope)).collect(),
            core: Core::default(),
            flight: None,
            keeper: None,
        };
        self.entries.insert(0, entry);
        evicted
    }

    fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }
}

/// The task that renews one set's token for as long as somebody uses it.
struct Keeper {
    shared: Weak<Shared>,
    entry: u64,
    number: u64,
}

impl Keeper {
    async fn keep(self, clock: Clock) {
        loop {
            // Held for this one question: a task that waits keeps no credential alive.
            let step = match self.shared.upgrade() {
                Some(shared) => shared.step(self.entry, self.number),
                None => return,
            };
            match step {
                Step::Drive(flight) => drop(flight.await),
                // The wall clock may be set, and a machine may sleep.
                Step::Rest(wait) => rest(&clock, wait.min(NAP)).await,
                Step::Leave => return,
            }
        }
    }
}

impl Drop for Keeper {
    /// Where the runtime ended before its time, the next call starts another.
    fn drop(&mut self) {
        let Some(shared) = self.shared.upgrade() else { return };
        let mut table = shared.table.lock();
        let entry = table.entries.iter_mut().find(|entry| entry.number == self.entry);
        if let Some(entry) = entry.filter(|entry| entry.keeper == Some(self.number)) {
            entry.keeper = None;
        }
    }
}

async fn rest(clock: &Clock, period: Duration) {
    let (until, mut timer) = (clock.now() + period, Timer::idle());
    poll_fn(|cx| timer.poll_until(until, clock, cx)).await;
}

fn count(standings: &[Standing], which: impl Fn(&Standing) -> bool) -> usize {
    standings.iter().filter(|standing| which(standing)).count()
}

fn panicked() -> Error {
    Error::with_message(ErrorKind::Credential, "the credential panicked")
}

/// The longest that a keeper sleeps without a look at the wall clock.
const NAP: Duration = Duration::from_secs(60);
