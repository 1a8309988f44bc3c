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

use seawall::health::{Check, Finding, Verdict};

async fn run(check: impl Into<Check>) -> Finding {
    check.into().run_once().await
}

/// The verdict, and what goes with it in a failing test.
fn assert_found(finding: &Finding, expected: Verdict, of: &str) {
    assert_eq!(finding.verdict(), expected, "{of}: {finding:?}");
    assert_eq!(finding.detail().is_none(), expected == Verdict::Healthy, "{of}: {finding:?}");
}
