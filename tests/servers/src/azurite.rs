//! Azurite: a storage account on this machine.

use std::env;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use azure_core::http::Url;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, sink};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::account::Account;
use crate::missing::not_run;
use crate::port;
use crate::wire::Wire;

/// How an [`Azurite`] is started.
#[derive(Clone, Debug, Default)]
pub struct Options {
    accounts: Vec<Account>,
    durable: bool,
    tls: bool,
}

impl Options {
    /// Has this account too. Without any, it has [`Account::default`].
    #[must_use]
    pub fn account(mut self, account: Account) -> Self {
        self.accounts.push(account);
        self
    }

    /// Keeps what it is given on the disk, so that it is still there after a crash and a restart.
    #[must_use]
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// Speaks TLS, with a certificate of its own, and takes bearer tokens.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }
}

/// An Azurite of its own, with blobs and queues at free ports of this machine.
///
/// It ends with its owner, and also where that process is killed.
#[derive(Debug)]
pub struct Azurite {
    options: Options,
    entry: PathBuf,
    folder: TempDir,
    certificate: Option<String>,
    blobs: u16,
    queues: u16,
    process: Option<Child>,
}

impl Azurite {
    /// Starts one, and waits until it answers; none, loudly, where there is none.
    ///
    /// # Panics
    ///
    /// If it does not start, and under `CI=true` also if there is none.
    pub async fn start(mut options: Options) -> Option<Self> {
        let Some(entry) = entry() else {
            not_run("azurite", "AZURITE");
            return None;
        };
        if options.accounts.is_empty() {
            options.accounts.push(Account::default());
        }
        let folder = tempfile::tempdir().expect("a folder for its data");
        let certificate = options.tls.then(|| {
            let names = ["127.0.0.1", "localhost", "*.blob.core.windows.net"].map(String::from);
            let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
            let write = |name, text: &str| std::fs::write(folder.path().join(name), text);
            write(KEY, &made.signing_key.serialize_pem()).expect("the folder is ours");
            write(CERTIFICATE, &made.cert.pem()).expect("the folder is ours");
            made.cert.pem()
        });
        let (blobs, queues) = (port::free(), port::free());
        let mut azurite =
            Self { options, entry, folder, certificate, blobs, queues, process: None };
        azurite.restart().await;
        Some(azurite)
    }

    /// Starts it at the same ports again, once it was killed. What is not durable is gone.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub async fn restart(&mut self) {
        self.kill().await;
        let mut command = self.command();
        let mut process = command.spawn().expect("node starts");
        let output = process.stdout.take().expect("it is piped");
        let mut lines = BufReader::new(output).lines();
        let mut said = String::new();
        let listening = async {
            while let Some(line) = lines.next_line().await.expect("it can be read") {
                said = format!("{said}{line}\n");
                // The last of its services.
                if line.contains("Table service is successfully listening") {
                    return true;
                }
            }
            false
        };
        let listens = timeout(PATIENCE, listening).await.expect("it starts in time");
        assert!(listens, "azurite does not start: {said}");
        // It must find a reader for as long as it runs.
        let mut output = lines.into_inner();
        tokio::spawn(async move { tokio::io::copy(&mut output, &mut sink()).await });
        self.process = Some(process);
    }

    /// Kills it: its connections are reset, and its ports answer nobody.
    ///
    /// One that is durable has by then written what it acknowledged.
    ///
    /// # Panics
    ///
    /// If it can not be killed.
    pub async fn kill(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        if self.options.durable {
            let mut owner = process.stdin.take().expect("it is piped");
            owner.write_all(b"crash").await.expect("it runs");
            let ended = timeout(PATIENCE, process.wait()).await.expect("it ends in time");
            ended.expect("it is ours");
        } else {
            process.kill().await.expect("it is ours");
        }
    }

    /// The first of its accounts.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.options.accounts[0]
    }

    /// Where the blobs of its first account are, with the account in the path.
    #[must_use]
    pub fn blobs(&self) -> Url {
        self.blobs_of(&self.account().name)
    }

    /// The same for the account of that name. The name may end in `-secondary`.
    #[must_use]
    pub fn blobs_of(&self, account: &str) -> Url {
        self.url("127.0.0.1", self.blobs, account)
    }

    /// Where the blobs of its first account are, with the account in the host, as in Azure. See [`Wire`].
    #[must_use]
    pub fn blobs_by_host(&self) -> Url {
        let host = format!("{}.blob.core.windows.net", self.account().name);
        self.url(&host, self.blobs, "")
    }

    /// Where the queues of its first account are.
    #[must_use]
    pub fn queues(&self) -> Url {
        self.url("127.0.0.1", self.queues, &self.account().name)
    }

    /// The port of its blobs.
    #[must_use]
    pub fn blob_port(&self) -> u16 {
        self.blobs
    }

    /// The port of its queues.
    #[must_use]
    pub fn queue_port(&self) -> u16 {
        self.queues
    }

    /// A client that trusts it.
    #[must_use]
    pub fn wire(&self) -> Wire {
        self.certificate.as_deref().map_or_else(Wire::new, Wire::trusting)
    }

    fn url(&self, host: &str, port: u16, path: &str) -> Url {
        let scheme = if self.options.tls { "https" } else { "http" };
        Url::parse(&format!("{scheme}://{host}:{port}/{path}")).expect("an address")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env::var_os("NODE").unwrap_or_else(|| "node".into()));
        command
            .args(["--import", OWNER])
            .arg(&self.entry)
            .args(["--silent", "--loose", "--skipApiVersionCheck", "--disableTelemetry"])
            // Connections end when a test says so.
            .args(["--blobKeepAliveTimeout", "3600", "--queueKeepAliveTimeout", "3600"])
            .args(["--blobPort", &self.blobs.to_string()])
            .args(["--queuePort", &self.queues.to_string()])
            .args(["--tablePort", "0"]);
        if self.options.durable {
            command.arg("--location").arg(self.folder.path());
        } else {
            command.arg("--inMemoryPersistence");
        }
        if self.options.tls {
            command.args(["--oauth", "basic", "--cert", CERTIFICATE, "--key", KEY]);
        }
        let accounts = self.options.accounts.iter();
        let accounts: Vec<_> = accounts.map(|one| format!("{}:{}", one.name, one.key)).collect();
        command
            .env("AZURITE_ACCOUNTS", accounts.join(";"))
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

/// What `AZURITE` names, or what `.ci/azurite` installs.
fn entry() -> Option<PathBuf> {
    if let Some(named) = env::var_os("AZURITE").filter(|named| !named.is_empty()) {
        return Some(named.into());
    }
    let installed = "../../target/azurite/node_modules/azurite/dist/src/azurite.js";
    let installed = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(installed);
    installed.is_file().then_some(installed)
}

/// What it loads first.
const OWNER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/azurite/owner.mjs");
const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";
/// More than ten times what a start takes.
const PATIENCE: Duration = Duration::from_secs(60);
