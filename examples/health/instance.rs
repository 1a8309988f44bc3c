//! The instance that is watched: a small service, its dependencies, and its health port.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use seawall::circuit_breaker::CircuitBreaker;
use seawall::error::BoxError;
use seawall::health::drain::{Cause, Drain, Product};
use seawall::health::{Check, Endpoints, Finding, Registry, Server, Warmup, policy};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A service that runs on one thread, with a health port that has its own.
pub(crate) struct Instance {
    registry: Registry,
    drain: Drain,
    warmup: Option<Warmup>,
    database: Dependency,
    cache: Dependency,
    breaker: CircuitBreaker,
    application: Handle,
    _running: oneshot::Sender<()>,
    server: Server,
}

/// Something that can be well or not.
#[derive(Clone)]
struct Dependency(Arc<AtomicBool>);

impl Dependency {
    fn new() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    fn set(&self, well: bool) {
        self.0.store(well, Ordering::Relaxed);
    }

    /// A check that looks at it each quarter of a second.
    fn check(&self, name: &str) -> Check {
        let well = Arc::clone(&self.0);
        Check::new(name, move || {
            let finding = if well.load(Ordering::Relaxed) {
                Finding::healthy()
            } else {
                Finding::down("connection refused")
            };
            async move { finding.observed(0.002, "s") }
        })
        .interval(Duration::from_millis(250))
        .max_interval(Duration::from_millis(250))
        .fall(2)
        .rise(2)
    }
}

impl Instance {
    /// Starts one at `address`.
    pub(crate) fn start(address: SocketAddr) -> Result<Self, BoxError> {
        let registry = Registry::new();
        let database = Dependency::new();
        let cache = Dependency::new();
        registry.add(database.check("orders database").tag("sql"))?;
        registry.add(cache.check("cache").degraded_only())?;
        registry.add(Check::new("work folder", || async { Finding::healthy() }).local())?;
        let breaker = CircuitBreaker::builder().name("orders").build()?;
        registry.add(policy::circuit_breaker(&breaker).degraded_only())?;
        registry.heartbeat_limit(Duration::from_secs(3))?;
        let warmup = registry.warmup("price list")?;

        let drain = Drain::for_products([
            Product::load_balancer(),
            Product::application_gateway(),
            Product::traffic_manager(),
            Product::front_door(),
            Product::kubernetes(),
        ])
        .build()?;
        registry.attach(&drain)?;

        let (application, running) = run_application(&registry)?;
        let endpoints = Endpoints::builder().build(&registry)?;
        let server = Server::builder().address(address).serve(endpoints)?;
        Ok(Self {
            registry,
            drain,
            warmup: Some(warmup),
            database,
            cache,
            breaker,
            application,
            _running: running,
            server,
        })
    }

    /// Where its health port is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// Puts it into one of the [`STATES`](crate::products::STATES), for a time of `lasts`.
    pub(crate) fn enter(&mut self, state: &str, lasts: Duration) {
        self.database.set(state != "dependency down");
        self.cache.set(state != "degraded");
        match state {
            "starting" => {}
            "dependency down" => self.breaker.isolate(),
            "wedged" => {
                // What no task should ever do: it takes the application's only thread away.
                self.application.spawn(async move { thread::sleep(lasts) });
            }
            "draining" => self.drain.start(Cause::Operator),
            _ => {
                self.breaker.reset();
                if let Some(warmup) = self.warmup.take() {
                    warmup.done();
                }
            }
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.registry.stop();
    }
}

/// Runs the application's one thread until the sender is dropped.
fn run_application(registry: &Registry) -> Result<(Handle, oneshot::Sender<()>), BoxError> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    {
        let _entered = handle.enter();
        registry.start()?;
    }
    let (running, stopped) = oneshot::channel::<()>();
    thread::Builder::new().name("application".into()).spawn(move || {
        // An error is the sender's end: that is what it waits for.
        let _dropped = runtime.block_on(stopped);
    })?;
    Ok((handle, running))
}
