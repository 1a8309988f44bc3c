//! What is done about events, as a table of states: no clock, no request, no callback.

use std::time::{Duration, SystemTime};

use super::document::{Document, Event, Impact, Source, Status};
use crate::time::Instant;

/// What it goes by.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) short_freeze: Duration,
    pub(super) approve: bool,
    pub(super) approve_user_at_once: bool,
    /// How long a drain takes, where nobody approves and so there is no hurry.
    pub(super) drain_takes: Duration,
}

/// One moment, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) clock: Instant,
    pub(super) wall: SystemTime,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Action {
    /// An event of this machine is new, or has changed.
    Tell(Event),
    /// An event of this machine is over.
    TellOver(Event),
    /// Be out of service by then.
    Drain { by: Instant },
    /// Give back what others can take over.
    HandOver(Event),
    /// Let it begin.
    Approve(Event),
    /// Nothing is ahead any more: serve again.
    Resume,
}

/// The events of this machine.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    tracked: Vec<Tracked>,
}

#[derive(Debug)]
struct Tracked {
    event: Event,
    impact: Impact,
    /// When it is over with us.
    deadline: Instant,
    drains: bool,
    handed: Handed,
    approval: Approval,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Handed {
    No,
    Begun,
    Over,
    Failed,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Approval {
    /// Not before then; so many attempts have failed.
    Due {
        from: Instant,
        failed: u32,
    },
    Done,
}

impl Tracker {
    /// Takes `document` as what is ahead of the machine `name`. `drained` says whether it is out of
    /// service.
    pub(super) fn step(
        &mut self,
        document: &Document,
        name: &str,
        now: Now,
        drained: bool,
        rules: &Rules,
    ) -> Vec<Action> {
        let mut actions = Vec::new();
        let own = || document.events().iter().filter(|event| event.concerns(name)).take(MOST);
        self.forget(|tracked| !own().any(|event| event.id() == tracked.event.id()), &mut actions);
        for event in own() {
            self.meet(event, now, rules, &mut actions);
        }
        for tracked in &mut self.tracked {
            tracked.act(name, now, drained, rules, &mut actions);
        }
        actions
    }

    /// Events that are not there any more are over.
    fn forget(&mut self, is_over: impl Fn(&Tracked) -> bool, actions: &mut Vec<Action>) {
        let over: Vec<_> = self.tracked.extract_if(.., |tracked| is_over(tracked)).collect();
        let drained = over.iter().any(|tracked| tracked.drains);
        actions.extend(over.into_iter().map(|tracked| Action::TellOver(tracked.event)));
        if drained && !self.tracked.iter().any(|tracked| tracked.drains) {
            actions.push(Action::Resume);
        }
    }

    fn meet(&mut self, event: &Event, now: Now, rules: &Rules, actions: &mut Vec<Action>) {
        let known = self.tracked.iter_mut().find(|tracked| tracked.event.id() == event.id());
        match known {
            Some(tracked) if tracked.event == *event => return,
            Some(tracked) => {
                tracked.impact = event.impact(rules.short_freeze);
                // One that has started says no time any more; the drain goes on as it was.
                if event.status() != Status::Started {
                    let deadline = deadline(event, now);
                    tracked.drains &= deadline >= tracked.deadline;
                    tracked.deadline = deadline;
                }
                tracked.event = event.clone();
            }
            None => self.tracked.push(Tracked {
                event: event.clone(),
                impact: event.impact(rules.short_freeze),
                deadline: deadline(event, now),
                drains: false,
                handed: Handed::No,
                approval: Approval::Due { from: now.clock, failed: 0 },
            }),
        }
        actions.push(Action::Tell(event.clone()));
    }

    /// The callback for the event of that id has ended.
    pub(super) fn handed_over(&mut self, id: &str, well: bool) {
        if let Some(tracked) = self.find(id) {
            tracked.handed = if well { Handed::Over } else { Handed::Failed };
        }
    }

    /// The event of that id is approved, or can not be.
    pub(super) fn approved(&mut self, id: &str) {
        if let Some(tracked) = self.find(id) {
            tracked.approval = Approval::Done;
        }
    }

    /// The event of that id could not be approved just now. The waits double, up to a minute.
    pub(super) fn approval_failed(&mut self, id: &str, now: Instant) {
        if let Some(tracked) = self.find(id)
            && let Approval::Due { failed, .. } = tracked.approval
        {
            let wait = Duration::from_secs(1 << failed.min(6)).min(Duration::from_secs(60));
            tracked.approval = Approval::Due { from: now + wait, failed: failed.saturating_add(1) };
        }
    }

    fn find(&mut self, id: &str) -> Option<&mut Tracked> {
        self.tracked.iter_mut().find(|tracked| tracked.event.id() == id)
    }
}

impl Tracked {
    fn act(
        &mut self,
        name: &str,
        now: Now,
        drained: bool,
        rules: &Rules,
        actions: &mut Vec<Action>,
    ) {
        if self.impact == Impact::Drain {
            if !self.drains && self.is_time_to_drain(now.clock, rules) {
                self.drains = true;
                actions.push(Action::Drain { by: self.deadline });
            }
            // Also for one that has begun already: others are to take over.
            let hurry = self.drains || self.event.status() != Status::Scheduled;
            if self.handed == Handed::No && hurry {
                self.handed = Handed::Begun;
                actions.push(Action::HandOver(self.event.clone()));
            }
        }
        let is_mine = self.event.approver().is_some_and(|first| first.eq_ignore_ascii_case(name));
        if rules.approve && is_mine && self.is_approval_due(now.clock, drained, rules) {
            actions.push(Action::Approve(self.event.clone()));
        }
    }

    /// With somebody who approves the sooner it is over the better; otherwise it is soon enough
    /// when there is just the time.
    ///
    /// One that was under way when it was first seen leaves nothing to be gained: it has happened,
    /// or will any moment, and an instance that left each time that it comes up would never serve.
    fn is_time_to_drain(&self, now: Instant, rules: &Rules) -> bool {
        let start = if rules.approve { now } else { self.deadline - rules.drain_takes };
        self.event.status() == Status::Scheduled && now >= start
    }

    fn is_approval_due(&self, now: Instant, drained: bool, rules: &Rules) -> bool {
        let Approval::Due { from, .. } = self.approval else { return false };
        if self.event.status() != Status::Scheduled || now < from {
            return false;
        }
        match self.impact {
            Impact::ShortFreeze => true,
            // Somebody waits for it, and loses nothing but the rest of the drain.
            Impact::Drain if rules.approve_user_at_once && self.event.source() == Source::User => {
                matches!(self.handed, Handed::Over | Handed::Failed)
            }
            Impact::Drain => drained && self.handed == Handed::Over,
        }
    }
}

/// When it may begin; as early as it can where it does not say.
fn deadline(event: &Event, now: Now) -> Instant {
    let notice = match event.not_before() {
        Some(at) => at.duration_since(now.wall).unwrap_or_default(),
        None if event.status() == Status::Scheduled => event.kind().notice(),
        None => Duration::ZERO,
    };
    now.clock + notice
}

/// Far more than happen to one machine at a time.
const MOST: usize = 64;
