//! Each form against the rules of those who read it.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::*;
use crate::health::{CheckReport, Criticality, Finding, Group, GroupReport, Phase};

const DETAIL: &str = "connection to \"db\\7\" refused <b>\u{e4}</b>";

#[test]
fn says_the_worst_of_all_groups() {
    use Verdict::{Degraded, Down, Healthy};
    let rows = [
        (Format::AspNet, ["Unhealthy", "Degraded", "Healthy"]),
        (Format::Text, ["down", "degraded", "healthy"]),
    ];
    for (format, words) in rows {
        for (verdict, word) in [Down, Degraded, Healthy].into_iter().zip(words) {
            assert_eq!(format.verdict(verdict), word);
            assert_eq!(format.report(&report(verdict)), word);
        }
    }
    let rows = [
        (Format::HealthJson, ["fail", "warn", "pass"]),
        (Format::Json, ["Down", "Healthy", "Healthy"]),
        (Format::MicroProfile, ["DOWN", "UP", "UP"]),
        (Format::Spring, ["DOWN", "UP", "UP"]),
        (Format::Xabaril, ["Unhealthy", "Degraded", "Healthy"]),
    ];
    for (format, words) in rows {
        for (verdict, word) in [Down, Degraded, Healthy].into_iter().zip(words) {
            assert_eq!(parse(format.verdict(verdict))["status"], word, "{format:?}");
            assert_eq!(parse(&format.report(&report(verdict)))["status"], word, "{format:?}");
        }
    }
}

#[test]
fn application_gateway_finds_its_text_if_we_are_up_and_only_then() {
    for verdict in [Verdict::Down, Verdict::Degraded, Verdict::Healthy] {
        for body in [Format::Json.verdict(verdict).into(), Format::Json.report(&report(verdict))] {
            let found = body.contains(r#""status":"Healthy""#);
            assert_eq!(found, verdict.is_up(), "{body}");
            // Nor does it depend on whether case counts.
            let found = body.to_lowercase().contains(r#""status":"healthy""#);
            assert_eq!(found, verdict.is_up(), "{body}");
        }
    }
}

#[test]
fn short_forms_of_one_status_are_equally_long_by_default() {
    let long = |verdict| Format::Json.verdict(verdict).len();

    assert_eq!(long(Verdict::Healthy), long(Verdict::Degraded));
}

#[test]
fn degraded_says_so_in_every_form() {
    for format in Format::ALL {
        let said = format.verdict(Verdict::Degraded);
        assert_ne!(said, format.verdict(Verdict::Healthy), "{format:?}");
        assert_ne!(said, format.verdict(Verdict::Down), "{format:?}");
    }
}

#[test]
fn names_are_different_and_fit_into_a_path() {
    let mut names: Vec<_> = Format::ALL.into_iter().map(Format::name).collect();
    names.sort_unstable();
    names.dedup();

    assert_eq!(names.len(), Format::ALL.len());
    assert!(names.concat().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
}

#[test]
fn json_tells_all() {
    let told = parse(&Format::Json.report(&report(Verdict::Down)));

    assert_eq!(told["at"], "2026-02-03T04:05:06.000Z");
    assert_eq!(told["phase"], "serving");
    assert_eq!(
        told["groups"]["readiness"],
        json!({"verdict": "down", "reason": "drain", "checks": ["cache", "db:main"]})
    );
    assert_eq!(
        told["checks"]["db:main"],
        json!({
            "verdict": "down", "criticality": "critical", "shared": false,
            "groups": ["readiness"], "tags": ["sql"], "stale": false, "flapping": true, "runs": 7,
            "interval_seconds": 10.0, "age_seconds": 1.5, "since_seconds": 60.0,
            "took_seconds": 0.25, "observed": {"value": 41.5, "unit": "s"}, "detail": DETAIL,
        })
    );
    assert_eq!(told["checks"]["new"]["verdict"], "unknown");
    assert!(told["checks"]["new"].get("age_seconds").is_none());
    // What is no number in JSON is left out.
    assert!(told["checks"]["cache"].get("observed").is_none());
}

#[test]
fn a_clock_that_is_far_off_is_left_out() {
    let epoch = SystemTime::UNIX_EPOCH;
    for at in [epoch - Duration::from_secs(1), epoch + Duration::from_secs(YEAR_10_000)] {
        let report = Report { at, ..report(Verdict::Healthy) };

        assert!(parse(&Format::Json.report(&report)).get("at").is_none());
        parse(&Format::HealthJson.report(&report));
    }
    assert_eq!(
        moment(epoch + Duration::from_secs(YEAR_10_000 - 1)).unwrap(),
        "9999-12-31T23:59:59.000Z"
    );
}

#[test]
fn health_json_keeps_to_the_draft() {
    for verdict in [Verdict::Down, Verdict::Degraded, Verdict::Healthy] {
        let told = parse(&Format::HealthJson.report(&report(verdict)));

        assert!(["pass", "warn", "fail"].contains(&told["status"].as_str().unwrap()));
        assert!(told["notes"].as_array().unwrap().iter().all(Value::is_string));
        for (key, entries) in told["checks"].as_object().unwrap() {
            // "component:measurement", neither of which has a colon.
            assert!(key.split(':').count() <= 2, "{key}");
            for entry in entries.as_array().unwrap() {
                let status = entry["status"].as_str().unwrap();
                assert!(["pass", "warn", "fail"].contains(&status));
                assert!(
                    ["component", "datastore", "system"]
                        .contains(&entry["componentType"].as_str().unwrap())
                );
                // "Should be omitted for pass".
                assert!(status != "pass" || entry.get("output").is_none());
                if let Some(time) = entry.get("time") {
                    assert!(humantime::parse_rfc3339(time.as_str().unwrap()).is_ok());
                }
            }
        }
    }
    let told = parse(&Format::HealthJson.report(&report(Verdict::Down)));
    assert_eq!(told["notes"], json!(["readiness: down, drain", "phase: serving"]));
    assert_eq!(
        told["checks"]["db_main"],
        json!([{
            "componentId": "db:main", "componentType": "component", "observedValue": 41.5,
            "observedUnit": "s", "status": "fail", "time": "2026-02-03T04:05:04.500Z",
            "output": DETAIL,
        }])
    );
}

#[test]
fn two_components_of_one_key_are_both_told() {
    let mut report = report(Verdict::Healthy);
    report.checks[1].name = "db_main".into();
    report.checks.push(CheckReport { name: "db:main".into(), ..report.checks[1].clone() });

    let told = parse(&Format::HealthJson.report(&report));

    assert_eq!(told["checks"]["db_main"].as_array().unwrap().len(), 2);
}

#[test]
fn spring_keeps_to_the_actuators_form() {
    let words = ["UP", "DOWN", "OUT_OF_SERVICE", "UNKNOWN"];
    for verdict in [Verdict::Down, Verdict::Degraded, Verdict::Healthy] {
        let told = parse(&Format::Spring.report(&report(verdict)));

        assert!(words.contains(&told["status"].as_str().unwrap()));
        assert!(told["groups"].as_array().unwrap().iter().all(Value::is_string));
        for component in told["components"].as_object().unwrap().values() {
            assert!(words.contains(&component["status"].as_str().unwrap()));
            assert!(component["details"].is_object());
        }
    }
    let told = parse(&Format::Spring.report(&report(Verdict::Down)));
    assert_eq!(told["components"]["db:main"]["status"], "DOWN");
    assert_eq!(told["components"]["db:main"]["details"]["error"], DETAIL);
    assert_eq!(told["components"]["new"]["status"], "UNKNOWN");
}

#[test]
fn spring_is_out_of_service_while_it_drains_and_no_check_fails() {
    let mut report = report(Verdict::Healthy);
    report.groups[0].verdict = Verdict::Down;
    report.phase = Phase::NotReady;

    assert_eq!(parse(&Format::Spring.report(&report))["status"], "OUT_OF_SERVICE");
}

#[test]
fn xabaril_keeps_to_what_its_interface_reads() {
    for verdict in [Verdict::Down, Verdict::Degraded, Verdict::Healthy] {
        let told = parse(&Format::Xabaril.report(&report(verdict)));
        let words = ["Healthy", "Degraded", "Unhealthy"];

        assert!(words.contains(&told["status"].as_str().unwrap()));
        assert_eq!(told["totalDuration"], "00:00:00.2500000");
        for entry in told["entries"].as_object().unwrap().values() {
            assert!(words.contains(&entry["status"].as_str().unwrap()));
            assert!(entry["data"].is_object() && entry["duration"].is_string());
            assert!(entry["tags"].as_array().unwrap().iter().all(Value::is_string));
            // Neither stack nor class names are for anybody.
            assert!(entry.get("exception").is_none());
        }
    }
    let told = parse(&Format::Xabaril.report(&report(Verdict::Down)));
    assert_eq!(told["entries"]["db:main"]["description"], DETAIL);
}

#[test]
fn micro_profile_keeps_to_the_specification() {
    for verdict in [Verdict::Down, Verdict::Degraded, Verdict::Healthy] {
        for body in [
            Format::MicroProfile.verdict(verdict).into(),
            Format::MicroProfile.report(&report(verdict)),
        ] {
            let told = parse(&body);
            assert!(["UP", "DOWN"].contains(&told["status"].as_str().unwrap()));
            for check in told["checks"].as_array().unwrap() {
                assert!(check["name"].is_string());
                assert!(["UP", "DOWN"].contains(&check["status"].as_str().unwrap()));
                for value in check["data"].as_object().unwrap().values() {
                    assert!(value.is_string() || value.is_number() || value.is_boolean());
                }
            }
        }
    }
    let told = parse(&Format::MicroProfile.report(&report(Verdict::Down)));
    assert_eq!(told["checks"][1]["data"]["rootCause"], DETAIL);
    assert_eq!(told["checks"][2]["status"], "DOWN", "what has not run is down");
}

#[test]
fn prometheus_can_be_read() {
    let mut report = report(Verdict::Down);
    report.checks[0].name = "a\"b\\c\nd".into();
    report.checks[0].finding = Some(Finding::healthy().observed(f64::INFINITY, "s"));
    let told = Format::Prometheus.report(&report);

    let samples = samples(&told);
    let value = |name: &str| samples.iter().find(|(sample, _)| sample == name).unwrap().1.as_str();
    assert_eq!(value("resilience_health_group_verdict{group=\"readiness\"}"), "0");
    assert_eq!(
        value("resilience_health_check_verdict{check=\"db:main\",criticality=\"critical\"}"),
        "0"
    );
    assert_eq!(value("resilience_health_check_runs_total{check=\"db:main\"}"), "7");
    assert_eq!(value("resilience_health_check_age_seconds{check=\"db:main\"}"), "1.5");
    let escaped = "resilience_health_check_observed{check=\"a\\\"b\\\\c\\nd\",unit=\"s\"}";
    assert_eq!(value(escaped), "+Inf");
    for verdict in [Verdict::Down, Verdict::Degraded, Verdict::Healthy] {
        assert_eq!(self::samples(Format::Prometheus.verdict(verdict)).len(), 1);
    }
}

#[test]
fn prometheus_has_all_lines_of_a_metric_together() {
    let mut exposition = Exposition::default();
    for policy in ["a", "b"] {
        exposition.level(crate::telemetry::Level::gauge("bulkhead", policy, "in_flight", 1.0));
        exposition.level(crate::telemetry::Level::counter("retry", policy, "calls", f64::NAN));
    }
    exposition.report(&report(Verdict::Healthy));

    let told = exposition.to_string();

    assert!(told.contains("resilience_bulkhead_in_flight{policy=\"b\"} 1\n"));
    assert!(told.contains("# TYPE resilience_retry_calls_total counter\n"));
    assert!(told.contains("resilience_retry_calls_total{policy=\"a\"} NaN\n"));
    samples(&told);
}

/// The samples of a text in Prometheus' format, each under a type of its own metric, all of one
/// metric together, none twice.
fn samples(text: &str) -> Vec<(String, String)> {
    assert!(text.ends_with('\n'));
    let (mut metric, mut seen, mut found) = (String::new(), Vec::new(), Vec::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            metric = rest.split(' ').next().unwrap().into();
            assert!(!seen.contains(&metric), "{metric} comes twice");
            seen.push(metric.clone());
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(name == metric && ["counter", "gauge"].contains(&kind));
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            let name = sample.split('{').next().unwrap();
            assert_eq!(name, metric);
            let first = name.chars().next().unwrap();
            assert!(first.is_ascii_alphabetic() || first == '_');
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
            assert!(["+Inf", "-Inf", "NaN"].contains(&value) || value.parse::<f64>().is_ok());
            assert!(found.iter().all(|(other, _)| other != sample), "{sample} comes twice");
            found.push((sample.into(), value.into()));
        }
    }
    found
}

fn parse(body: &str) -> Value {
    serde_json::from_str(body).unwrap()
}

/// Three checks, of which one is `verdict`, one degraded at worst, and one has never run.
pub(in crate::health) fn report(verdict: Verdict) -> Report {
    let check = |name: &str, verdict, finding| CheckReport {
        name: name.into(),
        verdict,
        finding,
        criticality: Criticality::Critical,
        shared: false,
        groups: vec![Group::READINESS],
        tags: vec!["sql".into()],
        interval: Duration::from_secs(10),
        took: Some(Duration::from_millis(250)),
        age: Some(Duration::from_millis(1_500)),
        since: Some(Duration::from_secs(60)),
        stale: false,
        flapping: true,
        runs: 7,
        history: Vec::new(),
    };
    let finding = match verdict {
        Verdict::Down => Finding::down(DETAIL),
        Verdict::Degraded => Finding::degraded(DETAIL),
        Verdict::Healthy => Finding::healthy(),
    };
    let new = CheckReport {
        took: None,
        age: None,
        since: None,
        runs: 0,
        criticality: Criticality::Informational,
        ..check("new", None, None)
    };
    let checks = vec![
        // One that is bad for the first time, and counts as healthy yet.
        check(
            "cache",
            Some(Verdict::Healthy),
            Some(Finding::degraded(DETAIL).observed(f64::NAN, "1")),
        ),
        check("db:main", Some(verdict), Some(finding.observed(41.5, "s"))),
        new,
    ];
    let groups = vec![GroupReport {
        group: Group::READINESS,
        verdict,
        reason: Some("drain".into()),
        checks: vec!["cache".into(), "db:main".into()],
    }];
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_770_091_506);
    Report { at, phase: Phase::Serving, groups, checks }
}
