//! Three processes elect a leader on one blob, while their store and the leader itself fail.

#![expect(clippy::unwrap_used, reason = "a test that fails is to panic")]

use std::collections::BTreeMap;
use std::env;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use azure_core::http::{ClientOptions, Url};
use azure_storage_blob::{BlobContainerClient, BlobContainerClientOptions};
use seawall_servers::proxy::{Fault, When};
use seawall_servers::{Azurite, Options, Proxy};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{sleep, timeout};

/// In 45 s there is time for a leader that stands still for two leases, and for a store that dies
/// meanwhile. With `SEAWALL_LEASE_SECONDS=120` the store dies for longer than a lease, then takes two
/// leases for each answer, and then the leader stands still for three.
///
/// Azurite that is killed forgets who holds a lease, which Azure does not: a new leader may come before
/// the old one's time is up, and then the epoch alone keeps the two apart.
#[tokio::test]
async fn three_processes_lose_no_write_and_accept_no_stale_one_whatever_fails() {
    let seconds = env::var("SEAWALL_LEASE_SECONDS").map_or(45, |text| text.parse().unwrap());
    let Some(mut world) = World::start().await else { return };
    let began = Instant::now();
    world.goes_on(20).await;

    if seconds < 120 {
        let stopped = world.stop_leader();
        sleep(LEASE / 3).await;
        world.azurite.kill().await;
        sleep(LEASE / 5).await;
        world.azurite.restart().await;
        world.goes_on(20).await;
        sleep((2 * LEASE).saturating_sub(stopped.at.elapsed())).await;
        world.go_on(&stopped).await;
    } else {
        world.azurite.kill().await;
        sleep(LEASE * 4 / 3).await;
        assert!(world.leaders().is_empty(), "the store is gone for longer than a lease");
        world.azurite.restart().await;
        world.goes_on(100).await;

        world.proxy.fault(When::any(), Fault::Delay(2 * LEASE));
        sleep(LEASE * 4 / 3).await;
        assert!(world.leaders().is_empty(), "each answer takes longer than a lease");
        world.proxy.heal().await;
        world.goes_on(100).await;

        let stopped = world.stop_leader();
        world.goes_on(100).await;
        sleep((3 * LEASE).saturating_sub(stopped.at.elapsed())).await;
        world.go_on(&stopped).await;
    }
    world.goes_on(20).await;
    sleep(Duration::from_secs(seconds).saturating_sub(began.elapsed())).await;
    world.check().await;
}

/// The processes, what they tell, and their store.
struct World {
    /// Dropped first, or it would end who has ended.
    _warden: Warden,
    candidates: Vec<Candidate>,
    proxy: Proxy,
    azurite: Azurite,
    told: Told,
}

struct Candidate {
    process: Child,
    _input: ChildStdin,
    is_stopped: Arc<Mutex<bool>>,
}

/// Who was stopped, in which term, and when.
struct Stopped {
    candidate: usize,
    epoch: u64,
    at: Instant,
}

/// What one of them told.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Line {
    /// Milliseconds of the wall clock.
    at: u128,
    epoch: u64,
    number: u64,
    candidate: usize,
    what: String,
}

#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Line>>>);

impl World {
    async fn start() -> Option<Self> {
        let azurite = Azurite::start(Options::default().durable()).await?;
        container(&azurite).create(None).await.unwrap();
        let proxy = Proxy::start(azurite.blob_port()).await;
        let address = |blob| proxy.url(address(&azurite, &["leases", blob])).to_string();
        let (lease, ledger) = (address("leader"), address("ledger"));
        let told = Told::default();
        let start = |index| Candidate::start(index, &lease, &ledger, &told);
        let candidates: Vec<_> = (0..NAMES.len()).map(start).collect();
        let warden = Warden::start(candidates.iter().filter_map(|one| one.process.id()));
        Some(Self { _warden: warden, candidates, proxy, azurite, told })
    }

    /// From now on somebody leads and writes within a lease, the time between two questions and a
    /// second; and goes on with so many writes.
    async fn goes_on(&self, writes: usize) {
        let (now, began) = (millis(), Instant::now());
        let count = || {
            let told = self.told.lock();
            told.iter().filter(|line| line.at >= now && line.what == "wrote").count()
        };
        while count() == 0 {
            assert!(began.elapsed() <= BAR, "nobody writes: {:#?}", self.told.last());
            sleep(LOOK).await;
        }
        eprintln!("somebody writes after {:?}", began.elapsed());
        while count() < writes {
            assert!(began.elapsed() <= BAR + PATIENCE, "few write: {:#?}", self.told.last());
            sleep(LOOK).await;
        }
    }

    /// Who leads, and in which epoch, by what they told last.
    fn leaders(&self) -> Vec<(usize, u64)> {
        let mut leaders = BTreeMap::new();
        for line in self.told.lock().iter() {
            match line.what.as_str() {
                "leads" => drop(leaders.insert(line.candidate, line.epoch)),
                "follows" => drop(leaders.remove(&line.candidate)),
                _ => {}
            }
        }
        let stopped = |index: usize| *lock(&self.candidates[index].is_stopped);
        leaders.into_iter().filter(|(index, _)| !stopped(*index)).collect()
    }

    fn stop_leader(&self) -> Stopped {
        let leaders = self.leaders();
        let &[(candidate, epoch)] = &leaders[..] else { panic!("{leaders:?} lead") };
        self.candidates[candidate].signal("-STOP", true);
        Stopped { candidate, epoch, at: Instant::now() }
    }

    /// Continues who was stopped, whose next write, begun as the leader, is then refused.
    async fn go_on(&self, stopped: &Stopped) {
        let at = millis();
        self.candidates[stopped.candidate].signal("-CONT", false);
        let is_refusal = |line: &Line| {
            line.candidate == stopped.candidate
                && line.epoch == stopped.epoch
                && line.at >= at
                && line.what == "stale"
        };
        let refused = async {
            while !self.told.lock().iter().any(is_refusal) {
                sleep(LOOK).await;
            }
        };
        timeout(PATIENCE, refused).await.expect("it is refused");
    }

    /// What must be true of the ledger, and of what everybody told.
    async fn check(mut self) {
        for candidate in &mut self.candidates {
            candidate.process.kill().await.unwrap();
        }
        let ledger = container(&self.azurite).blob_client("ledger");
        let content = ledger.download(None).await.unwrap().body.collect().await.unwrap();
        let content = String::from_utf8(content.to_vec()).unwrap();
        let written: Vec<_> = content.lines().map(entry).collect();
        let told = self.told.lock().clone();

        // No stale write was accepted: epochs grow, and in none of them two have written.
        assert!(written.is_sorted_by(|a, b| (a.0, a.2) < (b.0, b.2)), "{content}");
        let mut leaders = BTreeMap::new();
        for (epoch, candidate, _) in &written {
            assert_eq!(leaders.entry(epoch).or_insert(candidate), &candidate, "in epoch {epoch}");
        }
        let led: Vec<_> = told.iter().filter(|line| line.what == "leads").collect();
        let mut epochs: Vec<_> = led.iter().map(|line| line.epoch).collect();
        epochs.sort_unstable();
        assert!(epochs.is_sorted_by(|a, b| a < b), "an epoch was led in twice: {led:#?}");

        // No acknowledged write was lost.
        let acknowledged: Vec<_> = told.iter().filter(|line| line.what == "wrote").collect();
        for line in &acknowledged {
            let entry = (line.epoch, line.candidate, line.number);
            assert!(written.binary_search_by_key(&(entry.0, entry.2), |e| (e.0, e.2)).is_ok());
            assert!(written.contains(&entry), "{line:?} is lost");
        }
        let count = |what| told.iter().filter(|line| line.what == what).count();
        eprintln!(
            "{} writes acknowledged, {} failed, {} stale ones refused, {} terms",
            acknowledged.len(),
            count("failed"),
            count("stale"),
            led.len()
        );
        let begin = told.iter().map(|line| line.at).min().unwrap_or_default();
        for line in told.iter().filter(|line| matches!(line.what.as_str(), "leads" | "follows")) {
            let name = NAMES[line.candidate];
            eprintln!("{:6} ms: {name} {} in epoch {}", line.at - begin, line.what, line.epoch);
        }
    }
}

impl Candidate {
    fn start(index: usize, lease: &str, ledger: &str, told: &Told) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_candidate"))
            .args([NAMES[index], lease, ledger])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let input = process.stdin.take().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let told = told.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                told.lock().push(Line::of(index, &line));
            }
        });
        Self { process, _input: input, is_stopped: Arc::default() }
    }

    fn signal(&self, signal: &str, stops: bool) {
        let id = self.process.id().unwrap().to_string();
        let sent = std::process::Command::new("kill").args([signal, &id]).status().unwrap();
        assert!(sent.success());
        *lock(&self.is_stopped) = stops;
    }
}

impl Line {
    fn of(candidate: usize, text: &str) -> Self {
        let [at, what, epoch, number] = text.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{text}");
        };
        Self {
            at: at.parse().unwrap(),
            epoch: epoch.parse().unwrap(),
            number: number.parse().unwrap(),
            candidate,
            what: what.into(),
        }
    }
}

impl Told {
    fn lock(&self) -> MutexGuard<'_, Vec<Line>> {
        lock(&self.0)
    }

    fn last(&self) -> Vec<Line> {
        let told = self.lock();
        told[told.len().saturating_sub(20)..].to_vec()
    }
}

/// Ends the candidates where this process is killed: one that is stopped does not see the end of its
/// input.
struct Warden {
    _process: Child,
}

impl Warden {
    fn start(ids: impl Iterator<Item = u32>) -> Self {
        let process = Command::new("sh")
            .args(["-c", "cat > /dev/null; kill -KILL \"$@\" 2> /dev/null", "warden"])
            .args(ids.map(|id| id.to_string()))
            .stdin(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self { _process: process }
    }
}

/// An entry of the ledger: epoch, candidate, number.
fn entry(line: &str) -> (u64, usize, u64) {
    let [epoch, name, number] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
    let candidate = NAMES.iter().position(|known| *known == name).unwrap();
    (epoch.parse().unwrap(), candidate, number.parse().unwrap())
}

fn container(azurite: &Azurite) -> BlobContainerClient {
    let client_options =
        ClientOptions { transport: Some(azurite.wire().transport()), ..ClientOptions::default() };
    let options =
        BlobContainerClientOptions { client_options, ..BlobContainerClientOptions::default() };
    BlobContainerClient::new(address(azurite, &["leases"]), None, Some(options)).unwrap()
}

fn address(azurite: &Azurite, path: &[&str]) -> Url {
    let mut url = azurite.blobs();
    url.path_segments_mut().unwrap().pop_if_empty().extend(path);
    azurite.account().sas(url)
}

fn millis() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const NAMES: [&str; 3] = ["a", "b", "c"];
const LEASE: Duration = Duration::from_secs(15);
/// A lease, a third of it, and a second.
const BAR: Duration = Duration::from_secs(21);
/// Ten times what twenty or a hundred writes take, or the refusal of one.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);
