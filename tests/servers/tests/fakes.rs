//! The fakes, as the SDK's own clients see them.

use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::{Secret, TokenCredential};
use azure_core::http::{ClientOptions, RequestContent, RetryOptions};
use azure_identity::{
    ClientSecretCredential, ClientSecretCredentialOptions, ManagedIdentityCredential,
    ManagedIdentityCredentialOptions,
};
use azure_security_keyvault_secrets::models::SetSecretParameters;
use azure_security_keyvault_secrets::{SecretClient, SecretClientOptions};
use seawall_servers::fakes::{MetadataService, TokenEndpoint, Vault};
use seawall_servers::{UnsignedToken, Wire};

#[tokio::test]
async fn a_vault_asks_who_it_is_and_keeps_versions() {
    let vault = Vault::start().await;
    let client_options = options(&Wire::to(vault.address()));
    let options = SecretClientOptions { client_options, ..Default::default() };
    let client = SecretClient::new(Vault::URL, Arc::new(UnsignedToken), Some(options)).unwrap();

    for value in ["one", "two"] {
        let secret = SetSecretParameters { value: Some(value.into()), ..Default::default() };
        let secret = RequestContent::try_from(secret).unwrap();
        client.set_secret("db", secret, None).await.unwrap();
    }

    let secret = client.get_secret("db", None).await.unwrap().into_model().unwrap();
    assert_eq!(secret.value.as_deref(), Some("two"));
    assert_eq!(vault.versions("db"), ["one", "two"]);
    assert_eq!((vault.empty(), vault.requests().len()), (0, 4), "one of them was the challenge");
    let missing = client.get_secret("key", None).await.unwrap_err();
    assert_eq!(missing.http_status().map(u16::from), Some(404));
}

#[tokio::test]
async fn an_endpoint_gives_a_token_that_lives_as_long_as_it_was_told() {
    let endpoint = TokenEndpoint::start().await;
    endpoint.life(Duration::from_secs(400));
    let client_options = options(&Wire::to(endpoint.address()));
    let credential = ClientSecretCredential::new(
        "00000000-0000-0000-0000-000000000000",
        "orders".into(),
        Secret::new("secret"),
        Some(ClientSecretCredentialOptions { client_options }),
    );
    let credential = credential.unwrap();

    let token = credential.get_token(&["https://vault.azure.net/.default"], None).await.unwrap();

    assert_eq!(token.token.secret(), "token-1");
    let life = token.expires_on - azure_core::time::OffsetDateTime::now_utc();
    assert!((390..=400).contains(&life.whole_seconds()), "{life}");
    assert_eq!(endpoint.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_metadata_service_does_as_it_was_told_and_then_gives_a_token() {
    let service = MetadataService::start().await;
    service.next([404, 410, 429]);
    let client_options = options(&Wire::to(service.address()));
    let options = ManagedIdentityCredentialOptions { client_options, ..Default::default() };
    let credential = ManagedIdentityCredential::new(Some(options)).unwrap();

    let token = credential.get_token(&["https://storage.azure.com/.default"], None).await.unwrap();

    assert_eq!(token.token.secret(), "token");
    assert_eq!(service.requests().len(), 4);
}

fn options(wire: &Wire) -> ClientOptions {
    ClientOptions {
        transport: Some(wire.transport()),
        retry: RetryOptions::none(),
        ..ClientOptions::default()
    }
}
