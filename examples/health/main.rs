//! The life of an instance, and what every Azure product in front of it would conclude.
//!
//! ```text
//! cargo run --release --example health
//! ```
//!
//! A small service starts, is well, loses a cache and then its database, wedges, and drains. Its
//! health port answers all the while. Once a second each product asks as it does (its verb, its
//! path, its `Host`, a new connection), as often as it needs for a conclusion at its defaults; what
//! it concludes is printed, and in red where it is not what its documentation demands. The status
//! page, whose address is printed first, shows the same from inside.
//!
//! Without `--seconds` the instance lives for a minute, and another one follows until Ctrl-C.
//!
//! `products.rs` knows the products, `script.rs` what happens when, `instance.rs` is the service,
//! `ask.rs` asks, `load.rs` measures the port under load, and `show.rs` shows.

#![forbid(unsafe_code)]

mod ask;
mod instance;
mod load;
mod products;
mod script;
mod show;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use seawall::error::BoxError;
use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use crate::instance::Instance;
use crate::load::Load;
use crate::products::Product;
use crate::script::ACTS;

/// Shows what each Azure product concludes from an instance's health port.
#[derive(Debug, Parser)]
struct Arguments {
    /// Ends after one instance that lives so long, from 30 to 3,600.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(30..=3_600))]
    seconds: Option<u64>,
    /// Writes the conclusions to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measures the port under load afterwards, half a minute long.
    #[arg(long)]
    load: bool,
    /// The port of the health server; 0 for any that is free.
    #[arg(long, default_value_t = 8_081)]
    port: u16,
}

/// So long before a second is over the products begin to ask.
const LEAD: Duration = Duration::from_millis(600);

/// What is written as JSON.
#[derive(Debug, Serialize)]
struct Record {
    conclusions: Vec<Conclusion>,
    #[serde(skip_serializing_if = "Option::is_none")]
    load: Option<Load>,
}

/// What a product held of the instance at the end of a state.
#[derive(Debug, Serialize)]
struct Conclusion {
    product: &'static str,
    state: &'static str,
    expected: &'static str,
    concluded: &'static str,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let arguments = Arguments::parse();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port));
    let life = Duration::from_secs(arguments.seconds.unwrap_or(60));
    let conclusions = loop {
        let conclusions = live(address, life).await?;
        if arguments.seconds.is_some() {
            break conclusions;
        }
    };
    let wrong = conclusions.iter().filter(|found| found.concluded != found.expected).count();
    println!("{}", show::verdict(wrong, conclusions.len()));
    let load = if arguments.load { Some(under_load().await?) } else { None };
    if let Some(file) = &arguments.json {
        write(file, &serde_json::to_string_pretty(&Record { conclusions, load })?)?;
    }
    if wrong == 0 { Ok(()) } else { Err("a product was led astray".into()) }
}

/// Lets one instance live, and gives what was concluded at the end of each state.
async fn live(address: SocketAddr, life: Duration) -> Result<Vec<Conclusion>, BoxError> {
    let mut instance = Instance::start(address)?;
    println!("Status page: http://{}/status", instance.address());
    let mut products = products::all();
    let names: Vec<_> = products.iter().map(|product| product.name).collect();
    println!("{}", show::heading(&names));

    let mut conclusions = Vec::new();
    let begin = Instant::now();
    let mut ends = begin;
    for act in ACTS {
        instance.enter(act.state, act.lasts(life));
        ends += act.lasts(life);
        let mut second = Instant::now();
        while second < ends {
            // The last look of an act is just before its end, and none lies between.
            let next = second + Duration::from_secs(1);
            let look = if next + Duration::from_millis(500) > ends { ends } else { next };
            sleep_until(look - LEAD).await;
            ask_all(instance.address(), &mut products).await;
            let row: Vec<_> = products
                .iter()
                .map(|product| {
                    let concluded = product.concludes();
                    (concluded, concluded == products::expected(product.name, act.state))
                })
                .collect();
            println!("{}", show::row(begin.elapsed(), act.state, &row));
            sleep_until(look).await;
            second = look;
        }
        conclusions.extend(products.iter().map(|product| Conclusion {
            product: product.name,
            state: act.state,
            expected: products::expected(product.name, act.state),
            concluded: product.concludes(),
        }));
    }
    Ok(conclusions)
}

/// Lets each product ask as often as it needs for a conclusion.
async fn ask_all(address: SocketAddr, products: &mut [Product]) {
    for product in products {
        for _ in 0..product.intervals() {
            let mut answers = Vec::with_capacity(product.questions.len());
            for question in product.questions {
                answers.push(ask::ask(address, *question).await);
            }
            product.observe(&answers);
        }
    }
}

/// Measures on a thread of its own: it has a runtime of its own.
async fn under_load() -> Result<Load, BoxError> {
    println!("\nUnder load, for half a minute ...");
    let load = tokio::task::spawn_blocking(load::measure).await??;
    println!("{}", show::load(&load));
    Ok(load)
}

/// Writes a file, with its name in the error.
fn write(file: &Path, text: &str) -> Result<(), BoxError> {
    fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()).into())
}
