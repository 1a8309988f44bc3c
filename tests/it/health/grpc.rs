//! What gRPC clients are told.

use std::time::Duration;

use seawall::health::grpc::GrpcHealth;
use seawall::health::{Finding, Group, Registry, Signal};
use seawall::telemetry::Environment;
use seawall::time::Clock;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::HealthServer;

#[tokio::test]
async fn check_tells_of_readiness_and_of_groups_by_name() {
    let world = World::new();
    let mut client = world.client();

    for service in ["", "readiness", "region", "liveness", "startup"] {
        assert_eq!(check(&mut client, service).await.unwrap(), ServingStatus::Serving, "{service}");
    }
    world.local.set(Finding::down("full"));
    assert_eq!(check(&mut client, "").await.unwrap(), ServingStatus::NotServing);
    assert_eq!(check(&mut client, "region").await.unwrap(), ServingStatus::Serving);
    world.local.set(Finding::degraded("slow"));
    assert_eq!(check(&mut client, "").await.unwrap(), ServingStatus::Serving);
}

#[tokio::test]
async fn check_does_not_know_what_is_not_there_and_does_not_repeat_it() {
    let mut client = World::new().client();

    for service in ["checkout", " ", "Readiness", &"x".repeat(100_000)] {
        let status = check(&mut client, service).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::NotFound, "unknown service"));
    }
}

#[tokio::test]
async fn watch_tells_at_once_and_then_of_changes() {
    let world = World::new();
    let mut client = world.client();
    let mut watch = client.watch(request("")).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);

    // A change that is gone within the second is nobody's business.
    world.local.set(Finding::down("full"));
    world.local.set(Finding::healthy());
    world.look_again();
    assert!(futures_util::poll!(std::pin::pin!(watch.message())).is_pending());

    world.local.set(Finding::down("full"));
    assert!(futures_util::poll!(std::pin::pin!(watch.message())).is_pending());
    world.look_again();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    world.local.set(Finding::healthy());
    world.look_again();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
}

#[tokio::test]
async fn watch_waits_for_a_group_that_comes_later() {
    let world = World::new();
    let mut client = world.client();
    let mut watch = client.watch(request("comes later")).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::ServiceUnknown);

    let signal = Signal::builder("till").groups([Group::named("comes later")]);
    world.registry.signal(signal).unwrap().set(Finding::healthy());
    world.look_again();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
}

#[tokio::test]
async fn so_many_watch_and_no_more() {
    let world = World::new();
    let mut client = HealthClient::new(world.service().max_watches(2).into_service());
    let first = client.watch(request("")).await.unwrap();
    let _second = client.watch(request(&"x".repeat(100_000))).await.unwrap();

    let refused = client.watch(request("")).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(check(&mut client, "").await.unwrap(), ServingStatus::Serving);

    drop(first);
    assert!(client.watch(request("")).await.is_ok());
}

struct World {
    clock: Clock,
    registry: Registry,
    local: Signal,
}

impl World {
    fn new() -> Self {
        let clock = Clock::manual();
        let registry = Registry::new_in(&Environment::new().clock(clock.clone()));
        let local = registry.signal(Signal::builder("local").groups([Group::READINESS])).unwrap();
        local.set(Finding::healthy());
        registry.start_with(drop);
        Self { clock, registry, local }
    }

    fn service(&self) -> GrpcHealth {
        GrpcHealth::new(&self.registry).clock(self.clock.clone())
    }

    fn client(&self) -> HealthClient<HealthServer<GrpcHealth>> {
        HealthClient::new(self.service().into_service())
    }

    fn look_again(&self) {
        self.clock.advance(Duration::from_secs(1));
    }
}

fn request(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.into() }
}

async fn check(
    client: &mut HealthClient<HealthServer<GrpcHealth>>,
    service: &str,
) -> Result<ServingStatus, Status> {
    Ok(client.check(request(service)).await?.into_inner().status())
}
