//! The store itself: tests that kill it must be able to rely on it.

use azure_core::http::{ClientOptions, RequestContent, RetryOptions};
use seawall_servers::{Azurite, Options};

use seawall_servers::clients::service;

#[tokio::test(flavor = "multi_thread")]
async fn a_durable_store_has_what_it_acknowledged_after_a_crash() {
    let Some(mut azurite) = Azurite::start(Options::default().durable()).await else { return };
    let once = ClientOptions {
        transport: Some(azurite.wire().transport()),
        retry: RetryOptions::none(),
        ..ClientOptions::default()
    };
    let client = service(azurite.account().sas(azurite.blobs()), once);
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
