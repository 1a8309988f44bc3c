//! What an answer of the blob service says about a lease.

use azure_core::Error;
use azure_core::error::ErrorKind;

use crate::Outcome;
use crate::azure::Contract;
use crate::azure::resilience::AMBIGUOUS;
use crate::lease::LeaseError;

/// What `error` means for whoever asked for something about a lease.
pub(super) fn judge(error: Error) -> LeaseError {
    match code_of(&error) {
        Some("LeaseAlreadyPresent" | "LeaseIsBreakingAndCannotBeAcquired") => {
            return LeaseError::Held { by: None };
        }
        Some(
            "LeaseAlreadyBroken"
            | "LeaseIdMismatchWithBlobOperation"
            | "LeaseIdMismatchWithLeaseOperation"
            | "LeaseIdMissing"
            | "LeaseIsBrokenAndCannotBeRenewed"
            | "LeaseLost"
            | "LeaseNotPresentWithBlobOperation"
            | "LeaseNotPresentWithLeaseOperation",
        ) => return LeaseError::Lost,
        _ => {}
    }
    let contract = Contract::storage();
    if contract.may_have_run_error(&error) {
        return LeaseError::ambiguous(error);
    }
    match contract.judge_error(&error) {
        Outcome::Permanent | Outcome::Success => LeaseError::refused(error),
        Outcome::Transient | Outcome::Overload { .. } | Outcome::Neutral => {
            LeaseError::unavailable(error)
        }
    }
}

/// Whether somebody else has changed the blob since it was read.
pub(super) fn is_conflict(error: &Error) -> bool {
    status_of(error) == Some(412)
        && matches!(code_of(error), Some("ConditionNotMet" | "TargetConditionNotMet") | None)
}

/// Whether this answers the repeat of a request whose own end nobody saw.
pub(super) fn is_repeated(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::HttpResponse { raw_response: Some(response), .. } => {
            response.headers().get_optional_str(&AMBIGUOUS).is_some()
        }
        ErrorKind::HttpResponse { raw_response: None, .. }
        | ErrorKind::Connection
        | ErrorKind::Io
        | ErrorKind::DataConversion
        | ErrorKind::Credential
        | ErrorKind::Other => false,
    }
}

/// Whether the blob is there already, as who wanted to create it is told.
pub(super) fn exists(error: &Error) -> bool {
    code_of(error) == Some("BlobAlreadyExists")
        // It exists, and somebody has leased it.
        || code_of(error) == Some("LeaseIdMissing")
        || is_conflict(error)
}

/// Whether there is no such blob. A container that is not there is another matter.
pub(super) fn is_missing(error: &Error) -> bool {
    status_of(error) == Some(404) && matches!(code_of(error), Some("BlobNotFound") | None)
}

fn status_of(error: &Error) -> Option<u16> {
    error.http_status().map(u16::from)
}

fn code_of(error: &Error) -> Option<&str> {
    match error.kind() {
        ErrorKind::HttpResponse { error_code, .. } => error_code.as_deref(),
        ErrorKind::Connection
        | ErrorKind::Io
        | ErrorKind::DataConversion
        | ErrorKind::Credential
        | ErrorKind::Other => None,
    }
}
