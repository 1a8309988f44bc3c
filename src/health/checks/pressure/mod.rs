//! Whether the process has the memory and the processors that it needs.

mod cgroup;
mod cpu;
mod memory;

pub use cpu::{Cpu, cpu};
pub use memory::{Memory, memory};

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::InvalidConfig;

/// Refuses what can only be read on Linux anywhere else, unless it stands somewhere else.
fn readable(root: &Path) -> Result<(), InvalidConfig> {
    if cfg!(target_os = "linux") || root != Path::new("/") {
        Ok(())
    } else {
        Err(InvalidConfig::new("root", "where Linux keeps its figures; this system has none"))
    }
}

/// What a file of the kernel's says; nothing if it is not there or can not be read.
fn read(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(MAX_FILE).read_to_end(&mut bytes).ok()?;
    String::from_utf8(bytes).ok()
}

/// The number that a file of the kernel's consists of; nothing also for `max`.
fn number(path: &Path) -> Option<u64> {
    read(path)?.trim().parse().ok()
}

/// The number after `key`, and an optional colon, in a table of one key per line.
fn value(table: &str, key: &str) -> Option<u64> {
    table.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let found = words.next()?;
        (found.strip_suffix(':').unwrap_or(found) == key).then(|| words.next()?.parse().ok())?
    })
}

/// How much of the last 10 s at least one task stalled, in percent, as `pressure` files tell.
fn stalled(path: &Path) -> Option<f64> {
    let table = read(path)?;
    let some = table.lines().find_map(|line| line.strip_prefix("some "))?;
    let average = some.split_ascii_whitespace().find_map(|word| word.strip_prefix("avg10="))?;
    average.parse().ok().filter(|percent| (0.0..=100.0).contains(percent))
}

/// Far more than any of these files has.
const MAX_FILE: u64 = 64 * 1024;

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn tables_are_read_by_whole_keys() {
        let table = "file 1\ninactive_file 22\nMemAvailable:   333 kB\nempty\nbad x\n";

        assert_eq!(value(table, "inactive_file"), Some(22));
        assert_eq!(value(table, "MemAvailable"), Some(333));
        assert_eq!(value(table, "active_file"), None);
        assert_eq!(value(table, "empty"), None);
        assert_eq!(value(table, "bad"), None);
    }

    #[test]
    fn files_that_are_not_as_they_should_be_say_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let rows: &[(&[u8], Option<u64>, Option<f64>)] = &[
            (b"12\n", Some(12), None),
            (b"max\n", None, None),
            (b"-1\n", None, None),
            (b"", None, None),
            (b"\xff\xfe", None, None),
            (b"some avg10=1.50 avg60=0.00 avg300=0.00 total=1\nfull avg10=9.00\n", None, Some(1.5)),
            (b"full avg10=9.00 avg60=0.00 avg300=0.00 total=1\n", None, None),
            (b"some avg10=NaN\n", None, None),
            (b"some avg10=1e9\n", None, None),
            (b"some avg10\n", None, None),
        ];
        for (text, expected, percent) in rows {
            fs::write(&path, text).unwrap();
            assert_eq!(number(&path), *expected, "{text:?}");
            assert_eq!(stalled(&path), *percent, "{text:?}");
        }
        assert_eq!(number(directory.path()), None);
        assert_eq!(read(&directory.path().join("missing")), None);
    }
}
