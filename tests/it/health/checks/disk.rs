use std::fs;
use std::future::Future;
use std::task::{Context, Waker};
use std::time::Duration;

use seawall::health::Verdict;
use seawall::health::checks::{Free, disk_space, disk_write};
use tokio::time::timeout;

use super::{assert_found, run};

#[tokio::test]
async fn space_is_judged_by_bytes_and_percents() {
    let directory = tempfile::tempdir().unwrap();
    let space = || disk_space("disk", directory.path());
    let (all, one) = (Free::Bytes(u64::MAX), Free::Bytes(1));

    let plenty = run(space().degraded_below(one).down_below(one)).await;
    assert_found(&plenty, Verdict::Healthy, "plenty");
    let (percent, unit) = plenty.observation().unwrap();
    assert!(percent > 0.0 && percent <= 100.0 && unit == "%", "{percent} {unit}");

    let little = run(space().degraded_below(all).down_below(one)).await;
    assert_found(&little, Verdict::Degraded, "little");
    assert_found(&run(space().down_below(all)).await, Verdict::Down, "least");
    // Percents as well.
    let hundred = Free::Percent(100.0);
    let used = run(space().degraded_below(hundred).down_below(hundred)).await;
    assert_eq!(used.verdict() == Verdict::Down, percent < 100.0, "{used:?}");
}

#[tokio::test]
async fn what_is_not_there_has_no_space() {
    let directory = tempfile::tempdir().unwrap();

    let finding = run(disk_space("disk", directory.path().join("missing"))).await;

    assert_found(&finding, Verdict::Down, "missing");
}

#[tokio::test]
async fn a_write_is_judged_by_its_time_and_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let write = || disk_write("disk", directory.path());
    let (short, long) = (Duration::from_nanos(1), Duration::from_secs(3_600));

    let fast = run(write().down_above(long).degraded_above(long)).await;
    assert_found(&fast, Verdict::Healthy, "fast");
    assert!(fast.observation().is_some_and(|(took, unit)| took > 0.0 && unit == "s"));
    let slow = run(write().degraded_above(short).down_above(long)).await;
    assert_found(&slow, Verdict::Degraded, "slow");
    let slower = run(write().degraded_above(short).down_above(short)).await;
    assert_found(&slower, Verdict::Down, "slower");

    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn nothing_is_written_to_what_is_no_directory() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "kept").unwrap();

    for path in [file.clone(), directory.path().join("missing")] {
        assert_found(&run(disk_write("disk", path)).await, Verdict::Down, "no directory");
    }

    assert_eq!(fs::read_to_string(file).unwrap(), "kept");
}

#[tokio::test]
async fn a_write_that_is_given_up_removes_its_file_and_lets_the_next_one_in() {
    let directory = tempfile::tempdir().unwrap();
    let hour = Duration::from_secs(3_600);
    let mut check =
        disk_write("disk", directory.path()).degraded_above(hour).down_above(hour).check();

    let mut given_up = Box::pin(check.run_once());
    let pending = given_up.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending();
    drop(given_up);

    assert!(pending, "it runs on another thread");
    let next = async {
        while check.run_once().await.verdict() != Verdict::Healthy {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), next).await.unwrap();
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}
