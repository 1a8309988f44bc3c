//! What policies tell, as others hear it.

#![expect(clippy::disallowed_types, reason = "the lock of the crate is its own")]

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ScopeMetrics};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use seawall::stack::Stack;
use seawall::telemetry::opentelemetry::Metrics;
use seawall::telemetry::{Environment, Event, EventKind, SpanLayer};
use seawall::time::follow_tokio;
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::with_default;

#[tokio::test(start_paused = true)]
async fn a_call_that_just_works_tells_nothing() {
    follow_tokio();
    let events = Events::default();
    let stack = Stack::builder().build_in(&events.environment()).unwrap();

    stack.run(|| async { Ok::<_, io::Error>(()) }).await.unwrap();

    assert_eq!(events.names(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_tells_of_its_repeats() {
    follow_tokio();
    let events = Events::default();
    let stack = Stack::builder().name("orders").build_in(&events.environment()).unwrap();

    stack.run(|| async { Err::<(), _>("down") }).await.unwrap_err();

    assert_eq!(events.names(), ["retry", "retry", "retries_exhausted"]);
    let first = events.all()[0];
    assert_eq!((first.pattern(), first.policy()), ("retry", "orders"));
    assert!(matches!(first.kind(), EventKind::Retry { attempt: 2, .. }), "{first}");
}

#[tokio::test(start_paused = true)]
async fn opentelemetry_counts_events_and_reads_levels() {
    follow_tokio();
    let exporter = InMemoryMetricExporter::default();
    let provider = SdkMeterProvider::builder()
        .with_reader(PeriodicReader::builder(exporter.clone()).build())
        .build();
    let metrics = Metrics::new(&provider.meter("test"));
    let stack = Stack::builder()
        .name("orders")
        .build_in(&Environment::new().observer(metrics.clone()))
        .unwrap();
    metrics.watch(stack.clone());

    stack.run(|| async { Err::<(), _>("down") }).await.unwrap_err();
    provider.force_flush().unwrap();

    let mut retries = None;
    let mut names = Vec::new();
    for resource in exporter.get_finished_metrics().unwrap() {
        for metric in resource.scope_metrics().flat_map(ScopeMetrics::metrics) {
            names.push(metric.name().to_owned());
            if metric.name() != "resilience.event" {
                continue;
            }
            let AggregatedMetrics::U64(MetricData::Sum(sum)) = metric.data() else {
                panic!("events are counted")
            };
            for point in sum.data_points() {
                let has = |key: &str, value: &str| {
                    point
                        .attributes()
                        .any(|it| it.key.as_str() == key && it.value.as_str() == value)
                };
                if has("resilience.event.name", "retry") && has("resilience.policy", "orders") {
                    retries = Some(point.value());
                }
            }
        }
    }
    assert_eq!(retries, Some(2));
    for name in ["resilience.circuit_breaker.state", "resilience.retry.delay"] {
        assert!(names.iter().any(|known| known == name), "{name} is not in {names:?}");
    }
}

#[test]
fn a_span_tells_its_policy_and_outcome() {
    let subscriber = Recorder::default();
    let fields = Arc::clone(&subscriber.fields);

    with_default(subscriber, || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let service = ServiceBuilder::new()
            .layer(SpanLayer::new("orders"))
            .service(service_fn(async |(): ()| Ok::<_, seawall::Error<()>>(())));
        runtime.block_on(service.oneshot(())).unwrap();
    });

    let fields = fields.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(*fields, ["policy=\"orders\"", "attempt=1", "outcome=\"success\""]);
}

/// Keeps what it is told.
#[derive(Clone, Debug, Default)]
struct Events(Arc<Mutex<Vec<Event>>>);

impl Events {
    fn environment(&self) -> Environment {
        let events = self.clone();
        Environment::new().seed(7).observer(move |event: &Event| {
            events.0.lock().unwrap_or_else(PoisonError::into_inner).push(*event);
        })
    }

    fn all(&self) -> Vec<Event> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn names(&self) -> Vec<&'static str> {
        self.all().iter().map(|event| event.kind().name()).collect()
    }
}

/// A subscriber that keeps the fields of spans.
#[derive(Debug, Default)]
struct Recorder {
    fields: Arc<Mutex<Vec<String>>>,
}

struct Keep<'a>(&'a Mutex<Vec<String>>);

impl Visit for Keep<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let mut fields = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        fields.push(format!("{field}={value:?}"));
    }
}

impl tracing::Subscriber for Recorder {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "seawall"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut Keep(&self.fields));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Keep(&self.fields));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &tracing::Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
