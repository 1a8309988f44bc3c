//! The lease itself, and the requests that are on their way to it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::claim::Claim;
use super::super::epoch::Epoch;
use super::super::error::LeaseError;
use super::super::store::Status;
use crate::time::Instant;

/// What an answer says beside that it was done: how things are.
pub(super) type Answer = Status;

#[derive(Debug)]
pub(super) enum Request {
    Acquire(Claim, Duration),
    Renew(Claim),
    Release(Claim),
    Break,
    Read,
}

#[derive(Debug, Default)]
pub(super) struct Core {
    epoch: Epoch,
    /// What tells the last term from all others.
    term: Option<Claim>,
    held: Option<Held>,
    next: u64,
    /// By the time at which they arrive.
    under_way: BTreeMap<(Instant, u64), Request>,
    /// Answers that are waited for, with none for those whose request is under way.
    answers: BTreeMap<u64, Option<Result<Answer, LeaseError>>>,
}

#[derive(Debug)]
struct Held {
    claim: Claim,
    duration: Duration,
    until: Instant,
    is_broken: bool,
}

impl Core {
    /// Sends a request that arrives at a certain time, and returns its number.
    pub(super) fn send(&mut self, request: Request, arrives: Instant) -> u64 {
        let number = self.next;
        self.next += 1;
        self.under_way.insert((arrives, number), request);
        self.answers.insert(number, None);
        number
    }

    /// Carries out what has arrived by `now`, and returns the answer to one request.
    pub(super) fn collect(
        &mut self,
        number: u64,
        now: Instant,
    ) -> Option<Result<Answer, LeaseError>> {
        while let Some(first) = self.under_way.first_entry() {
            if first.key().0 > now {
                break;
            }
            let ((at, number), request) = first.remove_entry();
            let answer = self.carry_out(request, at);
            if let Some(wanted) = self.answers.get_mut(&number) {
                *wanted = Some(answer);
            }
        }
        self.answers.remove(&number).flatten()
    }

    /// Nobody wants the answer to that request.
    pub(super) fn forget(&mut self, number: u64) {
        self.answers.remove(&number);
    }

    fn carry_out(&mut self, request: Request, now: Instant) -> Result<Answer, LeaseError> {
        match request {
            Request::Acquire(claim, duration) => self.acquire(claim, duration, now)?,
            Request::Renew(claim) => self.renew(&claim, now)?,
            Request::Release(claim) => {
                self.held.take_if(|held| held.claim.id() == claim.id()).ok_or(LeaseError::Lost)?;
            }
            Request::Break => match &mut self.held {
                Some(held) if now < held.until => held.is_broken = true,
                _ => return Err(LeaseError::Lost),
            },
            Request::Read => {}
        }
        let status = Status::new(self.epoch);
        Ok(match &self.held {
            Some(held) if now < held.until => status.held_by(held.claim.holder()),
            _ => status,
        })
    }

    fn acquire(
        &mut self,
        claim: Claim,
        duration: Duration,
        now: Instant,
    ) -> Result<(), LeaseError> {
        if let Some(held) = &self.held
            && now < held.until
            && (held.is_broken || held.claim.id() != claim.id())
        {
            return Err(LeaseError::Held { by: Some(held.claim.holder().into()) });
        }
        let goes_on = self.term.as_ref().is_some_and(|term| term.term() == claim.term());
        if !goes_on {
            let last = self.epoch.max(claim.above());
            self.epoch = last.next().ok_or_else(|| LeaseError::refused("no epoch is left"))?;
            self.term = Some(claim.clone());
        }
        self.held = Some(Held { claim, duration, until: now + duration, is_broken: false });
        Ok(())
    }

    /// Also of a lease that has run out, as long as nobody else has taken it: as blobs do.
    fn renew(&mut self, claim: &Claim, now: Instant) -> Result<(), LeaseError> {
        match &mut self.held {
            Some(held) if held.claim.id() == claim.id() && !held.is_broken => {
                held.until = now + held.duration;
                Ok(())
            }
            _ => Err(LeaseError::Lost),
        }
    }
}
