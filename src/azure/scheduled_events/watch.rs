//! Asks, and does what follows.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{Method, StatusCode};
use serde_json::json;
use tokio::task::JoinHandle;

use super::document::{Document, Event};
use super::tracker::{Action, Now, Rules, Tracker};
use super::{Notice, ScheduledEvents};
use crate::azure::imds::ImdsError;
use crate::health::drain::{Cause, Drain};
use crate::time::{Instant, Timer};

/// The state of one run.
pub(super) struct Watch<'a> {
    events: &'a ScheduledEvents,
    tracker: Tracker,
    name: Option<String>,
    /// The callbacks that run, by the id of their event.
    handing: Vec<(String, JoinHandle<bool>)>,
    answered: Option<Instant>,
    failures: u32,
}

impl<'a> Watch<'a> {
    pub(super) fn new(events: &'a ScheduledEvents) -> Self {
        Self {
            events,
            tracker: Tracker::default(),
            name: events.params.resource.clone(),
            handing: Vec::new(),
            answered: None,
            failures: 0,
        }
    }

    pub(super) async fn run(mut self) -> Infallible {
        let clock = self.events.imds.clock().clone();
        loop {
            let start = clock.now();
            let round = self.round().await;
            // A long answer is no reason to ask at once again.
            let from = if round.is_ok() { start } else { clock.now() };
            let next = from + self.judge(round);
            let mut timer = Timer::idle();
            poll_fn(|cx| timer.poll_until(next, &clock, cx)).await;
        }
    }

    /// The wait that follows on a round.
    fn judge(&mut self, round: Result<(), ImdsError>) -> Duration {
        let interval = self.events.params.interval;
        let Err(error) = round else {
            if std::mem::take(&mut self.failures) > 0 {
                self.events.tell(&Notice::Recovered);
            }
            return interval;
        };
        let wait = match &error {
            ImdsError::Absent => self.events.imds.absent_for(),
            ImdsError::Status { retry_after: Some(wait), .. } => (*wait).min(LONGEST_HINT),
            _ => interval.saturating_mul(1 << self.failures.min(8)).min(LONGEST_WAIT),
        };
        if self.failures == 0 {
            self.events.tell(&Notice::Failed(error));
        }
        self.failures = self.failures.saturating_add(1);
        wait.max(interval)
    }

    async fn round(&mut self) -> Result<(), ImdsError> {
        let document = self.ask().await?;
        let name = match &self.name {
            Some(name) => name.clone(),
            None => self.learn_name().await?,
        };
        self.collect().await;
        // Twice, for what is handed over at once.
        for _ in 0..2 {
            let drained = self.events.drain.as_ref().is_none_or(Drain::may_go);
            let (now, rules) = (self.now(), self.rules());
            for action in self.tracker.step(&document, &name, now, drained, &rules) {
                self.act(action).await;
            }
        }
        Ok(())
    }

    async fn ask(&mut self) -> Result<Arc<Document>, ImdsError> {
        let ScheduledEvents { imds, params, .. } = self.events;
        let now = imds.clock().now();
        // Who has not asked for a day has to turn the feature on again.
        let is_on = self.answered.is_some_and(|at| now.since(at) < LONGEST_SILENCE);
        let timeout = if is_on { &params.timeout } else { &params.first_timeout };
        let answer = imds.once(Method::GET, &params.path, String::new(), timeout).await?;
        let document = Arc::new(Document::parse(&answer)?);
        self.answered = Some(imds.clock().now());
        *self.events.current.lock() = Arc::clone(&document);
        Ok(document)
    }

    async fn learn_name(&mut self) -> Result<String, ImdsError> {
        let instance = self.events.imds.instance().await?;
        let name = instance.name().ok_or(ImdsError::Malformed)?.to_owned();
        self.name = Some(name.clone());
        Ok(name)
    }

    fn now(&self) -> Now {
        Now { clock: self.events.imds.clock().now(), wall: SystemTime::now() }
    }

    fn rules(&self) -> Rules {
        let ScheduledEvents { params, drain, .. } = self.events;
        let drain = drain.as_ref().map(|drain| drain.plan(Cause::Operator).length());
        Rules {
            short_freeze: params.short_freeze,
            approve: params.approve,
            approve_user_at_once: params.approve_user_at_once,
            drain_takes: drain.unwrap_or_default(),
        }
    }

    /// Learns which callbacks have ended.
    async fn collect(&mut self) {
        let ended = |(_, task): &mut (String, JoinHandle<bool>)| task.is_finished();
        let ended: Vec<_> = self.handing.extract_if(.., ended).collect();
        for (id, task) in ended {
            // An error is a panic of the callback.
            self.handed_over(id, task.await.unwrap_or(false));
        }
    }

    fn handed_over(&mut self, id: String, well: bool) {
        self.tracker.handed_over(&id, well);
        self.events.tell(&Notice::HandedOver { id, well });
    }

    async fn act(&mut self, action: Action) {
        let ScheduledEvents { imds, drain, .. } = self.events;
        match action {
            Action::Tell(event) => self.events.tell(&Notice::Announced(event)),
            Action::TellOver(event) => self.events.tell(&Notice::Over(event)),
            Action::Drain { by } => {
                if let Some(drain) = drain {
                    drain.start_within(Cause::Maintenance, by.since(imds.clock().now()));
                }
            }
            Action::HandOver(event) => self.hand_over(event),
            Action::Approve(event) => self.approve(event).await,
            Action::Resume => {
                if let Some(drain) = drain {
                    drain.resume(Cause::Maintenance);
                }
            }
        }
    }

    fn hand_over(&mut self, event: Event) {
        let id = event.id().to_owned();
        let Some(callback) = self.events.hand_over.clone() else {
            self.tracker.handed_over(&id, true);
            return;
        };
        let timeout = self.events.params.hand_over_timeout.clone();
        // In a task of its own: it may take long, and it may panic.
        let task = tokio::spawn(async move {
            let called = async || {
                callback(event).await;
                Ok::<_, Infallible>(())
            };
            timeout.run(called).await.is_ok()
        });
        self.handing.push((id, task));
    }

    async fn approve(&mut self, event: Event) {
        let ScheduledEvents { imds, params, .. } = self.events;
        let body = json!({ "StartRequests": [{ "EventId": event.id() }] }).to_string();
        match imds.once(Method::POST, &params.path, body, &params.timeout).await {
            Ok(_) => {
                self.tracker.approved(event.id());
                self.events.tell(&Notice::Approved(event));
            }
            // It does not know the event any more, or never will.
            Err(ImdsError::Status { status: StatusCode::BAD_REQUEST, .. }) => {
                self.tracker.approved(event.id());
            }
            Err(_) => self.tracker.approval_failed(event.id(), imds.clock().now()),
        }
    }
}

/// What is announced half a minute ahead is not to be missed.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
const LONGEST_HINT: Duration = Duration::from_secs(60);
/// The feature is turned off after a day without a question.
const LONGEST_SILENCE: Duration = Duration::from_secs(12 * 60 * 60);
