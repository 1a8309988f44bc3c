//! Clients of the SDK, with Seawall around them and without.

use azure_core::http::{ClientOptions, Url};
use azure_storage_blob::{BlobServiceClient, BlobServiceClientOptions};
use seawall::azure::Resilience;

use crate::wire::Wire;

/// Options as somebody has them who knows nothing of Seawall.
#[must_use]
pub fn bare(wire: &Wire) -> ClientOptions {
    ClientOptions { transport: Some(wire.transport()), ..ClientOptions::default() }
}

/// The same, wrapped.
#[must_use]
pub fn wrapped(wire: &Wire, resilience: &Resilience) -> ClientOptions {
    let mut options = bare(wire);
    resilience.apply(&mut options);
    options
}

/// A client of the storage account at `url`.
///
/// # Panics
///
/// If the address can be none.
#[must_use]
pub fn service(url: Url, client_options: ClientOptions) -> BlobServiceClient {
    let options = BlobServiceClientOptions { client_options, ..Default::default() };
    BlobServiceClient::new(url, None, Some(options)).expect("a good address")
}
