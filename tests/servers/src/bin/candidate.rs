//! A process that wants to lead, and that writes as the leader: for the tests of leadership.
//!
//! `candidate NAME LEASE LEDGER`, with two addresses of blobs. It tells on its output what it does,
//! a line each: milliseconds of the wall clock, what, the epoch, and the number of a write. It ends
//! with its input.

use std::env;
use std::io::{Read, Write, stdout};
use std::process::exit;
use std::thread;
use std::time::{Duration, SystemTime};

use azure_core::http::{ClientOptions, RetryOptions, Url};
use azure_storage_blob::{BlobClient, BlobClientOptions};
use seawall::azure::lease::{BlobLease, FencedBlob, FencedError, FencedWriter};
use seawall::lease::{Epoch, Leadership, Term};
use seawall_servers::Wire;
use tokio::time::{MissedTickBehavior, interval, timeout};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    thread::spawn(|| {
        // Whoever holds the other end is gone, or wants this to go.
        let _ = std::io::stdin().read(&mut [0]);
        exit(0);
    });
    let [name, lease, ledger] = &env::args().skip(1).collect::<Vec<_>>()[..] else {
        panic!("candidate NAME LEASE LEDGER");
    };
    let (leadership, election) = Leadership::builder()
        .name("ledger")
        .holder(name)
        .build(BlobLease::new(client(lease)))
        .expect("the settings are good");
    tokio::spawn(election.run());
    let ledger = FencedBlob::new(client(ledger));
    loop {
        let term = leadership.leading().await;
        tell("leads", term.epoch(), 0);
        lead(&leadership, term, &ledger, name).await;
        tell("follows", term.epoch(), 0);
    }
}

/// Twenty writes a second for as long as the term lasts, and one more: the write of a leader that
/// has looked whether it leads, and then stood still.
async fn lead(leadership: &Leadership, term: Term, ledger: &FencedBlob, name: &str) {
    let Some((mut content, mut writer)) = open(leadership, term, ledger).await else { return };
    let mut ticks = interval(Duration::from_millis(50));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut number = 0_u64;
    loop {
        ticks.tick().await;
        let leads = leadership.leads_in(term.epoch());
        number += 1;
        let mut next = content.clone();
        next.extend_from_slice(format!("{} {name} {number}\n", term.epoch()).as_bytes());
        match timeout(PATIENCE, writer.write(next.clone())).await {
            Ok(Ok(())) => {
                tell("wrote", term.epoch(), number);
                content = next;
            }
            Ok(Err(FencedError::Stale(stale))) => {
                tell("stale", term.epoch(), number);
                leadership.heard_of(stale.newest());
                return;
            }
            // Written or not: the next write holds it too, or takes its place.
            Ok(Err(_)) | Err(_) => tell("failed", term.epoch(), number),
        }
        if !leads {
            return;
        }
    }
}

async fn open(
    leadership: &Leadership,
    term: Term,
    ledger: &FencedBlob,
) -> Option<(Vec<u8>, FencedWriter)> {
    while leadership.leads_in(term.epoch()) {
        match timeout(PATIENCE, ledger.open(term.epoch())).await {
            Ok(Ok((content, writer))) => return Some((content.to_vec(), writer)),
            Ok(Err(FencedError::Stale(stale))) => {
                tell("stale", term.epoch(), 0);
                leadership.heard_of(stale.newest());
                return None;
            }
            Ok(Err(_)) | Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    None
}

fn client(address: &str) -> BlobClient {
    let client_options = ClientOptions {
        transport: Some(Wire::new().transport()),
        // A request is cut by who makes it.
        retry: RetryOptions::none(),
        ..ClientOptions::default()
    };
    let options = BlobClientOptions { client_options, ..BlobClientOptions::default() };
    let address = Url::parse(address).expect("an address");
    BlobClient::new(address, None, Some(options)).expect("a client")
}

fn tell(what: &str, epoch: Epoch, number: u64) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is later");
    let line = format!("{} {what} {epoch} {number}\n", now.as_millis());
    // In one piece, so that a process that is killed leaves no half of a line.
    stdout().write_all(line.as_bytes()).expect("somebody listens");
    stdout().flush().expect("somebody listens");
}

const PATIENCE: Duration = Duration::from_secs(2);
