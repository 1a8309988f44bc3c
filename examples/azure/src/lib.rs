//! What the examples share: a transport, and a store where there is no account.

/// What the README shows, word for word.
#[expect(clippy::missing_errors_doc, reason = "the README is its documentation")]
pub mod readme;

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use azure_core::http::Transport;
use seawall::azure::TowerTransport;
use seawall::error::BoxError;
use seawall::http::Client;
use seawall_servers::{Azurite, Options};

/// One pool of connections for all clients of a dependency.
///
/// # Errors
///
/// None, as its settings are good.
pub fn transport() -> Result<Transport, BoxError> {
    // The stores of these examples are on this machine, and speak no TLS.
    Ok(TowerTransport::new(Client::builder().plain_http(true).build()?).into())
}

/// Starts a store on this machine, and installs it first if that has not been done.
///
/// # Errors
///
/// If it can not be had: it needs Node and npm.
pub async fn store(options: Options) -> Result<Azurite, BoxError> {
    if env::var_os("AZURITE").is_none() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let installer = root.join(".ci/azurite");
        Command::new(installer).stdout(Stdio::null()).status()?;
    }
    Azurite::start(options).await.ok_or_else(|| "there is no azurite: install Node and npm".into())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_readme_shows_what_compiles() {
        let readme = include_str!("../../../README.md");
        assert!(readme.contains(include_str!("readme.rs")));
    }
}
