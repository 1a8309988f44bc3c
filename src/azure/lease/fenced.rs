//! A blob that only the leader writes.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use azure_core::error::ErrorKind;
use azure_core::http::Etag;
use azure_core::{Bytes, Error};
use azure_storage_blob::BlobClient;
use azure_storage_blob::models::{
    BlobClientDownloadOptions, BlobClientSetMetadataOptions, BlobClientUploadOptions,
};

use super::judge::{exists, is_conflict, is_missing, is_repeated};
use super::record::{Record, marks, of_the_primary};
use crate::azure::Contract;
use crate::error::BoxError;
use crate::lease::{Claim, Epoch, Stale};
use crate::telemetry::Environment;
use crate::time::{Clock, Timer};

/// A block blob that refuses what a former leader writes.
///
/// Its metadata holds the greatest epoch that has [opened](Self::open) it, and every write is made on
/// the condition that nothing has changed since: the service itself refuses one that was overtaken,
/// however long its writer stood still.
///
/// Give it a client that does not repeat anything, or does so by [`Resilience`](crate::azure::Resilience),
/// which marks the answer: the refusal of a write that the SDK has repeated by itself looks as if
/// none had been made.
///
/// Clones share the client.
///
/// # Example
///
/// ```
/// use azure_storage_blob::BlobClient;
/// use seawall::azure::lease::{FencedBlob, FencedError};
/// use seawall::lease::Leadership;
///
/// async fn lead(leadership: Leadership, ledger: BlobClient) -> Result<(), FencedError> {
///     let ledger = FencedBlob::new(ledger);
///     let term = leadership.leading().await;
///
///     let (content, mut writer) = ledger.open(term.epoch()).await?;
///     let mut lines = content.to_vec();
///     lines.extend_from_slice(b"one more\n");
///     writer.write(lines).await
/// }
/// # let _ = lead;
/// ```
#[derive(Clone)]
pub struct FencedBlob {
    line: Line,
}

/// Writes a [`FencedBlob`] in one epoch.
///
/// See [`FencedBlob`] for an example.
pub struct FencedWriter {
    line: Line,
    epoch: Epoch,
    record: Record,
    etag: Etag,
    /// Begins the marks of all its writes: what bears one was written by this writer.
    id: Arc<str>,
    writes: u64,
}

impl FencedBlob {
    /// The blob that `client` is for. It is created when it is first opened; its container has to be
    /// there.
    #[must_use]
    pub fn new(client: BlobClient) -> Self {
        Self::new_in(client, &Environment::new())
    }

    /// The same, by the clock of `environment`.
    #[must_use]
    pub fn new_in(client: BlobClient, environment: &Environment) -> Self {
        let clock = environment.clock.clone();
        Self { line: Line { client: Arc::new(client), clock, timeout: TIMEOUT } }
    }

    /// What each request to the service may take, with the content that goes with it. One that is
    /// cut may be carried out all the same, which ends as [`FencedError::Ambiguous`]. Zero cuts all
    /// that are not answered at once. Holds for what is opened afterwards.
    ///
    /// Default: 10 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.line.timeout = timeout;
        self
    }

    /// Shuts all earlier epochs out, then reads the blob: what is returned stays true until the
    /// writer writes, or a newer leader opens it. Empty for a blob that was not there.
    ///
    /// Whoever had it open in the same epoch is shut out as well. Four requests; the content is held
    /// in memory.
    ///
    /// # Errors
    ///
    /// [`FencedError::Stale`] if a later epoch has opened it.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it may have shut the earlier epochs out, and nothing else.
    pub async fn open(&self, epoch: Epoch) -> Result<(Bytes, FencedWriter), FencedError> {
        let id: Arc<str> = Claim::new("").term().into();
        let mark = format!("{id}/0");
        let mut last = FencedError::Conflict;
        for _ in 0..ROUNDS {
            let record = match self.line.ask(Record::read(&self.line.client, None)).await {
                Ok(record) => record.map_err(FencedError::Malformed)?,
                Err(error) if is_missing(&error) => {
                    self.create(epoch, &mark).await?;
                    continue;
                }
                Err(error) => return Err(FencedError::of(error)),
            };
            if record.epoch > epoch {
                return Err(Stale::new(epoch, record.epoch).into());
            }
            if record.mark.as_deref() != Some(&mark) {
                if let Err(error) = self.claim(&record, epoch, &mark).await? {
                    last = error;
                }
                continue;
            }
            let options = BlobClientDownloadOptions {
                if_match: Some(record.etag.clone()),
                method_options: of_the_primary(),
                ..BlobClientDownloadOptions::default()
            };
            let download =
                async { self.line.client.download(Some(options)).await?.body.collect().await };
            match self.line.ask(download).await {
                Ok(content) => {
                    let (line, etag) = (self.line.clone(), record.etag.clone());
                    let writer = FencedWriter { line, epoch, record, etag, id, writes: 0 };
                    return Ok((content, writer));
                }
                Err(error) if is_conflict(&error) => {}
                Err(error) => return Err(FencedError::of(error)),
            }
        }
        Err(last)
    }

    async fn create(&self, epoch: Epoch, mark: &str) -> Result<(), FencedError> {
        let options = BlobClientUploadOptions {
            metadata: Some(marks(epoch, mark, None)),
            ..BlobClientUploadOptions::default().if_not_exists()
        };
        let upload = self.line.client.upload(Bytes::new().into(), Some(options));
        match self.line.ask(upload).await {
            Ok(_) => Ok(()),
            Err(error) if exists(&error) || may_have_run(&error) => Ok(()),
            Err(error) => Err(FencedError::of(error)),
        }
    }

    /// Writes the epoch. An inner error is for the next round to look at.
    async fn claim(
        &self,
        record: &Record,
        epoch: Epoch,
        mark: &str,
    ) -> Result<Result<(), FencedError>, FencedError> {
        let metadata = record.with(epoch, mark, None);
        let options = BlobClientSetMetadataOptions {
            if_match: Some(record.etag.clone()),
            ..BlobClientSetMetadataOptions::default()
        };
        let set = self.line.client.set_metadata(&metadata, Some(options));
        match self.line.ask(set).await {
            Ok(_) => Ok(Ok(())),
            Err(error) if is_conflict(&error) => Ok(Err(FencedError::Conflict)),
            Err(error) if may_have_run(&error) => Ok(Err(FencedError::of(error))),
            Err(error) => Err(FencedError::of(error)),
        }
    }
}

/// A way to the blob, and how long it may take.
#[derive(Clone)]
struct Line {
    client: Arc<BlobClient>,
    clock: Clock,
    timeout: Duration,
}

impl Line {
    /// Waits for an answer, but not for ever: then nobody knows whether it was done.
    async fn ask<T>(
        &self,
        request: impl Future<Output = azure_core::Result<T>>,
    ) -> azure_core::Result<T> {
        let until = self.clock.now() + self.timeout;
        let mut request = pin!(request);
        let mut timer = Timer::idle();
        poll_fn(|cx| {
            if let Poll::Ready(result) = request.as_mut().poll(cx) {
                return Poll::Ready(result);
            }
            let cut = || Err(Error::with_message(ErrorKind::Io, "no answer in time"));
            timer.poll_until(until, &self.clock, cx).map(|()| cut())
        })
        .await
    }
}

impl FencedWriter {
    /// The epoch that it writes in.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Replaces the whole content. It is there, and under this epoch, when this ends well.
    ///
    /// One request when all is well. A write whose answer is lost is looked up by its mark.
    ///
    /// # Errors
    ///
    /// - [`FencedError::Stale`] if a later epoch has opened the blob: nothing was written, and
    ///   nothing will be.
    /// - [`FencedError::Conflict`] if somebody else has changed it, or opened it in the same epoch: as
    ///   above.
    /// - [`FencedError::Ambiguous`] if nobody knows whether it was written. Write again, and it is
    ///   known: one of the two is refused by the service. That the second one is `Stale` or a
    ///   `Conflict` does not tell what became of the first: whoever has opened the blob meanwhile has
    ///   read it, with that write or without.
    ///
    /// # Cancel safety
    ///
    /// A write that is dropped may be made all the same; the next one finds out.
    pub async fn write(&mut self, content: impl Into<Bytes>) -> Result<(), FencedError> {
        let content = content.into();
        self.writes += 1;
        let mark = format!("{}/{}", self.id, self.writes);
        for _ in 0..ROUNDS {
            let options = BlobClientUploadOptions {
                metadata: Some(self.record.with(self.epoch, &mark, None)),
                if_match: Some(self.etag.clone()),
                ..BlobClientUploadOptions::default()
            };
            let upload = self.line.client.upload(content.clone().into(), Some(options));
            // The end of it that nobody saw, if so. It is settled by the end of the round, or told of.
            let unseen = match self.line.ask(upload).await {
                Ok(answer) => match answer.etag {
                    Some(etag) => {
                        self.etag = etag;
                        return Ok(());
                    }
                    None => Some(Error::with_message(
                        ErrorKind::DataConversion,
                        "the answer has no ETag",
                    )),
                },
                Err(error) if is_conflict(&error) => is_repeated(&error).then_some(error),
                Err(error) if may_have_run(&error) => Some(error),
                Err(error) => return Err(FencedError::of(error)),
            };
            let there = match self.line.ask(Record::read(&self.line.client, None)).await {
                Ok(there) => there.map_err(FencedError::Malformed)?,
                // Whatever became of the question, it is the write that matters.
                Err(error) => return Err(FencedError::Ambiguous(unseen.unwrap_or(error))),
            };
            if there.epoch > self.epoch {
                // Who has opened it has put a mark of their own over the one that would tell.
                return Err(match unseen {
                    Some(error) => FencedError::Ambiguous(error),
                    None => Stale::new(self.epoch, there.epoch).into(),
                });
            }
            let is_last = there.etag == self.etag;
            match (there.mark, unseen) {
                (Some(there_mark), _) if there_mark == mark => {
                    self.etag = there.etag;
                    return Ok(());
                }
                // It may still be on its way.
                (_, Some(error)) if is_last => return Err(FencedError::Ambiguous(error)),
                // An earlier one of this writer, whose end it did not see, was made after all. Both
                // were for the same ETag, so this one was not, and never will be.
                (Some(there_mark), _) if there_mark.starts_with(&*self.id) => {
                    self.etag = there.etag;
                }
                // Somebody else, before this one or after it.
                (_, Some(error)) => return Err(FencedError::Ambiguous(error)),
                (_, None) => return Err(FencedError::Conflict),
            }
        }
        Err(FencedError::Conflict)
    }
}

/// Why a [`FencedBlob`] was not opened or written.
///
/// # Example
///
/// ```
/// use seawall::azure::lease::FencedError;
/// use seawall::lease::{Epoch, Stale};
///
/// let error = FencedError::from(Stale::new(Epoch::new(7), Epoch::new(8)));
/// assert_eq!(error.to_string(), "written in epoch 7, but epoch 8 has begun");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum FencedError {
    /// A newer leader has taken over: stop. Tell
    /// [`Leadership::heard_of`](crate::lease::Leadership::heard_of).
    Stale(Stale),
    /// Nobody knows whether it was done.
    Ambiguous(Error),
    /// It was not done.
    Store(Error),
    /// Somebody changes the blob who is not meant to, or opened it in the same epoch.
    Conflict,
    /// What the blob says of itself can not be read.
    Malformed(BoxError),
}

impl FencedError {
    fn of(error: Error) -> Self {
        if may_have_run(&error) { Self::Ambiguous(error) } else { Self::Store(error) }
    }
}

impl From<Stale> for FencedError {
    fn from(stale: Stale) -> Self {
        Self::Stale(stale)
    }
}

impl fmt::Display for FencedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale(stale) => stale.fmt(f),
            Self::Ambiguous(error) => write!(f, "the blob may have been written: {error}"),
            Self::Store(error) => write!(f, "the blob was not written: {error}"),
            Self::Conflict => f.write_str("the blob was changed by somebody else"),
            Self::Malformed(error) => write!(f, "the blob can not be understood: {error}"),
        }
    }
}

impl std::error::Error for FencedError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Stale(stale) => Some(stale),
            Self::Ambiguous(error) | Self::Store(error) => Some(error),
            Self::Conflict => None,
            Self::Malformed(error) => Some(&**error),
        }
    }
}

/// Without the query, which may be a signature.
impl fmt::Debug for FencedBlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FencedBlob").field("blob", &self.line.client.url().path()).finish()
    }
}

impl fmt::Debug for FencedWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FencedWriter")
            .field("blob", &self.line.client.url().path())
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}

fn may_have_run(error: &Error) -> bool {
    Contract::storage().may_have_run_error(error)
}

const TIMEOUT: Duration = Duration::from_secs(10);
/// How often it is looked again when somebody was faster.
const ROUNDS: usize = 5;
