//! The handle that is asked who leads, and what it shares with the election.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::core::{Core, Moved, Params};
use super::{Config, Election, Epoch, Lease, LeaseError, NotLeading, Role, Status, Term, Watch};
use crate::sync::{Arc, Mutex, Waiting};
use crate::telemetry::{Emitter, Environment, EventKind, Level, Measure};
use crate::time::{Clock, Instant, Timer};

/// Whether this process leads, and in which term.
///
/// A cheap handle: clones are the same candidate. What makes it lead is the [`Election`] that it is
/// built with. See the [module](super) for an example.
///
/// Every look reads the clock: a process that was stopped and goes on does not lead any more once
/// its term is over, whether or not any of its tasks has run since.
#[derive(Clone)]
pub struct Leadership {
    pub(super) shared: Arc<Shared>,
}

/// What handles and the election share.
pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    pub(super) lease: Box<dyn Lease>,
    pub(super) clock: Clock,
    pub(super) emitter: Emitter,
    /// Who waits for a change of the term.
    pub(super) changes: Waiting,
    /// The election, which waits for something to do.
    pub(super) decisions: Waiting,
}

pub(super) struct State {
    pub(super) core: Core,
    /// How many pieces of work run under a term.
    pub(super) working: usize,
    /// Whether the election was dropped.
    pub(super) abandoned: bool,
    pub(super) last_error: Option<LeaseError>,
    terms: u64,
    pub(super) failures: u64,
}

pub(super) fn begin(
    name: &'static str,
    holder: &str,
    params: Params,
    lease: Box<dyn Lease>,
    environment: &Environment,
) -> (Leadership, Election) {
    let state = State {
        core: Core::new(params),
        working: 0,
        abandoned: false,
        last_error: None,
        terms: 0,
        failures: 0,
    };
    let shared = Arc::new(Shared {
        state: Mutex::new(state),
        lease,
        clock: environment.clock.clone(),
        emitter: Emitter::new("lease", name, environment),
        changes: Waiting::default(),
        decisions: Waiting::default(),
    });
    let election = Election::new(Arc::clone(&shared), holder, environment.rng.clone());
    (Leadership { shared }, election)
}

impl Leadership {
    /// Starts from the default settings.
    pub fn builder() -> Config {
        Config::default()
    }

    /// The name of what is led.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.shared.emitter.name()
    }

    /// The term in which this process leads, if it does, at this moment.
    ///
    /// Ask before each piece of work, and send the [epoch](Term::epoch) with each write: between
    /// this look and the write the process can be stopped for any time, and only the store can tell
    /// then. It takes a lock that is held for an instant, and reads the clock: some 40 ns.
    #[must_use]
    pub fn term(&self) -> Option<Term> {
        let state = self.shared.state.lock();
        // Read under the lock, so that who sees a term end is never followed by a renewal of it.
        state.core.term(self.shared.clock.now())
    }

    /// Whether this process leads in the term of `epoch`, at this moment.
    #[must_use]
    pub fn leads_in(&self, epoch: Epoch) -> bool {
        self.term().is_some_and(|term| term.epoch == epoch)
    }

    /// What this process is, at this moment.
    #[must_use]
    pub fn role(&self) -> Role {
        let state = self.shared.state.lock();
        match state.core.role(self.shared.clock.now()) {
            Role::Follower if state.abandoned => Role::Released,
            role => role,
        }
    }

    /// Waits until this process leads: for ever, once it is [abandoned](Self::is_abandoned).
    /// [`leading_or_abandoned`](Self::leading_or_abandoned) ends then.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    pub async fn leading(&self) -> Term {
        let mut watch = self.watch();
        loop {
            if let Some(term) = watch.changed().await {
                return term;
            }
        }
    }

    /// Waits until this process leads, or never will: none if the [`Election`] was dropped, which it
    /// also is when its task was aborted or has panicked.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::lease::{InMemory, Leadership};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (leadership, election) = Leadership::builder().build(InMemory::new())?;
    /// let task = tokio::spawn(election.run());
    /// assert!(leadership.leading_or_abandoned().await.is_some());
    ///
    /// task.abort();
    /// assert!(task.await.is_err());
    /// assert_eq!(leadership.leading_or_abandoned().await, None);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn leading_or_abandoned(&self) -> Option<Term> {
        let mut watch = self.watch();
        poll_fn(|cx| {
            loop {
                match watch.poll(cx) {
                    Poll::Ready(Some(term)) => return Poll::Ready(Some(term)),
                    Poll::Ready(None) => {}
                    // The watch has joined those who wait before this look.
                    Poll::Pending if self.is_abandoned() => return Poll::Ready(None),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await
    }

    /// Tells of the beginnings and ends of terms, from now on.
    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch::new(self.clone())
    }

    /// Does `work` for as long as this process leads in its present term, and drops it when the term
    /// is over.
    ///
    /// Before each poll of the work, the term is checked by the clock. What a single poll does takes
    /// its own time, and a request that was sent is not called back: so writes carry the epoch all
    /// the same.
    ///
    /// # Errors
    ///
    /// [`NotLeading`], if it does not lead, or ceased to before the work had ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the work.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::lease::{InMemory, Leadership};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (leadership, election) = Leadership::builder().build(InMemory::new())?;
    /// tokio::spawn(election.run());
    ///
    /// leadership.leading().await;
    /// let billed = leadership.run_while_leading(async |term| {
    ///     // send the bills, each with `term.epoch()`
    ///     term.epoch().get()
    /// });
    /// assert_eq!(billed.await?, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run_while_leading<T, Fut>(
        &self,
        work: impl FnOnce(Term) -> Fut,
    ) -> Result<T, NotLeading>
    where
        Fut: Future<Output = T>,
    {
        let Some((term, _working)) = Working::begin(&self.shared) else {
            return Err(NotLeading { epoch: None });
        };
        let mut over = self.watch();
        over.seen = Some(term.epoch);
        // Dropped before `_working`, so that whoever waits for the end of all work has seen it.
        let mut work = pin!(work(term));
        poll_fn(|cx| {
            if over.poll(cx).is_ready() {
                return Poll::Ready(Err(NotLeading { epoch: Some(term.epoch) }));
            }
            work.as_mut().poll(cx).map(Ok)
        })
        .await
    }

    /// Gives the lease back, and does not ask for it again until [`campaign`](Self::campaign).
    ///
    /// From the call on, before the future is first polled, this process does not lead. The lease is
    /// given back when all work under the term has ended, or the term would have; another candidate
    /// then leads within its [`campaign_every`](Config::campaign_every). Ends when the lease is not
    /// held any more: at the latest when it has run out in the store. A request for it that is under
    /// way is waited for first. Ends as well when this process wants to lead again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future takes nothing back: the election goes on with it.
    ///
    /// # Example
    ///
    /// Give it back at the end of a drain, or when a maintenance begins:
    ///
    /// ```
    /// use seawall::health::Phase;
    /// use seawall::health::drain::{Drain, Product};
    /// use seawall::lease::{InMemory, Leadership};
    ///
    /// # fn main() -> Result<(), seawall::error::InvalidConfig> {
    /// let drain = Drain::for_products([Product::kubernetes()]).build()?;
    /// let (leadership, election) = Leadership::builder().build(InMemory::new())?;
    ///
    /// let serve = election.run_until(drain.reached(Phase::Closing));
    /// # drop(serve);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "the lease is given back in any case; this says when"]
    pub fn release(&self) -> impl Future<Output = ()> + Send + use<> {
        let shared = Arc::clone(&self.shared);
        shared.decide(Core::release);
        async move { shared.given_back(true).await }
    }

    /// Wants to lead again, after a [release](Self::release): the drain was taken back.
    pub fn campaign(&self) {
        self.shared.decide(Core::campaign);
    }

    /// Tells this candidate of an epoch that a store has seen, such as a
    /// [`Stale`](super::Stale) one's [`newest`](super::Stale::newest).
    ///
    /// If it leads in an earlier one, it does not any more; its next one will be greater. That heals
    /// what would else stay wrong when the lease's own record is lost and counts from 1 again.
    pub fn heard_of(&self, epoch: Epoch) {
        self.shared.decide(|core, now| core.heard_of(epoch, now));
    }

    /// For operators: lets the lease of whoever holds it end when its time is up, though they would
    /// renew it. The holder steps down at its next renewal, and whoever asks next leads.
    ///
    /// It needs no candidacy, and does not wait. There is no way to end a lease at once: its holder
    /// would lead on for the rest of it.
    ///
    /// # Errors
    ///
    /// [`LeaseError::Lost`] if nobody holds it; those of the store; [`LeaseError::Ambiguous`] if it
    /// does not answer within [`timeout`](Config::timeout).
    pub async fn break_by_operator(&self) -> Result<(), LeaseError> {
        let timeout = self.shared.state.lock().core.params().timeout;
        let until = self.shared.clock.now() + timeout;
        self.shared.within(until, self.shared.lease.break_off()).await
    }

    /// Asks the store who holds the lease.
    ///
    /// # Errors
    ///
    /// Those of the store, or [`LeaseError::Ambiguous`] if it does not answer within
    /// [`timeout`](Config::timeout).
    pub async fn status(&self) -> Result<Status, LeaseError> {
        let timeout = self.shared.state.lock().core.params().timeout;
        let until = self.shared.clock.now() + timeout;
        let status = self.shared.within(until, self.shared.lease.read()).await?;
        Ok(status)
    }

    /// For how long the store lends the lease at a time.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.shared.state.lock().core.params().duration
    }

    /// Whether the [`Election`] was dropped: this process never leads again.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.shared.state.lock().abandoned
    }

    /// For how long the store has not answered the election, if it does not.
    #[must_use]
    pub fn store_silent_for(&self) -> Option<Duration> {
        let state = self.shared.state.lock();
        let since = state.core.failing_since()?;
        Some(self.shared.clock.now().since(since))
    }

    /// Why the last request of the election to the store failed; none if it did not.
    ///
    /// That somebody else holds the lease is such a reason. When the election gives the lease back
    /// because it could not begin a term, this stays the reason for that.
    #[must_use]
    pub fn last_error(&self) -> Option<LeaseError> {
        self.shared.state.lock().last_error.clone()
    }
}

/// The levels `is_leader`, `epoch`, `terms`, `store_failures` and `remaining`.
impl Measure for Leadership {
    fn measure(&self, sink: &mut dyn FnMut(Level)) {
        let (pattern, policy) = ("lease", self.name());
        let state = self.shared.state.lock();
        let (terms, failures) = (state.terms, state.failures);
        drop(state);
        let now = self.shared.clock.now();
        let term = self.term();
        let remaining = term.map_or(Duration::ZERO, |term| term.valid_until.since(now));
        sink(Level::gauge(pattern, policy, "is_leader", f64::from(u8::from(term.is_some()))));
        #[expect(clippy::cast_precision_loss, reason = "a level, and exact up to 2^53")]
        {
            if let Some(term) = term {
                sink(Level::gauge(pattern, policy, "epoch", term.epoch.get() as f64));
            }
            sink(Level::counter(pattern, policy, "terms", terms as f64));
            sink(Level::counter(pattern, policy, "store_failures", failures as f64));
        }
        sink(Level::gauge(pattern, policy, "remaining", remaining.as_secs_f64()));
    }
}

impl fmt::Debug for Leadership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leadership")
            .field("name", &self.name())
            .field("role", &self.role())
            .field("term", &self.term())
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// Decides something from outside of the election, and has it look again.
    pub(super) fn decide(&self, decide: impl FnOnce(&mut Core, Instant) -> Moved) {
        self.change(|state, now| decide(&mut state.core, now));
        self.decisions.wake_all();
    }

    /// Changes the state, and tells who wants to know.
    pub(super) fn change(&self, change: impl FnOnce(&mut State, Instant) -> Moved) {
        let mut state = self.state.lock();
        let before = (state.core.released_at(), state.abandoned);
        let moved = change(&mut state, self.clock.now());
        let is_news = moved.is_some() || before != (state.core.released_at(), state.abandoned);
        if let Some((_, Role::Leader)) = moved {
            state.terms += 1;
        }
        drop(state);
        if let Some((from, to)) = moved {
            self.emitter.emit(EventKind::StateChanged { from: from.name(), to: to.name() });
        }
        // Nobody else: who waits may do so in the election's task, and have it look once more.
        if is_news {
            self.changes.wake_all();
        }
    }

    /// Waits until a release has happened or, if wanted, was taken back.
    pub(super) async fn given_back(&self, or_taken_back: bool) {
        let mut waiting = Place { line: &self.changes, place: None };
        let mut timer = Timer::idle();
        poll_fn(|cx| {
            // Before the look: a change in between wakes this one.
            waiting.join(cx);
            let state = self.state.lock();
            let (abandoned, released_at) = (state.abandoned, state.core.released_at());
            drop(state);
            match released_at {
                _ if abandoned => Poll::Ready(()),
                Some(at) => timer.poll_until(at, &self.clock, cx),
                None if or_taken_back => Poll::Ready(()),
                None => {
                    timer.reset();
                    Poll::Pending
                }
            }
        })
        .await;
    }

    /// Waits for an answer of the store, but not longer than `until`.
    pub(super) async fn within<T>(
        &self,
        until: Instant,
        answer: super::LeaseFuture<'_, T>,
    ) -> Result<T, LeaseError> {
        let mut answer = pin!(answer);
        let mut timer = Timer::idle();
        poll_fn(|cx| {
            if let Poll::Ready(result) = answer.as_mut().poll(cx) {
                return Poll::Ready(result);
            }
            timer
                .poll_until(until, &self.clock, cx)
                .map(|()| Err(LeaseError::ambiguous("no answer in time")))
        })
        .await
    }
}

/// Work under a term.
struct Working<'a>(&'a Shared);

impl<'a> Working<'a> {
    fn begin(shared: &'a Shared) -> Option<(Term, Self)> {
        let mut state = shared.state.lock();
        let term = state.core.term(shared.clock.now())?;
        state.working += 1;
        drop(state);
        Some((term, Self(shared)))
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.state.lock().working -= 1;
        self.0.decisions.wake_all();
    }
}

/// A place in a line, which is left on drop.
pub(super) struct Place<'a> {
    pub(super) line: &'a Waiting,
    pub(super) place: Option<u64>,
}

impl Place<'_> {
    pub(super) fn join(&mut self, cx: &Context<'_>) {
        self.line.join(&mut self.place, cx);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.line.leave(&mut self.place);
    }
}
