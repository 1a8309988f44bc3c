//! A region is lost under load: an account of two stores, of which the first is killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use azure_core::http::RequestContent;
use azure_core::time::{OffsetDateTime, parse_rfc7231};
use azure_storage_blob::BlobClient;
use seawall::azure::Resilience;
use seawall::azure::storage::{Location, ReadAccess};
use seawall::stack;
use seawall_servers::clients::{bare, service, wrapped};
use seawall_servers::{Account, Azurite, Options};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};

const HOLD: Duration = Duration::from_secs(2);
const BODY: &[u8] = b"two chairs";

#[tokio::test(flavor = "multi_thread")]
async fn reads_go_on_at_the_secondary_while_the_primary_is_gone() {
    let Some(mut primary) = Azurite::start(Options::default().durable()).await else { return };
    let Some(secondary) = Azurite::start(Options::default()).await else { return };
    let account = Account::default();
    let secondary_url = secondary.blobs_of(&format!("{}-secondary", account.name));
    for store in [&primary, &secondary] {
        // The replication, done by hand.
        let client = service(account.sas(store.blobs()), bare(&store.wire()));
        let container = client.blob_container_client("orders");
        container.create(None).await.unwrap();
        let blob = container.blob_client("1");
        blob.upload(RequestContent::from(BODY.to_vec()), None).await.unwrap();
    }
    let access = ReadAccess::new()
        .endpoints(primary.blobs(), secondary_url)
        .hold(HOLD)
        .probe_interval(Duration::from_millis(200))
        .sync_interval(Duration::from_secs(1));
    // What is asked here is where reads go, and not how many at once a busy machine can bear.
    let orders = Resilience::storage("orders").stack(stack::Config::without_bulkhead);
    let orders = orders.read_access(access).build().unwrap();
    let client = service(account.sas(primary.blobs()), wrapped(&primary.wire(), &orders));
    let blob = Arc::new(client.blob_client("orders", "1"));

    let stop = Arc::new(AtomicBool::new(false));
    let began = Instant::now();
    let reader = tokio::spawn(read_until(Arc::clone(&stop), blob));
    sleep(Duration::from_secs(2)).await;
    let killed = Instant::now();
    primary.kill().await;
    sleep(Duration::from_secs(2)).await;
    let status = orders.accounts().remove(0);
    assert_eq!(status.reads_from, Location::Secondary);
    let sync = status.last_sync.expect("it was asked for");
    assert!(sync.lag(OffsetDateTime::now_utc()).expect("it is live") < Duration::from_secs(60));
    let restarted = Instant::now();
    primary.restart().await;
    let back = async {
        while orders.accounts()[0].reads_from == Location::Secondary {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(HOLD * 30, back).await.expect("it goes back");
    sleep(Duration::from_secs(1)).await;
    stop.store(true, Ordering::Relaxed);
    let reads = reader.await.unwrap();

    let lost: Vec<_> = reads
        .iter()
        .filter_map(|read| {
            let error = read.outcome.as_ref().err()?;
            Some((read.began - began, read.ended - read.began, error))
        })
        .collect();
    assert!(lost.len() * 1000 <= reads.len(), "of {}: {lost:?}", reads.len());
    let by = |place: &'static str| {
        let port = if place == "primary" { primary.blob_port() } else { secondary.blob_port() };
        let end = format!(":{port}");
        reads.iter().filter(move |read| {
            read.outcome.as_ref().is_ok_and(|answer| answer.served_by.ends_with(&end))
        })
    };
    let first = by("secondary").map(|read| read.ended).min().expect("some were");
    assert!(first >= killed && first - killed <= Duration::from_secs(1), "{:?}", first - killed);
    let back =
        by("primary").map(|read| read.began).filter(|began| *began > killed + HOLD / 4).min();
    let back = back.expect("it goes back");
    assert!(back - restarted >= HOLD, "{:?} after it was back", back - restarted);

    let stale = by("secondary").filter_map(|read| read.outcome.as_ref().ok()?.last_sync.as_ref());
    let stale: Vec<_> = stale.map(|text| parse_rfc7231(text).expect("a date")).collect();
    assert!(stale.len() * 2 > by("secondary").count(), "{} tell it", stale.len());
    assert!(by("primary").all(|read| read.outcome.as_ref().unwrap().last_sync.is_none()));
}

struct Read {
    began: Instant,
    ended: Instant,
    outcome: Result<Answer, String>,
}

struct Answer {
    served_by: String,
    last_sync: Option<String>,
}

/// 200 reads a second, each begun at its time however long the others take.
async fn read_until(stop: Arc<AtomicBool>, blob: Arc<BlobClient>) -> Vec<Read> {
    let mut ticks = interval(Duration::from_millis(5));
    let mut reads = JoinSet::new();
    while !stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        let blob = Arc::clone(&blob);
        reads.spawn(async move {
            let began = Instant::now();
            let outcome = read(&blob).await.map_err(|error| error.to_string());
            Read { began, ended: Instant::now(), outcome }
        });
    }
    reads.join_all().await
}

async fn read(blob: &BlobClient) -> azure_core::Result<Answer> {
    let answer = blob.download(None).await?;
    let header = |name: &'static str| answer.headers.get_optional_string(&name.into());
    let (served_by, last_sync) =
        (header("x-resilience-served-by"), header("x-resilience-last-sync"));
    let body = answer.body.collect().await?;
    assert_eq!(&body[..], BODY);
    Ok(Answer { served_by: served_by.expect("it is told"), last_sync })
}
