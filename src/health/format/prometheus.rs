//! Prometheus' text-based exposition format, version 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Display;

use crate::health::{CheckReport, Finding, Phase, Report, Verdict};
use crate::telemetry::{Level, LevelKind};

/// Metrics that are being collected.
///
/// The format wants all samples of one metric next to each other, its type before them, and none
/// twice: of policies with one name, the last that was told is kept.
#[derive(Default)]
pub(in crate::health) struct Exposition {
    families: BTreeMap<String, Family>,
}

struct Family {
    help: &'static str,
    kind: LevelKind,
    /// By their labels.
    samples: BTreeMap<String, f64>,
}

impl Exposition {
    pub(in crate::health) fn report(&mut self, report: &Report) {
        let draining = f64::from(u8::from(report.phase != Phase::Serving));
        self.health("draining", "Whether the instance is on its way out.", &[], draining);
        for group in &report.groups {
            let labels = [("group", group.group.name())];
            self.health("group_verdict", GROUP_HELP, &labels, value(group.verdict));
        }
        for check in &report.checks {
            self.check(check);
        }
    }

    fn check(&mut self, check: &CheckReport) {
        let labels = [("check", &*check.name), ("criticality", check.criticality.as_str())];
        let name = &labels[..1];
        // What has not been looked at yet is down.
        let verdict = value(check.verdict.unwrap_or(Verdict::Down));
        self.health("check_verdict", CHECK_HELP, &labels, verdict);
        let flags = [
            ("check_stale", "Whether the last run is too long ago.", check.stale),
            ("check_flapping", "Whether the verdict changes too often.", check.flapping),
        ];
        for (metric, help, set) in flags {
            self.health(metric, help, name, f64::from(u8::from(set)));
        }
        let times = [
            ("check_age_seconds", "How long ago the last run ended.", check.age),
            ("check_duration_seconds", "How long the last run took.", check.took),
        ];
        for (metric, help, time) in times {
            if let Some(time) = time {
                self.health(metric, help, name, time.as_secs_f64());
            }
        }
        if let Some((observed, unit)) = check.finding.as_ref().and_then(Finding::observation) {
            let labels = [("check", &*check.name), ("unit", unit)];
            self.health("check_observed", "What the last run measured.", &labels, observed);
        }
        #[expect(clippy::cast_precision_loss, reason = "exact for 30 years of runs a microsecond")]
        let runs = check.runs as f64;
        let help = "How often the check was started.";
        self.add("resilience_health_check_runs", help, LevelKind::Counter, name, runs);
    }

    pub(in crate::health) fn level(&mut self, level: Level) {
        let name = format!("resilience_{}_{}", level.pattern(), level.name());
        let labels = [("policy", level.policy())];
        self.add(&name, "A level of a policy.", level.kind(), &labels, level.value());
    }

    fn health(&mut self, metric: &str, help: &'static str, labels: &[(&str, &str)], value: f64) {
        let name = format!("resilience_health_{metric}");
        self.add(&name, help, LevelKind::Gauge, labels, value);
    }

    fn add(
        &mut self,
        name: &str,
        help: &'static str,
        kind: LevelKind,
        labels: &[(&str, &str)],
        value: f64,
    ) {
        let total = if kind == LevelKind::Counter { "_total" } else { "" };
        let name = format!("{}{total}", metric_name(name));
        let family = Family { help, kind, samples: BTreeMap::new() };
        let family = self.families.entry(name).or_insert(family);
        family.samples.insert(written(labels), value);
    }
}

impl Display for Exposition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (name, Family { help, kind, samples }) in &self.families {
            let kind = match kind {
                LevelKind::Counter => "counter",
                LevelKind::Gauge => "gauge",
            };
            write!(f, "# HELP {name} {help}\n# TYPE {name} {kind}\n")?;
            for (labels, value) in samples {
                writeln!(f, "{name}{labels} {}", Number(*value))?;
            }
        }
        Ok(())
    }
}

pub(super) fn write(report: &Report) -> String {
    let mut exposition = Exposition::default();
    exposition.report(report);
    exposition.to_string()
}

pub(super) const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Down => {
            "# HELP resilience_health_verdict 2 is healthy, 1 degraded, 0 down.\n\
             # TYPE resilience_health_verdict gauge\n\
             resilience_health_verdict 0\n"
        }
        Verdict::Degraded => {
            "# HELP resilience_health_verdict 2 is healthy, 1 degraded, 0 down.\n\
             # TYPE resilience_health_verdict gauge\n\
             resilience_health_verdict 1\n"
        }
        Verdict::Healthy => {
            "# HELP resilience_health_verdict 2 is healthy, 1 degraded, 0 down.\n\
             # TYPE resilience_health_verdict gauge\n\
             resilience_health_verdict 2\n"
        }
    }
}

const GROUP_HELP: &str = "2 is healthy, 1 degraded, 0 down, by group.";
const CHECK_HELP: &str = "2 is healthy, 1 degraded, 0 down or not yet known, by check.";

const fn value(verdict: Verdict) -> f64 {
    match verdict {
        Verdict::Down => 0.0,
        Verdict::Degraded => 1.0,
        Verdict::Healthy => 2.0,
    }
}

/// As the format writes a number. What is none Rust writes as it does: `NaN`.
struct Number(f64);

impl Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            f64::INFINITY => f.write_str("+Inf"),
            f64::NEG_INFINITY => f.write_str("-Inf"),
            value => write!(f, "{value}"),
        }
    }
}

/// The labels of a sample, as they follow its metric's name.
fn written(labels: &[(&str, &str)]) -> String {
    let mut written = String::new();
    for (at, (label, text)) in labels.iter().enumerate() {
        written.push(if at == 0 { '{' } else { ',' });
        written.push_str(label);
        written.push_str("=\"");
        escape(text, &mut written);
        written.push('"');
    }
    if !labels.is_empty() {
        written.push('}');
    }
    written
}

/// The value of a label: backslash, quotation mark and line feed may not stand as they are.
fn escape(text: &str, written: &mut String) {
    for character in text.chars() {
        match character {
            '\\' => written.push_str("\\\\"),
            '"' => written.push_str("\\\""),
            '\n' => written.push_str("\\n"),
            _ => written.push(character),
        }
    }
}

/// What a metric may be called: `[a-zA-Z_][a-zA-Z0-9_]*`.
fn metric_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}
