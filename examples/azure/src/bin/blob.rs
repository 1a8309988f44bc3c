//! A blob client with Seawall around it.
//!
//! ```text
//! cargo run --bin blob
//! ```
//!
//! runs against a store on this machine, which it installs and starts. For a real account, set `BLOB_SERVICE` to its
//! address with a shared access signature for containers and blobs:
//!
//! ```text
//! BLOB_SERVICE='https://orders.blob.core.windows.net/?sv=...' cargo run --bin blob
//! ```

use std::env;
use std::time::Duration;

use azure_core::error::ErrorKind;
use azure_core::http::{ClientMethodOptions, RequestContent, Url};
use azure_storage_blob::models::{BlobClientDownloadOptions, BlobClientUploadOptions};
use azure_storage_blob::{BlobServiceClient, BlobServiceClientOptions};
use futures_util::TryStreamExt;
use seawall::azure::{CallOptions, Resilience, is_ambiguous};
use seawall::error::BoxError;
use seawall_azure_examples::{store, transport};
use seawall_servers::Options;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (url, _store) = if let Ok(url) = env::var("BLOB_SERVICE") {
        (Url::parse(&url)?, None)
    } else {
        let store = store(Options::default()).await?;
        (store.account().sas(store.blobs()), Some(store))
    };

    // The three lines. One handle for each thing that can fail by itself, for all its clients.
    let orders = Resilience::storage("orders").transport(transport()?).build()?;
    let options =
        BlobServiceClientOptions { client_options: orders.client_options(), ..Default::default() };
    let client = BlobServiceClient::new(url, None, Some(options))?;

    let container = client.blob_container_client("seawall-example");
    match container.create(None).await {
        Err(error) if status(&error) == Some(409) => println!("container: was there"),
        result => result.map(|_| println!("container: made"))?,
    }

    let blob = container.blob_client("order-1");
    blob.upload(RequestContent::from(b"two chairs".to_vec()), None).await?;
    println!("upload:    done");

    // What differs for one call goes into the SDK's own context.
    let context = CallOptions::new().deadline(Duration::from_secs(2)).into_context();
    let method_options = ClientMethodOptions { context };
    let options = BlobClientDownloadOptions { method_options, ..Default::default() };
    let answer = blob.download(Some(options)).await?;
    let header = |name: &'static str| answer.headers.get_optional_string(&name.into());
    let served_by = header("x-resilience-served-by").unwrap_or_default();
    let attempts = header("x-resilience-attempts").unwrap_or_default();
    let body = answer.body.collect().await?;
    let body = String::from_utf8_lossy(&body);
    println!("download:  {body}, from {served_by} after {attempts} attempt(s)");

    let blobs: Vec<_> = container.list_blobs(None)?.try_collect().await?;
    println!("list:      {} blob(s)", blobs.len());

    // A creation whose answer is lost is not taken for somebody else's: it is ambiguous.
    let options = BlobClientUploadOptions::default().if_not_exists();
    let again = blob.upload(RequestContent::from(b"two chairs".to_vec()), Some(options)).await;
    match again.map(|_| ()) {
        Ok(()) => println!("create:    done"),
        Err(error) if is_ambiguous(&error) => println!("create:    look whether it was done"),
        Err(error) => println!("create:    it exists ({})", status(&error).unwrap_or_default()),
    }

    container.delete(None).await?;
    println!("\nbreakers:");
    for (authority, breaker) in orders.breakers() {
        println!("  {authority}: {}", breaker.state());
    }
    Ok(())
}

fn status(error: &azure_core::Error) -> Option<u16> {
    match error.kind() {
        ErrorKind::HttpResponse { status, .. } => Some((*status).into()),
        _ => None,
    }
}
