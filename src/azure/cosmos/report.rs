//! What an answer or an error tells of its call.

use std::sync::Arc;
use std::time::Duration;

use azure_data_cosmos::diagnostics::DiagnosticsContext;
use azure_data_cosmos::feed::{FeedPage, QueryFeedPage};
use azure_data_cosmos::models::{BatchResponse, ItemResponse, ResourceResponse};
use azure_data_cosmos::{CosmosError, CosmosStatus};

use super::status::{Sign, judge};
use crate::error::BoxError;
use crate::region::Region;

/// What is known of an operation: the requests that the driver made for it, and what it cost.
///
/// # Example
///
/// ```
/// use seawall::azure::cosmos::{Report, Request};
///
/// let report = Report::new()
///     .request(Request::new(503, 20_003))
///     .request(Request::new(409, 0).charge(1.2))
///     .status(409, 0);
///
/// assert_eq!(report.requests().len(), 2);
/// assert!((report.charge() - 1.2).abs() < 1e-9);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    status: Option<(u16, u16)>,
    requests: Vec<Request>,
    retry_after: Option<Duration>,
}

/// One request of an operation.
///
/// # Example
///
/// ```
/// use seawall::azure::cosmos::Request;
/// use seawall::region::Region;
///
/// let refused = Request::new(503, 20_010).region(Region::new("West US")?).not_sent();
/// assert!(!refused.may_have_run());
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Request {
    status: (u16, u16),
    region: Option<Region>,
    was_sent: bool,
    charge: f64,
}

impl Request {
    /// A request that ended so.
    pub const fn new(status: u16, sub_status: u16) -> Self {
        Self { status: (status, sub_status), region: None, was_sent: true, charge: 0.0 }
    }

    /// Where it went.
    ///
    /// Default: not known.
    pub fn region(mut self, region: Region) -> Self {
        self.region = Some(region);
        self
    }

    /// It certainly has not left this machine.
    ///
    /// Default: it may have.
    pub const fn not_sent(mut self) -> Self {
        self.was_sent = false;
        self
    }

    /// What it cost, in request units. What is no number, or less than nothing, costs nothing.
    ///
    /// Default: nothing.
    pub const fn charge(mut self, units: f64) -> Self {
        self.charge = if units > 0.0 { units } else { 0.0 };
        self
    }

    /// Its status, and its sub-status or 0.
    #[must_use]
    pub const fn code(&self) -> (u16, u16) {
        self.status
    }

    /// Whether a write may have been executed by it.
    #[must_use]
    pub fn may_have_run(&self) -> bool {
        self.was_sent && judge(self.status.0, self.status.1).may_have_run
    }

    /// Which region it tells of, and what.
    pub(super) fn sign(&self) -> Option<(&Region, Sign)> {
        Some((self.region.as_ref()?, judge(self.status.0, self.status.1).sign))
    }
}

impl Report {
    /// Of a call of which nothing is known.
    #[must_use]
    pub const fn new() -> Self {
        Self { status: None, requests: Vec::new(), retry_after: None }
    }

    /// What the SDK's diagnostics tell.
    ///
    /// Requests for metadata are left out: they change nothing, and cost nothing of the quota.
    #[must_use]
    pub fn of(diagnostics: &DiagnosticsContext) -> Self {
        let requests = diagnostics.requests();
        let requests = requests.iter().filter(|it| it.pipeline_type().is_data_plane()).map(|it| {
            let (status, sub_status) = pair(*it.status());
            Request {
                status: (status, sub_status),
                region: it.region().and_then(|region| Region::new(region.as_str()).ok()),
                was_sent: it.request_sent().may_have_been_sent(),
                charge: it.request_charge().value().max(0.0),
            }
        });
        Self { status: None, requests: requests.collect(), retry_after: None }
    }

    /// Adds a request, in the order in which they were made.
    #[must_use]
    pub fn request(mut self, request: Request) -> Self {
        self.requests.push(request);
        self
    }

    /// How the operation ended, if it was the service or its client that ended it.
    ///
    /// Default: it worked, or the caller's own code failed.
    #[must_use]
    pub const fn status(mut self, status: u16, sub_status: u16) -> Self {
        self.status = Some((status, sub_status));
        self
    }

    /// When the service wants to be asked again.
    ///
    /// Default: it did not say.
    #[must_use]
    pub const fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The requests that the driver made, the first one first. It keeps a bounded number of them.
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// What they cost together, in request units.
    #[must_use]
    pub fn charge(&self) -> f64 {
        self.requests.iter().map(|request| request.charge).sum()
    }

    pub(super) const fn ended(&self) -> Option<(u16, u16)> {
        self.status
    }

    pub(super) const fn hint(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether a write that failed so may have been executed.
    ///
    /// An answer that says no, says it of its own request only: one that the driver sent before may
    /// have been executed all the same.
    pub(super) fn may_have_run(&self) -> bool {
        let Some((status, sub_status)) = self.status else { return false };
        match self.requests.split_last() {
            None => judge(status, sub_status).may_have_run,
            Some((last, before)) => {
                let of_the_end = last.was_sent && judge(status, sub_status).may_have_run;
                of_the_end || last.may_have_run() || before.iter().any(Request::may_have_run)
            }
        }
    }

    fn and(mut self, other: Self) -> Self {
        self.requests.extend(other.requests);
        Self {
            status: self.status.or(other.status),
            requests: self.requests,
            retry_after: self.retry_after.or(other.retry_after),
        }
    }
}

/// Answers and errors that tell of the operation they come from.
///
/// Implemented for the SDK's answers and its error, for what is made up of them, and for
/// [`BoxError`]. Implement it for an own error by asking the [`CosmosError`] in it, and let an
/// operation answer with a pair where it does not answer with a response of the SDK.
///
/// # Example
///
/// ```
/// use azure_data_cosmos::{ContainerClient, CosmosError};
/// use seawall::azure::cosmos::{Report, Reported};
///
/// #[derive(Debug)]
/// enum OrderError {
///     Cosmos(CosmosError),
///     Empty,
/// }
///
/// impl Reported for OrderError {
///     fn report(&self) -> Report {
///         match self {
///             Self::Cosmos(error) => error.report(),
///             Self::Empty => Report::new(),
///         }
///     }
/// }
///
/// assert_eq!(OrderError::Empty.report(), Report::new());
/// ```
pub trait Reported {
    /// What is known of the operation.
    fn report(&self) -> Report;
}

impl Reported for CosmosError {
    fn report(&self) -> Report {
        let (status, sub_status) = pair(self.status());
        let report = self.diagnostics().map_or_else(Report::new, |it| Report::of(&it));
        let wait = self.response().and_then(|response| response.headers().retry_after_ms);
        let report = Report { retry_after: wait.map(Duration::from_millis), ..report };
        report.status(status, sub_status)
    }
}

/// By the [`CosmosError`] in it, at any depth.
impl Reported for BoxError {
    fn report(&self) -> Report {
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(&**self);
        // No error has that many causes, unless its chain has no end.
        for _ in 0..64 {
            let Some(error) = next else { break };
            if let Some(error) = error.downcast_ref::<CosmosError>() {
                return error.report();
            }
            next = error.source();
        }
        Report::new()
    }
}

impl Reported for ItemResponse {
    fn report(&self) -> Report {
        Report::of(&self.diagnostics())
    }
}

impl<T> Reported for ResourceResponse<T> {
    fn report(&self) -> Report {
        Report::of(&self.diagnostics())
    }
}

impl Reported for BatchResponse {
    fn report(&self) -> Report {
        Report::of(&self.diagnostics())
    }
}

impl<T> Reported for FeedPage<T> {
    fn report(&self) -> Report {
        Report::of(&self.diagnostics())
    }
}

impl<T> Reported for QueryFeedPage<T> {
    fn report(&self) -> Report {
        Report::of(&self.diagnostics())
    }
}

/// With whatever was read from the answer: `(model, response.diagnostics())`.
impl<T> Reported for (T, Arc<DiagnosticsContext>) {
    fn report(&self) -> Report {
        Report::of(&self.1)
    }
}

impl<T> Reported for (T, Report) {
    fn report(&self) -> Report {
        self.1.clone()
    }
}

/// The pages of a query.
impl<T> Reported for Vec<T>
where
    T: Reported,
{
    fn report(&self) -> Report {
        self.iter().map(Reported::report).fold(Report::new(), Report::and)
    }
}

impl<T> Reported for Option<T>
where
    T: Reported,
{
    fn report(&self) -> Report {
        self.as_ref().map_or_else(Report::new, Reported::report)
    }
}

/// Nothing is known: the operation's learned cost stands.
impl Reported for () {
    fn report(&self) -> Report {
        Report::new()
    }
}

fn pair(status: CosmosStatus) -> (u16, u16) {
    (status.status_code().into(), status.sub_status().map_or(0, u16::from))
}
