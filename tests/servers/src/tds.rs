//! A server that speaks as much of the protocol of SQL Server as a client needs to be tested, and
//! fails as it is told.
//!
//! Its database counts rows: an `INSERT` adds one, in the connection's transaction if it has one.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// The server, on a loopback port of its own, until it is dropped.
#[derive(Debug)]
pub struct Tds {
    port: u16,
    world: Arc<Mutex<World>>,
    listener: AbortHandle,
}

/// What a connection meets when it logs in.
#[derive(Clone, Debug)]
pub enum Login {
    Works,
    Error(u32),
    Routing(String, u16),
    Drop,
    Stall,
}

/// What a command or a commit meets.
#[derive(Clone, Debug)]
pub enum Reply {
    /// It is executed.
    Works,
    /// It is refused, with an error of class 16.
    Error(u32),
    /// It is refused, and the connection is closed, with an error of class 20.
    Fatal(u32, String),
    /// The connection is cut before it is executed.
    Drop,
    /// The connection is cut when it has been executed.
    ExecuteAndDrop,
    /// It is executed, and never answered.
    Stall,
}

/// What the server has seen and is to do. When nothing is said, all works.
#[derive(Debug, Default)]
struct World {
    logins: VecDeque<Login>,
    commands: VecDeque<Reply>,
    commits: VecDeque<Reply>,
    locks: VecDeque<i32>,
    seen: Vec<String>,
    rows: i32,
    connected: i32,
    open: i32,
    read_only: bool,
    lag: Option<i32>,
    connections: Vec<AbortHandle>,
}

impl Tds {
    /// Starts it on a free port.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let world = Arc::new(Mutex::new(World::default()));
        let accepting = tokio::spawn(accept(listener, Arc::clone(&world)));
        Ok(Self { port, world, listener: accepting.abort_handle() })
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What the next connections meet.
    pub fn logins(&self, logins: impl IntoIterator<Item = Login>) {
        self.world().logins.extend(logins);
    }

    /// What the next commands meet.
    pub fn commands(&self, replies: impl IntoIterator<Item = Reply>) {
        self.world().commands.extend(replies);
    }

    /// What the next commits meet.
    pub fn commits(&self, replies: impl IntoIterator<Item = Reply>) {
        self.world().commits.extend(replies);
    }

    /// What who asks for the lock of another one's commit is told next: 0 and above that he has it.
    pub fn locks(&self, answers: impl IntoIterator<Item = i32>) {
        self.world().locks.extend(answers);
    }

    /// Everything works from now on, and nothing has been seen.
    pub fn forget(&self) {
        let mut world = self.world();
        world.logins.clear();
        world.commands.clear();
        world.commits.clear();
        world.seen.clear();
    }

    /// Waits until it has seen that many logins, commands and ends of transactions.
    pub async fn has_seen(&self, requests: usize) {
        while self.world().seen.len() < requests {
            tokio::task::yield_now().await;
        }
    }

    /// Whether it refuses to insert, as a secondary does.
    pub fn read_only(&self, read_only: bool) {
        self.world().read_only = read_only;
    }

    /// What it says of its secondary's lag, in seconds.
    pub fn lag(&self, lag: impl Into<Option<i32>>) {
        self.world().lag = lag.into();
    }

    /// All that it was asked, in order: `login`, `login read-only`, `begin`, `commit`, or a text.
    #[must_use]
    pub fn seen(&self) -> Vec<String> {
        self.world().seen.clone()
    }

    /// The rows of its database.
    #[must_use]
    pub fn rows(&self) -> i32 {
        self.world().rows
    }

    /// How many connections have logged in.
    #[must_use]
    pub fn connected(&self) -> i32 {
        self.world().connected
    }

    /// How many connections there are.
    #[must_use]
    pub fn open(&self) -> i32 {
        self.world().open
    }

    fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }
}

impl Drop for Tds {
    fn drop(&mut self) {
        self.listener.abort();
        for connection in self.world().connections.drain(..) {
            connection.abort();
        }
    }
}

fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, world: Arc<Mutex<World>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let serving = tokio::spawn({
            let world = Arc::clone(&world);
            async move {
                lock(&world).open += 1;
                // Whatever ends it ends this connection alone.
                drop(serve(stream, &world).await);
                lock(&world).open -= 1;
            }
        });
        lock(&world).connections.push(serving.abort_handle());
    }
}

async fn serve(mut stream: TcpStream, world: &Mutex<World>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (kind, _) = receive(&mut stream).await?;
    if kind != PRELOGIN {
        return Ok(());
    }
    send(&mut stream, &prelogin()).await?;
    let (_, login) = receive(&mut stream).await?;
    let intent =
        if login.get(26).is_some_and(|flags| flags & 0x20 != 0) { " read-only" } else { "" };
    let (step, number) = {
        let mut world = lock(world);
        world.seen.push(format!("login{intent}"));
        let step = world.logins.pop_front().unwrap_or(Login::Works);
        if matches!(step, Login::Works) {
            world.connected += 1;
        }
        (step, world.connected)
    };
    match step {
        Login::Works => send(&mut stream, &[login_ack(), done(0, 0)].concat()).await?,
        Login::Error(number) => {
            let answer = [error(number, 14, "login refused"), done(2, 0)].concat();
            return send(&mut stream, &answer).await;
        }
        Login::Routing(host, port) => {
            let answer = [login_ack(), routing(&host, port), done(0, 0)].concat();
            send(&mut stream, &answer).await?;
            // It is the client who leaves.
            return receive(&mut stream).await.map(drop);
        }
        Login::Drop => return Ok(()),
        Login::Stall => std::future::pending().await,
    }
    let mut session = Session { number, inserted: None };
    loop {
        let (kind, payload) = receive(&mut stream).await?;
        let Some((answer, reply)) = session.answer(kind, &payload, world) else { continue };
        match reply {
            Reply::Works | Reply::Error(_) => send(&mut stream, &answer).await?,
            Reply::Fatal(..) => return send(&mut stream, &answer).await,
            Reply::Drop | Reply::ExecuteAndDrop => return Ok(()),
            Reply::Stall => {
                // A client that goes away is noticed.
                while receive(&mut stream).await.is_ok() {}
                return Ok(());
            }
        }
    }
}

/// One connection.
struct Session {
    number: i32,
    /// The rows of its transaction, if it is in one.
    inserted: Option<i32>,
}

impl Session {
    fn answer(
        &mut self,
        kind: u8,
        payload: &[u8],
        world: &Mutex<World>,
    ) -> Option<(Vec<u8>, Reply)> {
        let mut world = lock(world);
        match kind {
            TRANSACTION => {
                // After all headers, whose length comes first.
                let headers = u32::from_le_bytes(payload.get(..4)?.try_into().ok()?) as usize;
                match payload.get(headers)? {
                    5 => {
                        world.seen.push("begin".into());
                        self.inserted = Some(0);
                        Some(([transaction(8), done(0, 0)].concat(), Reply::Works))
                    }
                    7 => {
                        world.seen.push("commit".into());
                        let reply = world.commits.pop_front().unwrap_or(Reply::Works);
                        let inserted = self.inserted.take().unwrap_or(0);
                        if is_executed(&reply) {
                            world.rows += inserted;
                        }
                        let works = [transaction(9), done(0, 0)].concat();
                        Some((refusal(&reply).unwrap_or(works), reply))
                    }
                    _ => {
                        self.inserted = None;
                        Some(([transaction(10), done(0, 0)].concat(), Reply::Works))
                    }
                }
            }
            BATCH | RPC => {
                let text = text_of(payload);
                world.seen.push(text.clone());
                if text.contains("ROLLBACK") {
                    self.inserted = None;
                    return Some(([transaction(10), done(0, 0)].concat(), Reply::Works));
                }
                if text.contains("sp_getapplock") {
                    let answer = if text.contains("NEWID()") {
                        text_row("6F9619FF-8B86-D011-B42D-00C04FC964FF")
                    } else {
                        int_row(Some(world.locks.pop_front().unwrap_or(0)))
                    };
                    return Some((answer, Reply::Works));
                }
                let mut reply = world.commands.pop_front().unwrap_or(Reply::Works);
                let inserts = text.contains("INSERT");
                if inserts && world.read_only && is_executed(&reply) {
                    reply = Reply::Error(3906);
                }
                if inserts && is_executed(&reply) {
                    match &mut self.inserted {
                        Some(inserted) => *inserted += 1,
                        None => world.rows += 1,
                    }
                }
                let works = if inserts {
                    done(0x10, 1)
                } else if text.contains("COUNT") {
                    int_row(Some(world.rows))
                } else if text.contains("Updateability") {
                    text_row(if world.read_only { "READ_ONLY" } else { "READ_WRITE" })
                } else if text.contains("replication_lag_sec") {
                    int_row(world.lag)
                } else {
                    int_row(Some(self.number))
                };
                Some((refusal(&reply).unwrap_or(works), reply))
            }
            // Others have no answer.
            _ => None,
        }
    }
}

const fn is_executed(reply: &Reply) -> bool {
    !matches!(reply, Reply::Error(_) | Reply::Fatal(..) | Reply::Drop)
}

fn refusal(reply: &Reply) -> Option<Vec<u8>> {
    match reply {
        Reply::Error(number) => Some([error(*number, 16, "refused"), done(2, 0)].concat()),
        Reply::Fatal(number, text) => Some([error(*number, 20, text), done(2, 0)].concat()),
        _ => None,
    }
}

const BATCH: u8 = 1;
const RPC: u8 = 3;
const ANSWER: u8 = 4;
const TRANSACTION: u8 = 14;
const PRELOGIN: u8 = 18;

/// One message, of however many packets.
async fn receive(stream: &mut TcpStream) -> io::Result<(u8, Vec<u8>)> {
    let mut payload = Vec::new();
    loop {
        let mut header = [0; 8];
        stream.read_exact(&mut header).await?;
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let mut packet = vec![0; length.saturating_sub(8)];
        stream.read_exact(&mut packet).await?;
        payload.extend(packet);
        if header[1] & 1 == 1 {
            return Ok((header[0], payload));
        }
    }
}

/// One answer, which fits a packet.
async fn send(stream: &mut TcpStream, payload: &[u8]) -> io::Result<()> {
    let length = u16::try_from(payload.len() + 8).map_err(io::Error::other)?;
    let mut packet = vec![ANSWER, 1];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 0, 1, 0]);
    packet.extend(payload);
    stream.write_all(&packet).await
}

fn prelogin() -> Vec<u8> {
    // Version and encryption, which is not supported.
    let mut answer = vec![0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xFF];
    answer.extend([16, 0, 0, 0, 0, 0, 2]);
    answer
}

fn login_ack() -> Vec<u8> {
    let name = "fake";
    let mut body = vec![1, 0x74, 0, 0, 4];
    body.extend(short_text(name));
    body.extend([16, 0, 0, 0]);
    token(0xAD, &body)
}

/// With status and row count.
fn done(status: u16, rows: u64) -> Vec<u8> {
    let mut done = vec![0xFD];
    done.extend(status.to_le_bytes());
    done.extend([0, 0]);
    done.extend(rows.to_le_bytes());
    done
}

fn error(number: u32, class: u8, text: &str) -> Vec<u8> {
    let mut body = number.to_le_bytes().to_vec();
    body.extend([1, class]);
    body.extend(long_text(text));
    body.extend(short_text("fake"));
    body.extend(short_text(""));
    body.extend(1_u32.to_le_bytes());
    token(0xAA, &body)
}

fn routing(host: &str, port: u16) -> Vec<u8> {
    let mut value = vec![0];
    value.extend(port.to_le_bytes());
    value.extend(long_text(host));
    let mut body = vec![20];
    body.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
    body.extend(value);
    body.extend([0, 0]);
    token(0xE3, &body)
}

/// A transaction has begun (8), was committed (9) or rolled back (10).
fn transaction(kind: u8) -> Vec<u8> {
    const DESCRIPTOR: [u8; 8] = [1, 0, 0, 0, 0, 0, 0, 0];
    let mut body = vec![kind];
    if kind == 8 {
        body.push(8);
        body.extend(DESCRIPTOR);
        body.push(0);
    } else {
        body.push(0);
        body.push(8);
        body.extend(DESCRIPTOR);
    }
    token(0xE3, &body)
}

fn int_row(value: Option<i32>) -> Vec<u8> {
    let mut answer = vec![0x81, 1, 0, 0, 0, 0, 0, 1, 0, 0x26, 4];
    answer.extend(short_text("value"));
    answer.push(0xD1);
    match value {
        Some(value) => {
            answer.push(4);
            answer.extend(value.to_le_bytes());
        }
        None => answer.push(0),
    }
    answer.extend(done(0x10, 1));
    answer
}

fn text_row(value: &str) -> Vec<u8> {
    let mut answer = vec![0x81, 1, 0, 0, 0, 0, 0, 1, 0, 0xE7, 200, 0];
    answer.extend([9, 4, 0xD0, 0, 52]);
    answer.extend(short_text("value"));
    answer.push(0xD1);
    let text: Vec<u8> = value.encode_utf16().flat_map(u16::to_le_bytes).collect();
    answer.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
    answer.extend(text);
    answer.extend(done(0x10, 1));
    answer
}

fn token(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut token = vec![kind];
    token.extend(u16::try_from(body.len()).unwrap_or(u16::MAX).to_le_bytes());
    token.extend(body);
    token
}

/// With its length in a byte.
fn short_text(text: &str) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(text.encode_utf16().count()).unwrap_or(u8::MAX)];
    bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    bytes
}

/// With its length in two bytes.
fn long_text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.encode_utf16().count()).unwrap_or(u16::MAX);
    let mut bytes = length.to_le_bytes().to_vec();
    bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    bytes
}

/// The letters of a batch or a call, wherever they stand.
fn text_of(payload: &[u8]) -> String {
    payload
        .iter()
        .filter(|byte| (b' '..=b'~').contains(*byte))
        .map(|byte| char::from(*byte))
        .collect()
}
