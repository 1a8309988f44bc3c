//! Connections that are made in time, and end with their age.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{CaptureConnection, Connected, Connection};
use pin_project::{pin_project, pinned_drop};
use tower_service::Service;

use crate::error::BoxError;
use crate::rng::Rng;
use crate::sync::Mutex;
use crate::telemetry::Environment;
use crate::time::{Clock, Instant, Timer};

/// Connects by `C`, within a time limit, to connections with an age limit.
#[derive(Clone, Debug)]
pub(super) struct Connector<C> {
    inner: C,
    timeout: Duration,
    max_age: Option<Duration>,
    clock: Clock,
    rng: Rng,
}

impl<C> Connector<C> {
    pub(super) fn new(
        inner: C,
        timeout: Duration,
        max_age: Option<Duration>,
        environment: &Environment,
    ) -> Self {
        let (clock, rng) = (environment.clock.clone(), environment.rng.clone());
        Self { inner, timeout, max_age, clock, rng }
    }

    /// The age of the next connection: the longest, or up to a fifth less.
    fn age(&self) -> Option<Duration> {
        let longest = self.max_age?;
        let fifth = u64::try_from((longest / 5).as_nanos()).expect("an age is at most a year");
        Some(longest.saturating_sub(Duration::from_nanos(self.rng.below(fifth))))
    }
}

impl<C> Service<Uri> for Connector<C>
where
    C: Service<Uri, Error: Into<BoxError>>,
    C::Response: Connection,
{
    type Response = Aged<C::Response>;
    type Error = BoxError;
    type Future = Connecting<C::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        Connecting {
            inner: self.inner.call(to),
            deadline: self.clock.now() + self.timeout,
            timer: Timer::idle(),
            age: self.age(),
            clock: self.clock.clone(),
        }
    }
}

/// A connection in the making.
#[pin_project]
pub(super) struct Connecting<F> {
    #[pin]
    inner: F,
    deadline: Instant,
    timer: Timer,
    age: Option<Duration>,
    clock: Clock,
}

impl<F, T, E> Future for Connecting<F>
where
    F: Future<Output = Result<T, E>>,
    T: Connection,
    E: Into<BoxError>,
{
    type Output = Result<Aged<T>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(made) = this.inner.poll(cx) {
            let end = this.age.map(|age| this.clock.now() + age);
            return Poll::Ready(match made {
                Ok(inner) => Ok(Aged::new(inner, end, this.clock.clone())),
                Err(error) => Err(error.into()),
            });
        }
        this.timer.poll_until(*this.deadline, this.clock, cx).map(|()| {
            let late = "the connection was not made in time";
            Err(io::Error::new(io::ErrorKind::TimedOut, late).into())
        })
    }
}

/// A connection that takes no further request once it is too old.
#[pin_project(PinnedDrop)]
#[derive(Debug)]
pub(super) struct Aged<T> {
    #[pin]
    inner: T,
    age: Age,
    /// `None` when it has come, or never comes.
    end: Option<Instant>,
    timer: Timer,
    clock: Clock,
    /// Whether anything was ever sent.
    written: bool,
}

impl<T> Aged<T> {
    fn new(inner: T, end: Option<Instant>, clock: Clock) -> Self {
        Self { inner, age: Age::default(), end, timer: Timer::idle(), clock, written: false }
    }
}

impl<T> Connection for Aged<T>
where
    T: Connection,
{
    fn connected(&self) -> Connected {
        let connected = self.inner.connected();
        if self.end.is_some() { connected.extra(self.age.clone()) } else { connected }
    }
}

impl<T> Read for Aged<T>
where
    T: Read,
{
    /// Is polled all through a connection's life, also while it is idle: hyper waits for its end.
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.project();
        if let Some(end) = *this.end
            && this.timer.poll_until(end, this.clock, cx).is_ready()
        {
            this.age.expire();
            *this.end = None;
            if !*this.written {
                // Made ahead, and never used: the pool takes it for closed by the other end.
                return Poll::Ready(Ok(()));
            }
        }
        this.inner.poll_read(cx, buf)
    }
}

impl<T> Write for Aged<T>
where
    T: Write,
{
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        *this.written = true;
        this.inner.poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        *this.written = true;
        this.inner.poll_write_vectored(cx, bufs)
    }
}

#[pinned_drop]
impl<T> PinnedDrop for Aged<T> {
    fn drop(self: Pin<&mut Self>) {
        self.project().age.close();
    }
}

/// The age of a connection, shared by the connection and by those who send requests on it.
///
/// Only the pool's own record of a connection can take it out of use, and only a request that was
/// sent on it gets to see that record. So the first answer leaves its view of the record here, for
/// the connection to use when its time has come.
#[derive(Clone, Debug, Default)]
pub(super) struct Age(Arc<Mutex<State>>);

#[derive(Debug, Default)]
enum State {
    /// No request was answered yet.
    #[default]
    New,
    Known(CaptureConnection),
    Over,
    /// The connection is gone. The record leads here, so to keep it would keep both for ever.
    Closed,
}

impl Age {
    /// Takes the record that an answered request has seen.
    pub(super) fn know(&self, record: &CaptureConnection) {
        let mut state = self.0.lock();
        match *state {
            State::New => *state = State::Known(record.clone()),
            State::Over => poison(record),
            State::Known(_) | State::Closed => {}
        }
    }

    fn expire(&self) {
        let before = std::mem::replace(&mut *self.0.lock(), State::Over);
        if let State::Known(record) = before {
            poison(&record);
        }
    }

    fn close(&self) {
        let before = std::mem::replace(&mut *self.0.lock(), State::Closed);
        // Outside of the lock: the record may hold the last other reference to it.
        drop(before);
    }
}

fn poison(record: &CaptureConnection) {
    if let Some(connected) = &*record.connection_metadata() {
        connected.poison();
    }
}
