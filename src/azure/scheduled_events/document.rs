//! What the service says, read leniently.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use crate::azure::imds::ImdsError;

/// All events that a machine is told of, its own and those of its neighbours.
///
/// # Example
///
/// ```
/// use seawall::azure::scheduled_events::{Document, Kind};
///
/// let document = Document::parse(br#"{
///     "DocumentIncarnation": 2,
///     "Events": [{
///         "EventId": "C7061BAC", "EventStatus": "Scheduled", "EventType": "Reboot",
///         "ResourceType": "VirtualMachine", "Resources": ["shop_0", "shop_1"],
///         "NotBefore": "Mon, 13 Apr 2026 22:26:58 GMT", "Description": "",
///         "EventSource": "Platform", "DurationInSeconds": -1
///     }]
/// }"#)?;
///
/// let event = &document.events()[0];
/// assert_eq!(event.kind(), Kind::Reboot);
/// assert!(event.concerns("shop_1") && event.approver() == Some("shop_0"));
/// # Ok::<(), seawall::azure::imds::ImdsError>(())
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Document {
    incarnation: u64,
    events: Vec<Event>,
}

/// One event.
///
/// # Example
///
/// See [`Document`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    id: String,
    kind: Kind,
    status: Status,
    source: Source,
    resources: Vec<String>,
    not_before: Option<SystemTime>,
    lasts: Option<Duration>,
    description: String,
}

/// What is to happen to the machine.
///
/// # Example
///
/// ```
/// use seawall::azure::scheduled_events::Kind;
///
/// assert_eq!(Kind::Freeze.to_string(), "freeze");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// It pauses for some seconds; memory and open connections stay.
    Freeze,
    /// It is rebooted.
    Reboot,
    /// It moves to another host, and loses its temporary disks.
    Redeploy,
    /// It is a spot machine, and is taken away.
    Preempt,
    /// It is deleted.
    Terminate,
    /// Something that this crate does not know.
    Other,
}

/// How far an event has come. There is no end: an event that is over is not there any more.
///
/// # Example
///
/// ```
/// use seawall::azure::scheduled_events::Status;
///
/// assert_ne!(Status::Scheduled, Status::Started);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Status {
    /// It waits for its time, or to be approved.
    Scheduled,
    /// It happens.
    Started,
    /// Something that this crate does not know.
    Other,
}

/// Who wants it.
///
/// # Example
///
/// ```
/// use seawall::azure::scheduled_events::Source;
///
/// assert_ne!(Source::Platform, Source::User);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Source {
    /// Azure.
    Platform,
    /// Somebody who may: by portal, tool or interface.
    User,
    /// Something that this crate does not know.
    Other,
}

/// What an event means for the application.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::azure::scheduled_events::{Document, Impact};
///
/// let document = Document::parse(br#"{"DocumentIncarnation": 2, "Events": [
///     {"EventId": "1", "EventType": "Freeze", "EventStatus": "Scheduled", "DurationInSeconds": 5}
/// ]}"#)?;
///
/// let impact = document.events()[0].impact(Duration::from_secs(9));
/// assert_eq!(impact, Impact::ShortFreeze);
/// # Ok::<(), seawall::azure::imds::ImdsError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Impact {
    /// A pause that calls survive: ride it out.
    ShortFreeze,
    /// The machine goes, or pauses for too long: be out of service by then.
    Drain,
}

impl Kind {
    /// The word for it, in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Freeze => "freeze",
            Self::Reboot => "reboot",
            Self::Redeploy => "redeploy",
            Self::Preempt => "preempt",
            Self::Terminate => "terminate",
            Self::Other => "other",
        }
    }

    /// How long ahead it is announced, at least.
    #[must_use]
    pub const fn notice(self) -> Duration {
        Duration::from_secs(match self {
            Self::Freeze | Self::Reboot => 15 * 60,
            Self::Redeploy => 10 * 60,
            Self::Terminate => 5 * 60,
            Self::Preempt | Self::Other => 30,
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Document {
    /// Reads an answer of the service. Events without an id are left out, values that are unknown
    /// are `Other`, and of more than 256 events, or 256 names in one, the first are kept.
    ///
    /// # Errors
    ///
    /// [`ImdsError::Malformed`] if it is no JSON object with an incarnation and a list of events.
    pub fn parse(document: &[u8]) -> Result<Self, ImdsError> {
        let document: Map<String, Value> =
            serde_json::from_slice(document).map_err(|_| ImdsError::Malformed)?;
        let incarnation = document.get("DocumentIncarnation").and_then(whole);
        let incarnation = incarnation.and_then(|number| u64::try_from(number).ok());
        let events = document.get("Events").and_then(Value::as_array);
        let (Some(incarnation), Some(events)) = (incarnation, events) else {
            return Err(ImdsError::Malformed);
        };
        let events = events.iter().filter_map(Value::as_object).filter_map(Event::read);
        Ok(Self { incarnation, events: events.take(MOST).collect() })
    }

    /// A number that changes when the events do.
    #[must_use]
    pub const fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// The events.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }
}

impl Event {
    fn read(event: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
        let id = text("EventId");
        if id.is_empty() || id.len() > LONGEST {
            return None;
        }
        let resources = event.get("Resources").and_then(Value::as_array).into_iter().flatten();
        Some(Self {
            id: id.to_owned(),
            kind: match text("EventType") {
                "Freeze" => Kind::Freeze,
                "Reboot" => Kind::Reboot,
                "Redeploy" => Kind::Redeploy,
                "Preempt" => Kind::Preempt,
                "Terminate" => Kind::Terminate,
                _ => Kind::Other,
            },
            status: match text("EventStatus") {
                "Scheduled" => Status::Scheduled,
                "Started" => Status::Started,
                _ => Status::Other,
            },
            source: match text("EventSource") {
                "Platform" => Source::Platform,
                "User" => Source::User,
                _ => Source::Other,
            },
            resources: resources.filter_map(Value::as_str).map(cut).take(MOST).collect(),
            not_before: httpdate::parse_http_date(text("NotBefore")).ok(),
            lasts: event
                .get("DurationInSeconds")
                .and_then(whole)
                .and_then(|seconds| u64::try_from(seconds).ok())
                .map(Duration::from_secs),
            description: cut(text("Description")),
        })
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What is to happen.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// How far it has come.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.status
    }

    /// Who wants it.
    #[must_use]
    pub const fn source(&self) -> Source {
        self.source
    }

    /// The names of the machines that it happens to.
    #[must_use]
    pub fn resources(&self) -> &[String] {
        &self.resources
    }

    /// Before this time it does not start, unless it is approved. `None` once it has started.
    #[must_use]
    pub const fn not_before(&self) -> Option<SystemTime> {
        self.not_before
    }

    /// How long it interrupts the machine, where that is known.
    #[must_use]
    pub const fn lasts(&self) -> Option<Duration> {
        self.lasts
    }

    /// What the platform says of it.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Whether it happens to the machine of that name.
    #[must_use]
    pub fn concerns(&self, name: &str) -> bool {
        self.resources.iter().any(|resource| resource.eq_ignore_ascii_case(name))
    }

    /// The name of the machine that approves it for all: the first that it happens to.
    #[must_use]
    pub fn approver(&self) -> Option<&str> {
        self.resources.first().map(String::as_str)
    }

    /// What it means, where a freeze shorter than `short` can be ridden out. What lasts for no time
    /// is one, whatever it is called.
    #[must_use]
    pub fn impact(&self, short: Duration) -> Impact {
        match self.lasts {
            Some(Duration::ZERO) => Impact::ShortFreeze,
            Some(lasts) if self.kind == Kind::Freeze && lasts < short => Impact::ShortFreeze,
            _ => Impact::Drain,
        }
    }
}

/// A whole number, also if it is written as text.
fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

const MOST: usize = 256;
const LONGEST: usize = 256;
