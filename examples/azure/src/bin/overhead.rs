//! What Seawall costs: one read of a blob from a server on this machine, with it and without.
//!
//! ```text
//! cargo run --release --bin overhead -- --json overhead.json
//! ```
//!
//! Both sides call in turn, on one thread, and the server has another. Told is what the thread computes per call, and
//! how long a call takes.

use std::fs;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use azure_core::http::{ClientOptions, Url};
use azure_storage_blob::{BlobClient, BlobClientOptions};
use clap::Parser;
use http::Response;
use rustix::time::{ClockId, clock_gettime};
use seawall::azure::Resilience;
use seawall::error::BoxError;
use seawall_azure_examples::transport;
use seawall_servers::fakes::Fake;
use serde_json::json;
use tokio::runtime::Builder;

/// Measures what Seawall adds to a read of a blob.
#[derive(Debug, Parser)]
struct Arguments {
    /// Writes the figures to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Calls before it counts.
const WARM_UP: usize = 500;
/// Turns of each side.
const PAIRS: usize = 4_000;

fn main() -> Result<(), BoxError> {
    let arguments = Arguments::parse();
    let url = serve()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (bare, wrapped) = runtime.block_on(measure(&url))?;

    let cpu = median(bare.iter().zip(&wrapped).map(|(bare, wrapped)| wrapped.cpu - bare.cpu));
    let [bare_cpu, wrapped_cpu] =
        [&bare, &wrapped].map(|side| median(side.iter().map(|it| it.cpu)));
    let [bare_p50, wrapped_p50] =
        [&bare, &wrapped].map(|side| median(side.iter().map(|it| it.took)));
    println!("{:<10}{:>16}{:>12}", "client", "CPU per call", "p50");
    println!("{:<10}{bare_cpu:>13.1} µs{bare_p50:>9.1} µs", "bare");
    println!("{:<10}{wrapped_cpu:>13.1} µs{wrapped_p50:>9.1} µs", "seawall");
    println!("{:<10}{cpu:>13.1} µs{:>9.1} µs", "added", wrapped_p50 - bare_p50);
    if let Some(path) = arguments.json {
        let figures = json!({
            "pairs": PAIRS,
            "cpu_added_us": cpu,
            "p50_added_us": wrapped_p50 - bare_p50,
            "bare": { "cpu_us": bare_cpu, "p50_us": bare_p50 },
            "seawall": { "cpu_us": wrapped_cpu, "p50_us": wrapped_p50 },
        });
        fs::write(path, figures.to_string())?;
    }
    Ok(())
}

/// What one call took, in microseconds.
struct Call {
    cpu: f64,
    took: f64,
}

async fn measure(url: &Url) -> Result<(Vec<Call>, Vec<Call>), BoxError> {
    let options = ClientOptions { transport: Some(transport()?), ..ClientOptions::default() };
    let bare = client(url, options)?;
    let orders = Resilience::storage("orders").transport(transport()?).build()?;
    let wrapped = client(url, orders.client_options())?;
    for _ in 0..WARM_UP {
        call(&bare).await?;
        call(&wrapped).await?;
    }
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for pair in 0..PAIRS {
        // Neither side is always the second.
        if pair % 2 == 0 {
            without.push(call(&bare).await?);
            with.push(call(&wrapped).await?);
        } else {
            with.push(call(&wrapped).await?);
            without.push(call(&bare).await?);
        }
    }
    Ok((without, with))
}

fn client(url: &Url, client_options: ClientOptions) -> azure_core::Result<BlobClient> {
    let options = BlobClientOptions { client_options, ..Default::default() };
    BlobClient::new(url.clone(), None, Some(options))
}

async fn call(blob: &BlobClient) -> Result<Call, BoxError> {
    let (start, computed) = (Instant::now(), thread_time());
    let body = blob.download(None).await?.body.collect().await?;
    let (computed, took) = (thread_time().saturating_sub(computed), start.elapsed());
    if body.len() != BODY.len() {
        return Err("another blob".into());
    }
    Ok(Call { cpu: computed.as_secs_f64() * 1e6, took: took.as_secs_f64() * 1e6 })
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<_> = figures.collect();
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}

const BODY: &str = "two chairs";

/// Answers every read with the same blob, from a thread of its own.
fn serve() -> Result<Url, BoxError> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let server = Fake::start(|_| {
                Response::builder()
                    .status(206)
                    .header("content-range", format!("bytes 0-{}/{}", BODY.len() - 1, BODY.len()))
                    .header("etag", "\"1\"")
                    .header("last-modified", "Mon, 19 Oct 2026 22:28:43 GMT")
                    .body(BODY.to_owned())
                    .expect("a good answer")
            });
            let server = server.await;
            // Nobody waits for it only if the measurement has ended.
            let _ = tell.send(server.address());
            std::future::pending::<()>().await;
        });
    });
    Ok(Url::parse(&format!("http://{}/orders/1", told.recv()?))?)
}
