//! Who may import whom, and what a pure core may not know.
//!
//! The tables below are the architecture. A new module or exception is a line in them.

#![expect(clippy::unwrap_used, reason = "a test that fails is to panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Top-level modules, from the ground up. A module may import the ones of lower levels only.
const LEVELS: &[(usize, &[&str])] = &[
    (0, &["rng", "slot", "sync", "time"]),
    (
        1,
        &[
            "backoff",
            "budget",
            "config",
            "context",
            "error",
            "ewma",
            "histogram",
            "operation",
            "outcome",
            "region",
            "replay",
            "window",
        ],
    ),
    (2, &["telemetry"]),
    (3, &["gate", "queue"]),
    (
        4,
        &[
            "adaptive_limit",
            "bulkhead",
            "circuit_breaker",
            "coalesce",
            "fallback",
            "fault",
            "hedge",
            "outlier",
            "rate_limit",
            "retry",
            "throttle",
            "timeout",
        ],
    ),
    (5, &["balance", "failover", "lease"]),
    (6, &["http"]),
    (7, &["stack"]),
    (8, &["health"]),
    (9, &["azure"]),
    (10, &["drill", "fuzzing", "manual"]),
];

/// Imports that the levels forbid and that are right nevertheless, the importer first, each with
/// its reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("queue", "gate", "it is the driver of all gates that can be waited for"),
    ("backoff", "error", "its settings are refused as any other's are"),
    ("budget", "error", "its settings are refused as any other's are"),
    ("budget", "telemetry", "it is shared by policies, and its balance is a level"),
    ("outcome", "error", "`ByResult` reads the rejection inside an error"),
    ("region", "error", "its names are refused as any other setting is"),
    ("rng", "sync", "a seeded generator is one atomic word"),
    ("slot", "sync", "a slot is counted by atomics"),
    (
        "time",
        "rng",
        "the lengths of lanes are spread over a table by what mixes a generator's counts",
    ),
    ("time", "sync", "the timer's lanes are behind a mutex"),
];

/// What a `core.rs` may not even mention: it has no clock, no runtime, no service, no lock.
const NOT_IN_A_CORE: &[&str] = &[
    "tokio::",
    "tower",
    "tracing",
    "async ",
    ".await",
    "Mutex",
    "RwLock",
    "Clock",
    "SystemTime",
    "crate::context",
    "crate::error",
    "crate::gate",
    "crate::rng",
    "crate::slot",
    "crate::telemetry",
];

/// Pure as well, though not called `core`: a surface has several.
const OTHER_CORES: &[&[&str]] = &[
    &["azure", "cosmos", "units", "core"],
    &["azure", "credential", "core"],
    &["azure", "database", "pace"],
    &["health", "hysteresis"],
    &["health", "registry", "forecast"],
];

/// What no future and no service of a gate or driver holds: a box per call is 16 ns and an
/// allocation.
const NOT_ON_THE_HOT_PATH: &[&str] = &["Box<dyn", "Box::pin", "BoxFuture", "tokio::spawn"];

#[test]
fn modules_import_downwards() {
    let mut wrong = Vec::new();
    for file in sources() {
        let importer = top_level_module(&file);
        if importer == "lib" {
            continue;
        }
        let code = code_of(&fs::read_to_string(&file).unwrap());
        for imported in crate_imports(&code, depth(&file)) {
            if !may_import(&importer, &imported) {
                wrong.push(format!(
                    "{}: `{importer}` (level {}) may not import `{imported}` (level {})",
                    file.display(),
                    level(&importer).map_or("unknown".into(), |level| level.to_string()),
                    level(&imported).map_or("unknown".into(), |level| level.to_string()),
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "imports go down:\n{}", wrong.join("\n"));
}

#[test]
fn every_module_has_a_level() {
    let unknown: BTreeSet<_> = sources()
        .iter()
        .map(|file| top_level_module(file))
        .filter(|module| module != "lib")
        .filter(|module| level(module).is_none())
        .collect();
    assert!(unknown.is_empty(), "give these modules a level: {unknown:?}");
}

#[test]
fn cores_are_pure() {
    let mut wrong = Vec::new();
    for file in sources().into_iter().filter(|file| is_core(file)) {
        let code = code_of(&fs::read_to_string(&file).unwrap());
        for word in NOT_IN_A_CORE.iter().filter(|word| code.contains(**word)) {
            wrong.push(format!("{}: a core may not mention `{word}`", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn futures_and_services_of_policies_hold_no_box() {
    let mut wrong = Vec::new();
    for file in sources() {
        let on_hot_path =
            file.file_name().is_some_and(|name| name == "future.rs" || name == "service.rs");
        if !on_hot_path || !matches!(level(&top_level_module(&file)), Some(3 | 4)) {
            continue;
        }
        let code = code_of(&fs::read_to_string(&file).unwrap());
        for word in NOT_ON_THE_HOT_PATH.iter().filter(|word| code.contains(**word)) {
            wrong.push(format!("{}: holds `{word}`", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn gates_and_drivers_never_know_each_other() {
    // Follows from the levels; said once more because it is the wall that is leant on most.
    let policies = LEVELS[4].1;
    for a in policies {
        for b in policies.iter().filter(|b| *b != a) {
            assert!(!may_import(a, b), "`{a}` and `{b}` are both policies");
        }
    }
}

#[test]
fn the_tables_name_each_module_once() {
    let mut seen = BTreeMap::new();
    for (level, modules) in LEVELS {
        for module in *modules {
            assert_eq!(seen.insert(module, level), None, "`{module}` has two levels");
        }
    }
}

#[test]
fn imports_are_found_in_every_form() {
    let code = code_of(
        "use crate::alpha::A;\n\
         use crate::{beta, gamma::{self, G}, delta as d};\n\
         // crate::not_this in a comment\n\
         /// [`X`](crate::nor_this::X)\n\
         fn f() { crate::epsilon::go(); super::super::zeta::go(); super::eta(); }\n\
         #[cfg(test)]\n\
         mod tests {\n    use crate::nor_that;\n}\n",
    );

    // Two modules deep, `super::super` is the crate and `super` is not.
    let found: Vec<_> = crate_imports(&code, 2).into_iter().collect();

    assert_eq!(found, ["alpha", "beta", "delta", "epsilon", "gamma", "zeta"]);
    // One module deep, `super` is the crate.
    assert!(crate_imports("use super::theta::T;", 1).contains("theta"));
}

#[test]
fn levels_forbid_what_they_should() {
    assert!(may_import("circuit_breaker", "gate"));
    assert!(may_import("outcome", "error"));
    assert!(!may_import("error", "outcome"));
    assert!(!may_import("gate", "circuit_breaker"));
    assert!(!may_import("retry", "circuit_breaker"));
    assert!(!may_import("time", "telemetry"));
    assert!(!may_import("timeout", "nobody_knows_it"));
}

#[test]
fn files_know_their_place() {
    let place = |path: &str| {
        let path = root().join(path);
        (top_level_module(&path), depth(&path), is_core(&path))
    };

    assert_eq!(place("sync.rs"), ("sync".into(), 1, false));
    assert_eq!(place("retry/mod.rs"), ("retry".into(), 1, false));
    assert_eq!(place("retry/core.rs"), ("retry".into(), 2, true));
    assert_eq!(place("retry/core/word.rs"), ("retry".into(), 3, true));
    assert_eq!(place("retry/core/mod.rs"), ("retry".into(), 2, true));
    assert_eq!(place("health/hysteresis.rs"), ("health".into(), 2, true));
    assert!(
        OTHER_CORES.iter().all(|core| root().join(core.join("/")).with_extension("rs").exists())
    );
}

fn may_import(importer: &str, other: &str) -> bool {
    let goes_down = match (level(importer), level(other)) {
        (Some(from), Some(to)) => to < from,
        _ => false,
    };
    other == importer
        || goes_down
        || EXCEPTIONS.iter().any(|(from, to, _)| *from == importer && *to == other)
}

fn level(module: &str) -> Option<usize> {
    LEVELS.iter().find(|(_, modules)| modules.contains(&module)).map(|(level, _)| *level)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "no sources found");
    found.sort();
    found
}

/// The path of a file's module below the crate: `retry/core.rs` is `[retry, core]`.
fn module_path(file: &Path) -> Vec<String> {
    let inside = file.strip_prefix(root()).unwrap().with_extension("");
    let mut parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if parts.len() > 1 && parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts
}

fn top_level_module(file: &Path) -> String {
    module_path(file).swap_remove(0)
}

fn depth(file: &Path) -> usize {
    module_path(file).len()
}

fn is_core(file: &Path) -> bool {
    let path = module_path(file);
    path.get(1).is_some_and(|part| part == "core")
        || OTHER_CORES.iter().any(|core| path.iter().eq(core.iter()))
}

/// What is compiled into the crate: neither comments nor the tests at a file's end.
fn code_of(source: &str) -> String {
    let mut code = String::new();
    let mut lines = source.lines().peekable();
    while let Some(line) = lines.next() {
        let opens_tests = line.trim() == "#[cfg(test)]"
            && lines.clone().find(|next| !next.trim_start().starts_with("#[")).is_some_and(
                |next| next.trim_start().starts_with("mod ") && next.trim_end().ends_with('{'),
            );
        if opens_tests {
            break;
        }
        code.push_str(line.split("//").next().unwrap_or_default());
        code.push('\n');
    }
    code
}

/// The top-level modules that a file `depth` modules below the crate refers to.
fn crate_imports(code: &str, depth: usize) -> BTreeSet<String> {
    let to_the_crate = format!("{}::", vec!["super"; depth].join("::"));
    let mut found = BTreeSet::new();
    for path in ["crate::", to_the_crate.as_str()] {
        for (at, _) in code.match_indices(path) {
            // `pub(crate)`, `some_crate::` and longer chains of `super` are not this path.
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let rest = &code[at + path.len()..];
            if let Some(group) = rest.strip_prefix('{') {
                found.extend(heads_of_group(group));
            } else {
                found.extend(head(rest));
            }
        }
    }
    // Items at the crate's root, such as re-exports, are not modules.
    found.retain(|name| name.starts_with(|c: char| c.is_lowercase()) && name != "super");
    found
}

/// The first name of each member of `a, b::{c, d}, e as f}`.
fn heads_of_group(group: &str) -> Vec<String> {
    let mut heads = Vec::new();
    let mut nesting = 0;
    let mut member = String::new();
    for c in group.chars() {
        match c {
            '{' => nesting += 1,
            '}' if nesting == 0 => break,
            '}' => nesting -= 1,
            ',' if nesting == 0 => heads.extend(head(&std::mem::take(&mut member))),
            _ if nesting == 0 => member.push(c),
            _ => {}
        }
    }
    heads.extend(head(&member));
    heads
}

fn head(path: &str) -> Option<String> {
    let name: String =
        path.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}
