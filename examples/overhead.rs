//! What the standard stack costs: nanoseconds and allocations per call, of a service with the stack around it and
//! without.
//!
//! Run it with `cargo run --release --example overhead`, and with `-- --json FILE` for programs. Put your own client in
//! place of [`your_service`] and see what Seawall costs there.

use std::convert::Infallible;
use std::fs;
use std::hint::black_box;
use std::path::PathBuf;

use clap::Parser;
use seawall::error::BoxError;
use seawall::stack::Stack;
use seawall::time::Clock;
use serde_json::json;
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;
use tower::{Layer, Service, ServiceExt, service_fn};

/// Measures what the standard stack adds to a call.
#[derive(Debug, Parser)]
struct Arguments {
    /// Writes the figures to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Replace this. Any tower service will do: an HTTP client, a database behind `service_fn`.
///
/// This one gives way to other tasks once, as a call over a network does, and then knows the answer.
fn your_service() -> impl Service<u64, Response = u64, Error = Infallible> + Clone {
    service_fn(|request| async move {
        yield_now().await;
        Ok(request)
    })
}

/// The least that a service can do, so that all that is left is the stack.
fn idle_service() -> impl Service<u64, Response = u64, Error = Infallible> + Clone {
    service_fn(|request| async move { Ok(request) })
}

fn main() -> Result<(), BoxError> {
    let arguments = Arguments::parse();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let costs = [
        compare("answers at once", &runtime, idle_service())?,
        compare("waits once", &runtime, your_service())?,
    ];

    println!("{:<16} {:^20} {:^20} {:>10}", "", "without", "with the stack", "added");
    println!(
        "{:<16} {:>10}{:>10} {:>10}{:>10} {:>10}",
        "service", "ns", "allocs", "ns", "allocs", "ns"
    );
    for Cost { service, bare, stacked } in &costs {
        let added = stacked.nanos - bare.nanos;
        let (bare, allocs) = (format!("{:.1}", bare.nanos), bare.per_call());
        let (nanos, more) = (format!("{:.1}", stacked.nanos), stacked.per_call());
        println!("{service:<16} {bare:>10}{allocs:>10} {nanos:>10}{more:>10} {added:>10.1}");
    }
    println!("\nPer call, on one thread. The stack:\n\n{}", Stack::builder().build()?.describe());
    if let Some(path) = arguments.json {
        let rows = costs.iter().map(Cost::to_json).collect::<Vec<_>>();
        fs::write(path, json!({ "services": rows }).to_string())?;
    }
    Ok(())
}

/// Rounds in which each side has its turn.
const ROUNDS: usize = 21;
/// Calls that are timed in one turn.
const TIMED: u32 = 20_000;
/// Calls whose allocations are counted.
const COUNTED: u32 = 10_000;

/// What a service costs without the stack and with it.
struct Cost {
    service: &'static str,
    bare: Figures,
    stacked: Figures,
}

/// What one call takes.
struct Figures {
    nanos: f64,
    /// In all of the counted calls.
    allocs: u64,
}

fn compare<S>(name: &'static str, runtime: &Runtime, mut bare: S) -> Result<Cost, BoxError>
where
    S: Service<u64, Error = Infallible> + Clone,
{
    let stack = Stack::builder().name(name).build()?;
    let mut stacked = stack.layer().layer(bare.clone());
    // Each side in turn, so that a machine that gets busy slows both.
    let mut turns = Vec::new();
    for _ in 0..ROUNDS {
        turns.push((time(runtime, &mut bare)?, time(runtime, &mut stacked)?));
    }
    Ok(Cost {
        service: name,
        bare: Figures {
            nanos: median(turns.iter().map(|(bare, _)| *bare)),
            allocs: allocations(runtime, &mut bare)?,
        },
        stacked: Figures {
            nanos: median(turns.iter().map(|(_, stacked)| *stacked)),
            allocs: allocations(runtime, &mut stacked)?,
        },
    })
}

/// Nanoseconds per call.
fn time<S>(runtime: &Runtime, service: &mut S) -> Result<f64, BoxError>
where
    S: Service<u64>,
    S::Error: Into<BoxError>,
{
    let clock = Clock::system();
    let start = clock.now();
    runtime.block_on(calls(service, TIMED))?;
    Ok(clock.now().since(start).as_secs_f64() * 1e9 / f64::from(TIMED))
}

fn allocations<S>(runtime: &Runtime, service: &mut S) -> Result<u64, BoxError>
where
    S: Service<u64>,
    S::Error: Into<BoxError>,
{
    let mut count = |number| {
        let mut result = Ok(());
        let info =
            allocation_counter::measure(|| result = runtime.block_on(calls(service, number)));
        result.map(|()| info.count_total)
    };
    // What the runtime takes to run anything at all is not the calls'.
    let one = count(1)?;
    Ok(count(COUNTED + 1)?.saturating_sub(one))
}

async fn calls<S>(service: &mut S, number: u32) -> Result<(), BoxError>
where
    S: Service<u64>,
    S::Error: Into<BoxError>,
{
    for request in 0..u64::from(number) {
        let response = service.ready().await.map_err(Into::into)?.call(request).await;
        black_box(response.map_err(Into::into)?);
    }
    Ok(())
}

fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers = numbers.collect::<Vec<_>>();
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

impl Figures {
    /// Allocations per call.
    fn per_call(&self) -> f64 {
        f64::from(u32::try_from(self.allocs).unwrap_or(u32::MAX)) / f64::from(COUNTED)
    }
}

impl Cost {
    fn to_json(&self) -> serde_json::Value {
        json!({
            "service": self.service,
            "bare_ns": self.bare.nanos,
            "stack_ns": self.stacked.nanos,
            "added_ns": self.stacked.nanos - self.bare.nanos,
            "bare_allocs": self.bare.per_call(),
            "stack_allocs": self.stacked.per_call(),
        })
    }
}
