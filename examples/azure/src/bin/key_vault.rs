//! A client for secrets with Seawall around it, and around the credential.
//!
//! ```text
//! cargo run --bin key_vault
//! ```
//!
//! runs against a vault and a token endpoint on this machine, which fail at first. For real ones, set `KEY_VAULT` to the
//! address of a vault, and `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET`.

use std::env;
use std::sync::Arc;

use azure_core::credentials::{Secret, TokenCredential};
use azure_core::http::{ClientOptions, RequestContent, Transport};
use azure_identity::{ClientSecretCredential, ClientSecretCredentialOptions};
use azure_security_keyvault_secrets::models::SetSecretParameters;
use azure_security_keyvault_secrets::{SecretClient, SecretClientOptions};
use seawall::azure::{Resilience, is_ambiguous};
use seawall::error::BoxError;
use seawall_azure_examples::transport;
use seawall_servers::fakes::{TokenEndpoint, Vault};
use seawall_servers::proxy::{Fault, When};
use seawall_servers::{Proxy, Wire};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let local = if env::var_os("KEY_VAULT").is_none() { Some(Local::start().await) } else { None };
    let url = env::var("KEY_VAULT").unwrap_or_else(|_| Vault::URL.to_owned());

    // The credential has a handle of its own: a token endpoint fails by itself.
    let identity = Resilience::identity("identity").transport(token_transport(local.as_ref())?);
    let identity = identity.build()?;
    let credential = identity.credential(application(identity.client_options())?);

    let settings = Resilience::key_vault("settings").transport(vault_transport(local.as_ref())?);
    let settings = settings.build()?;
    let options =
        SecretClientOptions { client_options: settings.client_options(), ..Default::default() };
    let client = SecretClient::new(&url, credential, Some(options))?;

    let secret = SetSecretParameters { value: Some("two chairs".into()), ..Default::default() };
    match client.set_secret("order", RequestContent::try_from(secret)?, None).await {
        Ok(_) => println!("set: done"),
        // Another try would make another version.
        Err(error) if is_ambiguous(&error) => println!("set: look whether it was done: {error}"),
        Err(error) => return Err(error.into()),
    }
    let secret = client.get_secret("order", None).await?.into_model()?;
    println!("get: {}", secret.value.unwrap_or_default());
    if let Some(local) = local {
        println!("\nthe vault saw {} requests:", local.before_vault.requests().len());
        println!("  versions:            {:?}", local.vault.versions("order"));
        println!("  bodies that were lost: {}", local.vault.empty());
    }
    Ok(())
}

fn application(client_options: ClientOptions) -> Result<Arc<dyn TokenCredential>, BoxError> {
    let variable = |name, other: &str| env::var(name).unwrap_or_else(|_| other.to_owned());
    let tenant = variable("AZURE_TENANT_ID", "00000000-0000-0000-0000-000000000000");
    let credential = ClientSecretCredential::new(
        &tenant,
        variable("AZURE_CLIENT_ID", "seawall"),
        Secret::new(variable("AZURE_CLIENT_SECRET", "secret")),
        Some(ClientSecretCredentialOptions { client_options }),
    )?;
    Ok(credential)
}

fn token_transport(local: Option<&Local>) -> Result<Transport, BoxError> {
    local.map_or_else(transport, |local| Ok(Wire::to(local.tokens.address()).transport()))
}

fn vault_transport(local: Option<&Local>) -> Result<Transport, BoxError> {
    local.map_or_else(transport, |local| Ok(Wire::to(local.before_vault.address()).transport()))
}

/// What stands in for Azure: the very first request to the vault, which asks who it wants to hear from, is answered 503.
struct Local {
    vault: Vault,
    before_vault: Proxy,
    tokens: TokenEndpoint,
}

impl Local {
    async fn start() -> Self {
        let vault = Vault::start().await;
        let before_vault = Proxy::start(vault.address().port()).await;
        before_vault.fault(When::any().times(1), Fault::status(503).header("retry-after", "1"));
        Self { vault, before_vault, tokens: TokenEndpoint::start().await }
    }
}
