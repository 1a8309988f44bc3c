use std::error::Error;
use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use azure_security_keyvault_secrets::{SecretClient, SecretClientOptions};
use azure_storage_blob::{BlobServiceClient, BlobServiceClientOptions};
use seawall::azure::Resilience;
use seawall::azure::storage::ReadAccess;

pub fn blobs(credential: Arc<dyn TokenCredential>) -> Result<BlobServiceClient, Box<dyn Error>> {
    let orders = Resilience::storage("orders").read_access(ReadAccess::new()).build()?;
    let options =
        BlobServiceClientOptions { client_options: orders.client_options(), ..Default::default() };
    let url = "https://orders.blob.core.windows.net".parse()?;
    Ok(BlobServiceClient::new(url, Some(orders.credential(credential)), Some(options))?)
}

pub fn secrets(credential: Arc<dyn TokenCredential>) -> Result<SecretClient, Box<dyn Error>> {
    let vault = Resilience::key_vault("settings").build()?;
    let options =
        SecretClientOptions { client_options: vault.client_options(), ..Default::default() };
    let url = "https://settings.vault.azure.net";
    Ok(SecretClient::new(url, vault.credential(credential), Some(options))?)
}
