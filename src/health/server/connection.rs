//! One connection, from its first byte to its last.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{oneshot, watch};
use tokio::time::{Sleep, sleep};
use tower_service::Service;

use super::answer::Answer;
use super::head::Watched;
use super::progress::Progress;
use super::stop::Stop;
use super::table::Place;
use crate::error::BoxError;
use crate::sync::Arc;

/// What is read of a refused request, so that its sender gets to see the answer.
const REST: u64 = 64 * 1024;
/// The answer to a request line that is too long.
const URI_TOO_LONG: &[u8] =
    b"HTTP/1.1 414 URI Too Long\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// What holds for every connection.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    http: http1::Builder,
    head: Duration,
    life: Duration,
    /// What a request line may have in bytes.
    line: usize,
}

impl Limits {
    pub(super) fn new(
        head: Duration,
        life: Duration,
        keep_alive: bool,
        buffer: usize,
        headers: usize,
    ) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(head)
            .keep_alive(keep_alive)
            // Whoever has sent all of his request may say so.
            .half_close(true)
            .max_buf_size(buffer)
            .max_headers(headers);
        Self { http, head, life, line: buffer / 2 }
    }

    pub(super) const fn life(&self) -> Duration {
        self.life
    }
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    /// By itself, or for want of a request.
    Closed,
    /// By us, while it was at work: what has not been sent is not to be.
    Cut,
}

/// What ends a connection from outside: time, a newer connection, the server's own end.
pub(super) struct Ends {
    head: Pin<Box<Sleep>>,
    life: Pin<Box<Sleep>>,
    evicted: oneshot::Receiver<()>,
    stop: watch::Receiver<Stop>,
}

impl Ends {
    /// Time counts from here.
    pub(super) fn new(
        limits: &Limits,
        evicted: oneshot::Receiver<()>,
        stop: watch::Receiver<Stop>,
    ) -> Self {
        Self {
            head: Box::pin(sleep(limits.head)),
            life: Box::pin(sleep(limits.life)),
            evicted,
            stop,
        }
    }

    /// What `first` gives, unless the connection has to end before.
    #[cfg(any(test, feature = "tls"))]
    pub(super) async fn before_head<F>(&mut self, first: F) -> Option<F::Output>
    where
        F: Future,
    {
        let mut first = pin!(first);
        poll_fn(|cx| match first.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => self.poll_before_head(cx).map(|_| None),
        })
        .await
    }

    /// Ready once the connection has to end, before its first request is read.
    pub(super) fn poll_before_head(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        if self.head.as_mut().poll(cx).is_ready() {
            return Poll::Ready(End::Closed);
        }
        self.poll(cx)
    }

    /// Ready once the connection has to end.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let over = self.life.as_mut().poll(cx).is_ready();
        if over || Pin::new(&mut self.evicted).poll(cx).is_ready() {
            return Poll::Ready(End::Cut);
        }
        Poll::Pending
    }
}

/// Serves one connection and gives its transport back.
pub(super) async fn serve<T, S, B>(
    transport: T,
    peer: SocketAddr,
    service: S,
    limits: &Limits,
    place: Place,
    mut ends: Ends,
) -> (T, End)
where
    T: AsyncRead + AsyncWrite + Unpin,
    S: Service<Request<()>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let progress = Arc::new(Progress::new(place));
    let answer = Answer::new(service, peer, Arc::clone(&progress));
    let transport = Watched::new(transport, Arc::clone(&progress), limits.line);
    let mut connection = limits.http.serve_connection(
        TokioIo::new(transport),
        service_fn(move |request| answer.answer(request)),
    );

    let mut stop = ends.stop.clone();
    let mut stopped = pin!(stop.wait_for(|stop| *stop != Stop::No));
    let mut stopping = false;
    let ended = poll_fn(|cx| {
        if let Poll::Ready(result) = Pin::new(&mut connection).poll(cx) {
            return Poll::Ready(Ok(result));
        }
        if let Some(time) = progress.take_longer() {
            ends.life.set(sleep(time));
        }
        if !stopping && stopped.as_mut().poll(cx).is_ready() {
            stopping = true;
            Pin::new(&mut connection).graceful_shutdown();
            // It may have been idle, and have ended by this.
            cx.waker().wake_by_ref();
        }
        let end = if progress.was_asked() { ends.poll(cx) } else { ends.poll_before_head(cx) };
        end.map(Err)
    })
    .await;

    let mut transport = connection.into_parts().io.into_inner().into_inner();
    let result = match ended {
        Ok(result) => result,
        Err(end) => return (transport, end),
    };
    if result.is_err_and(|error| error.is_parse()) {
        progress.left_unread();
    }
    if !progress.has_unread() {
        return (transport, End::Closed);
    }
    ends.head.set(sleep(limits.head));
    let end = {
        let mut rest = pin!(refuse(&mut transport, progress.is_line_too_long()));
        poll_fn(|cx| match rest.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(End::Closed),
            Poll::Pending => ends.poll_before_head(cx),
        })
        .await
    };
    (transport, end)
}

/// Sends the last word, and reads some of what the peer has yet to say: a connection that is closed
/// before is reset, and the answer may be lost to the peer.
///
/// Nothing can be done about an error here.
async fn refuse<T>(transport: &mut T, line_too_long: bool)
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    if line_too_long {
        let _ = transport.write_all(URI_TOO_LONG).await;
    }
    let _ = transport.shutdown().await;
    let _ = tokio::io::copy(&mut transport.take(REST), &mut tokio::io::sink()).await;
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::{Ready, pending, ready};
    use std::net::{Ipv4Addr, SocketAddr};
    use std::time::Duration;

    use http::{Request, Response};
    use http_body_util::Empty;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::sync::watch;
    use tokio::time::Instant;
    use tower::service_fn;

    use super::{End, Ends, Limits, serve};
    use crate::health::server::stop::Stop;
    use crate::health::server::table::{Place, Table};

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn the_time_for_the_first_head_counts_from_the_beginning() {
        let (mut ends, place, limits, _stop) = ends(&Table::new(1));
        let (ours, _theirs) = duplex(1024);
        let begin = Instant::now();

        let early = ends.before_head(tokio::time::sleep(3 * SECOND / 2)).await;
        assert_eq!(early, Some(()));
        let (_, end) = run(ours, place, &limits, ends).await;

        assert_eq!(end, End::Closed);
        assert_eq!(begin.elapsed().as_secs(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_before_the_first_head_has_no_more_time_than_that() {
        let (mut ends, _place, _limits, _stop) = ends(&Table::new(1));
        let begin = Instant::now();

        assert_eq!(ends.before_head(pending::<()>()).await, None);
        assert_eq!(begin.elapsed().as_secs(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pushed_out_connection_ends_at_once() {
        let table = Table::new(1);
        let (mut first, _place, _limits, _stop) = ends(&table);
        let (second, place, limits, _stop) = ends_of(&table, 2);
        let begin = Instant::now();

        assert_eq!(first.before_head(pending::<()>()).await, None);
        let (ours, _theirs) = duplex(1024);
        let (_third, ..) = ends_of(&table, 3);
        assert_eq!(run(ours, place, &limits, second).await.1, End::Cut);

        assert_eq!(begin.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_moves_the_end_to_the_limit_and_no_further() {
        let (ends, place, limits, _stop) = ends(&Table::new(1));
        let (ours, mut theirs) = duplex(1024);
        theirs.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let begin = Instant::now();

        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let never = service_fn(|_: Request<()>| pending::<Result<Response<Empty<&[u8]>>, ()>>());
        let (_, end) = serve(ours, peer, never, &limits, place, ends).await;

        assert_eq!(end, End::Cut);
        assert_eq!(begin.elapsed().as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_peer_that_goes_on_sending_is_not_heard_for_long() {
        let (ends, place, limits, _stop) = ends(&Table::new(1));
        let (ours, theirs) = duplex(1024);
        let (mut reader, mut writer) = tokio::io::split(theirs);
        let begin = Instant::now();

        let sending = async {
            let head = b"POST / HTTP/1.1\r\ncontent-length: 9999\r\n\r\n";
            writer.write_all(head).await.unwrap();
            while writer.write_all(b"x").await.is_ok() {
                tokio::time::sleep(SECOND / 10).await;
            }
        };
        let mut answer = String::new();
        let serving = async {
            drop(run(ours, place, &limits, ends).await);
            begin.elapsed()
        };
        let (served, (), read) = tokio::join!(serving, sending, reader.read_to_string(&mut answer));

        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert_eq!(read.unwrap(), answer.len());
        assert_eq!(served.as_secs(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_an_idle_connection_and_not_one_at_work() {
        let (ends, place, limits, stop) = ends(&Table::new(1));
        let (ours, mut theirs) = duplex(1024);
        let begin = Instant::now();
        let serving = tokio::spawn(async move { run(ours, place, &limits, ends).await.1 });
        theirs.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let read = theirs.read(&mut [0; 1024]).await.unwrap();
        assert!(read > 0);

        stop.send_replace(Stop::Gracefully);

        assert_eq!(serving.await.unwrap(), End::Closed);
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }

    /// With keep-alive, 2 s for a head and 10 s for all.
    fn ends(table: &Table) -> (Ends, Place, Limits, watch::Sender<Stop>) {
        ends_of(table, 1)
    }

    fn ends_of(table: &Table, host: u8) -> (Ends, Place, Limits, watch::Sender<Stop>) {
        let limits = Limits::new(2 * SECOND, 10 * SECOND, true, 8 * 1024, 16);
        let (place, evicted) = table.admit(Ipv4Addr::new(127, 0, 0, host).into());
        let (stop, stopped) = watch::channel(Stop::No);
        (Ends::new(&limits, evicted, stopped), place, limits, stop)
    }

    async fn run(
        transport: DuplexStream,
        place: Place,
        limits: &Limits,
        ends: Ends,
    ) -> (DuplexStream, End) {
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let service = service_fn(|_: Request<()>| -> Ready<Result<_, Infallible>> {
            ready(Ok(Response::new(Empty::<&[u8]>::new())))
        });
        serve(transport, peer, service, limits, place, ends).await
    }
}
