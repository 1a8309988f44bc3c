//! What each service of Azure promises: which answers pass, which calls may be sent twice, how long
//! to wait.
//!
//! # Example
//!
//! ```
//! use std::time::{Duration, SystemTime};
//!
//! use azure_core::http::headers::Headers;
//! use azure_core::http::{Method, Request, StatusCode, Url};
//! use seawall::Outcome;
//! use seawall::azure::Contract;
//! use seawall::azure::contract::Executed;
//! use seawall::replay::Safety;
//!
//! let storage = Contract::storage();
//!
//! // A wait counts on every status that passes, and in each of its forms.
//! let mut headers = Headers::new();
//! headers.insert("x-ms-retry-after-ms", "1500");
//! let wait = Some(Duration::from_millis(1500));
//! let outcome = storage.judge(StatusCode::BadGateway, &headers, SystemTime::now());
//! assert_eq!(outcome, Outcome::Overload { retry_after: wait });
//! // Nobody knows how far a bad gateway got.
//! assert_eq!(storage.executed(StatusCode::BadGateway, &headers), Executed::MayBe);
//!
//! // PUT is idempotent, and this one is not.
//! let url = Url::parse("https://a.blob.core.windows.net/logs/today?comp=appendblock")?;
//! assert_eq!(storage.safety(&Request::new(url, Method::Put)), Safety::Unsafe);
//! # Ok::<(), azure_core::Error>(())
//! ```
//!
//! # Which to use
//!
//! | contract | for | its table |
//! |---|---|---|
//! | [`Contract::ai_search`] | AI Search | [`rows`](Contract::rows) |
//! | [`Contract::app_configuration`] | App Configuration | [`rows`](Contract::rows) |
//! | [`Contract::arm`] | Azure Resource Manager | [manual](crate::manual::arm) |
//! | [`Contract::event_hubs`] | Event Hubs | [manual](crate::manual::messaging) |
//! | [`Contract::identity`] | tokens of Microsoft Entra ID | [manual](crate::manual::identity) |
//! | [`Contract::key_vault`] | Key Vault | [manual](crate::manual::key_vault) |
//! | [`Contract::managed_identity`] | tokens of a machine's metadata service | [`rows`](Contract::rows) |
//! | [`Contract::open_ai`] | Azure OpenAI | [manual](crate::manual::open_ai) |
//! | [`Contract::redis`] | Redis | [manual](crate::manual::redis) |
//! | [`Contract::service_bus`] | Service Bus | [manual](crate::manual::messaging) |
//! | [`Contract::storage`] | blobs, queues, tables, files, data lakes | [`rows`](Contract::rows) |
//! | [`Contract::generic`] | any other service over HTTP | [`rows`](Contract::rows) |
//!
//! # How it decides
//!
//! By rows, of which the first that fits counts. A service's own come before those that all have in
//! common. The waits are those of [`retry_after`](crate::http::retry_after()), the whole family, whatever the
//! status is: the SDK's own retry looks at them on `429` and `503` only. A wait of zero, or one that
//! can not be read, is none.
//!
//! | an error of the SDK | means | may have run |
//! |---|---|---|
//! | with an answer | as the answer | as the answer |
//! | the server's certificate is not valid | neutral: no repeat makes it valid | no |
//! | `Connection` | transient | no |
//! | `Io` | transient | yes |
//! | `Credential` | neutral: the credential has retried by itself; [`Contract::retry_after`] finds its wait | no |
//! | `DataConversion` | permanent: the answer is there, and can not be read | yes |
//! | `Other` | neutral: nothing that the service did | yes |
//! | a rejection of a policy | as [`ByResult`] says | as its reason says |
//!
//! # Cost
//!
//! An answer that works is two comparisons of its status and a look into its headers. A failure with
//! a wait allocates a handful of headers.

mod ai_search;
mod app_configuration;
mod arm;
mod common;
mod generic;
mod identity;
mod key_vault;
mod messaging;
mod open_ai;
mod redis;
mod row;
mod storage;

pub use row::{Row, Section};

use std::fmt;
use std::time::{Duration, SystemTime};

use azure_core::Error;
use azure_core::http::headers::{HeaderName, Headers};
use azure_core::http::{AsyncRawResponse, Request, StatusCode};

use super::classify::{
    Answer, Call, Doubt, Failure, Judged, Match, Operation, Reason, hint, hint_of, quota, str_of,
};
use crate::error::Reject;
use crate::outcome::{ByResult, Classify, Outcome};
use crate::replay::Safety;
use crate::stack;

/// What a service promises. [The module's page](self) has an example.
///
/// A small value: clones and copies are cheap, and the tables are constants.
#[derive(Clone, Copy)]
pub struct Contract {
    table: &'static Table,
    repeats_versions: bool,
    repeats_inference: bool,
    waits_for_busy: bool,
}

/// Whether an attempt at a call was executed, as far as its answer tells.
///
/// # Example
///
/// ```
/// use seawall::azure::contract::Executed;
///
/// assert!(!Executed::No.is_possible());
/// assert!(Executed::MayBe.is_possible());
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "policies decide by all three")]
pub enum Executed {
    /// It was turned away, and is safe to send again whatever it is.
    No,
    /// Nobody knows.
    MayBe,
    /// It was.
    Yes,
}

impl Executed {
    /// Whether the call may have been executed.
    #[must_use]
    pub const fn is_possible(self) -> bool {
        match self {
            Self::No => false,
            Self::MayBe | Self::Yes => true,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::MayBe => "maybe",
            Self::Yes => "yes",
        }
    }
}

/// The rows of a service. Of each kind in several parts, as services share some.
#[derive(Debug)]
struct Table {
    name: &'static str,
    answers: &'static [&'static [Answer]],
    operations: &'static [&'static [Operation]],
    doubts: &'static [&'static [Doubt]],
    reasons: &'static [Reason],
    reasons_by: Match,
    stack: fn() -> stack::Config,
}

impl Table {
    const fn new(stack: fn() -> stack::Config) -> Self {
        Self {
            name: "",
            answers: &[],
            operations: &[],
            doubts: &[],
            reasons: &[],
            reasons_by: Match::Whole,
            stack,
        }
    }

    fn answer(&self, judged: &Judged<'_>) -> Option<&'static Answer> {
        self.answers.iter().copied().flatten().find(|row| row.fits(judged))
    }

    fn operation(&self, call: &Call<'_>) -> Option<&'static Operation> {
        self.operations.iter().copied().flatten().find(|row| (row.fits)(call))
    }

    fn doubt(&self, call: &Call<'_>) -> Option<&'static Doubt> {
        self.doubts.iter().copied().flatten().find(|row| (row.fits)(call))
    }

    fn reason(&self, said: &str) -> Option<&'static Reason> {
        self.reasons.iter().find(|row| row.fits(self.reasons_by, said))
    }
}

impl Contract {
    /// Blobs, queues, tables, files and data lakes.
    #[must_use]
    pub const fn storage() -> Self {
        Self::new(&storage::STORAGE)
    }

    /// Secrets, keys and certificates of Key Vault.
    #[must_use]
    pub const fn key_vault() -> Self {
        Self::new(&key_vault::KEY_VAULT)
    }

    /// Tokens of Microsoft Entra ID.
    #[must_use]
    pub const fn identity() -> Self {
        Self::new(&identity::IDENTITY)
    }

    /// Tokens of a virtual machine's metadata service. The SDK's credential repeats calls to it by
    /// itself, and its [`stack`](Self::stack) leaves that to it.
    #[must_use]
    pub const fn managed_identity() -> Self {
        Self::new(&identity::MANAGED_IDENTITY)
    }

    /// Azure Resource Manager.
    #[must_use]
    pub const fn arm() -> Self {
        Self::new(&arm::ARM)
    }

    /// Models of Azure OpenAI.
    #[must_use]
    pub const fn open_ai() -> Self {
        Self::new(&open_ai::OPEN_AI)
    }

    /// App Configuration.
    #[must_use]
    pub const fn app_configuration() -> Self {
        Self::new(&app_configuration::APP_CONFIGURATION)
    }

    /// AI Search.
    #[must_use]
    pub const fn ai_search() -> Self {
        Self::new(&ai_search::AI_SEARCH)
    }

    /// Service Bus, over AMQP and over HTTP.
    #[must_use]
    pub const fn service_bus() -> Self {
        Self::new(&messaging::SERVICE_BUS)
    }

    /// Event Hubs, over AMQP and over HTTP.
    #[must_use]
    pub const fn event_hubs() -> Self {
        Self::new(&messaging::EVENT_HUBS)
    }

    /// Redis.
    #[must_use]
    pub const fn redis() -> Self {
        Self::new(&redis::REDIS)
    }

    /// Any service over HTTP that has no contract of its own here.
    #[must_use]
    pub const fn generic() -> Self {
        Self::new(&generic::GENERIC)
    }

    const fn new(table: &'static Table) -> Self {
        Self { table, repeats_versions: false, repeats_inference: true, waits_for_busy: true }
    }

    /// Whether calls that make another version of the same each time may be sent twice, as those
    /// that set a secret of Key Vault. The latest version is right either way; what is left over is
    /// one more of them.
    ///
    /// Default: no.
    #[must_use]
    pub const fn repeat_versions(mut self, yes: bool) -> Self {
        self.repeats_versions = yes;
        self
    }

    /// Whether calls that change nothing and cost money may be sent twice, as those that ask a
    /// model. When not, they are repeated only while they certainly have not been executed.
    ///
    /// Default: yes.
    #[must_use]
    pub const fn repeat_inference(mut self, yes: bool) -> Self {
        self.repeats_inference = yes;
        self
    }

    /// Whether to wait for what is busy, such as a container that is being deleted. When not, such an
    /// answer is final.
    ///
    /// Default: yes.
    #[must_use]
    pub const fn wait_for_busy(mut self, yes: bool) -> Self {
        self.waits_for_busy = yes;
        self
    }

    /// The service's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.table.name
    }

    /// Whether `request` may be executed twice.
    ///
    /// # Example
    ///
    /// ```
    /// use azure_core::http::{Method, Request, Url};
    /// use seawall::azure::Contract;
    /// use seawall::replay::Safety;
    ///
    /// let url = Url::parse("https://a.blob.core.windows.net/photos/1.jpg")?;
    /// let mut upload = Request::new(url, Method::Put);
    /// assert_eq!(Contract::storage().safety(&upload), Safety::Idempotent);
    ///
    /// // If it succeeds unseen, its repeat is told that the blob exists.
    /// upload.insert_header("if-none-match", "*");
    /// assert_eq!(Contract::storage().safety(&upload), Safety::Unsafe);
    /// # Ok::<(), azure_core::Error>(())
    /// ```
    #[must_use]
    pub fn safety(&self, request: &Request) -> Safety {
        let row = self.table.operation(&Call::new(request));
        row.map_or(Safety::Unsafe, |row| row.safety(self.repeats_versions, self.repeats_inference))
    }

    /// What an answer of the service means.
    ///
    /// `now` is the wall clock, for headers that name a time of day. Never panics, whatever the
    /// headers hold.
    #[must_use]
    pub fn judge(&self, status: StatusCode, headers: &Headers, now: SystemTime) -> Outcome {
        self.judge_coded(status, code_of(headers), headers, now)
    }

    /// What an answer means whose code is in its body, as that of Resource Manager and of models.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::SystemTime;
    ///
    /// use azure_core::http::StatusCode;
    /// use azure_core::http::headers::Headers;
    /// use seawall::Outcome;
    /// use seawall::azure::Contract;
    ///
    /// let code = Some("ServerBusy");
    /// let (headers, now) = (Headers::new(), SystemTime::now());
    /// let outcome = Contract::generic().judge_coded(StatusCode::BadRequest, code, &headers, now);
    /// assert_eq!(outcome, Outcome::Overload { retry_after: None });
    /// ```
    #[must_use]
    pub fn judge_coded(
        &self,
        status: StatusCode,
        code: Option<&str>,
        headers: &Headers,
        now: SystemTime,
    ) -> Outcome {
        let judged = judged(status, code, headers);
        self.table.answer(&judged).map_or(unknown(judged.status), |row| {
            row.outcome(self.waits_for_busy, || {
                let by_quota = || row.is_overload().then(|| quota(headers, now)).flatten();
                hint(headers, now).or_else(by_quota)
            })
        })
    }

    /// What an error of the SDK means. [The module's page](self) has the table.
    ///
    /// Reads the wall clock for headers that name a time of day.
    ///
    /// # Example
    ///
    /// ```
    /// use azure_core::error::{Error, ErrorKind};
    /// use seawall::Outcome;
    /// use seawall::azure::Contract;
    ///
    /// let reset = Error::with_message(ErrorKind::Io, "connection reset");
    /// assert_eq!(Contract::storage().judge_error(&reset), Outcome::Transient);
    ///
    /// let no_token = Error::with_message(ErrorKind::Credential, "no token");
    /// assert_eq!(Contract::storage().judge_error(&no_token), Outcome::Neutral);
    /// ```
    #[must_use]
    pub fn judge_error(&self, error: &Error) -> Outcome {
        if error.rejection().is_some() {
            return ByResult.classify(Err::<&(), _>(error));
        }
        match Failure::of(error) {
            Failure::Answered { status, code, headers } => {
                let none = Headers::new();
                let headers = headers.unwrap_or(&none);
                let code = code_of(headers).or(code);
                self.judge_coded(StatusCode::from(status), code, headers, SystemTime::now())
            }
            Failure::Broken | Failure::Unreached => Outcome::Transient,
            Failure::Unreadable => Outcome::Permanent,
            Failure::Certificate | Failure::Credential | Failure::Local => Outcome::Neutral,
        }
    }

    /// Whether the call that ended with this error may have been executed.
    ///
    /// # Example
    ///
    /// ```
    /// use azure_core::error::{Error, ErrorKind};
    /// use seawall::azure::Contract;
    ///
    /// let refused = Error::with_message(ErrorKind::Connection, "connection refused");
    /// assert!(!Contract::storage().may_have_run_error(&refused));
    ///
    /// let reset = Error::with_message(ErrorKind::Io, "connection reset");
    /// assert!(Contract::storage().may_have_run_error(&reset));
    /// ```
    #[must_use]
    pub fn may_have_run_error(&self, error: &Error) -> bool {
        if error.rejection().is_some() {
            return ByResult.may_have_run(Err::<&(), _>(error));
        }
        match Failure::of(error) {
            Failure::Answered { status, code, headers } => {
                let none = Headers::new();
                let headers = headers.unwrap_or(&none);
                let code = code_of(headers).or(code);
                self.executed_coded(StatusCode::from(status), code, headers).is_possible()
            }
            Failure::Certificate | Failure::Credential | Failure::Unreached => false,
            Failure::Broken | Failure::Local | Failure::Unreadable => true,
        }
    }

    /// Whether the call that was answered so has been executed.
    #[must_use]
    pub fn executed(&self, status: StatusCode, headers: &Headers) -> Executed {
        self.executed_coded(status, code_of(headers), headers)
    }

    /// The same for an answer whose code is in its body.
    #[must_use]
    pub fn executed_coded(
        &self,
        status: StatusCode,
        code: Option<&str>,
        headers: &Headers,
    ) -> Executed {
        let row = self.table.answer(&judged(status, code, headers));
        // Whether there is a wait does not depend on the time of day.
        let has_wait = || hint(headers, SystemTime::UNIX_EPOCH).is_some();
        row.map_or(Executed::MayBe, |row| row.executed(has_wait))
    }

    /// Whether this answer to a repeat may be due to an earlier attempt whose end nobody saw.
    ///
    /// So it is no answer to the call: who deleted is told that nothing is there, who created that
    /// something is.
    ///
    /// # Example
    ///
    /// ```
    /// use azure_core::http::{Method, Request, StatusCode, Url};
    /// use seawall::azure::Contract;
    ///
    /// let url = Url::parse("https://a.blob.core.windows.net/photos/1.jpg")?;
    /// let delete = Request::new(url, Method::Delete);
    /// assert!(Contract::storage().after_ambiguous(&delete, StatusCode::NotFound));
    /// assert!(!Contract::storage().after_ambiguous(&delete, StatusCode::Accepted));
    /// # Ok::<(), azure_core::Error>(())
    /// ```
    #[must_use]
    pub fn after_ambiguous(&self, request: &Request, status: StatusCode) -> bool {
        let row = self.table.doubt(&Call::new(request));
        row.is_some_and(|row| row.statuses.contains(&u16::from(status)))
    }

    /// The wait that an error asks for, by the answer that it is, or that it is due to: a credential
    /// that was throttled says so inside.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::SystemTime;
    ///
    /// use azure_core::error::{Error, ErrorKind};
    /// use seawall::azure::Contract;
    ///
    /// let error = Error::with_message(ErrorKind::Credential, "no token");
    /// assert_eq!(Contract::identity().retry_after(&error, SystemTime::now()), None);
    /// ```
    #[must_use]
    pub fn retry_after(&self, error: &Error, now: SystemTime) -> Option<Duration> {
        hint_of(error, now)
    }

    /// What a reason means that is said where there is no HTTP, or nothing where it is not known.
    ///
    /// Compared in any case. Of Redis, the whole message may be given.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::Outcome;
    /// use seawall::azure::Contract;
    ///
    /// let redis = Contract::redis();
    /// let loading = redis.judge_code("LOADING Redis is loading the dataset in memory");
    /// assert_eq!(loading, Some(Outcome::Transient));
    /// assert_eq!(redis.judge_code("PONG"), None);
    /// ```
    #[must_use]
    pub fn judge_code(&self, code: &str) -> Option<Outcome> {
        Some(self.table.reason(code)?.outcome)
    }

    /// Whether the call that ended with this reason has been executed, or nothing where the reason
    /// is not known.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::azure::Contract;
    /// use seawall::azure::contract::Executed;
    ///
    /// let bus = Contract::service_bus();
    /// assert_eq!(bus.executed_code("ServiceTimeout"), Some(Executed::MayBe));
    /// ```
    #[must_use]
    pub fn executed_code(&self, code: &str) -> Option<Executed> {
        Some(self.table.reason(code)?.executed)
    }

    /// A stack with the service's own retry and timeouts, to be changed where one knows better.
    ///
    /// # Example
    ///
    /// ```
    /// use seawall::azure::Contract;
    ///
    /// let stack = Contract::storage().stack().name("photos").build()?;
    /// assert_eq!(stack.name(), "photos");
    /// # Ok::<(), seawall::error::InvalidConfig>(())
    /// ```
    pub fn stack(&self) -> stack::Config {
        (self.table.stack)().name(self.table.name)
    }
}

/// Judges what a pipeline of the SDK returns: answers of any status, and errors.
///
/// # Example
///
/// ```
/// use azure_core::http::headers::Headers;
/// use azure_core::http::{AsyncRawResponse, StatusCode};
/// use seawall::Outcome;
/// use seawall::azure::Contract;
/// use seawall::outcome::Classify;
///
/// let headers = Headers::new();
/// let response = AsyncRawResponse::from_bytes(StatusCode::InternalServerError, headers, "");
/// assert_eq!(Contract::storage().classify(Ok(&response)), Outcome::Transient);
/// ```
impl Classify<AsyncRawResponse, Error> for Contract {
    fn classify(&self, result: Result<&AsyncRawResponse, &Error>) -> Outcome {
        match result {
            Ok(response) => self.judge(response.status(), response.headers(), SystemTime::now()),
            Err(error) => self.judge_error(error),
        }
    }

    fn may_have_run(&self, result: Result<&AsyncRawResponse, &Error>) -> bool {
        match result {
            Ok(response) => self.executed(response.status(), response.headers()).is_possible(),
            Err(error) => self.may_have_run_error(error),
        }
    }
}

impl fmt::Debug for Contract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contract")
            .field("name", &self.table.name)
            .field("repeats_versions", &self.repeats_versions)
            .field("repeats_inference", &self.repeats_inference)
            .field("waits_for_busy", &self.waits_for_busy)
            .finish_non_exhaustive()
    }
}

fn judged<'a>(status: StatusCode, code: Option<&'a str>, headers: &'a Headers) -> Judged<'a> {
    Judged { status: u16::from(status), code, source: str_of(headers, &SOURCE_CODE) }
}

fn code_of(headers: &Headers) -> Option<&str> {
    str_of(headers, &CODE).filter(|code| !code.is_empty())
}

/// An answer of a service that has no rows for any.
const fn unknown(status: u16) -> Outcome {
    if status < 400 { Outcome::Success } else { Outcome::Transient }
}

static CODE: HeaderName = HeaderName::from_static("x-ms-error-code");
static SOURCE_CODE: HeaderName = HeaderName::from_static("x-ms-copy-source-error-code");

#[cfg(test)]
#[cfg(not(seawall_loom))]
mod tests;
