//! What faults on the wire do to a client, with Seawall around it and without.

use std::sync::Arc;
use std::time::{Duration, Instant};

use azure_core::error::ErrorKind;
use azure_core::http::headers::Headers;
use azure_core::http::{
    ClientMethodOptions, ClientOptions, RawResponse, RequestContent, StatusCode, Url,
};
use azure_storage_blob::models::{BlobClientDownloadOptions, BlobClientUploadOptions};
use azure_storage_blob::{BlobClient, BlobClientOptions, BlobContainerClient};
use http::Method;
use seawall::azure::{CallOptions, Resilience, is_ambiguous};
use seawall::backoff::Backoff;
use seawall::replay::Verified;
use seawall::retry;
use seawall::telemetry::Environment;
use seawall::time::Clock;
use seawall_servers::proxy::{Fault, When};
use seawall_servers::{Azurite, Options, Proxy, Script, Wire};

use seawall_servers::clients::{bare, service, wrapped};

/// A service that asks for two hours, and is well after that.
fn asks_for_two_hours() -> Arc<Script> {
    let busy = (503, vec![("retry-after", "7200".to_owned())]);
    let head = ["etag", "last-modified", "x-ms-request-id"].map(|name| (name, "1".to_owned()));
    Script::new([busy, (200, head.to_vec())])
}

#[tokio::test(start_paused = true)]
async fn the_bare_client_sleeps_for_as_long_as_the_service_says() {
    let script = asks_for_two_hours();
    let start = tokio::time::Instant::now();
    let options = ClientOptions { transport: Some(script.transport()), ..Default::default() };

    let exists = blob("http://127.0.0.1/orders/1", options).exists().await;

    assert!(start.elapsed() >= Duration::from_secs(7200), "{:?}", start.elapsed());
    assert_eq!((exists.is_ok(), script.requests().len()), (true, 2));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_does_not_fit_the_deadline_is_not_begun() {
    let script = asks_for_two_hours();
    let clock = Environment::new().clock(Clock::tokio());
    let orders = Resilience::storage("orders")
        .stack(|stack| {
            let total = Duration::from_secs(5);
            stack.total_timeout(total).attempt_timeout(total)
        })
        .transport(script.transport())
        .build_in(&clock)
        .unwrap();
    let start = tokio::time::Instant::now();

    let error = blob("http://127.0.0.1/orders/1", orders.client_options()).exists().await;

    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_is_the_real_503(&error.unwrap_err());
    assert_eq!(script.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_over_the_wire_for_one_call() {
    let Some(world) = World::start().await else { return };
    world.proxy.fault(When::any(), Fault::status(503).header("retry-after", "7200"));
    let blob = world.wrapped().blob_client("1");
    let options = BlobClientDownloadOptions {
        method_options: ClientMethodOptions {
            context: CallOptions::new().deadline(Duration::from_secs(5)).into_context(),
        },
        ..Default::default()
    };
    let start = Instant::now();

    let error = blob.download(Some(options)).await.unwrap_err();

    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert_is_the_real_503(&error);
}

fn assert_is_the_real_503(error: &azure_core::Error) {
    let ErrorKind::HttpResponse { status, raw_response, .. } = error.kind() else {
        panic!("{error:?}");
    };
    let answer = raw_response.as_ref().expect("it is the answer");
    let hint = answer.headers().get_optional_str(&"retry-after".into());
    assert_eq!((u16::from(*status), hint), (503, Some("7200")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bare_client_appends_twice_when_an_answer_is_lost() {
    let Some(world) = World::start().await else { return };
    let container = world.bare();

    append_with_a_lost_answer(&world, &container).await.unwrap();

    assert_eq!(world.read("log").await, b"onetwotwo");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_is_made_once_and_known_to_be_ambiguous() {
    let Some(world) = World::start().await else { return };
    let container = world.wrapped();

    let error = append_with_a_lost_answer(&world, &container).await.unwrap_err();

    assert!(is_ambiguous(&error), "{error:?}");
    assert_eq!(world.read("log").await, b"onetwo");
}

async fn append_with_a_lost_answer(
    world: &World,
    container: &BlobContainerClient,
) -> azure_core::Result<()> {
    let log = container.blob_client("log").append_blob_client();
    log.create(None).await?;
    log.append_block(RequestContent::from(b"one".to_vec()), 3, None).await?;
    world.proxy.fault(When::any().query("comp=appendblock").times(1), Fault::LoseAnswer);
    log.append_block(RequestContent::from(b"two".to_vec()), 3, None).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bare_client_takes_its_own_blob_for_that_of_somebody_else() {
    let Some(world) = World::start().await else { return };
    let blob = world.bare().blob_client("1");
    world.proxy.fault(When::any().method(Method::PUT).times(1), Fault::LoseAnswer);

    let error = create(&blob, None).await.unwrap_err();

    let ErrorKind::HttpResponse { status, error_code, .. } = error.kind() else {
        panic!("{error:?}");
    };
    assert_eq!((u16::from(*status), error_code.as_deref()), (409, Some("BlobAlreadyExists")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_whose_answer_was_lost_is_known_to_be_ambiguous() {
    let Some(world) = World::start().await else { return };
    let blob = world.wrapped().blob_client("1");
    let put = When::any().method(Method::PUT).path("/1");
    world.proxy.fault(put.clone().times(1), Fault::LoseAnswer);

    let error = create(&blob, None).await.unwrap_err();

    assert!(is_told_ambiguous(&error), "{error:?}");
    assert_eq!(world.read("1").await, b"two chairs");
    // And one that meets the blob of somebody else is not.
    let error = create(&blob, None).await.unwrap_err();
    assert!(!is_told_ambiguous(&error), "{error:?}");
    assert_eq!(error.http_status().map(u16::from), Some(409));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_whose_answer_was_lost_is_found_by_a_look() {
    let Some(world) = World::start().await else { return };
    let blob = world.wrapped().blob_client("1");
    let put = When::any().method(Method::PUT).path("/1");
    world.proxy.fault(put.clone().times(1), Fault::LoseAnswer);
    let look = Arc::new(world.bare().blob_client("1"));
    let context = CallOptions::new().verify(move || {
        let look = Arc::clone(&look);
        async move {
            match look.get_properties(None).await {
                Ok(found) => Verified::Executed(created(found.headers())),
                Err(error) if error.http_status().is_some() => Verified::NotExecuted,
                Err(_) => Verified::Unknown,
            }
        }
    });

    create(&blob, Some(context)).await.unwrap();

    assert_eq!(world.read("1").await, b"two chairs");
}

/// What an upload is answered.
fn created(found: &Headers) -> RawResponse {
    RawResponse::from_bytes(StatusCode::Created, found.clone(), "")
}

async fn create(blob: &BlobClient, call: Option<CallOptions>) -> azure_core::Result<()> {
    let context = call.unwrap_or_default().into_context();
    let options = BlobClientUploadOptions {
        method_options: ClientMethodOptions { context },
        ..BlobClientUploadOptions::default().if_not_exists()
    };
    let body = RequestContent::from(b"two chairs".to_vec());
    blob.upload(body, Some(options)).await?;
    Ok(())
}

/// By the error, or by the answer in it.
fn is_told_ambiguous(error: &azure_core::Error) -> bool {
    let answer = match error.kind() {
        ErrorKind::HttpResponse { raw_response, .. } => raw_response.as_ref(),
        _ => None,
    };
    let header = answer
        .and_then(|answer| answer.headers().get_optional_str(&"x-resilience-ambiguous".into()));
    is_ambiguous(error) || header.is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bare_client_fails_where_a_body_breaks_off() {
    let Some(world) = World::start().await else { return };
    let blob = world.bare().blob_client("large");
    let large = world.large(&blob).await;
    world.proxy.fault(When::any().method(Method::GET).times(1), Fault::CutAnswer(300_000));

    let answer = blob.download(None).await.unwrap();

    let read = answer.body.collect().await;
    assert_ne!(read.ok().as_deref(), Some(&large[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_is_answered_byte_for_byte() {
    let Some(world) = World::start().await else { return };
    let blob = world.wrapped().blob_client("large");
    let large = world.large(&blob).await;
    let get = When::any().method(Method::GET);
    let rule = world.proxy.fault(get.times(2), Fault::CutAnswer(300_000));

    let answer = blob.download(None).await.unwrap();

    assert!(answer.body.collect().await.unwrap() == large, "other bytes");
    assert!(rule.matched() > 2);
}

/// A store behind a proxy, and a container in it.
struct World {
    azurite: Azurite,
    proxy: Proxy,
    wire: Wire,
}

impl World {
    async fn start() -> Option<Self> {
        let azurite = Azurite::start(Options::default()).await?;
        let proxy = Proxy::start(azurite.blob_port()).await;
        let world = Self { wire: azurite.wire(), azurite, proxy };
        world.bare().create(None).await.expect("it is new");
        Some(world)
    }

    fn bare(&self) -> BlobContainerClient {
        self.container(bare(&self.wire))
    }

    fn wrapped(&self) -> BlobContainerClient {
        // The service's own waits, in a tenth of their time.
        let quick = Backoff::constant(Duration::from_millis(200));
        let orders = Resilience::storage("orders")
            .stack(|stack| stack.retry(retry::Config::default().max_attempts(6).backoff(quick)));
        let orders = orders.build().expect("good settings");
        self.container(wrapped(&self.wire, &orders))
    }

    fn container(&self, options: ClientOptions) -> BlobContainerClient {
        let url = self.azurite.account().sas(self.proxy.url(self.azurite.blobs()));
        service(url, options).blob_container_client("orders")
    }

    /// What is really there.
    async fn read(&self, blob: &str) -> Vec<u8> {
        let url = self.azurite.account().sas(self.azurite.blobs());
        let blob = service(url, bare(&self.wire)).blob_client("orders", blob);
        let answer = blob.download(None).await.expect("it is there");
        answer.body.collect().await.expect("it is read").to_vec()
    }

    /// Uploads more than one part of a download.
    async fn large(&self, blob: &BlobClient) -> Vec<u8> {
        let large: Vec<u8> = (0..6_000_000_u32).map(|index| (index % 251) as u8).collect();
        blob.upload(RequestContent::from(large.clone()), None).await.expect("it is stored");
        large
    }
}

fn blob(url: &str, client_options: ClientOptions) -> BlobClient {
    let options = BlobClientOptions { client_options, ..Default::default() };
    let url = Url::parse(url).expect("an address");
    BlobClient::new(url, None, Some(options)).expect("a good address")
}
