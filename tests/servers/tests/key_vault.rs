//! Secrets through the SDK's own client, with Seawall around it and without.

use std::sync::Arc;

use azure_core::error::ErrorKind;
use azure_core::http::{ClientOptions, RequestContent};
use azure_security_keyvault_secrets::models::SetSecretParameters;
use azure_security_keyvault_secrets::{SecretClient, SecretClientOptions};
use http::Method;
use seawall::azure::{Resilience, is_ambiguous};
use seawall_servers::fakes::Vault;
use seawall_servers::proxy::{Fault, When};
use seawall_servers::{Proxy, UnsignedToken, Wire};

#[tokio::test]
async fn the_bare_client_loses_the_body_when_its_challenge_fails() {
    let world = World::start().await;
    let client = world.client(|_| {});
    world.proxy.fault(When::any().times(1), Fault::status(503));

    let error = set(&client).await.unwrap_err();

    assert_eq!(error.http_status().map(u16::from), Some(400));
    assert_eq!(world.vault.empty(), 1);
    assert!(world.vault.versions("db").is_empty());
}

#[tokio::test]
async fn a_secret_is_set_once_however_its_challenge_fails() {
    let hint = Fault::status(503).header("retry-after", "0");
    for fault in [hint, Fault::status(503), Fault::Reset, Fault::LoseAnswer] {
        let world = World::start().await;
        let settings = Resilience::key_vault("settings").build().unwrap();
        let client = world.client(|options| settings.apply(options));
        world.proxy.fault(When::any().times(1), fault.clone());

        let result = set(&client).await;

        assert_eq!(world.vault.empty(), 0, "{fault:?}");
        match result {
            Ok(()) => assert_eq!(world.vault.versions("db"), ["secret"], "{fault:?}"),
            // That this request was none yet is known to the SDK alone.
            Err(error) => {
                assert!(is_told_ambiguous(&error), "{fault:?}: {error:?}");
                assert!(world.vault.versions("db").is_empty(), "{fault:?}");
            }
        }
    }
}

#[tokio::test]
async fn the_bare_client_makes_two_versions_when_an_answer_is_lost() {
    let world = World::start().await;
    let client = world.client(|_| {});

    set_with_a_lost_answer(&world, &client).await.unwrap();

    assert_eq!(world.vault.versions("db"), ["secret", "secret"]);
}

#[tokio::test]
async fn a_secret_is_set_once_and_known_to_be_ambiguous() {
    let world = World::start().await;
    let settings = Resilience::key_vault("settings").build().unwrap();
    let client = world.client(|options| settings.apply(options));

    let error = set_with_a_lost_answer(&world, &client).await.unwrap_err();

    assert!(is_ambiguous(&error), "{error:?}");
    assert_eq!(world.vault.versions("db"), ["secret"]);
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

/// Of the request with the body; the one before it only asks for the challenge.
async fn set_with_a_lost_answer(world: &World, client: &SecretClient) -> azure_core::Result<()> {
    let put = When::any().method(Method::PUT).skip(1).times(1);
    world.proxy.fault(put, Fault::LoseAnswer);
    set(client).await
}

async fn set(client: &SecretClient) -> azure_core::Result<()> {
    let secret = SetSecretParameters { value: Some("secret".into()), ..Default::default() };
    client.set_secret("db", RequestContent::try_from(secret)?, None).await?;
    Ok(())
}

struct World {
    vault: Vault,
    proxy: Proxy,
}

impl World {
    async fn start() -> Self {
        let vault = Vault::start().await;
        let proxy = Proxy::start(vault.address().port()).await;
        Self { vault, proxy }
    }

    fn client(&self, wrap: impl FnOnce(&mut ClientOptions)) -> SecretClient {
        let transport = Some(Wire::to(self.proxy.address()).transport());
        let mut client_options = ClientOptions { transport, ..ClientOptions::default() };
        wrap(&mut client_options);
        let options = SecretClientOptions { client_options, ..Default::default() };
        let client = SecretClient::new(Vault::URL, Arc::new(UnsignedToken), Some(options));
        client.expect("a good address")
    }
}
