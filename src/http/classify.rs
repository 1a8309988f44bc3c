//! What an HTTP answer, or the lack of one, says about the service.
//!
//! [`ByStatus`] judges answers by their status and by the wait that they ask for, and errors by
//! what is known of them. Each answer is looked at in place; nothing is allocated.
//!
//! | status                                    | means                                   | may have run |
//! |-------------------------------------------|-----------------------------------------|--------------|
//! | 1xx, 2xx, 3xx                             | success                                 | yes          |
//! | 408                                       | transient                               | yes          |
//! | 429                                       | overload, with the wait it asks for     | no           |
//! | other 4xx                                 | permanent: the service is well          | yes          |
//! | 501, 505                                  | permanent                               | yes          |
//! | 503 with a [`Retry-After`](super::retry_after()) of any kind | overload, with that wait | no        |
//! | 503 without, other 5xx, no status at all (600 and above) | transient                | yes          |
//!
//! | error                                     | means                                   | may have run |
//! |-------------------------------------------|-----------------------------------------|--------------|
//! | a rejection of a policy further in        | as [`ByResult`] says                    | as its reason says |
//! | no connection could be made               | transient                               | no           |
//! | the request's own body failed             | neutral: not the service's doing        | yes          |
//! | any other                                 | transient                               | yes          |
//!
//! *May have run* decides whether a request that is not idempotent can be sent again. For `429` the
//! quota headers ([`quota_reset`]) count as well. A wait of zero is passed on
//! as an overload without a wait, so that it leads to the caller's own backoff and not to an
//! immediate repeat.
//!
//! Which errors mean that there was no connection is known for hyper-util's client (feature
//! `client`), for a refused connection as [`io::Error`], and for boxes of them. For other clients
//! there is [`ByStatus::never_sent`], and [`ByStatus::foreign`] for those that have answers of their
//! own; until one says so, every error is one after which the call may have run.
//!
//! Errors are told by their type, so they are `'static`. The compiler forgets that of a bare
//! [`BoxError`] when a call is given to `tokio::spawn`
//! (<https://github.com/rust-lang/rust/issues/110338>): a client that fails with one gets it into a
//! type with a name first, `struct Boxed(BoxError)`, by tower's `map_err`.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{Extensions, HeaderMap, Response, StatusCode};

use super::retry_after::{quota_reset, retry_after};
use crate::error::{BoxError, Error, Reject};
use crate::outcome::{ByResult, Classify, Outcome};

/// Judges HTTP answers by their status. [The module's page](self) has the table.
///
/// Clones share their exceptions. It can be cloned and used from any thread.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use http::{Response, StatusCode};
/// use seawall::Outcome;
/// use seawall::error::BoxError;
/// use seawall::http::{ByStatus, Meaning};
/// use seawall::outcome::Classify;
///
/// let by_status = ByStatus::new().status(StatusCode::CONFLICT, Meaning::Transient);
/// let judge = |response: &Response<()>| {
///     Classify::<_, BoxError>::classify(&by_status, Ok(response))
/// };
///
/// let busy = Response::builder().status(503).header("retry-after", "2").body(())?;
/// let wait = Some(Duration::from_secs(2));
/// assert_eq!(judge(&busy), Outcome::Overload { retry_after: wait });
///
/// let conflict = Response::builder().status(409).body(())?;
/// assert_eq!(judge(&conflict), Outcome::Transient);
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ByStatus {
    /// `None` costs a clone nothing.
    rules: Option<Arc<Rules>>,
}

#[derive(Clone, Default)]
struct Rules {
    /// Sorted by status.
    meanings: Vec<(StatusCode, Meaning)>,
    never_sent: Vec<NeverSent>,
}

type NeverSent = Arc<dyn Fn(&dyn Any) -> bool + Send + Sync>;

/// What a status means.
///
/// # Example
///
/// ```
/// use http::StatusCode;
/// use seawall::http::{ByStatus, Meaning};
///
/// assert_eq!(ByStatus::new().meaning(StatusCode::NOT_FOUND), Meaning::Permanent);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Meaning {
    /// No evidence about the service. See [`Outcome::Neutral`].
    Neutral,
    /// The service has turned the call away unexecuted, with or without a wait. See
    /// [`Outcome::Overload`].
    Overload,
    /// The service is well; this call can not succeed. See [`Outcome::Permanent`].
    Permanent,
    /// [`Overload`](Self::Overload) when the service says when to come back, and
    /// [`Transient`](Self::Transient) when it does not.
    Shed,
    /// The service gave the answer. See [`Outcome::Success`].
    Success,
    /// The service failed. See [`Outcome::Transient`].
    Transient,
}

/// Marks an answer after which nobody knows whether the call took effect.
///
/// Found in the extensions of the last answer to a call that is not safe to repeat, when it may
/// have been executed and the answer does not say so.
///
/// # Example
///
/// ```
/// use http::Response;
/// use seawall::http::Ambiguous;
///
/// fn must_ask_again_what_happened<B>(response: &Response<B>) -> bool {
///     response.extensions().get::<Ambiguous>().is_some()
/// }
///
/// assert!(!must_ask_again_what_happened(&Response::new(())));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a mark holds nothing")]
pub struct Ambiguous;

impl ByStatus {
    /// Judges as in [the table](self).
    #[must_use]
    pub const fn new() -> Self {
        Self { rules: None }
    }

    /// Gives `status` another meaning. The last word on a status counts.
    #[must_use]
    pub fn status(self, status: StatusCode, meaning: Meaning) -> Self {
        self.change(|rules| match rules.find(status) {
            Ok(at) => rules.meanings[at].1 = meaning,
            Err(at) => rules.meanings.insert(at, (status, meaning)),
        })
    }

    /// Adds a rule for errors `E`, or [`Error<E>`], by which no connection could be made.
    ///
    /// Needed for clients that [this module](self) does not know, so that a call which never left is
    /// known to be safe to send again. May be called for several types.
    ///
    /// # Example
    ///
    /// With reqwest, this is `ByStatus::new().never_sent(reqwest::Error::is_connect)`, and with an
    /// error of one's own:
    ///
    /// ```
    /// use http::Response;
    /// use seawall::Error;
    /// use seawall::http::ByStatus;
    /// use seawall::outcome::Classify;
    ///
    /// #[derive(Debug, PartialEq)]
    /// enum Failure {
    ///     NoConnection,
    ///     Reset,
    /// }
    ///
    /// let refused = |failure: &Failure| *failure == Failure::NoConnection;
    /// let classify = ByStatus::new().never_sent(refused);
    /// let may_have_run = |failure| {
    ///     classify.may_have_run(Err::<&Response<()>, _>(&Error::Service(failure)))
    /// };
    /// assert!(!may_have_run(Failure::NoConnection));
    /// assert!(may_have_run(Failure::Reset));
    /// ```
    #[must_use]
    pub fn never_sent<E>(self, is: fn(&E) -> bool) -> Self
    where
        E: 'static,
    {
        let rule: NeverSent = Arc::new(move |error| inside::<E>(error).is_some_and(is));
        self.change(|rules| rules.never_sent.push(rule))
    }

    fn change(self, change: impl FnOnce(&mut Rules)) -> Self {
        let mut rules = self.rules.unwrap_or_default();
        change(Arc::make_mut(&mut rules));
        Self { rules: Some(rules) }
    }

    /// What `status` means.
    #[must_use]
    pub fn meaning(&self, status: StatusCode) -> Meaning {
        if let Some(rules) = &self.rules
            && let Ok(at) = rules.find(status)
        {
            return rules.meanings[at].1;
        }
        match status.as_u16() {
            ..400 => Meaning::Success,
            429 => Meaning::Overload,
            503 => Meaning::Shed,
            501 | 505 => Meaning::Permanent,
            408 | 500.. => Meaning::Transient,
            _ => Meaning::Permanent,
        }
    }

    /// Judges an answer of which only status and headers are at hand.
    ///
    /// `now` is the wall clock, for headers that name a time of day.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::SystemTime;
    ///
    /// use http::{HeaderMap, StatusCode};
    /// use seawall::Outcome;
    /// use seawall::http::ByStatus;
    ///
    /// let outcome =
    ///     ByStatus::new().judge(StatusCode::NOT_FOUND, &HeaderMap::new(), SystemTime::now());
    /// assert_eq!(outcome, Outcome::Permanent);
    /// ```
    #[must_use]
    pub fn judge(&self, status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Outcome {
        self.judge_at(status, headers, || now)
    }

    /// Judges the answers of an HTTP client that has types of its own.
    ///
    /// The four functions say where an answer has its status, headers and extensions, and whether an
    /// error means that no connection could be made. The result judges answers `T` and errors
    /// [`Error<E>`], which is what a service with errors `E` has behind
    /// [`WrapLayer`](crate::error::WrapLayer).
    ///
    /// # Example
    ///
    /// With reqwest, this is
    ///
    /// ```text
    /// ByStatus::new().foreign(
    ///     reqwest::Response::status,
    ///     reqwest::Response::headers,
    ///     reqwest::Response::extensions_mut,
    ///     reqwest::Error::is_connect,
    /// )
    /// ```
    ///
    /// and with a client of one's own:
    ///
    /// ```
    /// use http::{Extensions, HeaderMap, StatusCode};
    /// use seawall::http::ByStatus;
    /// use seawall::outcome::Classify;
    /// use seawall::{Error, Outcome};
    ///
    /// struct Answer {
    ///     status: StatusCode,
    ///     headers: HeaderMap,
    ///     extensions: Extensions,
    /// }
    ///
    /// enum Failure {
    ///     NoConnection,
    ///     Other,
    /// }
    ///
    /// let classify = ByStatus::new().foreign(
    ///     |answer: &Answer| answer.status,
    ///     |answer| &answer.headers,
    ///     |answer| &mut answer.extensions,
    ///     |failure: &Failure| matches!(failure, Failure::NoConnection),
    /// );
    ///
    /// let refused = Error::Service(Failure::NoConnection);
    /// assert_eq!(classify.classify(Err(&refused)), Outcome::Transient);
    /// assert!(!classify.may_have_run(Err(&refused)));
    /// assert!(classify.may_have_run(Err(&Error::Service(Failure::Other))));
    /// ```
    #[must_use]
    pub const fn foreign<T, E>(
        self,
        status: fn(&T) -> StatusCode,
        headers: fn(&T) -> &HeaderMap,
        extensions: fn(&mut T) -> &mut Extensions,
        never_sent: fn(&E) -> bool,
    ) -> Foreign<T, E> {
        Foreign { by_status: self, status, headers, extensions, never_sent }
    }

    fn judge_at(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        now: impl FnOnce() -> SystemTime,
    ) -> Outcome {
        // A wait of zero leaves the wait to the caller.
        let some = |wait: Option<Duration>| wait.filter(|wait| !wait.is_zero());
        match self.meaning(status) {
            Meaning::Neutral => Outcome::Neutral,
            Meaning::Permanent => Outcome::Permanent,
            Meaning::Success => Outcome::Success,
            Meaning::Transient => Outcome::Transient,
            Meaning::Shed => match retry_after(headers, now()) {
                None => Outcome::Transient,
                wait => Outcome::Overload { retry_after: some(wait) },
            },
            Meaning::Overload => {
                let now = now();
                let wait = retry_after(headers, now).or_else(|| quota_reset(headers, now));
                Outcome::Overload { retry_after: some(wait) }
            }
        }
    }

    fn error_was_never_sent<E: 'static>(&self, error: &E) -> bool {
        let by_rule = |rules: &Rules| rules.never_sent.iter().any(|rule| rule(error));
        Known::of(error).never_sent() || self.rules.as_deref().is_some_and(by_rule)
    }

    /// A service that says how full it is has not executed the call.
    fn answer_may_have_run(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        !matches!(self.judge_at(status, headers, SystemTime::now), Outcome::Overload { .. })
    }
}

impl Rules {
    fn find(&self, status: StatusCode) -> Result<usize, usize> {
        self.meanings.binary_search_by_key(&status, |(status, _)| *status)
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = self.never_sent.len();
        f.debug_struct("Rules")
            .field("meanings", &self.meanings)
            .field("never_sent", &rules)
            .finish()
    }
}

impl<B, E> Classify<Response<B>, E> for ByStatus
where
    E: Reject + 'static,
{
    fn classify(&self, result: Result<&Response<B>, &E>) -> Outcome {
        match result {
            Ok(response) => self.judge_at(response.status(), response.headers(), SystemTime::now),
            Err(error) if error.rejection().is_none() && Known::of(error).is_own_body() => {
                Outcome::Neutral
            }
            Err(error) => ByResult.classify(Err::<&(), _>(error)),
        }
    }

    fn may_have_run(&self, result: Result<&Response<B>, &E>) -> bool {
        match result {
            Ok(response) => self.answer_may_have_run(response.status(), response.headers()),
            Err(error) if error.rejection().is_none() => !self.error_was_never_sent(error),
            Err(error) => ByResult.may_have_run(Err::<&(), _>(error)),
        }
    }

    fn ambiguous(&self, mut response: Response<B>) -> Response<B> {
        response.extensions_mut().insert(Ambiguous);
        response
    }
}

/// Judges the answers of an HTTP client that has types of its own. Made by [`ByStatus::foreign`].
///
/// # Example
///
/// ```
/// use http::Response;
/// use seawall::http::{ByStatus, Foreign};
///
/// let classify: Foreign<Response<()>, std::io::Error> = ByStatus::new().foreign(
///     Response::status,
///     Response::headers,
///     Response::extensions_mut,
///     |error| error.kind() == std::io::ErrorKind::ConnectionRefused,
/// );
/// # let _ = classify;
/// ```
pub struct Foreign<T, E> {
    by_status: ByStatus,
    status: fn(&T) -> StatusCode,
    headers: fn(&T) -> &HeaderMap,
    extensions: fn(&mut T) -> &mut Extensions,
    never_sent: fn(&E) -> bool,
}

impl<T, E> Classify<T, Error<E>> for Foreign<T, E> {
    fn classify(&self, result: Result<&T, &Error<E>>) -> Outcome {
        match result {
            Ok(answer) => self.by_status.judge_at(
                (self.status)(answer),
                (self.headers)(answer),
                SystemTime::now,
            ),
            Err(error) => ByResult.classify(Err::<&(), _>(error)),
        }
    }

    fn may_have_run(&self, result: Result<&T, &Error<E>>) -> bool {
        match result {
            Ok(answer) => {
                self.by_status.answer_may_have_run((self.status)(answer), (self.headers)(answer))
            }
            Err(Error::Rejected(rejection)) => rejection.reason().may_have_run(),
            Err(Error::Service(error) | Error::Ambiguous(error)) => !(self.never_sent)(error),
        }
    }

    fn ambiguous(&self, mut answer: T) -> T {
        (self.extensions)(&mut answer).insert(Ambiguous);
        answer
    }
}

impl<T, E> Clone for Foreign<T, E> {
    fn clone(&self) -> Self {
        Self { by_status: self.by_status.clone(), ..*self }
    }
}

impl<T, E> fmt::Debug for Foreign<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Foreign").field("by_status", &self.by_status).finish_non_exhaustive()
    }
}

/// The error `E` that a stack was given, or has made of it.
fn inside<E: 'static>(error: &dyn Any) -> Option<&E> {
    error.downcast_ref::<E>().or_else(|| error.downcast_ref::<Error<E>>()?.service())
}

/// An error of a client that is known to this crate.
struct Known<'a>(Option<&'a (dyn StdError + 'static)>);

impl<'a> Known<'a> {
    /// Finds it in what a stack may have made of it.
    fn of<E: 'static>(error: &'a E) -> Self {
        let error: &dyn Any = error;
        let boxed = || inside::<BoxError>(error).map(|error| &**error as &(dyn StdError + 'static));
        let io = || inside::<io::Error>(error).map(|error| error as _);
        #[cfg(feature = "client")]
        let client = || inside::<hyper_util::client::legacy::Error>(error).map(|error| error as _);
        #[cfg(not(feature = "client"))]
        let client = || None;
        Self(boxed().or_else(client).or_else(io))
    }

    /// Whether some error along the chain says that no connection could be made.
    fn never_sent(&self) -> bool {
        self.any(|error| {
            #[cfg(feature = "client")]
            if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
                return error.is_connect();
            }
            error.downcast_ref::<io::Error>().is_some_and(|error| {
                // An unreachable host is no proof: a connection that stands can report it, too.
                error.kind() == io::ErrorKind::ConnectionRefused
            })
        })
    }

    /// Whether the body that was to be sent failed.
    fn is_own_body(&self) -> bool {
        self.any(|error| {
            #[cfg(feature = "client")]
            if let Some(error) = error.downcast_ref::<hyper::Error>() {
                return error.is_user();
            }
            let _ = error;
            false
        })
    }

    fn any(&self, is: impl Fn(&(dyn StdError + 'static)) -> bool) -> bool {
        let mut next = self.0;
        let chain = std::iter::from_fn(|| {
            let error = next?;
            next = error.source();
            Some(error)
        });
        chain.take(MOST_SOURCES).any(is)
    }
}

/// An error whose sources go round in a circle must not hang a call.
const MOST_SOURCES: usize = 32;
