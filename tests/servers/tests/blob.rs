//! Blobs through clients of the SDK.

use azure_core::http::{ClientOptions, RequestContent, Url};
use azure_storage_blob::{BlobServiceClient, BlobServiceClientOptions};
use seawall_servers::{Azurite, Options};

#[tokio::test(flavor = "multi_thread")]
async fn a_durable_store_has_what_it_acknowledged_after_a_crash() {
    let Some(mut azurite) = Azurite::start(Options::default().durable()).await else { return };
    let client = client(azurite.account().sas(azurite.blobs()), &azurite);
    let container = client.blob_container_client("orders");
    container.create(None).await.unwrap();
    let blob = container.blob_client("1");
    blob.upload(RequestContent::from(b"two chairs".to_vec()), None).await.unwrap();

    azurite.kill().await;
    blob.exists().await.unwrap_err();
    azurite.restart().await;

    let answer = blob.download(None).await.unwrap();
    assert_eq!(&answer.body.collect().await.unwrap()[..], b"two chairs");
}

fn client(url: Url, azurite: &Azurite) -> BlobServiceClient {
    let client_options = ClientOptions {
        transport: Some(azurite.wire().transport()),
        retry: azure_core::http::RetryOptions::none(),
        ..ClientOptions::default()
    };
    let options = BlobServiceClientOptions { client_options, ..Default::default() };
    BlobServiceClient::new(url, None, Some(options)).expect("a good address")
}
