//! How the stack judges and repeats calls of the SDK.

use std::time::SystemTime;

use azure_core::Error;
use azure_core::http::AsyncRawResponse;

use super::answer::{AMBIGUOUS, with_headers};
use super::journey::Journey;
use crate::azure::contract::Contract;
use crate::azure::policy::PolicyCall;
use crate::error::Reject;
use crate::outcome::{ByResult, Classify, Outcome};
use crate::replay::{NotReplayable, Replay, Safety};

/// By the contract of the service.
#[derive(Clone, Debug)]
pub(in crate::azure) struct Judge(pub(super) Contract);

impl Classify<AsyncRawResponse, Error> for Judge {
    fn classify(&self, result: Result<&AsyncRawResponse, &Error>) -> Outcome {
        match result {
            Ok(answer) => self.0.judge(answer.status(), answer.headers(), SystemTime::now()),
            Err(error) if error.rejection().is_some() => {
                ByResult.classify(Err::<&AsyncRawResponse, _>(error))
            }
            Err(error) => self.0.judge_error(error),
        }
    }

    fn may_have_run(&self, result: Result<&AsyncRawResponse, &Error>) -> bool {
        match result {
            Ok(answer) => self.0.executed(answer.status(), answer.headers()).is_possible(),
            Err(error) => match error.rejection() {
                Some(rejection) => rejection.reason().may_have_run(),
                None => self.0.may_have_run_error(error),
            },
        }
    }

    fn ambiguous(&self, response: AsyncRawResponse) -> AsyncRawResponse {
        with_headers(response, [(AMBIGUOUS, "true".into())])
    }
}

/// The same for operations without an answer of HTTP.
#[derive(Clone, Debug)]
pub(super) struct JudgeErrors(pub(super) Contract);

impl<T> Classify<T, Error> for JudgeErrors {
    fn classify(&self, result: Result<&T, &Error>) -> Outcome {
        match result {
            Ok(_) => Outcome::Success,
            Err(error) if error.rejection().is_some() => ByResult.classify(Err::<&T, _>(error)),
            Err(error) => self.0.judge_error(error),
        }
    }

    fn may_have_run(&self, result: Result<&T, &Error>) -> bool {
        match result {
            Ok(_) => true,
            Err(error) => match error.rejection() {
                Some(rejection) => rejection.reason().may_have_run(),
                None => self.0.may_have_run_error(error),
            },
        }
    }
}

/// Sends a call again, if its service and its body allow that.
#[derive(Clone, Debug)]
pub(super) struct Again(pub(super) Contract);

impl Replay<PolicyCall> for Again {
    fn safety(&self, call: &PolicyCall) -> Safety {
        let said = Journey::of(call).and_then(|journey| journey.options.safety);
        said.unwrap_or_else(|| self.0.safety(call.request()))
    }

    fn keep(&self, call: &mut PolicyCall) -> Result<PolicyCall, NotReplayable> {
        Ok(call.clone())
    }

    fn again(&self, kept: &PolicyCall) -> Result<PolicyCall, NotReplayable> {
        match Journey::of(kept) {
            Some(journey) if journey.has_lost_body() => Err(NotReplayable::BodyGone),
            _ => Ok(kept.clone()),
        }
    }
}
