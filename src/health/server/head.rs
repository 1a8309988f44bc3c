//! Watches the request line go by.
//!
//! The HTTP library bounds the whole head of a request and answers 431 when it is too long. That
//! the request line alone is too long is told apart here, because it has a status of its own.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::progress::Progress;
use crate::sync::Arc;

/// A transport whose reader fails once a request line is too long.
#[pin_project]
#[derive(Debug)]
pub(super) struct Watched<T> {
    #[pin]
    inner: T,
    progress: Arc<Progress>,
    /// What a request line may have in bytes.
    longest: usize,
    /// What the present one has so far.
    read: usize,
}

impl<T> Watched<T> {
    pub(super) const fn new(inner: T, progress: Arc<Progress>, longest: usize) -> Self {
        Self { inner, progress, longest, read: 0 }
    }

    pub(super) fn into_inner(self) -> T {
        self.inner
    }
}

impl<T> AsyncRead for Watched<T>
where
    T: AsyncRead,
{
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.project();
        let before = buffer.filled().len();
        ready!(this.inner.poll_read(cx, buffer))?;
        if !this.progress.is_in_line() {
            *this.read = 0;
            return Poll::Ready(Ok(()));
        }
        let new = buffer.filled().get(before..).unwrap_or_default();
        let end = new.iter().position(|byte| *byte == b'\n');
        *this.read += end.unwrap_or(new.len());
        if *this.read > *this.longest {
            this.progress.line_was_too_long();
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        if end.is_some() {
            *this.read = 0;
            this.progress.line_ended();
        }
        Poll::Ready(Ok(()))
    }
}

impl<T> AsyncWrite for Watched<T>
where
    T: AsyncWrite,
{
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}
