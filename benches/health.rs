//! What it costs to say how well one is.

use std::error::Error;
use std::hint::black_box;

use criterion::Criterion;
use http::Request;
use seawall::health::{Check, Endpoints, Group, Registry};

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build()?;
    let registry = Registry::new();
    for number in 0..20 {
        registry.add(Check::new(format!("check {number}"), || async {}).local())?;
    }
    {
        let _entered = runtime.enter();
        registry.start()?;
    }
    while !registry.verdict(Group::READINESS).is_up() {
        std::thread::yield_now();
    }
    let endpoints = Endpoints::builder().build(&registry)?;
    let request = Request::get("/readyz").body(())?;

    let mut group = criterion.benchmark_group("health");
    group.bench_function("verdict", |bencher| {
        bencher.iter(|| registry.verdict(black_box(Group::READINESS)));
    });
    group.bench_function("readyz", |bencher| {
        bencher.iter(|| endpoints.answer(black_box(&request)));
    });
    group.finish();
    criterion.final_summary();
    Ok(())
}
