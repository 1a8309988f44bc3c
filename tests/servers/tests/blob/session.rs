//! The same results with the wrapper as without it, whichever way a client shows who it is.

use std::sync::Arc;

use azure_core::error::ErrorKind;
use azure_core::http::ClientOptions;
use azure_core::http::{RequestContent, Url};
use azure_storage_blob::models::{
    BlobClientAcquireLeaseOptions, BlobClientAcquireLeaseResultHeaders,
    BlobClientBreakLeaseOptions, BlobClientBreakLeaseResultHeaders,
    BlobContainerClientListBlobsOptions,
};
use azure_storage_blob::{BlobServiceClient, BlobServiceClientOptions};
use futures_util::TryStreamExt;
use seawall::azure::Resilience;
use seawall_servers::{Azurite, Options, UnsignedToken};

use seawall_servers::clients::{bare, service, wrapped};

#[tokio::test(flavor = "multi_thread")]
async fn by_a_shared_access_signature() {
    let Some(azurite) = Azurite::start(Options::default()).await else { return };
    let url = azurite.account().sas(azurite.blobs());

    same_results(&azurite, |options| service(url.clone(), options)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_a_shared_key() {
    let Some(azurite) = Azurite::start(Options::default()).await else { return };

    same_results(&azurite, |options| with_key(azurite.blobs(), options, &azurite)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_a_shared_key_and_the_account_in_the_host() {
    let Some(azurite) = Azurite::start(Options::default()).await else { return };

    same_results(&azurite, |options| with_key(azurite.blobs_by_host(), options, &azurite)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_a_token_over_tls() {
    let Some(azurite) = Azurite::start(Options::default().tls()).await else { return };
    let orders = Resilience::storage("orders").build().unwrap();
    let credential = orders.credential(Arc::new(UnsignedToken));

    same_results(&azurite, |client_options| {
        let options = BlobServiceClientOptions { client_options, ..Default::default() };
        BlobServiceClient::new(azurite.blobs(), Some(Arc::clone(&credential)), Some(options))
            .expect("a good address")
    })
    .await;
}

async fn same_results(azurite: &Azurite, client: impl Fn(ClientOptions) -> BlobServiceClient) {
    let wire = azurite.wire();
    let orders = Resilience::storage("orders").build().expect("good settings");

    let without = session(&client(bare(&wire)), "without").await.expect("it works");
    let with = session(&client(wrapped(&wire, &orders)), "with").await.expect("it works");

    assert_eq!(with, without);
}

fn with_key(url: Url, mut options: ClientOptions, azurite: &Azurite) -> BlobServiceClient {
    options.per_try_policies.push(azurite.account().shared_key());
    service(url, options)
}

/// Most of what a client does, and what it sees of it.
async fn session(client: &BlobServiceClient, name: &str) -> azure_core::Result<Vec<String>> {
    let mut seen = Vec::new();
    let container = client.blob_container_client(name);
    container.create(None).await?;
    seen.push(format!("a container twice: {}", refused(container.create(None).await)));

    // More than one part of a download, and more than one block of an upload.
    let large: Vec<u8> = (0..9_000_000_u32).map(|index| (index % 251) as u8).collect();
    for index in 0..5 {
        let blob = container.blob_client(&format!("small-{index}"));
        blob.upload(RequestContent::from(vec![index; 100]), None).await?;
    }
    let blob = container.blob_client("large");
    blob.upload(RequestContent::from(large.clone()), None).await?;
    let body = blob.download(None).await?.body.collect().await?;
    seen.push(format!("large: {} bytes, the same: {}", body.len(), body == large));
    seen.push(format!("it exists: {}", blob.exists().await?));
    let missing = container.blob_client("missing");
    seen.push(format!("another exists: {}", missing.exists().await?));
    seen.push(format!("another: {}", refused(missing.download(None).await)));

    let options = BlobContainerClientListBlobsOptions { maxresults: Some(2), ..Default::default() };
    let mut pages = container.list_blobs(Some(options))?.into_pages();
    while let Some(page) = pages.try_next().await? {
        let page = page.into_model()?;
        let names: Vec<_> = page.blob_items.iter().map(|item| item.name.clone()).collect();
        seen.push(format!("page: {names:?}"));
    }

    let blob = container.blob_client("small-0");
    let options = BlobClientAcquireLeaseOptions {
        proposed_lease_id: Some("6f5b2c1e-0d3a-4b4e-9c55-2f5f3a1b7c01".into()),
        ..Default::default()
    };
    let lease = blob.acquire_lease(15, Some(options)).await?.lease_id()?.expect("it is told");
    seen.push(format!("lease: {lease}"));
    seen.push(format!("a second: {}", refused(blob.acquire_lease(15, None).await)));
    let write = blob.upload(RequestContent::from(b"stale".to_vec()), None).await;
    seen.push(format!("a write without it: {}", refused(write)));
    blob.renew_lease(lease.clone(), None).await?;
    let options = BlobClientBreakLeaseOptions { break_period: Some(0), ..Default::default() };
    let broken = blob.break_lease(Some(options)).await?.lease_time()?;
    seen.push(format!("broken in {broken:?} s"));
    seen.push(format!("renewed after that: {}", refused(blob.renew_lease(lease, None).await)));

    blob.delete(None).await?;
    seen.push(format!("deleted twice: {}", refused(blob.delete(None).await)));
    Ok(seen)
}

fn refused<T>(result: azure_core::Result<T>) -> String {
    match result.map(|_| ()).expect_err("it is refused").kind() {
        ErrorKind::HttpResponse { status, error_code, .. } => {
            format!("{status} {}", error_code.as_deref().unwrap_or("without a code"))
        }
        other => panic!("{other:?}"),
    }
}
