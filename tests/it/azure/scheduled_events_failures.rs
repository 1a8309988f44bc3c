//! What goes wrong while an event is ahead: nothing of it may end an event, or approve one.

use std::time::Duration;

use seawall::azure::scheduled_events::Config;
use seawall::azure::{Imds, ScheduledEvents};
use seawall::health::Phase;
use tokio::time::Instant;

use super::fake::{Fake, Maintenance, Turn};
use super::scheduled_events::{Machine, config, product, secs, sleep};

#[tokio::test(start_paused = true)]
async fn no_failure_of_the_service_ends_an_event() {
    let failures = [
        Turn::Status(410, &[]),
        Turn::Status(429, &[("retry-after", "3")]),
        Turn::Status(500, &[]),
        Turn::Status(404, &[]),
        Turn::Text("{}".into()),
        Turn::Text(" ".repeat(2 * 1024 * 1024)),
        Turn::Late(secs(3_600)),
        Turn::Broken,
    ];
    for failure in failures {
        let fake = Fake::new();
        fake.plan(Maintenance::new("Reboot", "Platform", -1));
        let machine = Machine::start(&fake, "shop_1");
        sleep(2).await;
        assert_eq!(machine.drain.phase(), Phase::NotReady);
        fake.then(failure);
        sleep(38).await;

        let log = machine.log();
        let at = |what: &str| log.iter().position(|line| line.ends_with(what));
        let count = |what: &str| log.iter().filter(|line| line.ends_with(what)).count();
        assert_eq!((count(" failed"), count("recovered"), count("serving")), (1, 1, 1), "{log:?}");
        assert!(at(" failed") < at("recovered") && at("recovered") < at("approved"), "{log:?}");
        assert!(at("approved") < at("serving"), "{log:?}");
        assert_eq!(fake.violations(), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_keeps_failing_is_asked_less_and_less() {
    let fake = Fake::new();
    for _ in 0..1_000 {
        fake.then(Turn::Status(500, &[]));
    }
    let machine = Machine::start(&fake, "shop_1");
    sleep(100).await;

    let asked: Vec<_> = fake.seen().into_iter().map(|(at, _)| at).collect();
    assert_eq!(asked[..6], [0, 1, 3, 7, 15, 25], "{asked:?}");
    assert_eq!(machine.log(), ["0 failed"], "told once");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_full_is_asked_when_it_says_but_not_in_an_hour() {
    let fake = Fake::new();
    fake.then(Turn::Status(429, &[("retry-after", "4")]));
    fake.then(Turn::Status(429, &[("retry-after", "3600")]));
    let _machine = Machine::start(&fake, "shop_1");
    sleep(70).await;

    let asked: Vec<_> = fake.seen().into_iter().map(|(at, _)| at).collect();
    assert_eq!(asked[..4], [0, 4, 64, 65]);
}

#[tokio::test(start_paused = true)]
async fn the_first_answer_may_take_two_minutes_and_later_ones_may_not() {
    let fake = Fake::new();
    fake.then(Turn::Late(secs(120)));
    let machine = Machine::start(&fake, "shop_1");
    sleep(125).await;
    assert_eq!(machine.log(), [""; 0]);
    assert!(fake.seen().len() > 3);

    fake.then(Turn::Late(secs(120)));
    sleep(10).await;

    assert_eq!(machine.log().len(), 2, "{:?}", machine.log());
    assert!(machine.log()[0].ends_with(" failed") && machine.log()[1].ends_with(" recovered"));
}

#[tokio::test]
async fn a_service_that_is_not_there_is_told_of() {
    // Nothing listens there.
    let imds = Imds::builder().endpoint("http://127.0.0.1:1").absent_for(secs(3_600));
    let (sender, mut failed) = tokio::sync::mpsc::unbounded_channel();
    let events = ScheduledEvents::builder().build(&imds.build().unwrap()).unwrap();
    let events = events.observe(move |notice| sender.send(format!("{notice:?}")).unwrap());
    let run = tokio::spawn(async move { events.run().await });

    assert_eq!(failed.recv().await.unwrap(), "Failed(Absent)");
    run.abort();
}

#[tokio::test(start_paused = true)]
async fn who_panics_while_handing_over_does_not_approve_and_the_watch_goes_on() {
    let fake = Fake::new();
    fake.plan(Maintenance { notice: secs(60), ..Maintenance::new("Reboot", "Platform", -1) });
    let machine = Machine::handing_over(&fake, "shop_1", &config(), product(), |_| async {
        panic!("as callbacks do")
    });
    sleep(100).await;

    let log = machine.log();
    assert!(log.contains(&"1 failed to hand over".to_owned()), "{log:?}");
    assert_eq!(fake.approved(), [""; 0], "it comes at its own time");
    assert_eq!(log.last().unwrap(), "70 serving");
}

#[tokio::test(start_paused = true)]
async fn who_panics_before_the_callback_even_begins_is_caught_as_well() {
    let fake = Fake::new();
    fake.plan(Maintenance { notice: secs(60), ..Maintenance::new("Reboot", "Platform", -1) });
    #[expect(unreachable_code, reason = "the future's type comes from behind the panic")]
    let machine = Machine::handing_over(&fake, "shop_1", &config(), product(), |_| {
        panic!("as callbacks do");
        async {}
    });
    sleep(5).await;

    assert!(machine.log().contains(&"1 failed to hand over".to_owned()), "{:?}", machine.log());
}

#[tokio::test(start_paused = true)]
async fn who_never_ends_handing_over_is_given_up_and_a_users_event_goes_on() {
    for (source, approved) in [("Platform", 0), ("User", 1)] {
        let fake = Fake::new();
        fake.plan(Maintenance::new("Reboot", source, -1));
        let machine = Machine::handing_over(&fake, "shop_1", &config(), product(), |_| {
            std::future::pending()
        });
        sleep(30).await;

        let log = machine.log();
        let failed = ["10 failed to hand over", "11 failed to hand over"];
        assert!(failed.iter().any(|line| log.contains(&(*line).to_owned())), "{log:?}");
        assert_eq!(fake.approved().len(), approved, "{log:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_takes_time_to_hand_over_does_not_hold_up_the_watch() {
    let fake = Fake::new();
    fake.plan(Maintenance::new("Reboot", "Platform", -1));
    let _machine = Machine::handing_over(&fake, "shop_1", &config(), product(), |_| async {
        tokio::time::sleep(secs(9)).await;
    });
    sleep(8).await;

    assert!(fake.seen().len() >= 8, "{:?}", fake.seen());
}

#[tokio::test(start_paused = true)]
async fn an_approval_that_fails_is_tried_again_and_one_that_is_refused_is_not() {
    let posts = |fake: &Fake| {
        let seen = fake.seen().into_iter();
        seen.filter(|(_, what)| what.starts_with("POST")).map(|(at, _)| at).collect::<Vec<_>>()
    };
    for (status, expected) in [(500, vec![0, 2]), (429, vec![0, 2]), (400, vec![0])] {
        let fake = Fake::new();
        fake.plan(Maintenance::new("Freeze", "Platform", 5));
        fake.then(Turn::Late(Duration::ZERO));
        fake.then(Turn::Status(status, &[]));
        let _machine = Machine::start(&fake, "shop_1");
        sleep(60).await;

        assert_eq!(posts(&fake), expected, "{status}");
        assert_eq!(fake.violations(), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_observer_that_panics_does_not_end_the_watch() {
    let fake = Fake::new();
    fake.plan(Maintenance::new("Freeze", "Platform", 5));
    let events = config().resource("shop_1").build(&fake.client()).unwrap();
    let events = events.observe(|_| panic!("as observers do"));
    let run = tokio::spawn(async move { events.run().await });
    sleep(5).await;

    assert_eq!(fake.approved().len(), 1);
    assert!(!run.is_finished());
    run.abort();
}

#[tokio::test(start_paused = true)]
async fn events_that_come_and_go_for_ever_leave_nothing_behind() {
    let fake = Fake::new();
    let machine = Machine::start(&fake, "shop_1");
    let start = Instant::now();
    for id in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        fake.plan(Maintenance { id, ..Maintenance::new("Reboot", "Platform", -1) });
        sleep(40).await;
        assert_eq!(machine.drain.phase(), Phase::Serving, "after {id}");
    }

    assert_eq!(fake.approved(), ["a", "b", "c", "d", "e", "f", "g", "h"]);
    let polls = fake.seen().len() as u64;
    assert!(polls.abs_diff(start.elapsed().as_secs() + 8) < 8, "{polls}");
    assert_eq!(fake.violations(), [""; 0]);
}

#[test]
fn settings_that_make_no_sense_are_refused_by_name() {
    let imds = Imds::builder().build().unwrap();
    let zero = Duration::ZERO;
    let rows: [(Config, &str); 8] = [
        (config().interval(Duration::from_millis(199)), "interval"),
        (config().interval(secs(3_601)), "interval"),
        (config().timeout(zero), "timeout"),
        (config().first_timeout(zero), "first_timeout"),
        (config().hand_over_timeout(zero), "hand_over_timeout"),
        (config().resource(""), "resource"),
        (config().api_version("2020-07-01&x=1"), "api_version"),
        (config().api_version("2020-07-0x"), "api_version"),
    ];
    for (config, field) in rows {
        assert_eq!(config.build(&imds).unwrap_err().field(), field, "{config:?}");
    }
}
