//! `azure::Cosmos` around the SDK's own client, over the driver's account in this process: two regions, faults and
//! throttling in it, and no network.
//!
//! The account is a feature of the driver that is meant for its own tests. So its version is pinned.

#![expect(clippy::unwrap_used, reason = "clippy sees tests only where they are marked as such")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use azure_core::credentials::Secret;
use azure_core::http::{StatusCode, Url};
use azure_data_cosmos::models::ItemResponse;
use azure_data_cosmos::options::{
    ItemReadOptions, ItemWriteOptions, Region, ThrottlingRetryOptionsBuilder,
};
use azure_data_cosmos::{
    AccountEndpoint, AccountReference, ContainerClient, CosmosClientBuilder, CosmosError,
    CosmosRuntimeBuilder, RoutingStrategy,
};
use azure_data_cosmos_driver::fault_injection::{
    CustomResponseBuilder, FaultInjectionConditionBuilder, FaultInjectionErrorType,
    FaultInjectionResultBuilder, FaultInjectionRule, FaultInjectionRuleBuilder, FaultOperationType,
};
use azure_data_cosmos_driver::in_memory_emulator::{
    ConsistencyLevel, ContainerConfig, InMemoryEmulatorHttpClient, ReplicationConfig,
    VirtualAccountConfig, VirtualRegion, WriteMode,
};
use seawall::azure::Cosmos;
use seawall::azure::cosmos::{Config, Op, RegionState, Reported, Request, RequestUnits};
use seawall::error::BoxError;
use seawall::health::{Check, Verdict};
use seawall::replay::Verified;
use seawall::{Error, Reason};
use serde_json::{Value, json};

const EAST: &str = "https://eastus.emulator.local";
const WEST: &str = "https://westus.emulator.local";
const THROUGHPUT: u64 = 400;

/// More than ten times of what it takes.
const PATIENCE: Duration = Duration::from_secs(5);

/// An account with two regions, of which the eastern one writes.
#[derive(Clone)]
struct Account {
    emulator: Arc<InMemoryEmulatorHttpClient>,
}

impl Account {
    fn new() -> Self {
        let region = |name, url: &str| VirtualRegion::new(name, url.parse::<Url>().unwrap());
        let config =
            VirtualAccountConfig::new(vec![region("East US", EAST), region("West US", WEST)])
                .unwrap()
                .with_write_mode(WriteMode::Single)
                .with_consistency(ConsistencyLevel::Session)
                .with_replication_config(ReplicationConfig::immediate())
                .with_throttling_enabled(true);
        let emulator = Arc::new(InMemoryEmulatorHttpClient::new(config));
        let store = emulator.store();
        store.create_database("shop");
        let key = json!({ "paths": ["/customer"], "kind": "Hash", "version": 2 });
        let container = ContainerConfig::new().with_partition_count(1).with_throughput(THROUGHPUT);
        let container = container.build().unwrap();
        store.create_container_with_config(
            "shop",
            "orders",
            serde_json::from_value(key).unwrap(),
            container,
        );
        Self { emulator }
    }

    /// A container of a client whose account endpoint is `endpoint`.
    async fn connect(
        &self,
        endpoint: &str,
        backups: &[&str],
        faults: Vec<Arc<FaultInjectionRule>>,
    ) -> Result<ContainerClient, CosmosError> {
        let runtime = self.emulator.runtime_builder_with_fault_rules(faults);
        let runtime = CosmosRuntimeBuilder::from(runtime).build().await?;
        let account = AccountReference::with_authentication_key(
            address(endpoint),
            Secret::new("dGVzdGtleQ=="),
        );
        let client = CosmosClientBuilder::new()
            .with_runtime(runtime)
            .with_backup_endpoints(backups.iter().map(|it| address(it)).collect())
            .build(
                account,
                RoutingStrategy::PreferredRegions(vec![Region::EAST_US, Region::WEST_US]),
            )
            .await?;
        client.database_client("shop").container_client("orders", None).await
    }

    async fn orders(&self) -> Config<ContainerClient> {
        Cosmos::builder("orders", self.container().await)
    }

    async fn container(&self) -> ContainerClient {
        self.connect(EAST, &[], Vec::new()).await.unwrap()
    }
}

#[tokio::test]
async fn a_write_region_that_is_lost_costs_no_read_and_writes_come_back_with_a_new_client() {
    let account = Account::new();
    let made = Arc::new(AtomicU32::new(0));
    let factory = {
        let (account, made) = (account.clone(), Arc::clone(&made));
        move || {
            let account = account.clone();
            made.fetch_add(1, Ordering::Relaxed);
            async move { Ok::<_, BoxError>(account.connect(EAST, &[WEST], Vec::new()).await?) }
        }
    };
    let named = ["East US", "West US"].map(|name| name.parse().unwrap());
    let orders = account.orders().await.regions(named).rebuild(factory).build().unwrap();
    create(&orders, "1").await.unwrap();
    let mut checks = orders.health();
    let regions = checks.len() - 3;
    assert_eq!(verdicts(&mut checks[regions..]).await, [Verdict::Healthy; 3]);

    account.emulator.store().set_region_offline("East US").unwrap();
    for number in 0..5 {
        assert_eq!(read(&orders, "1").await.unwrap().status(), StatusCode::Ok);
        // Nothing left this machine: it is no riddle whether it was executed.
        let lost = create(&orders, &format!("lost-{number}")).await;
        let Err(Error::Service(error)) = lost else { panic!("{lost:?}") };
        assert_eq!(status(&error), (503, 20_003));
    }
    let lost = [Verdict::Degraded, Verdict::Down, Verdict::Healthy];
    assert_eq!(verdicts(&mut checks[regions..]).await, lost);
    assert_eq!(orders.regions()[0].state, RegionState::Down);

    let begun = Instant::now();
    while orders.rebuilt() == 0 && begun.elapsed() < PATIENCE {
        tokio::task::yield_now().await;
        assert_eq!(read(&orders, "1").await.unwrap().status(), StatusCode::Ok);
    }
    create(&orders, "2").await.unwrap();
    assert_eq!(read(&orders, "2").await.unwrap().status(), StatusCode::Ok);
    assert_eq!(made.load(Ordering::Relaxed), 1);
}

/// The bare client, beside it: it does not find out where the account lives now.
#[tokio::test]
async fn without_a_new_client_writes_keep_failing() {
    let account = Account::new();
    let orders = account.orders().await.circuit_breaker(None).build().unwrap();
    create(&orders, "1").await.unwrap();

    account.emulator.store().set_region_offline("East US").unwrap();

    for number in 0..20 {
        let lost = create(&orders, &format!("lost-{number}")).await;
        assert!(matches!(lost, Err(Error::Service(_))), "{lost:?}");
    }
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_is_told_as_ambiguous_and_a_look_says_that_it_was_executed()
{
    let account = Account::new();
    let lost = || {
        let error = FaultInjectionErrorType::ResponseTimeoutAfterService;
        // The driver sends it again.
        vec![fault(
            FaultOperationType::CreateItem,
            FaultInjectionResultBuilder::new().with_error(error),
            1,
        )]
    };

    // The bare client says that the item is somebody else's.
    let bare = account.connect(EAST, &[], lost()).await.unwrap();
    let item = json!({ "id": "bare", "customer": "7" });
    let error = bare.create_item("7", "bare", &item, None).await.unwrap_err();
    assert_eq!(status(&error), (409, 0));
    assert!(bare.read_item("7", "bare", None).await.is_ok());

    let container = account.connect(EAST, &[], lost()).await.unwrap();
    let orders = Cosmos::builder("orders", container).build().unwrap();
    let told = create(&orders, "told").await;
    assert!(matches!(&told, Err(Error::Ambiguous(error)) if status(error) == (409, 0)), "{told:?}");
    // Sent once, and refused.
    let again = create(&orders, "told").await;
    assert!(matches!(&again, Err(Error::Service(error)) if status(error) == (409, 0)), "{again:?}");

    let container = account.connect(EAST, &[], lost()).await.unwrap();
    let orders = Cosmos::builder("orders", container).build().unwrap();
    verified(&orders, "verified").await.unwrap();
}

#[tokio::test]
async fn a_look_that_finds_an_item_of_somebody_else_makes_a_conflict_of_it() {
    let account = Account::new();
    let theirs = json!({ "id": "1", "customer": "7", "request": "theirs" });
    account.container().await.create_item("7", "1", &theirs, None).await.unwrap();
    // The first request gets lost on its way: the second one meets the other's item.
    let error = FaultInjectionErrorType::ResponseTimeout;
    let faults = vec![fault(
        FaultOperationType::CreateItem,
        FaultInjectionResultBuilder::new().with_error(error),
        1,
    )];
    let container = account.connect(EAST, &[], faults).await.unwrap();
    let orders = Cosmos::builder("orders", container).build().unwrap();

    let conflict = verified(&orders, "1").await;

    assert!(
        matches!(&conflict, Err(Error::Service(error)) if status(error) == (409, 0)),
        "{conflict:?}"
    );
}

#[tokio::test]
async fn a_call_ends_with_its_deadline_whatever_the_driver_does() {
    let account = Account::new();
    let slow = FaultInjectionResultBuilder::new().with_delay(Duration::from_secs(60));
    let faults = vec![fault(FaultOperationType::CreateItem, slow, 100)];
    let container = account.connect(EAST, &[], faults).await.unwrap();
    let config = Cosmos::builder("orders", container).circuit_breaker(None);
    let orders = config.clone().total_timeout(Duration::from_millis(300)).build().unwrap();

    let begun = Instant::now();
    let cut = create(&orders, "1").await;
    let Err(Error::Rejected(rejection)) = cut else { panic!("{cut:?}") };
    assert_eq!(rejection.reason(), Reason::TimedOut);
    assert!(rejection.is_ambiguous());
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());

    // With the SDK's own deadline before that, the answer has all that the driver knows.
    let orders = config.total_timeout(Duration::from_secs(5)).build().unwrap();
    let begun = Instant::now();
    let item = json!({ "id": "1", "customer": "7" });
    let ended = orders
        .run(Op::Create, async |container: ContainerClient| {
            let options =
                ItemWriteOptions::default().with_operation_options(orders.operation_options());
            container.create_item("7", "1", &item, Some(options)).await
        })
        .await;
    let Err(Error::Ambiguous(error)) = ended else { panic!("{ended:?}") };
    assert_eq!(status(&error).0, 408);
    assert!(error.report().requests().iter().any(Request::may_have_run));
    assert!(begun.elapsed() < 2 * PATIENCE, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn clients_that_share_a_quota_are_not_throttled() {
    // 120 creates of 6.7 RU against 400 RU/s: the service throttles, and the driver waits it out.
    let account = Account::new();
    let hasty = account.orders().await.build().unwrap();
    assert!(throttled(&[hasty], 120).await > 0);

    let account = Account::new();
    #[expect(clippy::cast_precision_loss, reason = "400")]
    let units = RequestUnits::per_second(THROUGHPUT as f64)
        .share(0.5)
        .burst(Duration::from_millis(100))
        .max_wait(Duration::from_secs(30))
        .build()
        .unwrap();
    let begun = Instant::now();
    let carts = account.orders().await.request_units(units.clone()).build().unwrap();
    let orders = account.orders().await.request_units(units.clone()).build().unwrap();

    assert_eq!(throttled(&[carts, orders], 120).await, 0);

    // 804 RU, of which 20 lay ready. All begin at once, by 5.5 RU for each: what they have cost is owed.
    assert!(begun.elapsed() >= Duration::from_secs(3), "{:?}", begun.elapsed());
    assert!(!units.is_slow());
}

#[tokio::test]
async fn throttling_that_the_driver_does_not_wait_out_slows_down_all_clients() {
    let account = Account::new();
    let answer = CustomResponseBuilder::new(StatusCode::TooManyRequests)
        .with_header("x-ms-retry-after-ms", "2500")
        .with_sub_status(3200)
        .build();
    let storm = FaultInjectionResultBuilder::new().with_custom_response(answer);
    let faults = vec![fault(FaultOperationType::ReadItem, storm, 1)];
    let container = account.connect(EAST, &[], faults).await.unwrap();
    let units = RequestUnits::per_second(400.0).build().unwrap();
    let orders = Cosmos::builder("orders", container).request_units(units.clone()).build().unwrap();
    let once = ThrottlingRetryOptionsBuilder::new().with_max_retry_count(0).build();

    let begun = Instant::now();
    let result = orders
        .run(Op::Read, async |container: ContainerClient| {
            let mut options = orders.operation_options();
            options.throttling_retry_options = Some(once.clone());
            let options = ItemReadOptions::default().with_operation_options(options);
            container.read_item("7", "1", Some(options)).await
        })
        .await;

    let Err(Error::Service(error)) = result else { panic!("{result:?}") };
    assert_eq!(status(&error), (429, 3200));
    assert!(units.is_slow());
    while units.is_slow() && begun.elapsed() < 2 * PATIENCE {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(begun.elapsed() >= Duration::from_millis(2_500), "{:?}", begun.elapsed());
    assert!(!units.is_slow());
}

/// How many requests of that many creates at once were throttled.
async fn throttled(clients: &[Cosmos<ContainerClient>], creates: usize) -> usize {
    let mut calls = Vec::new();
    for number in 0..creates {
        let client = clients[number % clients.len()].clone();
        calls.push(tokio::spawn(async move {
            let response = create(&client, &number.to_string()).await.unwrap();
            response.report().requests().iter().filter(|it| it.code().0 == 429).count()
        }));
    }
    let mut throttled = 0;
    for call in calls {
        throttled += call.await.unwrap();
    }
    throttled
}

/// Creates an item of the caller's own, and looks if nobody knows whether it was.
async fn verified(orders: &Cosmos<ContainerClient>, id: &str) -> Result<(), Error<CosmosError>> {
    let item = json!({ "id": id, "customer": "7", "request": "mine" });
    orders
        .run_verified(
            Op::Create,
            async |container: ContainerClient| {
                container.create_item("7", id, &item, None).await.map(drop)
            },
            async |container: ContainerClient| {
                let found: Value = match container.read_item("7", id, None).await {
                    Ok(found) => found.into_model()?,
                    Err(error) if error.status().is_not_found() => {
                        return Ok(Verified::NotExecuted);
                    }
                    Err(error) => return Err(error),
                };
                Ok(if found["request"] == "mine" {
                    Verified::Executed(())
                } else {
                    Verified::NotExecuted
                })
            },
        )
        .await
}

async fn verdicts(checks: &mut [Check]) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for check in checks {
        verdicts.push(check.run_once().await.verdict());
    }
    verdicts
}

fn status(error: &CosmosError) -> (u16, u16) {
    (error.status().status_code().into(), error.status().sub_status().map_or(0, u16::from))
}

/// Fails so many requests of that kind.
fn fault(
    operation: FaultOperationType,
    result: FaultInjectionResultBuilder,
    hits: u32,
) -> Arc<FaultInjectionRule> {
    let condition = FaultInjectionConditionBuilder::new().with_operation_type(operation).build();
    let rule = FaultInjectionRuleBuilder::new("fault", result.build()).with_condition(condition);
    Arc::new(rule.with_hit_limit(hits).build())
}

fn address(url: &str) -> AccountEndpoint {
    url.parse().unwrap()
}

async fn read(
    orders: &Cosmos<ContainerClient>,
    id: &str,
) -> Result<ItemResponse, Error<CosmosError>> {
    orders
        .run(Op::Read, async |container: ContainerClient| container.read_item("7", id, None).await)
        .await
}

async fn create(
    orders: &Cosmos<ContainerClient>,
    id: &str,
) -> Result<ItemResponse, Error<CosmosError>> {
    let item = json!({ "id": id, "customer": "7", "request": "mine" });
    orders
        .run(Op::Create, async |container: ContainerClient| {
            container.create_item("7", id, &item, None).await
        })
        .await
}
