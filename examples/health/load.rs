//! A port under load: probes at a steady rate while every check is slow, and while all hang.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use seawall::error::BoxError;
use seawall::health::{Check, Endpoints, Registry, Server};
use serde::Serialize;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::ask::ask;
use crate::products::{Answer, Question};

/// What was asked, and how long the answers took.
#[derive(Debug, Serialize)]
pub(crate) struct Load {
    checks: usize,
    check_takes_s: f64,
    interval_s: f64,
    /// The most starts of one check.
    starts_of_a_check: u32,
    /// The most that one check could be started in the time, once per interval.
    starts_allowed: u32,
    most_runs_at_once: u32,
    slow: Asked,
    hanging: Asked,
    hanging_readyz: u16,
}

/// How one path answered.
#[derive(Debug, Serialize)]
struct Asked {
    path: &'static str,
    per_second: u32,
    requests: usize,
    answered_200: usize,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

/// Counts the runs of one check.
#[derive(Default)]
struct Runs {
    started: AtomicU32,
    at_once: AtomicU32,
    most_at_once: AtomicU32,
}

/// Asks `/readyz` 1,000 times a second for ten seconds while twenty checks take two seconds each,
/// and `/livez` for five seconds while all of them hang.
pub(crate) fn measure() -> Result<Load, BoxError> {
    Builder::new_multi_thread().worker_threads(1).enable_all().build()?.block_on(async {
        let begin = Instant::now();
        let hang = Arc::new(AtomicBool::new(false));
        let runs: Vec<_> = (0..CHECKS).map(|_| Arc::new(Runs::default())).collect();
        let registry = Registry::new();
        for (number, runs) in runs.iter().enumerate() {
            registry.add(slow_check(number, runs, &hang))?;
        }
        registry.start()?;
        let server = Server::builder()
            .address(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .serve(Endpoints::builder().build(&registry)?)?;
        let address = server.local_addr();

        sleep(TAKES + TAKES / 2).await;
        let slow = probe(address, "/readyz", 1_000, Duration::from_secs(10)).await;
        hang.store(true, Ordering::Relaxed);
        // Longer than a check may take, three times in a row.
        sleep(3 * (INTERVAL + LIMIT)).await;
        let hanging = probe(address, "/livez", 100, Duration::from_secs(5)).await;
        let hanging_readyz = match ask(address, question("/readyz")).await {
            Answer::Http { status, .. } => status,
            Answer::Nothing => 0,
        };

        let most = |count: fn(&Runs) -> &AtomicU32| {
            runs.iter().map(|runs| count(runs).load(Ordering::Relaxed)).max().unwrap_or_default()
        };
        let intervals = begin.elapsed().as_secs_f64() / INTERVAL.as_secs_f64();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few")]
        let starts_allowed = intervals.ceil() as u32;
        Ok(Load {
            checks: CHECKS,
            check_takes_s: TAKES.as_secs_f64(),
            interval_s: INTERVAL.as_secs_f64(),
            starts_of_a_check: most(|runs| &runs.started),
            starts_allowed,
            most_runs_at_once: most(|runs| &runs.most_at_once),
            slow,
            hanging,
            hanging_readyz,
        })
    })
}

fn slow_check(number: usize, runs: &Arc<Runs>, hang: &Arc<AtomicBool>) -> Check {
    let (runs, hang) = (Arc::clone(runs), Arc::clone(hang));
    Check::new(format!("slow {number}"), move || {
        let run = Run::begin(&runs);
        let hangs = hang.load(Ordering::Relaxed);
        async move {
            let _run = run;
            if hangs {
                std::future::pending::<()>().await;
            }
            sleep(TAKES).await;
        }
    })
    .local()
    .interval(INTERVAL)
    .timeout(LIMIT)
}

/// A run of a check, until it is dropped.
struct Run(Arc<Runs>);

impl Run {
    fn begin(runs: &Arc<Runs>) -> Self {
        runs.started.fetch_add(1, Ordering::Relaxed);
        let at_once = runs.at_once.fetch_add(1, Ordering::Relaxed) + 1;
        runs.most_at_once.fetch_max(at_once, Ordering::Relaxed);
        Self(Arc::clone(runs))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.0.at_once.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Asks `per_second` times a second, whether or not the answers keep up.
async fn probe(address: SocketAddr, path: &'static str, per_second: u32, lasts: Duration) -> Asked {
    let mut ticks = interval(Duration::from_secs(1) / per_second);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut asked = JoinSet::new();
    let begin = Instant::now();
    while begin.elapsed() < lasts {
        let due = ticks.tick().await;
        asked.spawn(async move {
            let answer = ask(address, question(path)).await;
            // From when it was due: what waits for a slow answer counts.
            (matches!(answer, Answer::Http { status: 200, .. }), due.elapsed())
        });
    }
    let answers = asked.join_all().await;
    let mut took: Vec<f64> = answers.iter().map(|(_, took)| took.as_secs_f64() * 1e3).collect();
    took.sort_by(f64::total_cmp);
    let quantile = |percent: usize| {
        took.get((took.len() * percent / 100).min(took.len().saturating_sub(1))).copied()
    };
    Asked {
        path,
        per_second,
        requests: answers.len(),
        answered_200: answers.iter().filter(|(is_200, _)| *is_200).count(),
        p50_ms: quantile(50).unwrap_or_default(),
        p99_ms: quantile(99).unwrap_or_default(),
        max_ms: quantile(100).unwrap_or_default(),
    }
}

const fn question(path: &'static str) -> Question {
    Question { method: "GET", path, host: "localhost", user_agent: "load" }
}

const CHECKS: usize = 20;
const TAKES: Duration = Duration::from_secs(2);
const INTERVAL: Duration = Duration::from_secs(3);
const LIMIT: Duration = Duration::from_millis(2_500);
