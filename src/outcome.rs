//! What a finished call says about the service that handled it.
//!
//! One vocabulary for every policy, so that an answer is judged once. A [`Classify`] looks at a
//! result and says which [`Outcome`] it is; each policy reads the outcome through the same table.
//!
//! # Example
//!
//! ```
//! use seawall::Outcome;
//! use seawall::outcome::Classify;
//!
//! // A closure is a classifier.
//! let by_status = |result: Result<&u16, &String>| match result {
//!     Ok(500..) | Err(_) => Outcome::Transient,
//!     Ok(400..) => Outcome::Permanent,
//!     Ok(_) => Outcome::Success,
//! };
//!
//! assert_eq!(by_status.classify(Ok(&404)), Outcome::Permanent);
//! ```

use std::time::Duration;

use crate::error::Reject;

/// What a finished call says about the service that handled it.
///
/// |               | breaker, outlier ejection | retry, hedge, failover | adaptive limit |
/// |---------------|---------------------------|------------------------|----------------|
/// | [`Success`]   | good                      | done                   | grow           |
/// | [`Permanent`] | good                      | done                   | grow           |
/// | [`Transient`] | bad                       | try again              | hold           |
/// | [`Overload`]  | not counted; its hint pauses | try again, later    | shrink         |
/// | [`Neutral`]   | not counted               | done                   | not counted    |
///
/// [`Success`]: Self::Success
/// [`Permanent`]: Self::Permanent
/// [`Transient`]: Self::Transient
/// [`Overload`]: Self::Overload
/// [`Neutral`]: Self::Neutral
///
/// # Example
///
/// ```
/// use seawall::Outcome;
///
/// assert!(Outcome::Transient.is_failure());
/// assert!(!Outcome::Overload { retry_after: None }.is_failure());
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// No evidence either way: the call never reached the service, or its caller changed his mind.
    Neutral,
    /// The service is shedding load, and may have said when to come back.
    Overload {
        /// The wait that the service asked for.
        retry_after: Option<Duration>,
    },
    /// The service works; this call can not succeed (a `404`, a failed precondition).
    Permanent,
    /// The service works and gave the answer.
    Success,
    /// The service failed in a way that the next attempt may not (a `500`, a reset connection).
    Transient,
}

impl Outcome {
    /// Whether this counts against the service.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Transient)
    }

    /// A short, stable name for logs and metrics.
    ///
    /// # Example
    ///
    /// ```
    /// assert_eq!(seawall::Outcome::Success.name(), "success");
    /// ```
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Neutral => "neutral",
            Self::Overload { .. } => "overload",
            Self::Permanent => "permanent",
            Self::Success => "success",
            Self::Transient => "transient",
        }
    }
}

/// Judges the result of a call.
///
/// Closures of the shape of [`classify`](Self::classify) implement it. A classifier runs once per
/// policy and call; it may panic, which costs the caller its call and no policy its state.
///
/// # Example
///
/// ```
/// use seawall::Outcome;
/// use seawall::outcome::Classify;
///
/// struct RowsOrNothing;
///
/// impl<E> Classify<Vec<u8>, E> for RowsOrNothing {
///     fn classify(&self, result: Result<&Vec<u8>, &E>) -> Outcome {
///         if result.is_ok() { Outcome::Success } else { Outcome::Transient }
///     }
/// }
///
/// assert_eq!(Classify::<_, ()>::classify(&RowsOrNothing, Ok(&vec![])), Outcome::Success);
/// ```
pub trait Classify<T, E> {
    /// Says what `result` means.
    fn classify(&self, result: Result<&T, &E>) -> Outcome;

    /// Whether the service may have executed the call that ended with `result`.
    ///
    /// What certainly never ran (a refused connection) is safe to send again whatever it is. The
    /// default is `true`, which is never wrong.
    fn may_have_run(&self, result: Result<&T, &E>) -> bool {
        let _ = result;
        true
    }

    /// Marks an answer after which nobody knows whether the call took effect.
    ///
    /// Called with the last answer of a call that is not safe to repeat and may have been executed
    /// without this answer saying so. The default leaves it as it is.
    fn ambiguous(&self, response: T) -> T {
        response
    }
}

impl<F, T, E> Classify<T, E> for F
where
    F: Fn(Result<&T, &E>) -> Outcome,
{
    fn classify(&self, result: Result<&T, &E>) -> Outcome {
        self(result)
    }
}

/// Judges a call by its result alone: an answer is good, an error is [`Transient`].
///
/// A [`Rejection`](crate::Rejection) counts for what it is: one of a policy further in that never
/// reached the service is [`Neutral`], a timeout is [`Transient`].
///
/// [`Neutral`]: Outcome::Neutral
/// [`Transient`]: Outcome::Transient
///
/// # Example
///
/// ```
/// use seawall::outcome::{ByResult, Classify};
/// use seawall::{Error, Outcome};
///
/// let failed: Result<&(), &Error<&str>> = Err(&Error::Service("broken pipe"));
/// assert_eq!(ByResult.classify(failed), Outcome::Transient);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing to add to it")]
pub struct ByResult;

impl<T, E> Classify<T, E> for ByResult
where
    E: Reject,
{
    #[inline]
    fn classify(&self, result: Result<&T, &E>) -> Outcome {
        match result {
            Ok(_) => Outcome::Success,
            Err(error) => judge(error),
        }
    }

    fn may_have_run(&self, result: Result<&T, &E>) -> bool {
        match result {
            Ok(_) => true,
            Err(error) => {
                error.rejection().is_none_or(|rejection| rejection.reason().may_have_run())
            }
        }
    }
}

fn judge<E: Reject>(error: &E) -> Outcome {
    match error.rejection() {
        Some(rejection) if !rejection.reason().reached_service() => Outcome::Neutral,
        _ => Outcome::Transient,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, Reason, Rejection};

    #[test]
    fn a_rejection_that_never_reached_the_service_is_no_evidence() {
        let error: Error<()> = Error::Rejected(Rejection::new("b", Reason::BulkheadFull));

        assert_eq!(ByResult.classify(Err::<&(), _>(&error)), Outcome::Neutral);
        assert!(!ByResult.may_have_run(Err::<&(), _>(&error)));
    }

    #[test]
    fn a_timeout_is_a_failure_that_may_have_run() {
        let error: Error<()> = Error::Rejected(Rejection::new("t", Reason::TimedOut));

        assert_eq!(ByResult.classify(Err::<&(), _>(&error)), Outcome::Transient);
        assert!(ByResult.may_have_run(Err::<&(), _>(&error)));
    }

    #[test]
    fn each_outcome_has_a_name_of_its_own_and_only_the_passing_failure_counts_as_one() {
        let outcomes = [
            (Outcome::Neutral, "neutral", false),
            (Outcome::Overload { retry_after: None }, "overload", false),
            (Outcome::Permanent, "permanent", false),
            (Outcome::Success, "success", false),
            (Outcome::Transient, "transient", true),
        ];
        for (outcome, name, is_failure) in outcomes {
            assert_eq!((outcome.name(), outcome.is_failure()), (name, is_failure));
        }
    }

    #[test]
    fn a_classifier_that_does_not_know_better_takes_every_call_for_one_that_may_have_run() {
        let classify = |_: Result<&(), &()>| Outcome::Transient;

        assert!(classify.may_have_run(Err(&())));
        assert!(classify.may_have_run(Ok(&())));
    }

    #[test]
    fn an_answer_is_a_success() {
        assert_eq!(ByResult.classify(Ok::<_, &Error<()>>(&())), Outcome::Success);
    }
}
