//! A region is lost, and two clients that live through it: one bare, one with Seawall around it.
//!
//! ```text
//! cargo run --release --bin failover -- --json failover.json
//! ```
//!
//! Two stores on this machine are the two regions of one account. Both clients read one blob 200 times a second. After 3
//! seconds the first store is killed, and 6 seconds later it is back. Before that, each client appends to a log, and some
//! of the answers are lost.
//!
//! What to see: the bare client waits for the store that is gone, longer than anybody waits for a page, and writes twice
//! what it was not told of. With Seawall around it, reads go on at the other region, and go back when the first one has
//! been well for a while.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use azure_core::http::{ClientOptions, RequestContent, Url};
use azure_storage_blob::{BlobClient, BlobServiceClient, BlobServiceClientOptions};
use clap::Parser;
use seawall::azure::storage::ReadAccess;
use seawall::azure::{Resilience, is_ambiguous};
use seawall::error::BoxError;
use seawall_azure_examples::{store, transport};
use seawall_servers::proxy::{Fault, When};
use seawall_servers::{Account, Azurite, Options, Proxy};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};

/// Shows what the loss of a region does to a bare client and to one with Seawall around it.
#[derive(Debug, Parser)]
struct Arguments {
    /// Writes the figures to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

const HEALTHY: Duration = Duration::from_secs(3);
const GONE: Duration = Duration::from_secs(6);
const AFTER: Duration = Duration::from_secs(5);
/// Who waits longer than this has gone away.
const PATIENCE: Duration = Duration::from_secs(2);
const BODY: &[u8] = b"two chairs";
/// How many lines each client appends; of every fourth, the answer is lost.
const LINES: usize = 40;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let arguments = Arguments::parse();
    let mut primary = store(Options::default().durable()).await?;
    let secondary = store(Options::default()).await?;
    let account = primary.account().clone();
    for store in [&primary, &secondary] {
        replicate(store).await?;
    }

    let bare = ClientOptions { transport: Some(transport()?), ..ClientOptions::default() };
    // In a tenth of the time that one would wait in earnest: the run is short.
    let access = ReadAccess::new()
        .endpoints(primary.blobs(), secondary.blobs_of(&format!("{}-secondary", account.name)))
        .hold(Duration::from_secs(2))
        .probe_interval(Duration::from_millis(250));
    let orders = Resilience::storage("orders").transport(transport()?).read_access(access);
    let orders = orders.build()?;
    let sides = [("bare", bare), ("seawall", orders.client_options())];

    println!("writing, while some answers are lost");
    let mut doubled = Vec::new();
    for (name, options) in &sides {
        doubled.push(append(&primary, &account, name, options.clone()).await?);
    }

    println!("reading, 200 times a second");
    let readers = sides.map(|(name, options)| {
        let client = client(account.sas(primary.blobs()), options);
        client.map(|client| (name, tokio::spawn(read_all(client.blob_client("orders", "1")))))
    });
    sleep(HEALTHY).await;
    println!("the first region is gone");
    let killed = Instant::now();
    primary.kill().await;
    sleep((killed + GONE).saturating_duration_since(Instant::now())).await;
    primary.restart().await;
    println!("the first region is back");

    let mut clients = Vec::new();
    for (reader, doubled) in readers.into_iter().zip(doubled) {
        let (name, reads) = reader?;
        let from = format!(":{}", secondary.blob_port());
        clients.push(Figures::new(name, &reads.await?, killed, &from, doubled));
    }
    show(&clients);
    if let Some(path) = arguments.json {
        let clients: Vec<_> = clients.iter().map(Figures::to_json).collect();
        fs::write(path, json!({ "clients": clients }).to_string())?;
    }
    Ok(())
}

fn client(url: Url, client_options: ClientOptions) -> azure_core::Result<BlobServiceClient> {
    let options = BlobServiceClientOptions { client_options, ..Default::default() };
    BlobServiceClient::new(url, None, Some(options))
}

/// What Azure does by itself: the blob is in both regions.
async fn replicate(store: &Azurite) -> Result<(), BoxError> {
    let options = ClientOptions { transport: Some(transport()?), ..ClientOptions::default() };
    let client = client(store.account().sas(store.blobs()), options)?;
    let container = client.blob_container_client("orders");
    container.create(None).await?;
    container.blob_client("1").upload(RequestContent::from(BODY.to_vec()), None).await?;
    Ok(())
}

/// Appends lines, and counts those that are there twice.
async fn append(
    primary: &Azurite,
    account: &Account,
    name: &str,
    options: ClientOptions,
) -> Result<usize, BoxError> {
    let proxy = Proxy::start(primary.blob_port()).await;
    let client = client(account.sas(proxy.url(primary.blobs())), options)?;
    let blob = client.blob_client("orders", &format!("log of {name}"));
    let log = blob.append_blob_client();
    log.create(None).await?;
    for line in 0..LINES {
        if line % 4 == 3 {
            let next = When::any().query("comp=appendblock").times(1);
            proxy.fault(next, Fault::LoseAnswer);
        }
        let text = format!("{line}\n").into_bytes();
        let length = text.len() as u64;
        match log.append_block(RequestContent::from(text), length, None).await {
            // It says so, and leaves it to the caller: a look at the log tells.
            Err(error) if is_ambiguous(&error) => {}
            result => drop(result?),
        }
    }
    let text = blob.download(None).await?.body.collect().await?;
    let mut times = BTreeMap::new();
    for line in String::from_utf8_lossy(&text).lines() {
        *times.entry(line.to_owned()).or_insert(0_usize) += 1;
    }
    Ok(times.values().filter(|times| **times > 1).count())
}

/// One read, as its user saw it.
struct Read {
    ended: Instant,
    took: Duration,
    /// Who answered, if somebody did in time. The bare client does not tell.
    answer: Option<String>,
}

/// Each read begins at its time, however long the others take.
async fn read_all(blob: BlobClient) -> Vec<Read> {
    let blob = Arc::new(blob);
    let mut ticks = interval(Duration::from_millis(5));
    let end = Instant::now() + HEALTHY + GONE + AFTER;
    let mut reads = JoinSet::new();
    while Instant::now() < end {
        ticks.tick().await;
        let blob = Arc::clone(&blob);
        reads.spawn(async move {
            let began = Instant::now();
            let answer = timeout(PATIENCE, read(&blob)).await.ok().and_then(Result::ok);
            Read { ended: Instant::now(), took: began.elapsed(), answer }
        });
    }
    reads.join_all().await
}

async fn read(blob: &BlobClient) -> Result<String, BoxError> {
    let answer = blob.download(None).await?;
    let served_by = answer.headers.get_optional_string(&"x-resilience-served-by".into());
    if answer.body.collect().await? != BODY {
        return Err("other bytes".into());
    }
    Ok(served_by.unwrap_or_default())
}

struct Figures {
    name: &'static str,
    reads: usize,
    answered_rate: f64,
    first_secondary_ms: Option<f64>,
    p99_ms: f64,
    writes_doubled: usize,
}

impl Figures {
    #[expect(clippy::cast_precision_loss, reason = "there are some thousand reads")]
    fn new(
        name: &'static str,
        reads: &[Read],
        killed: Instant,
        secondary: &str,
        writes_doubled: usize,
    ) -> Self {
        let answered = reads.iter().filter(|read| read.answer.is_some()).count();
        let by_secondary = reads.iter().filter(|read| {
            read.answer.as_ref().is_some_and(|served_by| served_by.ends_with(secondary))
        });
        let first = by_secondary.map(|read| read.ended.saturating_duration_since(killed)).min();
        let mut took: Vec<_> = reads.iter().map(|read| read.took).collect();
        took.sort_unstable();
        Self {
            name,
            reads: reads.len(),
            answered_rate: answered as f64 / reads.len() as f64,
            first_secondary_ms: first.map(|first| first.as_secs_f64() * 1e3),
            p99_ms: took[took.len() * 99 / 100].as_secs_f64() * 1e3,
            writes_doubled,
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "reads": self.reads,
            "answered_rate": self.answered_rate,
            "first_secondary_ms": self.first_secondary_ms,
            "p99_ms": self.p99_ms,
            "writes_doubled": self.writes_doubled,
        })
    }
}

fn show(clients: &[Figures]) {
    println!(
        "\n{:<10}{:>8}{:>12}{:>18}{:>10}{:>16}",
        "client", "reads", "answered", "first elsewhere", "p99", "written twice"
    );
    for it in clients {
        let first = it.first_secondary_ms.map_or("never".into(), |first| format!("{first:.0} ms"));
        println!(
            "{:<10}{:>8}{:>10.2} %{:>18}{:>7.0} ms{:>11} of {LINES}",
            it.name,
            it.reads,
            it.answered_rate * 1e2,
            first,
            it.p99_ms,
            it.writes_doubled,
        );
    }
    let patience = PATIENCE.as_secs();
    println!("\nA read is answered if it is within {patience} s.");
}
