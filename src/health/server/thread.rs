//! The server's thread: listens, accepts, and starts a task for each connection.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener as StdTcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc as channel;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::select;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tower_service::Service;

use super::connection::{End, Ends, Limits, serve};
use super::error::ServeError;
use super::stop::Stop;
use super::table::Table;
#[cfg(feature = "tls")]
use super::tls::Tls;
use crate::backoff::{Backoff, Jitter, Schedule};
use crate::error::{BoxError, InvalidConfig};
use crate::sync::Arc;

/// Connections that the system holds until they are accepted. More than others take, because a
/// probe behind a flood would otherwise be dropped and come again only after a second.
const BACKLOG: u32 = 4_096;

/// What the system may hold for a connection, each way, in bytes. By default it takes megabytes of an
/// answer that nobody reads, which count against the memory of a container.
const SYSTEM_BUFFER: u32 = 64 * 1024;

/// Where connections come from.
#[derive(Debug)]
pub(super) enum Place {
    Address(SocketAddr),
    Listener(StdTcpListener),
}

/// What was checked.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) connections: usize,
    pub(super) limits: Limits,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<Tls>,
}

/// The ends of the lines between a server and its thread that the thread holds.
#[derive(Debug)]
pub(super) struct Lines {
    /// Says where it listens, or why not.
    pub(super) started: channel::Sender<Result<SocketAddr, ServeError>>,
    /// Dropped when the port is free again.
    pub(super) listening: channel::Sender<Infallible>,
    /// Dropped when all is over.
    pub(super) stop: watch::Receiver<Stop>,
}

/// Runs the server until it is told to stop.
pub(super) fn run<S, B>(place: Place, settings: Settings, service: S, lines: Lines)
where
    S: Service<Request<()>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let Lines { started, listening, stop } = lines;
    let (runtime, listener, backoff) = match start(place) {
        Ok(parts) => parts,
        Err(error) => {
            // Whoever waited for it may be gone, and nobody else wants to know.
            let _ = started.send(Err(error));
            return;
        }
    };
    let (listener, address) = listener;
    let _ = started.send(Ok(address));
    runtime.block_on(accept(
        listener,
        backoff,
        Arc::new(settings),
        service,
        listening,
        stop.clone(),
    ));
    // Not to wait for what a service may have left in the blocking pool.
    runtime.shutdown_background();
    drop(stop);
}

fn start(place: Place) -> Result<(Runtime, (TcpListener, SocketAddr), Schedule), ServeError> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(ServeError::Start)?;
    let listener = {
        let _inside = runtime.enter();
        listen(place).map_err(ServeError::Listen)?
    };
    Ok((runtime, listener, backoff()?))
}

/// Waits after an accept that failed: descriptors or memory ran out, mostly.
fn backoff() -> Result<Schedule, InvalidConfig> {
    // One loop on one listener: there is nobody to be spread from.
    Backoff::exponential(Duration::from_millis(5))
        .max(Duration::from_millis(200))
        .jitter(Jitter::None)
        .schedule()
}

fn listen(place: Place) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = match place {
        Place::Address(address) => {
            let socket =
                if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            // Elsewhere it would let another process take the port over.
            #[cfg(unix)]
            socket.set_reuseaddr(true)?;
            // The connections inherit both.
            socket.set_send_buffer_size(SYSTEM_BUFFER)?;
            socket.set_recv_buffer_size(SYSTEM_BUFFER)?;
            socket.bind(address)?;
            socket.listen(BACKLOG)?
        }
        Place::Listener(listener) => {
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener)?
        }
    };
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Accepts until it is told to stop, and then waits for the connections that there are.
async fn accept<S, B>(
    listener: TcpListener,
    backoff: Schedule,
    settings: Arc<Settings>,
    service: S,
    listening: channel::Sender<Infallible>,
    mut stop: watch::Receiver<Stop>,
) where
    S: Service<Request<()>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let table = Table::new(settings.connections);
    let (alive, mut all_gone) = mpsc::channel::<Infallible>(1);
    let mut failures = 0_u32;
    loop {
        let accepted = select! {
            biased;
            _ = stop.wait_for(|stop| *stop != Stop::No) => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, peer)) = accepted else {
            let wait = backoff.wait(failures, Duration::ZERO, 0);
            failures = failures.saturating_add(1);
            select! {
                biased;
                _ = stop.wait_for(|stop| *stop != Stop::No) => break,
                () = sleep(wait) => continue,
            }
        };
        failures = 0;
        // A clone is the user's code. If it panics, there is no service for this connection.
        let Ok(service) = catch_unwind(AssertUnwindSafe(|| service.clone())) else {
            continue;
        };
        let (place, evicted) = table.admit(peer.ip());
        let settings = Arc::clone(&settings);
        let stop = stop.clone();
        let alive = alive.clone();
        tokio::spawn(async move {
            let ends = Ends::new(&settings.limits, evicted, stop);
            connect(stream, peer, service, &settings, place, ends).await;
            drop(alive);
        });
    }
    drop(listener);
    drop(listening);
    drop(alive);
    let now = async {
        let _ = stop.wait_for(|stop| *stop == Stop::Now).await;
    };
    let ended = timeout(settings.limits.life(), all_gone.recv());
    select! {
        () = now => {}
        _ = ended => {}
    }
}

/// Serves one accepted connection, with TLS or without.
async fn connect<S, B>(
    stream: TcpStream,
    peer: SocketAddr,
    service: S,
    settings: &Settings,
    place: super::table::Place,
    #[cfg_attr(not(feature = "tls"), expect(unused_mut, reason = "only TLS waits here"))]
    mut ends: Ends,
) where
    S: Service<Request<()>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    // Answers are one small write: it is not to wait for more. A socket that has gone says so later.
    let _ = stream.set_nodelay(true);
    #[cfg(feature = "tls")]
    if let Some(tls) = &settings.tls {
        let Some(stream) = ends.before_head(tls.accept(stream)).await.and_then(Result::ok) else {
            return;
        };
        let (stream, end) = serve(stream, peer, service, &settings.limits, place, ends).await;
        return close(stream.get_ref().0, end);
    }
    let (stream, end) = serve(stream, peer, service, &settings.limits, place, ends).await;
    close(&stream, end);
}

/// What is cut is reset, so that the system does not go on to send what nobody reads.
fn close(stream: &TcpStream, end: End) {
    if end == End::Cut {
        #[expect(deprecated, reason = "for zero it does not block, and its successor is newer")]
        let _ = stream.set_linger(Some(Duration::ZERO));
    }
}
