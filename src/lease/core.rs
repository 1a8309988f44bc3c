//! When to ask for the lease, and for how long the answer makes a leader: no clock, no store.
//!
//! A term is valid from when the store has answered until `usable` after the moment *before* it was
//! asked. The store cannot have begun to count earlier, so it lends the lease to nobody else before
//! the margin has passed on top. A term that was over once, by the clock, stays over: a late answer
//! does not bring it back, and the next one has a greater epoch.

use std::time::Duration;

use super::epoch::Epoch;
use super::term::{Role, Term};
use crate::time::Instant;

/// A configuration that was found good.
#[derive(Clone, Copy, Debug)]
pub(super) struct Params {
    /// What the store lends the lease for.
    pub(super) duration: Duration,
    /// That, without the margin.
    pub(super) usable: Duration,
    pub(super) renew_every: Duration,
    pub(super) campaign_every: Duration,
    /// What one request to the store may take.
    pub(super) timeout: Duration,
}

/// What is to be asked of the store.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ask {
    Acquire,
    Renew,
    Release,
}

/// What is next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// Ask, and give up at that time.
    Ask(Ask, Instant),
    /// Look again at that time, or when something is decided from outside.
    Wait(Instant),
}

/// How a request to the store ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ending {
    /// As asked; the epoch is that of an acquired term.
    Done(Epoch),
    /// Somebody else has the lease, or nobody.
    NotOurs,
    /// Nothing was done.
    NotDone,
    /// Nobody knows.
    Unknown,
}

/// A change of role: from, to.
pub(super) type Moved = Option<(Role, Role)>;

#[derive(Debug)]
pub(super) struct Core {
    params: Params,
    stands: bool,
    term: Option<Term>,
    /// When the store is to be asked next.
    due: Instant,
    /// Until when the store may hold the lease for this candidate.
    held_until: Instant,
    /// Until when work of the released term may go on.
    busy_until: Instant,
    newest: Epoch,
    /// How many requests in a row the store has not answered.
    failures: u32,
    failing_since: Option<Instant>,
    /// How often the store was asked for the lease, since it was last had, with an end that nobody
    /// knows.
    doubts: u32,
    /// Whether it gives back what it may hold without a term, to stand again later.
    gives_back: bool,
}

impl Core {
    pub(super) const fn new(params: Params) -> Self {
        Self {
            params,
            stands: true,
            term: None,
            due: Instant::from_nanos(0),
            held_until: Instant::from_nanos(0),
            busy_until: Instant::from_nanos(0),
            newest: Epoch::NONE,
            failures: 0,
            failing_since: None,
            doubts: 0,
            gives_back: false,
        }
    }

    pub(super) const fn params(&self) -> &Params {
        &self.params
    }

    /// The term, if it is valid.
    pub(super) fn term(&self, now: Instant) -> Option<Term> {
        self.term.filter(|term| now < term.valid_until)
    }

    pub(super) fn role(&self, now: Instant) -> Role {
        match self.term(now) {
            Some(_) => Role::Leader,
            None if self.stands => Role::Follower,
            None => Role::Released,
        }
    }

    /// The greatest epoch that this candidate has led in or heard of.
    pub(super) const fn newest(&self) -> Epoch {
        self.newest
    }

    pub(super) const fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether the next release is one that nobody has asked for.
    pub(super) const fn gives_back(&self) -> bool {
        self.gives_back
    }

    pub(super) const fn failing_since(&self) -> Option<Instant> {
        self.failing_since
    }

    /// Ends a term whose time is up.
    pub(super) fn sweep(&mut self, now: Instant) -> Moved {
        if self.term.is_none() || self.term(now).is_some() {
            return None;
        }
        self.end(now)
    }

    /// What is next. `working` says whether work of a released term goes on.
    pub(super) fn next(&self, now: Instant, working: bool) -> Next {
        let give_up = now + self.params.timeout;
        match (self.term, self.stands) {
            (Some(term), _) if now >= self.due => {
                Next::Ask(Ask::Renew, give_up.min(term.valid_until))
            }
            (Some(term), _) => Next::Wait(self.due.min(term.valid_until)),
            (None, true) if now >= self.due && self.gives_back => Next::Ask(Ask::Release, give_up),
            (None, true) if now >= self.due => Next::Ask(Ask::Acquire, give_up),
            (None, true) => Next::Wait(self.due),
            (None, false) if now >= self.held_until => Next::Wait(Instant::FAR_FUTURE),
            (None, false) if working && now < self.busy_until => Next::Wait(self.busy_until),
            (None, false) if now >= self.due => Next::Ask(Ask::Release, give_up),
            (None, false) => Next::Wait(self.due.min(self.held_until)),
        }
    }

    /// Notes that the store is being asked, and returns what is to be handed to the end of it; none
    /// if something was decided meanwhile that leaves nothing to ask for.
    pub(super) fn asking(&mut self, ask: Ask) -> Option<Instant> {
        let is_wanted = match ask {
            Ask::Acquire => self.stands,
            Ask::Renew => self.term.is_some(),
            Ask::Release => !self.stands || self.gives_back,
        };
        is_wanted.then(|| match ask {
            Ask::Acquire | Ask::Renew => {
                std::mem::replace(&mut self.held_until, Instant::FAR_FUTURE)
            }
            Ask::Release => self.held_until,
        })
    }

    /// Notes how asking ended that began at `sent`, when the lease may have been held until `before`.
    pub(super) fn ended(
        &mut self,
        ask: Ask,
        (sent, before): (Instant, Instant),
        ending: Ending,
        now: Instant,
        chance: u64,
    ) -> Moved {
        match ending {
            // That it could give the lease back is not what it was here for.
            Ending::Done(_) | Ending::NotOurs if self.gives_back => {}
            Ending::Done(_) | Ending::NotOurs => self.answered(),
            Ending::NotDone | Ending::Unknown => self.failed(now),
        }
        self.held_until = match (ask, ending) {
            // What was cut earlier may still take it.
            (Ask::Release, Ending::NotOurs) if self.doubts > 0 => before,
            (Ask::Release, Ending::Done(_)) | (_, Ending::NotOurs) => Instant::default(),
            (Ask::Release, Ending::NotDone | Ending::Unknown) | (_, Ending::NotDone) => before,
            (_, Ending::Done(_) | Ending::Unknown) => now + self.params.duration,
        };
        match (ask, ending) {
            (Ask::Acquire, Ending::Unknown) => self.doubts = self.doubts.saturating_add(1),
            (Ask::Acquire | Ask::Renew, Ending::Done(_) | Ending::NotOurs) => self.doubts = 0,
            _ => {}
        }
        let soon = now + jittered(self.params.renew_every / 5, chance);
        match (ask, ending) {
            (Ask::Acquire, Ending::Done(epoch)) => return self.acquired(sent, epoch, now, soon),
            (Ask::Acquire, Ending::NotOurs | Ending::NotDone | Ending::Unknown) => {
                let turn = sent + jittered(self.params.campaign_every, chance);
                self.due = if self.stands { soon.max(turn) } else { soon };
                // It may hold what it can not make use of, and would for ever.
                if self.stands && self.doubts >= DOUBTS && now < self.held_until {
                    self.gives_back = true;
                    self.due = now;
                }
            }
            (Ask::Renew, Ending::Done(_)) => return self.renewed(sent, now),
            (Ask::Renew, Ending::NotOurs) => {
                let moved = self.end(now);
                self.due = soon;
                return moved;
            }
            (Ask::Renew, Ending::NotDone | Ending::Unknown) => {
                self.due = soon;
                return self.sweep(now);
            }
            (Ask::Release, _) if std::mem::take(&mut self.gives_back) => {
                // Long enough for others to ask, and for what this one may hold still to end.
                self.doubts = 0;
                self.due = soon + self.params.duration;
            }
            (Ask::Release, _) => self.due = soon,
        }
        None
    }

    fn acquired(&mut self, sent: Instant, epoch: Epoch, now: Instant, soon: Instant) -> Moved {
        let valid_until = sent + self.params.usable;
        self.due = soon;
        if !self.stands {
            self.due = now;
            return None;
        }
        // An answer that comes too late makes nobody a leader, nor does an epoch that was there.
        if now >= valid_until || epoch <= self.newest {
            return None;
        }
        self.newest = epoch;
        self.term = Some(Term { epoch, valid_until });
        self.due = sent + self.params.renew_every;
        Some((Role::Follower, Role::Leader))
    }

    fn renewed(&mut self, sent: Instant, now: Instant) -> Moved {
        let moved = self.sweep(now);
        if let Some(term) = &mut self.term {
            term.valid_until = term.valid_until.max(sent + self.params.usable);
            self.due = sent + self.params.renew_every;
        }
        moved
    }

    /// Hears of an epoch: this candidate's next one is greater, and a smaller one is over.
    pub(super) fn heard_of(&mut self, epoch: Epoch, now: Instant) -> Moved {
        self.newest = self.newest.max(epoch);
        if self.term.is_some_and(|term| term.epoch < epoch) { self.end(now) } else { None }
    }

    /// Does not want to lead any more.
    pub(super) fn release(&mut self, now: Instant) -> Moved {
        let before = self.role(now);
        self.stands = false;
        self.gives_back = false;
        if let Some(term) = self.term.take() {
            self.busy_until = term.valid_until;
        }
        // What may be held without a term is not waited with either.
        self.due = now;
        (before != Role::Released).then_some((before, Role::Released))
    }

    /// Wants to lead again.
    pub(super) fn campaign(&mut self, now: Instant) -> Moved {
        if self.stands {
            return None;
        }
        self.stands = true;
        self.due = now;
        Some((Role::Released, Role::Follower))
    }

    /// From when on the store holds nothing for this candidate, as far as is known; none for one who
    /// wants it to.
    pub(super) fn released_at(&self) -> Option<Instant> {
        (!self.stands).then_some(self.held_until)
    }

    fn end(&mut self, now: Instant) -> Moved {
        self.term.take()?;
        self.due = now;
        Some((Role::Leader, Role::Follower))
    }

    fn answered(&mut self) {
        self.failures = 0;
        self.failing_since = None;
    }

    fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.failing_since.get_or_insert(now);
    }
}

/// After how many ends in a row that nobody knows others shall have the lease.
const DOUBTS: u32 = 2;

/// Between half of `time` and all of it.
fn jittered(time: Duration, chance: u64) -> Duration {
    let half = time / 2;
    // The upper half of the bits are as good as all of them, and divide without overflow.
    let part = u32::try_from(chance >> 32).unwrap_or(u32::MAX);
    half + half.mul_f64(f64::from(part) / f64::from(u32::MAX))
}
