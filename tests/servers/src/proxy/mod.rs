//! A proxy between a client and its server, for faults on the wire.

mod body;
mod fault;
mod socket;

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use azure_core::http::Url;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{client, server};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

pub use self::fault::{Fault, Rule, When};

use self::body::{Answer, cut, throttle};
use self::socket::Socket;
use crate::port;
use crate::seen::Seen;

/// Passes HTTP/1 requests on to a server of this machine, each over a connection of its own, unless it was told otherwise.
///
/// It reads a request as a whole before it passes it on, and passes the answer on as it comes.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    rules: Mutex<Vec<Rule>>,
    seen: Mutex<Vec<Seen>>,
    swallows: AtomicBool,
    busy: AtomicUsize,
    busiest: AtomicUsize,
}

impl Proxy {
    /// A proxy in front of the server at that port.
    ///
    /// # Panics
    ///
    /// If there is no loopback port.
    pub async fn start(server: u16) -> Self {
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, server));
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port::free()));
        let shared = Shared {
            server,
            rules: Mutex::default(),
            seen: Mutex::default(),
            swallows: AtomicBool::new(false),
            busy: AtomicUsize::new(0),
            busiest: AtomicUsize::new(0),
        };
        let proxy = Self { address, shared: Arc::new(shared), listener: Mutex::default() };
        proxy.listen().await;
        proxy
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `url` by way of this proxy.
    ///
    /// # Panics
    ///
    /// If the address has no port.
    #[must_use]
    pub fn url(&self, mut url: Url) -> Url {
        url.set_port(Some(self.address.port())).expect("the address has a port");
        url
    }

    /// Does `fault` to requests that `when` holds for. Of several rules for a request, the newest that is not used up
    /// counts.
    pub fn fault(&self, when: When, fault: Fault) -> Rule {
        let rule = Rule::new(when, fault);
        lock(&self.shared.rules).insert(0, rule.clone());
        rule
    }

    /// Forgets all faults, and listens.
    ///
    /// # Panics
    ///
    /// As [`listen`](Self::listen).
    pub async fn heal(&self) {
        lock(&self.shared.rules).clear();
        if self.shared.swallows.swap(false, Ordering::SeqCst) {
            self.refuse().await;
        }
        self.listen().await;
    }

    /// Cuts all connections, and from then on takes new ones, and never reads from them: a black hole.
    ///
    /// # Panics
    ///
    /// As [`listen`](Self::listen).
    pub async fn swallow(&self) {
        self.refuse().await;
        self.shared.swallows.store(true, Ordering::SeqCst);
        self.listen().await;
    }

    /// Cuts all connections, and listens no more.
    pub async fn refuse(&self) {
        let listener = lock(&self.listener).take();
        if let Some(listener) = listener {
            listener.abort();
            // The port is only free once the task is gone.
            let _ = listener.await;
        }
    }

    /// Listens again, at the same port.
    ///
    /// # Panics
    ///
    /// If the port has been taken meanwhile.
    pub async fn listen(&self) {
        if lock(&self.listener).is_some() {
            return;
        }
        let listener = TcpListener::bind(self.address).await.expect("the port is ours");
        *lock(&self.listener) = Some(tokio::spawn(accept(listener, Arc::clone(&self.shared))));
    }

    /// All requests that came in so far, the oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Seen> {
        lock(&self.shared.seen).clone()
    }

    /// The most requests that it had at once.
    #[must_use]
    pub fn most_at_once(&self) -> usize {
        self.shared.busiest.load(Ordering::SeqCst)
    }

    /// How many of them `when` holds for.
    #[must_use]
    pub fn count(&self, when: &When) -> usize {
        lock(&self.shared.seen).iter().filter(|seen| when.holds(seen)).count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(listener) = lock(&self.listener).take() {
            listener.abort();
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            if shared.swallows.load(Ordering::SeqCst) {
                let _open = stream;
                pending::<()>().await;
                return;
            }
            let each = service_fn(move |request| {
                let shared = Arc::clone(&shared);
                async move { shared.pass(request).await }
            });
            let io = TokioIo::new(Socket::new(stream));
            // It ends with an error wherever a fault cuts it.
            let _ = server::conn::http1::Builder::new().serve_connection(io, each).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

impl Shared {
    async fn pass(&self, request: Request<Incoming>) -> Result<Response<Answer>, io::Error> {
        let _busy = Busy::new(self);
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let seen = Seen::new(&head, body.clone());
        let fault = lock(&self.rules).iter().find_map(|rule| rule.applies(&seen));
        lock(&self.seen).push(seen);
        let request = Request::from_parts(head, Full::new(body));
        let whole = |answer: Response<Incoming>| {
            answer.map(|body| body.map_err(io::Error::other).boxed_unsync())
        };
        match fault {
            None => Ok(whole(self.forward(request).await?)),
            Some(Fault::Hang) => pending().await,
            Some(Fault::Reset) => Err(broken()),
            Some(Fault::LoseAnswer) => {
                self.forward(request)
                    .await?
                    .into_body()
                    .collect()
                    .await
                    .map_err(io::Error::other)?;
                Err(broken())
            }
            Some(Fault::CutAnswer(after)) => {
                Ok(self.forward(request).await?.map(|body| cut(body, after)))
            }
            Some(Fault::Delay(time)) => {
                sleep(time).await;
                Ok(whole(self.forward(request).await?))
            }
            Some(Fault::Slow(rate)) => {
                Ok(self.forward(request).await?.map(|body| throttle(body, rate)))
            }
            Some(Fault::Answer { status, headers, body }) => {
                let mut answer = Response::builder().status(status);
                for (name, value) in headers {
                    answer = answer.header(name, value);
                }
                answer
                    .body(Full::new(Bytes::from(body)).map_err(never).boxed_unsync())
                    .map_err(io::Error::other)
            }
        }
    }

    async fn forward(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, io::Error> {
        let stream = TcpStream::connect(self.server).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) =
            client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        // It ends with its request.
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(io::Error::other)
    }
}

/// Counts a request until it is answered, or gone.
struct Busy<'a>(&'a Shared);

impl<'a> Busy<'a> {
    fn new(shared: &'a Shared) -> Self {
        let busy = shared.busy.fetch_add(1, Ordering::SeqCst) + 1;
        shared.busiest.fetch_max(busy, Ordering::SeqCst);
        Self(shared)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::SeqCst);
    }
}

fn broken() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

fn never(never: Infallible) -> io::Error {
    match never {}
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
