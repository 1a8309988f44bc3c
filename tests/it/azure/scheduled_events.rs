//! The scenarios of Azure's mock server, in paused time: what is done when.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use seawall::azure::ScheduledEvents;
use seawall::azure::scheduled_events::{Config, Document, Impact, Kind, Notice, Source, Status};
use seawall::health::Phase;
use seawall::health::drain::{Drain, Product};
use seawall::telemetry::Environment;
use seawall::time::Clock;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::fake::{Fake, Maintenance};

#[tokio::test(start_paused = true)]
async fn a_live_migration_is_ridden_out() {
    let fake = Fake::new();
    fake.plan(Maintenance::new("Freeze", "Platform", 5));
    let machine = Machine::start(&fake, "shop_1");
    sleep(30).await;

    assert_eq!(machine.log(), ["0 scheduled freeze", "0 approved", "1 started freeze", "11 over"]);
    assert_eq!(fake.violations(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_reboot_by_a_user_begins_when_leadership_was_handed_over() {
    let fake = Fake::new();
    fake.plan(Maintenance::new("Reboot", "User", -1));
    let machine = Machine::start(&fake, "shop_1");
    sleep(30).await;

    assert_eq!(
        machine.log(),
        [
            "0 scheduled reboot",
            "0 not_ready",
            "0 hands over",
            "1 handed over",
            "1 approved",
            "2 started reboot",
            // The drain goes on: nobody knows how much time is left.
            "5 closing",
            "10 rejecting",
            "12 over",
            "12 serving",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_freeze_of_nine_seconds_is_too_long() {
    let fake = Fake::new();
    fake.plan(Maintenance::new("Freeze", "Platform", 9));
    let machine = Machine::start(&fake, "shop_1");
    sleep(40).await;

    assert_eq!(machine.log(), drained("freeze"));
    assert_eq!(fake.approved().len(), 1, "an event is approved once");
    assert_eq!(fake.violations(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_redeployment_by_the_platform_waits_for_the_drain() {
    let fake = Fake::new();
    fake.plan(Maintenance::new("Redeploy", "Platform", -1));
    let machine = Machine::start(&fake, "shop_1");
    sleep(40).await;

    assert_eq!(machine.log(), drained("redeploy"));
}

#[tokio::test(start_paused = true)]
async fn a_redeployment_by_a_user_waits_for_the_drain_where_that_is_wanted() {
    for (config, approved) in
        [(config(), "1 approved"), (config().approve_user_at_once(false), "10 approved")]
    {
        let fake = Fake::new();
        fake.plan(Maintenance::new("Redeploy", "User", -1));
        let machine = Machine::start_with(&fake, "shop_1", &config);
        sleep(40).await;

        let log = machine.log();
        assert!(log.iter().any(|line| line == approved), "{log:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_called_off_leaves_the_machine_in_service() {
    let fake = Fake::new();
    let called_off = Some(Duration::from_secs(7));
    fake.plan(Maintenance { called_off, ..Maintenance::new("Reboot", "Platform", -1) });
    let machine = Machine::start(&fake, "shop_1");
    sleep(40).await;

    assert_eq!(
        machine.log(),
        [
            "0 scheduled reboot",
            "0 not_ready",
            "0 hands over",
            "1 handed over",
            "5 closing",
            "7 over",
            "7 serving"
        ]
    );
    assert_eq!(fake.approved(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_preempted_machine_is_out_of_service_in_its_half_minute() {
    let fake = Fake::new();
    let event = Maintenance { notice: secs(30), ..Maintenance::new("Preempt", "Platform", -1) };
    fake.plan(Maintenance { takes: secs(600), ..event });
    // What stands in front takes three minutes to look away.
    let machine = Machine::build(&fake, "shop_1", &config(), Product::traffic_manager());
    let _hangs = machine.drain.enter().unwrap();
    sleep(60).await;

    let log = machine.log();
    assert_eq!(log[..3], ["0 scheduled preempt", "0 not_ready", "0 hands over"]);
    let closed = log.iter().find_map(|line| line.strip_suffix(" closed")).unwrap();
    // The date on the wire has whole seconds, so the deadline is up to one early.
    assert!(closed == "29" || closed == "30", "{log:?}");
}

#[tokio::test(start_paused = true)]
async fn two_machines_that_are_deleted_each_approve_for_themselves() {
    let fake = Fake::new();
    let event = |id, resources, other| Maintenance {
        id,
        resources,
        together_with: Some(other),
        notice: secs(300),
        ..Maintenance::new("Terminate", "User", -1)
    };
    fake.plan(event("one", &["shop_1"], "two"));
    fake.plan(event("two", &["shop_2"], "one"));
    let config = config().approve_user_at_once(false);
    let first = Machine::start_with(&fake, "shop_1", &config);
    sleep(20).await;
    assert_eq!(fake.approved(), ["one"]);
    assert!(!first.log().iter().any(|line| line.contains("started")), "it waits for the other");

    let second = Machine::start_with(&fake, "shop_2", &config);
    sleep(20).await;

    assert_eq!(fake.approved(), ["one", "two"]);
    assert!(first.log().contains(&"31 started terminate".to_owned()), "{:?}", first.log());
    assert!(second.log().contains(&"11 started terminate".to_owned()), "{:?}", second.log());
}

#[tokio::test(start_paused = true)]
async fn a_host_that_fails_leaves_no_time_and_its_machine_serves_when_it_is_back() {
    let fake = Fake::new();
    let started = Some(Instant::now());
    let event = Maintenance { started, ..Maintenance::new("Reboot", "Platform", -1) };
    fake.plan(event);
    let machine = Machine::start(&fake, "shop_1");
    sleep(30).await;

    assert_eq!(machine.log(), ["0 started reboot", "0 hands over", "1 handed over", "10 over"]);
    assert_eq!(fake.approved(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn of_several_machines_the_first_named_approves() {
    let fake = Fake::new();
    let resources = &["SHOP_2", "shop_1"];
    fake.plan(Maintenance { resources, ..Maintenance::new("Reboot", "Platform", -1) });
    let first = Machine::start(&fake, "shop_1");
    sleep(15).await;
    assert_eq!(fake.approved(), [""; 0]);
    assert_eq!(first.drain.phase(), Phase::Rejecting);

    let second = Machine::start(&fake, "shop_2");
    sleep(25).await;

    assert_eq!(fake.approved().len(), 1);
    assert!(second.log().iter().any(|line| line.ends_with(" approved")));
    assert!(!first.log().iter().any(|line| line.ends_with(" approved")));
    assert_eq!((first.drain.phase(), second.drain.phase()), (Phase::Serving, Phase::Serving));
}

#[tokio::test(start_paused = true)]
async fn events_of_neighbours_are_left_alone() {
    let fake = Fake::new();
    let resources = &["shop_2", "shop_11"];
    fake.plan(Maintenance { resources, ..Maintenance::new("Reboot", "Platform", -1) });
    let machine = Machine::start(&fake, "shop_1");
    sleep(20).await;

    assert_eq!(machine.log(), [""; 0]);
    assert_eq!(machine.events.current().events().len(), 1, "and can be seen");
}

#[tokio::test(start_paused = true)]
async fn two_events_at_once_are_over_when_both_are() {
    let fake = Fake::new();
    let event = |id, takes| Maintenance { id, takes, ..Maintenance::new("Reboot", "Platform", -1) };
    fake.plan(event("short", secs(5)));
    fake.plan(event("long", secs(20)));
    let machine = Machine::start(&fake, "shop_1");
    sleep(20).await;
    assert!(machine.log().contains(&"16 over".to_owned()), "{:?}", machine.log());
    assert_ne!(machine.drain.phase(), Phase::Serving, "the long one is not over");
    sleep(20).await;

    assert_eq!(machine.drain.phase(), Phase::Serving);
    let hands_over = machine.log().iter().filter(|line| line.ends_with("hands over")).count();
    assert_eq!(hands_over, 2, "once per event");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_approve_stays_as_long_as_there_is_time() {
    let fake = Fake::new();
    fake.plan(Maintenance::new("Reboot", "Platform", -1));
    let machine = Machine::start_with(&fake, "shop_1", &config().approve(false));
    sleep(1_000).await;

    let log = machine.log();
    let began: u64 = log[1].strip_suffix(" not_ready").unwrap().parse().unwrap();
    // 900 s of notice, 20 s of drain, and a second for what the date leaves out.
    assert!((878..=880).contains(&began), "{log:?}");
    assert_eq!(fake.approved(), [""; 0]);
    assert_eq!(log.last().unwrap(), &format!("{} serving", 910));
}

#[tokio::test(start_paused = true)]
async fn the_machine_learns_its_own_name() {
    let fake = Fake::new();
    fake.plan(Maintenance::new("Freeze", "Platform", 5));
    let machine = Machine::build(&fake, "", &ScheduledEvents::builder(), product());
    sleep(5).await;

    assert_eq!(machine.log()[..2], ["0 scheduled freeze", "0 approved"]);
}

#[test]
fn events_mean_what_the_table_says() {
    let table = [
        ("Freeze", "5", Impact::ShortFreeze),
        ("Freeze", "\"5\"", Impact::ShortFreeze),
        ("Freeze", "0", Impact::ShortFreeze),
        ("Freeze", "8", Impact::ShortFreeze),
        ("Freeze", "9", Impact::Drain),
        ("Freeze", "-1", Impact::Drain),
        ("Freeze", "\"-1\"", Impact::Drain),
        ("Freeze", "null", Impact::Drain),
        ("Reboot", "5", Impact::Drain),
        ("Reboot", "0", Impact::ShortFreeze),
        ("Redeploy", "-1", Impact::Drain),
        ("Preempt", "-1", Impact::Drain),
        ("Terminate", "-1", Impact::Drain),
        ("Levitate", "5", Impact::Drain),
        ("Levitate", "0", Impact::ShortFreeze),
    ];
    for (kind, seconds, impact) in table {
        let document = format!(
            r#"{{"DocumentIncarnation": "7", "Events": [{{"EventId": "1", "EventType": "{kind}",
                "EventStatus": "Scheduled", "DurationInSeconds": {seconds}}}]}}"#
        );
        let document = Document::parse(document.as_bytes()).unwrap();
        assert_eq!(document.incarnation(), 7);
        let found = document.events()[0].impact(secs(9));
        assert_eq!(found, impact, "{kind} of {seconds} s");
    }
}

#[test]
fn a_document_is_read_leniently_and_within_bounds() {
    let text = r#"{"DocumentIncarnation": 1, "Events": [
        {"EventId": "known", "EventStatus": "Started", "EventType": "Reboot",
         "Resources": ["a", 7, "b"], "NotBefore": "", "EventSource": "User", "More": {}},
        {"EventId": "", "EventType": "Reboot"}, 7, null, {"EventType": "Reboot"},
        {"EventId": "strange", "EventStatus": "Levitating", "EventType": "Levitate",
         "Resources": "a", "NotBefore": "tomorrow", "EventSource": 7}
    ]}"#;
    let document = Document::parse(text.as_bytes()).unwrap();
    let [known, strange] = document.events() else { panic!("{document:?}") };
    assert_eq!((known.status(), known.kind()), (Status::Started, Kind::Reboot));
    assert_eq!((known.source(), known.not_before()), (Source::User, None));
    assert_eq!(known.resources(), ["a", "b"]);
    assert!(known.concerns("A") && !known.concerns("c"));
    assert_eq!((strange.status(), strange.kind()), (Status::Other, Kind::Other));
    assert_eq!((strange.source(), strange.approver()), (Source::Other, None));

    let resources = vec!["\"x\""; 1_000].join(",");
    let event = format!(r#"{{"EventId": "1", "Resources": [{resources}]}}"#);
    let events = vec![event; 300].join(",");
    let many = format!(r#"{{"DocumentIncarnation": 1, "Events": [{events}]}}"#);
    let document = Document::parse(many.as_bytes()).unwrap();
    assert_eq!(document.events().len(), 256);
    assert_eq!(document.events()[0].resources().len(), 256);

    for text in [
        "",
        "[]",
        "{}",
        r#"{"Events": []}"#,
        r#"{"DocumentIncarnation": 1}"#,
        r#"{"DocumentIncarnation": -1, "Events": []}"#,
    ] {
        assert!(Document::parse(text.as_bytes()).is_err(), "{text}");
    }
}

/// What is done about any event that waits for the drain: 5 s until the product has looked away, 5 s
/// of closing, then nothing is under way.
fn drained(kind: &str) -> Vec<String> {
    let lines = [
        "0 scheduled KIND",
        "0 not_ready",
        "0 hands over",
        "1 handed over",
        "5 closing",
        "10 rejecting",
        "10 approved",
        "11 started KIND",
        "20 closed",
        "21 over",
        "21 serving",
    ];
    lines.iter().map(|line| line.replace("KIND", kind)).collect()
}

/// A machine of that name, and what it does, by the second.
pub(super) struct Machine {
    pub(super) drain: Drain,
    pub(super) events: ScheduledEvents,
    pub(super) log: Arc<Mutex<Vec<String>>>,
    run: JoinHandle<()>,
    phases: JoinHandle<()>,
}

impl Machine {
    pub(super) fn start(fake: &Fake, name: &str) -> Self {
        Self::start_with(fake, name, &config())
    }

    pub(super) fn start_with(fake: &Fake, name: &str, config: &Config) -> Self {
        Self::build(fake, name, config, product())
    }

    pub(super) fn build(fake: &Fake, name: &str, config: &Config, product: Product) -> Self {
        Self::handing_over(fake, name, config, product, |log| async move { log("hands over") })
    }

    pub(super) fn handing_over<F, Fut>(
        fake: &Fake,
        name: &str,
        config: &Config,
        product: Product,
        hand_over: F,
    ) -> Self
    where
        F: Fn(Box<dyn Fn(&str) + Send + Sync>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let start = Instant::now();
        let log = Arc::new(Mutex::new(Vec::new()));
        let say = {
            let log = Arc::clone(&log);
            move |what: &str| {
                log.lock().unwrap().push(format!("{} {what}", start.elapsed().as_secs()));
            }
        };
        let environment = Environment::new().clock(Clock::tokio()).observer({
            let say = say.clone();
            move |event: &seawall::telemetry::Event| {
                if let seawall::telemetry::EventKind::StateChanged { to, .. } = event.kind() {
                    say(to);
                }
            }
        });
        let drain = Drain::for_products([product]).build_in(&environment).unwrap();
        let config = if name.is_empty() { config.clone() } else { config.clone().resource(name) };
        let events = config.build(&fake.client()).unwrap().drain(&drain);
        let events = events
            .hand_over({
                let say = say.clone();
                move |_| hand_over(Box::new(say.clone()))
            })
            .observe(move |notice| match notice {
                Notice::Announced(event) => {
                    let status =
                        if event.status() == Status::Started { "started" } else { "scheduled" };
                    say(&format!("{status} {}", event.kind()));
                }
                Notice::Over(_) => say("over"),
                Notice::HandedOver { well: true, .. } => say("handed over"),
                Notice::HandedOver { .. } => say("failed to hand over"),
                Notice::Approved(_) => say("approved"),
                Notice::Failed(_) => say("failed"),
                Notice::Recovered => say("recovered"),
                _ => say("something else"),
            });
        let run = tokio::spawn({
            let events = events.clone();
            async move {
                events.run().await;
            }
        });
        // Tells of each phase when it begins.
        let phases = tokio::spawn({
            let drain = drain.clone();
            async move {
                loop {
                    for phase in [Phase::NotReady, Phase::Closing, Phase::Rejecting, Phase::Closed]
                    {
                        if drain.time_until(phase).is_some_and(|time| time <= secs(1)) {
                            drain.reached(phase).await;
                        }
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        });
        Self { drain, events, log, run, phases }
    }

    pub(super) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.run.abort();
        self.phases.abort();
    }
}

pub(super) fn config() -> Config {
    ScheduledEvents::builder()
}

pub(super) fn product() -> Product {
    Product::other("balancer").interval(secs(5)).threshold(1)
}

/// A little more than so many seconds, so that what happens at the end of them has happened.
pub(super) async fn sleep(seconds: u64) {
    tokio::time::sleep(secs(seconds) + Duration::from_millis(50)).await;
}

pub(super) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
