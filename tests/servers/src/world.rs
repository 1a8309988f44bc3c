//! A process with a health server, whose checks do as they are told.

use std::net::SocketAddr;

use seawall::circuit_breaker::CircuitBreaker;
use seawall::health::{Endpoints, Finding, Group, Registry, Server, Signal, endpoint};

/// A health server on a loopback port, over a registry with a few checks of several kinds.
#[derive(Debug)]
pub struct World {
    pub registry: Registry,
    endpoints: Endpoints,
    server: Option<Server>,
    address: SocketAddr,
    /// Counts for the region, and is healthy at first.
    pub payments: Signal,
    /// Counts for readiness, and is healthy at first.
    pub disk: Signal,
    /// Closed at first.
    pub breaker: CircuitBreaker,
}

impl World {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// If there is no loopback port, or outside of a runtime.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(|config| config)
    }

    /// The same, with further settings of its endpoints.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    #[must_use]
    pub fn start_with(set: impl FnOnce(endpoint::Config) -> endpoint::Config) -> Self {
        let registry = Registry::new();
        let signal = |name: &str, group| {
            let signal = registry.signal(Signal::builder(name).groups([group]));
            let signal = signal.expect("it is new");
            signal.set(Finding::healthy().observed(0.25, "s"));
            signal
        };
        let payments = signal("payments gateway", Group::REGION);
        let disk = signal("disk /var/lib/orders", Group::READINESS);
        let breaker = CircuitBreaker::builder().name("payments").build();
        let endpoints = set(Endpoints::builder()).build(&registry);
        registry.start().expect("in a runtime");
        let mut world = Self {
            endpoints: endpoints.expect("good settings"),
            registry,
            server: None,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            payments,
            disk,
            breaker: breaker.expect("good settings"),
        };
        world.serve();
        world
    }

    /// The address of `path`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Listens: the first time at a free port, and from then on at the same.
    ///
    /// # Panics
    ///
    /// If the port has been taken meanwhile.
    pub fn serve(&mut self) {
        let config = Server::builder().address(self.address);
        let server = config.serve(self.endpoints.clone()).expect("the port is free");
        self.address = server.local_addr();
        self.server = Some(server);
    }

    /// Cuts all connections, and listens no more.
    pub fn stop(&mut self) {
        self.server = None;
    }
}
