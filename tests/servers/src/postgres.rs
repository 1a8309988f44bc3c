//! PostgreSQL: a primary and its standby, which can crash, be promoted and change places.

use std::fs::{self, File};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

use tokio::task::block_in_place;

use crate::missing::not_run;
use crate::port;

/// Two servers in folders of their own. The first begins as the primary, and acknowledges no commit that the
/// other one does not have.
///
/// Both are gone, folders and all, when this is dropped, and also when the process of the test is killed.
/// What starts and stops them blocks, and needs a runtime of several threads where it is called in one.
#[derive(Debug)]
pub struct Postgres {
    servers: [Server; 2],
    programs: Programs,
    // Last, so that it goes when nobody writes to it any more.
    _folder: tempfile::TempDir,
}

impl Postgres {
    /// Starts both; none, loudly, where there is no PostgreSQL.
    ///
    /// # Panics
    ///
    /// If they do not start, and under `CI=true` also if there is none.
    #[must_use]
    pub fn start() -> Option<Self> {
        let Some(programs) = Programs::find() else {
            not_run("PostgreSQL", "POSTGRES_BIN");
            return None;
        };
        Some(blocking(|| Self::start_with(programs)))
    }

    fn start_with(programs: Programs) -> Self {
        let folder = tempfile::tempdir().expect("a folder for their data");
        programs.give(folder.path());
        let mut servers = ["a", "b"].map(|name| Server::new(&folder.path().join(name)));
        let [first, second] = &mut servers;
        programs.initialise(first);
        first.synchronous = true;
        first.start(&programs);
        second.follow(first, &programs);
        Self { servers, programs, _folder: folder }
    }

    /// The port of server `n`, 0 or 1, on the loopback address. It stays the same.
    #[must_use]
    pub fn port(&self, n: usize) -> u16 {
        self.servers[n].port
    }

    /// What server `n` has written to its log.
    ///
    /// # Panics
    ///
    /// If it can not be read.
    #[must_use]
    pub fn log(&self, n: usize) -> String {
        self.servers[n].log()
    }

    /// Ends all processes of server `n` at once, without a word to anybody.
    ///
    /// # Panics
    ///
    /// If it is not running.
    pub fn crash(&mut self, n: usize) {
        blocking(|| self.servers[n].end("QUIT"));
    }

    /// Stops server `n` as an operator does: its sessions are told, and its standby gets all of its data.
    ///
    /// # Panics
    ///
    /// If it is not running.
    pub fn stop(&mut self, n: usize) {
        blocking(|| self.servers[n].end("INT"));
    }

    /// Starts server `n` again with the data that it has.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn restart(&mut self, n: usize) {
        blocking(|| self.servers[n].start(&self.programs));
    }

    /// Makes the standby `n` the primary, and returns when it takes writes.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub fn promote(&mut self, n: usize) {
        blocking(|| {
            let data = self.servers[n].data();
            let mut promote = self.programs.command("pg_ctl");
            run(promote.arg("promote").arg("--wait").arg("--silent").arg("--pgdata").arg(data));
        });
    }

    /// Starts server `n`, which is not running, as the standby of the other one, with a copy of its data.
    ///
    /// # Panics
    ///
    /// If it does not start, or the other one is not running.
    pub fn follow(&mut self, n: usize) {
        let [first, second] = &mut self.servers;
        let (standby, primary) = if n == 0 { (first, second) } else { (second, first) };
        blocking(|| standby.follow(primary, &self.programs));
    }
}

/// One server, running or not.
#[derive(Debug)]
struct Server {
    folder: PathBuf,
    port: u16,
    /// Whether its commits wait for a standby.
    synchronous: bool,
    /// Its guard, and what tells the guard that the test is still there.
    process: Option<(Child, ChildStdin)>,
}

impl Server {
    fn new(folder: &Path) -> Self {
        let folder = folder.to_owned();
        Self { folder, port: port::free(), synchronous: false, process: None }
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).expect("it has a log")
    }

    /// Copies the data of `primary`, and starts as its standby.
    fn follow(&mut self, primary: &Self, programs: &Programs) {
        assert!(self.process.is_none(), "it is not running");
        let _ = fs::remove_dir_all(&self.folder);
        fs::create_dir(&self.folder).expect("a folder of its own");
        programs.give(&self.folder);
        let mut copy = programs.command("pg_basebackup");
        copy.args(["--checkpoint", "fast", "--wal-method", "stream", "--no-sync"])
            .args(["--write-recovery-conf", "--username", USER, "--host", "127.0.0.1"])
            .args(["--port", &primary.port.to_string(), "--pgdata"])
            .arg(self.data());
        run(&mut copy);
        self.synchronous = false;
        self.start(programs);
    }

    fn start(&mut self, programs: &Programs) {
        assert!(self.process.is_none(), "it is not running");
        // What a crash has left behind would be taken for a sign of life.
        let _ = fs::remove_file(self.data().join(PID_FILE));
        let log = File::options().create(true).append(true).open(self.folder.join("log"));
        let log = log.expect("a log of its own");
        let mut guard = programs.guarded("postgres", &self.folder);
        guard
            .arg("-D")
            .arg(self.data())
            .args(["-c", &format!("port={}", self.port), "-c", "listen_addresses=127.0.0.1"])
            .arg("-c")
            .arg(format!("unix_socket_directories={}", self.folder.display()))
            .args(["-c", "fsync=off", "-c", "wal_level=replica", "-c", "hot_standby=on"])
            .args(["-c", "max_connections=60", "-c", "shared_buffers=16MB"])
            .args(["-c", "wal_retrieve_retry_interval=100ms"])
            // Given here, and not in its file, so that a standby does not inherit it.
            .arg("-c")
            .arg(if self.synchronous {
                "synchronous_standby_names=*"
            } else {
                "synchronous_standby_names="
            })
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("it has two"))
            .stderr(log);
        let mut child = guard.spawn().expect("there is a shell");
        let stdin = child.stdin.take().expect("it was asked for");
        self.process = Some((child, stdin));
        // A standby says so once it answers queries.
        let is_ready = || {
            let file = fs::read_to_string(self.data().join(PID_FILE)).unwrap_or_default();
            file.lines().nth(7).is_some_and(|state| state.trim_end() == "ready")
        };
        assert!(until(is_ready), "it did not start:\n{}", self.log());
    }

    /// Sends `signal`, and waits until nothing of it is left.
    fn end(&mut self, signal: &str) {
        let (mut guard, _stdin) = self.process.take().expect("it is running");
        let pid = fs::read_to_string(self.data().join(PID_FILE)).expect("it is running");
        let pid = pid.lines().next().expect("its first line").to_owned();
        run(Command::new("kill").arg(format!("-{signal}")).arg(pid));
        assert!(until(|| has_ended(&mut guard)), "it did not end:\n{}", self.log());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some((mut guard, stdin)) = self.process.take() else { return };
        drop(stdin);
        let gone = until(|| has_ended(&mut guard)) || thread::panicking();
        assert!(gone, "a server outlived its test: {}", self.folder.display());
    }
}

/// Where the programs are, and whose they are to be.
#[derive(Debug)]
struct Programs {
    folder: PathBuf,
    /// Who runs them instead of root, for whom they refuse to.
    owner: Option<(u32, u32)>,
}

impl Programs {
    /// In the folder that `POSTGRES_BIN` names, or where the path leads to.
    fn find() -> Option<Self> {
        let named = env::var_os("POSTGRES_BIN").filter(|named| !named.is_empty());
        let folders: Vec<PathBuf> = match named {
            Some(named) => vec![named.into()],
            None => env::split_paths(&env::var_os("PATH")?).collect(),
        };
        let is_there = |folder: &PathBuf| {
            ["initdb", "pg_basebackup", "pg_ctl", "postgres"]
                .iter()
                .all(|name| folder.join(name).is_file())
        };
        let mut folders = folders.into_iter().filter_map(|folder| {
            // On Debian, what is on the path leads to the folder with all of them.
            fs::canonicalize(folder.join("initdb")).ok()?.parent().map(Path::to_owned)
        });
        Some(Self { folder: folders.find(is_there)?, owner: owner() })
    }

    fn command(&self, name: &str) -> Command {
        self.as_owner(Command::new(self.folder.join(name)))
    }

    /// A shell that runs a program, and ends it when nobody holds its standard input open any more. It then
    /// also takes its folder away, for who would have done so may be gone.
    fn guarded(&self, name: &str, folder: &Path) -> Command {
        let mut shell = self.as_owner(Command::new("sh"));
        shell.args(["-c", GUARD]).arg(folder).arg(self.folder.join(name));
        shell
    }

    fn as_owner(&self, mut command: Command) -> Command {
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        // Not the folder of the test, which the owner may not be allowed to see.
        command.current_dir("/").env("LC_ALL", "C");
        command
    }

    fn give(&self, folder: &Path) {
        if let Some((user, group)) = self.owner {
            chown(folder, Some(user), Some(group)).expect("root may give things away");
        }
    }

    fn initialise(&self, server: &Server) {
        fs::create_dir(&server.folder).expect("a folder of its own");
        self.give(&server.folder);
        let mut initialise = self.command("initdb");
        initialise.args(["--auth", "trust", "--username", USER, "--encoding", "UTF8"]);
        run(initialise.args(["--no-locale", "--no-sync", "--pgdata"]).arg(server.data()));
        let rules = server.data().join("pg_hba.conf");
        let all = fs::read_to_string(&rules).expect("it has been written");
        // Read from the top: this one has to know his password.
        let locked = "host all locked 127.0.0.1/32 scram-sha-256\n";
        fs::write(rules, format!("{locked}{all}")).expect("root may write");
    }
}

/// The system's own user for it, or one without any rights, if this is root.
fn owner() -> Option<(u32, u32)> {
    let uid = output(Command::new("id").arg("-u"));
    if uid != "0" {
        return None;
    }
    let number = |what: &str, user: &str| {
        let id = Command::new("id").args([what, user]).stderr(Stdio::null()).output().ok()?;
        String::from_utf8(id.stdout).ok()?.trim().parse().ok()
    };
    let ids = |user: &str| Some((number("-u", user)?, number("-g", user)?));
    let found = ["postgres", "nobody"].into_iter().find_map(ids);
    Some(found.expect("a user for it that is not root"))
}

fn has_ended(child: &mut Child) -> bool {
    child.try_wait().expect("it is a child").is_some()
}

fn run(command: &mut Command) {
    output(command);
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{error}: {command:?}"));
    let [out, err] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).trim().to_owned());
    assert!(output.status.success(), "{command:?}\n{out}\n{err}");
    out
}

fn until(mut condition: impl FnMut() -> bool) -> bool {
    let begin = Instant::now();
    while !condition() {
        if begin.elapsed() > PATIENCE {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
    true
}

/// Lets the other threads of the runtime, if there is one, go on.
fn blocking<T>(f: impl FnOnce() -> T) -> T {
    if tokio::runtime::Handle::try_current().is_ok() { block_in_place(f) } else { f() }
}

/// Runs `$@`. Input 3 is the test: when that ends, the test has, too.
const GUARD: &str = r#"
exec 3<&0
"$@" 3<&- < /dev/null &
server=$!
(
  read -r _ <&3
  trap '' TERM
  kill -QUIT $server
  while kill -0 $server; do sleep 0.02; done
  rm -rf "$0"
  rmdir "$(dirname "$0")"
) 2> /dev/null &
watch=$!
wait $server
kill $watch 2> /dev/null
wait $watch
"#;

const PID_FILE: &str = "postmaster.pid";

/// Who may do everything.
const USER: &str = "seawall";

/// A hundred times what anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
