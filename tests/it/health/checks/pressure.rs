use std::fs;
use std::path::Path;

use seawall::health::Finding;
use seawall::health::Verdict::{self, Degraded, Down, Healthy};
use seawall::health::checks::{cpu, memory};

use super::{assert_found, run};

/// A system that has these files.
fn system(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        write(root.path(), path, text);
    }
    root
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn percent(finding: &Finding) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "a percent")]
    finding.observation().map(|(percent, _)| percent.round() as i64)
}

const V2: (&str, &str) = ("sys/fs/cgroup/cgroup.controllers", "cpu io memory pids\n");
const OWN: (&str, &str) = ("proc/self/cgroup", "0::/\n");
const IDLE: &str = "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n\
                    full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
const STALLED: &str = "some avg10=75.25 avg60=20.00 avg300=5.00 total=123456\n\
                       full avg10=70.00 avg60=19.00 avg300=4.00 total=123400\n";
/// 8 GB, of which three quarters are in use.
const SYSTEM: (&str, &str) = (
    "proc/meminfo",
    "MemTotal:        8000000 kB\nMemFree:          100000 kB\nMemAvailable:    2000000 kB\n",
);

#[tokio::test]
async fn memory_is_judged_as_the_table_says() {
    for (what, files, verdict, observed) in MEMORY {
        let root = system(files);

        let finding = run(memory("memory").root(root.path())).await;

        assert_found(&finding, *verdict, what);
        assert_eq!(percent(&finding), *observed, "{what}: {finding:?}");
    }
}

#[tokio::test]
async fn memory_is_judged_by_the_percents_that_were_set() {
    let files =
        [V2, OWN, ("sys/fs/cgroup/memory.current", "5\n"), ("sys/fs/cgroup/memory.max", "10\n")];
    let root = system(&files);
    let check = || memory("memory").root(root.path());

    assert_found(&run(check().degraded_above(50.0)).await, Degraded, "degraded");
    let low = check().degraded_above(10.0).down_above(50.0);
    assert_found(&run(low).await, Down, "down");
    write(root.path(), "sys/fs/cgroup/memory.pressure", STALLED);
    assert_found(&run(check().stalled_above(75.3)).await, Healthy, "stalled");
}

#[tokio::test]
async fn processors_are_judged_as_the_table_says() {
    for (what, files, later, verdict, observed) in PROCESSORS {
        let root = system(files);
        let mut check = cpu("processors").root(root.path()).check();
        let _first = check.run_once().await;
        for (path, text) in *later {
            write(root.path(), path, text);
        }

        let finding = check.run_once().await;

        assert_found(&finding, *verdict, what);
        assert_eq!(percent(&finding), *observed, "{what}: {finding:?}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn this_very_system_tells_of_its_memory_and_its_processors() {
    let tight = memory("memory").degraded_above(1e-9).down_above(1e-9);
    assert_found(&run(tight).await, Down, "memory");

    assert!(run(cpu("processors")).await.observation().is_some());
}

/// What it is, the files, the verdict, the percent observed.
type Memory<'a> = (&'a str, &'a [(&'a str, &'a str)], Verdict, Option<i64>);

const CURRENT: &str = "sys/fs/cgroup/memory.current";
const MAX: &str = "sys/fs/cgroup/memory.max";
const HIGH: &str = "sys/fs/cgroup/memory.high";
const STAT: &str = "sys/fs/cgroup/memory.stat";
const PSI: &str = "sys/fs/cgroup/memory.pressure";
const V1_USAGE: &str = "sys/fs/cgroup/memory/memory.usage_in_bytes";
const V1_LIMIT: &str = "sys/fs/cgroup/memory/memory.limit_in_bytes";
const V1_STAT: &str = "sys/fs/cgroup/memory/memory.stat";

const MEMORY: &[Memory<'_>] = &[
    ("half", &[V2, OWN, (CURRENT, "500\n"), (MAX, "1000\n")], Healthy, Some(50)),
    ("just below", &[V2, OWN, (CURRENT, "849\n"), (MAX, "1000\n")], Healthy, Some(85)),
    ("degraded", &[V2, OWN, (CURRENT, "850\n"), (MAX, "1000\n")], Degraded, Some(85)),
    ("down", &[V2, OWN, (CURRENT, "970\n"), (MAX, "1000\n")], Down, Some(97)),
    ("beyond", &[V2, OWN, (CURRENT, "1200\n"), (MAX, "1000\n")], Down, Some(120)),
    (
        "files that nobody uses do not count",
        &[
            V2,
            OWN,
            (CURRENT, "990\n"),
            (MAX, "1000\n"),
            (STAT, "anon 300\nfile 690\nactive_file 100\ninactive_file 590\nslab 1\n"),
        ],
        Healthy,
        Some(40),
    ),
    (
        "more such files than memory",
        &[V2, OWN, (CURRENT, "990\n"), (MAX, "1000\n"), (STAT, "inactive_file 2000\n")],
        Healthy,
        Some(0),
    ),
    ("nothing allowed", &[V2, OWN, (CURRENT, "0\n"), (MAX, "0\n")], Down, Some(100)),
    (
        "soft limit",
        &[V2, OWN, (CURRENT, "500\n"), (MAX, "1000\n"), (HIGH, "550\n")],
        Degraded,
        Some(50),
    ),
    (
        "beyond the soft limit is not down",
        &[V2, OWN, (CURRENT, "600\n"), (MAX, "1000\n"), (HIGH, "500\n")],
        Degraded,
        Some(60),
    ),
    (
        "beyond both",
        &[V2, OWN, (CURRENT, "990\n"), (MAX, "1000\n"), (HIGH, "500\n")],
        Down,
        Some(99),
    ),
    (
        "no soft limit",
        &[V2, OWN, (CURRENT, "500\n"), (MAX, "1000\n"), (HIGH, "max\n")],
        Healthy,
        Some(50),
    ),
    (
        "no limit: the system's",
        &[V2, OWN, (CURRENT, "500\n"), (MAX, "max\n"), SYSTEM],
        Healthy,
        Some(75),
    ),
    (
        "a limit that the system can not fill",
        &[V2, OWN, (CURRENT, "500\n"), (MAX, "9000000000\n"), SYSTEM],
        Healthy,
        Some(75),
    ),
    (
        "garbage: the system's",
        &[V2, OWN, (CURRENT, "many\n"), (MAX, "-1\n"), SYSTEM],
        Healthy,
        Some(75),
    ),
    ("missing: the system's", &[V2, OWN, SYSTEM], Healthy, Some(75)),
    (
        "the group around it is full",
        &[
            V2,
            ("proc/self/cgroup", "0::/a/b\n"),
            ("sys/fs/cgroup/a/b/memory.current", "10\n"),
            ("sys/fs/cgroup/a/b/memory.max", "1000\n"),
            ("sys/fs/cgroup/a/memory.current", "1990\n"),
            ("sys/fs/cgroup/a/memory.max", "2000\n"),
        ],
        Down,
        Some(100),
    ),
    ("stalls", &[V2, OWN, (CURRENT, "10\n"), (MAX, "100\n"), (PSI, STALLED)], Degraded, Some(10)),
    (
        "stalls do not hide that it is down",
        &[V2, OWN, (CURRENT, "99\n"), (MAX, "100\n"), (PSI, STALLED)],
        Down,
        Some(99),
    ),
    (
        "does not stall",
        &[V2, OWN, (CURRENT, "10\n"), (MAX, "100\n"), (PSI, IDLE)],
        Healthy,
        Some(10),
    ),
    (
        "garbage for stalls",
        &[V2, OWN, (CURRENT, "10\n"), (MAX, "100\n"), (PSI, "some avg10=lots\n")],
        Healthy,
        Some(10),
    ),
    (
        "version 1",
        &[
            ("proc/self/cgroup", "4:memory:/docker/f00\n0::/\n"),
            (V1_USAGE, "990\n"),
            (V1_LIMIT, "1000\n"),
            (
                V1_STAT,
                "inactive_file 900\nhierarchical_memory_limit 1000\ntotal_inactive_file 100\n",
            ),
        ],
        Degraded,
        Some(89),
    ),
    (
        "version 1 without a limit",
        &[(V1_USAGE, "990\n"), (V1_LIMIT, "9223372036854771712\n"), SYSTEM],
        Healthy,
        Some(75),
    ),
    (
        "version 1 tells nothing of the system",
        &[(V1_USAGE, "990\n"), (V1_LIMIT, "9223372036854771712\n")],
        Degraded,
        None,
    ),
    ("no groups", &[SYSTEM], Healthy, Some(75)),
    (
        "no groups, full",
        &[("proc/meminfo", "MemTotal: 100 kB\nMemAvailable: 2 kB\n")],
        Down,
        Some(98),
    ),
    (
        "more available than there is",
        &[("proc/meminfo", "MemTotal: 100 kB\nMemAvailable: 200 kB\n")],
        Healthy,
        Some(0),
    ),
    ("a system without memory", &[("proc/meminfo", "MemTotal: 0 kB\n")], Degraded, None),
    ("no groups, stalls", &[SYSTEM, ("proc/pressure/memory", STALLED)], Degraded, Some(75)),
    ("only stalls are told", &[("proc/pressure/memory", IDLE)], Healthy, None),
    ("nothing is told", &[], Degraded, None),
];

/// What it is, the files in the first run, those that are others in the second, the verdict, what is
/// observed.
type Processors<'a> =
    (&'a str, &'a [(&'a str, &'a str)], &'a [(&'a str, &'a str)], Verdict, Option<i64>);

const CPU_STAT: &str = "sys/fs/cgroup/cpu.stat";
const CPU_PSI: &str = "sys/fs/cgroup/cpu.pressure";
const BEFORE: &str = "usage_usec 1\nuser_usec 1\nsystem_usec 0\nnr_periods 1000\nnr_throttled 900\n\
    throttled_usec 9\nnr_bursts 0\nburst_usec 0\n";
const CALM: &str = "usage_usec 1\nuser_usec 1\nsystem_usec 0\nnr_periods 1100\nnr_throttled 924\n\
    throttled_usec 9\nnr_bursts 0\nburst_usec 0\n";
const HELD: &str = "usage_usec 1\nuser_usec 1\nsystem_usec 0\nnr_periods 1100\nnr_throttled 925\n\
    throttled_usec 9\nnr_bursts 0\nburst_usec 0\n";
const ANEW: &str = "usage_usec 1\nuser_usec 1\nsystem_usec 0\nnr_periods 10\nnr_throttled 1\n\
    throttled_usec 9\nnr_bursts 0\nburst_usec 0\n";

const PROCESSORS: &[Processors<'_>] = &[
    ("calm", &[V2, OWN, (CPU_STAT, BEFORE)], &[(CPU_STAT, CALM)], Healthy, Some(24)),
    ("held back", &[V2, OWN, (CPU_STAT, BEFORE)], &[(CPU_STAT, HELD)], Degraded, Some(25)),
    (
        "what was before the first run does not count",
        &[V2, OWN],
        &[(CPU_STAT, BEFORE)],
        Healthy,
        Some(0),
    ),
    (
        "held back in the group around it",
        &[
            V2,
            ("proc/self/cgroup", "0::/a\n"),
            ("sys/fs/cgroup/a/cpu.stat", BEFORE),
            (CPU_STAT, BEFORE),
        ],
        &[(CPU_STAT, HELD)],
        Degraded,
        Some(25),
    ),
    (
        "version 1",
        &[
            ("proc/self/cgroup", "3:cpu,cpuacct:/\n"),
            (
                "sys/fs/cgroup/cpu,cpuacct/cpu.stat",
                "nr_periods 10\nnr_throttled 1\nthrottled_time 5\n",
            ),
        ],
        &[(
            "sys/fs/cgroup/cpu,cpuacct/cpu.stat",
            "nr_periods 20\nnr_throttled 11\nthrottled_time 9\n",
        )],
        Degraded,
        Some(100),
    ),
    ("counts begin anew", &[V2, OWN, (CPU_STAT, BEFORE)], &[(CPU_STAT, ANEW)], Healthy, Some(10)),
    ("waits", &[V2, OWN, (CPU_PSI, STALLED)], &[], Degraded, Some(75)),
    ("does not wait", &[V2, OWN, (CPU_PSI, IDLE)], &[], Healthy, Some(0)),
    ("the system waits", &[("proc/pressure/cpu", STALLED)], &[], Degraded, Some(75)),
    (
        "waits, and is not held back",
        &[V2, OWN, (CPU_PSI, STALLED), (CPU_STAT, BEFORE)],
        &[(CPU_STAT, CALM)],
        Degraded,
        Some(24),
    ),
    (
        "no quota",
        &[
            V2,
            OWN,
            (CPU_STAT, "usage_usec 5\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n"),
            (CPU_PSI, IDLE),
        ],
        &[],
        Healthy,
        Some(0),
    ),
    (
        "load",
        &[
            ("proc/loadavg", "7.99 3.00 1.00 2/345 6789\n"),
            ("sys/devices/system/cpu/online", "0-3\n"),
        ],
        &[],
        Healthy,
        Some(2),
    ),
    (
        "too much load",
        &[
            ("proc/loadavg", "8.00 3.00 1.00 2/345 6789\n"),
            ("sys/devices/system/cpu/online", "0-3\n"),
        ],
        &[],
        Degraded,
        Some(2),
    ),
    (
        "load does not matter where better is told",
        &[V2, OWN, (CPU_PSI, IDLE), ("proc/loadavg", "1000.0 1 1 1/1 1\n")],
        &[],
        Healthy,
        Some(0),
    ),
    (
        "garbage",
        &[V2, OWN, (CPU_STAT, "nr_periods x\n"), ("proc/loadavg", "much\n")],
        &[],
        Degraded,
        None,
    ),
    ("nothing is told", &[], &[], Degraded, None),
];
