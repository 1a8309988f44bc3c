//! What each Azure product would conclude from our answers, in each state of an instance.

use std::time::Duration;

use http::Request;
use http_body_util::BodyExt;
use seawall::health::drain::{Cause, Drain, Product as InFront};
use seawall::health::{Check, Endpoints, Registry, Signal, Verdict};
use seawall::telemetry::Environment;
use seawall::time::Clock;

#[path = "../../../examples/health/products.rs"]
mod models;

use models::{Answer, Question, STATES};

#[tokio::test]
async fn every_product_concludes_what_its_documentation_demands() {
    let mut wrong = Vec::new();
    for state in STATES {
        let mut instance = Instance::start();
        let mut products = models::all();
        let way: &[&str] =
            if state == "starting" { &["starting"] } else { &["starting", "healthy", state] };
        for state in way {
            instance.enter(state).await;
            for product in &mut products {
                for _ in 0..product.intervals() {
                    let mut answers = Vec::new();
                    for question in product.questions {
                        answers.push(instance.answer(*question).await);
                    }
                    product.observe(&answers);
                }
                let concluded = product.concludes();
                let expected = models::expected(product.name, state);
                if concluded != expected {
                    wrong.push(format!("{}, {state}: {concluded}, not {expected}", product.name));
                }
            }
        }
    }

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The models would notice: silence is not health to any of them.
#[test]
fn no_product_concludes_from_silence_that_all_is_well() {
    let well = Answer::Http {
        status: 200,
        body: br#"{"ApplicationHealthState":"Healthy","status":"Healthy"}"#.to_vec(),
    };
    for mut product in models::all() {
        let healthy = models::expected(product.name, "healthy");
        for answer in [&well, &Answer::Nothing] {
            for _ in 0..3 * product.intervals() {
                product.observe(&vec![answer.clone(); product.questions.len()]);
            }
            let is_well = product.concludes() == healthy;
            assert_eq!(is_well, matches!(answer, Answer::Http { .. }), "{}", product.name);
        }
    }
}

#[tokio::test]
async fn an_instance_that_drains_is_not_upgraded() {
    let mut instance = Instance::start();
    let question =
        Question { method: "GET", path: "/vmss", host: "localhost", user_agent: "extension" };
    for (state, skipped) in [("healthy", false), ("draining", true)] {
        instance.enter(state).await;

        let Answer::Http { body, .. } = instance.answer(question).await else { unreachable!() };

        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let metrics = body["CustomMetrics"].as_str().unwrap();
        let metrics: serde_json::Value = serde_json::from_str(metrics).unwrap();
        assert_eq!(metrics["RollingUpgrade"]["SkipUpgrade"], skipped, "{state}");
    }
}

/// An instance with a database that all share, a cache that it can do without, and a drain.
struct Instance {
    clock: Clock,
    registry: Registry,
    endpoints: Endpoints,
    database: Signal,
    cache: Signal,
    drain: Drain,
    warmup: Option<seawall::health::Warmup>,
}

impl Instance {
    fn start() -> Self {
        let clock = Clock::manual();
        let environment = Environment::new().clock(clock.clone());
        let registry = Registry::new_in(&environment);
        let own = Check::new("work folder", || async {}).local().interval(Duration::from_secs(1));
        registry.add(own).unwrap();
        let database = registry.signal("database").unwrap();
        let cache = Signal::builder("cache").degraded_only();
        let cache = registry.signal(cache).unwrap();
        for signal in [&database, &cache] {
            signal.set(Verdict::Healthy);
        }
        let drain = Drain::for_products([InFront::load_balancer(), InFront::front_door()])
            .build_in(&environment)
            .unwrap();
        registry.attach(&drain).unwrap();
        let warmup = Some(registry.warmup("price list").unwrap());
        registry.start().unwrap();
        let endpoints = Endpoints::builder().build(&registry).unwrap();
        Self { clock, registry, endpoints, database, cache, drain, warmup }
    }

    async fn enter(&mut self, state: &str) {
        match state {
            "starting" => {}
            "degraded" => self.cache.set(Verdict::Down),
            "dependency down" => self.database.set(Verdict::Down),
            "wedged" => {
                // Time passes, and no task gets a turn.
                self.clock.advance(Duration::from_secs(11));
                return;
            }
            "draining" => self.drain.start(Cause::Operator),
            _ => {
                if let Some(warmup) = self.warmup.take() {
                    warmup.done();
                }
            }
        }
        for _ in 0..50 {
            self.clock.advance(Duration::from_millis(100));
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        }
    }

    async fn answer(&self, question: Question) -> Answer {
        let request = Request::builder()
            .method(question.method)
            .uri(question.path)
            .header("host", question.host)
            .header("user-agent", question.user_agent)
            .body(())
            .unwrap();
        let response = self.endpoints.answer(&request);
        let status = response.status().as_u16();
        // Nothing else runs meanwhile: the body is there.
        let body = response.into_body().collect().await.unwrap().to_bytes().to_vec();
        Answer::Http { status, body }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.registry.stop();
    }
}
