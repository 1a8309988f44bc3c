//! Whether a disk has room, and takes writes in time.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::StatVfs;

use super::super::{Check, Finding, Verdict};
use super::blocking::Blocking;
use super::{Times, float, percent};
use crate::error::InvalidConfig;
use crate::rng::Rng;
use crate::telemetry::Environment;

/// How much is free on the file system that `path` is on, for those who are not root.
///
/// Where it is given in percent, the share of free inodes is judged as well, if the file system
/// has a fixed number of them: without any left nothing can be written either. What is observed is
/// the free part in percent, of space or of inodes, whichever is less. It is local by default.
/// Unix only.
///
/// # Cancel safety
///
/// A disk that hangs keeps one thread until it answers; until then further runs are down and start
/// no other.
///
/// # Example
///
/// ```
/// use seawall::health::Verdict;
/// use seawall::health::checks::{self, Free};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut check = checks::disk_space("disk", std::env::temp_dir())
///     .degraded_below(Free::Bytes(2))
///     .down_below(Free::Bytes(1))
///     .check();
///
/// assert_eq!(check.run_once().await.verdict(), Verdict::Healthy);
/// # }
/// ```
pub fn disk_space(name: impl Into<String>, path: impl Into<PathBuf>) -> DiskSpace {
    DiskSpace {
        name: name.into(),
        path: path.into(),
        degraded_below: Free::Percent(15.0),
        down_below: Free::Percent(5.0),
    }
}

/// So much free space.
///
/// # Example
///
/// ```
/// use seawall::health::checks::{Free, disk_space};
///
/// let check = disk_space("disk", "/var/lib/orders").down_below(Free::Bytes(1 << 30)).check();
/// # let _ = check;
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Free {
    /// Of what there is for those who are not root: from 0 to 100.
    Percent(f64),
    /// So many bytes, whatever there is in all.
    Bytes(u64),
}

impl Free {
    fn validate(self, field: &'static str) -> Result<(), InvalidConfig> {
        match self {
            Self::Percent(least) => percent(field, least).map(drop),
            Self::Bytes(0) => Err(InvalidConfig::new(field, "at least 1 byte")),
            Self::Bytes(_) => Ok(()),
        }
    }
}

/// Settings of [`disk_space`].
///
/// # Example
///
/// ```
/// use seawall::health::Check;
/// use seawall::health::checks::{DiskSpace, Free, disk_space};
///
/// let settings: DiskSpace = disk_space("disk", "/").degraded_below(Free::Percent(20.0));
/// let check = Check::from(settings);
/// # let _ = check;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct DiskSpace {
    name: String,
    path: PathBuf,
    degraded_below: Free,
    down_below: Free,
}

impl DiskSpace {
    /// With less free space it is degraded.
    ///
    /// Default: 15 %.
    pub fn degraded_below(mut self, free: Free) -> Self {
        self.degraded_below = free;
        self
    }

    /// With less free space it is down; no more than for degraded, where both are of one kind.
    ///
    /// Default: 5 %.
    pub fn down_below(mut self, free: Free) -> Self {
        self.down_below = free;
        self
    }

    /// Makes the check.
    ///
    /// # Errors
    ///
    /// Limits that never hold, or in the wrong order, are refused when the check is added to a
    /// registry.
    pub fn check(self) -> Check {
        let valid = self.validate();
        let Self { name, path, degraded_below, down_below } = self;
        let blocking = Blocking::new();
        let probe = valid.map(|()| {
            move || {
                let (blocking, path) = (blocking.clone(), path.clone());
                async move {
                    match blocking.run(move || rustix::fs::statvfs(&path)).await {
                        Ok(Ok(disk)) => Room::of(&disk).judge(degraded_below, down_below),
                        Ok(Err(error)) => Finding::down(error),
                        Err(finding) => finding,
                    }
                }
            }
        });
        super::check(name, probe).local()
    }

    fn validate(&self) -> Result<(), InvalidConfig> {
        self.degraded_below.validate("degraded_below")?;
        self.down_below.validate("down_below")?;
        let in_order = match (self.degraded_below, self.down_below) {
            (Free::Percent(degraded), Free::Percent(down)) => down <= degraded,
            (Free::Bytes(degraded), Free::Bytes(down)) => down <= degraded,
            // Which is more depends on the disk.
            _ => true,
        };
        if in_order {
            Ok(())
        } else {
            Err(InvalidConfig::new("down_below", "no more than `degraded_below`"))
        }
    }
}

impl From<DiskSpace> for Check {
    fn from(settings: DiskSpace) -> Self {
        settings.check()
    }
}

/// What is free on a file system.
#[derive(Clone, Copy, Debug)]
struct Room {
    bytes: u64,
    space_percent: f64,
    /// None where they are made as they are needed.
    inodes_percent: Option<f64>,
}

impl Room {
    /// Of what there is for those who are not root, as `df` tells it.
    fn of(disk: &StatVfs) -> Self {
        let used = disk.f_blocks.saturating_sub(disk.f_bfree);
        let used_inodes = disk.f_files.saturating_sub(disk.f_ffree);
        Self {
            bytes: disk.f_bavail.saturating_mul(disk.f_frsize),
            // What has no size is a view of something else, as of a kernel's tables.
            space_percent: share(disk.f_bavail, used).unwrap_or(100.0),
            inodes_percent: share(disk.f_favail, used_inodes).filter(|_| disk.f_files > 0),
        }
    }

    fn judge(self, degraded_below: Free, down_below: Free) -> Finding {
        let is_below = |limit| match limit {
            Free::Bytes(least) => self.bytes < least,
            Free::Percent(least) => self.percent() < least,
        };
        let verdict = if is_below(down_below) {
            Verdict::Down
        } else if is_below(degraded_below) {
            Verdict::Degraded
        } else {
            Verdict::Healthy
        };
        let detail = match self.inodes_percent {
            Some(inodes) if inodes < self.space_percent => format!("{inodes:.1} % of inodes free"),
            _ => format!("{:.1} % free, {} MB", self.space_percent, self.bytes / 1_000_000),
        };
        let finding = match verdict {
            Verdict::Down => Finding::down(detail),
            Verdict::Degraded => Finding::degraded(detail),
            Verdict::Healthy => Finding::healthy(),
        };
        finding.observed(self.percent(), "%")
    }

    fn percent(self) -> f64 {
        self.inodes_percent.unwrap_or(100.0).min(self.space_percent)
    }
}

/// The part of all that is free, in percent, if there is any at all.
fn share(free: u64, used: u64) -> Option<f64> {
    let all = free.saturating_add(used);
    (all > 0).then(|| float(free) / float(all) * 100.0)
}

/// How long it takes to write 4 KiB to a new file in `directory` and to see them on the disk.
///
/// The file has a name of its own and is removed again, also after a failure; only a process that
/// is killed in between leaves one behind, called `.seawall-` and a number. What is observed is the
/// time from creation to the end of `fsync`, in seconds. It is local by default. Unix only.
///
/// # Cancel safety
///
/// A disk that hangs keeps one thread until it answers; until then further runs are down and start
/// no other. The file is removed all the same.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use seawall::health::{Verdict, checks};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut check = checks::disk_write("journal", std::env::temp_dir())
///     .degraded_above(Duration::from_secs(30))
///     .down_above(Duration::from_secs(60))
///     .check();
///
/// assert_eq!(check.run_once().await.verdict(), Verdict::Healthy);
/// # }
/// ```
pub fn disk_write(name: impl Into<String>, directory: impl Into<PathBuf>) -> DiskWrite {
    DiskWrite {
        name: name.into(),
        directory: directory.into(),
        times: Times {
            degraded_above: Duration::from_millis(250),
            down_above: Duration::from_secs(2),
        },
    }
}

/// Settings of [`disk_write`].
///
/// # Example
///
/// ```
/// use seawall::health::Check;
/// use seawall::health::checks::{DiskWrite, disk_write};
///
/// let settings: DiskWrite = disk_write("journal", "/var/lib/orders");
/// let check = Check::from(settings);
/// # let _ = check;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct DiskWrite {
    name: String,
    directory: PathBuf,
    times: Times,
}

impl DiskWrite {
    /// When a write takes this long it is degraded.
    ///
    /// Default: 250 ms.
    pub fn degraded_above(mut self, time: Duration) -> Self {
        self.times.degraded_above = time;
        self
    }

    /// When a write takes this long it is down; no shorter than the time for degraded.
    ///
    /// Default: 2 s.
    pub fn down_above(mut self, time: Duration) -> Self {
        self.times.down_above = time;
        self
    }

    /// Makes the check.
    ///
    /// # Errors
    ///
    /// Times that are zero or in the wrong order are refused when the check is added to a registry.
    pub fn check(self) -> Check {
        self.check_in(&Environment::new())
    }

    /// As [`check`](Self::check), with this clock and chance.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn check_in(self, environment: &Environment) -> Check {
        let Self { name, directory, times } = self;
        let (clock, rng) = (environment.clock.clone(), environment.rng.clone());
        let blocking = Blocking::new();
        let probe = times.limits().map(|limits| {
            move || {
                let (directory, clock, rng) = (directory.clone(), clock.clone(), rng.clone());
                let blocking = blocking.clone();
                async move {
                    let written = blocking.run(move || {
                        let begin = clock.now();
                        write(&directory, &rng).map(|()| clock.now().since(begin))
                    });
                    match written.await {
                        Ok(Ok(took)) => {
                            let took = took.as_secs_f64();
                            let late = format_args!("took {took:.3} s");
                            limits.find(took, late).observed(took, "s")
                        }
                        Ok(Err(error)) => Finding::down(error),
                        Err(finding) => finding,
                    }
                }
            }
        });
        super::check(name, probe).local()
    }
}

impl From<DiskWrite> for Check {
    fn from(settings: DiskWrite) -> Self {
        settings.check()
    }
}

/// Writes a new file so that it would outlast a loss of power, and removes it.
fn write(directory: &Path, rng: &Rng) -> io::Result<()> {
    let path = directory.join(format!(".seawall-{}-{:016x}", std::process::id(), rng.next()));
    // Never a file that is there already, nor what a link leads to.
    let mut file = File::options().write(true).create_new(true).open(&path)?;
    let removed = Removed(&path);
    file.write_all(&[0xa5; 4096])?;
    file.sync_all()?;
    drop(removed);
    Ok(())
}

/// Removes the file when it is dropped.
struct Removed<'a>(&'a Path);

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        // What can not be removed was reported as what could not be written, or will be.
        let _gone = fs::remove_file(self.0);
    }
}

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use super::*;

    #[test]
    fn room_is_judged_as_the_table_says() {
        let room =
            |bytes, space_percent, inodes_percent| Room { bytes, space_percent, inodes_percent };
        let percents = (Free::Percent(15.0), Free::Percent(5.0));
        let bytes = (Free::Bytes(100), Free::Bytes(10));
        let rows = [
            (room(1, 15.0, None), percents, Verdict::Healthy, 15.0),
            (room(1, 14.9, None), percents, Verdict::Degraded, 14.9),
            (room(1, 4.9, None), percents, Verdict::Down, 4.9),
            (room(1, 50.0, Some(10.0)), percents, Verdict::Degraded, 10.0),
            (room(1, 50.0, Some(0.0)), percents, Verdict::Down, 0.0),
            (room(100, 0.1, None), bytes, Verdict::Healthy, 0.1),
            (room(99, 90.0, Some(90.0)), bytes, Verdict::Degraded, 90.0),
            (room(9, 90.0, None), bytes, Verdict::Down, 90.0),
        ];
        for (room, (degraded, down), verdict, observed) in rows {
            let finding = room.judge(degraded, down);
            assert_eq!(finding.verdict(), verdict, "{room:?}");
            assert_eq!(finding.observation(), Some((observed, "%")), "{room:?}");
        }
    }

    #[test]
    fn shares_are_of_what_is_not_root_s_own() {
        assert_eq!(share(25, 75), Some(25.0));
        assert_eq!(share(0, 75), Some(0.0));
        assert_eq!(share(0, 0), None);
    }
}
