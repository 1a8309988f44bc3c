//! Each ready-made check, against what it looks at: on loopback and in temporary directories.

#[cfg(all(feature = "health", unix))]
mod disk;
#[cfg(feature = "client")]
mod http;
mod lag;
mod pressure;
#[cfg(feature = "health")]
mod reach;
#[cfg(feature = "tls")]
mod tls;

use std::fs;
use std::time::Duration;

use seawall::health::checks::{memory, tcp};
use seawall::health::{Check, Finding, Group, Registry, Verdict};
use tokio::net::TcpListener;
use tokio::time::timeout;

#[tokio::test]
async fn a_registry_runs_them_where_they_count_and_refuses_what_makes_no_sense() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("proc")).unwrap();
    fs::write(root.path().join("proc/meminfo"), "MemTotal: 100 kB\nMemAvailable: 1 kB\n").unwrap();
    let registry = Registry::new();

    assert_eq!(registry.add(tcp("db", "nowhere")).unwrap_err().field(), "address");
    registry.add(tcp("db", listener.local_addr().unwrap().to_string())).unwrap();
    registry.add(memory("memory").root(root.path()).check()).unwrap();
    registry.start().unwrap();
    let found = |name: &str| {
        let report = registry.report();
        let check = report.checks.into_iter().find(|check| check.name == name).unwrap();
        check.finding.map(|finding| finding.verdict())
    };
    let both = async {
        while found("db").is_none() || found("memory").is_none() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), both).await.unwrap();

    assert_eq!(found("db"), Some(Verdict::Healthy));
    assert_eq!(found("memory"), Some(Verdict::Down));
    assert_eq!(registry.verdict(Group::REGION), Verdict::Healthy);
    assert_eq!(registry.verdict(Group::READINESS), Verdict::Down);
}

async fn run(check: impl Into<Check>) -> Finding {
    check.into().run_once().await
}

/// The verdict, and what goes with it in a failing test.
fn assert_found(finding: &Finding, expected: Verdict, of: &str) {
    assert_eq!(finding.verdict(), expected, "{of}: {finding:?}");
    assert_eq!(finding.detail().is_none(), expected == Verdict::Healthy, "{of}: {finding:?}");
}
