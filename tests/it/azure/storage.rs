//! Storage accounts with a readable secondary.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use azure_core::http::{Method, StatusCode};
use seawall::azure::resilience::Config;
use seawall::azure::storage::{Location, Pin, ReadAccess};
use seawall::azure::{CallOptions, Resilience};
use seawall::error::Reject;
use seawall::health::Verdict;
use seawall::telemetry::{Environment, Event, EventKind};
use seawall::time::Clock;
use seawall::{Reason, circuit_breaker, stack};
use tokio::time::{Instant, sleep};

use super::pipeline::{Client, Seen, Turn, Wire, get, request, told};

const BLOB: &str = "https://orders.blob.core.windows.net/c/b";
const PRIMARY: &str = "orders.blob.core.windows.net";
const SECONDARY: &str = "orders-secondary.blob.core.windows.net";
const SYNCED: &str = "<StorageServiceStats><GeoReplication><Status>live</Status>\
    <LastSyncTime>Mon, 19 Oct 2026 22:28:43 GMT</LastSyncTime></GeoReplication></StorageServiceStats>";

fn access() -> ReadAccess {
    ReadAccess::new().failures(3).hold(Duration::from_secs(30))
}

fn account(access: ReadAccess) -> Config {
    // Without a breaker, so that the tests see what the places do by themselves.
    Resilience::storage("orders").read_access(access).stack(stack::Config::without_circuit_breaker)
}

fn is_secondary(seen: &Seen) -> bool {
    seen.host() == SECONDARY
}

fn is_stats(seen: &Seen) -> bool {
    seen.url.contains("comp=stats")
}

/// A primary and a secondary, which answer as the two functions say.
fn places(
    mut primary: impl FnMut() -> Turn + Send + 'static,
    mut secondary: impl FnMut() -> Turn + Send + 'static,
) -> Wire {
    Wire::new(move |seen| match (is_secondary(seen), is_stats(seen)) {
        (true, true) => Turn::Answer(200, &[], SYNCED),
        (true, false) => secondary(),
        (false, _) => primary(),
    })
}

/// The hosts that were asked, without the questions for the Last Sync Time.
fn hosts(wire: &Wire) -> Vec<String> {
    let seen = wire.seen();
    seen.iter().filter(|seen| !is_stats(seen)).map(|seen| seen.host().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_read_that_the_primary_fails_is_answered_by_the_secondary_at_once() {
    for failure in [Turn::Refused, Turn::Reset, Turn::status(500), Turn::status(503)] {
        let wire = places(move || failure.clone(), || Turn::ok("two shirts"));
        let (_, client) = wire.wrapped(&account(access()));

        let begin = Instant::now();
        let answer = client.send(get(BLOB)).await.unwrap();

        assert_eq!(answer.body().as_ref(), b"two shirts");
        assert_eq!(told(answer.headers(), "x-resilience-served-by"), Some(SECONDARY));
        assert_eq!(told(answer.headers(), "x-resilience-attempts"), Some("1"));
        assert_eq!(
            (begin.elapsed(), hosts(&wire)),
            (Duration::ZERO, vec![PRIMARY.into(), SECONDARY.into()])
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_hangs_costs_one_attempt() {
    let wire = places(|| Turn::Hangs, || Turn::ok("two shirts"));
    let config = account(access()).stack(|stack| stack.attempt_timeout(Duration::from_secs(2)));
    let (_, client) = wire.wrapped(&config);

    let begin = Instant::now();
    client.send(get(BLOB)).await.unwrap();

    assert!(begin.elapsed() < Duration::from_millis(2_050), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn only_get_and_head_go_to_the_secondary() {
    for method in [Method::Put, Method::Post, Method::Delete, Method::Patch] {
        let wire = places(|| Turn::Refused, || Turn::ok(""));
        let (_, client) = wire.wrapped(&account(access()));
        for _ in 0..5 {
            client.send(request(method, BLOB)).await.unwrap_err();
        }
        assert!(!wire.seen().iter().any(is_secondary), "{method:?}");
    }
    let wire = places(|| Turn::Refused, || Turn::ok(""));
    let (_, client) = wire.wrapped(&account(access()));
    client.send(request(Method::Head, BLOB)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_the_secondary_does_not_have_yet_is_no_answer() {
    for status in [404, 412] {
        let answers = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&answers);
        let primary = move || match count.fetch_add(1, Ordering::Relaxed) {
            0 => Turn::status(503),
            _ => Turn::ok("two shirts"),
        };
        let wire = places(primary, move || Turn::status(status));
        let (_, client) = wire.wrapped(&account(access()));

        let answer = client.send(get(BLOB)).await.unwrap();

        assert_eq!(told(answer.headers(), "x-resilience-served-by"), Some(PRIMARY));
        // Asked once, and no more for this call.
        assert_eq!(hosts(&wire), [PRIMARY, SECONDARY, PRIMARY]);
    }

    let wire = places(|| Turn::status(503), || Turn::status(404));
    let (_, client) = wire.wrapped(&account(access()));
    let error = client.send(get(BLOB)).await.unwrap_err();
    assert_eq!(error.http_status(), Some(StatusCode::ServiceUnavailable));
    assert_eq!(wire.seen().iter().filter(|seen| is_secondary(seen) && !is_stats(seen)).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_the_primary_does_not_have_is_an_answer() {
    let wire = places(|| Turn::status(404), || Turn::ok("an old one"));
    let (_, client) = wire.wrapped(&account(access()));

    let error = client.send(get(BLOB)).await.unwrap_err();

    assert_eq!(error.http_status(), Some(StatusCode::NotFound));
    assert_eq!(hosts(&wire), [PRIMARY]);
}

#[tokio::test(start_paused = true)]
async fn reads_stay_away_until_the_primary_was_well_for_the_hold() {
    let is_up = Arc::new(AtomicBool::new(true));
    let up = Arc::clone(&is_up);
    let primary = move || if up.load(Ordering::Relaxed) { Turn::ok("new") } else { Turn::Refused };
    let wire = places(primary, || Turn::ok("old"));
    let events = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&events);
    let environment =
        Environment::new().clock(Clock::tokio()).seed(7).observer(move |event: &Event| {
            if let EventKind::StateChanged { from, to } = event.kind() {
                log.lock().unwrap().push((*from, *to));
            }
        });
    let resilience = account(access()).build_in(&environment).unwrap();
    let mut options = wire.options();
    resilience.apply(&mut options);
    let client = Client::new(options);
    let served_by = async || {
        let answer = client.send(get(BLOB)).await.unwrap();
        told(answer.headers(), "x-resilience-served-by").unwrap().to_owned()
    };
    let mut place = resilience
        .health()
        .into_iter()
        .find(|check| format!("{check:?}").contains("places"))
        .unwrap();

    assert_eq!(served_by().await, PRIMARY);
    is_up.store(false, Ordering::Relaxed);
    for _ in 0..3 {
        assert_eq!(served_by().await, SECONDARY);
    }
    assert_eq!(resilience.accounts()[0].reads_from, Location::Secondary);
    assert_eq!(place.run_once().await.verdict(), Verdict::Degraded);

    // Reads do not even ask the primary now; probes do, with no body.
    let before = wire.count();
    assert_eq!(served_by().await, SECONDARY);
    assert_eq!(wire.count(), before + 1);
    sleep(Duration::from_secs(60)).await;
    let probes: Vec<_> = wire.seen().split_off(before + 1);
    let probes: Vec<_> = probes.iter().filter(|seen| !is_stats(seen)).collect();
    assert!((10..=13).contains(&probes.len()), "{}", probes.len());
    assert!(probes.iter().all(|seen| seen.method == Method::Head && seen.host() == PRIMARY));

    is_up.store(true, Ordering::Relaxed);
    let begin = Instant::now();
    while served_by().await == SECONDARY {
        assert!(begin.elapsed() < Duration::from_secs(60));
        sleep(Duration::from_millis(100)).await;
    }
    let away = begin.elapsed();
    assert!((30..=41).contains(&away.as_secs()), "{away:?}");
    assert_eq!(*events.lock().unwrap(), [("primary", "secondary"), ("secondary", "primary")]);
    assert_eq!(place.run_once().await.verdict(), Verdict::Healthy);

    // Nobody probes any more.
    sleep(Duration::from_secs(5)).await;
    let before = wire.count();
    sleep(Duration::from_secs(300)).await;
    assert_eq!(wire.count(), before);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_answered_with_a_failure_does_not_lead_back() {
    let wire = places(|| Turn::status(503), || Turn::ok("old"));
    let (resilience, client) = wire.wrapped(&account(access()));
    for _ in 0..3 {
        client.send(get(BLOB)).await.unwrap();
    }
    sleep(Duration::from_secs(200)).await;
    assert_eq!(resilience.accounts()[0].reads_from, Location::Secondary);
}

#[tokio::test(start_paused = true)]
async fn probing_ends_with_the_last_client() {
    let wire = places(|| Turn::Refused, || Turn::ok("old"));
    let (resilience, client) = wire.wrapped(&account(access()));
    for _ in 0..3 {
        client.send(get(BLOB)).await.unwrap();
    }
    drop((resilience, client));
    sleep(Duration::from_secs(10)).await;
    let before = wire.count();
    sleep(Duration::from_secs(300)).await;
    assert_eq!(wire.count(), before);
}

#[tokio::test(start_paused = true)]
async fn writes_are_turned_away_while_reads_are_away_if_they_are_to_be() {
    let is_up = Arc::new(AtomicBool::new(false));
    let up = Arc::clone(&is_up);
    let primary =
        move || if up.load(Ordering::Relaxed) { Turn::status(201) } else { Turn::Refused };
    let wire = places(primary, || Turn::ok("old"));
    let (_, client) = wire.wrapped(&account(access().refuse_writes(true)));
    for _ in 0..3 {
        client.send(get(BLOB)).await.unwrap();
    }
    let before = wire.count();

    let error = client.send(request(Method::Put, BLOB)).await.unwrap_err();

    assert_eq!(error.rejection().unwrap().reason(), Reason::ReadOnly);
    assert_eq!(wire.count(), before);
    is_up.store(true, Ordering::Relaxed);
    sleep(Duration::from_secs(45)).await;
    client.send(request(Method::Put, BLOB)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_of_the_primary_does_not_keep_reads_from_the_secondary() {
    let wire = places(|| Turn::Refused, || Turn::ok("old"));
    let breaker = circuit_breaker::CircuitBreaker::builder()
        .consecutive_failures(2)
        .time_window(Duration::from_secs(60));
    let config = Resilience::storage("orders")
        .read_access(access().failures(1_000))
        .stack(|stack| stack.circuit_breaker(breaker));
    let (_, client) = wire.wrapped(&config);

    for _ in 0..50 {
        client.send(get(BLOB)).await.unwrap();
    }

    assert_eq!(hosts(&wire).iter().filter(|host| *host == PRIMARY).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_secondary_whose_name_has_vanished_is_left_alone() {
    let wire = places(|| Turn::status(503), || Turn::UnknownName);
    let (resilience, client) = wire.wrapped(&account(access().failures(1_000)));
    for _ in 0..10 {
        client.send(get(BLOB)).await.unwrap_err();
    }
    assert_eq!(hosts(&wire).iter().filter(|host| *host == SECONDARY).count(), 1);
    assert!(!resilience.accounts()[0].secondary_is_there);

    sleep(Duration::from_secs(601)).await;
    client.send(get(BLOB)).await.unwrap_err();
    assert_eq!(hosts(&wire).iter().filter(|host| *host == SECONDARY).count(), 2);
}

#[cfg(feature = "azure-storage")]
#[tokio::test(start_paused = true)]
async fn an_answer_of_the_secondary_says_how_old_it_may_be() {
    let wire = places(|| Turn::Refused, || Turn::ok("old"));
    let (resilience, client) = wire.wrapped(&account(access()));
    let signed =
        "https://orders.blob.core.windows.net/c/b?snapshot=7&sv=2025-01-05&sig=c2ln&se=2030";
    client.send(get(signed)).await.unwrap();
    sleep(Duration::from_millis(1)).await;

    let answer = client.send(get(signed)).await.unwrap();

    let sync = told(answer.headers(), "x-resilience-last-sync");
    assert_eq!(sync, Some("Mon, 19 Oct 2026 22:28:43 GMT"));
    let stats: Vec<_> = wire.seen().into_iter().filter(is_stats).collect();
    assert_eq!(stats.len(), 1);
    assert_eq!(
        stats[0].url,
        format!("https://{SECONDARY}/?restype=service&comp=stats&sv=2025-01-05&sig=c2ln&se=2030")
    );
    let last = resilience.accounts()[0].last_sync.clone().unwrap();
    assert_eq!(last.status, "live");
    let later = last.time.unwrap() + Duration::from_secs(90);
    assert_eq!(last.lag(later), Some(Duration::from_secs(90)));

    // Not asked for again before a minute has passed.
    sleep(Duration::from_secs(61)).await;
    client.send(get(signed)).await.unwrap();
    sleep(Duration::from_millis(1)).await;
    assert_eq!(wire.seen().iter().filter(|seen| is_stats(seen)).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn calls_that_belong_together_stay_together() {
    let is_up = Arc::new(AtomicBool::new(false));
    let up = Arc::clone(&is_up);
    let primary = move || if up.load(Ordering::Relaxed) { Turn::ok("new") } else { Turn::Refused };
    let wire = places(primary, || Turn::ok("old"));
    let (_, client) = wire.wrapped(&account(access()));
    let pin = Pin::new();
    let page = async || {
        let context = CallOptions::new().pin(&pin).into_context();
        client.send_in(&context, get(BLOB)).await.unwrap().body().as_ref().to_vec()
    };

    assert_eq!(page().await, b"old");
    assert_eq!(pin.location(), Some(Location::Secondary));
    is_up.store(true, Ordering::Relaxed);
    assert_eq!(page().await, b"old");

    let at = async |location| {
        let context = CallOptions::new().at(location).into_context();
        client.send_in(&context, get(BLOB)).await.unwrap().body().as_ref().to_vec()
    };
    assert_eq!(at(Location::Primary).await, b"new");
    assert_eq!(at(Location::Secondary).await, b"old");
}

#[tokio::test(start_paused = true)]
async fn a_read_that_names_a_lease_is_for_the_primary_alone() {
    let wire = places(|| Turn::Refused, || Turn::ok("old"));
    let (_, client) = wire.wrapped(&account(access()));
    let mut leased = get(BLOB);
    leased.insert_header("x-ms-lease-id", "7");

    client.send(leased).await.unwrap_err();

    assert!(!hosts(&wire).iter().any(|host| host == SECONDARY));
}

#[tokio::test(start_paused = true)]
async fn another_account_can_be_the_secondary() {
    let wire =
        Wire::new(
            |seen| if seen.host() == "twin.example.net" { Turn::ok("twin") } else { Turn::Refused },
        );
    let twins = access().endpoints(
        "https://orders.blob.core.windows.net/".parse().unwrap(),
        "https://twin.example.net/copy/".parse().unwrap(),
    );
    let (_, client) = wire.wrapped(&account(twins));

    let answer = client.send(get(BLOB)).await.unwrap();

    assert_eq!(answer.body().as_ref(), b"twin");
    let urls: Vec<_> = wire.seen().into_iter().map(|seen| seen.url).collect();
    assert!(urls.contains(&"https://twin.example.net/copy/c/b".to_owned()), "{urls:?}");
}

#[tokio::test(start_paused = true)]
async fn who_only_writes_is_let_in_again_as_well() {
    let is_up = Arc::new(AtomicBool::new(false));
    let up = Arc::clone(&is_up);
    let primary =
        move || if up.load(Ordering::Relaxed) { Turn::status(201) } else { Turn::Refused };
    let wire = places(primary, || Turn::ok("old"));
    let (_, client) = wire.wrapped(&account(access().refuse_writes(true)));
    let mut upload = request(Method::Put, BLOB);
    upload.set_body("two shirts");
    for _ in 0..3 {
        client.send(upload.clone()).await.unwrap_err();
    }
    let error = client.send(upload.clone()).await.unwrap_err();
    assert_eq!(error.rejection().unwrap().reason(), Reason::ReadOnly);

    is_up.store(true, Ordering::Relaxed);
    sleep(Duration::from_secs(45)).await;

    client.send(upload).await.unwrap();
    let probes: Vec<_> =
        wire.seen().into_iter().filter(|seen| seen.method == Method::Head).collect();
    assert!(!probes.is_empty());
    assert!(probes.iter().all(|seen| seen.body.is_empty() && seen.host() == PRIMARY), "{probes:?}");
}

#[test]
fn probing_goes_on_where_a_runtime_is_left() {
    let is_up = Arc::new(AtomicBool::new(false));
    let up = Arc::clone(&is_up);
    let primary = move || if up.load(Ordering::Relaxed) { Turn::ok("new") } else { Turn::Refused };
    let wire = places(primary, || Turn::ok("old"));
    let (resilience, client) = wire.wrapped(&account(access()));
    let paused = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap()
    };
    let served =
        async |client: &Client| client.send(get(BLOB)).await.unwrap().body().as_ref().to_vec();

    // The runtime that the probing task began in ends with it.
    paused().block_on(async {
        for _ in 0..3 {
            served(&client).await;
        }
    });
    assert_eq!(resilience.accounts()[0].reads_from, Location::Secondary);
    is_up.store(true, Ordering::Relaxed);
    paused().block_on(async {
        assert_eq!(served(&client).await, b"old");
        sleep(Duration::from_secs(45)).await;
        assert_eq!(served(&client).await, b"new");
    });
}

#[tokio::test(start_paused = true)]
async fn messages_are_received_from_the_primary_alone() {
    let queue = "https://orders.queue.core.windows.net/q/messages";
    for (url, asked) in [(queue.to_owned(), false), (format!("{queue}?peekonly=true"), true)] {
        let wire = Wire::new(|seen| {
            if seen.host().contains("-secondary") { Turn::ok("old") } else { Turn::Refused }
        });
        let (_, client) = wire.wrapped(&account(access()));
        assert_eq!(client.send(get(&url)).await.is_ok(), asked);
    }
}

#[tokio::test(start_paused = true)]
async fn a_secondary_that_refuses_has_no_say() {
    for status in [401, 403, 409, 416] {
        let answers = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&answers);
        let primary = move || match count.fetch_add(1, Ordering::Relaxed) {
            0 => Turn::status(500),
            _ => Turn::ok("two shirts"),
        };
        let wire = places(primary, move || Turn::status(status));
        let (_, client) = wire.wrapped(&account(access()));

        let answer = client.send(get(BLOB)).await.unwrap();

        assert_eq!(told(answer.headers(), "x-resilience-served-by"), Some(PRIMARY), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn accounts_of_one_host_have_nothing_to_do_with_each_other() {
    let wire =
        Wire::new(|seen| if seen.url.contains("/dead/") { Turn::Refused } else { Turn::ok("") });
    let (resilience, client) = wire.wrapped(&account(access()));
    for account in ["dead", "well"] {
        for _ in 0..3 {
            client.send(get(&format!("http://127.0.0.1:10000/{account}/c/b"))).await.unwrap();
        }
    }

    let mut places: Vec<_> = resilience.accounts();
    places.sort_by(|a, b| a.account.cmp(&b.account));
    let places: Vec<_> = places.iter().map(|it| (it.account.as_str(), it.reads_from)).collect();
    let expected = [
        ("127.0.0.1:10000/dead", Location::Secondary),
        ("127.0.0.1:10000/well", Location::Primary),
    ];
    assert_eq!(places, expected);
}

#[tokio::test(start_paused = true)]
async fn a_resolver_that_knows_nothing_says_nothing_of_the_secondary() {
    let wire = places(|| Turn::UnknownName, || Turn::UnknownName);
    let (resilience, client) = wire.wrapped(&account(access().failures(1_000)));

    client.send(get(BLOB)).await.unwrap_err();

    assert!(resilience.accounts()[0].secondary_is_there);
}

#[tokio::test(start_paused = true)]
async fn a_call_counts_once_however_often_it_is_tried() {
    let wire = places(|| Turn::status(500), || Turn::status(404));
    let (resilience, client) = wire.wrapped(&account(access()));

    client.send(get(BLOB)).await.unwrap_err();

    assert!(hosts(&wire).iter().filter(|host| *host == PRIMARY).count() > 3);
    assert_eq!(resilience.accounts()[0].reads_from, Location::Primary);
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_its_breaker_guards_is_away_as_well() {
    let wire = places(|| Turn::Refused, || Turn::ok("old"));
    let breaker = circuit_breaker::CircuitBreaker::builder()
        .consecutive_failures(1)
        .time_window(Duration::from_secs(60));
    let config = Resilience::storage("orders")
        .read_access(access())
        .stack(|stack| stack.circuit_breaker(breaker));
    let (resilience, client) = wire.wrapped(&config);
    for _ in 0..3 {
        client.send(get(BLOB)).await.unwrap();
    }

    assert_eq!(hosts(&wire).iter().filter(|host| *host == PRIMARY).count(), 1);
    assert_eq!(resilience.accounts()[0].reads_from, Location::Secondary);
}

#[cfg(feature = "azure-storage")]
#[tokio::test(start_paused = true)]
async fn a_secondary_that_hangs_is_asked_again_how_old_it_is() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let wire = Wire::new(move |seen| {
        if !is_stats(seen) {
            return Turn::ok("new");
        }
        match count.fetch_add(1, Ordering::Relaxed) {
            0 => Turn::Hangs,
            1 => Turn::Drips(u32::MAX),
            _ => Turn::Answer(200, &[], SYNCED),
        }
    });
    let (resilience, client) = wire.wrapped(&account(access()));

    for _ in 0..3 {
        client.send(get(BLOB)).await.unwrap();
        sleep(Duration::from_secs(61)).await;
    }

    assert_eq!(asked.load(Ordering::Relaxed), 3);
    assert_eq!(resilience.accounts()[0].last_sync.as_ref().unwrap().status, "live");
}

#[test]
fn a_signature_is_no_part_of_an_address() {
    let access = ReadAccess::new().endpoints(
        "https://a.example.net/?sig=c2VjcmV0".parse().unwrap(),
        "https://me:c2VjcmV0@b.example.net/#c2VjcmV0".parse().unwrap(),
    );
    let config = Resilience::storage("orders").read_access(access);

    assert!(!format!("{config:?}").contains("c2VjcmV0"));
    config.build().unwrap();
}

#[test]
fn settings_that_make_no_sense_are_named() {
    for (access, field) in [
        (ReadAccess::new().failures(0), "read_access.failures"),
        (ReadAccess::new().hold(Duration::ZERO), "read_access.hold"),
        (ReadAccess::new().probe_interval(Duration::ZERO), "read_access.probe_interval"),
        (ReadAccess::new().probe_timeout(Duration::ZERO), "read_access.probe_timeout"),
        (ReadAccess::new().sync_interval(Duration::ZERO), "read_access.sync_interval"),
        (ReadAccess::new().gone_for(Duration::ZERO), "read_access.gone_for"),
        (
            ReadAccess::new()
                .endpoints("data:x".parse().unwrap(), "https://b.example.net".parse().unwrap()),
            "read_access.endpoints",
        ),
    ] {
        let error = Resilience::storage("orders").read_access(access).build().unwrap_err();
        assert_eq!(error.field(), field);
    }
}
