//! A real HTTP server that behaves as the script says.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use http::header::{HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinSet;

use crate::capacity::Worker;
use crate::event::{Event, Run};
use crate::script::{Front, SCRIPT, length, phase_at, spans};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// How often a server tells how much waits in its queue.
const TICK: Duration = Duration::from_millis(250);

/// A server that has its port and does not listen on it yet.
pub(crate) struct Server {
    socket: TcpSocket,
    address: SocketAddr,
}

impl Server {
    /// Reserves a free port on loopback.
    pub(crate) fn new() -> io::Result<Self> {
        let socket = bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Follows the script, and goes on as in its last phase until it is dropped.
    ///
    /// # Errors
    ///
    /// When the port can not be listened on, at first or again after the server was dead.
    pub(crate) async fn serve(self, run: Run, events: Sender<Event>) -> io::Result<Infallible> {
        let desk = Desk::new(run, events);
        let mut door = Door::Open(self.socket.listen(BACKLOG)?);
        let mut connections = JoinSet::new();
        let mut ticks = tokio::time::interval_at(run.at(TICK), TICK);
        for (phase, _, to) in spans() {
            door = match (phase.front, door) {
                (Front::Gone, Door::Open(listener)) => {
                    drop(listener);
                    connections.shutdown().await;
                    // Held, so that no other socket is given this port in the meantime.
                    Door::Shut(bind(self.address)?)
                }
                (Front::Serve | Front::Refuse | Front::Reset, Door::Shut(reserved)) => {
                    Door::Open(reserved.listen(BACKLOG)?)
                }
                (_, door) => door,
            };
            let over = run.at(Duration::from_secs(to.into()));
            while to == length() || tokio::time::Instant::now() < over {
                tokio::select! {
                    () = tokio::time::sleep_until(over), if to < length() => {}
                    accepted = door.accept() => match accepted {
                        Ok(stream) => {
                            connections.spawn(connection(stream, desk.clone()));
                        }
                        // Out of files, or a client that left at once: neither is the end.
                        Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                    },
                    _ = ticks.tick() => desk.tell_backlog().await,
                    // Reaps what has ended, so that the set stays as small as what is open.
                    Some(_) = connections.join_next() => {}
                }
            }
        }
        unreachable!("the last phase does not end")
    }
}

enum Door {
    Open(TcpListener),
    /// Bound and not listening: connections are refused.
    Shut(TcpSocket),
}

impl Door {
    async fn accept(&self) -> io::Result<TcpStream> {
        match self {
            Self::Open(listener) => listener.accept().await.map(|(stream, _)| stream),
            Self::Shut(_) => pending().await,
        }
    }
}

/// Where requests are taken in; shared by all connections of a server.
///
/// The queue stands behind the front, as a data base stands behind a web server. So it outlives
/// the front's death, and what was once taken in is worked off whether or not anyone waits for it.
#[derive(Clone)]
struct Desk {
    run: Run,
    events: Sender<Event>,
    worker: Arc<Mutex<Worker>>,
}

impl Desk {
    fn new(run: Run, events: Sender<Event>) -> Self {
        let rates =
            SCRIPT.iter().map(|phase| (Duration::from_secs(phase.seconds.into()), phase.rate));
        Self { run, events, worker: Arc::new(Mutex::new(Worker::new(rates))) }
    }

    fn tell(&self, event: Event) {
        // Nobody listens any more once the figures are being drawn up.
        let _ = self.events.send(event);
    }

    async fn tell_backlog(&self) {
        let at = self.run.elapsed();
        let requests = self.worker.lock().await.waiting(at);
        self.tell(Event::Backlog { at, requests });
    }

    /// Takes a request in and says when it will be done, or `None` if the queue is full.
    ///
    /// A function of its own, so that the worker is not locked while the answer is waited for.
    async fn take_in(&self, now: Duration) -> Option<Duration> {
        self.worker.lock().await.take(now)
    }

    /// Answers a request, or lets its connection be reset.
    async fn answer(self, reset: Arc<Notify>) -> Result<Response<Full<Bytes>>, Infallible> {
        let now = self.run.elapsed();
        self.tell(Event::Reached { at: now });
        match phase_at(now).1.front {
            Front::Serve => match self.take_in(now).await {
                Some(done_at) => {
                    tokio::time::sleep_until(self.run.at(done_at)).await;
                    Ok(Response::new(Full::from("done\n")))
                }
                None => Ok(unavailable("the queue is full\n")),
            },
            Front::Refuse => {
                let mut response = unavailable("not now\n");
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
                Ok(response)
            }
            Front::Reset | Front::Gone => {
                reset.notify_one();
                pending().await
            }
        }
    }
}

/// Serves one connection until it ends or is reset.
async fn connection(stream: TcpStream, desk: Desk) {
    let reset = Arc::new(Notify::new());
    let service = service_fn(|_| desk.clone().answer(reset.clone()));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // How a connection ends is the client's to judge.
        _ = &mut connection => {}
        () = reset.notified() => {
            let stream = connection.into_parts().io.into_inner();
            // Without lingering, what is dropped is reset. Where that can not be set, the client
            // still sees its connection end without an answer.
            let _ = stream.set_zero_linger();
        }
    }
}

fn unavailable(why: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(why));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
}

/// Binds a socket and does not listen on it.
fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    // Elsewhere this lets a port be taken again while old connections linger; on Windows it would
    // let others take it too.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::sync::mpsc;

    use futures_util::FutureExt as _;
    use http_body_util::{BodyExt as _, Empty};
    use hyper::Request;
    use hyper_util::client::legacy;
    use hyper_util::rt::TokioExecutor;

    use super::*;

    #[tokio::test]
    async fn a_server_that_is_well_answers() {
        for second in [5, 34] {
            let answer = answer_in(second).await.unwrap();

            assert_eq!(answer.status(), StatusCode::OK, "in second {second}");
            assert_eq!(answer.body(), "done\n");
        }
    }

    #[tokio::test]
    async fn a_server_that_refuses_says_when_to_come_back() {
        let answer = answer_in(17).await.unwrap();

        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers()[RETRY_AFTER], "1");
    }

    #[tokio::test]
    async fn a_connection_is_reset_and_not_just_closed() {
        let error = answer_in(27).await.unwrap_err();

        assert!(!error.is_connect());
        assert_eq!(cause(&error), Some(io::ErrorKind::ConnectionReset));
    }

    #[tokio::test]
    async fn a_dead_server_refuses_connections_and_keeps_its_port() {
        let error = answer_in(31).await.unwrap_err();

        assert!(error.is_connect());
        assert_eq!(cause(&error), Some(io::ErrorKind::ConnectionRefused));
    }

    #[tokio::test]
    async fn a_request_is_told_of_and_its_work_stays_when_its_client_has_gone() {
        let (sender, events) = mpsc::channel();
        let desk = Desk::new(Run::began_before(Duration::from_secs(21)), sender);

        // The worker hangs, so the answers are far off. One client waits, the others leave at once.
        let mut patient = Box::pin(desk.clone().answer(Arc::default()));
        assert!((&mut patient).now_or_never().is_none());
        for _ in 0..2 {
            assert!(desk.clone().answer(Arc::default()).now_or_never().is_none());
        }

        assert_eq!(events.try_iter().count(), 3);
        let next = desk.take_in(desk.run.elapsed()).await.unwrap();
        // Three are done before, and the worker works again from second 25 on.
        assert!((next.as_secs_f64() - (25.0 + 4.0 / 300.0)).abs() < 1e-6, "{next:?}");
    }

    /// What a request gets from a server that follows the script since `second` seconds.
    async fn answer_in(second: u64) -> Result<Response<Bytes>, legacy::Error> {
        let server = Server::new().unwrap();
        let address = server.address();
        let run = Run::began_before(Duration::from_millis(1_000 * second + 100));
        tokio::spawn(server.serve(run, mpsc::channel().0));
        // The server listens, or has ceased to, when it first waits.
        tokio::task::yield_now().await;

        let request = Request::get(format!("http://{address}/orders/0"));
        let client = legacy::Client::builder(TokioExecutor::new()).build_http();
        let answer = client.request(request.body(Empty::<Bytes>::new()).unwrap()).await?;
        let (parts, body) = answer.into_parts();
        Ok(Response::from_parts(parts, body.collect().await.unwrap().to_bytes()))
    }

    /// The kind of the system's error at the bottom of `error`.
    fn cause(error: &legacy::Error) -> Option<io::ErrorKind> {
        let sources = std::iter::successors(error.source(), |error| (*error).source());
        sources.filter_map(|error| error.downcast_ref::<io::Error>()).map(io::Error::kind).last()
    }
}
